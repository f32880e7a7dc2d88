"""Webhooks as https://www.standardwebhooks.com describes them, with the events of Resend, which signs so.

Resend's headers are called ``svix-…`` instead of ``webhook-…``; both are taken.
"""

from __future__ import annotations

import binascii
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from standardwebhooks import Webhook as Signer

from scoring.errors import EventError, SettingsError
from streams.gateway.webhooks.delivery import Delivery, check_window, unsigned, whole
from streams.gateway.webhooks.mail import Mail, agent, child, consent_of, moment, optional, required

_TYPES: Final = {
    "email.sent": "email_sent",
    "email.delivered": "email_delivered",
    "email.opened": "email_opened",
    "email.clicked": "email_clicked",
    "email.bounced": "email_bounced",
    "email.complained": "email_complained",
    "email.received": "email_replied",
}
_BY_A_PERSON: Final = frozenset({"email.opened", "email.clicked", "email.complained"})


class StandardWebhooks:
    """Verifies with the signing secrets (``whsec_…``), any one of them."""

    name = "resend"

    def __init__(self, secrets: Sequence[str], window_s: float) -> None:
        try:
            self._signers = [Signer(secret) for secret in secrets]
        except (binascii.Error, ValueError, RuntimeError):
            raise SettingsError("LEADHEAT_RESEND_SECRET: is not a signing secret (whsec_ and base64)") from None
        self._window_s = window_s

    async def verify(self, delivery: Delivery) -> None:
        """Return if the sender has signed this, and lately; raises :class:`Refusal`."""
        family = "svix" if "svix-signature" in delivery.headers else "webhook"
        message, timestamp = delivery.header(f"{family}-id"), delivery.header(f"{family}-timestamp")
        check_window(timestamp, f"{family}-timestamp", delivery.received_ms, self._window_s)
        given = [
            signature.encode()
            for version, _, signature in (
                each.partition(",") for each in delivery.header(f"{family}-signature").split()
            )
            if version == "v1"
        ]
        expected = self._signatures(message, int(timestamp), delivery.body)
        # No shortcut: how long this takes does not say which secret it was.
        if not sum(hmac.compare_digest(ours, theirs) for ours in expected for theirs in given):
            raise unsigned(f"{family}-signature", "does not fit the body and LEADHEAT_RESEND_SECRET")

    def _signatures(self, message: str, signed_at_s: int, body: bytes) -> list[bytes]:
        try:
            text, at = body.decode(), datetime.fromtimestamp(signed_at_s, UTC)
        except (UnicodeDecodeError, ValueError, OverflowError):
            return []  # nobody signs what is no text
        return [signer.sign(message, at, text).partition(",")[2].encode() for signer in self._signers]

    def split(self, body: bytes) -> Sequence[msgspec.Raw]:
        """Take the body as one item."""
        return whole(body)

    def mails(self, item: dict[str, Any]) -> Sequence[Mail]:
        """Read one event, one mail for each recipient; raises :class:`EventError`."""
        event = required(item, "type")
        if event not in _TYPES:
            return ()
        data = child(item, "data")
        click, bounce = child(data, "click"), child(data, "bounce")
        kind = None
        if event == "email.bounced":
            kind = "soft" if bounce.get("type") in ("Transient", "Undetermined") else "hard"
        recipients = [_sender(data)] if event == "email.received" else _recipients(data, event)
        return [
            Mail(
                type=_TYPES[event],
                email=recipient,
                time_ms=moment(click, "timestamp") if click.get("timestamp") else moment(item, "created_at"),
                message=optional(data, "email_id"),
                link=optional(click, "link"),
                kind=kind,
                reason=optional(bounce, "message"),
                consent=consent_of(_tags(data)),
                user_agent=agent(click, "userAgent"),
                address=optional(click, "ipAddress"),
            )
            for recipient in recipients
        ]


def _recipients(data: dict[str, Any], event: str) -> list[str]:
    to = data.get("to")
    to = [to] if isinstance(to, str) else to
    if not isinstance(to, list) or not to or not all(isinstance(each, str) for each in to):
        raise EventError("missing_field", "data.to", "one or more addresses are required")
    if len(to) > 1 and event in _BY_A_PERSON:
        raise EventError("bad_identity", "data.to", f"the message went to {len(to)} people: nobody knows who it was")
    return to


def _sender(data: dict[str, Any]) -> str:
    text = required(data, "from")
    return text.rpartition("<")[2].rstrip("> ") if "<" in text else text


def _tags(data: dict[str, Any]) -> dict[str, Any]:
    tags = data.get("tags")
    if isinstance(tags, dict):
        return tags
    listed = [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return {str(tag.get("name")): tag.get("value") for tag in listed}
