"""Links in messages: who may say what about which lead, in an address that shows nobody's name and cannot be forged.

A token is encrypted and authenticated (AES-SIV, RFC 5297), and the same for the same content, so that a message that
is made twice is the same message. What follows from a link is decided where it is opened: a GET changes nothing.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from scoring.errors import LeadheatError

TOKEN_LENGTH_MAX: Final = 2_000


class Invitation(msgspec.Struct, array_like=True, frozen=True):
    """What a link is for: to follow up ``lead``'s alert ``alert_id``, as ``by``, until ``expires_ms``."""

    lead: str
    alert_id: str
    by: str
    expires_ms: int


class LinkError(LeadheatError):
    """A link is not one of ours, or its time is over; the message is for whoever opened it."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Invitation).decode


class LinkSigner:
    """Makes links below ``base_url``, and reads them.

    >>> signer = LinkSigner("a secret of some length", "https://leads.example.com/")
    >>> url = signer.url(Invitation("email:ann@example.com", "a1", "bob", 1000))
    >>> url.startswith("https://leads.example.com/follow-up/"), "ann" in url
    (True, False)
    >>> signer.read(url.rpartition("/")[2], now_ms=999).by
    'bob'
    """

    def __init__(self, secret: str, base_url: str = "") -> None:
        self._cipher = AESSIV(blake2b(secret.encode(), person=b"leadheat-links").digest())
        self._base_url = base_url.rstrip("/")

    def url(self, invitation: Invitation) -> str:
        """Return the link's whole address."""
        token = base64.urlsafe_b64encode(self._cipher.encrypt(_encode(invitation), None)).decode().rstrip("=")
        return f"{self._base_url}/follow-up/{token}"

    def read(self, token: str, now_ms: int) -> Invitation:
        """Return what a token says; raises :class:`LinkError`."""
        try:
            if len(token) > TOKEN_LENGTH_MAX:
                raise ValueError(token[:10])
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            invitation = _decode(self._cipher.decrypt(sealed, None))
        except (ValueError, binascii.Error, InvalidTag, msgspec.DecodeError):
            raise LinkError("This link is not one of ours, or was cut off on its way.") from None
        if now_ms > invitation.expires_ms:
            raise LinkError("This link has expired. A newer message about the lead has a new one.")
        return invitation
