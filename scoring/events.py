"""Events: what a person did or what became known, and which of them can be scored.

An event on the wire is one JSON object::

    {"id": "e-1", "type": "page_viewed", "time": 1767225600000, "email": "ann@example.com",
     "properties": {"path": "/pricing", "seconds": 12}}

``time`` is milliseconds since 1970 or an RFC 3339 text with an offset; at least one of ``email``,
``user_id`` and ``anonymous_id`` is needed. Unknown fields are ignored here, so that producers may be newer
than we are; our own HTTP endpoint refuses them.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from scoring.errors import EventError
from scoring.identity import strongest_identity

WEB_TYPES: Final = frozenset(
    {
        "page_viewed",
        "screen_viewed",
        "link_clicked",
        "file_downloaded",
        "form_submitted",
        "form_failed",
        "webinar_registered",
        "webinar_attended",
        "video_watched",
        "social_followed",
        "social_unfollowed",
        "signed_up",
        "opportunity_lost",
        "identified",
        "grouped",
        "aliased",
        "consent_withdrawn",
        "tracked",
    }
)
"""What people do on pages and in products. ``consent_withdrawn`` takes back what opened messages have counted.
``tracked`` is any other named action (``properties.name``)."""

EMAIL_TYPES: Final = frozenset(
    {
        "email_sent",
        "email_delivered",
        "email_opened",
        "email_clicked",
        "email_replied",
        "email_bounced",
        "email_complained",
        "email_unsubscribed",
    }
)
"""What people and mail servers do with a message."""

EVENT_TYPES: Final = WEB_TYPES | EMAIL_TYPES
"""The whole vocabulary; it is closed, so that a misspelt type is an error and not a silent zero."""

ACTIVITIES: Final = frozenset(
    {
        *WEB_TYPES - {"opportunity_lost", "identified", "grouped", "aliased", "consent_withdrawn", "social_unfollowed"},
        *("email_clicked", "email_replied"),
    }
)
"""What a person does of an own interest: the activity that buying signals are about. An opened e-mail is none, since
mail programs open messages by themselves."""

REASONS: Final = (
    "malformed",  # not JSON, not an object, not UTF-8
    "wrong_type",  # a field of another JSON type
    "missing_field",
    "unknown_field",  # only where we refuse them
    "unknown_type",  # not in the vocabulary
    "bad_time",  # no time, or seconds for milliseconds
    "future_time",  # more than AHEAD_MAX_MS after it was received
    "bad_identity",
    "too_large",
    "too_many_hops",  # passed on from identity to identity without end
    "failed",  # scoring raised: our fault, kept for replay
)
"""Why an event is not scored: labels of dead letters and of their metric."""

Verdict = Literal["human", "suspect", "machine"]
"""Who did it, as far as can be told."""

ID_LENGTH_MAX = 255
EVENT_BYTES_MAX = 32 * 1024
"""The largest event, as bytes of JSON: the limit that Segment's clients are written for."""

AHEAD_MAX_MS = 5 * 60 * 1000
"""How far an event's time may lie after its receipt: clocks drift by minutes, not more."""

NESTING_MAX = 100
"""Levels of arrays and objects in an event. A JSON reader's own limit depends on the stack it is called from, so
that one process would refuse what another scores."""

_SHALLOW_BYTES: Final = 2 * NESTING_MAX
"""In so few bytes nothing can be nested deeper than that."""

TIME_MIN_MS = 100_000_000_000
"""1973-03-03. A smaller number is seconds, not milliseconds (as milliseconds, seconds of today fall in 1970)."""


class Event(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """One interaction or fact about one person, as it lies in Kafka.

    ``time`` is in ms since 1970 (UTC) after :func:`decode_event`; ``properties`` describe the interaction,
    ``traits`` the person, ``context`` the circumstances (campaign, referrer, device).

    ``verdict`` says who did it (None: nobody has judged), for ``reasons``; only what a person did counts. ``seen_from``
    is a trace of network and system (see :mod:`scoring.bots`).
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH_MAX)]
    type: str
    time: Annotated[int, msgspec.Meta(ge=TIME_MIN_MS)] | str
    email: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    account_id: Annotated[str, msgspec.Meta(max_length=ID_LENGTH_MAX)] | None = None
    source: str | None = None
    properties: dict[str, Any] = msgspec.field(default_factory=dict)
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    verdict: Verdict | None = None
    reasons: list[str] | None = None
    seen_from: str | None = None

    @property
    def lead_id(self) -> str:
        """The strongest identity of the event: ``email:…``, ``user:…`` or ``anon:…``."""
        return strongest_identity(self.email, self.user_id, self.anonymous_id)


class _Unbounded(Event, kw_only=True, gc=False):
    """An event whose fields have the right types: decoded only to say what else is wrong with one."""

    id: str
    time: int | str
    account_id: str | None = None


_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_decode = msgspec.json.Decoder(Event).decode
_decode_unbounded = msgspec.json.Decoder(_Unbounded).decode
_encode = msgspec.json.Encoder().encode
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_event(raw: bytes, received_ms: int) -> Event:
    """Decode and check one event as it lies in Kafka.

    ``received_ms`` is when it was taken in (ms): an event may not lie more than 5 minutes after it.

    >>> event = decode_event(b'{"id":"e","type":"page_viewed","time":"2026-01-01T00:00:00Z","user_id":"7"}',
    ...                      1767225600000)
    >>> event.time, event.lead_id
    (1767225600000, 'user:7')

    Raises :class:`EventError` with one of :data:`REASONS`, naming the field.
    """
    is_long = len(raw) > _SHALLOW_BYTES
    if is_long and len(raw) > EVENT_BYTES_MAX:
        raise too_large(len(raw))
    try:
        event = _decode(raw)
    except _UNDECODABLE as error:
        raise _explain(raw, received_ms, error) from None
    if is_long:
        check_depth(raw, event.properties, event.traits, event.context)
    time_ms = event.time
    if event.type in EVENT_TYPES and time_ms.__class__ is int and time_ms <= received_ms + AHEAD_MAX_MS:
        return event  # nearly always; the check below explains the rest, or reads a time given as text
    check_event(event, received_ms)
    return event


def decode_event_of_somebody(raw: bytes, received_ms: int) -> Event:
    """Decode and check an event as :func:`decode_event` does, and whom it is about, too; raises :class:`EventError`."""
    event = decode_event(raw, received_ms)
    check_identity(event)
    return event


def check_identity(event: Event) -> None:
    """Make sure that an event says somebody whom we can name; raises :class:`EventError` otherwise."""
    strongest_identity(event.email, event.user_id, event.anonymous_id)


def check_event(event: Event, received_ms: int) -> None:
    """Hold an event against the vocabulary and the bounds, and bring its time to milliseconds.

    Raises :class:`EventError`.
    """
    if event.type not in EVENT_TYPES:
        raise EventError("unknown_type", "type", f"{event.type[:80]!r} is not in the vocabulary")
    check_id(event.id)
    if event.account_id is not None and len(event.account_id) > ID_LENGTH_MAX:
        raise EventError("bad_identity", "account_id", f"is longer than {ID_LENGTH_MAX} characters")
    event.time = check_time(event.time, received_ms)


def check_id(event_id: str) -> None:
    """Hold the id of an event against the bounds; raises :class:`EventError`."""
    if not event_id:
        raise EventError("missing_field", "id", "is empty")
    if len(event_id) > ID_LENGTH_MAX:
        raise EventError("wrong_type", "id", f"is longer than {ID_LENGTH_MAX} characters")


def check_time(time_ms: int | str, received_ms: int) -> int:
    """Return the time of an event in milliseconds, held against the bounds; raises :class:`EventError`."""
    if isinstance(time_ms, str):
        time_ms = parse_time(time_ms)
    if time_ms < TIME_MIN_MS:
        raise EventError("bad_time", "time", f"{time_ms} lies before 1973: is it in seconds? milliseconds are expected")
    if time_ms > received_ms + AHEAD_MAX_MS:
        raise EventError(
            "future_time",
            "time",
            f"{str(time_ms)[:20]} lies {str((time_ms - received_ms) // 1000)[:20]} s after its receipt; at most "
            f"{AHEAD_MAX_MS // 1000} s are taken (is the sender's clock right, and are these milliseconds?)",
        )
    return time_ms


def check_depth(raw: bytes, *parents: dict[str, Any] | None) -> None:
    """Hold what an event carries, read from ``raw``, against ``NESTING_MAX``; raises :class:`EventError`."""
    if raw.count(b"{") + raw.count(b"[") <= NESTING_MAX:
        return  # fewer brackets than levels allowed: nearly every event is spared the walk
    level: list[Any] = [parent for parent in parents if parent]
    for _ in range(NESTING_MAX):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def too_large(length: int) -> EventError:
    """Return the error about an event of ``length`` bytes."""
    return EventError("too_large", "", f"the event has {length} bytes; at most {EVENT_BYTES_MAX} are taken")


def _too_deep() -> EventError:
    return EventError("too_large", "", f"is nested deeper than {NESTING_MAX} levels")


def encode_event(event: Event) -> bytes:
    """Encode an event as it is written to Kafka; fields that hold their default are left out."""
    return _encode(event)


def parse_time(text: str) -> int:
    """Read an RFC 3339 time, with its offset, as milliseconds since 1970.

    >>> parse_time("2026-01-01T01:00:00.5+01:00")
    1767225600500

    Raises :class:`EventError` for anything else; a time without an offset is ambiguous and refused.
    """
    try:
        if _RFC_3339.fullmatch(text) is None:
            raise ValueError(text)
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise EventError(
            "bad_time", "time", f"{text[:80]!r} is not an RFC 3339 time such as 2026-01-01T12:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise EventError("bad_time", "time", f"{text[:80]!r} has no offset; add Z or, for example, +01:00")
    return round(moment.timestamp() * 1000)


def explain_undecodable(raw: bytes, error: Exception) -> EventError:
    """Turn what msgspec raised on the bytes of an event into a reason and a field."""
    if isinstance(error, msgspec.ValidationError):
        return _explain_validation(str(error))
    if isinstance(error, RecursionError):
        return _too_deep()
    return EventError("malformed", "", f"not a JSON object: {error}" if raw else "the record has no value")


def _explain(raw: bytes, received_ms: int, error: Exception) -> EventError:
    """Say what is wrong with an event that cannot be decoded: its bounds, if it can be without them."""
    if isinstance(error, msgspec.ValidationError):
        try:
            event = _decode_unbounded(raw)
            check_depth(raw, event.properties, event.traits, event.context)
            check_event(event, received_ms)
        except EventError as reason:
            return reason
        except _UNDECODABLE as other:
            error = other
    return explain_undecodable(raw, error)


def _explain_validation(message: str) -> EventError:
    """Turn msgspec's sentence into a reason and a field.

    >>> str(_explain_validation("Expected `str`, got `int` - at `$.id`"))
    'id: Expected `str`, got `int`'
    """
    what, _, where = message.partition(" - at ")
    field = where.strip("`").removeprefix("$").lstrip(".")
    if not field and what.startswith("Expected `object`"):
        return EventError("malformed", "", f"not a JSON object: {what}")
    if "missing required field" in what:
        field = what.split("`")[1]
        return EventError("missing_field", field, "is required")
    return EventError("wrong_type", field, what)
