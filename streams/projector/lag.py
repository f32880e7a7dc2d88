"""How far workers and projector have come, as a number of records that lie ahead, once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from streams.projector.metrics import ProjectorMetrics
from streams.read_model.happenings import Health
from streams.read_model.layout import Layout
from streams.settings import Settings
from streams.topics import SOURCES

PERIOD_S: Final = 1.0
KEPT_S: Final = 30
"""A health that nobody has renewed for so long says that no projector runs."""

log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode


class Lag:
    """Measures, and writes what it finds to Redis and to the metrics."""

    def __init__(
        self,
        settings: Settings,
        consumer: Any,
        places: Sequence[TopicPartition],
        redis: Any,
        layout: Layout,
        metrics: ProjectorMetrics,
        clock: Callable[[], int],
    ) -> None:
        self._settings, self._consumer, self._places = settings, consumer, list(places)
        self._redis, self._layout, self._metrics, self._clock = redis, layout, metrics, clock
        # What shards tell each other is written in transactions, whose marks would look like records for ever.
        self._sources = [
            TopicPartition(topic.full_name(settings.prefix), partition)
            for topic in SOURCES
            if not topic.internal
            for partition in range(settings.partitions)
        ]
        self._began: int | None = None

    async def run(self) -> None:
        """Measure until cancelled; what cannot be asked just now is asked again."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.brokers)
        await admin.start()
        try:
            while True:
                try:
                    await self._measure(admin)
                except (KafkaError, RedisError, OSError) as error:
                    log.debug("lag is not known", error=repr(error))
                await asyncio.sleep(PERIOD_S)
        finally:
            await admin.close()

    async def _measure(self, admin: Any) -> None:
        ends = await self._consumer.end_offsets([*self._places, *self._sources])
        ours = {place: end - await self._position(place) for place, end in ends.items() if place in self._places}
        committed = await admin.list_consumer_group_offsets(self._settings.app_id)
        begins = await self._consumer.beginning_offsets(self._sources)
        workers = {}
        for place in self._sources:
            taken = committed[place].offset if place in committed else -1
            workers[place] = ends[place] - max(taken, begins[place])
        health = Health(
            at_ms=self._clock(),
            worker_lag=self._by_topic(workers),
            projector_lag=self._by_topic(ours),
            filling=self._filling(sum(ours.values())),
        )
        for name, lag in health.projector_lag.items():
            self._metrics.lag_records.labels(name).set(lag)
        for name, lag in health.worker_lag.items():
            self._metrics.worker_lag_records.labels(name).set(lag)
        await self._redis.set(self._layout.health, _encode(health), ex=KEPT_S)

    async def _position(self, place: TopicPartition) -> int:
        return int(await self._consumer.position(place)) if place in self._consumer.assignment() else 0

    def _by_topic(self, lags: dict[TopicPartition, int]) -> dict[str, int]:
        start = len(self._settings.prefix) + 1
        found: dict[str, int] = {}
        for place, lag in lags.items():
            name = place.topic[start:].removesuffix(".v1")
            found[name] = found.get(name, 0) + max(0, lag)
        return found

    def _filling(self, ahead: int) -> float | None:
        """Return the share of a first fill that is done; None once it has been."""
        if self._began is None or ahead > self._began:
            self._began = ahead
        if ahead <= max(100, self._began // 50):
            self._began = 0
        return None if not self._began else round(1 - ahead / self._began, 3)
