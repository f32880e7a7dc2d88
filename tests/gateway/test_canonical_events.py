"""Our own route: all events or none, and every fault named."""

from __future__ import annotations

import pytest

from scoring.events import Event

NOW_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z, the gateway's clock

EVENT = {"id": "e-1", "type": "page_viewed", "time": NOW_MS, "user_id": "42", "properties": {"path": "/pricing"}}


def faults(answer, status=400):
    assert answer.status_code == status, answer.text
    return [(fault["index"], fault["field"], fault["reason"]) for fault in answer.json()["errors"]]


@pytest.mark.parametrize("body", [EVENT, [EVENT], {"events": [EVENT]}])
def test_one_event_an_array_or_an_object_of_events_is_taken(gateway, body):
    answer = gateway.post("/v1/events", body)
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1}
    assert gateway.events == [Event(**EVENT, source="local")]


def test_every_field_of_an_event_arrives(gateway):
    event = {
        **EVENT,
        "time": "2026-01-01T12:00:00+00:00",
        "email": "ann@example.com",
        "anonymous_id": "a-1",
        "account_id": "acme",
        "source": "crm",
        "traits": {"title": "CTO"},
        "context": {"campaign": {"source": "ads"}},
    }
    assert gateway.post("/v1/events", event).status_code == 200
    assert gateway.events == [Event(**{**event, "time": NOW_MS})]


def test_nothing_is_written_if_any_event_is_bad_and_every_fault_is_listed(gateway):
    bad = {"id": "", "type": "page_viewed", "time": NOW_MS, "user_id": "42"}
    worse = {"id": "e-3", "type": "page_viewd", "time": NOW_MS, "user_id": "42", "adress": 1, "emial": 2}
    answer = gateway.post("/v1/events", [EVENT, bad, worse])
    assert faults(answer) == [
        (1, "id", "missing_field"),
        (2, "adress", "unknown_field"),
        (2, "emial", "unknown_field"),
        (2, "type", "unknown_type"),
    ]
    assert gateway.events == []
    assert gateway.letters == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("emial", "did you mean 'email'?"),
        ("userId", "did you mean 'user_id'?"),
        ("propertys", "did you mean 'properties'?"),
        ("zzz", "expected some of id, type, time"),
    ],
)
def test_an_unknown_field_is_named_with_the_one_that_was_meant(gateway, name, hint):
    answer = gateway.post("/v1/events", {**EVENT, name: 1})
    assert faults(answer) == [(0, name, "unknown_field")]
    assert hint in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"id": None}, "id", "wrong_type"),
        ({"id": 7}, "id", "wrong_type"),
        ({"id": "e" * 256}, "id", "wrong_type"),
        ({"type": "pageViewed"}, "type", "unknown_type"),
        ({"time": "yesterday"}, "time", "bad_time"),
        ({"time": "2026-01-01T12:00:00"}, "time", "bad_time"),
        ({"time": NOW_MS // 1000}, "time", "bad_time"),
        ({"time": -1}, "time", "bad_time"),
        ({"time": NOW_MS + 300_001}, "time", "future_time"),
        ({"time": int("9" * 30)}, "time", "future_time"),
        ({"time": int("9" * 400)}, "time", "future_time"),
        ({"time": 1.5}, "time", "wrong_type"),
        ({"time": None}, "time", "wrong_type"),
        ({"user_id": None}, "email", "missing_field"),
        ({"user_id": ""}, "user_id", "bad_identity"),
        ({"email": "nobody"}, "email", "bad_identity"),
        ({"user_id": "4" * 300}, "user_id", "bad_identity"),
        ({"properties": None}, "properties", "wrong_type"),
        ({"properties": []}, "properties", "wrong_type"),
        ({"properties": {"x": "x" * 33_000}}, "", "too_large"),
    ],
)
def test_a_bad_event_is_refused_with_the_field_at_fault(gateway, change, field, reason):
    answer = gateway.post("/v1/events", {**EVENT, **change})
    assert faults(answer, 413 if reason == "too_large" else 400) == [(0, field, reason)]
    assert all(len(fault["message"]) < 600 for fault in answer.json()["errors"])
    assert gateway.events == []


@pytest.mark.parametrize("missing", ["id", "type", "time"])
def test_a_missing_field_is_named(gateway, missing):
    event = {name: value for name, value in EVENT.items() if name != missing}
    assert faults(gateway.post("/v1/events", event)) == [(0, missing, "missing_field")]


def test_five_minutes_ahead_is_still_taken(gateway):
    assert gateway.post("/v1/events", {**EVENT, "time": NOW_MS + 300_000}).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b" ", b"x", b"7", b'"text"', b"null", b"NaN", b'{"id":NaN}', b"\xff", b"[", b"[1,", b"[" * 50_000]
)
def test_a_body_that_holds_no_events_is_refused_as_a_whole(gateway, body):
    answer = gateway.post("/v1/events", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] in ("malformed", "wrong_type")


@pytest.mark.parametrize("events", [b"null", b"7", b"{}"])
def test_events_must_be_an_array(gateway, events):
    answer = gateway.post("/v1/events", b'{"events":' + events + b"}")
    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] == "wrong_type"


def test_items_that_are_no_objects_are_each_refused(gateway):
    answer = gateway.post("/v1/events", [1, None, [], EVENT])
    assert faults(answer) == [(index, "", "malformed") for index in range(3)]


def test_nothing_may_stand_beside_events(gateway):
    answer = gateway.post("/v1/events", {"events": [EVENT], "writeKey": "k"})
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "writeKey"


@pytest.mark.parametrize("depth", [150, 2_000])
def test_deep_nesting_is_refused(gateway, depth):
    body = b'{"id":"e","type":"page_viewed","time":1767268800000,"user_id":"42","properties":{"x":'
    answer = gateway.post("/v1/events", body + b"[" * depth + b"]" * depth + b"}}")
    assert answer.status_code in (400, 413)
    assert gateway.events == []


def test_an_event_that_grows_beyond_the_limit_when_written_is_refused(gateway):
    body = b'{"id":"e","type":"page_viewed","time":1767268800000,"user_id":"42","properties":{"x":['
    answer = gateway.post("/v1/events", body + b",".join([b"1e15"] * 4_000) + b"]}}")
    assert faults(answer, 413) == [(0, "", "too_large")]
