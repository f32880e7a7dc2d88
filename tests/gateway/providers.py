"""Mail providers as their documentation describes them: real key pairs, and requests signed with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

PERSON = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"


@dataclass
class Request:
    """What a provider sends."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def sendgrid_key() -> tuple[ec.EllipticCurvePrivateKey, str]:
    """Return a key pair; the public half as SendGrid shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return key, base64.b64encode(public).decode()


def sendgrid_signs(key: ec.EllipticCurvePrivateKey, events: object, at_s: int) -> Request:
    """Sign the time and the body, which ends with CR LF as SendGrid's do."""
    body = json.dumps(events).encode() + b"\r\n"
    signature = key.sign(str(at_s).encode() + body, ec.ECDSA(hashes.SHA256()))
    return Request(
        body,
        {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": str(at_s),
        },
    )


def mailgun_signs(key: str, event: object, at_s: int, token: str = "e0b5477167110d68991efc6b9f89f0a1") -> Request:
    """Sign the time and a token."""
    signature = hmac.new(key.encode(), f"{at_s}{token}".encode(), hashlib.sha256).hexdigest()
    signed = {"timestamp": str(at_s), "token": token, "signature": signature}
    return Request(json.dumps({"signature": signed, "event-data": event}).encode())


def postmark_sends(login: str, record: object) -> Request:
    """Send the login that stands in the webhook's address."""
    return Request(json.dumps(record).encode(), {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()})


def resend_signs(secret: str, event: object, at_s: int, family: str = "svix") -> Request:
    """Sign by Standard Webhooks."""
    body = json.dumps(event)
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(at_s, UTC), body)
    return Request(
        body.encode(),
        {f"{family}-id": "msg_1", f"{family}-timestamp": str(at_s), f"{family}-signature": f"v1a,xyz {signature}"},
    )


def sns_certificate() -> tuple[rsa.RSAPrivateKey, bytes]:
    """Return a key and the certificate for it, as SNS shows one."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    start = datetime(2025, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(Encoding.PEM)


def sns_signs(key: rsa.RSAPrivateKey, message: object, at: str, version: str = "2", **changed: str) -> Request:
    """Sign the fields of an envelope that its type asks for."""
    envelope: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": at,
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
        **changed,
    }
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if envelope["Type"] != "Notification":
        names[2:3] = ["SubscribeURL"]
        names.insert(4, "Token")
        del envelope["Subject"]
    text = "".join(f"{name}\n{envelope[name]}\n" for name in names)
    signature = key.sign(text.encode(), PKCS1v15(), hashes.SHA256() if version == "2" else hashes.SHA1())
    return Request(
        json.dumps({**envelope, "Signature": base64.b64encode(signature).decode()}).encode(),
        {"Content-Type": "text/plain; charset=UTF-8"},
    )


Signer = Callable[..., Request]
