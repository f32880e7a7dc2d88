"""Child process: the least that anybody could do in Python: read, decode, one decayed sum per lead, in memory.

No output, no state that survives, no exactly-once: the yardstick beside which the worker is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from math import exp2

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.benchmarks.traffic import HALF_LIFE_DAYS, HOT, POINTS


class RawEvent(msgspec.Struct, gc=False):
    """An event as the wire has it."""

    id: str
    type: str
    time: int
    user_id: str | None = None
    email: str | None = None
    anonymous_id: str | None = None
    account_id: str | None = None
    properties: dict[str, object] = {}


def make_consumer(fetch_bytes: int) -> AIOKafkaConsumer:
    """Return a consumer that checks nothing and commits nothing; ``fetch_bytes`` is the most of one partition."""
    return AIOKafkaConsumer(
        bootstrap_servers=os.environ["LEADHEAT_BROKERS"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        check_crcs=False,
        max_partition_fetch_bytes=fetch_bytes,
        isolation_level="read_committed",
    )


def partitions_of(topic: str) -> list[TopicPartition]:
    """Return all partitions of a topic."""
    return [TopicPartition(topic, partition) for partition in range(int(os.environ["LEADHEAT_PARTITIONS"]))]


async def consume(topic: str, count: int) -> dict[str, float]:
    """Read ``count`` events and keep the sums; returns the wall and CPU seconds from the first to the last."""
    consumer = make_consumer(fetch_bytes=8 << 20)
    await consumer.start()
    consumer.assign(partitions_of(topic))
    decode = msgspec.json.Decoder(RawEvent).decode
    rate = 1 / (HALF_LIFE_DAYS * 86_400_000)
    sums: dict[str, tuple[float, int]] = {}
    seen, alerts = 0, 0
    wall, cpu = time.perf_counter(), time.process_time()
    while seen < count:
        fetched = await consumer.getmany(timeout_ms=500)
        for records in fetched.values():
            seen += len(records)
            for record in records:
                event = decode(record.value)
                who = event.user_id or event.email or event.anonymous_id or ""
                value, at = sums.get(who, (0.0, event.time))
                before = value * exp2((at - event.time) * rate)
                after = before + POINTS.get(event.type, 0.0)
                sums[who] = after, event.time
                alerts += before < HOT <= after
    result = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "alerts": alerts}
    await consumer.stop()
    return result


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(consume(sys.argv[1], int(sys.argv[2])))))
