"""The real worker, run as ``python -m tests.e2e.faulty_worker``, with a delivery that now and then loses a chunk.

Such losses happen: Faust drops what it fetched when a rebalance stops its flow at the wrong moment. Here they
happen often enough to be tested. ``MUTATE`` takes a safeguard out of the product, to show that the test notices.
"""

from __future__ import annotations

import os
import random
import uuid
from typing import Any

from scoring.model import load_model
from streams.app import run_worker
from streams.runtime import tables, transactions
from streams.runtime.chunks import Chunk
from streams.settings import load_settings

LOST_CHUNKS = float(os.environ.get("LOST_CHUNKS", "0.02"))


def lose_chunks(rng: random.Random) -> None:
    """Lose a share of all chunks between the consumer and the shard."""
    take = tables.Shards.take

    async def take_or_lose(self: tables.Shards, chunk: Chunk) -> None:
        if rng.random() >= LOST_CHUNKS:
            await take(self, chunk)

    tables.Shards.take = take_or_lose  # type: ignore[method-assign]


def without_contiguity() -> None:
    """Take every chunk that is not old, whether or not something is missing before it."""

    def unseen(self: tables.OpenShard, chunk: Chunk) -> list[Any]:
        return [record for record in chunk.records if record.offset >= self.next[chunk.topic]]

    tables.OpenShard.unseen = unseen  # type: ignore[method-assign]


def without_fencing() -> None:
    """Give every writer a transactional id of its own, so that no earlier owner is fenced."""
    producer = transactions.AIOKafkaProducer

    def unfenced(**options: Any) -> Any:
        return producer(**{**options, "transactional_id": f"{options['transactional_id']}-{uuid.uuid4()}"})

    transactions.AIOKafkaProducer = unfenced


MUTATIONS = {"": lambda: None, "contiguity": without_contiguity, "fencing": without_fencing}

if __name__ == "__main__":
    lose_chunks(random.Random(os.getpid()))
    MUTATIONS[os.environ.get("MUTATE", "")]()
    settings = load_settings()
    run_worker(settings, load_model(settings.model))
