"""Who may send: write keys, and without any, this machine alone.

A write key is no secret from those who send with it (a browser's SDK carries it in the page); it names a
source, and it can be withdrawn.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from streams.gateway.answers import Refusal
from streams.gateway.write_keys import Keys, WriteKey

LOCAL: Final = "local"
"""The source of events that loopback clients send while no write keys are set."""

UNKNOWN: Final = "unknown"
"""The source in metrics of requests whose write key was not seen yet, or was wrong."""


@dataclass
class Caller:
    """Who sends one request; ``source`` and ``key_id`` are known once :meth:`identify` has seen the write key.

    ``headers`` have names in lower case; ``host`` is the address that the request came from.
    """

    keys: Keys
    headers: Mapping[str, str]
    host: str | None
    source: str = UNKNOWN
    key_id: str = ""
    setting: str = "LEADHEAT_WRITE_KEYS"
    """Where the keys are set, for messages."""

    def identify(self, body_key: str | None = None) -> str:
        """Return the source that the write key names: the header's key, else the body's ``writeKey``.

        Raises :class:`Refusal`: 401 for a missing or wrong key, 403 for a stranger while there are no keys.
        """
        if self.keys.is_empty:
            self._must_be_local()
            self.source = self.key_id = LOCAL
        else:
            found = self._sent_key(body_key)
            self.source, self.key_id = found.source, found.id
        return self.source

    @property
    def origin(self) -> str | None:
        """The site whose page made a browser send this; None where no page did."""
        return self.headers.get("origin")

    def _sent_key(self, body_key: str | None) -> WriteKey:
        field, key = "Authorization", _key_of_header(self.headers.get("authorization"))
        if key is None and body_key is not None:
            field, key = "writeKey", body_key
        if key is None:
            raise _unauthorized(
                "Authorization",
                "no write key was sent; expected HTTP Basic with the key as user name, or a Bearer token",
            )
        found = self.keys.find(key)
        if found is None:
            raise _unauthorized(field, f"the write key is not one of {self.setting}")
        return found

    def _must_be_local(self) -> None:
        # A web page, too, can make this machine's browser send to this machine: its Origin gives it away.
        if not _is_loopback(self.host) or (self.origin is not None and not _is_local_origin(self.origin)):
            raise Refusal.because(
                403,
                "forbidden",
                "Authorization",
                f"only this machine may send while no write keys are set; set {self.setting} to source=key pairs",
            )


def caller_of(request: Request, keys: Keys, setting: str = "LEADHEAT_WRITE_KEYS") -> Caller:
    """Gather from a request what identifies its sender; ``setting`` is where the keys are set."""
    host = request.client.host if request.client is not None else None
    return Caller(keys, request.headers, host, setting=setting)


def _key_of_header(header: str | None) -> str | None:
    """Read the write key from an ``Authorization`` header.

    >>> _key_of_header("Basic YWJjMTIzOg=="), _key_of_header("Bearer abc123"), _key_of_header(None)
    ('abc123', 'abc123', None)
    """
    if header is None:
        return None
    scheme, _, credentials = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        raise _unauthorized("Authorization", f"the scheme {scheme[:40]!r} is not known; expected Basic or Bearer")
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        raise _unauthorized("Authorization", "the Basic credentials are not base64 of UTF-8 text") from None


def _unauthorized(field: str, message: str) -> Refusal:
    # Not "Basic": a browser would answer that challenge by asking a site's visitor for a password.
    return Refusal.because(401, "unauthorized", field, message, {"WWW-Authenticate": 'Bearer realm="leadheat"'})


def _is_loopback(host: str | None) -> bool:
    """Say whether an address is this machine's own, also where IPv6 carries it.

    >>> [_is_loopback(host) for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "192.0.2.1", None)]
    [True, True, True, False, False]
    """
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def _is_local_origin(origin: str) -> bool:
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        return False
    return host == "localhost" or _is_loopback(host)
