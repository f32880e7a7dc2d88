"""What Segment's messages mean here: each of its six calls as one of our events.

Identities: ``userId`` and ``anonymousId`` are ours; an e-mail address is looked for in ``traits.email`` (the
person's own, so not in a ``group`` call, whose traits are the company's), ``context.traits.email``, and in a
``userId`` that is one. Of ``context`` we keep what tells where a visit came from, and neither the IP address
nor the user agent: personal data that no score needs.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from scoring.errors import EventError
from scoring.events import EVENT_TYPES, Event, check_depth, check_event, check_identity, parse_time
from scoring.identity import normalise_email
from streams.gateway.limits import check_raw_size, check_written_size

Call = Literal["track", "page", "screen", "identify", "group", "alias"]
CALLS: Final[tuple[Call, ...]] = ("track", "page", "screen", "identify", "group", "alias")

ENVELOPE_TYPES: Final = frozenset({"identified", "grouped", "aliased", "tracked"})
"""Types that a call of their own stands for: a ``track`` that is merely named so is not one of them."""

TYPE_OF_NAME: Final = {
    # Segment's spec of e-mail events: https://segment.com/docs/connections/spec/email/
    "email_link_clicked": "email_clicked",
    "email_marked_as_spam": "email_complained",
    "unsubscribed": "email_unsubscribed",
    # Its video spec: of a film's many events, the one that says that it was watched to its end.
    "video_playback_completed": "video_watched",
    "demo_requested": "form_submitted",
}
"""Well-known names, in snake case, whose type is called otherwise here. All others are called the same
("Email Opened" is ``email_opened``) or are ``tracked``."""

CONTEXT_KEPT: Final = ("campaign", "referrer", "page", "groupId")

_FIELD_IN_SEGMENT: Final = {
    "id": "messageId",
    "time": "timestamp",
    "email": "traits.email",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
}
_WORD_ENDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


class Message(msgspec.Struct, rename="camel", gc=False):
    """One call of a Segment SDK, as far as we read it; ids that are numbers are taken as their digits."""

    type: str | None = None
    message_id: str | int | None = None
    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    previous_id: str | int | None = None
    group_id: str | int | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    timestamp: str | int | None = None
    original_timestamp: str | int | None = None
    sent_at: str | int | None = None
    write_key: str | None = None


_decode = msgspec.json.Decoder(Message).decode


def read_message(raw: bytes) -> Message:
    """Decode one message; raises :class:`EventError` naming the field as Segment calls it."""
    check_raw_size(raw)
    try:
        return _decode(raw)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise EventError("wrong_type", where.strip("`").removeprefix("$").lstrip("."), what) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError("malformed", "", f"not a JSON object: {error}") from None


def call_of(message: Message) -> Call:
    """Return which call an item of a batch is; raises :class:`EventError`."""
    for call in CALLS:
        if message.type == call:
            return call
    if message.type is None:
        raise EventError("missing_field", "type", f"is required; expected one of {', '.join(CALLS)}")
    raise EventError("unknown_type", "type", f"{message.type[:80]!r} is not one of {', '.join(CALLS)}")


def to_event(message: Message, call: Call, *, raw: bytes, received_ms: int, sent_at: object, source: str) -> Event:
    """Turn one message into an event that can be scored.

    ``sent_at`` is when the whole request was sent by its sender's clock. Without a ``messageId`` the id is a
    hash of ``raw``, so that a retry of the same bytes counts once (and so do two messages that are alike to the
    last byte: senders without ids should send a timestamp).

    Raises :class:`EventError` naming the field as Segment calls it.
    """
    type_, properties = _interaction(message, call)
    context = message.context or {}
    traits = message.traits or {}
    if call == "identify" and not traits:
        traits = _object(context, "traits")  # where RudderStack's SDKs put them
    event = Event(
        id=_text(message.message_id) or "sha-" + hashlib.blake2b(raw, digest_size=16).hexdigest(),
        type=type_,
        time=_time_ms(message, received_ms, sent_at),
        email=_email(message, call),
        user_id=_text(message.user_id),
        anonymous_id=_text(message.previous_id if call == "alias" else message.anonymous_id),
        account_id=_text(message.group_id) or _group_in(context),
        source=source,
        properties=properties,
        traits={} if call == "group" else traits,
        context={name: context[name] for name in CONTEXT_KEPT if context.get(name) is not None},
    )
    _check(event, received_ms)
    check_depth(raw, event.properties, event.traits, event.context)
    check_written_size(event, raw)
    return event


def _check(event: Event, received_ms: int) -> None:
    """Hold an event against what every event must be, in Segment's words."""
    try:
        check_event(event, received_ms)
        check_identity(event)
    except EventError as error:
        if error.reason == "missing_field" and error.field == "email":
            raise EventError(
                "missing_field", "userId", "one of userId, anonymousId and traits.email is required"
            ) from None
        field = _FIELD_IN_SEGMENT.get(error.field, error.field)
        raise EventError(error.reason, field, error.message) from None
    except OverflowError:
        raise EventError("bad_time", "timestamp", "is not a time: too large a number") from None


def _interaction(message: Message, call: Call) -> tuple[str, dict[str, Any]]:
    """Return the type and the properties of an event; raises :class:`EventError` for a call without its subject."""
    properties = message.properties or {}
    match call:
        case "track":
            return _tracked(_required(message.event, "event"), properties)
        case "page" | "screen":
            named = {"name": message.name, "category": message.category}
            properties = {**{name: text for name, text in named.items() if text}, **properties}
            return f"{'page' if call == 'page' else 'screen'}_viewed", _with_page(properties, message.context or {})
        case "identify":
            return "identified", properties
        case "group":
            # Our events' traits describe the person; a group's describe the company.
            _required(_text(message.group_id), "groupId")
            return "grouped", message.traits or {}
        case "alias":
            _required(_text(message.previous_id), "previousId")
            _required(_text(message.user_id), "userId")
            return "aliased", properties


def _tracked(name: str, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    snake = snake_case(name)
    type_ = TYPE_OF_NAME.get(snake, snake)
    if type_ not in EVENT_TYPES or type_ in ENVELOPE_TYPES:
        return "tracked", {**properties, "name": name}
    if snake == "demo_requested":
        properties = {"form": "demo", **properties}
    return type_, properties


def snake_case(name: str) -> str:
    """Bring an event's name to the form of our types.

    >>> snake_case("Email Link Clicked"), snake_case("fileDownloaded"), snake_case(" Form-Submitted ")
    ('email_link_clicked', 'file_downloaded', 'form_submitted')
    """
    return _WORD_ENDS.sub("_", name).strip("_").lower()


def _with_page(properties: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Fill in path, title, referrer and url of a page from where SDKs put them; what is given stays.

    >>> _with_page({"url": "https://example.com/pricing?plan=pro"}, {"page": {"title": "Prices"}})["path"]
    '/pricing'
    """
    page = _object(context, "page")
    found = {name: page[name] for name in ("title", "referrer", "url") if isinstance(page.get(name), str)}
    path = (
        _string(properties, "path")
        or _path_of(_string(properties, "url"))
        or _string(page, "path")
        or _path_of(_string(page, "url"))
    )
    return {**found, **properties} if path is None else {**found, **properties, "path": path}


def _path_of(url: str | None) -> str | None:
    try:
        return None if url is None else urlsplit(url).path or "/"
    except ValueError:  # an unclosed bracket, say; a page is not refused for its address
        return None


def _email(message: Message, call: Call) -> str | None:
    own = None if call == "group" else (message.traits or {}).get("email")
    for email in (own, _object(message.context or {}, "traits").get("email")):
        if email is not None and not isinstance(email, str):
            raise EventError("wrong_type", "traits.email", f"Expected `str`, got {str(email)[:80]}")
        if email:
            return email
    user_id = message.user_id
    if isinstance(user_id, str) and "@" in user_id:
        try:
            return normalise_email(user_id)
        except EventError:
            return None  # "jo@work" is a user id like any other
    return None


def _time_ms(message: Message, received_ms: int, sent_at: object) -> int:
    """Return when it happened by our clock: received − (sentAt − timestamp), Segment's rule for skewed clocks.

    A message that Segment (or RudderStack) passes on has ``originalTimestamp``, the sender's time, and often
    ``timestamp``, which is corrected already. A ``sentAt`` that cannot be read corrects nothing.
    """
    if message.timestamp is not None and message.original_timestamp is not None:
        return _moment_ms(message.timestamp, "timestamp")
    if message.timestamp is not None:
        happened_ms = _moment_ms(message.timestamp, "timestamp")
    elif message.original_timestamp is not None:
        happened_ms = _moment_ms(message.original_timestamp, "originalTimestamp")
    else:
        return received_ms
    try:
        sent_ms = _moment_ms(sent_at, "sentAt") if isinstance(sent_at, str | int) else None
    except EventError:
        sent_ms = None
    if sent_ms is None:
        return happened_ms
    return min(received_ms, received_ms - (sent_ms - happened_ms))


def _moment_ms(value: str | int, field: str) -> int:
    if isinstance(value, int):
        return value
    try:
        return parse_time(value)
    except EventError as error:
        raise EventError(error.reason, field, error.message) from None


def _group_in(context: dict[str, Any]) -> str | None:
    group_id = context.get("groupId")
    return _text(group_id) if isinstance(group_id, str | int) else None


def _text(value: str | int | None) -> str | None:
    """Take an id as text; SDKs send an empty one for "none"."""
    return None if value is None or value == "" else str(value)


def _required(text: str | None, field: str) -> str:
    if text is None or text == "":
        raise EventError("missing_field", field, "is required")
    return text


def _object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    child = parent.get(name)
    return child if isinstance(child, dict) else {}


def _string(parent: dict[str, Any], name: str) -> str | None:
    text = parent.get(name)
    return text if isinstance(text, str) and text else None
