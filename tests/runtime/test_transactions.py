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


async def write_chunks(writer: Writer, settings: Settings) -> None:
    """Write two chunks, up to offset 5 and up to 9, in a transaction each."""
    for number, (first, end) in enumerate([(0, 5), (5, 9)], 1):
        writer.add(chunk(settings, first, end))
        async with asyncio.timeout(10):
            while writer.meta.journal < number:
                await asyncio.sleep(0.01)


async def wait_until_committed(settings: Settings, end: int) -> int:
    """Return what the group has committed, once that is ``end``, or after 5 s: the broker does so after the writer."""
    for _ in range(20):
        if (found := await committed(settings)) == end:
            break
        await asyncio.sleep(TELL_OFFSETS_S / 4)
    return found


@pytest.mark.parametrize(("every_s", "told"), [(3600.0, [5]), (0.0, [5, 9])])
def test_offsets_are_told_no_more_often_than_wanted(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, every_s: float, told: list[int]
) -> None:
    monkeypatch.setattr("streams.runtime.transactions.TELL_OFFSETS_S", every_s)

    async def look() -> list[int]:
        chosen = settings(partitions=1)
        writer = await start_writer(chosen)
        found: list[int] = []
        tell = writer._producer.send_offsets_to_transaction

        async def note_and_tell(offsets: dict[TopicPartition, int], group: str) -> None:
            found.extend(offsets.values())
            await tell(offsets, group)

        monkeypatch.setattr(writer._producer, "send_offsets_to_transaction", note_and_tell)
        try:
            await write_chunks(writer, chosen)
            return list(found)  # before the end, which tells the rest
        finally:
            await writer.stop()

    assert asyncio.run(look()) == told


def test_offsets_are_told_also_when_nothing_follows(settings: Callable[..., Settings]) -> None:
    async def look() -> int:
        chosen = settings(partitions=1)
        writer = await start_writer(chosen)
        try:
            await write_chunks(writer, chosen)
            return await wait_until_committed(chosen, 9)
        finally:
            await writer.stop()

    assert asyncio.run(look()) == 9


def test_a_drained_writer_has_told_all_offsets(settings: Callable[..., Settings]) -> None:
    async def look() -> int:
        chosen = settings(partitions=1)
        writer = await start_writer(chosen)
        for number in range(4):
            writer.add(chunk(chosen, number, number + 1))
            await asyncio.sleep(0.05)
        await writer.stop()
        return await wait_until_committed(chosen, 4)

    assert asyncio.run(look()) == 4
