"""The route of account updates: all or none, every fault named, and 2xx only once the broker has them."""

from __future__ import annotations

import pytest

from scoring.account_updates import AccountUpdate

NOW_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z, the gateway's clock

UPDATE = {"id": "u-1", "type": "account_updated", "time": NOW_MS, "domain": "acme.com", "facts": {"employees": 120}}


def faults(answer, status=400):
    assert answer.status_code == status, answer.text
    return [(fault["index"], fault["field"], fault["reason"]) for fault in answer.json()["errors"]]


@pytest.mark.parametrize("body", [UPDATE, [UPDATE], {"batch": [UPDATE]}])
def test_one_update_an_array_or_a_batch_of_them_is_taken(gateway, body):
    answer = gateway.post("/v1/accounts", body)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    assert gateway.updates == [AccountUpdate(**UPDATE, source="local")]
    assert gateway.events == []


def test_every_field_of_an_update_arrives(gateway):
    update = {
        **UPDATE,
        "type": "funding",
        "time": "2026-01-01T12:00:00+00:00",
        "account_id": "42",
        "source": "news",
        "facts": {"technologies": ["Kafka", "Redis"], "crm": None, "growth": 12.5, "public": True, "name": "Acme"},
        "properties": {"round": "B", "amount": {"eur": 3_000_000}},
    }
    assert gateway.post("/v1/accounts", update).status_code == 200
    assert gateway.updates == [AccountUpdate(**{**update, "time": NOW_MS})]


def test_nothing_is_written_if_any_update_is_bad_and_every_fault_is_listed(gateway):
    bad = {**UPDATE, "facts": {"offices": [1, 2]}}
    worse = {**UPDATE, "type": "fundign", "facst": {}, "emial": 2}
    answer = gateway.post("/v1/accounts", {"batch": [UPDATE, bad, worse]})
    assert faults(answer) == [
        (1, "facts.offices", "wrong_type"),
        (2, "facst", "unknown_field"),
        (2, "emial", "unknown_field"),
        (2, "type", "unknown_type"),
    ]
    assert "is not a field of an account update; did you mean 'facts'?" in answer.text
    assert gateway.updates == []


def test_an_update_of_no_account_and_one_that_is_too_large_are_refused(gateway):
    nobody = {name: value for name, value in UPDATE.items() if name != "domain"}
    assert faults(gateway.post("/v1/accounts", nobody)) == [(0, "account_id", "missing_field")]
    large = {**UPDATE, "facts": {"name": "x" * 33_000}}
    assert faults(gateway.post("/v1/accounts", large), 413) == [(0, "", "too_large")]


@pytest.mark.parametrize("body", [{"batch": [UPDATE], "writeKey": "k"}, {"batch": {}}, {"batch": None}, 7, b"[", b""])
def test_a_body_that_holds_no_updates_is_refused_as_a_whole(gateway, body):
    answer = gateway.post("/v1/accounts", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] in ("unknown_field", "wrong_type", "malformed")


def test_a_write_key_is_needed_and_names_the_source(make_gateway):
    gateway = make_gateway(write_keys="crm=abc123")
    assert gateway.post("/v1/accounts", UPDATE).status_code == 401
    assert gateway.post("/v1/accounts", UPDATE, Authorization="Bearer abc123").status_code == 200
    assert [update.source for update in gateway.updates] == ["crm"]


def test_while_the_broker_is_away_the_answer_is_503_and_says_when_to_try_again(gateway):
    gateway.producer.why = "Kafka is away"
    answer = gateway.post("/v1/accounts", UPDATE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    metrics = gateway.get("/metrics").text
    assert 'events_total{outcome="unavailable",route="/v1/accounts",source="local"} 1.0' in metrics
