"""Reads a topic as it was committed: its last records, all of it to its end, or what comes.

For people and tools that look on: nothing is committed, nobody is in a group, and any number may read at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from heapq import merge
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from scoring.errors import StartError
from scoring.pointers import HOPS_MAX, decode_pointer, is_pointer
from streams.topics import no_kafka

PATIENCE_MS: Final = 10_000
"""How long the broker may take to answer one request."""

SILENCE_S: Final = 5.0
"""After so long without records the broker is asked whether it is still there: aiokafka would wait for ever."""

_POLL_MS: Final = 200
_FETCH_BYTES: Final = 4 << 20
_SPARE: Final = 8

_PLACES_KEPT: Final = 262_144
"""Keys whose partition a process remembers, 50 MB at most: the hash is plain Python, and takes 7 µs."""


@lru_cache(_PLACES_KEPT)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition in which a key's records lie: Kafka's default, which the gateway uses too.

    >>> partition_of(b"email:ann@example.com", 4)
    3
    """
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class TopicReader:
    """Reads one topic, of all its partitions or some; made by :func:`open_topic`.

    Records are aiokafka's ``ConsumerRecord``. The methods may follow each other: each but
    :meth:`read_to_end` goes on where the one before stopped.
    """

    def __init__(self, consumer: Any, brokers: str, topic: str, partitions: Collection[int]) -> None:
        self.topic = topic
        self.partitions = sorted(partitions)
        self._consumer = consumer
        self._brokers = brokers
        self._heard = asyncio.get_running_loop().time()

    async def read_to_end(self, partitions: Collection[int] | None = None) -> AsyncIterator[Any]:
        """Yield the records of ``partitions`` (None: all) from the beginning to at least the end as of now.

        The order is Kafka's: within a partition as written, between partitions by chance.
        """
        chosen = [TopicPartition(self.topic, number) for number in partitions or self.partitions]
        begins, ends = await self._bounds(chosen)
        await self._assign(begins)
        async for record in self._read_until(ends):
            yield record

    async def count(self) -> int:
        """Return how many records there are at most: marks of transactions, and what was compacted count, too."""
        begins, ends = await self._bounds([TopicPartition(self.topic, number) for number in self.partitions])
        return sum(ends[tp] - begins[tp] for tp in ends)

    async def read_last(self, count: int) -> list[Any]:
        """Return the last ``count`` records (≥ 0) of all partitions together, by their timestamps."""
        chosen = [TopicPartition(self.topic, number) for number in self.partitions]
        begins, ends = await self._bounds(chosen)
        latest: dict[TopicPartition, deque[Any]] = {tp: deque(maxlen=count) for tp in chosen}
        # Markers of transactions and what compaction took away hold offsets too: look further back until enough.
        window = 2 * count + _SPARE if count else 0
        starts = {tp: max(begins[tp], ends[tp] - window) for tp in chosen}
        await self._assign(starts)
        short = starts
        while short:
            async for record in self._read_until({tp: ends[tp] for tp in short}):
                latest[TopicPartition(record.topic, record.partition)].append(record)
            window *= 4
            short = {
                tp: max(begins[tp], ends[tp] - window)
                for tp, start in short.items()
                if len(latest[tp]) < count and start > begins[tp]
            }
            for tp, start in short.items():
                latest[tp].clear()
                self._consumer.seek(tp, start)
        return list(merge(*latest.values(), key=lambda record: record.timestamp))[-count:] if count else []

    async def follow(self) -> AsyncIterator[list[Any]]:
        """Yield records as they come, for ever; raises :class:`StartError` when the broker has gone."""
        while True:
            records = await self._poll()
            if records:
                yield records

    async def _read_until(self, ends: Mapping[TopicPartition, int]) -> AsyncIterator[Any]:
        while not await self._has_reached(ends):
            for record in await self._poll():
                yield record

    async def _has_reached(self, ends: Mapping[TopicPartition, int]) -> bool:
        for tp, end in ends.items():
            if await self._consumer.position(tp) < end:
                return False
        return True

    async def _poll(self) -> list[Any]:
        fetched = await self._consumer.getmany(timeout_ms=_POLL_MS)
        now = asyncio.get_running_loop().time()
        if fetched:
            self._heard = now
        elif now - self._heard > SILENCE_S:
            await self._bounds(list(self._consumer.assignment()))
            self._heard = now
        return [record for records in fetched.values() for record in records]

    async def _assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._consumer.assign(list(offsets))
        for tp, offset in offsets.items():
            self._consumer.seek(tp, offset)

    async def _bounds(self, tps: list[TopicPartition]) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Return where partitions begin, and where what is committed ends."""
        try:
            return await self._consumer.beginning_offsets(tps), await self._consumer.end_offsets(tps)
        except KafkaError as error:
            raise StartError(f"Kafka at {self._brokers} has stopped answering ({error!r})") from error


@asynccontextmanager
async def open_topic(brokers: str, topic: str) -> AsyncIterator[TopicReader]:
    """Open the topic of this full name for reading.

    Raises :class:`StartError` where no broker answers or there is no such topic.
    """
    # What aiokafka would log is told by our errors, once and in our words.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    partitions = await _find_partitions(brokers, topic)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=PATIENCE_MS,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    try:
        await consumer.start()
        yield TopicReader(consumer, brokers, topic, partitions)
    finally:
        # While the broker is away, stop() cancels aiokafka's own tasks and raises that here.
        with suppress(KafkaError, asyncio.CancelledError):
            await consumer.stop()


async def read_latest(brokers: str, topic: str) -> dict[bytes, bytes]:
    """Return the last value of every key of a topic; a record without value ends what was before it."""
    latest: dict[bytes, bytes] = {}
    async with open_topic(brokers, topic) as reader:
        async for record in reader.read_to_end():
            if record.value is None:
                latest.pop(record.key, None)
            else:
                latest[record.key] = record.value
    return latest


async def read_values(reader: TopicReader, key: bytes, count: int) -> list[bytes]:
    """Return the last values of a key, which all lie in one partition; a record without value ends what was before."""
    values: deque[bytes] = deque(maxlen=count)
    async for record in reader.read_to_end([partition_of(key, len(reader.partitions))]):
        if record.key == key:
            values.clear() if record.value is None else values.append(record.value)
    return list(values)


async def follow_pointers(brokers: str, changelog: str, identity: str) -> str | None:
    """Return the lead or account that an identity has turned out to be, if it is another one."""
    found = None
    async with open_topic(brokers, changelog) as reader:
        for _ in range(HOPS_MAX):
            latest = await read_values(reader, (found or identity).encode(), 1)
            if not latest or not is_pointer(latest[0]):
                break
            found = decode_pointer(latest[0]).target
    return found


async def _find_partitions(brokers: str, topic: str) -> list[int]:
    """Return a topic's partitions; asks for all topics, because asking for one may create it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers, request_timeout_ms=PATIENCE_MS)
    try:
        await admin.start()
        topics = await admin.describe_topics()
    except (KafkaError, OSError) as error:
        raise no_kafka(brokers, error) from error
    finally:
        await admin.close()
    for found in topics:
        if found["topic"] == topic:
            return [partition["partition"] for partition in found["partitions"]]
    raise StartError(
        f"there is no topic {topic} at {brokers}; create it with `leadheat topics create`, "
        "or set LEADHEAT_PREFIX to the prefix of your topics"
    )
