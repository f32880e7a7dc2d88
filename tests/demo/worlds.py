"""What the demo's tests share: times, and a world run through the engine without any Kafka."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from scoring.alerts import Alert
from scoring.events import Event, encode_event
from scoring.model import ScoringModel
from scoring.replay import FileRecord, Replay
from streams.demo.world import World

NOW = 1_767_960_000_000
"""2026-01-09T12:00:00Z, a Friday."""


def life_of(world: World, seconds: float, now_ms: int = NOW) -> list[Event]:
    """Return the first seconds of a world's life, each event at its time."""
    events = []
    for at_s, event in takewhile(lambda happens: happens[0] <= seconds, world.life()):
        event.time = now_ms + int(at_s * 1000)
        events.append(event)
    return events


def score(replay: Replay, events: Iterable[Event], received_ms: int | None = None) -> list[Alert]:
    """Score events, received then or else when they happened; returns the alerts."""
    records = [
        FileRecord(number, int(event.time) if received_ms is None else received_ms, encode_event(event))
        for number, event in enumerate(events)
    ]
    outcome = replay.take(records)
    assert outcome.refusals == []
    assert outcome.duplicates == 0
    return outcome.alerts


def replayed_history(model: ScoringModel, world: World, now_ms: int = NOW) -> tuple[Replay, list[Alert]]:
    """Score a world's history as it is when it is loaded at ``now_ms``."""
    replay = Replay(model)
    return replay, score(replay, world.history(now_ms), now_ms)
