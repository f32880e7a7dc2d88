"""What goes on, to everybody who looks on: one reader of Redis, any number of listeners, each with a bounded queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

import structlog
from redis.exceptions import RedisError

from streams.read_model.layout import Layout

LOOK_S: Final = 0.25
"""Between two looks: with what a chunk and a transaction take, a change is on the page within a second."""

QUEUE_MAX: Final = 500
"""Who does not read for so long loses the rest, is told, and asks for what was lost by its last id."""

BEGINNING: Final = "0-0"
REPLAY_MAX: Final = 1_000
LISTENERS_MAX: Final = 1_000
KEEP_ALIVE_S: Final = 15.0

log = structlog.get_logger(__name__)


class Message(NamedTuple):
    """One event of the stream; ``number`` is empty where there is nothing to go on from."""

    kind: str
    number: str
    body: str


CHANGED: Final = Message("changed", "", "{}")
"""Something in the read model is another than before: what is shown may be asked for again."""

RESET: Final = Message("reset", "", "{}")
"""More was missed than is kept: ask for everything again."""


class TooMany(Exception):  # noqa: N818 - a state of the world
    """So many listen already."""


class Hub:
    """Follows the live feed while anybody listens."""

    def __init__(self, redis: Any, layout: Layout) -> None:
        self._redis, self._layout = redis, layout
        self._queues: set[asyncio.Queue[Message]] = set()
        self._reader: asyncio.Task[None] | None = None
        self._last = ""
        self._version: bytes | None = None

    async def stop(self) -> None:
        """Stop following."""
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
            self._reader = None

    async def listen(self, after: str = "") -> AsyncIterator[Message]:
        """Yield what happens from now on, or after the number ``after``; raises :class:`TooMany`.

        At least every quarter of a minute something comes: an empty message, by which a broken connection is noticed.
        """
        if len(self._queues) >= LISTENERS_MAX:
            raise TooMany
        queue: asyncio.Queue[Message] = asyncio.Queue(QUEUE_MAX)
        self._queues.add(queue)
        try:
            if self._reader is None or self._reader.done():
                self._reader = asyncio.create_task(self._follow(), name="follows the live feed")
            if after:
                for message in await self._missed(after):
                    yield message
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S):
                        message = await queue.get()
                except TimeoutError:
                    message = Message("", "", "")
                yield message
        finally:
            self._queues.discard(queue)

    async def _missed(self, after: str) -> list[Message]:
        """Return what happened after a number; where that is gone from the feed, that all must be asked for again."""
        try:
            first = await self._redis.xrange(self._layout.feed, count=1)
            found = await self._redis.xrange(self._layout.feed, min=f"({after}", count=REPLAY_MAX)
        except RedisError:
            return [RESET]
        if not first or _order(first[0][0].decode()) > _order(after) or len(found) == REPLAY_MAX:
            return [RESET]
        return [_message(number, fields) for number, fields in found]

    async def _follow(self) -> None:
        self._last = ""
        while self._queues:
            try:
                await self._look()
            except RedisError as error:
                log.debug("the live feed is away", error=str(error))
                self._last = ""
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        layout = self._layout
        if not self._last:
            newest = await self._redis.xrevrange(layout.feed, count=1)
            self._last = newest[0][0].decode() if newest else BEGINNING
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.xrange(layout.feed, min=f"({self._last}", count=QUEUE_MAX)
            pipe.get(layout.version)
            pipe.xrevrange(layout.feed, count=1)
            found, version, newest = await pipe.execute()
        if not newest or _order(newest[0][0].decode()) < _order(self._last):
            self._last = BEGINNING  # another Redis, or an empty one
        for number, fields in found:
            self._last = number.decode()
            self._tell(_message(number, fields))
        if version != self._version:
            self._version = version
            self._tell(CHANGED)

    def _tell(self, message: Message) -> None:
        for queue in self._queues:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(RESET)
            queue.put_nowait(message)


def is_number(text: str) -> bool:
    """Whether a text is a number of the live feed.

    >>> is_number("1767268800000-0"), is_number("x")
    (True, False)
    """
    time_ms, dash, count = text.partition("-")
    return bool(dash) and all(part.isascii() and part.isdigit() and len(part) <= 19 for part in (time_ms, count))


def _order(number: str) -> tuple[int, int]:
    time_ms, _, count = number.partition("-")
    return int(time_ms), int(count)


def _message(number: bytes, fields: dict[bytes, bytes]) -> Message:
    return Message(fields[b"kind"].decode(), number.decode(), fields[b"body"].decode())
