"""Notices a worker that stands still: records wait, and for a long time nothing has been worked on or committed.

A process that hangs holds its partitions for ever, since its heartbeats go on. It is better gone: a supervisor starts
it afresh from what is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

MARKS_PER_PARTITION = 4
"""Offsets behind the last record that nobody waits for: each shard that writes to a partition may leave some."""

_LOOKS = 4  # in the time after which a worker counts as stuck

log = structlog.get_logger(__name__)


class StuckError(Exception):
    """A worker has stood still although records wait."""


async def watch_progress(
    progress: Callable[[], object],
    continues: Callable[[], Mapping[TopicPartition, int]],
    new_consumer: Callable[[], AIOKafkaConsumer],
    stuck_after_s: float,
    now_s: Callable[[], float],
) -> None:
    """Raise :class:`StuckError` once ``progress()`` has stayed the same for ``stuck_after_s`` while records waited.

    ``continues`` says at which offset each partition of the sources will be gone on with. A broker that does not answer
    is no reason to end: then nobody could go on.
    """
    seen, since = progress(), now_s()
    while True:
        await asyncio.sleep(stuck_after_s / _LOOKS)
        if (latest := progress()) != seen:
            seen, since = latest, now_s()
        elif now_s() - since >= stuck_after_s:
            waiting = await _count_waiting(continues(), new_consumer)
            if waiting:
                raise StuckError(f"nothing was done for {now_s() - since:.0f} s, and {waiting} records wait")
            since = now_s()


async def _count_waiting(continues: Mapping[TopicPartition, int], new_consumer: Callable[[], AIOKafkaConsumer]) -> int:
    """Return how many records wait; 0 where that cannot be known."""
    if not continues:
        return 0
    consumer = new_consumer()
    try:
        await consumer.start()
        ends = await consumer.end_offsets(list(continues))
    except (KafkaError, OSError):
        log.warning("cannot ask what waits", exc_info=True)
        return 0
    finally:
        await consumer.stop()
    marks = MARKS_PER_PARTITION * len({tp.partition for tp in continues})
    return sum(max(0, end - continues[tp]) for tp, end in ends.items() if end - continues[tp] > marks)
