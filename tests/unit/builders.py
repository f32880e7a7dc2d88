"""What the unit tests build with: models, events, records, and one run of the engine in chunks of any size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import msgspec

from scoring.alerts import Alert, Origin
from scoring.model import ScoringModel, parse_model
from scoring.replay import FileRecord
from scoring.score_records import LeadScore
from scoring.shard import Outcome, Shard
from tests.oracle import DAY_MS, HOUR_MS, Line, Said, Tick, Touch

NOW = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""

History = Sequence[tuple[Mapping[str, Any], int]]
"""Events in order of consumption, each with the time (ms) at which it was received."""

Timed = tuple[Mapping[str, Any], int] | Tick
Timeline = Sequence[Timed]
"""A history in which the clock ticks, too."""

WARM_HOT = {"warm": {"enter": 30, "leave": 20}, "hot": {"enter": 100, "leave": 80, "cooldown_h": 24}}


def model_of(
    rules: Mapping[str, Mapping[str, Any]],
    bands: Mapping[str, Mapping[str, Any]] | None = None,
    max_age_h: float = 24,
    version: str = "v1",
    visitors: bool = False,
    **sections: Any,
) -> ScoringModel:
    """Return a model through the door that files come through; ``sections`` are the others of the file."""
    alerts = {"max_age_h": max_age_h, "visitors": visitors}
    data = {"version": version, "rules": rules, "bands": bands or WARM_HOT, "alerts": alerts, **sections}
    # JSON is YAML, and has no anchors for parts that are used twice.
    return parse_model(json.dumps(data), "test.yaml")


def model_of_text(text: str) -> ScoringModel:
    """Return the model of a YAML text whose version, and whose bands, may be left out."""
    bands = "" if "\nbands:" in text else f"\nbands: {json.dumps(WARM_HOT)}\n"
    return parse_model(f"version: v1\n{text}{bands}", "test.yaml")


def event(event_id: str, time_ms: int = NOW, event_type: str = "page_viewed", **fields: Any) -> dict[str, Any]:
    """Return an event as on the wire, of user 7 unless another identity is given."""
    identity = {} if fields.keys() & {"email", "user_id", "anonymous_id"} else {"user_id": "7"}
    return {"id": event_id, "type": event_type, "time": time_ms, **identity, **fields}


def to_record(event: Mapping[str, Any] | bytes | None, received_ms: int | None = None, offset: int = 0) -> FileRecord:
    """Return an event as a record, received when it happened unless told otherwise."""
    if isinstance(event, bytes) or event is None:
        return FileRecord(offset, NOW if received_ms is None else received_ms, event)
    return FileRecord(offset, event["time"] if received_ms is None else received_ms, json.dumps(event).encode())


def live(events: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], int]]:
    """Return events as a history in which each is received when it happens."""
    return [(event, event["time"]) for event in events]


@dataclass
class Run:
    """What one run of the engine came to."""

    shard: Shard
    outcome: Outcome
    scores: dict[str, LeadScore]

    @property
    def said(self) -> list[Said]:
        return [said_of(alert) for alert in self.outcome.alerts]

    def score(self, lead: str = "user:7") -> float:
        return self.scores[lead].score


_decode_score = msgspec.json.Decoder(LeadScore).decode


def run(model: ScoringModel, history: Timeline, sizes: Iterable[int] | None = None, shard: Shard | None = None) -> Run:
    """Score a history in chunks of the given sizes; what they leave over, or all, is one chunk. Ticks end chunks."""
    shard = Shard(model, {}) if shard is None else shard
    outcome = Outcome()
    left = iter(sizes or ())
    chunk: list[FileRecord] = []
    size = next(left, len(history))
    for offset, item in enumerate(history):
        if isinstance(item, Tick):
            take(shard, chunk, outcome)
            outcome.extend(shard.tick(item.clock_ms))
            chunk = []
            continue
        chunk.append(to_record(*item, offset))
        if len(chunk) >= size:
            take(shard, chunk, outcome)
            chunk, size = [], next(left, len(history))
    take(shard, chunk, outcome)
    return Run(shard, outcome, {lead.decode(): _decode_score(score) for lead, score in outcome.scores.items()})


def take(shard: Shard, chunk: list[FileRecord], outcome: Outcome) -> None:
    """Let a shard take a chunk, in which events and what sales did follow one another."""
    for of_sales, records in groupby(chunk, lambda record: b'"action"' in (record.value or b"")):
        run = list(records)
        outcome.extend(shard.take_follow_ups(run) if of_sales else shard.take(run))


def reopen(shard: Shard, model: ScoringModel | None = None) -> Shard:
    """Return a shard on a copy of another's states, as after a restart, with the same model or a changed one."""
    return Shard(shard.book.model if model is None else model, dict(shard.leads), shard.memo)


def said_of(alert: Alert) -> Said:
    """Bring an alert into the oracle's form: all of it but the model's version and the account's fit."""
    return Said(
        id=alert.id,
        kind=alert.kind,
        lead=alert.lead,
        band=alert.band,
        from_band=alert.from_band,
        time_ms=alert.time_ms,
        score=alert.score,
        ledger=[
            Line(
                *(line.kind, line.rule, line.points, line.count, line.last_ms, line.half_life_days),
                *(line.points_max, line.phase, line.subject),
                tuple((evidence.time_ms, evidence.hash) for evidence in line.events),
            )
            for line in alert.ledger
        ],
        phase=alert.phase,
        cause=None if alert.cause is None else (alert.cause.id, alert.cause.type, alert.cause.time_ms),
        alert_id=alert.alert_id,
        cools_at_ms=alert.cools_at_ms,
        held_until_ms=alert.held_until_ms,
        stage=alert.stage,
        account=alert.account,
        contact=alert.contact,
        first_touch=_touch_of(alert.first_touch),
        last_touch=_touch_of(alert.last_touch),
        unknown=alert.unknown,
        coverage=alert.coverage,
        customer=alert.customer,
    )


def _touch_of(origin: Origin | None) -> Touch | None:
    if origin is None:
        return None
    return Touch(origin.time_ms, origin.source, origin.medium, origin.campaign, origin.page)


def minutes(count: float) -> int:
    return int(count * 60_000)


def days(count: float) -> int:
    return int(count * DAY_MS)


def hours(count: float) -> int:
    return int(count * HOUR_MS)
