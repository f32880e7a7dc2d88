"""The traffic that all benchmarks share: a seeded stream of simple events, and the model that scores it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from functools import cache

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from scoring.model import ScoringModel, parse_model
from streams.settings import Settings
from streams.topics import WEB_EVENTS, Topic, create_topics

POINTS = {
    "page_viewed": 1,
    "email_opened": 2,
    "email_clicked": 4,
    "form_submitted": 10,
    "webinar_registered": 25,
    "link_clicked": 6,
    "webinar_attended": 8,
    "file_downloaded": 5,
    "signed_up": 15,
    "screen_viewed": 3,
    "tracked": 2,
    "email_unsubscribed": -5,
}
"""Points by event type: twelve rules, no conditions."""

WEIGHTS = [30, 15, 8, 3, 0.5, 6, 2, 4, 0.7, 14, 15, 1.8]
HALF_LIFE_DAYS = 7
HOT = 50.0
FIRST_MS = 1_767_225_600_000
SPAN_MS = 30 * 86_400_000


def simple_model() -> ScoringModel:
    """Return the simple rule set as a model."""
    return parse_model(simple_model_text(), "simple.yaml")


def simple_model_text() -> str:
    """Return the simple rule set as a model file: every type its points, one half-life, one band."""
    rules = "".join(
        f"  {name}: {{on: {name}, points: {points}, half_life_days: {HALF_LIFE_DAYS}}}\n"
        for name, points in POINTS.items()
    )
    bands = f"bands:\n  hot: {{enter: {HOT}, leave: {HOT * 0.8}, cooldown_h: 0}}\n"
    return f"version: simple\nrules:\n{rules}{bands}alerts: {{max_age_h: 8760}}\n"


def generate_events(count: int, leads: int, seed: int = 7) -> Iterator[tuple[str, bytes]]:
    """Yield (lead id, event as JSON): a few leads are busy, most are seen now and then (Zipf, exponent 0.8)."""
    rng = random.Random(seed)
    weights = [1 / (rank + 1) ** 0.8 for rank in range(leads)]
    who = rng.choices(range(leads), weights, k=count)
    what = rng.choices(list(POINTS), WEIGHTS, k=count)
    when = sorted(rng.randrange(SPAN_MS) for _ in range(count))
    encode = msgspec.json.Encoder().encode
    for number in range(count):
        event = {
            "id": f"{rng.getrandbits(32):08x}-{number & 0xFFFF:04x}-4000-8000-{number:012x}",
            "type": what[number],
            "time": FIRST_MS + when[number],
            "user_id": f"lead-{who[number]:06d}",
            "account_id": f"acct-{who[number] % 5000:05d}",
            "properties": {},
        }
        yield f"user:lead-{who[number]:06d}", encode(event)


@cache
def partition_of(key: str, partitions: int) -> int:
    """Return the partition that Kafka's default partitioner gives to a key."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


async def load_events(settings: Settings, events: list[tuple[str, bytes]], to: Topic = WEB_EVENTS) -> None:
    """Create the topics and write records to one of them, in batches, each to its key's partition."""
    await create_topics(settings)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.brokers, acks="all", max_batch_size=1 << 19, max_request_size=1 << 20
    )
    await producer.start()
    topic = to.full_name(settings.prefix)
    batches = [producer.create_batch() for _ in range(settings.partitions)]
    sent = []
    for key, value in events:
        partition = partition_of(key, settings.partitions)
        if batches[partition].append(key=key.encode(), value=value, timestamp=None) is None:
            sent.append(await producer.send_batch(batches[partition], topic, partition=partition))
            batches[partition] = producer.create_batch()
            batches[partition].append(key=key.encode(), value=value, timestamp=None)
    for partition, batch in enumerate(batches):
        if batch.record_count():
            sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)
    await producer.stop()
