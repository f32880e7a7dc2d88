"""The Redis that gateways share small things through: it is asked quickly, or left alone for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

PATIENCE_S: Final = 0.1
"""For so long Redis may take to answer; what it is asked for is not worth a slow gateway."""

AWAY_S: Final = 5.0
"""For so long after a failure Redis is not asked again."""

Answer = TypeVar("Answer")

_log = structlog.get_logger(__name__)


class AwayError(Exception):
    """Redis does not answer, or has not lately."""


class QuickRedis:
    """A connection to one Redis; ``clock`` gives seconds, ``instead`` says what is done while it is away."""

    def __init__(self, url: str, instead: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.client: Redis = Redis.from_url(
            url,
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
            retry=Retry(NoBackoff(), 1),  # an idle connection may have been closed meanwhile
        )
        self._instead = instead
        self._clock = clock
        self._away_until = float("-inf")

    async def ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the answer to a question; raises :class:`AwayError`."""
        if self._clock() < self._away_until:
            raise AwayError
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await question()
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = self._clock() + AWAY_S
            _log.warning("Redis is away", instead=self._instead, error=repr(error))
            raise AwayError from error

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()
