"""The shards of a worker: fenced anew at each rebalance, restored per shard, given chunks and time.

One object, :class:`Shards`, owns the tables of all of them. At each rebalance it fences every assigned shard anew,
keeps in memory what nobody else has written since, and restores the rest in the background. A shard that is not ready
does not take part; the others are not held up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.runtime.chunks import Chunk, ChunkConsumer
from streams.runtime.inheritance import Inheritance
from streams.runtime.journal import MEMO_KEY, META_KEY, Adopt, ChunkRange, Meta, Step, decode_meta
from streams.runtime.liveness import StuckError, watch_progress
from streams.runtime.logic import OpenLogic
from streams.runtime.lost_chunks import LostChunks
from streams.runtime.open_shard import OpenShard
from streams.runtime.restoring import committed_consumer, copy_changelogs
from streams.runtime.transactions import Committed, Work, Writer
from streams.settings import Settings

_TURN_S: Final = 0.02
"""After so long (s) a chunk lets others go on: it may take seconds, for which no transaction need wait, nor the end."""

_TICK_S: Final = 0.25
"""How often (s) time passes for each shard."""

_LOST_AFTER_S: Final = 0.5
"""A chunk that was handed on counts as lost on its way when no other was worked on for so long (s)."""

log = structlog.get_logger(__name__)

Inherit = Callable[[int, Meta], Awaitable[Inheritance | None]]
"""A partition, and where it continues → what a rebuild has left it, if it takes its states over."""


class Observer(Protocol):
    """Who is told what happens, once per chunk or rarer: metrics."""

    def committed(self, done: Committed) -> None: ...
    def assigned(self, partitions: int, ready: int) -> None: ...
    def restored(self, partition: int, records: int, seconds: float) -> None: ...
    def out_of_order(self, topic: str, kind: str) -> None: ...
    def expired(self, topic: str, records: int) -> None: ...


class Shards:
    """All shards of one worker: who owns what, and what it holds."""

    def __init__(
        self,
        settings: Settings,
        *,
        sources: Sequence[str],
        changelog: str,
        journal: str,
        open_logic: OpenLogic,
        prepare: Callable[[set[int]], Awaitable[None]],
        inherit: Inherit,
        observer: Observer,
        on_failure: Callable[[int, BaseException], None],
        consumer: Callable[[], ChunkConsumer],
        now_s: Callable[[], float],
    ) -> None:
        self.settings, self.sources = settings, tuple(sources)
        self.changelog, self.journal = changelog, journal
        self._consumer = consumer
        self._open_logic, self._observer, self._on_failure = open_logic, observer, on_failure
        self._prepare, self._inherit = prepare, inherit
        self._now_s = now_s
        self._open: dict[int, OpenShard] = {}
        self._ends: dict[int, int] = {}
        self._starts: dict[TopicPartition, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: dict[int, Writer] = {}
        self._lost = LostChunks(self.sources, consumer, observer.out_of_order, now_s)
        self._keys_per_turn = max(1, int(settings.adopt_leads_per_s * _TICK_S))
        self._is_draining = False
        self._closed = asyncio.Event()
        # One chunk at a time, whichever shard's.
        self._turn, self._is_done = asyncio.Lock(), asyncio.Event()
        self._turns = 0

    # ---- taking chunks

    async def take(self, chunk: Chunk) -> None:
        """Handle a chunk, if it is the one that its shard waits for; return when there is room for the next."""
        with self._lost.taking(chunk):
            await self._take(chunk)

    async def _take(self, chunk: Chunk) -> None:
        shard = self._open.get(chunk.partition)
        if shard is None:
            return  # lost, or still restoring: it will be read again from where the shard continues
        async with self._turn:
            try:
                if self._is_ours(chunk.partition, shard):
                    await self._take_in_turn(shard, chunk)
            finally:
                self._is_done.set()
        await shard.writer.wait_for_room()

    async def until_idle(self) -> None:
        """Wait until every chunk that was handed on has been worked on, or is lost.

        Nothing is fetched meanwhile: what piles up comes as larger chunks, which cost less by the record. That holds
        most of all for what shards tell each other: a lead or an account is told at once what came of a whole fetch.
        """
        while not self._is_draining and self._lost.is_any_handed_on(self._open):
            self._is_done.clear()
            try:
                async with asyncio.timeout(_LOST_AFTER_S):
                    await self._is_done.wait()
            except TimeoutError:
                if not self._turn.locked():
                    return

    async def _take_in_turn(self, shard: OpenShard, chunk: Chunk) -> None:
        records = shard.unseen(chunk)
        if records is None:
            await self._lost.seek_back(shard, chunk.topic, chunk.partition, chunk.start)
            return
        if not records:
            self._observer.out_of_order(chunk.topic, "old")
            return
        start, shard.is_busy = shard.next[chunk.topic], True
        try:
            shard.renew()
            work = await self._work_out(shard, chunk, records)
        except Exception as error:
            # Faust would acknowledge the chunk and go on without it.
            self._on_failure(chunk.partition, error)
            raise
        finally:
            shard.is_busy = False
        if work is None:
            return
        shard.next[chunk.topic] = chunk.end
        work.steps.append(ChunkRange(chunk.topic, start, chunk.end))
        work.newest_ms = records[-1].timestamp
        shard.add(work)
        if shard.is_late:
            self._pass_time_of(chunk.partition, shard)

    async def _work_out(self, shard: OpenShard, chunk: Chunk, records: Sequence[Any]) -> Work | None:
        """Return what comes of a chunk, or None where the shard was given up in a pause: then nothing does."""
        steps = shard.logic.take(chunk.topic, chunk.partition, records)
        pause_at = time.perf_counter() + _TURN_S
        while True:
            self._turns += 1
            try:
                next(steps)
            except StopIteration as done:
                work: Work = done.value
                return work
            if time.perf_counter() >= pause_at:
                await asyncio.sleep(0)
                if not self._is_ours(chunk.partition, shard):
                    return None
                pause_at = time.perf_counter() + _TURN_S

    def _is_ours(self, partition: int, shard: OpenShard) -> bool:
        """Whether what a chunk of the shard brings may be written: while it is given up, another worker may have it."""
        return self._open.get(partition) is shard and not self._is_draining

    # ---- time

    async def _pass_time(self) -> None:
        """Give shards the ticks that they wait for, and time to adopt a new model."""
        while True:
            await asyncio.sleep(_TICK_S)
            for partition, shard in list(self._open.items()):
                if self._is_draining or not shard.writer.has_room:
                    continue
                if shard.is_busy:
                    shard.is_late = True
                    continue
                self._pass_time_of(partition, shard)

    def _pass_time_of(self, partition: int, shard: OpenShard) -> None:
        try:
            shard.catch_up(self._clock_of(partition, shard))
        except Exception as error:  # noqa: BLE001 - a shard whose time stands still must not go on
            self._on_failure(partition, error)

    def _clock_of(self, partition: int, shard: OpenShard) -> int:
        """Return the time (ms) up to which a shard has had everything: no record appended before it is still to come.

        That is when all sources had been read to their ends. Behind a backlog it stands still: what is waiting may
        be history, and leads should not cool in the middle of theirs.
        """
        return min(self._consumer().read_until(topic, partition, following) for topic, following in shard.next.items())

    def locate(self, topic: str, partition: int) -> int | None:
        """Return the offset at which a ready shard continues in a source topic, or None."""
        shard = self._open.get(partition)
        return None if shard is None else shard.next[topic]

    def changelog_end(self, partition: int) -> int:
        """Return where a shard's changelog ended when the shard was fenced."""
        return self._ends.get(partition, 0)

    # ---- owning shards

    async def drain(self) -> None:
        """Commit everything that was taken, and let nothing more begin: done before partitions are given up.

        A chunk that is being worked on is dropped at its next pause: whoever owns its shard next reads it again.
        Whether the worker stands still is watched all the same, since giving up may hang.
        """
        self._is_draining = True
        self._is_done.set()
        await asyncio.gather(*(shard.writer.drain() for shard in self._open.values()))

    async def stop(self) -> None:
        """Let go of every shard, and commit what it has taken."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        # First of all no more chunks are taken: what a table holds must be what its writer commits.
        writers = [*(shard.writer for shard in self._open.values()), *self._waiting.values()]
        self._open, self._waiting = {}, {}
        await asyncio.gather(*(writer.stop() for writer in writers))

    async def close(self) -> None:
        """Stop for good: a rebalance that is still under way, or comes yet, gives this worker nothing to own."""
        self._closed.set()
        await self.stop()

    async def own(self, partitions: set[int]) -> None:
        """Fence the assigned partitions anew, keep what is still true, and start to restore the rest.

        Every assigned partition is fenced, also one that we had: a worker that was stalled may have lost it and
        got it back without noticing.
        """
        if self._closed.is_set():
            return
        previous = self._open
        await self.stop()
        self._is_draining = False
        if not partitions:
            self._observer.assigned(0, 0)
            return
        writers = {partition: self._new_writer(partition) for partition in sorted(partitions)}
        await asyncio.gather(*(writer.start() for writer in writers.values()))
        await self._prepare(partitions)  # whatever an earlier owner went over to was there before we fenced it
        await self._read_bounds(partitions)
        if self._closed.is_set():
            await asyncio.gather(*(writer.stop() for writer in writers.values()))
            return
        for partition, writer in writers.items():
            kept = previous.get(partition)
            is_kept = kept is not None and kept.writer.end == self._ends[partition]
            if kept is not None and is_kept and kept.inheritance is None:
                self._ready(writer, kept.table, kept.logic.memo, kept.writer.meta)
            else:
                self._waiting[partition] = writer
        log.info("shards assigned", kept=sorted(self._open), restoring=sorted(self._waiting))
        self._observer.assigned(len(partitions), len(self._open))
        self._tasks = [
            asyncio.create_task(self._restore(set(self._waiting)), name="restore"),
            asyncio.create_task(self._lost.watch(lambda: self._open), name="seek-lost"),
            asyncio.create_task(self._pass_time(), name="time"),
            asyncio.create_task(self._notice_standstill(), name="standstill"),
        ]

    async def _notice_standstill(self) -> None:
        if not self.settings.stuck_after_s:
            return
        try:
            await watch_progress(
                self._progress, self._continues, self._new_consumer, self.settings.stuck_after_s, self._now_s
            )
        except StuckError as error:
            self._on_failure(-1, error)

    def _progress(self) -> object:
        """Return what is another value whenever records have been worked on or committed, or a shard is restored.

        The journal alone would not tell: time passes, and leads cool, also where no chunk is taken any more.
        """
        return self._turns, {partition: dict(shard.writer.meta.next) for partition, shard in self._open.items()}

    def _continues(self) -> dict[TopicPartition, int]:
        return {
            TopicPartition(topic, partition): following
            for partition, shard in self._open.items()
            for topic, following in shard.next.items()
        }

    def _new_writer(self, partition: int) -> Writer:
        return Writer(
            partition,
            self.settings,
            changelog=self.changelog,
            journal=self.journal,
            on_commit=self._observer.committed,
            on_failure=self._on_failure,
        )

    async def _read_bounds(self, partitions: set[int]) -> None:
        """Read where the changelogs end, now that nobody else can write to them, and where all topics begin."""
        consumer = self._new_consumer()
        await consumer.start()
        try:
            changelogs = [TopicPartition(self.changelog, partition) for partition in partitions]
            sources = [TopicPartition(topic, partition) for topic in self.sources for partition in partitions]
            self._ends = {tp.partition: end for tp, end in (await consumer.end_offsets(changelogs)).items()}
            self._starts = await consumer.beginning_offsets([*changelogs, *sources])
        finally:
            await consumer.stop()

    def _new_consumer(self) -> AIOKafkaConsumer:
        return committed_consumer(self.settings.brokers)

    def _ready(
        self,
        writer: Writer,
        table: dict[bytes, bytes],
        memo: bytes,
        meta: Meta,
        inheritance: Inheritance | None = None,
    ) -> None:
        """Publish a shard: from here on its chunks are taken."""
        said: frozenset[str] = frozenset()
        if inheritance is not None:
            said, meta = inheritance.said, msgspec.structs.replace(meta, inherited=inheritance.ends)
        logic = self._open_logic(writer.partition, table, memo, said)
        shard = OpenShard(writer, table, logic, meta, self._keys_per_turn, inheritance)
        for topic in self.sources:
            shard.next[topic] = self._first_unread(topic, writer.partition, meta)
        writer.open(meta, self._ends[writer.partition])
        if logic.memo != memo:
            steps: list[Step] = [Adopt(logic.publication)]
            writer.add(Work(states={MEMO_KEY: logic.memo}, steps=steps, clock_ms=meta.clock_ms))
        self._waiting.pop(writer.partition, None)
        self._open[writer.partition] = shard

    def _first_unread(self, topic: str, partition: int, meta: Meta) -> int:
        """Return where to continue in a source: what retention has deleted meanwhile is counted, and passed over."""
        following, first = meta.next.get(topic, 0), self._starts[TopicPartition(topic, partition)]
        if 0 < following < first:
            log.error("events expired unread", topic=topic, partition=partition, lost=first - following)
            self._observer.expired(topic, first - following)
        return max(following, first)

    # ---- restoring

    async def _restore(self, partitions: set[int]) -> None:
        try:
            if partitions:
                await self._copy_changelogs(partitions)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a shard that cannot be restored must not wait for ever
            self._on_failure(min(self._waiting, default=-1), error)

    async def _copy_changelogs(self, partitions: set[int]) -> None:
        """Publish each shard as soon as its table is whole."""
        began = self._now_s()
        bounds = {
            partition: (self._starts[TopicPartition(self.changelog, partition)], self._ends[partition])
            for partition in partitions
        }
        consumer = self._new_consumer()
        await consumer.start()
        try:
            await copy_changelogs(consumer, self.changelog, bounds, partial(self._finish_restore, began))
        finally:
            await consumer.stop()

    async def _finish_restore(self, began: float, partition: int, table: dict[bytes, bytes], records: int) -> None:
        memo = table.pop(MEMO_KEY, b"")
        meta = decode_meta(table.pop(META_KEY, b"{}"))
        inheritance = None if meta.is_settled else await self._inherit(partition, meta)
        if self._is_draining:
            return  # it may be another worker's by now
        self._ready(self._waiting[partition], table, memo, meta, inheritance)
        seconds = self._now_s() - began
        log.info("shard restored", partition=partition, leads=len(table), records=records, seconds=round(seconds, 3))
        self._observer.restored(partition, records, seconds)
        self._observer.assigned(len(self._open) + len(self._waiting), len(self._open))
        await self._consumer().seek_to_next([(topic, partition) for topic in self.sources])
