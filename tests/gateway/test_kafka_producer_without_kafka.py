"""The producer while there is no broker: it says so, at once, and neither blocks nor dies."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import OutOfOrderSequenceNumber, ProducerClosed

from scoring.events import Event
from streams.gateway import producer as module
from streams.gateway.producer import BrokerUnavailable, KafkaEventProducer
from streams.settings import Settings
from streams.topics import ACCOUNT_UPDATES, DEAD_LETTERS, EVENT_TOPICS, FOLLOW_UPS

EVENT = Event(id="e-1", type="page_viewed", time=1_767_268_800_000, user_id="42")


def test_it_starts_says_why_it_cannot_write_and_stops():
    async def live(brokers: str) -> None:
        producer = KafkaEventProducer(Settings(brokers=brokers))
        with pytest.raises(BrokerUnavailable, match="not connected yet"):
            await producer.send([EVENT])
        await producer.start()
        await asyncio.sleep(0.2)
        for ask in (producer.check(), producer.send([EVENT]), producer.send_dead_letters([])):
            with pytest.raises(BrokerUnavailable, match=rf"Kafka at {brokers} cannot be reached"):
                await ask
        await producer.stop()
        with pytest.raises(BrokerUnavailable, match="the gateway stops"):
            await producer.send([EVENT])

    with socket.socket() as reserved:  # bound, not listening: nobody answers, and nobody else gets the port
        reserved.bind(("127.0.0.1", 0))
        asyncio.run(live(f"127.0.0.1:{reserved.getsockname()[1]}"))


def test_to_stop_before_the_start_is_no_error():
    asyncio.run(KafkaEventProducer(Settings()).stop())


class Connection:
    """A client of Kafka whose writes end as is said."""

    made: list[Connection]

    def __init__(self, **_: Any) -> None:
        names = {topic.full_name("leadheat") for topic in (*EVENT_TOPICS, ACCOUNT_UPDATES, FOLLOW_UPS, DEAD_LETTERS)}
        self.client = SimpleNamespace(force_metadata_update=self._answer, cluster=SimpleNamespace(topics=lambda: names))
        self.writes: list[asyncio.Future[object]] = []
        self.made.append(self)

    async def _answer(self) -> bool:
        return True

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""

    async def send(self, *_: Any) -> asyncio.Future[object]:
        """Take a record."""
        self.writes.append(asyncio.get_running_loop().create_future())
        return self.writes[-1]


def test_what_fails_on_a_connection_that_was_given_up_does_not_cost_the_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Connection.made = []
    monkeypatch.setattr(module, "AIOKafkaProducer", Connection)
    monkeypatch.setattr(module, "RECONNECT_S", 0.0)

    async def live() -> None:
        producer = KafkaEventProducer(Settings(prefix="leadheat"))
        await producer.start()
        await asyncio.sleep(0.01)
        first, second = (asyncio.create_task(producer.send([EVENT])) for _ in range(2))
        await asyncio.sleep(0.01)
        for write, error in zip(Connection.made[0].writes, (OutOfOrderSequenceNumber(), ProducerClosed()), strict=True):
            write.set_exception(error)
            await asyncio.sleep(0.01)
        for write in (first, second):
            with pytest.raises(BrokerUnavailable):
                await write
        await producer.check()
        await producer.stop()

    asyncio.run(live())
    assert len(Connection.made) == 2
