"""What a provider tells of one message in words of ours, and the event that comes of it.

Providers repeat themselves: what they call an event's id, or else a hash of all that makes it one, is the id of ours,
so that a lead counts it once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from scoring.bots import Signs, signs_of, tag
from scoring.errors import EventError
from scoring.events import ID_LENGTH_MAX, Event, check_event, check_identity, parse_time

LINK_LENGTH_MAX: Final = 2048
TEXT_LENGTH_MAX: Final = 200

_DONE_BY_SOMEBODY: Final = frozenset({"email_opened", "email_clicked", "email_unsubscribed"})
"""All else is told by mail servers, or (a complaint, a reply) cannot be a machine's."""

_SHORT_OFFSET: Final = re.compile(r"([+-][0-9]{2})$")


class Mail(msgspec.Struct, kw_only=True):
    """One thing that happened to one message to one person.

    ``id`` is the provider's for the event; ``message`` its for the message; ``sent_ms`` when that was sent, where it
    says so; ``kind`` is ``hard`` or ``soft`` for bounces; ``consent`` what the sender has attached to the message.
    """

    type: str
    email: str
    time_ms: int
    id: str | None = None
    message: str | None = None
    link: str | None = None
    kind: str | None = None
    campaign: str | None = None
    reason: str | None = None
    consent: bool | None = None
    sent_ms: int | None = None
    user_agent: str | None = None
    address: str | None = None
    method: str | None = None
    is_flagged: bool = False


def to_event(mail: Mail, provider: str, received_ms: int) -> Event:
    """Turn what a provider tells into an event with its verdict; raises :class:`EventError`."""
    told = {
        "message": mail.message,
        "link": None if mail.link is None else mail.link[:LINK_LENGTH_MAX],
        "kind": mail.kind,
        "campaign": mail.campaign,
        "reason": None if mail.reason is None else mail.reason[:TEXT_LENGTH_MAX],
        "consent": mail.consent,
    }
    event = Event(
        id=_event_id(mail, provider),
        type=mail.type,
        time=mail.time_ms,
        email=mail.email,
        source=provider,
        properties={name: value for name, value in told.items() if value is not None},
    )
    try:
        check_event(event, received_ms)
    except OverflowError:
        raise EventError("bad_time", "time", "is not a time: too large a number") from None
    check_identity(event)
    if mail.type in _DONE_BY_SOMEBODY:
        tag(event, _signs(event, mail))
    return event


def _signs(event: Event, mail: Mail) -> Signs:
    since_sent_ms = None if mail.sent_ms is None else mail.time_ms - mail.sent_ms
    return signs_of(
        event,
        user_agent=mail.user_agent,
        address=mail.address,
        method=mail.method,
        is_flagged=mail.is_flagged,
        since_sent_ms=since_sent_ms,
    )


def _event_id(mail: Mail, provider: str) -> str:
    if mail.id is not None and 0 < len(mail.id) <= ID_LENGTH_MAX - len(provider) - 1:
        return f"{provider}-{mail.id}"
    parts = (mail.type, mail.message or "", mail.email.lower(), str(mail.time_ms), mail.link or "", mail.id or "")
    digest = hashlib.blake2b("\n".join(parts).encode(errors="replace"), digest_size=16).hexdigest()
    return f"{provider}-{digest}"


# ── reading what others have written ─────────────────────────────────────────────────────────────────────────


def required(item: Mapping[str, Any], name: str) -> str:
    """Return a text that must be there; raises :class:`EventError`."""
    text = optional(item, name)
    if text is None:
        raise EventError("missing_field", name, "is required")
    return text


def optional(item: Mapping[str, Any], name: str) -> str | None:
    """Return a text, or None where it is absent, null or empty; raises :class:`EventError` for anything else."""
    value = item.get(name)
    if value is not None and not isinstance(value, str):
        raise EventError("wrong_type", name, f"Expected `str`, got {str(value)[:80]}")
    return value or None


def agent(item: Mapping[str, Any], name: str) -> str | None:
    """Return a user agent, an empty one as it is; raises :class:`EventError`."""
    return "" if item.get(name) == "" else optional(item, name)


def child(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object within another; an empty one where it is absent; raises :class:`EventError`."""
    value = item.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise EventError("wrong_type", name, f"Expected `object`, got {str(value)[:80]}")
    return value


def children(item: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of an array; raises :class:`EventError`."""
    value = item.get(name)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise EventError("wrong_type", name, "Expected an array of objects")
    return value


def seconds(item: Mapping[str, Any], name: str) -> int:
    """Return a time given in seconds since 1970 as milliseconds; raises :class:`EventError`.

    >>> seconds({"timestamp": 1767268800.25}, "timestamp")
    1767268800250
    """
    value = item.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise EventError("bad_time", name, f"{str(value)[:40]!r} is not a time in seconds since 1970")
    return round(value * 1000)


def moment(item: Mapping[str, Any], name: str) -> int:
    """Return a time given as RFC 3339, or nearly so, as milliseconds since 1970; raises :class:`EventError`.

    >>> moment({"created_at": "2026-01-01 12:00:00.5+00"}, "created_at")
    1767268800500
    """
    try:
        return parse_time(_SHORT_OFFSET.sub(r"\1:00", required(item, name)))
    except EventError as error:
        raise EventError(error.reason, name, error.message) from None


def consent_of(told: Mapping[str, Any]) -> bool | None:
    """Read whether a person has agreed to be measured from what the sender attached to the message.

    >>> [consent_of({"consent": told}) for told in (True, "true", ["yes"], "no", None)]
    [True, True, True, False, None]
    """
    value = told.get("consent")
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None:
        return None
    return value is True or str(value).strip().lower() in ("true", "yes", "1")
