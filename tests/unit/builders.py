"""What the unit tests build with: models, events, records, and one run of the engine in chunks of any size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from scoring.alerts import Alert
from scoring.leads import LeadScore
from scoring.model import ScoringModel, parse_model
from scoring.replay import FileRecord
from scoring.shard import Outcome, Shard
from tests.oracle import DAY_MS, HOUR_MS, Said

NOW = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""

History = Sequence[tuple[Mapping[str, Any], int]]
"""Events in order of consumption, each with the time (ms) at which it was received."""

WARM_HOT = {"warm": {"enter": 30, "leave": 20}, "hot": {"enter": 100, "leave": 80, "cooldown_h": 24}}


def model_of(
    rules: Mapping[str, Mapping[str, Any]],
    bands: Mapping[str, Mapping[str, Any]] | None = None,
    max_age_h: float = 24,
    version: str = "v1",
) -> ScoringModel:
    """Return a model through the door that files come through."""
    data = {"version": version, "rules": rules, "bands": bands or WARM_HOT, "alerts": {"max_age_h": max_age_h}}
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


def run(model: ScoringModel, history: History, sizes: Iterable[int] | None = None, shard: Shard | None = None) -> Run:
    """Score a history in chunks of the given sizes; what they leave over, or all, is one chunk."""
    records = [to_record(event, received_ms, offset) for offset, (event, received_ms) in enumerate(history)]
    shard = Shard(model, {}) if shard is None else shard
    outcome = Outcome()
    start = 0
    for size in (*(sizes or ()), len(records)):
        if start < len(records):
            outcome.extend(shard.take(records[start : start + size]))
            start += size
    return Run(shard, outcome, {lead.decode(): _decode_score(score) for lead, score in outcome.scores.items()})


def reopen(shard: Shard, model: ScoringModel | None = None) -> Shard:
    """Return a shard on a copy of another's states, as after a restart, with the same model or a changed one."""
    return Shard(shard.book.model if model is None else model, dict(shard.leads), shard.memo)


def said_of(alert: Alert) -> Said:
    """Reduce an alert to what the oracle tells."""
    return Said(alert.id, alert.kind, alert.lead, alert.band, alert.from_band, alert.time_ms, alert.score)


def days(count: float) -> int:
    return int(count * DAY_MS)


def hours(count: float) -> int:
    return int(count * HOUR_MS)
