"""Postmark's webhooks: HTTP Basic, one record in each request.

Postmark does not sign, and there is no time to hold a request against: what is sent again is the same event again.

https://postmarkapp.com/developer/webhooks/webhooks-overview
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from scoring.errors import EventError, SettingsError
from streams.gateway.webhooks.delivery import Delivery, unsigned, whole
from streams.gateway.webhooks.mail import Mail, agent, child, consent_of, moment, optional, required

_HARD: Final = frozenset({"HardBounce", "BadEmailAddress", "AddressChange", "ManuallyDeactivated"})


class Postmark:
    """Verifies with the logins (``user:password``) that stand in the webhook's address, any one of them."""

    name = "postmark"

    def __init__(self, logins: Sequence[str]) -> None:
        if not all(":" in login for login in logins):
            raise SettingsError("LEADHEAT_POSTMARK_LOGIN: expected user:password")
        self._logins = [login.encode() for login in logins]

    async def verify(self, delivery: Delivery) -> None:
        """Return if the login is right; raises :class:`Refusal`."""
        scheme, _, credentials = delivery.header("Authorization").partition(" ")
        try:
            given = base64.b64decode(credentials.strip(), validate=True) if scheme.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            given = b""
        # No shortcut: how long this takes does not say which login it was.
        if not sum(hmac.compare_digest(login, given) for login in self._logins):
            raise unsigned("Authorization", "is not the login of LEADHEAT_POSTMARK_LOGIN")

    def split(self, body: bytes) -> Sequence[msgspec.Raw]:
        """Take the body as one item."""
        return whole(body)

    def mails(self, item: dict[str, Any]) -> Sequence[Mail]:
        """Read one record; raises :class:`EventError`."""
        if "RecordType" not in item and "FromFull" in item:
            return (_reply(item),)
        record = required(item, "RecordType")
        match record:
            case "Delivery":
                return (_mail(item, "email_delivered", "Recipient", "DeliveredAt"),)
            case "Open":
                return (_mail(item, "email_opened", "Recipient", "ReceivedAt"),)
            case "Click":
                return (_mail(item, "email_clicked", "Recipient", "ReceivedAt"),)
            case "Bounce":
                return (_bounce(item),)
            case "SpamComplaint":
                return (_mail(item, "email_complained", "Email", "BouncedAt"),)
            case "SubscriptionChange" if item.get("SuppressSending") is True and not _by_bounce(item):
                return (_mail(item, "email_unsubscribed", "Recipient", "ChangedAt"),)
            case "Inbound":
                return (_reply(item),)
        return ()


def _mail(item: dict[str, Any], type_: str, recipient: str, time: str) -> Mail:
    return Mail(
        type=type_,
        email=required(item, recipient),
        time_ms=moment(item, time),
        message=optional(item, "MessageID"),
        link=optional(item, "OriginalLink"),
        campaign=optional(item, "Tag"),
        consent=consent_of(child(item, "Metadata")),
        user_agent=agent(item, "UserAgent"),
        address=optional(child(item, "Geo"), "IP"),
    )


def _bounce(item: dict[str, Any]) -> Mail:
    mail = _mail(item, "email_bounced", "Email", "BouncedAt")
    mail.kind = "hard" if item.get("Type") in _HARD else "soft"
    mail.reason = optional(item, "Description")
    number = item.get("ID")
    mail.id = f"bounce-{number}" if isinstance(number, int) else None
    return mail


def _by_bounce(item: dict[str, Any]) -> bool:
    """Say whether it was a bounce or a complaint that ended a subscription: those are told by themselves."""
    return item.get("SuppressionReason") in ("HardBounce", "SpamComplaint")


def _reply(item: dict[str, Any]) -> Mail:
    try:
        time_ms = round(parsedate_to_datetime(required(item, "Date")).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        raise EventError("bad_time", "Date", "is not a time as RFC 5322 writes it") from None
    email = optional(child(item, "FromFull"), "Email") or required(item, "From")
    return Mail(type="email_replied", email=email, time_ms=time_ms, id=optional(item, "MessageID"))
