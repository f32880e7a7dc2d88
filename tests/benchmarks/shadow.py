"""Child process: a worker, and another one beside it, on the same live events.

``python -m tests.benchmarks.shadow EVENTS PER_S`` prints one JSON line with what an event took each (µs of CPU). Both
score the default model, from when their shards are ready until both have taken all; each event comes when it would.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import ExitStack

from aiokafka import AIOKafkaProducer

from streams.cli.model_beside import read_progress
from streams.reading import partition_of
from streams.settings import Settings, load_settings
from streams.topics import WEB_EVENTS, create_topics
from streams.tracks import WRITTEN, Track, beside
from tests.benchmarks.processes import running
from tests.benchmarks.realistic import mixed_events

TRACK = "shadow-bench"

TURN_S = 0.02
WARM_UP = 0.2
"""Share of the events before the clocks are read: modules are loaded by then, and shards are ready."""


async def send(settings: Settings, events: list[tuple[bytes, bytes]], per_s: float) -> None:
    """Send events at a steady rate."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, acks="all")
    await producer.start()
    topic, started, sent = WEB_EVENTS.full_name(settings.prefix), time.monotonic(), 0
    while sent < len(events):
        due = min(len(events), int((time.monotonic() - started) * per_s) + 1)
        for key, value in events[sent:due]:
            await producer.send(topic, value, key=key, partition=partition_of(key, settings.partitions))
        sent = due
        await asyncio.sleep(TURN_S)
    await producer.stop()


async def measure(settings: Settings, count: int, per_s: float) -> dict[str, float]:
    """Run both, and return what they took."""
    now = int(time.time() * 1000)
    events = []
    for number, (key, value) in enumerate(mixed_events(count, max(1, count // 20))):
        event = json.loads(value) | {"time": now + int(number / per_s * 1000)}
        events.append((key.encode(), json.dumps(event).encode()))
    await create_topics(settings)
    names = Track(settings.prefix, beside=TRACK)
    await create_topics(settings, {names.name(topic): topic for topic in WRITTEN})
    sides = {"worker": settings, "shadow": beside(settings, TRACK)}
    first = int(count * WARM_UP)
    with ExitStack() as stack:
        those = {side: stack.enter_context(running("worker", own)) for side, own in sides.items()}
        await send(settings, events[:first], per_s)
        await _until_taken(settings)
        before = {side: each.cpu_s() for side, each in those.items()}
        await send(settings, events[first:], per_s)
        await _until_taken(settings)
        after = {side: each.cpu_s() for side, each in those.items()}
    return {f"{side}_us": (after[side] - before[side]) / (count - first) * 1e6 for side in sides}


async def _until_taken(settings: Settings) -> None:
    for track in ("", TRACK):
        before = -1
        while True:
            progress = await read_progress(settings, track)
            if progress.has_caught_up and progress.taken == before:
                break
            before = progress.taken
            await asyncio.sleep(1)


def main() -> None:
    """Measure, and print one JSON line."""
    count, per_s = int(sys.argv[1]), float(sys.argv[2])
    print(json.dumps(asyncio.run(measure(load_settings(), count, per_s))))


if __name__ == "__main__":
    main()
