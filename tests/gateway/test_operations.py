"""Health, readiness, metrics, documentation, and what is answered while the broker is away."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

MESSAGE = {"messageId": "m-1", "userId": "42", "event": "Signed Up"}
EVENT = {"id": "e-1", "type": "page_viewed", "time": 1_767_268_800_000, "user_id": "42"}
LABELS = ("source", "route", "outcome")


def metrics(gateway):
    """Return name → {(source, route, outcome), as far as there are any → value} of all samples."""
    samples = {}
    for family in text_string_to_metric_families(gateway.get("/metrics").text):
        for sample in family.samples:
            samples.setdefault(sample.name, {})[
                tuple(sample.labels[name] for name in LABELS if name in sample.labels)
            ] = sample.value
    return samples


def test_the_process_is_alive_even_while_the_broker_is_away(gateway):
    gateway.producer.why = "Kafka at kafka:9092 does not answer"
    assert gateway.get("/healthz").json() == {"status": "alive"}


def test_it_is_ready_while_the_broker_answers_and_says_why_when_not(gateway):
    assert gateway.get("/readyz").status_code == 200
    gateway.producer.why = "Kafka at kafka:9092 does not answer"
    answer = gateway.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["error"]["message"] == "Kafka at kafka:9092 does not answer"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/track", MESSAGE),
        ("/v1/batch", {"batch": [{**MESSAGE, "type": "track"}]}),
        ("/v1/batch", {"batch": [{"type": "teleport"}]}),
        ("/v1/events", EVENT),
    ],
)
def test_while_the_broker_refuses_the_answer_is_503_with_retry_after(gateway, path, body):
    gateway.producer.why = "Kafka at kafka:9092 does not answer"
    answer = gateway.post(path, body)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "kafka:9092" in answer.json()["error"]["message"]

    gateway.producer.why = None
    assert gateway.post(path, body).status_code == 200
    assert len(gateway.events) + len(gateway.letters) == 1


def test_events_are_counted_by_source_route_and_outcome(make_gateway):
    gateway = make_gateway("192.0.2.1", write_keys="site=abc123")
    batch = {"batch": [{**MESSAGE, "type": "track"}] * 3 + [{"type": "teleport"}], "writeKey": "abc123"}
    gateway.post("/v1/batch", batch)
    gateway.post("/b", batch)
    gateway.post("/v1/t", {**MESSAGE, "writeKey": "abc123"})
    gateway.post("/v1/track", {"writeKey": "abc123"})
    gateway.post("/v1/track", MESSAGE)
    gateway.post("/v1/track", b"x")
    gateway.producer.why = "away"
    gateway.post("/v1/batch", batch)

    assert metrics(gateway)["leadheat_gateway_events_total"] == {
        ("site", "/v1/batch", "accepted"): 6,
        ("site", "/v1/batch", "refused"): 2,
        ("site", "/v1/batch", "unavailable"): 4,
        ("site", "/v1/track", "accepted"): 1,
        ("site", "/v1/track", "refused"): 1,
        ("unknown", "/v1/track", "refused"): 2,
    }
    assert metrics(gateway)["leadheat_gateway_request_seconds_count"] == {("/v1/batch",): 3, ("/v1/track",): 4}
    assert metrics(gateway)["leadheat_gateway_in_flight_events"] == {(): 0}


def test_no_path_or_person_becomes_a_label(gateway):
    gateway.post("/v1/ann@example.com", MESSAGE)
    gateway.post("/v1/track", {**MESSAGE, "userId": "ann@example.com", "event": "secret plans"})
    text = gateway.get("/metrics").text
    assert "ann@example.com" not in text
    assert "secret" not in text


def test_two_gateways_in_one_process_count_apart(make_gateway):
    one, other = make_gateway(), make_gateway()
    one.post("/v1/events", EVENT)
    assert metrics(other).get("leadheat_gateway_events_total", {}) == {}


def test_unknown_paths_and_methods_are_refused_as_json(gateway):
    answer = gateway.post("/v1/teleport", {})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (404, "not_found")
    answer = gateway.get("/v1/events")
    assert (answer.status_code, answer.json()["error"]["reason"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_the_documentation_shows_every_route_with_examples_that_work(gateway):
    assert gateway.get("/docs").status_code == 200
    paths = gateway.get("/openapi.json").json()["paths"]
    segment = ("track", "page", "screen", "identify", "group", "alias", "batch")
    ours = ("events", "accounts", "customers/segment", "follow-ups", "cloudevents")
    calls = {f"/v1/{call}" for call in (*segment, *ours)} | {"/batch/"}
    webhooks = {f"/v1/webhooks/{name}" for name in ("sendgrid", "mailgun", "postmark", "ses", "resend")}
    crms = {"/v1/crm/hubspot", "/v1/crm/salesforce/{key}"}
    assert set(paths) == calls | webhooks | crms | {"/healthz", "/readyz", "/metrics", "/leadheat.js"}
    for path in calls:
        operation = paths[path]["post"]
        assert operation["summary"]
        ((media_type, body),) = operation["requestBody"]["content"].items()
        for example in body["examples"].values():
            assert gateway.post(path, example["value"], Content_Type=media_type).status_code == 200
    assert gateway.letters == []


def test_the_gateway_starts_and_stops_its_producer(gateway):
    async def live() -> None:
        async with gateway.app.router.lifespan_context(gateway.app):
            assert gateway.producer.running

    asyncio.run(live())
    assert not gateway.producer.running


def test_a_failure_of_ours_is_json_without_a_trace(gateway):
    async def fail(_: object) -> None:
        raise ZeroDivisionError("secret")

    gateway.producer.send = fail

    async def ask() -> tuple[int, bytes]:
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "http.request", "body": b'{"event":"A","userId":"1"}', "more_body": False}

        scope = {"type": "http", "method": "POST", "path": "/v1/track", "headers": [], "query_string": b""}
        with pytest.raises(ZeroDivisionError):  # for the server's log
            await gateway.app(
                {**scope, "client": ("127.0.0.1", 1), "server": ("gateway", 80), "scheme": "http"}, receive, send
            )
        return sent[0]["status"], sent[1]["body"]

    status, body = asyncio.run(ask())
    assert status == 500
    assert b"secret" not in body
    assert b'"reason":"failed"' in body
