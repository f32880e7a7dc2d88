"""The official clients of others, unchanged, against a real server on a real port: only the address is ours."""

from __future__ import annotations

import gc
import gzip
import json
import time
from datetime import UTC, datetime

import httpx
import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from posthog import Posthog
from posthog import request as posthog_request
from rudderstack.analytics import request as rudder_request
from rudderstack.analytics.client import Client as Rudder

KEY = "abc123"
TYPES = ["identified", "page_viewed", "form_submitted", "tracked", "screen_viewed", "grouped", "aliased"]


@pytest.fixture
def keyed(make_gateway):
    return make_gateway(write_keys=f"site={KEY}")


@pytest.fixture
def address(keyed, serve):
    yield serve(keyed)
    rudder_request._session.close()  # the clients never do
    posthog_request._session.close()
    gc.collect()


def assert_all_arrived(gateway) -> None:
    """Hold what arrived against the seven calls that every client of Segment's kind has made."""
    events = sorted(gateway.events, key=lambda event: TYPES.index(event.type))  # some clients send several requests
    assert [(event.type, event.source) for event in events] == [(type_, "site") for type_ in TYPES]
    identified, page, demo, paid, screen, grouped, aliased = events
    assert (identified.email, identified.user_id, identified.anonymous_id) == ("ann@example.com", "42", "a-1")
    assert identified.traits == {"email": "ann@example.com", "title": "CTO"}
    assert (page.id, page.properties["path"], page.properties["name"]) == ("m-page", "/pricing", "Pricing")
    assert demo.properties == {"form": "demo", "seats": 20}
    assert demo.context == {"campaign": {"source": "ads"}}
    assert paid.properties == {"name": "Invoice Paid", "amount": 7}
    assert screen.properties == {"name": "Invoices"}
    assert (grouped.account_id, grouped.properties) == ("acme", {"employees": 250})
    assert (aliased.anonymous_id, aliased.user_id) == ("a-1", "42")
    assert len({event.id for event in events}) == 7
    assert gateway.letters == []


# ── RudderStack for Python ───────────────────────────────────────────────────────────────────────────────────


def talk_rudder(client: Rudder) -> None:
    client.identify("42", {"email": "ann@example.com", "title": "CTO"}, anonymous_id="a-1")
    client.page("42", "Docs", "Pricing", {"url": "https://example.com/pricing"}, message_id="m-page")
    client.track("42", "Demo Requested", {"seats": 20}, context={"ip": "192.0.2.1", "campaign": {"source": "ads"}})
    client.track("42", "Invoice Paid", {"amount": 7})
    client.screen("42", name="Invoices")
    client.group("42", "acme", {"employees": 250})
    client.alias("a-1", "42")


@pytest.mark.parametrize("packed", [False, True])
def test_rudderstack_for_python(keyed, address, packed):
    failures: list[object] = []
    client = Rudder(KEY, host=address, gzip=packed, on_error=lambda error, items: failures.append(error))
    talk_rudder(client)
    client.flush()
    client.join()
    assert failures == []
    assert_all_arrived(keyed)


def test_rudderstack_for_python_is_told_why_its_key_is_refused(keyed, address):
    failures: list[rudder_request.APIError] = []
    client = Rudder("wrong-key", host=address, max_retries=0, on_error=lambda error, items: failures.append(error))
    client.track("42", "Demo Requested")
    client.flush()
    client.join()
    assert [(error.status, error.code) for error in failures] == [(401, "unauthorized")]
    assert keyed.events == []


# ── PostHog for Python ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("packed", [False, True])
def test_posthog_for_python(keyed, address, packed):
    failures: list[object] = []
    client = Posthog(KEY, host=address, gzip=packed, on_error=lambda error, items: failures.append(error))
    client.set(distinct_id="42", properties={"email": "ann@example.com", "title": "CTO"})
    client.capture(
        "$pageview",
        distinct_id="42",
        properties={"$current_url": "https://example.com/pricing?x=1", "$ip": "192.0.2.1", "utm_source": "ads"},
        groups={"company": "acme"},
    )
    client.capture("Demo Requested", distinct_id="42", properties={"seats": 20})
    client.capture("Invoice Paid", distinct_id="42", timestamp=datetime(2026, 1, 1, 11, tzinfo=UTC))
    client.capture("$screen", distinct_id="42", properties={"$screen_name": "Invoices"})
    client.group_identify("company", "acme", {"employees": 250}, distinct_id="42")
    client.alias("a-1", "42")
    client.shutdown()
    assert failures == []
    assert keyed.letters == []
    assert [(event.type, event.source) for event in keyed.events] == [
        (type_, "site")
        for type_ in ("identified", "page_viewed", "form_submitted", "tracked", "screen_viewed", "grouped", "aliased")
    ]
    identified, page, demo, paid, screen, grouped, aliased = keyed.events
    assert (identified.email, identified.user_id) == ("ann@example.com", "42")
    assert identified.traits == {"email": "ann@example.com", "title": "CTO"}
    assert page.properties == {"url": "https://example.com/pricing?x=1", "path": "/pricing", "utm_source": "ads"}
    assert (page.account_id, page.context, page.verdict) == ("acme", {"campaign": {"source": "ads"}}, "human")
    assert demo.properties == {"form": "demo", "seats": 20}
    assert paid.properties == {"name": "Invoice Paid"}
    assert screen.properties == {"name": "Invoices"}
    assert (grouped.account_id, grouped.properties) == ("acme", {"employees": 250})
    assert (aliased.anonymous_id, aliased.user_id) == ("a-1", "42")
    assert "192.0.2.1" not in repr(keyed.events)


def test_posthog_for_python_is_told_why_its_key_is_refused(keyed, address):
    failures: list[posthog_request.APIError] = []
    client = Posthog("wrong-key", host=address, on_error=lambda error, items: failures.append(error))
    client.capture("Demo Requested", distinct_id="42")
    client.shutdown()
    assert [error.status for error in failures] == [401]
    assert "write key" in str(failures[0].message)


def test_posthog_for_python_repeats_what_the_broker_did_not_take(keyed, address):
    keyed.producer.why = "Kafka is away"
    client = Posthog(KEY, host=address)
    client.capture("Demo Requested", distinct_id="42")
    while 'outcome="unavailable"' not in keyed.get("/metrics").text:
        time.sleep(0.1)
    keyed.producer.why = None
    client.shutdown()
    assert [event.type for event in keyed.events] == ["form_submitted"]


# ── clients for Node ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("program", ["send_with_segment.js", "send_with_rudderstack.js"])
def test_clients_for_node(node, keyed, address, program):
    done = node(program, address, KEY)
    assert (done.returncode, done.stdout) == (0, "flushed\n"), done.stderr
    assert_all_arrived(keyed)


@pytest.mark.parametrize("program", ["send_with_segment.js", "send_with_rudderstack.js"])
def test_clients_for_node_are_told_that_their_key_is_refused(node, keyed, address, program):
    done = node(program, address, "wrong-key")
    assert '"error":' in done.stdout
    assert "401" in done.stdout
    assert keyed.events == []


# ── CloudEvents ──────────────────────────────────────────────────────────────────────────────────────────────

ATTRIBUTES = {
    "type": "com.example.page_viewed",
    "source": "/shop",
    "id": "e-1",
    "subject": "jürg@example.com",
    "time": "2026-01-01T11:59:00Z",
}


@pytest.mark.parametrize("write", [to_structured_event, to_binary_event])
def test_cloudevents_of_the_official_library(keyed, address, write):
    attributes = {**ATTRIBUTES, "subject": "ann@example.com", "time": datetime(2026, 1, 1, 11, 59, tzinfo=UTC)}
    message = write(CloudEvent({"specversion": "1.0", **attributes}, {"path": "/pricing"}))
    headers = {**message.headers, "Authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"{address}/v1/cloudevents", headers=headers, content=message.body)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    (event,) = keyed.events
    assert (event.type, event.email, event.source) == ("page_viewed", "ann@example.com", "site")
    assert (event.properties, event.time) == ({"path": "/pricing"}, 1_767_268_740_000)


def test_structured_binary_and_batched_events_are_the_same_events(gateway):
    structured = {"specversion": "1.0", **ATTRIBUTES, "data": {"path": "/pricing", "user_id": "42"}}
    binary = {f"ce_{name}": text for name, text in {"specversion": "1.0", **ATTRIBUTES}.items()}
    binary["ce_subject"] = "j%C3%BCrg@example.com"
    assert gateway.post("/v1/cloudevents", structured, Content_Type="application/cloudevents+json").status_code == 200
    assert gateway.post("/v1/cloudevents", structured["data"], **binary, Content_Type="application/json").is_success
    batch = [structured, {**structured, "id": "e-2"}]
    assert gateway.post("/v1/cloudevents", batch, Content_Type="application/cloudevents-batch+json").is_success
    one, same, again, other = gateway.events
    assert one == same == again
    assert other.id != one.id
    assert (one.user_id, one.email, one.source) == ("42", None, "local"), "data names somebody, so subject does not"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"specversion": None}, "specversion"),
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"source": None}, "source"),
        ({"type": 7}, "type"),
        ({"time": "yesterday"}, "time"),
        ({"data": [1]}, "data"),
        ({"data_base64": "e30="}, "data_base64"),
        ({"subject": None}, "email"),
        ({"data": {"properties": 7, "user_id": "1"}}, "data.properties"),
        ({"data": {"traits": 7, "user_id": "1"}}, "traits"),
    ],
)
def test_a_cloudevent_that_is_none_is_a_400_that_names_the_field(gateway, changed, field):
    event = {"specversion": "1.0", **ATTRIBUTES, "data": {}} | changed
    answer = gateway.post("/v1/cloudevents", event, Content_Type="application/cloudevents+json")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
    assert gateway.events == []


def test_another_type_is_tracked_under_its_name(gateway):
    event = {"specversion": "1.0", **ATTRIBUTES, "type": "com.example.trial.started", "data": {"plan": "pro"}}
    gateway.post("/v1/cloudevents", event, Content_Type="application/cloudevents+json")
    assert gateway.events[0].type == "tracked"
    assert gateway.events[0].properties == {"name": "com.example.trial.started", "plan": "pro"}


def test_what_is_no_cloudevent_is_a_415(gateway):
    answer = gateway.post("/v1/cloudevents", {}, Content_Type="application/json")
    assert answer.status_code == 415
    assert "application/cloudevents+json" in answer.json()["error"]["message"]


# ── browsers ─────────────────────────────────────────────────────────────────────────────────────────────────

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/t", "content-type"),
        ("/v1/batch", "authorization,anonymousid,content-type"),
        ("/e/", "content-type"),
        ("/v1/cloudevents", "ce-id,ce-source,ce-specversion,ce-type,content-type"),
    ],
)
def test_browsers_may_send_what_their_sdks_send(keyed, path, asked):
    headers = {
        "Origin": "https://example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }
    answer = keyed.request("OPTIONS", path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert set(asked.split(",")) <= allowed


def test_analytics_js_in_a_browser(keyed):
    """Segment's browser SDK posts each call with its key in the body, as text/plain where it uses a beacon."""
    message = {
        "type": "page",
        "anonymousId": "a-1",
        "writeKey": KEY,
        "messageId": "ajs-1",
        "properties": {"path": "/pricing", "url": "https://example.com/pricing", "title": "Prices"},
        "context": {"page": {"path": "/pricing"}, "userAgent": CHROME, "library": {"name": "analytics.js"}},
    }
    headers = {"Origin": "https://example.com", "User_Agent": CHROME, "Content_Type": "text/plain"}
    assert keyed.post("/v1/p", message, **headers).status_code == 200
    (event,) = keyed.events
    assert (event.type, event.verdict, event.context) == ("page_viewed", "human", {"page": {"path": "/pricing"}})
    bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    del message["context"]["userAgent"]
    keyed.post("/v1/p", message, **{**headers, "User_Agent": bot})
    assert (keyed.events[1].verdict, keyed.events[1].reasons) == ("machine", ["known_bot"])


def test_posthog_in_a_browser(keyed):
    """PostHog's browser SDK packs without saying so in a header, and has its key in the properties."""
    captured = {
        "event": "$pageview",
        "uuid": "0a1b2c3d-0000-4000-8000-000000000001",
        "properties": {
            "token": KEY,
            "distinct_id": "d-1",
            "$device_id": "d-1",
            "$is_identified": False,
            "$current_url": "https://example.com/pricing",
            "$pathname": "/pricing",
            "$raw_user_agent": CHROME,
        },
        "offset": 1500,
    }
    body = gzip.compress(json.dumps([captured]).encode())
    answer = keyed.request("POST", "/e/?compression=gzip-js", body, {"Content-Type": "text/plain"})
    assert answer.json() == {"status": "Ok", "accepted": 1, "refused": []}
    (event,) = keyed.events
    assert (event.anonymous_id, event.user_id, event.verdict) == ("d-1", None, "human")
    assert event.time == 1_767_268_800_000 - 1500
    assert KEY not in repr(event)


def test_a_servers_own_user_agent_says_nothing_of_the_person(keyed):
    message = {"userId": "42", "event": "Signed Up", "messageId": "m"}
    keyed.post("/v1/track", message, Authorization=f"Bearer {KEY}", User_Agent="analytics-python/2.4.0")
    assert keyed.events[0].verdict is None


def test_what_the_sender_has_judged_stays_and_the_device_is_dropped(keyed):
    event = {"id": "e", "type": "email_clicked", "time": 1_767_268_800_000, "email": "ann@example.com"}
    event |= {"verdict": "machine", "reasons": ["ours"], "context": {"ip": "192.0.2.1", "userAgent": CHROME}}
    assert keyed.post("/v1/events", event, Authorization=f"Bearer {KEY}").status_code == 200
    (kept,) = keyed.events
    assert (kept.verdict, kept.reasons, kept.context) == ("machine", ["ours"], None)
