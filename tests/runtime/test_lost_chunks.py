"""What is asked for again: chunks that Faust dropped, and none that only waits behind another one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from streams.runtime.chunks import Chunk
from streams.runtime.lost_chunks import LostChunks

SOURCES = ("web", "mail")


class World:
    """A worker with two shards that have read nothing yet, and what is asked for again."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.handed_on: dict[tuple[str, int], tuple[int, int]] = {}
        self.shards: dict[int, Any] = {
            partition: SimpleNamespace(next=dict.fromkeys(SOURCES, 0), sought={}) for partition in (0, 1)
        }
        self.now_s = 0.0
        consumer: Any = SimpleNamespace(
            delivered=lambda topic, partition: self.handed_on.get((topic, partition), (0, 0)),
            seek_to_next=self._seek,
        )
        self.lost = LostChunks(SOURCES, lambda: consumer, lambda topic, what: None, lambda: self.now_s)

    async def _seek(self, sources: list[tuple[str, int]]) -> None:
        self.asked += sources

    def hand_on(self, topic: str, partition: int, end: int, fetch: int) -> Chunk:
        """Return a chunk that the consumer hands on."""
        self.handed_on[topic, partition] = end, fetch
        return Chunk(topic, partition, 0, [SimpleNamespace(offset=end - 1, timestamp=0, timestamp_type=0)], fetch)

    def take(self, chunk: Chunk) -> None:
        """Work a chunk off."""
        with self.lost.taking(chunk):
            self.shards[chunk.partition].next[chunk.topic] = chunk.end

    def look(self) -> list[tuple[str, int]]:
        """Let a second pass and look; return what is asked for again."""
        self.now_s += 1.0
        self.asked = []
        asyncio.run(self.lost.look(self.shards))
        return self.asked


@pytest.fixture
def world() -> World:
    """Return a world where nothing has happened."""
    return World()


def test_a_chunk_that_waits_behind_one_that_takes_long_is_not_asked_for_again(world: World) -> None:
    first, _ = world.hand_on("web", 0, 10, fetch=1), world.hand_on("web", 1, 10, fetch=1)
    with world.lost.taking(first):
        assert world.look() == []
        assert world.look() == [], "it is still being worked on"
        world.shards[0].next["web"] = 10
    assert world.look() == [], "it has only just been done with"


def test_a_chunk_that_nothing_comes_behind_is_asked_for_again_after_a_second_of_silence(world: World) -> None:
    world.hand_on("web", 0, 10, fetch=1)
    assert world.look() == [("web", 0)]
    world.take(world.hand_on("web", 0, 10, fetch=2))
    assert world.look() == []


def test_a_chunk_is_asked_for_again_when_one_of_a_later_fetch_has_come(world: World) -> None:
    world.hand_on("web", 0, 10, fetch=1)
    world.take(world.hand_on("web", 1, 10, fetch=2))
    assert world.look() == [("web", 0)]


def test_a_chunk_is_asked_for_again_when_another_topic_goes_on_and_its_own_is_silent(world: World) -> None:
    world.hand_on("web", 0, 10, fetch=1)
    world.take(world.hand_on("mail", 0, 10, fetch=1))
    assert world.look() == [], "of the same fetch: it may be about to come"
    world.take(world.hand_on("mail", 0, 20, fetch=2))
    assert world.look() == [("web", 0)]
