"""How much each write key may send: a token bucket in Redis that all gateways share, or our own while it is away.

The bucket is kept as one number, the time at which it would be full again (GCRA, ITU-T I.371): ``n`` events cost ``n``
intervals, and may not lead further ahead of now than the bucket holds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from streams.settings import Settings

BUCKET_S: Final = 10.0
"""Seconds' worth of events that may come at once: SDKs flush what they have held back."""

PATIENCE_S: Final = 0.1
"""For so long Redis may take to answer; a limit is not worth a slow gateway."""

AWAY_S: Final = 5.0
"""For so long after a failure Redis is not asked again."""

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

_log = structlog.get_logger(__name__)


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
        self._rate = events_per_s
        self._clock = clock
        self._full_at: dict[str, float] = {}

    async def take(self, key_id: str, events: int) -> float:
        """Take ``events`` out of a key's bucket; return 0, or the seconds to wait."""
        now = self._clock()
        full_at = max(now, self._full_at.get(key_id, now))
        wait = full_at + events / self._rate - now - BUCKET_S
        if wait > 0 and full_at > now:
            return wait
        self._full_at[key_id] = full_at + events / self._rate
        return 0.0

    async def close(self) -> None:
        """Do nothing."""


class RedisLimits:
    """Buckets that all gateways share; while Redis does not answer, those of this process."""

    def __init__(
        self, redis: Any, prefix: str, events_per_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._take: Callable[..., Awaitable[bytes]] = redis.register_script(_TAKE)
        self._prefix = prefix
        self._rate = events_per_s
        self._clock = clock
        self._local = LocalLimits(events_per_s, clock)
        self._away_until = float("-inf")

    async def take(self, key_id: str, events: int) -> float:
        """Take ``events`` out of a key's bucket; return 0, or the seconds to wait."""
        if self._clock() >= self._away_until:
            try:
                keys = [f"{self._prefix}:rate:{key_id}"]
                async with asyncio.timeout(PATIENCE_S):
                    return float(await self._take(keys=keys, args=[events / self._rate, BUCKET_S]))
            except (RedisError, OSError, TimeoutError) as error:
                self._away_until = self._clock() + AWAY_S
                _log.warning("Redis is away: each gateway limits by itself", error=repr(error))
        return await self._local.take(key_id, events)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def make_limits(settings: Settings) -> RateLimits:
    """Return the limits that the settings ask for."""
    if not settings.events_per_s:
        return NoLimits()
    if not settings.redis_url:
        return LocalLimits(settings.events_per_s)
    redis = Redis.from_url(
        settings.redis_url,
        socket_timeout=PATIENCE_S,
        socket_connect_timeout=PATIENCE_S,
        retry=Retry(NoBackoff(), 1),  # an idle connection may have been closed meanwhile
    )
    return RedisLimits(redis, settings.prefix, settings.events_per_s)
