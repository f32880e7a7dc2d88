"""The real worker, run as ``python -m tests.e2e.faulty_worker``, with a delivery that now and then loses a chunk.

Such losses happen: Faust drops what it fetched when a rebalance stops its flow at the wrong moment. Here they
happen often enough to be tested. ``MUTATE`` takes a safeguard out of the product, to show that the test notices.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

from scoring.routed import Absorb, decode_message
from streams.app import run_worker
from streams.cli.worker import start_models
from streams.runtime import tables, transactions
from streams.runtime.chunks import Chunk
from streams.settings import load_settings

SETTLED_S = 10
STALLED_S = 12
LOST_CHUNKS = float(os.environ.get("LOST_CHUNKS", "0.02"))


def lose_chunks(rng: random.Random) -> None:
    """Lose a share of all chunks between the consumer and the shard."""
    take = tables.Shards.take

    async def take_or_lose(self: tables.Shards, chunk: Chunk) -> None:
        if rng.random() >= LOST_CHUNKS:
            await take(self, chunk)

    tables.Shards.take = take_or_lose  # type: ignore[method-assign]


def die_before_absorbs_are_committed(times: Path) -> None:
    """Kill this process (-9) where an absorbed lead has been sent and not yet been committed.

    As often as the file ``times`` has lines, whichever worker it is: each time it loses one.
    """
    send, commit = transactions.Writer._send, transactions.AIOKafkaProducer.commit_transaction
    absorbing: set[Any] = set()

    async def send_and_look(self: transactions.Writer, topic: str, partition: int, records: Any) -> Any:
        records = list(records)
        if ".routed." in topic and any(isinstance(decode_message(value), Absorb) for _, value in records):
            absorbing.add(self._producer)
        return await send(self, topic, partition, records)

    async def commit_or_die(self: Any) -> None:
        if self in absorbing:
            absorbing.discard(self)
            lives = times.read_text().splitlines()
            if lives:
                times.write_text("".join(f"{life}\n" for life in lives[1:]))
                os.kill(os.getpid(), signal.SIGKILL)
        await commit(self)

    transactions.Writer._send = send_and_look  # type: ignore[method-assign]
    transactions.AIOKafkaProducer.commit_transaction = commit_or_die


def stall_before_a_commit(times: Path) -> None:
    """Stop this process, once it has sent what a transaction with events writes, long enough to be thought gone.

    As often as the file ``times`` has lines, whichever worker it is: each time it loses one. It is left alone
    for its first seconds, so that there is another worker to take over.
    """
    producer = transactions.AIOKafkaProducer
    commit, send_offsets = producer.commit_transaction, producer.send_offsets_to_transaction
    with_events: list[Any] = []
    started = time.monotonic()

    async def send_offsets_and_note(self: Any, offsets: Any, group: str) -> None:
        await send_offsets(self, offsets, group)
        with_events.append(self)

    async def stall_and_commit(self: Any) -> None:
        lives = times.read_text().splitlines()
        is_due = time.monotonic() - started > SETTLED_S
        if lives and is_due and with_events and with_events[-1] is self:
            times.write_text("".join(f"{life}\n" for life in lives[1:]))
            subprocess.Popen(["sh", "-c", f"sleep {STALLED_S}; kill -CONT {os.getpid()}"])
            os.kill(os.getpid(), signal.SIGSTOP)
        await commit(self)

    producer.commit_transaction = stall_and_commit
    producer.send_offsets_to_transaction = send_offsets_and_note


def hang_once(times: Path) -> None:
    """Stop taking chunks for ever, as often as the file ``times`` has lines, whichever worker it is."""
    take = tables.Shards.take

    async def take_or_hang(self: tables.Shards, chunk: Chunk) -> None:
        lives = times.read_text().splitlines()
        if lives:
            times.write_text("".join(f"{life}\n" for life in lives[1:]))
            async with self._turn:
                await asyncio.Event().wait()
        await take(self, chunk)

    tables.Shards.take = take_or_hang  # type: ignore[method-assign]


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
    if "DIE_BEFORE_ABSORBS" in os.environ:
        die_before_absorbs_are_committed(Path(os.environ["DIE_BEFORE_ABSORBS"]))
    if "HANG_ONCE" in os.environ:
        hang_once(Path(os.environ["HANG_ONCE"]))
    if "STALL_BEFORE_COMMIT" in os.environ:
        stall_before_a_commit(Path(os.environ["STALL_BEFORE_COMMIT"]))
    lose_chunks(random.Random(os.getpid()))
    MUTATIONS[os.environ.get("MUTATE", "")]()
    settings = load_settings()
    run_worker(settings, asyncio.run(start_models(settings)))
