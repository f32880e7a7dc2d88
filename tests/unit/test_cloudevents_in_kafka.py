"""CloudEvents among plain records: each is scored as the event that it means, or refused for what is wrong with it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord
from cloudevents.core.bindings.kafka import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from scoring.outcomes import Outcome
from scoring.shard import Shard, Steps
from streams.cloudevents import steps_with_cloudevents
from tests.unit.builders import NOW, event, model_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = model_of({"view": {"on": "page_viewed", "where": {"path": "/pricing"}, "points": 3, "half_life_days": 3}})


def record(value: bytes | None, headers: dict[str, bytes] | None = None, offset: int = 0) -> Any:
    packed = tuple((headers or {}).items())
    return ConsumerRecord("t", 0, offset, NOW, 1, b"any key", value, None, -1, -1, packed)


def cloudevent(write: Any, **changed: Any) -> Any:
    attributes = {"type": "com.acme.page_viewed", "source": "/shop", "id": "1", "subject": "ann@acme.com", "time": AT}
    message = write(CloudEvent({"specversion": "1.0", **attributes, **changed}, {"path": "/pricing"}))
    return record(message.value, dict(message.headers))


def finish(steps: Steps) -> Outcome:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def scores(records: list[Any]) -> tuple[dict[str, float], Any]:
    shard = Shard(MODEL, {})
    outcome = finish(steps_with_cloudevents(shard, records, "t"))
    found = {lead.decode(): json.loads(score)["score"] for lead, score in outcome.scores.items()}
    return found, outcome


@pytest.mark.parametrize("write", [to_structured_event, to_binary_event])
def test_a_cloudevent_counts_beside_plain_records_under_any_key(write):
    plain = record(json.dumps(event("e", email="bob@acme.com", properties={"path": "/pricing"})).encode())
    found, outcome = scores([plain, cloudevent(write), plain])
    assert found == {"email:bob@acme.com": 3.0, "email:ann@acme.com": 3.0}
    assert (outcome.duplicates, outcome.refusals) == (1, [])


def test_both_modes_of_one_cloudevent_count_once():
    _, outcome = scores([cloudevent(to_structured_event), cloudevent(to_binary_event)])
    assert outcome.duplicates == 1


def test_a_cloudevent_that_cannot_be_read_is_refused_for_what_is_wrong_with_it():
    broken = record(b"{}", {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"/", "ce_type": b"page_viewed"})
    no_json = record(b"{", {"content-type": b"application/cloudevents+json; charset=utf-8"})
    found, outcome = scores([broken, cloudevent(to_binary_event), no_json, record(None, {"content-type": b"x"})])
    assert set(found) == {"email:ann@acme.com"}
    assert [(refusal.index, refusal.error.reason, refusal.error.field) for refusal in outcome.refusals] == [
        (0, "missing_field", "email"),
        (2, "malformed", ""),
        (3, "malformed", ""),
    ]


def test_other_headers_change_nothing():
    value = json.dumps(event("e", email="bob@acme.com", properties={"path": "/pricing"})).encode()
    assert scores([record(value, {"traceparent": b"00-1", "content-type": b"application/json"})])[0] == {
        "email:bob@acme.com": 3.0
    }
