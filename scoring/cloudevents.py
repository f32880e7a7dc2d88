"""CloudEvents 1.0 (https://cloudevents.io) as events: what their attributes and their data mean here.

``type`` is one of our types, alone or behind a prefix (``com.example.page_viewed``); any other is ``tracked`` under its
name. ``data`` is an object in our own form without ``id``, ``type`` and ``time``, or one of plain properties with whom
they are about beside them. Where it names nobody, ``subject`` does: an address, or a user id.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from scoring.errors import EventError
from scoring.events import (
    EVENT_BYTES_MAX,
    EVENT_TYPES,
    Event,
    check_depth,
    check_event,
    check_identity,
    explain_undecodable,
    too_large,
)

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"

_WHO: Final = ("email", "user_id", "anonymous_id")
_OURS: Final = frozenset({*_WHO, "account_id", "traits", "context", "properties", "verdict", "reasons", "seen_from"})

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def from_structured(raw: bytes, received_ms: int) -> Event:
    """Read an event in structured mode: one JSON object with attributes and data.

    >>> raw = b'{"specversion":"1.0","id":"1","source":"/shop","type":"com.example.page_viewed",'
    >>> raw += b'"subject":"ann@example.com","time":"2026-01-01T12:00:00Z","data":{"path":"/pricing"}}'
    >>> event = from_structured(raw, 1767268800000)
    >>> event.type, event.email, event.properties
    ('page_viewed', 'ann@example.com', {'path': '/pricing'})

    Raises :class:`EventError`.
    """
    attributes = _read_object(raw)
    if "data_base64" in attributes:
        raise EventError("wrong_type", "data_base64", "is not read; expected a JSON object as data")
    data = attributes.get("data")
    if data is not None and not isinstance(data, dict):
        raise EventError("wrong_type", "data", f"Expected `object`, got {str(data)[:80]}")
    return _to_event(attributes, data or {}, raw, received_ms)


def from_binary(attributes: Mapping[str, str], raw: bytes, received_ms: int) -> Event:
    """Read an event in binary mode: attributes from headers, data from the bytes; raises :class:`EventError`."""
    return _to_event(attributes, _read_object(raw) if raw else {}, raw, received_ms)


def _read_object(raw: bytes) -> dict[str, Any]:
    if len(raw) > EVENT_BYTES_MAX:
        raise too_large(len(raw))
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise explain_undecodable(raw, error) from None


def _to_event(attributes: Mapping[str, Any], data: dict[str, Any], raw: bytes, received_ms: int) -> Event:
    version = _required(attributes, "specversion")
    if version.partition(".")[0] != "1":
        raise EventError("wrong_type", "specversion", f"{version[:20]!r} is not 1.0")
    source, name = _required(attributes, "source"), _required(attributes, "type")
    fields = {field: data[field] for field in _OURS if data.get(field) is not None}
    rest = {field: value for field, value in data.items() if field not in _OURS}
    type_ = name.rpartition(".")[2]
    if type_ not in EVENT_TYPES:
        type_, rest = "tracked", {"name": name, **rest}
    properties = fields.pop("properties", {})
    if not isinstance(properties, dict):
        raise EventError("wrong_type", "data.properties", f"Expected `object`, got {str(properties)[:80]}")
    whole = {
        # An id is unique within its source only.
        "id": "ce-" + blake2b(f"{source}\n{_required(attributes, 'id')}".encode(), digest_size=16).hexdigest(),
        "type": type_,
        "time": attributes.get("time") or received_ms,
        "source": source[:80],
        "properties": {**rest, **properties},
        **_whom(attributes, fields),
        **fields,
    }
    try:
        event = msgspec.convert(whole, Event)
        check_event(event, received_ms)
    except msgspec.ValidationError as error:
        raise explain_undecodable(raw, error) from None
    except OverflowError:
        raise EventError("bad_time", "time", "is not a time: too large a number") from None
    check_identity(event)
    check_depth(raw, event.properties, event.traits, event.context)
    return event


def _whom(attributes: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, str]:
    subject = attributes.get("subject")
    if not isinstance(subject, str) or not subject or any(field in fields for field in _WHO):
        return {}
    return {"email" if "@" in subject else "user_id": subject}


def _required(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name)
    if not isinstance(value, str) or not value:
        reason = "missing_field" if value is None or value == "" else "wrong_type"
        raise EventError(reason, name, "is required by CloudEvents, as a text")
    return value
