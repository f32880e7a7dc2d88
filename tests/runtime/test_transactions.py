"""A writer's group offsets: for lag tools, a second behind at most, and not behind at all once it has been drained."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.runtime.journal import ChunkRange, Meta
from streams.runtime.transactions import TELL_OFFSETS_S, Work, Writer
from streams.settings import Settings
from streams.topics import CHANGELOG, JOURNAL, WEB_EVENTS, create_topics

pytestmark = pytest.mark.kafka


async def committed(settings: Settings) -> int:
    """Return up to where the group has read partition 0 of web-events, as a lag tool sees it; -1: not at all."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(settings.app_id)
    finally:
        await admin.close()
    place = TopicPartition(WEB_EVENTS.full_name(settings.prefix), 0)
    return found[place].offset if place in found else -1


async def start_writer(settings: Settings) -> Writer:
    await create_topics(settings)
    writer = Writer(
        0,
        settings,
        changelog=CHANGELOG.full_name(settings.prefix),
        journal=JOURNAL.full_name(settings.prefix),
        on_commit=lambda done: None,
        on_failure=lambda partition, error: pytest.fail(str(error)),
    )
    await writer.start()
    writer.open(Meta(), 0)
    return writer


def chunk(settings: Settings, first: int, end: int) -> Work:
    return Work(steps=[ChunkRange(WEB_EVENTS.full_name(settings.prefix), first, end)])


async def wait_until_written(writer: Writer, journal: int) -> None:
    async with asyncio.timeout(10):
        while writer.meta.journal < journal:
            await asyncio.sleep(0.01)


def test_offsets_are_told_once_a_second_also_when_nothing_follows(settings: Callable[..., Settings]) -> None:
    async def look() -> list[int]:
        chosen = settings(partitions=1)
        writer = await start_writer(chosen)
        try:
            found = []
            for number, (first, end) in enumerate([(0, 5), (5, 9)], 1):
                writer.add(chunk(chosen, first, end))
                await wait_until_written(writer, number)
                found.append(await committed(chosen))
            await asyncio.sleep(TELL_OFFSETS_S + 0.5)
            return [*found, await committed(chosen)]
        finally:
            await writer.stop()

    first, soon, later = asyncio.run(look())
    assert first == 5
    assert soon in (5, 9)  # on a slow machine a second has passed
    assert later == 9


def test_a_drained_writer_has_told_all_offsets(settings: Callable[..., Settings]) -> None:
    async def look() -> int:
        chosen = settings(partitions=1)
        writer = await start_writer(chosen)
        for number in range(4):
            writer.add(chunk(chosen, number, number + 1))
            await asyncio.sleep(0.05)
        await writer.stop()
        return await committed(chosen)

    assert asyncio.run(look()) == 4
