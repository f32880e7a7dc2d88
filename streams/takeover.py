"""How the running shards take over states that were rebuilt beside them, and what they found is made known.

The rebuild has written its scores into topics of its own. Once its states are those of a running shard, these go where
everybody reads, but for those that the shard has said anew since; what only the states before had is deleted there.
Alerts and signals that were said before are not said again: they have the same ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.published_models import Publication
from streams.runtime.inheritance import Inheritance
from streams.settings import Settings
from streams.topics import ACCOUNT_SCORES, BUYING_SIGNALS, CUSTOMER_VALUES, HOT_LEADS, LEAD_SCORES, Topic
from streams.tracks import Track, beside

LATEST: Final = (LEAD_SCORES, ACCOUNT_SCORES, CUSTOMER_VALUES)
SAID: Final = (HOT_LEADS, BUYING_SIGNALS)

SAID_BEFORE_MS: Final = 3_600_000
"""How long before the takeover something may have been said that the rebuilt states have not got to yet."""


_READ_RECORDS: Final = 10_000  # unpacked in one go, while other shards' chunks wait
_LOOK_MS: Final = 20
"""A fetch that meets nothing but marks of transactions returns nothing: then positions are looked at again."""


class _There(NamedTuple):
    """The last record of a key in a topic that everybody reads."""

    offset: int
    is_gone: bool


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
    of_ours = {TopicPartition(ours.name(topic), partition): topic for topic in LATEST}
    of_theirs = {TopicPartition(theirs.name(topic), partition): topic for topic in LATEST}
    of_said = [TopicPartition(ours.name(topic), partition) for topic in SAID]
    there: dict[Topic, dict[bytes, _There]] = {topic: {} for topic in LATEST}
    rebuilt: dict[Topic, dict[bytes, bytes | None]] = {topic: {} for topic in LATEST}
    said: set[str] = set()
    async with _consumer(settings) as consumer:
        if not ends:
            ends = {tp.topic: end for tp, end in (await consumer.end_offsets(list(of_ours))).items()}
        starts = dict.fromkeys([*of_ours, *of_theirs], 0)
        since = await consumer.offsets_for_times(dict.fromkeys(of_said, publication.at_ms - SAID_BEFORE_MS))
        starts |= {tp: found.offset for tp, found in since.items() if found is not None}
        async for tp, record in _read(consumer, starts):
            if tp in of_ours:
                there[of_ours[tp]][record.key] = _There(record.offset, is_gone=record.value is None)
            elif tp in of_theirs:
                rebuilt[of_theirs[tp]][record.key] = record.value
            else:
                said.add(_decode_id(record.value).id)
    records = {ours.name(topic): _left(rebuilt[topic], there[topic], ends[ours.name(topic)]) for topic in LATEST}
    return Inheritance(ends, records, frozenset(said), publication.at_ms)


def _left(rebuilt: dict[bytes, bytes | None], there: dict[bytes, _There], end: int) -> dict[bytes, bytes | None]:
    """Return what is still to be written to a topic that ended at ``end`` when its states were taken over."""
    left: dict[bytes, bytes | None] = {key: value for key, value in rebuilt.items() if value is not None}
    for key, record in there.items():
        if record.offset >= end:
            left.pop(key, None)  # said anew since, or copied before a restart
        elif not record.is_gone:
            left.setdefault(key, None)  # nobody knows it any more
    return left


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.brokers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
        fetch_max_wait_ms=_LOOK_MS,
        retry_backoff_ms=10,  # each topic that is new to a client costs one
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int]
) -> AsyncIterator[tuple[TopicPartition, Any]]:
    """Yield the records of partitions, each from its start (an offset) to its end as of now."""
    tps = list(starts)
    ends, begins = await consumer.end_offsets(tps), await consumer.beginning_offsets(tps)
    consumer.assign(tps)
    for tp, start in starts.items():
        consumer.seek(tp, max(begins[tp], start))
    while any([await consumer.position(tp) < end for tp, end in ends.items()]):
        for tp, records in (await consumer.getmany(timeout_ms=_LOOK_MS, max_records=_READ_RECORDS)).items():
            for record in records:
                yield tp, record
