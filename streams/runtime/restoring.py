"""Reads back what shards hold: their changelogs, copied into tables undecoded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.runtime.bare_records import read_bare

_RECORDS: Final = 10_000  # a fetch at a time, so that the loop breathes
_FETCH_BYTES: Final = 4 << 20

Restored = Callable[[int, dict[bytes, bytes], int], Awaitable[None]]
"""Takes a shard's partition, its table, which is whole, and how many records it was made from."""


def committed_consumer(brokers: str) -> AIOKafkaConsumer:
    """Return a consumer of committed records, of no group and without a subscription; it is yet to be started."""
    return AIOKafkaConsumer(
        bootstrap_servers=brokers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES,
        check_crcs=False,
    )


async def copy_changelogs(
    consumer: AIOKafkaConsumer,
    changelog: str,
    bounds: Mapping[int, tuple[int, int]],
    restored: Restored,
) -> None:
    """Copy the changelogs of partitions into tables, and give ``restored`` each as soon as it is whole.

    ``bounds`` are each partition's first offset, and its end, which is the one after the last.
    """
    left = {TopicPartition(changelog, partition) for partition in bounds}
    tables: dict[int, dict[bytes, bytes]] = {partition: {} for partition in bounds}
    counts = dict.fromkeys(bounds, 0)
    read_bare(consumer, [changelog])
    consumer.assign(list(left))
    for tp in left:
        # Not seek_to_beginning: it races with the reset that assign has begun.
        consumer.seek(tp, bounds[tp.partition][0])
    while left:
        for tp in [tp for tp in left if await consumer.position(tp) >= bounds[tp.partition][1]]:
            left.discard(tp)
            await restored(tp.partition, tables.pop(tp.partition), counts[tp.partition])
        if not left:
            break
        for tp, records in (await consumer.getmany(*left, timeout_ms=200, max_records=_RECORDS)).items():
            counts[tp.partition] += len(records)
            _copy(records, tables[tp.partition])


def _copy(records: Sequence[Any], table: dict[bytes, bytes]) -> None:
    for record in records:
        if record.value is None:
            table.pop(record.key, None)
        else:
            table[record.key] = record.value
