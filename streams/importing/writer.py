"""The way to Kafka for imports: in transactions, each with the records of some rows and what rows they were.

So an import that is cut off has written whole transactions, and goes on behind them when it is begun again.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from scoring.errors import StartError
from streams.importing.known_rows import encode_rows
from streams.records import Record
from streams.settings import Settings
from streams.topics import IMPORTS, Topic, no_kafka

TOGETHER: Final = 10_000
"""Records of one transaction, at most."""

PATIENCE_MS: Final = 30_000
"""How long the broker may take to acknowledge one."""

_LINGER_MS: Final = 20
_BATCH_BYTES: Final = 256 * 1024


class Writer:
    """Writes records in order; made by :func:`open_writer`."""

    def __init__(self, producer: Any, settings: Settings) -> None:
        self._producer = producer
        self._brokers = settings.brokers
        self._imports = IMPORTS.full_name(settings.prefix)
        self._waiting: list[asyncio.Future[object]] = []
        self._rows = array("Q")
        self.acknowledged = 0

    async def write(self, record: Record, row: int) -> None:
        """Hand over the record of one row, known by its hash.

        Raises :class:`StartError` where the broker does not take it, or one before.
        """
        try:
            if not self._rows:
                await self._producer.begin_transaction()
            self._waiting.append(await self._producer.send(record.topic, record.value, record.key))
            self._rows.append(row)
            if len(self._rows) >= TOGETHER:
                await self._commit()
        except KafkaError as error:
            raise self._stopped(error) from error

    async def finish(self) -> None:
        """Return once every record is committed; raises :class:`StartError`."""
        try:
            if self._rows:
                await self._commit()
        except KafkaError as error:
            raise self._stopped(error) from error

    async def _commit(self) -> None:
        self._waiting.append(await self._producer.send(self._imports, encode_rows(self._rows)))
        await asyncio.gather(*self._waiting)
        await self._producer.commit_transaction()
        self.acknowledged += len(self._rows)
        self._waiting, self._rows = [], array("Q")

    def _stopped(self, error: KafkaError) -> StartError:
        for future in self._waiting:
            if not future.cancel() and not future.cancelled():
                future.exception()  # else asyncio complains that nobody asked
        return StartError(
            f"Kafka at {self._brokers} has stopped taking records ({error!r}) after {self.acknowledged:,}; "
            "import the same file again: it goes on behind what is there"
        )


@asynccontextmanager
async def open_writer(settings: Settings, topics: Sequence[Topic]) -> AsyncIterator[Writer]:
    """Connect for writing to ``topics``; raises :class:`StartError` where there is no broker, or not the topics."""
    # What aiokafka would log is told by our errors, once and in our words.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=settings.brokers,
        acks="all",
        transactional_id=f"{settings.app_id}-import-{uuid.uuid4()}",
        retry_backoff_ms=10,
        linger_ms=_LINGER_MS,
        max_batch_size=_BATCH_BYTES,
        request_timeout_ms=PATIENCE_MS,
    )
    try:
        try:
            await producer.start()
        except (KafkaError, OSError) as error:
            raise no_kafka(settings.brokers, error) from error
        await _require(producer, [topic.full_name(settings.prefix) for topic in (*topics, IMPORTS)], settings.brokers)
        yield Writer(producer, settings)
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
