"""The real worker, run as ``python -m tests.faults.worker``, with places where a test can have it die, stop or hang.

A *point* is a place in the worker's code. A test arms it by writing actions, one a line, into a file of its name in the
directory that ``FAULT_POINTS`` names; whichever worker comes to it first takes the next one: ``kill`` (-9), ``end``
(SIGTERM), ``stop 12`` (SIGSTOP for 12 s) or ``hang``. Besides, the worker now and then loses a chunk (``LOST_CHUNKS``,
a share): such losses happen, since Faust drops what it fetched when a rebalance stops its flow at the wrong moment;
here they happen often enough to be tested. ``MUTATE`` takes a safeguard out of the product, to show that a test
notices (see :mod:`tests.faults.mutations`).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from scoring.routed import Absorb, decode_message
from streams.app import run_worker
from streams.cli.worker import start_models
from streams.runtime import restoring, transactions
from streams.runtime.chunks import Chunk
from streams.runtime.shards import Shards
from streams.settings import load_settings
from tests.faults.mutations import MUTATIONS

SETTLED_S = 10
POINTS = ("before-commit", "after-commit", "before-absorb-commit", "during-restore", "during-hand-over", "on-chunk")


class Points:
    """The armed points of a directory, which the workers share."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started = time.monotonic()

    def pass_by(self, name: str) -> str:
        """Do what a point is armed with, if anything; returns an action that is left to the caller: ``hang``.

        A process stops only after its first seconds, so that there is another one to take over.
        """
        file = self._directory / name
        if not file.exists():
            return ""
        mine = file.with_suffix(f".{os.getpid()}")
        try:
            file.rename(mine)  # one worker at a time: the other finds nothing
        except FileNotFoundError:
            return ""
        action, *others = mine.read_text().splitlines()
        if action.startswith("stop") and time.monotonic() - self._started < SETTLED_S:
            mine.rename(file)
            return ""
        if others:
            mine.write_text("".join(f"{other}\n" for other in others))
            mine.rename(file)
        else:
            mine.unlink()
        return self._act(action)

    def _act(self, action: str) -> str:
        verb, _, seconds = action.partition(" ")
        if verb == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if verb == "end":
            os.kill(os.getpid(), signal.SIGTERM)
        if verb == "stop":
            subprocess.Popen(["sh", "-c", f"sleep {float(seconds)}; kill -CONT {os.getpid()}"])
            os.kill(os.getpid(), signal.SIGSTOP)
        return action


def lose_chunks(rng: random.Random, share: float) -> None:
    """Lose a share of all chunks between the consumer and the shard."""
    take = Shards.take

    async def take_or_lose(self: Shards, chunk: Chunk) -> None:
        if rng.random() >= share:
            await take(self, chunk)

    Shards.take = take_or_lose  # type: ignore[method-assign]


def watch_transactions(points: Points) -> None:
    """Put points before and after the commit of transactions with events, and before that of an absorbed lead."""
    producer = transactions.AIOKafkaProducer
    send, commit_work, commit = transactions.Writer._send, transactions.Writer._commit, producer.commit_transaction
    absorbing: set[Any] = set()
    with_events: set[Any] = set()

    async def send_and_look(self: transactions.Writer, topic: str, partition: int, records: Any) -> Any:
        records = list(records)
        if ".routed." in topic and any(isinstance(decode_message(value), Absorb) for _, value in records):
            absorbing.add(self._producer)
        return await send(self, topic, partition, records)

    async def commit_work_and_note(self: transactions.Writer, work: transactions.Work) -> None:
        if work.chunks:
            with_events.add(self._producer)
        await commit_work(self, work)

    async def commit_between_points(self: Any) -> None:
        if self in absorbing:
            absorbing.discard(self)
            points.pass_by("before-absorb-commit")
        has_events = self in with_events
        with_events.discard(self)
        if has_events:
            points.pass_by("before-commit")
        await commit(self)
        if has_events:
            points.pass_by("after-commit")

    transactions.Writer._send = send_and_look  # type: ignore[method-assign]
    transactions.Writer._commit = commit_work_and_note  # type: ignore[method-assign]
    producer.commit_transaction = commit_between_points


def watch_shards(points: Points) -> None:
    """Put points where a worker restores, where it takes partitions over, and where it is given a chunk."""
    take, read_bounds, copy = Shards.take, Shards._read_bounds, restoring._copy

    async def take_or_hang(self: Shards, chunk: Chunk) -> None:
        if points.pass_by("on-chunk") == "hang":
            async with self._turn:
                await asyncio.Event().wait()
        await take(self, chunk)

    async def read_bounds_after_point(self: Shards, partitions: set[int]) -> None:
        # Earlier owners are fenced by now, and nothing is restored.
        points.pass_by("during-hand-over")
        await read_bounds(self, partitions)

    def copy_after_point(records: Any, table: dict[bytes, bytes]) -> None:
        points.pass_by("during-restore")
        copy(records, table)

    Shards.take = take_or_hang  # type: ignore[method-assign]
    Shards._read_bounds = read_bounds_after_point  # type: ignore[method-assign]
    restoring._copy = copy_after_point


if __name__ == "__main__":
    if "FAULT_POINTS" in os.environ:
        armed = Points(Path(os.environ["FAULT_POINTS"]))
        watch_transactions(armed)
        watch_shards(armed)
    lose_chunks(random.Random(os.getpid()), float(os.environ.get("LOST_CHUNKS", "0.02")))
    MUTATIONS[os.environ.get("MUTATE", "")]()
    settings = load_settings()
    run_worker(settings, asyncio.run(start_models(settings)))
