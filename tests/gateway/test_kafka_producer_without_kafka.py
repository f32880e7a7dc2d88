"""The producer while there is no broker: it says so, at once, and neither blocks nor dies."""

from __future__ import annotations

import asyncio
import socket

import pytest

from scoring.events import Event
from streams.gateway.producer import BrokerUnavailable, KafkaEventProducer
from streams.settings import Settings

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
