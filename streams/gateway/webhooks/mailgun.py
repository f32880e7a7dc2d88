"""Mailgun's webhooks: HMAC over a time and a token, one event in each request.

The signature does not cover the event itself. So a token is taken for one body only: whoever has seen a request can
repeat it, which counts nothing, and cannot say something else with it.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from streams.gateway.webhooks.delivery import Delivery, check_window, read_json, unsigned, whole
from streams.gateway.webhooks.mail import Mail, agent, child, consent_of, optional, required, seconds
from streams.gateway.webhooks.tokens import Tokens

TRIES_S: Final = 8 * 3600
"""For so long Mailgun tries again, with the signature of its first try."""

_TYPES: Final = {
    "accepted": "email_sent",
    "delivered": "email_delivered",
    "opened": "email_opened",
    "clicked": "email_clicked",
    "failed": "email_bounced",
    "complained": "email_complained",
    "unsubscribed": "email_unsubscribed",
}


class _Signature(msgspec.Struct):
    timestamp: str | int
    token: str
    signature: str


class _Body(msgspec.Struct):
    signature: _Signature


class Mailgun:
    """Verifies with the webhook signing keys of the account, any one of them."""

    name = "mailgun"

    def __init__(self, signing_keys: Sequence[str], window_s: float, tokens: Tokens) -> None:
        self._keys = [key.encode() for key in signing_keys]
        self._window_s = max(window_s, TRIES_S)
        self._tokens = tokens

    async def verify(self, delivery: Delivery) -> None:
        """Return if Mailgun has signed this, and lately, and its token for nothing else; raises :class:`Refusal`."""
        expected = 'a JSON object with "signature" and "event-data"'
        signed: _Signature = read_json(delivery.body, _Body, expected).signature
        text = f"{signed.timestamp}{signed.token}".encode(errors="replace")
        given = signed.signature.encode(errors="replace")
        digests = [hmac.new(key, text, hashlib.sha256).hexdigest().encode() for key in self._keys]
        # No shortcut: how long this takes does not say which key it was.
        if not sum(hmac.compare_digest(digest, given) for digest in digests):
            raise unsigned("signature", "does not fit its time and token, and LEADHEAT_MAILGUN_KEY")
        check_window(str(signed.timestamp), "signature.timestamp", delivery.received_ms, self._window_s)
        if not await self._tokens.belongs(signed.token, delivery.body):
            raise unsigned("signature.token", "has come with another body before")

    def split(self, body: bytes) -> Sequence[msgspec.Raw]:
        """Take the body as one item."""
        return whole(body)

    def mails(self, item: dict[str, Any]) -> Sequence[Mail]:
        """Read one event; raises :class:`EventError`."""
        told = child(item, "event-data")
        event = required(told, "event")
        if event not in _TYPES:
            return ()
        client, message = child(told, "client-info"), child(child(told, "message"), "headers")
        status = child(told, "delivery-status")
        tags = told.get("tags")
        mail = Mail(
            id=optional(told, "id"),
            type=_TYPES[event],
            email=required(told, "recipient"),
            time_ms=seconds(told, "timestamp"),
            message=optional(message, "message-id"),
            link=optional(told, "url"),
            kind=_kind(told) if event == "failed" else None,
            campaign=tags[0] if isinstance(tags, list) and tags and isinstance(tags[0], str) else None,
            reason=optional(status, "description") or optional(status, "message"),
            consent=consent_of(child(told, "user-variables")),
            user_agent=agent(client, "user-agent"),
            address=optional(told, "ip"),
            is_flagged=bool(client.get("bot")),
        )
        return (mail,)


def _kind(told: dict[str, Any]) -> str:
    return "hard" if told.get("severity") == "permanent" else "soft"
