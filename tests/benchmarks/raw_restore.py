"""Child process: the least that a restore could be: a topic's records copied into a dictionary.

``python -m tests.benchmarks.raw_restore TOPIC COUNT`` prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import psutil
import uvloop

from tests.benchmarks.raw_consumer import make_consumer, partitions_of


async def copy(topic: str, count: int) -> dict[str, float]:
    """Copy so many records, and return what it took."""
    consumer = make_consumer(fetch_bytes=4 << 20)
    await consumer.start()
    process = psutil.Process()
    rss, wall, cpu = process.memory_info().rss, time.perf_counter(), time.process_time()
    consumer.assign(partitions_of(topic))
    held: dict[bytes, bytes] = {}
    while len(held) < count:
        for records in (await consumer.getmany(timeout_ms=500, max_records=10_000)).values():
            for record in records:
                held[record.key] = record.value
    result = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    result["rss_bytes"] = process.memory_info().rss - rss
    await consumer.stop()
    return result


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(copy(sys.argv[1], int(sys.argv[2])))))
