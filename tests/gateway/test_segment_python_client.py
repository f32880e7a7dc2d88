"""Segment's official Python client, unchanged, against a real server on a real port."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from segment.analytics import request as segment_request
from segment.analytics.client import Client

KEY = "abc123"


@pytest.fixture
def keyed(make_gateway):
    return make_gateway(write_keys=f"site={KEY}")


@pytest.fixture
def address(keyed, serve) -> Iterator[str]:
    yield serve(keyed)
    segment_request._session.close()  # the client never does


def talk(client: Client) -> None:
    """Make one call of each kind, as an application would."""
    happened = datetime(2026, 1, 1, 11, tzinfo=UTC)
    client.identify("42", {"email": "ann@example.com", "title": "CTO"}, anonymous_id="a-1", timestamp=happened)
    client.page("42", "Docs", "Pricing", {"url": "https://example.com/pricing"}, message_id="m-page")
    client.track("42", "Demo Requested", {"seats": 20}, context={"ip": "192.0.2.1", "campaign": {"source": "ads"}})
    client.track("42", "Invoice Paid", {"amount": 7})
    client.screen("42", name="Invoices")
    client.group("42", "acme", {"employees": 250})
    client.alias("a-1", "42")


def assert_all_arrived(gateway) -> None:
    assert [(event.type, event.source) for event in gateway.events] == [
        (type_, "site")
        for type_ in (
            "identified",
            "page_viewed",
            "form_submitted",
            "tracked",
            "screen_viewed",
            "grouped",
            "aliased",
        )
    ]
    identified, page, demo, paid, screen, grouped, aliased = gateway.events
    assert (identified.email, identified.user_id, identified.anonymous_id) == ("ann@example.com", "42", "a-1")
    assert identified.traits == {"email": "ann@example.com", "title": "CTO"}
    assert page.id == "m-page"
    assert page.properties["path"] == "/pricing"
    assert demo.properties == {"form": "demo", "seats": 20}
    assert demo.context == {"campaign": {"source": "ads"}}
    assert paid.properties == {"name": "Invoice Paid", "amount": 7}
    assert screen.properties == {"name": "Invoices"}
    assert (grouped.account_id, grouped.properties) == ("acme", {"employees": 250})
    assert (aliased.anonymous_id, aliased.user_id) == ("a-1", "42")
    assert len({event.id for event in gateway.events}) == 7
    assert gateway.letters == []


def test_one_request_per_call(keyed, address):
    talk(Client(KEY, host=address, sync_mode=True))
    assert_all_arrived(keyed)


@pytest.mark.parametrize("packed", [False, True])
def test_batches_in_the_background(keyed, address, packed):
    failures: list[object] = []
    client = Client(KEY, host=address, gzip=packed, on_error=lambda error, items: failures.append(error))
    talk(client)
    client.shutdown()
    assert failures == []
    assert_all_arrived(keyed)


def test_a_wrong_key_is_reported_to_the_application(keyed, address):
    failures: list[segment_request.APIError] = []
    client = Client("wrong-key", host=address, on_error=lambda error, items: failures.append(error))
    talk(client)
    client.shutdown()
    assert {error.status for error in failures} == {401}
    assert keyed.events == []


def test_the_client_repeats_what_the_broker_did_not_take(keyed, address):
    keyed.producer.why = "Kafka is away"
    client = Client(KEY, host=address)
    talk(client)
    while not keyed_was_asked(keyed):
        time.sleep(0.1)
    keyed.producer.why = None
    client.shutdown()
    assert_all_arrived(keyed)


def keyed_was_asked(gateway) -> bool:
    return 'outcome="unavailable"' in gateway.get("/metrics").text
