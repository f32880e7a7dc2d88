"""Child process: the simple rule set in Faust as its documentation writes it: a record, an agent, a table.

``python -m tests.benchmarks.peers.stock_faust TOPIC COUNT`` prints one JSON line once so many events are scored. It
delivers at least once, and its state is not exact after a crash.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from math import exp2
from pathlib import Path

import faust
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.benchmarks.traffic import HALF_LIFE_DAYS, HOT, POINTS

RATE = 1 / (HALF_LIFE_DAYS * 86_400_000)


class Event(faust.Record, serializer="json"):
    """An event as the wire has it."""

    id: str
    type: str
    time: int
    user_id: str
    account_id: str
    properties: dict[str, str]


async def create_topics(brokers: str, names: list[str], partitions: int) -> None:
    """Create the topics of the app."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1) for name in names])
    finally:
        await admin.close()


def main() -> None:
    """Score, print, end."""
    topic, count = sys.argv[1], int(sys.argv[2])
    name, brokers = f"stock-{os.environ['LEADHEAT_PREFIX']}", os.environ["LEADHEAT_BROKERS"]
    partitions = int(os.environ["LEADHEAT_PARTITIONS"])
    data_dir = Path(os.environ["LEADHEAT_DATA_DIR"]) / name
    data_dir.mkdir(parents=True, exist_ok=True)
    asyncio.run(create_topics(brokers, [f"{name}-alerts", f"{name}-{name}-sums-changelog"], partitions))
    app = faust.App(
        name,
        broker=f"kafka://{brokers}",
        store="memory://",
        topic_partitions=partitions,
        topic_allow_declare=False,  # Kafka 4 no longer understands the request that Faust would send
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
        datadir=data_dir,
    )
    events = app.topic(topic, value_type=Event)
    alerts = app.topic(f"{name}-alerts")
    sums = app.Table(f"{name}-sums", partitions=partitions)
    started: list[float] = []

    @app.agent(events)
    async def score(stream: faust.Stream[Event]) -> None:
        seen = 0
        async for event in stream:
            value, at = sums.get(event.user_id) or (0.0, event.time)
            before = value * exp2((at - event.time) * RATE)
            after = before + POINTS.get(event.type, 0.0)
            sums[event.user_id] = [after, event.time]
            if before < HOT <= after:
                await alerts.send(key=event.user_id, value={"lead": event.user_id, "score": after})
            if not started:
                started.extend((time.perf_counter(), time.process_time()))
                continue
            seen += 1
            if seen == count:
                wall_s, cpu_s = time.perf_counter() - started[0], time.process_time() - started[1]
                print(json.dumps({"events": count, "wall_s": wall_s, "cpu_s": cpu_s}), file=sys.__stdout__, flush=True)
                os._exit(0)

    sys.argv[1:] = ["worker", "--loglevel", "error", "--without-web"]
    app.main()


if __name__ == "__main__":
    main()
