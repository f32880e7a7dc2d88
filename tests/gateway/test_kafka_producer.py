"""The producer on the real Kafka: what it has acknowledged lies in its topic, under its key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from scoring.account_updates import AccountUpdate, decode_account_update
from scoring.events import Event
from streams.gateway.producer import BrokerUnavailable, KafkaEventProducer
from streams.reading import open_topic, partition_of
from streams.settings import Settings
from streams.topics import ACCOUNT_UPDATES, EMAIL_EVENTS, WEB_EVENTS, create_topics

AT = 1_767_268_800_000


@pytest.mark.kafka
def test_account_updates_lie_in_their_topic_keyed_by_account(settings: Callable[..., Settings]) -> None:
    ours = settings(partitions=2)
    updates = [
        AccountUpdate(id="u-1", type="account_updated", time=AT, domain="www.acme.com", facts={"employees": 120}),
        AccountUpdate(id="u-2", type="funding", time=AT, account_id="42", domain="acme.com"),
    ]

    async def write_and_read() -> list[tuple[bytes, AccountUpdate]]:
        await create_topics(ours)
        producer = KafkaEventProducer(ours)
        await producer.start()
        try:
            async with asyncio.timeout(20):
                while not await _is_ready(producer):
                    await asyncio.sleep(0.1)
            await producer.send_account_updates(updates)
        finally:
            await producer.stop()
        async with open_topic(ours.brokers, ACCOUNT_UPDATES.full_name(ours.prefix)) as reader:
            return [(record.key, decode_account_update(record.value, AT)) async for record in reader.read_to_end()]

    found = sorted(asyncio.run(write_and_read()), key=lambda pair: pair[1].id)
    assert found == [(b"domain:acme.com", updates[0]), (b"account:42", updates[1])]


@pytest.mark.kafka
def test_many_events_lie_by_lead_in_the_order_in_which_they_were_sent(settings: Callable[..., Settings]) -> None:
    ours = settings(partitions=3)
    events = [
        Event(
            id=f"e-{number}",
            type="email_clicked" if number % 3 else "page_viewed",
            time=AT,
            user_id=str(number % 40),
            properties={"text": "x" * (30_000 if number % 50 == 0 else 10)},
        )
        for number in range(600)
    ]

    async def write_and_read() -> list[list[Any]]:
        await create_topics(ours)
        producer = KafkaEventProducer(ours)
        await producer.start()
        try:
            async with asyncio.timeout(20):
                while not await _is_ready(producer):
                    await asyncio.sleep(0.1)
            await asyncio.gather(producer.send(events[:300]), producer.send(events[300:]))
        finally:
            await producer.stop()
        found = []
        for topic in (WEB_EVENTS, EMAIL_EVENTS):
            async with open_topic(ours.brokers, topic.full_name(ours.prefix)) as reader:
                found.append([record async for record in reader.read_to_end()])
        return found

    web, email = asyncio.run(write_and_read())
    assert (len(web), len(email)) == (200, 400)
    for record in (*web, *email):
        assert record.partition == partition_of(record.key, 3)
    for half in (range(300), range(300, 600)):
        for lead in (b"user:0", b"user:1"):
            ids = [json.loads(record.value)["id"] for record in email if record.key == lead]
            sent = [event.id for event in events if event.lead_id.encode() == lead and event.type == "email_clicked"]
            assert sorted(ids) == sorted(sent)
            ours_of_half = [each for each in ids if int(each[2:]) in half]
            assert ours_of_half == sorted(ours_of_half, key=lambda each: int(each[2:]))


async def _is_ready(producer: KafkaEventProducer) -> bool:
    try:
        await producer.check()
    except BrokerUnavailable:
        return False
    return True
