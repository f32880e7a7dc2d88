"""How much each write key may send: a token bucket in Redis that all gateways share, or our own while it is away.

The bucket is kept as one number, the time at which it would be full again (GCRA, ITU-T I.371): ``n`` events cost ``n``
intervals, and may not lead further ahead of now than the bucket holds.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from streams.gateway.quick_redis import AwayError, QuickRedis
from streams.settings import Settings

BUCKET_S: Final = 10.0
"""Seconds' worth of events that may come at once: SDKs flush what they have held back."""

_TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local full_at = tonumber(redis.call('GET', KEYS[1]) or '0')
if full_at < now then full_at = now end
local cost, bucket = tonumber(ARGV[1]), tonumber(ARGV[2])
local wait = full_at + cost - now - bucket
if wait > 0 and full_at > now then return string.format('%.6f', wait) end
redis.call('SET', KEYS[1], string.format('%.6f', full_at + cost), 'PX', math.ceil((full_at + cost - now) * 1000) + 1)
return '0'
"""
"""An idle key may send any batch, else one larger than the bucket would be refused for ever."""


class RateLimits(Protocol):
    """Says how long a key has to wait."""

    async def take(self, key_id: str, events: int) -> float:
        """Take ``events`` out of a key's bucket; return 0, or the seconds to wait, and then nothing was taken."""

    async def close(self) -> None:
        """Let go of what it holds."""


class NoLimits:
    """Lets everybody send any number of events."""

    async def take(self, key_id: str, events: int) -> float:
        """Return 0."""
        return 0.0

    async def close(self) -> None:
        """Do nothing."""


class LocalLimits:
    """Buckets of this process; ``clock`` gives seconds. There are no more of them than keys.

    >>> import asyncio
    >>> limits = LocalLimits(events_per_s=10, clock=lambda: 0.0)
    >>> [asyncio.run(limits.take("k", events)) for events in (60, 40, 5)]
    [0.0, 0.0, 0.5]
    """

    def __init__(self, events_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = events_per_s
        self._clock = clock
        self._full_at: dict[str, float] = {}

    async def take(self, key_id: str, events: int) -> float:
        """Take ``events`` out of a key's bucket; return 0, or the seconds to wait."""
        now = self._clock()
        full_at = max(now, self._full_at.get(key_id, now))
        wait = full_at + events / self.rate - now - BUCKET_S
        if wait > 0 and full_at > now:
            return wait
        self._full_at[key_id] = full_at + events / self.rate
        return 0.0

    async def close(self) -> None:
        """Do nothing."""


class RedisLimits:
    """Buckets that all gateways share; while Redis does not answer, those of this process."""

    def __init__(self, redis: QuickRedis, prefix: str, local: LocalLimits) -> None:
        self._redis = redis
        self._take: Callable[..., Awaitable[bytes]] = redis.client.register_script(_TAKE)
        self._prefix = prefix
        self._local = local

    async def take(self, key_id: str, events: int) -> float:
        """Take ``events`` out of a key's bucket; return 0, or the seconds to wait."""
        keys, args = [f"{self._prefix}:rate:{key_id}"], [events / self._local.rate, BUCKET_S]
        try:
            return float(await self._redis.ask(lambda: self._take(keys=keys, args=args)))
        except AwayError:
            return await self._local.take(key_id, events)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.close()


def make_limits(settings: Settings, clock: Callable[[], float] = time.monotonic) -> RateLimits:
    """Return the limits that the settings ask for; ``clock`` gives seconds."""
    if not settings.events_per_s:
        return NoLimits()
    local = LocalLimits(settings.events_per_s, clock)
    if not settings.redis_url:
        return local
    return RedisLimits(QuickRedis(settings.redis_url, "each gateway limits by itself", clock), settings.prefix, local)
