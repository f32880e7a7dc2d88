"""Keeps outgoing requests out of our own networks: addresses are judged when a connection is made, not before.

A name that is looked up twice may answer twice differently, so it is looked up once, every address is judged, and the
connection goes to an address that was. Redirects make connections of their own, and are judged the same.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

import httpcore
import httpx
from httpcore._backends.anyio import AnyIOBackend

from scoring.errors import LeadheatError

_NAT64: Final = ip_network("64:ff9b::/96")


class RefusedAddressError(LeadheatError, OSError):
    """A connection to an address that is not public, and is not in the delivery file's ``allow``."""


class AddressPolicy:
    """Which addresses may be connected to: public ones, and those of ``allow`` (addresses or networks).

    >>> policy = AddressPolicy(["127.0.0.1"])
    >>> [policy.allows(each) for each in ("8.8.8.8", "127.0.0.1", "127.0.0.2", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, True, False, False, False]
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allowed: list[IPv4Network | IPv6Network] = [ip_network(each) for each in allow]

    def allows(self, text: str) -> bool:
        """Tell whether an address may be connected to."""
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return False
        inner: Any = address
        if isinstance(address, IPv6Address):
            if address.ipv4_mapped is not None:
                inner = address.ipv4_mapped
            elif address.sixtofour is not None:
                inner = address.sixtofour
            elif address in _NAT64:
                inner = ip_address(address.packed[-4:])
        if any(each in network for each in (address, inner) for network in self._allowed):
            return True
        # Python counts what carries an IPv4 address by the whole network it is in: the address inside decides.
        return bool(inner.is_global) and not (inner.is_multicast or address.is_multicast)

    def check(self, text: str, host: str) -> None:
        """Raise :class:`RefusedAddressError` unless an address of ``host`` may be connected to."""
        if not self.allows(text):
            raise RefusedAddressError(
                f"{host} leads to {text}, which is not a public address; if it is meant, add it to `allow`"
            )


class _GuardedBackend(AnyIOBackend):
    """Looks a host up, judges every address, and connects to the first that answers."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy

    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        for address in addresses:
            try:
                self._policy.check(address, host)
            except RefusedAddressError as error:
                raise httpcore.ConnectError(str(error)) from error
        last: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses[:4]:
            try:
                return await super().connect_tcp(address, port, *args, **options)
            except httpcore.ConnectError as error:
                last = error
        raise last

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("no sockets of this machine")


def guarded_client(policy: AddressPolicy, connections_max: int = 200) -> httpx.AsyncClient:
    """Return a client that connects only where ``policy`` allows, follows no redirects, and asks no proxy."""
    transport = httpx.AsyncHTTPTransport(retries=0)
    # httpx has no public way to hand a network backend to its pool.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=httpx.create_ssl_context(trust_env=False),
        max_connections=connections_max,
        max_keepalive_connections=20,
        keepalive_expiry=5.0,
        network_backend=_GuardedBackend(policy),
    )
    return httpx.AsyncClient(
        transport=transport, trust_env=False, follow_redirects=False, headers={"User-Agent": "leadheat"}
    )


class _Watched(threading.local):
    policy: AddressPolicy | None = None


_watched: Final = _Watched()


def watch_sockets() -> None:
    """Let Python tell us of every connection that is about to be made, for libraries that bring their own clients.

    Once per process; only what runs in :func:`judged` is judged.
    """
    sys.addaudithook(_judge)


@contextmanager
def judged(policy: AddressPolicy) -> Iterator[None]:
    """Judge every connection that this thread makes meanwhile."""
    _watched.policy = policy
    try:
        yield
    finally:
        _watched.policy = None


def _judge(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or (policy := _watched.policy) is None:
        return
    address = arguments[1]
    if not (isinstance(address, tuple) and address and isinstance(address[0], str)):
        raise RefusedAddressError("no sockets of this machine")
    policy.check(address[0], address[0])
