"""What the demo's tests share: times, and a world run through the engine without any Kafka."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from scoring.events import Event
from scoring.model import ScoringModel
from scoring.outcomes import Outcome
from scoring.replay import FileRecord, Replay
from streams.demo.life import Happening
from streams.demo.world import World
from streams.records import to_record

NOW = 1_767_960_000_000
"""2026-01-09T12:00:00Z, a Friday."""


def life_of(world: World, seconds: float, now_ms: int = NOW) -> list[Happening]:
    """Return the first seconds of a world's life, each event at its time."""
    events = []
    for at_s, event in takewhile(lambda happens: happens[0] <= seconds, world.life()):
        event.time = now_ms + int(at_s * 1000)
        events.append(event)
    return events


def events_of(happenings: Iterable[Happening]) -> list[Event]:
    """Return what people do, without what happens at companies."""
    return [event for event in happenings if isinstance(event, Event)]


def take(replay: Replay, happenings: Iterable[Happening], received_ms: int | None = None) -> Outcome:
    """Score what happens, received then at once, or else each when it happened."""
    records = []
    for number, each in enumerate(happenings):
        _, value, key = to_record(each, "demo")
        records.append(FileRecord(number, received_ms or int(each.time), value, key))
    outcome = Outcome()
    for chunk in [records] if received_ms else [[record] for record in records]:
        outcome.extend(replay.take(chunk))
    assert [refusal.error for refusal in outcome.refusals] == []
    assert outcome.duplicates == 0
    assert outcome.conflicts == []
    return outcome


def replayed_history(model: ScoringModel, world: World, now_ms: int = NOW) -> tuple[Replay, Outcome]:
    """Score a world's history as it is when it is loaded at ``now_ms``."""
    replay = Replay(model)
    outcome = take(replay, world.companies(now_ms), now_ms)
    outcome.extend(take(replay, world.history(now_ms), now_ms))
    return replay, outcome
