"""When a consumer fetches, and how long a fetch waits at the broker for records.

aiokafka fetches ahead: as soon as records are taken, it asks for the next ones, which then lie at hand until those that
were taken are done with. Behind a backlog that saves time. Otherwise it makes records old: what comes right after such
a fetch waits for the next one, and that one for its turn. So a fetch waits until records are asked for, unless the last
ones were many, and those at hand are of a few partitions only: each may take 50 MB.

A broker is asked for one fetch at a time, and only for partitions without records at hand. So right after records came,
a fetch must be brief: it holds up those that it did not ask for. One that asks for all partitions holds up nobody, as
the first record ends it; brief fetches are then only work, and were most of what an idle worker did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

LONGEST_MS: Final = 250
"""A fetch waits for no longer: partitions that are assigned or resumed meanwhile wait for its end."""

MANY: Final = 5_000
"""Records that were taken at once: a backlog."""

AHEAD_MAX: Final = 4
"""Partitions with records at hand from which on nothing more is fetched ahead: memory has an end."""


class FetchPace:
    """The pace of a started consumer's fetches.

    They wait ``wait_ms``, and twice as long after each that brought no records. Only ``topics`` count: of others,
    records may lie at hand that nobody takes.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topics: Collection[str], wait_ms: int) -> None:
        self._fetcher: Any = consumer._fetcher
        self._topics, self._wait_ms = topics, wait_ms
        self._is_wanted = asyncio.Event()
        self._fetch_now = self._fetcher._proc_fetch_request
        self._fetcher._proc_fetch_request = self._fetch
        self._fetcher._fetch_max_wait_ms = wait_ms

    def ask(self) -> None:
        """Say that records are wanted now."""
        self._is_wanted.set()

    def took(self, records: int) -> None:
        """Say how many records were taken: more of them are wanted at once only if they were many."""
        if 0 < records < MANY:
            self._is_wanted.clear()

    async def _fetch(self, *request: Any) -> bool:
        if self._count_at_hand() >= AHEAD_MAX:
            self._is_wanted.clear()
        try:
            await self._is_wanted.wait()
        except asyncio.CancelledError:
            return False  # as aiokafka's own does, whoever cancels it waits for that
        has_records: bool = await self._fetch_now(*request)
        fetcher = self._fetcher
        is_quiet = not has_records and not self._count_at_hand()
        fetcher._fetch_max_wait_ms = next_wait_ms(fetcher._fetch_max_wait_ms, self._wait_ms, is_quiet=is_quiet)
        return has_records

    def _count_at_hand(self) -> int:
        return sum(tp.topic in self._topics for tp in self._fetcher._records)


def next_wait_ms(waited_ms: int, wait_ms: int, *, is_quiet: bool) -> int:
    """Return how long the next fetch waits (ms), where ``wait_ms`` is the shortest.

    >>> next_wait_ms(20, 20, is_quiet=True), next_wait_ms(200, 20, is_quiet=True), next_wait_ms(250, 20, is_quiet=False)
    (40, 250, 20)
    """
    return max(wait_ms, min(2 * waited_ms, LONGEST_MS)) if is_quiet else wait_ms
