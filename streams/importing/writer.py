"""The way to Kafka for imports: idempotent, bounded in what waits, and done only when the broker has every record."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from scoring.errors import StartError
from streams.records import Record
from streams.settings import Settings
from streams.topics import Topic, no_kafka

WAITING_MAX: Final = 10_000
"""Records that wait for their acknowledgement, at most."""

PATIENCE_MS: Final = 30_000
"""How long the broker may take to acknowledge one."""

_LINGER_MS: Final = 20
_BATCH_BYTES: Final = 256 * 1024


class Writer:
    """Writes records in order; made by :func:`open_writer`."""

    def __init__(self, producer: Any, brokers: str) -> None:
        self._producer = producer
        self._brokers = brokers
        self._waiting: deque[asyncio.Future[object]] = deque()
        self.acknowledged = 0

    async def write(self, record: Record) -> None:
        """Hand over one record; raises :class:`StartError` where the broker does not take it, or one before."""
        try:
            self._waiting.append(await self._producer.send(record.topic, record.value, record.key))
        except KafkaError as error:
            raise self._stopped(error) from error
        if len(self._waiting) >= WAITING_MAX:
            await self._settle(WAITING_MAX // 2)

    async def finish(self) -> None:
        """Return once the broker has acknowledged every record; raises :class:`StartError`."""
        await self._settle(0)

    async def _settle(self, left: int) -> None:
        while len(self._waiting) > left:
            try:
                await self._waiting.popleft()
            except KafkaError as error:
                raise self._stopped(error) from error
            self.acknowledged += 1

    def _stopped(self, error: KafkaError) -> StartError:
        for future in self._waiting:
            if not future.cancel():
                future.exception()  # else asyncio complains that nobody asked
        return StartError(
            f"Kafka at {self._brokers} has stopped taking records ({error!r}) after {self.acknowledged:,}; "
            "import the same file again: what is there already counts once"
        )


@asynccontextmanager
async def open_writer(settings: Settings, topics: Sequence[Topic]) -> AsyncIterator[Writer]:
    """Connect for writing to ``topics``; raises :class:`StartError` where there is no broker, or not the topics."""
    # What aiokafka would log is told by our errors, once and in our words.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=settings.brokers,
        acks="all",
        enable_idempotence=True,
        linger_ms=_LINGER_MS,
        max_batch_size=_BATCH_BYTES,
        request_timeout_ms=PATIENCE_MS,
    )
    try:
        try:
            await producer.start()
        except (KafkaError, OSError) as error:
            raise no_kafka(settings.brokers, error) from error
        await _require(producer, [topic.full_name(settings.prefix) for topic in topics], settings.brokers)
        yield Writer(producer, settings.brokers)
    finally:
        with suppress(KafkaError, asyncio.CancelledError):
            await producer.stop()


async def _require(producer: Any, names: list[str], brokers: str) -> None:
    """Make sure that the topics exist: to write to an absent one could create it with wrong settings."""
    if not await producer.client.force_metadata_update():
        raise StartError(f"Kafka at {brokers} does not answer")
    absent = sorted(set(names) - producer.client.cluster.topics())
    if absent:
        raise StartError(
            f"there is no topic {', '.join(absent)} at {brokers}; create it with `leadheat topics create`, "
            "or set LEADHEAT_PREFIX to the prefix of your topics"
        )
