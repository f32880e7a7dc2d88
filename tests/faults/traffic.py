"""Seeded traffic through both ways in, Kafka and HTTP, and what of it has been accepted."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.reading import partition_of
from streams.settings import Settings
from streams.topics import EMAIL_EVENTS, WEB_EVENTS

DAY_MS = 86_400_000
SPAN_DAYS = 20
HTTP_EVENTS = 20
"""Events of one request, and records that are sent to Kafka together."""
HTTP_SHARE = 0.3
HTTP_AT_ONCE = 16
ANONYMOUS_SHARE = 0.15
PAUSE_S = 0.5

Event = dict[str, Any]


@dataclass(frozen=True)
class Sending:
    """One record to be sent: an event, or bytes that are none."""

    key: bytes
    value: bytes | None
    topic: str
    event: Event | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    is_usable: bool = True


def make_events(name: str, count: int, leads: int, last_ms: int, rng: random.Random) -> Iterator[Event]:
    """Yield events of ``leads`` people whose names begin with ``name``, over 20 days before ``last_ms``, in order.

    Some are anonymous at first, with a cookie that an address is shown with later.
    """
    for number in range(count):
        who = min(leads - 1, int(rng.expovariate(3 / leads)))
        kind = rng.choices(
            ["page_viewed", "form_submitted", "email_clicked", "email_replied", "email_unsubscribed"],
            [70, 6, 18, 3, 3],
        )[0]
        event: Event = {
            "id": f"{name}-{number}",
            "type": kind,
            "time": last_ms - int((count - number) / count * SPAN_DAYS * DAY_MS) - rng.randrange(60_000),
            "email": f"{name}p{who}@company{who % 7}.com",
            "properties": {
                "path": rng.choice(["/", "/blog", "/pricing", "/about"]),
                "form": rng.choice(["demo", "contact", "newsletter"]),
                "link": f"l{rng.randrange(5)}",
            },
        }
        if kind == "page_viewed" and who % 5 == 0 and rng.random() < ANONYMOUS_SHARE * 5:
            event["anonymous_id"] = f"{name}c{who}"
            if rng.random() < 0.8:
                del event["email"]
        yield event


def to_sending(event: Event, settings: Settings) -> Sending:
    """Return the record of an event, keyed as the gateway would."""
    topic = EMAIL_EVENTS if event["type"].startswith("email") else WEB_EVENTS
    key = f"email:{event['email']}" if "email" in event else f"anon:{event['anonymous_id']}"
    return Sending(key.encode(), json.dumps(event).encode(), topic.full_name(settings.prefix), event)


@dataclass
class Sender:
    """Sends through Kafka and the gateway until everything has been accepted, whatever is away meanwhile.

    What is not acknowledged is sent again, as any client would: so some of it arrives twice.
    """

    settings: Settings
    rng: random.Random
    accepted: set[str] = field(default_factory=set)
    """Ids of the events that the gateway or the broker has acknowledged."""
    sent: int = 0
    unusable: int = 0
    """Acknowledged records that are no events: each of them is to become a dead letter."""
    refused: int = 0
    """Requests that were answered by something other than 2xx, or not at all."""
    _at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(HTTP_AT_ONCE))

    async def send(self, sendings: Iterable[Sending], per_second: float, http_share: float = HTTP_SHARE) -> None:
        """Send at a steady pace; returns when all is acknowledged."""
        loop = asyncio.get_running_loop()
        started, handed = loop.time(), 0
        batch: list[Sending] = []
        # What waits for a connection waits here: a pool on which hundreds wait does nothing but look through them.
        limits = httpx.Limits(max_connections=HTTP_AT_ONCE, max_keepalive_connections=HTTP_AT_ONCE)
        async with (
            httpx.AsyncClient(trust_env=False, timeout=15, base_url=self._gateway, limits=limits) as client,
            _Kafka(self.settings) as kafka,
            asyncio.TaskGroup() as under_way,
        ):
            for sending in sendings:
                batch.append(sending)
                if len(batch) < HTTP_EVENTS:
                    continue
                handed += len(batch)
                self._begin(under_way, client, kafka, batch, http_share)
                batch = []
                await asyncio.sleep(max(0.0, started + handed / per_second - loop.time()))
            if batch:
                self._begin(under_way, client, kafka, batch, http_share)

    @property
    def _gateway(self) -> str:
        return f"http://127.0.0.1:{self.settings.gateway_port}"

    def _begin(
        self, group: asyncio.TaskGroup, client: httpx.AsyncClient, kafka: _Kafka, batch: list[Sending], share: float
    ) -> None:
        fits_http = all(each.event is not None and each.is_usable and not each.headers for each in batch)
        if fits_http and self.rng.random() < share:
            group.create_task(self._send_by_http(client, batch))
        else:
            group.create_task(self._send_by_kafka(kafka, batch))

    async def _send_by_http(self, client: httpx.AsyncClient, batch: list[Sending]) -> None:
        body = json.dumps({"events": [each.event for each in batch]})
        while True:
            with suppress(httpx.TransportError):
                async with self._at_once:
                    answer = await client.post("/v1/events", content=body, headers={"content-type": "application/json"})
                if answer.is_success:
                    self._note(batch)
                    return
                if answer.status_code == 400:
                    raise AssertionError(f"the gateway refuses: {answer.text[:500]}")
            self.refused += 1
            await asyncio.sleep(PAUSE_S)

    async def _send_by_kafka(self, kafka: _Kafka, batch: list[Sending]) -> None:
        for each in batch:
            await kafka.send(each)
        self._note(batch)

    def _note(self, batch: list[Sending]) -> None:
        self.sent += len(batch)
        self.unusable += sum(not each.is_usable for each in batch)
        self.accepted.update(each.event["id"] for each in batch if each.event is not None and each.is_usable)


class _Kafka:
    """A producer that is made anew when the broker was away for too long."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> _Kafka:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._drop(self._producer)

    async def send(self, each: Sending) -> None:
        """Send a record, and return when the broker has it."""
        while True:
            producer = None
            try:
                producer = await self._connected()
                partition = partition_of(each.key, self._settings.partitions)
                sent = await producer.send(
                    each.topic, each.value, key=each.key, partition=partition, headers=list(each.headers)
                )
                await sent
                return
            except (KafkaError, OSError):
                await self._drop(producer)
                await asyncio.sleep(PAUSE_S)

    async def _connected(self) -> AIOKafkaProducer:
        async with self._turn:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._settings.brokers, acks="all", linger_ms=2, max_request_size=4 << 20
                )
                try:
                    await producer.start()
                except (KafkaError, OSError):
                    await producer.stop()
                    await asyncio.sleep(PAUSE_S)  # the others wait for their turn: one attempt at a time is enough
                    raise
                self._producer = producer
            return self._producer

    async def _drop(self, producer: AIOKafkaProducer | None) -> None:
        async with self._turn:
            if producer is not None and producer is self._producer:
                self._producer = None
                with suppress(KafkaError, OSError, asyncio.CancelledError):
                    await producer.stop()
