"""The producer on the real Kafka: what it has acknowledged lies in its topic, under its key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from scoring.account_updates import AccountUpdate, decode_account_update
from streams.gateway.producer import BrokerUnavailable, KafkaEventProducer
from streams.reading import open_topic
from streams.settings import Settings
from streams.topics import ACCOUNT_UPDATES, create_topics

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


async def _is_ready(producer: KafkaEventProducer) -> bool:
    try:
        await producer.check()
    except BrokerUnavailable:
        return False
    return True
