"""Notices chunks that a shard was not given, and asks for them again.

Faust drops what it has fetched when a rebalance stops its flow at the wrong moment. Mostly the next chunk of the
partition shows the gap. Where none comes, what came of other partitions and topics tells, or that nothing comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from streams.runtime.chunks import Chunk, ChunkConsumer
from streams.runtime.open_shard import OpenShard

_SEEK_AGAIN_S: Final = 1.0

log = structlog.get_logger(__name__)


class LostChunks:
    """What has arrived of each source topic, and what should have.

    ``consumer`` returns the one that hands chunks on; ``out_of_order`` is told the topic of each gap, and ``"gap"``.
    """

    def __init__(
        self,
        sources: Sequence[str],
        consumer: Callable[[], ChunkConsumer],
        out_of_order: Callable[[str, str], None],
        now_s: Callable[[], float],
    ) -> None:
        self._sources, self._consumer, self._out_of_order, self._now_s = sources, consumer, out_of_order, now_s
        self._latest_fetch = dict.fromkeys(sources, 0)
        self._taking = dict.fromkeys(sources, 0)
        # How often a chunk of a topic has arrived or was done with, now and at the last look.
        self._moves, self._moves_seen = dict.fromkeys(sources, 0), dict.fromkeys(sources, 0)

    @contextmanager
    def taking(self, chunk: Chunk) -> Iterator[None]:
        """Note that a chunk has arrived, in the block that its topic is being worked on, and then that it was."""
        self._latest_fetch[chunk.topic] = chunk.fetch
        self._moves[chunk.topic] += 1
        self._taking[chunk.topic] += 1
        try:
            yield
        finally:
            self._taking[chunk.topic] -= 1
            self._moves[chunk.topic] += 1  # the next one is about to come

    async def seek_back(self, shard: OpenShard, topic: str, partition: int, got: int) -> None:
        """Ask for missing records again, once a second at most: later chunks of the same gap follow."""
        self._out_of_order(topic, "gap")
        now = self._now_s()
        if now - shard.sought.get(topic, -_SEEK_AGAIN_S) < _SEEK_AGAIN_S:
            return
        shard.sought[topic] = now
        log.warning("gap", topic=topic, partition=partition, expected=shard.next[topic], got=got)
        await self._consumer().seek_to_next([(topic, partition)])

    async def watch(self, shards: Callable[[], Mapping[int, OpenShard]]) -> None:
        """Look for ever after chunks that were lost with none of their partition behind them to show the gap."""
        while True:
            await asyncio.sleep(_SEEK_AGAIN_S)
            try:
                await self.look(shards())
            except Exception:
                # The broker may be away: look again in a second.
                log.warning("cannot seek what was lost", exc_info=True)

    async def look(self, shards: Mapping[int, OpenShard]) -> None:
        """Ask again for what was lost by now.

        What was handed on arrives in order. So a chunk is lost if its shard does not have it, although one of the
        same topic from a later fetch has arrived, or one of another and none of this since the last look, or none at
        all. What is being worked on, or was since then, holds up the chunks behind it.
        """
        seen, self._moves_seen = self._moves_seen, dict(self._moves)
        quiet = {topic for topic in self._sources if self._moves[topic] == seen[topic] and not self._taking[topic]}
        newest = max(self._latest_fetch.values(), default=0)
        for shard, topic, partition, end, fetch in self._handed_on(shards):
            passed_over = fetch < self._latest_fetch[topic] or (topic in quiet and fetch < newest)
            if passed_over or len(quiet) == len(self._sources):
                await self.seek_back(shard, topic, partition, end)

    def is_any_handed_on(self, shards: Mapping[int, OpenShard]) -> bool:
        """Whether the consumer has handed on what its shard has not worked on yet."""
        return any(True for _ in self._handed_on(shards))

    def _handed_on(self, shards: Mapping[int, OpenShard]) -> Iterator[tuple[OpenShard, str, int, int, int]]:
        """Yield shards that do not have what was handed on: topic and partition, up to which offset, by which fetch."""
        for partition, shard in list(shards.items()):
            for topic, following in list(shard.next.items()):
                end, fetch = self._consumer().delivered(topic, partition)
                if following < end:
                    yield shard, topic, partition, end, fetch
