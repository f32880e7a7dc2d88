"""How the running shards take over states that were rebuilt beside them, and what they found is made known.

The rebuild has written its scores into topics of its own. Once its states are those of a running shard, these go where
everybody reads, but for those that the shard has said anew since; what only the states before had is deleted there.
Alerts and signals that were said before are not said again: they have the same ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.published_models import Publication
from streams.runtime.inheritance import Inheritance
from streams.settings import Settings
from streams.topics import ACCOUNT_SCORES, BUYING_SIGNALS, CUSTOMER_VALUES, HOT_LEADS, LEAD_SCORES
from streams.tracks import Track, beside

LATEST: Final = (LEAD_SCORES, ACCOUNT_SCORES, CUSTOMER_VALUES)
SAID: Final = (HOT_LEADS, BUYING_SIGNALS)

SAID_BEFORE_MS: Final = 3_600_000
"""How long before the takeover something may have been said that the rebuilt states have not got to yet."""


class _Identified(msgspec.Struct):
    id: str = ""


_decode_id = msgspec.json.Decoder(_Identified).decode


async def fence_rebuild(settings: Settings, track: str, partitions: set[int]) -> None:
    """Make sure that no worker of a rebuild can write to its topics any more."""
    app_id = beside(settings, track).app_id
    await asyncio.gather(*(_fence(settings, f"{app_id}-{partition}") for partition in sorted(partitions)))


async def _fence(settings: Settings, transactional_id: str) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.brokers, transactional_id=transactional_id, retry_backoff_ms=10
    )
    await producer.start()
    await producer.stop()


async def inherit(settings: Settings, publication: Publication, partition: int, ends: dict[str, int]) -> Inheritance:
    """Return what a shard is left by the rebuild that ``publication`` made the one in use.

    ``ends`` is where the topics that everybody reads ended when the shard took over; nothing where it does now. No
    earlier owner of the shard may be able to write.
    """
    ours, theirs = Track(settings.prefix), Track(settings.prefix, beside=publication.track)
    async with _consumer(settings) as consumer:
        if not ends:
            tps = [TopicPartition(ours.name(topic), partition) for topic in LATEST]
            ends = {tp.topic: end for tp, end in (await consumer.end_offsets(tps)).items()}
        records: dict[str, dict[bytes, bytes | None]] = {}
        for topic in LATEST:
            name = ours.name(topic)
            rebuilt: dict[bytes, bytes | None] = {}
            async for record in _read(consumer, TopicPartition(theirs.name(topic), partition)):
                rebuilt[record.key] = record.value
            left: dict[bytes, bytes | None] = {key: value for key, value in rebuilt.items() if value is not None}
            there: dict[bytes, Any] = {}
            async for record in _read(consumer, TopicPartition(name, partition)):
                there[record.key] = record
            for key, record in there.items():
                if record.offset >= ends[name]:
                    left.pop(key, None)  # said anew since, or copied before a restart
                elif record.value is not None:
                    left.setdefault(key, None)  # nobody knows it any more
            records[name] = left
        said: set[str] = set()
        for topic in SAID:
            tp = TopicPartition(ours.name(topic), partition)
            since = await consumer.offsets_for_times({tp: publication.at_ms - SAID_BEFORE_MS})
            if since[tp] is not None:
                said |= {_decode_id(record.value).id async for record in _read(consumer, tp, since[tp].offset)}
    return Inheritance(ends, records, frozenset(said), publication.at_ms)


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.brokers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
        fetch_max_wait_ms=50,  # another partition is read after this one: what a fetch waits for would be waited for
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, tp: TopicPartition, start: int | None = None) -> AsyncIterator[Any]:
    """Yield a partition's records from an offset (None: its beginning) to its end as of now."""
    end = (await consumer.end_offsets([tp]))[tp]
    begin = (await consumer.beginning_offsets([tp]))[tp]
    consumer.assign([tp])
    consumer.seek(tp, begin if start is None else max(begin, start))
    while await consumer.position(tp) < end:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                yield record
