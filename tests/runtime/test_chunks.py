"""Where a chunk begins: where the one before it ended, whatever lies between them that is no record."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka as driver

from streams.runtime import chunks

TP = TopicPartition("routed", 0)


class Fetches:
    """A consumer that returns these offsets, one fetch after the other, and then stands at these positions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *fetched: tuple[list[int], int]) -> None:
        self._fetched = iter(fetched)
        self._position = 0
        self.thread = chunks._ChunkThread.__new__(chunks._ChunkThread)
        self.thread._skipped, self.thread._sought, self.thread._fetches = {}, {}, 0
        self.thread.read_until, self.thread.delivered = {}, {}
        self.thread._pace = SimpleNamespace(ask=lambda: None, took=lambda records: None)
        self.thread.consumer = SimpleNamespace(is_source=lambda topic: True, chunk_records=2)
        monkeypatch.setattr(chunks, "_positions", lambda consumer: {TP: self._position})
        monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", self._fetch)

    async def _fetch(self, *_: Any) -> dict[TopicPartition, list[Any]]:
        offsets, self._position = next(self._fetched)
        records = [SimpleNamespace(offset=offset, timestamp=0, timestamp_type=1) for offset in offsets]
        return {TP: records} if records else {}

    def next(self) -> list[tuple[int, int]]:
        """Return where the chunks of the next fetch begin and end."""
        consumer = SimpleNamespace(last_stable_offset=lambda tp: None, last_poll_timestamp=lambda tp: None)
        fetched = asyncio.run(self.thread._fetch_records(consumer, {TP}))
        return [(chunk.start, chunk.end) for chunk in fetched.get(TP, [])]


def test_a_chunk_begins_where_the_one_before_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    fetches = Fetches(monkeypatch, ([0, 1, 2], 3), ([3], 4))
    assert [fetches.next(), fetches.next()] == [[(0, 2), (2, 3)], [(3, 4)]]


def test_the_mark_of_a_transaction_behind_its_records_is_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    fetches = Fetches(monkeypatch, ([0, 1], 3), ([3], 5), ([5], 6))
    assert [fetches.next() for _ in range(3)] == [[(0, 2)], [(2, 4)], [(4, 6)]]


def test_a_fetch_of_marks_alone_is_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    fetches = Fetches(monkeypatch, ([0], 2), ([], 7), ([], 9), ([9], 10))
    assert [fetches.next() for _ in range(4)] == [[(0, 1)], [], [], [(1, 10)]]


def test_records_that_were_lost_are_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    fetches = Fetches(monkeypatch, ([0], 1), ([1], 2))
    fetches.next()
    fetches._position = 5  # somebody has moved it: what lies between was never returned
    ((start, _),) = fetches.next()
    assert start == 5
