"""Amazon SES through SNS: RSA over some fields of the envelope, with a certificate that the envelope names.

A certificate is fetched only from SNS itself, and only topics that the settings name are taken: anybody can have SNS
sign messages of a topic of their own.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from scoring.errors import EventError
from scoring.events import parse_time
from streams.gateway.answers import Refusal, unavailable
from streams.gateway.webhooks.delivery import Delivery, check_window, read_json, unsigned, whole
from streams.gateway.webhooks.mail import Mail, agent, child, children, consent_of, moment, optional, required

TRIES_S: Final = 3600
"""For so long SNS may try again (the longest delay that can be set), with the signature of its first try."""

CERTIFICATES_KEPT: Final = 16

_OF_SNS: Final = re.compile(r"https://sns\.[a-z0-9-]{3,30}\.amazonaws\.com(\.cn)?/[\x21-\x7e]{1,1500}")
_SIGNED: Final = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_DETAILS: Final = {
    "Send": ("email_sent", ""),
    "Delivery": ("email_delivered", "delivery"),
    "Open": ("email_opened", "open"),
    "Click": ("email_clicked", "click"),
    "Bounce": ("email_bounced", "bounce"),
    "Complaint": ("email_complained", "complaint"),
    "Subscription": ("email_unsubscribed", "subscription"),
}

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets what lies at an address of SNS; raises :class:`OSError` where it cannot."""


class AmazonSes:
    """Verifies with SNS's certificates; takes the topics named, and confirms their subscriptions."""

    name = "ses"

    def __init__(self, topics: Sequence[str], window_s: float, fetch: Fetch) -> None:
        self._topics = frozenset(topics)
        self._window_s = max(window_s, TRIES_S)
        self._fetch = fetch
        self._keys: OrderedDict[str, RSAPublicKey] = OrderedDict()

    async def verify(self, delivery: Delivery) -> None:
        """Return if SNS has signed this, lately, for a topic of ours; raises :class:`Refusal`.

        A subscription that this asks to confirm is confirmed.
        """
        envelope: dict[str, Any] = read_json(delivery.body, dict[str, Any], "a JSON object of SNS")
        type_, topic = _text(envelope, "Type"), _text(envelope, "TopicArn")
        if type_ not in _SIGNED:
            raise unsigned("Type", f"{type_[:40]!r} is not one of {', '.join(_SIGNED)}")
        if topic not in self._topics:
            raise unsigned("TopicArn", "is not one of LEADHEAT_SES_TOPICS")
        await self._check_signature(envelope, type_)
        try:
            signed_at_ms = parse_time(_text(envelope, "Timestamp"))
        except EventError as error:
            raise unsigned("Timestamp", error.message) from None
        check_window(str(max(0, signed_at_ms // 1000)), "Timestamp", delivery.received_ms, self._window_s)
        if type_ == "SubscriptionConfirmation":
            await self._get(_address(envelope, "SubscribeURL"))

    async def _check_signature(self, envelope: dict[str, Any], type_: str) -> None:
        fields = [name for name in _SIGNED[type_] if name != "Subject" or envelope.get("Subject") is not None]
        signed = "".join(f"{name}\n{_text(envelope, name)}\n" for name in fields).encode(errors="replace")
        hashing = SHA256() if _text(envelope, "SignatureVersion") == "2" else SHA1()
        try:
            signature = base64.b64decode(_text(envelope, "Signature"), validate=True)
            key = await self._key(_address(envelope, "SigningCertURL"))
            key.verify(signature, signed, PKCS1v15(), hashing)
        except (binascii.Error, ValueError):
            raise unsigned("Signature", "is not base64") from None
        except InvalidSignature:
            raise unsigned("Signature", "does not fit the message and SNS's certificate") from None

    async def _key(self, address: str) -> RSAPublicKey:
        if address not in self._keys:
            try:
                key = x509.load_pem_x509_certificate(await self._get(address)).public_key()
            except ValueError:
                key = None
            if not isinstance(key, RSAPublicKey):
                raise unsigned("SigningCertURL", "does not lead to a certificate with an RSA key")
            self._keys[address] = key
            if len(self._keys) > CERTIFICATES_KEPT:
                self._keys.popitem(last=False)
        return self._keys[address]

    async def _get(self, address: str) -> bytes:
        try:
            return await self._fetch(address)
        except OSError as error:
            raise unavailable(f"SNS cannot be asked: {error}; try again") from error

    def split(self, body: bytes) -> Sequence[msgspec.Raw]:
        """Take what SES has put into the envelope as one item; nothing where SNS speaks for itself."""
        envelope: dict[str, Any] = read_json(body, dict[str, Any], "a JSON object of SNS")
        return whole(_text(envelope, "Message").encode(errors="replace")) if envelope["Type"] == "Notification" else ()

    def mails(self, item: dict[str, Any]) -> Sequence[Mail]:
        """Read one event of SES, one mail for each person it is about; raises :class:`EventError`."""
        event = optional(item, "eventType") or required(item, "notificationType")
        if event not in _DETAILS:
            return ()
        type_, name = _DETAILS[event]
        mail, told = child(item, "mail"), child(item, name) if name else {}
        if event == "Subscription" and not _has_unsubscribed(told):
            return ()
        time = (told, "timestamp") if told.get("timestamp") else (mail, "timestamp")
        is_hard = told.get("bounceType") == "Permanent"
        return [
            Mail(
                type=type_,
                email=address,
                time_ms=moment(*time),
                message=optional(mail, "messageId"),
                link=optional(told, "link"),
                kind=("hard" if is_hard else "soft") if event == "Bounce" else None,
                campaign=_campaign(child(mail, "tags")),
                consent=consent_of(child(mail, "tags")),
                sent_ms=moment(mail, "timestamp") if mail.get("timestamp") else None,
                user_agent=agent(told, "userAgent"),
                address=optional(told, "ipAddress") if event in ("Open", "Click") else None,
            )
            for address in _people(event, mail, told)
        ]


def _people(event: str, mail: dict[str, Any], told: dict[str, Any]) -> list[str]:
    listed = {"Bounce": "bouncedRecipients", "Complaint": "complainedRecipients"}.get(event)
    if listed is not None:
        return [required(person, "emailAddress") for person in children(told, listed)]
    to = told.get("recipients", mail.get("destination"))
    if not isinstance(to, list) or not to or not all(isinstance(each, str) for each in to):
        raise EventError("missing_field", "mail.destination", "one or more addresses are required")
    if len(to) > 1 and event in ("Open", "Click", "Subscription"):
        raise EventError(
            "bad_identity", "mail.destination", f"the message went to {len(to)} people: nobody knows who it was"
        )
    return to


def _has_unsubscribed(told: dict[str, Any]) -> bool:
    new = child(told, "newTopicPreferences")
    topics = new.get("topicSubscriptionStatus")
    some = topics if isinstance(topics, list) else []
    return new.get("unsubscribeAll") is True or any(
        isinstance(topic, dict) and topic.get("subscriptionStatus") == "OptOut" for topic in some
    )


def _campaign(tags: dict[str, Any]) -> str | None:
    for name in ("campaign", "ses:configuration-set"):
        value = tags.get(name)
        if isinstance(value, list) and value and isinstance(value[0], str):
            return value[0]
    return None


def _address(envelope: dict[str, Any], name: str) -> str:
    address = _text(envelope, name)
    if _OF_SNS.fullmatch(address) is None or (name == "SigningCertURL" and not address.endswith(".pem")):
        raise unsigned(name, "is not an address of SNS (https://sns.<region>.amazonaws.com/…)")
    return address


def _text(envelope: dict[str, Any], name: str) -> str:
    value = envelope.get(name)
    if not isinstance(value, str):
        raise Refusal.because(400, "missing_field", name, "a text is required")
    return value
