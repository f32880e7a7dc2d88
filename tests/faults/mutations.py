"""Safeguards of the product, each taken out in turn: a suite that does not notice proves nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from scoring import merging
from streams.runtime import chunks, transactions
from streams.runtime.chunks import Chunk
from streams.runtime.open_shard import OpenShard
from streams.runtime.shards import Shards


def without_contiguity() -> None:
    """Take every chunk that is not old, whether or not something is missing before it."""

    def unseen(self: OpenShard, chunk: Chunk) -> list[Any]:
        return [record for record in chunk.records if record.offset >= self.next[chunk.topic]]

    OpenShard.unseen = unseen  # type: ignore[method-assign]


def without_fencing() -> None:
    """Give every writer a transactional id of its own, so that no earlier owner is fenced."""
    producer = transactions.AIOKafkaProducer

    def unfenced(**options: Any) -> Any:
        return producer(**{**options, "transactional_id": f"{options['transactional_id']}-{uuid.uuid4()}"})

    transactions.AIOKafkaProducer = unfenced


def with_read_uncommitted() -> None:
    """Take in what other shards told in transactions that were never committed."""
    create = chunks._ChunkThread._create_worker_consumer

    def create_uncommitted(self: Any, transport: Any) -> Any:
        consumer = create(self, transport)
        consumer._isolation_level = "read_uncommitted"
        return consumer

    chunks._ChunkThread._create_worker_consumer = create_uncommitted  # type: ignore[method-assign]


def with_stale_persisted_offset() -> None:
    """Take a changelog to end where it ended when this worker first had the shard."""
    read_bounds = Shards._read_bounds
    known_before: dict[Shards, dict[int, int]] = {}

    async def read_bounds_once(self: Shards, partitions: set[int]) -> None:
        known = dict(self._ends)
        await read_bounds(self, partitions)
        known_before.setdefault(self, {}).update(known)
        self._ends.update({each: end for each, end in known_before[self].items() if each in partitions})

    Shards._read_bounds = read_bounds_once  # type: ignore[method-assign]


def with_absorb_applied_twice() -> None:
    """Count what an absorbed visitor brings twice."""
    merge_counts = merging._merge_counts

    def twice(*arguments: Any) -> None:
        merge_counts(*arguments)
        merge_counts(*arguments)

    merging._merge_counts = twice


MUTATIONS: dict[str, Callable[[], None]] = {
    "": lambda: None,
    "contiguity": without_contiguity,
    "fencing": without_fencing,
    "read_uncommitted": with_read_uncommitted,
    "persisted_offset": with_stale_persisted_offset,
    "absorb": with_absorb_applied_twice,
}
