"""The mail server of the settings: an address in, a connection that mail can be handed to out."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from scoring.errors import SettingsError

SETTING: Final = "LEADHEAT_SMTP_URL"
_EXPECTED: Final = "expected smtp://user:password@host:587 or smtps://user:password@host:465"


@dataclass(frozen=True)
class MailServer:
    """One server; the connection is encrypted unless it stays on this machine.

    >>> MailServer.at("smtp://ann:s%40fe@mail.example.com").port, MailServer.at("smtps://mail.example.com").is_tls
    (587, True)
    >>> MailServer.at("smtp://localhost:1025").needs_starttls
    False
    """

    host: str
    port: int
    is_tls: bool
    user: str
    password: str

    @classmethod
    def at(cls, url: str) -> MailServer:
        """Return the server at an address; raises :class:`SettingsError`, which never says the address."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise SettingsError(f"{SETTING}: {_EXPECTED}") from None
        if parts.scheme not in ("smtp", "smtps") or not host or parts.path.strip("/") or parts.query:
            raise SettingsError(f"{SETTING}: {_EXPECTED}" + ("" if url else ", to send mail"))
        is_tls = parts.scheme == "smtps"
        return cls(
            host, port or (465 if is_tls else 587), is_tls, unquote(parts.username or ""), unquote(parts.password or "")
        )

    @property
    def needs_starttls(self) -> bool:
        """Whether a connection has to be encrypted before anything is said: passwords and people's names go over it."""
        return not self.is_tls and not _is_this_machine(self.host)

    def connect(self, timeout_s: float) -> smtplib.SMTP:
        """Return a connection that is encrypted and logged in; raises :class:`OSError`."""
        if self.is_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=timeout_s, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=timeout_s)
        try:
            if self.needs_starttls:
                server.starttls(context=ssl.create_default_context())
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
