"""Run the projector: read the topics from where Redis stands, write chunks, sweep, say how far everybody is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import RedisError

from scoring.errors import StartError
from streams.clock import now_ms
from streams.garbage import collect_rarely
from streams.metrics import serve_metrics
from streams.projector.lag import Lag
from streams.projector.metrics import ProjectorMetrics
from streams.projector.packing import Packing
from streams.projector.sweep import Sweep
from streams.projector.writing import Moved, Offsets, Writer, offset_field
from streams.read_model.layout import VERSION, Layout
from streams.settings import Settings
from streams.topics import (
    ACCOUNT_SCORES,
    BUYING_SIGNALS,
    DEAD_LETTERS,
    FOLLOW_UPS,
    HOT_LEADS,
    LEAD_HISTORY,
    LEAD_SCORES,
    Topic,
)

PROJECTED: Final = (ACCOUNT_SCORES, LEAD_SCORES, HOT_LEADS, BUYING_SIGNALS, FOLLOW_UPS, LEAD_HISTORY, DEAD_LETTERS)

CHUNK_RECORDS: Final = 500
"""Redis does nothing else while it writes a chunk: this many are about 5 ms, which a page does not feel."""

POLL_MS: Final = 200
OBJECTS: Final = 100_000
"""So many new objects are looked at for garbage together."""

RETRY_S: Final = 0.5
REQUEST_TIMEOUT_MS: Final = 30_000
WIPE_SCAN: Final = 2_000

log = structlog.get_logger(__name__)


class Projector:
    """Keeps one Redis up to date with the topics of one prefix."""

    def __init__(
        self,
        settings: Settings,
        redis: Any,
        metrics: ProjectorMetrics,
        clock: Callable[[], int] = now_ms,
        chunk_records: int = CHUNK_RECORDS,
    ) -> None:
        self._settings, self._redis, self._metrics, self._clock = settings, redis, metrics, clock
        self._chunk_records = chunk_records
        self._layout = Layout(settings.prefix)
        self._topics = {topic.full_name(settings.prefix): topic for topic in PROJECTED}
        self._places = [
            TopicPartition(name, partition) for name in self._topics for partition in range(settings.partitions)
        ]
        self._writer = Writer(redis, self._layout, lambda topic: metrics.unreadable.labels(topic.name).inc())
        self._sweep = Sweep(redis, self._layout, clock)
        self._next: Offsets = {}

    async def run(self, *, rebuild: bool = False, until_caught_up: bool = False) -> None:
        """Project for ever, or until all that is there now is in Redis; with ``rebuild``, from the beginning.

        While Redis is away it waits. Raises an error of aiokafka where Kafka refuses.
        """
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.brokers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=1 << 20,
        )
        await consumer.start()
        lag = Lag(self._settings, consumer, self._places, self._redis, self._layout, self._metrics, self._clock)
        watching = asyncio.create_task(lag.run())
        try:
            consumer.assign(self._places)
            if rebuild:
                await self._when_redis_is_there(self._wipe)
            while True:
                try:
                    await self._go_back(consumer)
                    await self._project(consumer, until_caught_up)
                    return
                except Moved as moved:
                    self._writer.start_over()
                    self._metrics.conflicts.inc()
                    log.warning("goes back to what Redis holds", why=str(moved))
                except RedisError as error:
                    self._writer.start_over()
                    log.warning("Redis is away", error=str(error) or type(error).__name__)
                    await asyncio.sleep(RETRY_S)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await consumer.stop()

    async def _project(self, consumer: Any, until_caught_up: bool) -> None:
        ends = await consumer.end_offsets(self._places) if until_caught_up else {}
        while True:
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=self._chunk_records)
            if fetched:
                await self._write(fetched)
            elif not await self._still_stands():
                raise Moved("Redis has lost what it held")
            await self._sweep.step()
            if until_caught_up and not fetched and await _has_reached(consumer, ends):
                return

    async def _write(self, fetched: dict[TopicPartition, Sequence[Any]]) -> None:
        started = time.perf_counter()
        chunk: dict[Topic, list[Any]] = {}
        before, after, newest_ms = {}, {}, 0
        for place, records in fetched.items():
            topic = self._topics[place.topic]
            chunk.setdefault(topic, []).extend(records)
            where = topic.name, place.partition
            before[where], after[where] = self._next.get(where, 0), records[-1].offset + 1
            newest_ms = max(newest_ms, records[-1].timestamp)
        await self._writer.write(chunk, before, after, self._clock())
        self._next |= after
        for topic, records in chunk.items():
            self._metrics.records.labels(topic.name).inc(len(records))
        self._metrics.chunk_seconds.observe(time.perf_counter() - started)
        self._metrics.latency_seconds.observe(max(0.0, (self._clock() - newest_ms) / 1000))

    async def _go_back(self, consumer: Any) -> None:
        """Set the consumer to where Redis stands; a Redis that holds nothing of ours, or another layout, is emptied."""
        stored = await self._redis.hgetall(self._layout.offsets)
        if stored.get(b"layout") != str(VERSION).encode() or await self._is_of_other_topics(consumer, stored):
            await self._wipe()
            stored = {}
        before, self._next = self._next, {}
        begins = await consumer.beginning_offsets(self._places)
        for place in self._places:
            where = self._topics[place.topic].name, place.partition
            offset = stored.get(offset_field(*where).encode())
            if offset is not None:
                self._next[where] = int(offset)
            consumer.seek(place, max(begins[place], self._next.get(where, 0)))
        if self._next != before:
            self._writer.start_over()

    async def _is_of_other_topics(self, consumer: Any, stored: dict[bytes, bytes]) -> bool:
        """Whether Redis stands beyond what Kafka holds: it was filled from other topics than these."""
        ends = await consumer.end_offsets(self._places)
        for place, end in ends.items():
            offset = stored.get(offset_field(self._topics[place.topic].name, place.partition).encode())
            if offset is not None and int(offset) > end:
                return True
        return False

    async def _still_stands(self) -> bool:
        return bool(await self._redis.hget(self._layout.offsets, "layout") == str(VERSION).encode())

    async def _wipe(self) -> None:
        """Remove all of ours from Redis, and note the layout that is filled from now on."""
        log.info("fills Redis from the topics")
        self._metrics.rebuilds.inc()
        await self._redis.unlink(self._layout.offsets)
        batch: list[bytes] = []
        async for key in self._redis.scan_iter(match=f"{_escaped(self._layout.prefix)}:*", count=WIPE_SCAN):
            batch.append(key)
            if len(batch) == WIPE_SCAN:
                await self._redis.unlink(*batch)
                batch.clear()
        if batch:
            await self._redis.unlink(*batch)
        await self._redis.hset(self._layout.offsets, "layout", str(VERSION))

    async def _when_redis_is_there(self, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await do()
                return
            except RedisError as error:
                log.warning("Redis is away", error=str(error) or type(error).__name__)
                await asyncio.sleep(RETRY_S)


def _escaped(text: str) -> str:
    """Return a text in which no character is a pattern's.

    >>> _escaped("lead*heat")
    'lead\\\\*heat'
    """
    return "".join(f"\\{char}" if char in r"\*?[]^" else char for char in text)


async def _has_reached(consumer: Any, ends: dict[TopicPartition, int]) -> bool:
    for place, end in ends.items():
        if await consumer.position(place) < end:
            return False
    return True


def make_redis(settings: Settings) -> Any:
    """Return a client of the settings' Redis; nothing is connected yet.

    Raises :class:`StartError` where the settings name none.
    """
    if not settings.redis_url:
        raise StartError("no Redis is named: set LEADHEAT_REDIS_URL, for example redis://127.0.0.1:6379/0")
    try:
        redis = Redis.from_url(settings.redis_url, socket_connect_timeout=5, socket_timeout=30, health_check_interval=0)
    except ValueError as error:
        raise StartError(f"LEADHEAT_REDIS_URL is no address of a Redis: {error}") from None
    pool = redis.connection_pool
    pool.connection_class = type("PackingConnection", (Packing, pool.connection_class), {})
    return redis


async def run_projector(settings: Settings, *, rebuild: bool, until_caught_up: bool) -> None:
    """Run a projector with its metrics until cancelled, or until it has caught up."""
    collect_rarely(OBJECTS)
    registry = CollectorRegistry()
    metrics = ProjectorMetrics(registry)
    if settings.metrics_port:
        serve_metrics(registry, settings.metrics_host, settings.metrics_port)
    redis = make_redis(settings)
    try:
        await Projector(settings, redis, metrics).run(rebuild=rebuild, until_caught_up=until_caught_up)
    finally:
        await redis.aclose()
