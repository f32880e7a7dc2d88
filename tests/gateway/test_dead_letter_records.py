"""Dead letters survive their trip, whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import EventError
from streams.dead_letters import (
    decode_dead_letter,
    encode_dead_letter,
    make_dead_letter,
    original_key,
    original_value,
)

ERROR = EventError("bad_time", "time", "is not a time")


@given(value=st.none() | st.binary(), key=st.none() | st.binary(), offset=st.integers(-1, 2**63 - 1))
def test_a_dead_letter_gives_back_the_original_bytes(value, key, offset):
    letter = make_dead_letter(ERROR, at_ms=1, topic="t", value=value, key=key, partition=3, offset=offset)
    read = decode_dead_letter(encode_dead_letter(letter))
    assert read == letter
    assert (original_value(read), original_key(read)) == (value, key)


def test_a_megabyte_survives_whole():
    value = bytes(range(256)) * 4096
    letter = make_dead_letter(ERROR, at_ms=1, topic="t", value=value)
    assert original_value(decode_dead_letter(encode_dead_letter(letter))) == value


def test_the_same_record_or_the_same_bytes_have_the_same_id_at_any_time():
    def id_of(at_ms=1, topic="t", value=b"v", **where):
        return make_dead_letter(ERROR, at_ms=at_ms, topic=topic, value=value, **where).id

    assert id_of(at_ms=1) == id_of(at_ms=2)
    assert id_of() != id_of(value=b"w")
    assert id_of() != id_of(topic="u")
    assert id_of(partition=1, offset=2) == id_of(partition=1, offset=2, value=None, at_ms=3)
    assert len({id_of(partition=partition, offset=offset) for partition in range(3) for offset in range(3)}) == 9


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b"[" * 50_000])
def test_what_is_no_dead_letter_says_so(raw):
    with pytest.raises(EventError, match="not a dead letter"):
        decode_dead_letter(raw)


def test_a_value_that_is_not_base64_says_so():
    letter = make_dead_letter(ERROR, at_ms=1, topic="t", value=b"v")
    letter.value = "%"
    with pytest.raises(EventError, match="value: '%' is not base64"):
        original_value(letter)
