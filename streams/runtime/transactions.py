"""One transactional producer per shard, and group commit.

Everything that a group of chunks caused goes into one Kafka transaction: new states, outputs, source offsets, the
meta record and the journal entry. What piles up while a transaction is under way goes into the next one, so
that load makes transactions larger, not more numerous. Starting a writer fences every earlier owner of the
shard; a fenced or failed transaction ends the process, and a supervisor starts it afresh from what is committed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition

from streams.runtime.journal import META_KEY, ChunkRange, JournalEntry, Meta, Step, encode
from streams.settings import Settings

Key = bytes | None
Records = Iterable[tuple[Key, bytes | None]]

_BATCH_BYTES = 1 << 20
_REQUEST_BYTES = 4 << 20

TELL_OFFSETS_S: Final = 1.0
"""How long (s) the group's offsets may be behind: they serve lag tools, and take a third of a small transaction."""


@dataclass(slots=True)
class Work:
    """What is to be written together.

    ``states`` go to the changelog; ``latest`` holds, per topic, the newest value of each key (earlier ones need
    not be written); ``records`` are written as they are, after those. All go to the shard's own partition, but for
    ``messages``: by topic and partition, for other shards. ``steps`` are what was done, in order; ``clock_ms`` is the
    shard's clock after it, ``newest_ms`` the append time of its newest event.
    """

    states: dict[bytes, bytes | None] = field(default_factory=dict)
    latest: dict[str, dict[bytes, bytes | None]] = field(default_factory=dict)
    records: dict[str, list[tuple[Key, bytes | None]]] = field(default_factory=dict)
    messages: dict[tuple[str, int], list[tuple[Key, bytes]]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    clock_ms: int = 0
    newest_ms: int = 0
    model: str = ""
    settles: bool = False
    """Whether with it all is written that rebuilt states have left to be made known."""

    @property
    def chunks(self) -> list[ChunkRange]:
        """The chunks among the steps."""
        return [step for step in self.steps if isinstance(step, ChunkRange)]

    def __len__(self) -> int:
        """Return how many records would be written now."""
        return (
            len(self.states)
            + sum(len(values) for values in self.latest.values())
            + sum(len(values) for values in self.records.values())
            + sum(len(values) for values in self.messages.values())
        )

    def extend(self, other: Work) -> None:
        """Take in what happened after."""
        self.states.update(other.states)
        for topic, values in other.latest.items():
            self.latest.setdefault(topic, {}).update(values)
        for topic, records in other.records.items():
            self.records.setdefault(topic, []).extend(records)
        for place, messages in other.messages.items():
            self.messages.setdefault(place, []).extend(messages)
        self.steps += other.steps
        self.clock_ms = max(self.clock_ms, other.clock_ms)
        self.newest_ms = max(self.newest_ms, other.newest_ms)
        self.model = other.model or self.model
        self.settles = self.settles or other.settles


@dataclass(frozen=True, slots=True)
class Committed:
    """What a transaction did, for metrics: its records, seconds, and its newest event's append time (ms; 0: none)."""

    partition: int
    records: int
    seconds: float
    newest_ms: int


class Writer:
    """Writes one shard's work, transaction after transaction.

    ``end`` is where the changelog ends after the last commit: while it stays there, nobody else has written.
    """

    def __init__(
        self,
        partition: int,
        settings: Settings,
        *,
        changelog: str,
        journal: str,
        on_commit: Callable[[Committed], None],
        on_failure: Callable[[int, BaseException], None],
    ) -> None:
        self.partition = partition
        self.end = -1
        self.meta = Meta()
        self._settings = settings
        self._changelog, self._journal = changelog, journal
        self._on_commit, self._on_failure = on_commit, on_failure
        self._pending = Work()
        self._wake, self._idle, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._room.set()
        self._task: asyncio.Task[None] | None = None
        self._untold: dict[TopicPartition, int] = {}
        self._told_s = -TELL_OFFSETS_S
        self._is_draining = False
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.brokers,
            transactional_id=f"{settings.app_id}-{partition}",
            transaction_timeout_ms=int(settings.transaction_timeout_s * 1000),
            acks="all",
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
            linger_ms=0,
            # After each commit the coordinator answers "concurrent transactions" for some milliseconds;
            # the default of 100 ms would show as latency.
            retry_backoff_ms=10,
        )

    async def start(self) -> None:
        """Connect and fence: from now on no earlier owner of this shard can commit."""
        await self._producer.start()

    def open(self, meta: Meta, end: int) -> None:
        """Begin to write, continuing at ``meta``, on a changelog that ends at ``end``."""
        self.meta, self.end = meta, end
        self._task = asyncio.create_task(self._run(), name=f"writer-{self.partition}")

    def add(self, work: Work) -> None:
        """Queue work for the next transaction."""
        self._pending.extend(work)
        self._idle.clear()
        self._wake.set()
        if len(self._pending) > self._settings.pending_records:
            self._room.clear()

    async def wait_for_room(self) -> None:
        """Wait while more is pending than ``pending_records``: the way in which a slow broker slows reading."""
        await self._room.wait()

    @property
    def has_room(self) -> bool:
        """Whether no more is pending than ``pending_records``."""
        return self._room.is_set()

    async def drain(self) -> None:
        """Wait until everything that was added is committed, and the group's offsets tell it."""
        self._is_draining = True
        if self._untold:
            self._idle.clear()
            self._wake.set()
        await self._idle.wait()

    async def stop(self) -> None:
        """Commit what is pending, then disconnect."""
        if self._task is not None:
            await self.drain()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._producer.stop()

    async def _run(self) -> None:
        interval_s = self._settings.commit_interval_ms / 1000
        try:
            while True:
                await self._wait_for_work()
                work, self._pending = self._pending, Work()
                self._room.set()
                started = time.perf_counter()
                await self._commit(work)
                seconds = time.perf_counter() - started
                self._on_commit(Committed(self.partition, len(work), seconds, work.newest_ms))
                if not self._wake.is_set():
                    self._idle.set()
                await asyncio.sleep(max(0.0, interval_s - seconds))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever failed, this process must not go on
            self._on_failure(self.partition, error)

    async def _wait_for_work(self) -> None:
        """Wait until there is something to write; offsets that nothing has been written beside are, in the end, too."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TELL_OFFSETS_S if self._untold else None):
                await self._wake.wait()
        self._wake.clear()

    async def _commit(self, work: Work) -> None:
        meta = self._advance(work)
        self._untold.update(self._offsets(work))
        tells = self._is_draining or time.monotonic() - self._told_s >= TELL_OFFSETS_S
        entry = JournalEntry(number=meta.journal, steps=work.steps, model=work.model)
        states: dict[bytes, bytes | None] = {**work.states, META_KEY: encode(meta)}
        async with self._producer.transaction():
            here = self.partition
            changelog = await self._send(self._changelog, here, states.items())
            outputs = [await self._send(self._journal, here, [(None, encode(entry))])] if work.steps else []
            for topic, latest in work.latest.items():
                outputs.append(await self._send(topic, here, latest.items()))
            for topic, records in work.records.items():
                outputs.append(await self._send(topic, here, records))
            for (topic, partition), messages in work.messages.items():
                outputs.append(await self._send(topic, partition, messages))
            if self._untold and tells:
                await self._producer.send_offsets_to_transaction(self._untold, self._settings.app_id)
                self._untold, self._told_s = {}, time.monotonic()
            await asyncio.gather(*(sent for batches in outputs for _, sent in batches))
            for count, sent in changelog:
                end = (await sent).offset + count
        self.end = end + 1  # the commit marker
        self.meta = meta

    def _advance(self, work: Work) -> Meta:
        following = dict(self.meta.next)
        for chunk in work.chunks:
            following[chunk.topic] = chunk.end
        journal = self.meta.journal + bool(work.steps)
        clock_ms = max(self.meta.clock_ms, work.clock_ms)
        return msgspec.structs.replace(
            self.meta,
            next=following,
            clock_ms=clock_ms,
            journal=journal,
            is_settled=self.meta.is_settled or work.settles,
        )

    def _offsets(self, work: Work) -> Mapping[TopicPartition, int]:
        """Return the group's offsets: only lag tools read them, the shard itself goes by its meta record."""
        return {TopicPartition(chunk.topic, self.partition): chunk.end for chunk in work.chunks}

    async def _send(self, topic: str, partition: int, records: Records) -> list[tuple[int, asyncio.Future[Any]]]:
        """Send records in as few batches as fit, 20 times cheaper than one by one; return counts and promises."""
        sent: list[tuple[int, asyncio.Future[Any]]] = []
        batch = self._producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                sent.append(await self._send_batch(batch, topic, partition))
                batch = self._producer.create_batch()
                if batch.append(key=key, value=value, timestamp=None) is None:
                    raise ValueError(f"a record of {len(value or b'')} bytes for {topic} fits into no batch")
        if batch.record_count():
            sent.append(await self._send_batch(batch, topic, partition))
        return sent

    async def _send_batch(self, batch: Any, topic: str, partition: int) -> tuple[int, asyncio.Future[Any]]:
        return batch.record_count(), await self._producer.send_batch(batch, topic, partition=partition)
