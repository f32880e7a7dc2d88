"""Dead letters: what could not be scored, whole, with why and from where, so that it can be mended and replayed."""

from __future__ import annotations

import base64
import hashlib

import msgspec

from scoring.errors import EventError


class DeadLetter(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One refused record or item, as it lies in the ``dead-letters`` topic.

    ``at`` is when it was refused (ms since 1970); ``topic`` is where it came from: a topic's full name, or the
    gateway's route as ``http:/v1/batch``. ``partition`` and ``offset`` are -1 where there are none. ``key`` and
    ``value`` are the original bytes in base64, whole, and None where there were none.

    ``settled`` is ``replayed`` or ``dropped`` in a later record with the same id, which says what somebody (``by``) did
    about the letter: the last record of an id counts.
    """

    id: str
    reason: str
    field: str = ""
    message: str
    at: int
    topic: str
    partition: int = -1
    offset: int = -1
    key: str | None = None
    value: str | None = None
    settled: str = ""
    by: str = ""


_decode = msgspec.json.Decoder(DeadLetter).decode
_encode = msgspec.json.Encoder().encode


def make_dead_letter(
    error: EventError,
    *,
    at_ms: int,
    topic: str,
    value: bytes | None,
    key: bytes | None = None,
    partition: int = -1,
    offset: int = -1,
) -> DeadLetter:
    """Write a dead letter about ``value``, which ``error`` refuses.

    The id is a hash of topic, partition and offset, or of topic and bytes where there is no offset: whoever
    tries the same thing again writes the same id, so that a reader can count it once.

    >>> letter = make_dead_letter(EventError("malformed", "", "not JSON"), at_ms=0, topic="http:/v1/batch", value=b"{")
    >>> letter.id, letter.value
    ('9d8268c480e43bb7d4187d5dbf9fa333', 'ew==')
    """
    identity = f"{topic}\n{partition}\n{offset}\n".encode()
    if offset < 0 and value is not None:
        identity += value
    return DeadLetter(
        id=hashlib.blake2b(identity, digest_size=16).hexdigest(),
        reason=error.reason,
        field=error.field,
        message=error.message,
        at=at_ms,
        topic=topic,
        partition=partition,
        offset=offset,
        key=_to_base64(key),
        value=_to_base64(value),
    )


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """Encode a dead letter as it is written to Kafka."""
    return _encode(letter)


def decode_dead_letter(raw: bytes) -> DeadLetter:
    """Decode a dead letter; raises :class:`EventError` (``malformed``) where the bytes are none."""
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError("malformed", "", f"not a dead letter: {error}") from None


def original_key(letter: DeadLetter) -> bytes | None:
    """Return the key of the refused record, or None where it had none."""
    return _from_base64(letter.key, "key")


def original_value(letter: DeadLetter) -> bytes | None:
    """Return the bytes that were refused, or None where there were none.

    >>> letter = make_dead_letter(EventError("malformed", "", "not UTF-8"), at_ms=0, topic="t", value=b"\\xff")
    >>> original_value(letter)
    b'\\xff'

    Raises :class:`EventError` where the text is not base64.
    """
    return _from_base64(letter.value, "value")


def _to_base64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode("ascii")


def _from_base64(text: str | None, field: str) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise EventError("malformed", field, f"{text[:40]!r} is not base64: {error}") from None
