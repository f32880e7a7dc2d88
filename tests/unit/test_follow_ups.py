"""What is a follow-up and what is not: every reason and boundary, and any bytes at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import EventError
from scoring.events import AHEAD_MAX_MS, EVENT_BYTES_MAX, REASONS
from scoring.follow_ups import (
    ACTIONS,
    POINTS_MAX,
    REJECTIONS,
    SUPPRESSIONS,
    FollowUp,
    decode_follow_up,
    encode_follow_up,
)
from tests.unit.builders import NOW

ADJUSTED = {"action": "adjusted", "reason": "met at the fair", "points": -20, "until": NOW + 1}


def wire(**changes: Any) -> bytes:
    """Return a good follow-up as JSON, with changes; ``...`` leaves a field out."""
    fields = {"id": "f-1", "lead": "email:ann@example.com", "action": "accepted", "time": NOW} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("raw", "reason", "field", "says"),
    [
        (b"", "malformed", "", "the record has no value"),
        (b"[]", "malformed", "", "not a JSON object"),
        (wire(id=...), "missing_field", "id", "is required"),
        (wire(id=""), "missing_field", "id", "is empty"),
        (wire(lead=...), "missing_field", "lead", "is required"),
        (wire(lead="ann@example.com"), "bad_identity", "lead", "begin with one of email:, user:, anon:"),
        (wire(lead="email:ann"), "bad_identity", "lead", "not an e-mail address"),
        (wire(lead="user:"), "bad_identity", "lead", "has 0 characters"),
        (wire(action="called"), "unknown_type", "action", "'called' is not in the vocabulary: accepted, rejected"),
        (wire(time=NOW // 1000), "bad_time", "time", "seconds"),
        (wire(time=NOW + AHEAD_MAX_MS + 1), "future_time", "time", "after its receipt"),
        (wire(note="x" * 501), "too_large", "note", "has 501 characters; at most 500"),
        (wire(action="rejected"), "missing_field", "reason", "nothing is no reason here; expected one of not_ready"),
        (wire(action="rejected", reason="bored"), "unknown_type", "reason", "'bored' is no reason here"),
        (wire(action="suppressed", reason="not_ready"), "unknown_type", "reason", "expected one of complaint"),
        (wire(points=3), "unknown_field", "points", "belongs to adjusted, not to accepted"),
        (wire(until=NOW), "unknown_field", "until", "belongs to adjusted, not to accepted"),
        (wire(**ADJUSTED | {"reason": " "}), "missing_field", "reason", "says why"),
        (wire(**ADJUSTED | {"points": ...}), "missing_field", "points", "has points"),
        (wire(**ADJUSTED | {"points": 0}), "wrong_type", "points", "or is 0"),
        (wire(**ADJUSTED | {"points": POINTS_MAX + 1}), "wrong_type", "points", "±1000"),
        (wire(**ADJUSTED | {"until": ...}), "missing_field", "until", "has an end"),
        (wire(**ADJUSTED | {"until": NOW}), "bad_time", "until", "does not lie after"),
        (wire(**ADJUSTED | {"until": "soon"}), "bad_time", "until", "not an RFC 3339 time"),
        (wire(note="x" * EVENT_BYTES_MAX), "too_large", "", str(EVENT_BYTES_MAX)),
    ],
)
def test_what_is_no_follow_up_is_refused_with_a_reason_and_its_field(
    raw: bytes, reason: str, field: str, says: str
) -> None:
    with pytest.raises(EventError) as raised:
        decode_follow_up(raw, NOW)
    assert (raised.value.reason, raised.value.field) == (reason, field)
    assert says in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_action_comes_back_from_its_bytes(action: str) -> None:
    reason = {"rejected": REJECTIONS[0], "suppressed": SUPPRESSIONS[0], "adjusted": "met at the fair"}.get(action, "")
    adjusted = {"points": 5.0, "until": NOW + 1} if action == "adjusted" else {}
    sent = FollowUp(id="f", lead="user:7", action=action, time=NOW, reason=reason, **adjusted)
    assert decode_follow_up(encode_follow_up(sent), NOW) == sent


def test_times_as_text_and_addresses_are_brought_to_their_normal_form() -> None:
    raw = wire(lead="email: Ann@Example.COM", time="2026-01-01T01:00:00+01:00")
    follow_up = decode_follow_up(raw, 1_767_225_600_000)
    assert (follow_up.lead, follow_up.time) == ("email:ann@example.com", 1_767_225_600_000)


@given(
    st.binary(max_size=200)
    | st.builds(
        lambda value: json.dumps(value).encode(),
        st.dictionaries(
            st.sampled_from(["id", "lead", "action", "time", "points", "until", "reason"]),
            st.none() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["adjusted", "user:7"]),
        ),
    )
)
def test_any_bytes_are_a_follow_up_or_refused_with_one_of_the_reasons(raw: bytes) -> None:
    try:
        follow_up = decode_follow_up(raw, NOW)
    except EventError as error:
        assert error.reason in REASONS  # noqa: PT017 - either is right
    else:
        assert decode_follow_up(encode_follow_up(follow_up), NOW) == follow_up
