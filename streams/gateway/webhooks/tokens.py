"""Which body a token came with first, so that a signature that covers the token alone serves for one body only.

Gateways share this through Redis where there is one; while it does not answer, each remembers for itself.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Final, Protocol

from streams.gateway.quick_redis import AwayError, QuickRedis
from streams.settings import Settings

TOKENS_KEPT: Final = 200_000
"""Of about 100 bytes each."""


class Tokens(Protocol):
    """Remembers the body of each token."""

    async def belongs(self, token: str, body: bytes) -> bool:
        """Tell whether a token comes with its first body, which this may be."""

    async def close(self) -> None:
        """Let go of what it holds."""


class LocalTokens:
    """The tokens of this process.

    >>> import asyncio
    >>> tokens = LocalTokens()
    >>> [asyncio.run(tokens.belongs("t", body)) for body in (b"one", b"one", b"two")]
    [True, True, False]
    """

    def __init__(self) -> None:
        self._bodies: OrderedDict[str, bytes] = OrderedDict()

    async def belongs(self, token: str, body: bytes) -> bool:
        """Tell whether a token comes with its first body, which this may be."""
        digest = _digest(body)
        is_first = self._bodies.setdefault(token, digest) == digest
        if len(self._bodies) > TOKENS_KEPT:
            self._bodies.popitem(last=False)
        return is_first

    async def close(self) -> None:
        """Do nothing."""


class RedisTokens:
    """The tokens of all gateways, for ``kept_s``; while Redis does not answer, those of this process."""

    def __init__(self, redis: QuickRedis, prefix: str, kept_s: float) -> None:
        self._redis = redis
        self._prefix = prefix
        self._kept_s = round(kept_s)
        self._local = LocalTokens()

    async def belongs(self, token: str, body: bytes) -> bool:
        """Tell whether a token comes with its first body, which this may be."""
        key, digest = f"{self._prefix}:webhook-token:{_digest(token.encode(errors='replace')).hex()}", _digest(body)

        async def ask() -> bool:
            if await self._redis.client.set(key, digest, nx=True, ex=self._kept_s):
                return True
            return bool(await self._redis.client.get(key) in (digest, None))

        try:
            is_first = await self._redis.ask(ask)
        except AwayError:
            is_first = True
        # Both remember, for what comes while Redis is away, and what came then.
        return is_first and await self._local.belongs(token, body)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.close()


def make_tokens(settings: Settings, kept_s: float) -> Tokens:
    """Return the memory that the settings ask for."""
    if not settings.redis_url:
        return LocalTokens()
    return RedisTokens(QuickRedis(settings.redis_url, "each gateway knows its own tokens"), settings.prefix, kept_s)


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=16).digest()
