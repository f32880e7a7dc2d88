"""Seeded traffic for end-to-end tests: both event topics, with late, repeated and unusable records among it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from streams.settings import Settings
from streams.topics import EMAIL_EVENTS, WEB_EVENTS

DAY_MS = 86_400_000
SPAN_DAYS = 30


@dataclass(frozen=True)
class Message:
    """One record to be sent."""

    topic: str
    key: bytes
    value: bytes


def generate(count: int, leads: int, last_ms: int, seed: int, prefix: str) -> Iterator[Message]:
    """Yield ``count`` records about ``leads`` people over 30 days before ``last_ms``, roughly in order of time.

    One in 25 repeats an earlier event, one in 20 is up to 3 days late, one in 500 cannot be scored.
    """
    rng = random.Random(seed)
    topics = {True: EMAIL_EVENTS.full_name(prefix), False: WEB_EVENTS.full_name(prefix)}
    recent: list[Message] = []
    for number in range(count):
        if recent and rng.random() < 0.04:
            yield rng.choice(recent)
            continue
        lead = f"p{min(leads - 1, int(rng.expovariate(3 / leads)))}@example.com"
        kind = rng.choices(
            ["page_viewed", "form_submitted", "email_clicked", "email_replied", "email_unsubscribed"],
            [70, 6, 18, 3, 3],
        )[0]
        time = last_ms - int((count - number) / count * SPAN_DAYS * DAY_MS) - rng.randrange(60_000)
        if rng.random() < 0.05:
            time -= rng.randrange(3 * DAY_MS)
        event = {
            "id": f"e{number}",
            "type": kind,
            "time": time,
            "email": lead,
            "properties": {
                "path": rng.choice(["/", "/blog", "/pricing", "/about"]),
                "form": rng.choice(["demo", "contact", "newsletter"]),
                "link": f"l{rng.randrange(5)}",
            },
        }
        value = json.dumps(event).encode()
        if rng.random() < 0.002:
            value = rng.choice([b"", b"{", b"[]", value[:-9], value.replace(b'"id"', b'"no"'), b"\xff\xfe"])
        message = Message(topics[kind.startswith("email")], f"email:{lead}".encode(), value)
        recent = [*recent[-200:], message]
        yield message


async def send(settings: Settings, messages: Iterator[Message], per_second: int) -> int:
    """Write the records to their keys' partitions at a steady pace; returns how many."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, acks="all", linger_ms=5, enable_idempotence=True)
    await producer.start()
    loop = asyncio.get_running_loop()
    started, sent = loop.time(), 0
    try:
        for message in messages:
            partition = (murmur2(message.key) & 0x7FFFFFFF) % settings.partitions
            await producer.send(message.topic, message.value, key=message.key, partition=partition)
            sent += 1
            if sent % 200 == 0:
                await asyncio.sleep(max(0.0, started + sent / per_second - loop.time()))
    finally:
        await producer.stop()
    return sent
