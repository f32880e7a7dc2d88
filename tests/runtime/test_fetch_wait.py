"""Fetches are brief while records flow, and long while none do."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import TopicPartition

from streams.runtime.fetch_wait import LONGEST_MS, wait_longer_while_quiet

SOURCES = {"web-events"}


class Fetcher:
    """What the waits need of aiokafka's fetcher."""

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
        wait_longer_while_quiet(self, SOURCES, wait_ms)

    def fetch(self, *, brings: bool = False, at_hand: str = "") -> int:
        """Fetch once, and return how long the next fetch waits (ms); records of ``at_hand`` have not been taken."""
        fetcher: Any = self._fetcher
        fetcher.brings = brings
        fetcher._records = {TopicPartition(at_hand, 0): object()} if at_hand else {}
        asyncio.run(fetcher._proc_fetch_request(None, 0, None))
        return int(fetcher._fetch_max_wait_ms)


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


def test_waits_are_put_on_once() -> None:
    consumer = Consumer()
    wait_longer_while_quiet(consumer, SOURCES, 20)
    assert consumer.fetch() == 40
