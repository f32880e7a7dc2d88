"""SendGrid's event webhook: ECDSA over the time and the raw body, many events in one request.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from scoring.errors import SettingsError
from streams.gateway.webhooks.delivery import Delivery, check_window, read_json, unsigned
from streams.gateway.webhooks.mail import Mail, agent, consent_of, optional, required, seconds

SIGNATURE: Final = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP: Final = "X-Twilio-Email-Event-Webhook-Timestamp"

_TYPES: Final = {
    "processed": "email_sent",
    "delivered": "email_delivered",
    "open": "email_opened",
    "click": "email_clicked",
    "bounce": "email_bounced",
    "spamreport": "email_complained",
    "unsubscribe": "email_unsubscribed",
    "group_unsubscribe": "email_unsubscribed",
}
"""Not here: ``deferred`` and ``dropped`` (nothing has reached anybody), and ``group_resubscribe``."""


class SendGrid:
    """Verifies with the public keys that SendGrid shows (base64 of DER), any one of them."""

    name = "sendgrid"

    def __init__(self, public_keys: Sequence[str], window_s: float) -> None:
        self._keys = [_load_key(key) for key in public_keys]
        self._window_s = window_s

    async def verify(self, delivery: Delivery) -> None:
        """Return if SendGrid has signed this, and lately; raises :class:`Refusal`."""
        timestamp = delivery.header(TIMESTAMP)
        try:
            signature = base64.b64decode(delivery.header(SIGNATURE), validate=True)
        except (binascii.Error, ValueError):
            raise unsigned(SIGNATURE, "is not base64") from None
        signed = timestamp.encode(errors="replace") + delivery.body
        if not any(_holds(key, signature, signed) for key in self._keys):
            raise unsigned(SIGNATURE, "does not fit the body and LEADHEAT_SENDGRID_KEY")
        check_window(timestamp, TIMESTAMP, delivery.received_ms, self._window_s)

    def split(self, body: bytes) -> Sequence[msgspec.Raw]:
        """Cut the array into its events; raises :class:`Refusal`."""
        items: list[msgspec.Raw] = read_json(body, list[msgspec.Raw], "an array of events")
        return items

    def mails(self, item: dict[str, Any]) -> Sequence[Mail]:
        """Read one event; raises :class:`EventError`."""
        event = required(item, "event")
        if event not in _TYPES:
            return ()
        # A message's id is followed by what only one of its servers knows.
        message = (optional(item, "sg_message_id") or "").partition(".")[0] or None
        kind = None
        if event == "bounce":
            kind = "soft" if item.get("type") == "blocked" else "hard"
        mail = Mail(
            id=optional(item, "sg_event_id"),
            type=_TYPES[event],
            email=required(item, "email"),
            time_ms=seconds(item, "timestamp"),
            message=message,
            link=optional(item, "url"),
            kind=kind,
            campaign=_campaign(item),
            reason=optional(item, "reason"),
            consent=consent_of(item),
            user_agent=agent(item, "useragent"),
            address=optional(item, "ip") if event in ("open", "click") else None,
            is_flagged=item.get("sg_machine_open") is True,
        )
        return (mail,)


def _campaign(item: dict[str, Any]) -> str | None:
    for name in ("singlesend_name", "category", "marketing_campaign_name"):
        value = item.get(name)
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, str) and value:
            return value
    return None


def _holds(key: EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _load_key(text: str) -> EllipticCurvePublicKey:
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise SettingsError("LEADHEAT_SENDGRID_KEY: is not an ECDSA public key in base64, as SendGrid shows it")
    return key
