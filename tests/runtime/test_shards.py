"""Shards in the middle of a rebalance: who owns them when a worker ends, and what becomes of a chunk."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from streams.runtime.chunks import Chunk
from streams.runtime.journal import META_KEY, Meta, encode
from streams.runtime.open_shard import OpenShard
from streams.runtime.shards import Shards
from streams.runtime.transactions import Work
from streams.settings import Settings


class Writers:
    """Counts writers that were started and stopped, in place of those that write to Kafka."""

    def __init__(self) -> None:
        self.started = self.stopped = 0

    def __call__(self, *_: Any, **__: Any) -> Writers:
        return self

    async def start(self) -> None:
        """Count a start."""
        self.started += 1

    async def stop(self) -> None:
        """Count a stop."""
        self.stopped += 1


def make_shards(closes_while_owning: bool, consumer: Any = None) -> Shards:
    """Return shards that own nothing yet; preparing may close them, as the end of a worker does at any moment."""

    async def prepare(partitions: set[int]) -> None:
        if closes_while_owning:
            await shards.close()

    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("is not to be called")

    shards = Shards(
        Settings(),
        sources=["events"],
        changelog="changelog",
        journal="journal",
        open_logic=unused,
        prepare=prepare,
        inherit=unused,
        observer=SimpleNamespace(
            committed=unused, assigned=unused, restored=unused, out_of_order=unused, expired=unused
        ),
        on_failure=unused,
        consumer=unused if consumer is None else lambda: consumer,
        now_s=unused,
    )
    return shards


@pytest.mark.parametrize(("closes_while_owning", "started"), [(True, 2), (False, 0)])
def test_a_rebalance_gives_nothing_to_a_worker_that_has_ended(
    closes_while_owning: bool, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers = Writers()
    monkeypatch.setattr("streams.runtime.shards.Writer", writers)

    async def read_no_bounds(self: Shards, partitions: set[int]) -> None:
        return

    monkeypatch.setattr(Shards, "_read_bounds", read_no_bounds)

    async def rebalance() -> Shards:
        shards = make_shards(closes_while_owning)
        if not closes_while_owning:
            await shards.close()
        await shards.own({0, 1})
        return shards

    shards = asyncio.run(rebalance())
    assert (writers.started, writers.stopped) == (started, started)
    assert [shards.locate("events", partition) for partition in (0, 1)] == [None, None]


class Given:
    """A shard's writer and logic: what was written, and how far a chunk was worked on."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.done = 0
        self.is_adopting = False

    def take(self, topic: str, partition: int, records: Any) -> Any:
        """Work on a chunk in three steps, with pauses."""
        for _ in range(3):
            self.done += 1
            yield
        return Work()

    def renew(self) -> None:
        """There is no other model."""

    def add(self, work: Work) -> None:
        """Note what is written."""
        self.written.append(work)

    async def drain(self) -> None:
        """All is committed."""

    async def wait_for_room(self) -> None:
        """There is room."""


@pytest.mark.parametrize(("drains_after", "done", "written"), [(0, 0, 0), (1, 1, 0), (None, 3, 1)])
def test_a_chunk_is_dropped_while_partitions_are_given_up(
    drains_after: int | None, done: int, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it brings would be written after the last commit, when another worker may have fenced this one."""
    monkeypatch.setattr("streams.runtime.shards._TURN_S", 0.0)
    given = Given()
    chunk = Chunk("events", 0, 0, [SimpleNamespace(offset=0, timestamp=1, timestamp_type=1)], fetch=1)

    async def give_up_meanwhile() -> int:
        shards = make_shards(closes_while_owning=False)
        shard = OpenShard(given, {}, given, Meta(next={"events": 0}), keys_per_turn=1)  # type: ignore[arg-type]
        shards._open[0] = shard
        if drains_after == 0:
            await shards.drain()
        taking = asyncio.create_task(shards.take(chunk))
        while drains_after is not None and given.done < drains_after:
            await asyncio.sleep(0)
        if drains_after:
            await shards.drain()
        await taking
        return shard.next["events"]

    assert asyncio.run(give_up_meanwhile()) == written
    assert (given.done, len(given.written)) == (done, written)


def test_a_shard_that_is_restored_while_partitions_are_given_up_is_not_published() -> None:
    """To open it may write what its logic remembers, and another worker may have fenced this one."""

    async def give_up_meanwhile() -> int | None:
        shards = make_shards(closes_while_owning=False)
        await shards.drain()
        await shards._finish_restore(0.0, 0, {META_KEY: encode(Meta(is_settled=True))}, 1)
        return shards.locate("events", 0)

    assert asyncio.run(give_up_meanwhile()) is None


@pytest.mark.parametrize("is_lost", [False, True])
def test_nothing_is_fetched_until_every_chunk_that_was_handed_on_is_done_with_or_lost(
    is_lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.runtime.shards._LOST_AFTER_S", 0.05)
    chunks = [
        Chunk("events", partition, 0, [SimpleNamespace(offset=0, timestamp=1, timestamp_type=1)], fetch=1)
        for partition in (0, 1)
    ]

    async def hand_on() -> list[bool]:
        consumer = SimpleNamespace(delivered=lambda topic, partition: (1, 1))
        shards = make_shards(closes_while_owning=False, consumer=consumer)
        for partition in (0, 1):
            given: Any = Given()
            shards._open[partition] = OpenShard(given, {}, given, Meta(next={"events": 0}), keys_per_turn=1)
        fetching = asyncio.create_task(shards.until_idle())
        waited = []
        for chunk in chunks[: 1 if is_lost else 2]:
            await asyncio.sleep(0)
            waited.append(not fetching.done())
            await shards.take(chunk)
        async with asyncio.timeout(5):
            await fetching
        return waited

    assert all(asyncio.run(hand_on()))
