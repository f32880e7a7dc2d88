"""What is an event and what is not: every reason, every boundary, and any bytes at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring.errors import EventError
from scoring.events import (
    AHEAD_MAX_MS,
    EVENT_BYTES_MAX,
    EVENT_TYPES,
    REASONS,
    TIME_MIN_MS,
    Event,
    decode_event,
    encode_event,
    parse_time,
)
from tests.share import share
from tests.unit.builders import NOW, event


def wire(**changes: Any) -> bytes:
    """Return a good event as JSON, with changes; ``...`` leaves a field out."""
    fields = {"id": "e-1", "type": "page_viewed", "time": NOW, "user_id": "7"} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def raw_field(name: str, literal: str) -> bytes:
    """Return a good event in which a field holds a piece of JSON as it is."""
    return wire(**{name: "@@"}).replace(b'"@@"', literal.encode())


def refusal(raw: bytes, received_ms: int = NOW) -> EventError:
    with pytest.raises(EventError) as raised:
        decode_event(raw, received_ms)
    assert raised.value.reason in REASONS
    assert str(raised.value).startswith(raised.value.field)
    return raised.value


# ── reasons ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("raw", "reason", "field", "says"),
    [
        (b"", "malformed", "", "the record has no value"),
        (b"{", "malformed", "", "not a JSON object"),
        (b"page_viewed", "malformed", "", "not a JSON object"),
        (wire() + b"}", "malformed", "", "trailing"),
        (wire() + wire(), "malformed", "", "trailing"),
        (b"\xef\xbb\xbf" + wire(), "malformed", "", "not a JSON object"),
        (wire(user_id="@").replace(b"@", b"\xff"), "malformed", "", "utf-8"),
        (wire(user_id="@").replace(b"@", b"\xed\xa0\x80"), "malformed", "", "utf-8"),
        (raw_field("user_id", '"\\ud800"'), "malformed", "", "not a JSON object"),
        (raw_field("id", '"\\udc00."'), "malformed", "", "surrogate"),
        (raw_field("email", '"\\ud800\\u0041@example.com"'), "malformed", "", "surrogate"),
        (raw_field("properties", '{"a": NaN}'), "malformed", "", "invalid character"),
        (raw_field("time", "Infinity"), "malformed", "", "invalid character"),
        (raw_field("time", "-Infinity"), "malformed", "", "not a JSON object"),
        (wire(id=...), "missing_field", "id", "is required"),
        (wire(type=...), "missing_field", "type", "is required"),
        (wire(time=...), "missing_field", "time", "is required"),
        (wire(id=""), "missing_field", "id", "is empty"),
        (wire(id=7), "wrong_type", "id", "Expected `str`, got `int`"),
        (wire(id=None), "wrong_type", "id", "got `null`"),
        (wire(id="x" * 256), "wrong_type", "id", "255"),
        (wire(type=["page_viewed"]), "wrong_type", "type", "got `array`"),
        (wire(user_id=7), "wrong_type", "user_id", "got `int`"),
        (wire(time=None), "wrong_type", "time", "got `null`"),
        (wire(time=True), "wrong_type", "time", "got `bool`"),
        (wire(time=NOW + 0.5), "wrong_type", "time", "got `float`"),
        (raw_field("time", "1e999"), "wrong_type", "time", "out of range"),
        (wire(properties=None), "wrong_type", "properties", "got `null`"),
        (wire(properties=[]), "wrong_type", "properties", "got `array`"),
        (wire(traits="x"), "wrong_type", "traits", "got `str`"),
        (wire(context=1), "wrong_type", "context", "got `int`"),
        (raw_field("properties", '{"a": 1e999}'), "wrong_type", "properties", "out of range"),
        (wire(type="page_view"), "unknown_type", "type", "'page_view'"),
        (wire(type=""), "unknown_type", "type", "''"),
        (wire(time=NOW // 1000), "bad_time", "time", "seconds"),
        (wire(time=-NOW), "bad_time", "time", "1973"),
        (wire(time="yesterday"), "bad_time", "time", "'yesterday'"),
        (wire(time="2026-01-01T00:00:00"), "bad_time", "time", "no offset"),
        (wire(time=NOW * 1000), "future_time", "time", "milliseconds"),
        (wire(time="2027-01-01T00:00:00Z"), "future_time", "time", "after its receipt"),
        (b'"' + b"x" * EVENT_BYTES_MAX + b'"', "too_large", "", str(EVENT_BYTES_MAX)),
    ],
)
def test_what_is_no_event_is_refused_with_a_reason_and_its_field(
    raw: bytes, reason: str, field: str, says: str
) -> None:
    error = refusal(raw)
    assert error.reason == reason
    assert error.field.startswith(field)
    assert bool(error.field) == bool(field)
    assert says in str(error)


def test_a_long_type_is_quoted_in_part() -> None:
    assert len(str(refusal(wire(type="x" * 10_000)))) < 200


def test_the_identity_is_asked_for_after_the_event_is_read() -> None:
    with pytest.raises(EventError) as raised:
        _ = decode_event(wire(user_id=...), NOW).lead_id
    assert (raised.value.reason, raised.value.field) == ("missing_field", "email")


# ── boundaries ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_earliest_time_is_taken_and_the_ms_before_is_not() -> None:
    assert decode_event(wire(time=TIME_MIN_MS), NOW).time == TIME_MIN_MS
    assert refusal(wire(time=TIME_MIN_MS - 1)).reason == "bad_time"
    assert decode_event(wire(time="1973-03-03T09:46:40Z"), NOW).time == TIME_MIN_MS
    assert refusal(wire(time="1973-03-03T09:46:39.999Z")).reason == "bad_time"


def test_an_event_may_lie_five_minutes_after_its_receipt_and_no_ms_more() -> None:
    assert AHEAD_MAX_MS == 300_000
    assert decode_event(wire(time=NOW + AHEAD_MAX_MS), NOW).time == NOW + AHEAD_MAX_MS
    assert refusal(wire(time=NOW + AHEAD_MAX_MS + 1)).reason == "future_time"
    assert decode_event(wire(time="2026-01-01T00:05:00Z"), NOW).time == NOW + AHEAD_MAX_MS
    assert refusal(wire(time="2026-01-01T00:05:00.001Z")).reason == "future_time"


def test_an_event_may_have_32_kb_and_no_byte_more() -> None:
    room = EVENT_BYTES_MAX - len(wire(properties={"text": ""}))
    largest = wire(properties={"text": "x" * room})
    assert len(largest) == 32 * 1024
    assert decode_event(largest, NOW).id == "e-1"
    error = refusal(wire(properties={"text": "x" * (room + 1)}))
    assert error.reason == "too_large"
    assert str(EVENT_BYTES_MAX + 1) in str(error)


def test_an_id_may_have_255_characters() -> None:
    assert decode_event(wire(id="ü" * 255), NOW).id == "ü" * 255
    assert refusal(wire(id="ü" * 256)).field == "id"


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_type_of_the_vocabulary_is_taken(name: str) -> None:
    assert decode_event(wire(type=name), NOW).type == name


def test_the_last_of_two_equal_keys_and_no_unknown_field_counts() -> None:
    raw = wire(invented={"deep": [1]}).replace(b'"id": "e-1"', b'"id": "e-1", "id": "e-2"')
    assert decode_event(raw, NOW).id == "e-2"


def test_a_hundred_levels_of_nesting_are_no_harm() -> None:
    assert decode_event(raw_field("properties", '{"a": ' + "[" * 99 + "]" * 99 + "}"), NOW).id == "e-1"
    error = refusal(raw_field("properties", '{"a": ' + "[" * 100 + "]" * 100 + "}"))
    assert (error.reason, error.message) == ("too_large", "is nested deeper than 100 levels")


@pytest.mark.parametrize("depth", [2_000, 15_000])
@pytest.mark.parametrize("field", ["properties", "invented"])
def test_nesting_beyond_reason_is_refused(field: str, depth: int) -> None:
    assert refusal(raw_field(field, '{"a": ' + "[" * depth + "]" * depth + "}")).reason == "too_large"


def test_nesting_beyond_reason_is_refused_also_where_something_else_is_wrong_before_it() -> None:
    raw = raw_field("properties", '{"a": ' + "[" * 3_000 + "]" * 3_000 + "}").replace(b'"id": "e-1"', b'"id": ""')
    assert b'"id": ""' in raw
    assert refusal(raw).reason == "too_large"


@pytest.mark.parametrize(
    "text",
    ["2026-W01-1T00:00:00Z", "20260101T00Z", "2026-01-01\u260300:00:00Z", "2026-01-01T00:00:00 Z", "2026-01-01T00:00Z"],
)
def test_what_is_no_rfc_3339_time_is_refused(text: str) -> None:
    assert refusal(raw_field("time", f'"{text}"')).reason == "bad_time"


def test_lower_case_letters_are_a_time_as_good() -> None:
    assert decode_event(raw_field("time", '"2026-01-01t00:00:00z"'), NOW).time == NOW


@pytest.mark.parametrize("digits", [20, 100, 300, 400, 4_000, 5_000])
def test_a_huge_number_as_time_is_refused_and_says_so(digits: int) -> None:
    assert refusal(raw_field("time", "9" * digits)).field == "time"
    assert refusal(raw_field("time", "-" + "9" * digits)).field == "time"


# ── times as text ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("2026-01-01T00:00:00Z", NOW),
        ("2026-01-01T00:00:00+00:00", NOW),
        ("2026-01-01T00:00:00-00:00", NOW),
        ("2026-01-01T01:00:00+01:00", NOW),
        ("2025-12-31T18:30:00-05:30", NOW),
        ("2026-01-01 00:00:00Z", NOW),
        ("2026-01-01T00:00:00.5Z", NOW + 500),
        ("2026-01-01T00:00:00.123456789Z", NOW + 123),
        ("2026-01-01T00:00:00.9996Z", NOW + 1_000),
        ("2024-02-29T12:00:00Z", 1_709_208_000_000),
    ],
)
def test_an_rfc_3339_time_is_read_to_the_ms(text: str, time_ms: int) -> None:
    assert parse_time(text) == time_ms
    assert decode_event(wire(time=text), NOW + 1_000).time == time_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1767225600000",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00+24:00",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z ",
        "٢٠٢٦-01-01T00:00:00Z",
        "x" * 5_000,
    ],
)
def test_other_texts_are_no_time(text: str) -> None:
    error = refusal(wire(time=text))
    assert (error.reason, error.field) == ("bad_time", "time")
    assert len(str(error)) < 200


@given(st.text(max_size=40) | st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(str))
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
@example("\ud800")
def test_any_text_is_a_time_or_an_event_error(text: str) -> None:
    refused = None
    try:
        assert isinstance(parse_time(text), int)
    except EventError as error:
        refused = error
    assert refused is None or refused.reason == "bad_time"


# ── anything at all ──────────────────────────────────────────────────────────────────────────────────────────

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(("id", "type", "time", "email", "user_id", "properties", "traits", "context", "account_id"))


def decode_or_refuse(raw: bytes) -> None:
    refused = None
    try:
        decoded = decode_event(raw, NOW)
        assert isinstance(decoded.time, int)
        decoded.lead_id.encode()
    except EventError as error:
        refused = error
    assert refused is None or refused.reason in REASONS
    str(refused).encode()


@settings(max_examples=share(300))
@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_an_event_error(raw: bytes) -> None:
    decode_or_refuse(raw)


@settings(max_examples=share(300))
@given(st.dictionaries(fields, json_values, max_size=4))
def test_any_values_make_an_event_or_an_event_error(changes: dict[str, Any]) -> None:
    decode_or_refuse(wire(**changes))


@settings(max_examples=share(300))
@given(st.integers(0, 150), st.integers(0, 150), st.binary(max_size=6))
def test_any_damage_leaves_an_event_or_an_event_error(start: int, end: int, patch: bytes) -> None:
    raw = wire(email="Ann@example.com", properties={"path": "/\N{SNOWMAN}", "n": [1.5, None]})
    decode_or_refuse(raw[:start] + patch + raw[end:])


@given(st.text(st.characters(), min_size=1, max_size=10), st.dictionaries(st.text(max_size=5), json_values, max_size=3))
def test_what_is_encoded_is_decoded_again(user_id: str, properties: dict[str, Any]) -> None:
    finite = json.loads(json.dumps(properties), parse_constant=lambda _: None)
    written = Event(
        id="e-1", type="tracked", time=NOW, user_id=user_id.encode("utf-8", "replace").decode(), properties=finite
    )
    assert decode_event(encode_event(written), NOW) == written


def test_fields_that_hold_their_default_are_not_written() -> None:
    assert encode_event(decode_event(json.dumps(event("e-1")).encode(), NOW)) == (
        b'{"id":"e-1","type":"page_viewed","time":1767225600000,"user_id":"7"}'
    )
