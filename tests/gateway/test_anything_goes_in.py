"""Whatever bytes arrive, the answer is never our failure, and what was accepted the worker can read."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.account_updates import ACCOUNT_TYPES, AccountUpdate, decode_account_update, encode_account_update
from scoring.events import EVENT_BYTES_MAX, EVENT_TYPES, Event, decode_event, encode_event
from streams.gateway.ingest.posthog import Captured
from streams.gateway.ingest.segment_messages import Message
from tests.share import share

NOW_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z, the gateway's clock
ROUTES = [
    *(f"/v1/{call}" for call in ("track", "page", "screen", "identify", "group", "alias", "batch", "events")),
    *("/v1/accounts", "/batch/", "/v1/cloudevents"),
]

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -(10**400), NOW_MS, NOW_MS // 1000, 1e308, -0.0, "", "ann@example.com", "a@b", "@"])
    | st.floats()  # NaN and infinities too: json writes them, though they are no JSON
    | st.text(max_size=40)
    | st.datetimes(timezones=st.timezones() | st.none()).map(lambda moment: moment.isoformat())
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SEGMENT_FIELDS = Message.__struct_encode_fields__
OUR_FIELDS = Event.__struct_fields__
ACCOUNT_FIELDS = AccountUpdate.__struct_fields__
POSTHOG_FIELDS = Captured.__struct_encode_fields__
CLOUDEVENT_FIELDS = ("specversion", "id", "source", "type", "time", "subject", "data")
KNOWN = {
    "type": st.sampled_from(
        ["track", "page", "screen", "identify", "group", "alias", *sorted(EVENT_TYPES | ACCOUNT_TYPES)]
    ),
    "event": st.sampled_from(
        ["Signed Up", "Demo Requested", "Whatever", "$pageview", "$set", "$create_alias", "$groupidentify", "$screen"]
    )
    | st.text(),
    "context": st.fixed_dictionaries({"page": ANYTHING, "traits": ANYTHING, "groupId": ANYTHING, "campaign": ANYTHING}),
    "traits": st.fixed_dictionaries({"email": ANYTHING}),
    "properties": st.fixed_dictionaries({"url": ANYTHING, "path": ANYTHING, "form": ANYTHING}),
    "time": st.integers(NOW_MS - 10**10, NOW_MS),
    "user_id": st.text(),
    "userId": st.text() | st.integers(),
    "id": st.text(),
    "account_id": st.text(),
    "domain": st.sampled_from(["acme.com", "https://www.acme.co.uk/", "gmail.com", "com"]) | st.text(),
    "distinct_id": st.text() | st.integers(),
    "specversion": st.just("1.0"),
    "source": st.text(min_size=1),
    "facts": st.dictionaries(st.text(max_size=8), SCALARS | st.lists(st.text(max_size=4), max_size=3), max_size=4),
}


def messages_of(fields):
    """Strategy: objects with some of the fields, each with what it should hold or with anything."""
    return st.fixed_dictionaries({}, optional={name: KNOWN.get(name, ANYTHING) | ANYTHING for name in fields})


MESSAGES = (
    messages_of(SEGMENT_FIELDS)
    | messages_of(OUR_FIELDS)
    | (messages_of(ACCOUNT_FIELDS) | messages_of(POSTHOG_FIELDS) | messages_of(CLOUDEVENT_FIELDS) | ANYTHING)
)
BODIES = (
    MESSAGES
    | st.lists(MESSAGES, max_size=4)
    | st.fixed_dictionaries(
        {"batch": st.lists(MESSAGES, max_size=4) | ANYTHING}, optional={"sentAt": ANYTHING, "writeKey": ANYTHING}
    )
    | st.fixed_dictionaries({"events": st.lists(MESSAGES, max_size=4) | ANYTHING})
)


@pytest.mark.parametrize("route", ROUTES)
@given(body=BODIES.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=200), packed=st.booleans())
@settings(
    max_examples=share(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_body_makes_the_gateway_fail(gateway, route, body, packed):
    gateway.events.clear()
    gateway.updates.clear()
    gateway.letters.clear()

    headers = {"Content_Encoding": "gzip"} if packed else {}
    headers["Content_Type"] = "application/cloudevents+json"
    answer = gateway.post(route, gzip.compress(body) if packed else body, **headers)

    assert answer.status_code in (200, 400, 413), answer.text
    if answer.status_code != 200:
        assert gateway.events == gateway.updates == gateway.letters == []
    for event in gateway.events:
        written = encode_event(event)
        assert len(written) <= EVENT_BYTES_MAX
        assert decode_event(written, NOW_MS) == event
        assert event.lead_id.encode()
    for update in gateway.updates:
        written = encode_account_update(update)
        assert len(written) <= EVENT_BYTES_MAX
        assert decode_account_update(written, NOW_MS) == update
        assert update.key.encode()


@pytest.fixture
def keyed(make_gateway):
    return make_gateway(write_keys="site=abc123")


@pytest.mark.parametrize("route", ROUTES)
@given(
    encoding=st.sampled_from(["gzip", "", "identity"])
    | st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])),
    authorization=st.sampled_from(["Basic ", "Bearer "]).flatmap(
        lambda scheme: st.binary(max_size=20).map(lambda key: scheme.encode() + key)
    ),
    body=st.binary(max_size=100),
)
@settings(max_examples=share(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_header_makes_the_gateway_fail(keyed, route, encoding, authorization, body):
    headers = {"Content-Encoding": encoding.encode("latin-1"), "Authorization": authorization}
    assert 400 <= keyed.request("POST", route, body, headers).status_code < 500
