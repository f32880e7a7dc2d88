"""Who asks, and what they may: a key, a person whom a proxy or a mailed link has made known, or this machine itself.

* A program sends a key (``Authorization: Bearer …``) of LEADHEAT_API_KEYS.
* A person is named by a trusted proxy's header, or has a session from a mailed link.
* While none of these is set up, this machine alone may, and needs nothing; a web page that makes its browser ask us is
  told by the names that it uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from http.cookies import CookieError
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

from scoring.errors import EventError, SettingsError
from scoring.identity import normalise_email
from streams.api_keys import ApiKeys, Holder, Role
from streams.dashboard.tokens import Signer
from streams.settings import Settings

COOKIE: Final = "leadheat_session"
LOCAL: Final = "local"
"""Who this machine itself is, while nobody needs to sign in."""

_LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Who:
    """Who asks: the name goes with everything that they do. ``by_key``: a program, of which no browser knows."""

    name: str
    holder: Holder
    by_key: bool = False

    def may(self, role: Role) -> bool:
        """Whether they may do what needs ``role``."""
        return self.holder.may(role)


class Access:
    """Decides who asks. Raises :class:`SettingsError` for settings that say nothing clear."""

    def __init__(self, settings: Settings) -> None:
        self.keys = ApiKeys(settings.api_keys)
        self.signer = Signer(settings.secret.get_secret_value())
        self.may_sign_in = SignInList(settings.sign_in)
        self.header = settings.trusted_user_header
        self._proxies = _networks(settings.trusted_proxies)
        self.is_open_to_this_machine = not (self.keys or self.may_sign_in or self.header)

    def who(self, request: Request, now_ms: int) -> Who | None:
        """Return who asks; None if nobody known does."""
        authorization = request.headers.get("authorization")
        if authorization is not None:
            scheme, _, key = authorization.strip().partition(" ")
            holder = self.keys.holder(key.strip()) if scheme.lower() == "bearer" else None
            return None if holder is None else Who(holder.name, holder, by_key=True)
        named = self._named_by_proxy(request)
        if named is not None:
            return named
        try:
            token = request.cookies.get(COOKIE, "")
        except CookieError:
            token = ""
        claim = self.signer.read(token, "session", now_ms) if token else None
        if claim is not None and self.may_sign_in.includes(claim.email):
            return _person(claim.email)
        if self.is_open_to_this_machine and is_from_this_machine(request):
            return _person(LOCAL)
        return None

    def require(self, request: Request, role: Role, now_ms: int) -> Who:
        """Return who asks; raises ``HTTPException``: 401 for nobody, 403 for somebody who may not.

        What changes something must come from our own pages, or with a key, of which no other page's browser knows.
        """
        who = self.who(request, now_ms)
        if who is None:
            hint = "" if self.keys else "; no keys are set: LEADHEAT_API_KEYS=name=read:key"
            raise HTTPException(
                401, f"needs a key: Authorization: Bearer …{hint}", {"WWW-Authenticate": 'Bearer realm="leadheat"'}
            )
        if not who.may(role):
            raise HTTPException(403, f"{who.name} has the role {who.holder.role}; this needs {role}")
        if request.method not in ("GET", "HEAD") and not who.by_key and not is_from_our_page(request):
            raise HTTPException(403, "this must come from a page of the dashboard itself")
        return who

    def _named_by_proxy(self, request: Request) -> Who | None:
        if not self.header or request.client is None:
            return None
        address = _address(request.client.host)
        name = request.headers.get(self.header, "").strip()[:200]
        is_trusted = address is not None and any(address in network for network in self._proxies)
        return _person(name) if name and is_trusted else None


class SignInList:
    """Who may sign in by a mailed link: addresses, and whole domains.

    >>> people = SignInList("jo@example.org, @example.com")
    >>> people.includes("Ann@Example.com"), people.includes("jo@example.org"), people.includes("ann@example.org")
    (True, True, False)
    """

    def __init__(self, text: str) -> None:
        self._entries = frozenset(filter(None, (each.strip().casefold() for each in text.split(","))))
        for entry in self._entries:
            if "@" not in entry or len(entry) < 3:
                raise SettingsError(f"LEADHEAT_SIGN_IN: {entry[:80]!r} is neither an address nor a @domain")

    def __bool__(self) -> bool:
        """Whether anybody may."""
        return bool(self._entries)

    def includes(self, email: str) -> bool:
        """Whether this address may."""
        try:
            normal = normalise_email(email)
        except EventError:
            return False
        return normal in self._entries or f"@{normal.rpartition('@')[2]}" in self._entries


def _person(name: str) -> Who:
    return Who(name, Holder(name, "admin"))


def is_from_this_machine(request: Request) -> bool:
    """Whether a request comes from this machine, meant for it, and not from another site's page or through a proxy."""
    client = None if request.client is None else _address(request.client.host)
    if client is None or not client.is_loopback or "x-forwarded-for" in request.headers:
        return False
    # A site's name may be made to lead to this machine; the browser says which name it asked for.
    if _host_of(f"//{request.headers.get('host', '')}") not in _LOCAL_HOSTS:
        return False
    return request.headers.get("sec-fetch-site", "none") in ("none", "same-origin") or (
        request.method == "GET" and (request.headers.get("sec-fetch-mode") == "navigate")
    )


def is_from_our_page(request: Request) -> bool:
    """Whether a browser says that one of our own pages asks."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site") in ("same-origin", "none")
    return urlsplit(origin).netloc == request.headers.get("host", "")


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _networks(text: str) -> list[IPv4Network | IPv6Network]:
    found = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ip_network(each, strict=False))
        except ValueError:
            raise SettingsError(f"LEADHEAT_TRUSTED_PROXIES: {each[:80]!r} is no network such as 10.0.0.0/8") from None
    return found
