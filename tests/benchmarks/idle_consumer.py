"""Child process: a plain consumer that waits: ``python -m tests.benchmarks.idle_consumer BROKERS TOPIC``."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiokafka import AIOKafkaConsumer


async def wait(brokers: str, topic: str) -> None:
    """Wait for records that do not come."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=brokers, group_id="idle-consumer")
    await consumer.start()
    try:
        await consumer.getone()
    finally:
        await consumer.stop()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(wait(sys.argv[1], sys.argv[2]))
