"""Child process: events at a steady rate, a few of which make somebody hot, and how long each alert takes.

``python -m tests.benchmarks.latency_probe RATE SECONDS [alone]`` prints one JSON line with percentiles (ms), from the
moment that an event is handed to the client until its alert, committed, has been read. ``alone`` is Kafka by itself:
what is read is the event.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from statistics import quantiles
from typing import Final

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.clock import now_ms
from streams.settings import Settings, load_settings
from streams.topics import HOT_LEADS, WEB_EVENTS
from tests.benchmarks.realistic import mixed_events
from tests.benchmarks.traffic import partition_of

BEAT_S: Final = 0.005
HOT_PER_S: Final = 50
WARM_UP_S: Final = 3.0
PATIENCE_S: Final = 20.0


async def probe(settings: Settings, rate: float, seconds: float, is_alone: bool) -> dict[str, float]:
    """Send and listen; returns the percentiles of what was sent after the warm-up."""
    sent, took = dict[str, float](), dict[str, float]()
    topic = (WEB_EVENTS if is_alone else HOT_LEADS).full_name(settings.prefix)
    listening = asyncio.create_task(_listen(settings, topic, sent, took))
    await asyncio.sleep(1.0)
    began = time.perf_counter()
    await _send(settings, rate, seconds, sent)
    deadline = time.perf_counter() + PATIENCE_S
    while len(took) < len(sent) and time.perf_counter() < deadline:
        await asyncio.sleep(0.1)
    listening.cancel()
    if lost := len(sent) - len(took):
        raise SystemExit(f"{lost} of {len(sent)} alerts did not come within {PATIENCE_S:.0f} s")
    judged = [ms for name, ms in took.items() if sent[name] - began >= WARM_UP_S]
    cuts = quantiles(judged, n=1000)
    return {"p50": cuts[499], "p99": cuts[989], "p99.9": cuts[998], "alerts": len(judged)}


async def _listen(settings: Settings, topic: str, sent: dict[str, float], took: dict[str, float]) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.brokers, isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, partition) for partition in range(settings.partitions)])
    try:
        while True:
            fetched = await consumer.getmany(timeout_ms=200)
            now = time.perf_counter()
            for records in fetched.values():
                for record in records:
                    lead = record.key.decode()
                    if lead in sent and lead not in took:
                        took[lead] = (now - sent[lead]) * 1000
    finally:
        await consumer.stop()


async def _send(settings: Settings, rate: float, seconds: float, sent: dict[str, float]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, acks="all", max_batch_size=1 << 18)
    await producer.start()
    topic = WEB_EVENTS.full_name(settings.prefix)
    others = list(mixed_events(int(rate * seconds), 20_000))
    acknowledged, given, hot = [], 0, 0
    began = time.perf_counter()
    while given < len(others):
        passed = time.perf_counter() - began
        batches = [producer.create_batch() for _ in range(settings.partitions)]
        until, hot_until = min(len(others), int(passed * rate) + 1), int(passed * HOT_PER_S)
        due = others[given:until]
        for number in range(hot, hot_until):
            due.append(_hand_raise(number))
            sent[due[-1][0]] = time.perf_counter()
        given, hot = until, hot_until
        for key, value in due:
            batches[partition_of(key, settings.partitions)].append(key=key.encode(), value=value, timestamp=None)
        for partition, batch in enumerate(batches):
            if batch.record_count():
                acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.sleep(BEAT_S)
    await asyncio.gather(*acknowledged)
    await producer.stop()


def _hand_raise(number: int) -> tuple[str, bytes]:
    """Return the key and the event of somebody new who asks for a demo."""
    email = f"eager{number}@gmail.com"
    event = {"id": f"h{number}", "type": "form_submitted", "time": now_ms(), "email": email}
    return f"email:{email}", msgspec.json.encode({**event, "properties": {"form": "demo"}})


def main() -> None:
    """Probe, and print one JSON line."""
    rate, seconds, is_alone = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3:] == ["alone"]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(probe(load_settings(), rate, seconds, is_alone))))


if __name__ == "__main__":
    main()
