"""What is an account update and what is not: every reason, every boundary, and any bytes at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.account_updates import (
    ACCOUNT_TYPES,
    ACCOUNT_UPDATED,
    AccountUpdate,
    decode_account_update,
    encode_account_update,
)
from scoring.company_events import COMPANY_EVENTS, NEGATIVE_EVENTS, POSITIVE_EVENTS
from scoring.customer_events import CUSTOMER_EVENTS
from scoring.errors import EventError
from scoring.events import AHEAD_MAX_MS, EVENT_BYTES_MAX, EVENT_TYPES, REASONS
from tests.share import share
from tests.unit.builders import NOW


def wire(**changes: Any) -> bytes:
    """Return a good update as JSON, with changes; ``...`` leaves a field out."""
    fields = {"id": "u-1", "type": "account_updated", "time": NOW, "domain": "acme.com"} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def refusal(raw: bytes) -> EventError:
    with pytest.raises(EventError) as raised:
        decode_account_update(raw, NOW)
    assert raised.value.reason in REASONS
    return raised.value


@pytest.mark.parametrize(
    ("raw", "reason", "field", "says"),
    [
        (b"", "malformed", "", "the record has no value"),
        (b"[]", "malformed", "", "not a JSON object"),
        (wire() + b"}", "malformed", "", "trailing"),
        (wire(id=...), "missing_field", "id", "is required"),
        (wire(type=...), "missing_field", "type", "is required"),
        (wire(time=...), "missing_field", "time", "is required"),
        (wire(id=""), "missing_field", "id", "is empty"),
        (wire(id=7), "wrong_type", "id", "got `int`"),
        (wire(id="x" * 256), "wrong_type", "id", "255"),
        (wire(type="page_viewed"), "unknown_type", "type", "'page_viewed' is not in the vocabulary: account_updated, "),
        (wire(time=NOW // 1000), "bad_time", "time", "seconds"),
        (wire(time="2026-01-01T00:00:00"), "bad_time", "time", "no offset"),
        (wire(time=NOW + AHEAD_MAX_MS + 1), "future_time", "time", "after its receipt"),
        (wire(domain=...), "missing_field", "account_id", "one of account_id and domain"),
        (wire(domain=None), "missing_field", "account_id", "one of account_id and domain"),
        (wire(domain=..., account_id=""), "bad_identity", "account_id", "has 0 characters"),
        (wire(account_id="x" * 256), "bad_identity", "account_id", "has 256 characters"),
        (wire(account_id=42), "wrong_type", "account_id", "got `int`"),
        (wire(domain=""), "bad_identity", "domain", "'' is no company's domain"),
        (wire(domain="gmail.com"), "bad_identity", "domain", "free mail"),
        (wire(account_id="42", domain="gmail.com"), "bad_identity", "domain", "free mail"),
        (wire(facts=[]), "wrong_type", "facts", "got `array`"),
        (wire(facts={"a": {}}), "wrong_type", "facts.a", "is an object"),
        (wire(facts={"a": ["x", 1]}), "wrong_type", "facts.a", "other things than texts"),
        (wire(facts={"a": ["x", None]}), "wrong_type", "facts.a", "other things than texts"),
        (wire(facts={"a": 1 << 53}), "wrong_type", "facts.a", "too large a number"),
        (wire(facts={"a": 10**400}), "wrong_type", "facts.a", ""),
        (wire(facts={"": 1}), "wrong_type", "facts", "'' is no name"),
        (wire(facts={"a\nb": 1}), "wrong_type", "facts", "'a\\nb' is no name"),
        (wire(properties={"text": "x" * EVENT_BYTES_MAX}), "too_large", "", str(EVENT_BYTES_MAX)),
    ],
)
def test_what_is_no_update_is_refused_with_a_reason_and_its_field(
    raw: bytes, reason: str, field: str, says: str
) -> None:
    error = refusal(raw)
    assert (error.reason, error.field) == (reason, field)
    assert says in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("taken", "refused"),
    [
        ({"x" * 64: 1}, {"x" * 65: 1}),
        ({str(number): number for number in range(100)}, {str(number): number for number in range(101)}),
        ({"a": ["x"] * 50}, {"a": ["x"] * 51}),
        ({"a": (1 << 53) - 1}, {"a": 1 << 53}),
        ({"a": 1 - (1 << 53)}, {"a": -(1 << 53)}),
    ],
    ids=["name", "facts", "texts", "number", "negative"],
)
def test_at_the_bound_facts_are_taken_and_one_beyond_are_not(taken: Any, refused: Any) -> None:
    assert decode_account_update(wire(facts=taken), NOW).facts == taken
    assert refusal(wire(facts=refused)).field.startswith("facts")


def test_texts_numbers_flags_lists_and_what_is_not_known_any_more_are_facts() -> None:
    facts = {"industry": "Software", "employees": 120, "growth": -2.5, "public": False, "technologies": [], "crm": None}
    assert decode_account_update(wire(facts=facts), NOW).facts == facts


@pytest.mark.parametrize("depth", [100, 2_000, 15_000])
def test_nesting_beyond_reason_is_refused(depth: int) -> None:
    raw = wire(properties="@@").replace(b'"@@"', b'{"a": ' + b"[" * depth + b"]" * depth + b"}")
    assert refusal(raw).reason == "too_large"


def test_the_vocabulary_is_closed_and_shares_no_type_with_events() -> None:
    assert COMPANY_EVENTS | CUSTOMER_EVENTS | {ACCOUNT_UPDATED} == ACCOUNT_TYPES
    assert POSITIVE_EVENTS.isdisjoint(NEGATIVE_EVENTS)
    assert ACCOUNT_TYPES.isdisjoint(EVENT_TYPES)
    for name in ACCOUNT_TYPES - CUSTOMER_EVENTS:  # which need properties
        assert decode_account_update(wire(type=name), NOW).type == name


def test_the_key_is_that_of_the_id_or_else_of_the_domain() -> None:
    assert decode_account_update(wire(domain="https://www.acme.com/"), NOW).key == "domain:acme.com"
    assert decode_account_update(wire(account_id="42"), NOW).key == "account:42"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(("id", "type", "time", "account_id", "domain", "source", "facts", "properties"))


def decode_or_refuse(raw: bytes) -> None:
    refused = None
    try:
        decoded = decode_account_update(raw, NOW)
        assert isinstance(decoded.time, int)
        assert decoded.key.encode()
        assert decode_account_update(encode_account_update(decoded), NOW) == decoded
    except EventError as error:
        refused = error
    assert refused is None or refused.reason in REASONS
    str(refused).encode()


@settings(max_examples=share(300))
@given(st.dictionaries(fields, json_values, max_size=4))
def test_any_values_make_an_update_or_an_event_error(changes: dict[str, Any]) -> None:
    decode_or_refuse(wire(**changes))


@settings(max_examples=share(300))
@given(st.integers(0, 100), st.integers(0, 100), st.binary(max_size=6))
def test_any_damage_leaves_an_update_or_an_event_error(start: int, end: int, patch: bytes) -> None:
    raw = wire(account_id="42", facts={"employees": 120, "technologies": ["Kafka"]})
    decode_or_refuse(raw[:start] + patch + raw[end:])


def test_fields_that_hold_their_default_are_not_written() -> None:
    update = AccountUpdate(id="u", type="hiring", time=NOW, domain="acme.com")
    assert encode_account_update(update) == b'{"id":"u","type":"hiring","time":1767225600000,"domain":"acme.com"}'
