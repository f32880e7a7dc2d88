"""The audit notices whatever is wrong: each promise broken in turn, on a run in memory, where that is exact."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from scoring import grouping, leads
from scoring.events import Event
from scoring.model import load_model
from scoring.shard import Outcome, Shard
from streams.published_models import Publication, PublishedModels
from streams.runtime.journal import ChunkRange, JournalEntry, Tick, encode
from streams.settings import Settings
from streams.topics import (
    ACCOUNT_SCORES,
    BUYING_SIGNALS,
    CHANGELOG,
    CUSTOMER_VALUES,
    DEAD_LETTERS,
    HOT_LEADS,
    JOURNAL,
    LEAD_SCORES,
    WEB_EVENTS,
    Topic,
)
from tests.faults.audit import AUDITED, Auditor, Findings
from tests.faults.stage import MODEL
from tests.faults.traffic import DAY_MS, make_events

NOW_MS = 1_795_000_000_000
HOUR_MS = 3_600_000
CHUNK = 20
SETTINGS = Settings(partitions=1, prefix="audited", model=MODEL)


@dataclass
class Record:
    """A record as aiokafka returns it."""

    topic: str
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = NOW_MS
    partition: int = 0
    headers: tuple[()] = ()


class Run:
    """A worker's run in memory: what lies in the topics after it."""

    def __init__(self) -> None:
        self.topics: dict[Topic, list[Record]] = {topic: [] for topic in AUDITED}

    def write(self, topic: Topic, key: bytes | None, value: bytes | None) -> None:
        """Append a record to a topic."""
        records = self.topics[topic]
        records.append(Record(topic.full_name(SETTINGS.prefix), len(records), key, value))

    def judge(self) -> Findings:
        """Return what the audit finds."""
        evidence = {topic: {0: records} for topic, records in self.topics.items()}
        published = Publication(number=1, kind="file", version="", text=MODEL.read_text(), at_ms=NOW_MS, by="test")
        return Auditor(SETTINGS, PublishedModels([published])).judge(evidence)  # type: ignore[arg-type]


def events() -> Iterator[dict[str, Any]]:
    for event in make_events("p", 200, 10, NOW_MS, random.Random(3)):
        event.pop("anonymous_id", None)
        if "email" in event:
            yield event


def work(see: Callable[[list[Record]], list[Record]] = lambda records: records) -> Run:
    """Score the events as a worker does, and write what it writes; ``see`` is what it takes a chunk's records for."""
    run, shard = Run(), Shard(load_model(MODEL), {})
    source = WEB_EVENTS.full_name(SETTINGS.prefix)
    for event in events():
        run.write(WEB_EVENTS, f"email:{event['email']}".encode(), msgspec.json.encode(event))
    records = run.topics[WEB_EVENTS]
    for start in range(0, len(records), CHUNK):
        chunk = records[start : start + CHUNK]
        step = ChunkRange(source, start, start + len(chunk))
        _commit(run, shard.take(see(chunk), source), step)
    _commit(run, shard.tick(NOW_MS + 40 * DAY_MS), Tick(NOW_MS + 40 * DAY_MS))
    return run


def _commit(run: Run, outcome: Outcome, step: ChunkRange | Tick) -> None:
    entry = JournalEntry(number=len(run.topics[JOURNAL]) + 1, steps=[step], model=load_model(MODEL).version)
    run.write(JOURNAL, None, encode(entry))
    latest: Iterable[tuple[Topic, dict[bytes, bytes]]] = (
        (CHANGELOG, outcome.states),
        (LEAD_SCORES, outcome.scores),
        (ACCOUNT_SCORES, outcome.account_scores),
        (CUSTOMER_VALUES, outcome.customer_values),
    )
    for topic, values in latest:
        for key, value in values.items():
            run.write(topic, key, value)
    for alert in outcome.alerts:
        run.write(HOT_LEADS, alert.lead.encode(), msgspec.json.encode(alert))
    for signal in outcome.signals:
        run.write(BUYING_SIGNALS, signal.account.encode(), msgspec.json.encode(signal))
    for _ in outcome.refusals:
        run.write(DEAD_LETTERS, None, b"{}")


def test_a_run_in_which_nothing_is_wrong_is_found_right() -> None:
    run = work()
    findings = run.judge()
    assert findings.problems == []
    assert findings.events == len(run.topics[WEB_EVENTS]) > 150
    assert len(run.topics[HOT_LEADS]) > 5
    assert len(run.topics[LEAD_SCORES]) > 40


def test_an_event_that_was_dropped_is_noticed() -> None:
    def drop(records: list[Record]) -> list[Record]:
        return [record for record in records if record.offset != 133]

    findings = work(drop).judge()
    assert findings.wrong > 0


def test_an_event_that_nobody_has_taken_is_counted_as_lost() -> None:
    run = work()
    run.write(WEB_EVENTS, b"email:new@example.com", run.topics[WEB_EVENTS][0].value)
    assert run.judge().lost == 1


def test_a_chunk_that_was_passed_over_is_counted_as_lost() -> None:
    run = work()
    entries = run.topics[JOURNAL]
    del run.topics[JOURNAL][7]
    for number, record in enumerate(entries, 1):
        entry = msgspec.json.decode(record.value or b"", type=JournalEntry)
        record.value = encode(msgspec.structs.replace(entry, number=number))
    assert run.judge().lost == CHUNK


def test_a_chunk_that_was_taken_twice_is_noticed() -> None:
    run = work()
    entry = msgspec.json.decode(run.topics[JOURNAL][-2].value or b"", type=JournalEntry)
    again = msgspec.structs.replace(entry, number=len(run.topics[JOURNAL]) + 1)
    run.write(JOURNAL, None, encode(again))
    assert run.judge().duplicated > 0


def test_an_alert_that_was_raised_twice_is_noticed() -> None:
    run = work()
    run.topics[HOT_LEADS].append(replace(run.topics[HOT_LEADS][5]))
    assert run.judge().extra_alerts >= 1


def test_an_alert_that_is_missing_is_noticed() -> None:
    run = work()
    del run.topics[HOT_LEADS][5]
    assert run.judge().missing_alerts >= 1


def test_a_timestamp_that_was_shifted_is_noticed() -> None:
    def shift(records: list[Record]) -> list[Record]:
        return [replace(record, value=_an_hour_later(record)) if record.offset == 133 else record for record in records]

    assert work(shift).judge().wrong > 0


def _an_hour_later(record: Record) -> bytes:
    event = msgspec.json.decode(record.value or b"")
    return msgspec.json.encode(event | {"time": event["time"] - HOUR_MS})


# What is wrong in the engine is wrong in the replay, too: only the oracle, which shares no arithmetic with them, tells.


def test_the_oracle_notices_a_decay_that_was_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    exp2, powers = leads.exp2, list[float]()

    def listen(power: float) -> float:
        powers.append(power)
        return exp2(power)

    monkeypatch.setattr(leads, "exp2", listen)
    work()
    skipped = min(powers, key=lambda power: abs(power + 0.5))
    monkeypatch.setattr(leads, "exp2", lambda power: 1.0 if power == skipped else exp2(power))
    problems = work().judge().problems
    assert problems
    assert all("the oracle" in problem for problem in problems)


def test_the_oracle_notices_a_time_that_the_engine_has_shifted(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = grouping.decode_event
    views = [event["id"] for event in events() if event["type"] == "page_viewed"]

    def decode_shifted(raw: bytes, received_ms: int) -> Event:
        event = decode(raw, received_ms)
        if event.id == views[-1]:
            event.time = int(event.time) - HOUR_MS
        return event

    monkeypatch.setattr(grouping, "decode_event", decode_shifted)
    problems = work().judge().problems
    assert problems
    assert all("the oracle" in problem for problem in problems)
