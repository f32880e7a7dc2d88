"""Top-level fields that our JSON does not have: a misspelt one that is silently ignored is found months later."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import msgspec

from scoring.errors import EventError

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def find_unknown_fields(raw: bytes, fields: Sequence[str], noun: str) -> list[EventError]:
    """Name the fields of an object that are none of ``fields``, each with the one that may have been meant.

    >>> [str(error) for error in find_unknown_fields(b'{"emial": 1}', ("id", "email"), "an event")]
    ["emial: is not a field of an event; did you mean 'email'?"]

    What cannot be read as an object has none: decoding says it better.
    """
    try:
        names = _decode_object(raw).keys()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [_unknown(name[:80], fields, noun) for name in names if name not in fields]


def _unknown(name: str, fields: Sequence[str], noun: str) -> EventError:
    near = difflib.get_close_matches(name, fields, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(fields)}"
    return EventError("unknown_field", name, f"is not a field of {noun}; {hint}")
