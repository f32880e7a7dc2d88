"""Fetches are brief while records flow, long while none do, and not made before records are wanted."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import TopicPartition

from streams.runtime.fetch_pace import AHEAD_MAX, LONGEST_MS, MANY, FetchPace

SOURCES = {"web-events"}


class Fetcher:
    """What the pace needs of aiokafka's fetcher."""

    def __init__(self) -> None:
        self._fetch_max_wait_ms = 500
        self._records: dict[TopicPartition, object] = {}
        self.brings = False

    async def _proc_fetch_request(self, *_: object) -> bool:
        return self.brings


class Consumer:
    """A consumer whose fetches bring what the test says."""

    def __init__(self, wait_ms: int = 20) -> None:
        self._fetcher = Fetcher()
        self.pace = FetchPace(self, SOURCES, wait_ms)  # type: ignore[arg-type]
        self.pace.ask()

    def fetch(self, *, brings: bool = False, at_hand: str = "") -> int:
        """Fetch once, and return how long the next fetch waits (ms); records of ``at_hand`` have not been taken."""
        fetcher: Any = self._fetcher
        fetcher.brings = brings
        fetcher._records = {TopicPartition(at_hand, 0): object()} if at_hand else {}
        asyncio.run(fetcher._proc_fetch_request(None, 0, None))
        return int(fetcher._fetch_max_wait_ms)

    async def begin_fetch(self) -> asyncio.Task[bool]:
        """Begin a fetch as aiokafka does, and return what is made of it: nothing yet, if it waits."""
        fetch = asyncio.create_task(self._fetcher._proc_fetch_request(None, 0, None))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return fetch


def test_fetches_wait_longer_and_longer_while_nothing_comes_and_briefly_as_soon_as_something_does() -> None:
    consumer = Consumer()
    assert consumer._fetcher._fetch_max_wait_ms == 20
    assert [consumer.fetch() for _ in range(5)] == [40, 80, 160, LONGEST_MS, LONGEST_MS]
    assert consumer.fetch(brings=True) == 20
    assert consumer.fetch() == 40


def test_a_fetch_that_does_not_ask_for_all_partitions_is_brief() -> None:
    consumer = Consumer()
    assert [consumer.fetch(at_hand="web-events") for _ in range(3)] == [20, 20, 20]
    assert consumer.fetch(at_hand="changelog") == 40


def test_a_longer_wait_that_is_set_is_kept() -> None:
    consumer = Consumer(wait_ms=1000)
    assert [consumer.fetch() for _ in range(2)] == [1000, 1000]


def test_nothing_is_fetched_ahead_but_behind_a_backlog() -> None:
    async def look() -> list[bool]:
        consumer = Consumer()
        found = []
        for records in (1, MANY - 1, MANY, 0):
            consumer.pace.ask()
            consumer.pace.took(records)
            fetch = await consumer.begin_fetch()
            found.append(fetch.done())
            fetch.cancel()
        return found

    assert asyncio.run(look()) == [False, False, True, True]


def test_behind_a_backlog_the_records_of_a_few_partitions_are_fetched_ahead_and_no_more() -> None:
    async def look() -> list[bool]:
        consumer = Consumer()
        found = []
        for partitions in (AHEAD_MAX - 1, AHEAD_MAX):
            consumer.pace.ask()
            consumer.pace.took(MANY)
            fetcher: Any = consumer._fetcher
            fetcher._records = {TopicPartition("web-events", number): object() for number in range(partitions)}
            fetch = await consumer.begin_fetch()
            found.append(fetch.done())
            consumer.pace.ask()  # those at hand are taken now
            await asyncio.wait_for(fetch, 1)
        return found

    assert asyncio.run(look()) == [True, False]


def test_a_fetch_that_waits_is_made_as_soon_as_records_are_wanted() -> None:
    async def look() -> bool:
        consumer = Consumer()
        consumer.pace.took(1)
        fetch = await consumer.begin_fetch()
        consumer.pace.ask()
        await asyncio.wait_for(fetch, 1)
        return fetch.done()

    assert asyncio.run(look())


def test_a_fetch_that_waits_ends_quietly_when_the_consumer_is_closed() -> None:
    async def close() -> bool:
        consumer = Consumer()
        consumer.pace.took(1)
        fetch = await consumer.begin_fetch()
        fetch.cancel()
        return await fetch  # as aiokafka does, without a word

    assert asyncio.run(close()) is False
