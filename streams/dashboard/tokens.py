"""Signed texts: a session, and the link by which somebody signs in. Each is for one purpose and has an end."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from hashlib import sha256
from typing import Final, Literal

import msgspec

Purpose = Literal["link", "session"]
LINK_S: Final = 15 * 60
SESSION_S: Final = 12 * 3600


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """That ``email`` is who asks, until ``expires_ms``; ``number`` is the token's own."""

    purpose: Purpose
    email: str
    expires_ms: int
    number: str


class Signer:
    """Signs with one secret; without any, with one of its own, which ends with the process."""

    def __init__(self, secret: str) -> None:
        self._key = sha256(b"leadheat dashboard\0" + secret.encode()).digest() if secret else secrets.token_bytes(32)

    def sign(self, purpose: Purpose, email: str, now_ms: int, lasts_s: int) -> str:
        """Return a token.

        >>> signer = Signer("secret")
        >>> token = signer.sign("session", "ann@example.com", 0, 60)
        >>> signer.read(token, "session", 1_000).email
        'ann@example.com'
        >>> signer.read(token, "session", 61_000), signer.read(token, "link", 0)
        (None, None)
        """
        body = msgspec.json.encode(Claim(purpose, email, now_ms + lasts_s * 1000, secrets.token_hex(8)))
        return f"{_text(body)}.{_text(self._mac(body))}"

    def read(self, token: str, purpose: Purpose, now_ms: int) -> Claim | None:
        """Return what a token claims; None where it is not ours, for something else, or has ended."""
        text, _, mac = token.partition(".")
        try:
            body = _raw(text)
            if not hmac.compare_digest(self._mac(body), _raw(mac)):
                return None
            claim = msgspec.json.decode(body, type=Claim)
        except (binascii.Error, ValueError, msgspec.MsgspecError):
            return None
        return claim if claim.purpose == purpose and now_ms < claim.expires_ms else None

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
