"""Rows of events: of a table, each becomes an event of the vocabulary; of JSON lines, each is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from scoring.errors import EventError
from scoring.events import EVENT_TYPES, Event, decode_event
from streams.importing.columns import Columns
from streams.unknown_fields import find_unknown_fields

_CARRIERS: Final = ("properties", "traits", "context")
_FIELDS: Final = frozenset(Event.__struct_fields__).difference(_CARRIERS)


class _Head(msgspec.Struct):
    id: Any = msgspec.UNSET
    type: Any = msgspec.UNSET


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class EventRows:
    """Reads rows of events; ``type`` and ``as_of`` (ms) are those of rows that do not tell theirs.

    What no field of an event knows becomes a property under its column's name; ``traits.job_title`` and
    ``context.campaign.source`` become what they say.
    """

    columns: Columns
    as_of: int | None = None
    type: str | None = None

    def read(self, cells: Sequence[str]) -> Event:
        """Return what a row tells, its id empty if it has none; raises :class:`EventError`."""
        told: dict[str, Any] = self.columns.read(cells)
        known = {name: told.pop(name) for name in _FIELDS.intersection(told)}
        known = {"id": "", "time": self.as_of, "type": self.type} | known
        for name in ("time", "type"):
            if known[name] is None:
                raise EventError("missing_field", name, "is blank")
        check_type(known["type"])
        carried: dict[str, Any] = {}
        for name, value in (*told.items(), *self.columns.read_others(cells)):
            _carry(carried, name, value)
        return Event(**known, **carried)


def read_json_event(raw: bytes, received_ms: int) -> Event:
    """Return the event of a line, its id empty if it has none; raises :class:`EventError`.

    It is read as strictly as by the gateway: a field that no event has is refused.
    """
    for error in find_unknown_fields(raw, Event.__struct_fields__, "an event"):
        raise error
    try:
        head = _decode_head(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode_event(raw, received_ms)  # which says better what is wrong
    if isinstance(head.type, str):
        check_type(head.type)
    if head.id is not msgspec.UNSET:
        return decode_event(raw, received_ms)
    event = decode_event(_encode({"id": "-", **_decode_object(raw)}), received_ms)
    event.id = ""
    return event


def check_type(name: str) -> None:
    """Make sure that a type is in the vocabulary; raises :class:`EventError`, which says what is.

    >>> check_type("page_veiwed")
    Traceback (most recent call last):
    scoring.errors.EventError: type: 'page_veiwed' is not in the vocabulary; did you mean page_viewed?
    """
    if name in EVENT_TYPES:
        return
    near = get_close_matches(name[:80], EVENT_TYPES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(sorted(EVENT_TYPES))}"
    raise EventError("unknown_type", "type", f"{name[:80]!r} is not in the vocabulary; {hint}")


def _carry(carried: dict[str, Any], column: str, value: object) -> None:
    """Put a value where its column's name says, among properties unless it says otherwise."""
    carrier, dot, rest = column.partition(".")
    if not dot or carrier not in _CARRIERS:
        carrier, rest = "properties", column
    path = rest.split(".") if carrier == "context" else [rest]
    target = carried.setdefault(carrier, {})
    for step in path[:-1]:
        child = target.setdefault(step, {})
        if not isinstance(child, dict):
            raise EventError("malformed", column, f"lies below {step}, which another column tells")
        target = child
    target.setdefault(path[-1], value)
