"""The routes of PostHog's capture API: its SDKs work unchanged with our address as their host.

Its events are read as the calls of Segment that mean the same. A bad item of a batch becomes a dead letter and the
others are taken, as with Segment's SDKs, since these do not repeat a 400 either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response

from scoring.errors import EventError
from scoring.events import Event
from streams.dead_letters import DeadLetter, make_dead_letter
from streams.gateway import documentation
from streams.gateway.answers import Fault, Refusal, fault_of
from streams.gateway.auth import Caller
from streams.gateway.ingest.segment_messages import Call, Message, to_event
from streams.gateway.ingest.verdicts import add_verdict
from streams.gateway.intake import Intake, Submission
from streams.gateway.limits import check_raw_size, gunzip

BATCH_ROUTE: Final = "/batch/"
ALIASES: Final = ("/e/", "/capture/", "/i/v0/e/", "/e", "/capture")

COMPANY_GROUPS: Final = ("company", "organization", "organisation", "account")
"""Types of PostHog's groups that are companies; the first that an event names is its account."""

_CALLS: Final[Mapping[str, Call]] = {
    "$pageview": "page",
    "$screen": "screen",
    "$identify": "identify",
    "$set": "identify",
    "$create_alias": "alias",
    "$groupidentify": "group",
}
_FIELD_IN_POSTHOG: Final = {"messageId": "uuid", "userId": "distinct_id", "traits.email": "$set.email"}
_GZIP_MAGIC: Final = b"\x1f\x8b"


class Captured(msgspec.Struct, rename={"set_": "$set", "set_once": "$set_once"}, gc=False):
    """One event of a PostHog SDK, as far as we read it."""

    event: str
    distinct_id: str | int | None = None
    properties: dict[str, Any] | None = None
    set_: dict[str, Any] | None = None
    set_once: dict[str, Any] | None = None
    timestamp: str | None = None
    uuid: str | None = None
    offset: int | float | None = None


class Envelope(msgspec.Struct):
    """A body that holds several events, or the key beside one."""

    batch: list[msgspec.Raw] | None = None
    api_key: str | None = None
    token: str | None = None
    sent_at: Any = None


_decode = msgspec.json.Decoder(Captured).decode
_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def posthog_router(intake: Intake) -> APIRouter:
    """Make the routes of PostHog's capture API."""
    router = APIRouter(tags=["PostHog's SDKs"])

    async def receive(request: Request) -> Response:
        return await intake.take(request, BATCH_ROUTE, read_captured)

    router.add_api_route(BATCH_ROUTE, receive, methods=["POST"], **documentation.POSTHOG_BATCH)
    for alias in ALIASES:
        router.add_api_route(alias, receive, methods=["POST"], include_in_schema=False)
    return router


def read_captured(body: bytes, received_ms: int, caller: Caller) -> Submission:
    """Read a body: one event, an array, or a batch; raises :class:`Refusal` only where it cannot be read as one."""
    if body.startswith(_GZIP_MAGIC):
        body = gunzip(body)  # the browser's SDK packs without a header that says so
    items, key, sent_at = _split(body)
    source = caller.identify(key)
    events: list[Event] = []
    letters: list[DeadLetter] = []
    refused: list[Fault] = []
    for index, item in enumerate(items):
        raw = bytes(item)
        try:
            events.append(_read_item(raw, received_ms, sent_at, source, caller))
        except EventError as error:
            refused.append(fault_of(error, index))
            letters.append(make_dead_letter(error, at_ms=received_ms, topic=f"http:{BATCH_ROUTE}", value=raw))
    return Submission({"status": "Ok", "accepted": len(events), "refused": refused}, events, letters=letters)


def _split(body: bytes) -> tuple[list[msgspec.Raw], str | None, object]:
    try:
        if body.lstrip()[:1] == b"[":
            items = _decode_array(body)
            return items, _key_within(items), None
        envelope = _decode_envelope(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        expected = 'expected an event, an array of them, or {"api_key": …, "batch": [event, …]}'
        raise Refusal.because(400, "malformed", "", f"{error}; {expected}") from None
    items = [msgspec.Raw(body)] if envelope.batch is None else envelope.batch
    return items, envelope.api_key or envelope.token or _key_within(items), envelope.sent_at


def _key_within(items: list[msgspec.Raw]) -> str | None:
    """Return the key that the browser's SDK puts into the properties of each event."""
    try:
        token = (_decode(items[0]).properties or {}).get("token") if items else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return token if isinstance(token, str) else None


def _read_item(raw: bytes, received_ms: int, sent_at: object, source: str, caller: Caller) -> Event:
    check_raw_size(raw)
    try:
        captured = _decode(raw)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise EventError("wrong_type", where.strip("`").removeprefix("$").lstrip("."), what) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError("malformed", "", f"not a JSON object: {error}") from None
    properties = captured.properties or {}
    message, call = _to_message(captured, properties)
    if captured.timestamp is None and captured.offset is not None and 0 <= captured.offset < received_ms:
        message.timestamp = received_ms - round(captured.offset)
    try:
        event = to_event(message, call, raw=raw, received_ms=received_ms, sent_at=sent_at, source=source)
    except EventError as error:
        raise EventError(error.reason, _FIELD_IN_POSTHOG.get(error.field, error.field), error.message) from None
    device = {
        "userAgent": properties.get("$raw_user_agent", properties.get("$user_agent")),
        "ip": properties.get("$ip"),
    }
    add_verdict(event, device, caller)
    return event


def _to_message(captured: Captured, properties: dict[str, Any]) -> tuple[Message, Call]:
    """Return the call of Segment that means the same."""
    call = _CALLS.get(captured.event, "track")
    group = _company(properties)
    traits: dict[str, Any] = {**_object(properties, "$set_once"), **(captured.set_once or {})}
    traits |= {**_object(properties, "$set"), **(captured.set_ or {})}
    user, anonymous, previous = *_who(captured, properties), None
    if call == "alias":
        user, previous = _id(properties.get("alias")), _id(properties.get("distinct_id", captured.distinct_id))
    if call == "group":
        if properties.get("$group_type") not in COMPANY_GROUPS:
            call = "track"
        else:
            group, traits = _id(properties.get("$group_key")), _object(properties, "$group_set")
    plain = {name: value for name, value in properties.items() if not name.startswith("$") and name != "token"}
    message = Message(
        type=call,
        message_id=captured.uuid or _id(properties.get("$insert_id")),
        user_id=user,
        anonymous_id=anonymous,
        previous_id=previous,
        group_id=group,
        event=captured.event,
        name=_string(properties.get("$screen_name")),
        properties={**_page(properties), **plain} if call != "alias" else {},
        traits=traits or None,
        context={
            "campaign": _campaign(properties),
            "traits": {"email": traits.get("email")} if call != "group" else {},
        },
        timestamp=captured.timestamp,
    )
    return message, call


def _who(captured: Captured, properties: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return user id and cookie: PostHog's distinct id is either, and the browser's SDK says which."""
    distinct = _id(captured.distinct_id if captured.distinct_id is not None else properties.get("distinct_id"))
    device = _id(properties.get("$anon_distinct_id")) or _id(properties.get("$device_id"))
    if distinct is not None and (properties.get("$is_identified") is False or distinct == device):
        return None, distinct
    return distinct, device


def _company(properties: dict[str, Any]) -> str | None:
    groups = _object(properties, "$groups")
    return next((found for name in COMPANY_GROUPS if (found := _id(groups.get(name))) is not None), None)


def _page(properties: dict[str, Any]) -> dict[str, str]:
    named = {"url": "$current_url", "path": "$pathname", "referrer": "$referrer", "title": "$title"}
    found = {name: _string(properties.get(theirs)) for name, theirs in named.items()}
    return {name: text for name, text in found.items() if text is not None and text != "$direct"}


def _campaign(properties: dict[str, Any]) -> dict[str, str]:
    named = {"source": "utm_source", "medium": "utm_medium", "name": "utm_campaign"}
    found = {name: _string(properties.get(theirs)) for name, theirs in named.items()}
    return {name: text for name, text in found.items() if text is not None}


def _object(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    child = parent.get(name)
    return child if isinstance(child, dict) else {}


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _id(value: object) -> str | None:
    return str(value) if isinstance(value, str | int | UUID) and not isinstance(value, bool) and value != "" else None
