"""Faust tables that keep themselves: fenced and restored per shard, with nothing left for Faust's recovery.

Faust's own recovery reads 3,000 records a second and stalls on a changelog that ends in a control record. Here
one object, :class:`Shards`, owns the tables of all shards of a worker. At each rebalance it fences every
assigned shard anew, keeps in memory what nobody else has written since, and restores the rest in the
background, by copying bytes. A shard that is not ready does not take part; the others are not held up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, Protocol

import faust
import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.stores.memory import Store as MemoryStore

from streams.runtime.bare_records import read_bare
from streams.runtime.chunks import Chunk, ChunkConsumer
from streams.runtime.inheritance import Inheritance
from streams.runtime.journal import (
    MEMO_KEY,
    META_KEY,
    Adopt,
    ChunkRange,
    Forgotten,
    Meta,
    Pass,
    Step,
    Tick,
    decode_meta,
)
from streams.runtime.liveness import StuckError, watch_progress
from streams.runtime.transactions import Committed, Work, Writer
from streams.settings import Settings

_RESTORE_RECORDS = 10_000  # a fetch at a time, so that the loop breathes
_RESTORE_FETCH_BYTES = 4 << 20
_RESEEK_S = 1.0
_TURN_S = 0.02  # a chunk may take seconds: others' transactions, and the end of this process, need not wait for it
_TICK_S = 0.25
_SWEEP_KEYS = 1_000  # four times a second: a million keys in four minutes, at less than 1 % of a core
_SWEEP_PAUSE_MS = 3_600_000
_TICK_LEADS = 5_000  # a tick holds the loop: 0.2 ms a lead

log = structlog.get_logger(__name__)


class Logic(Protocol):
    """What a shard does with a chunk's records, with pauses, in which nothing else of the shard may be begun.

    ``memo`` is given to the next logic on the same table. ``publication`` is the number of the model that it goes by;
    ``renew`` goes over to the newest one, if that is another.
    Something is due, in silence, at ``due_ms`` by the shard's clock: then it wants a tick. While ``is_adopting``, what
    an earlier logic left in the table is brought up to date, some keys at a time. What may be forgotten is looked for
    in the same way, again and again; ``forget`` says which keys it was, and whether it has come to the end.
    """

    @property
    def memo(self) -> bytes: ...

    @property
    def publication(self) -> int: ...

    @property
    def due_ms(self) -> int: ...

    @property
    def is_adopting(self) -> bool: ...

    def take(self, topic: str, partition: int, records: Sequence[Any]) -> Generator[None, None, Work]: ...

    def renew(self) -> Work | None: ...

    def tick(self, clock_ms: int, leads_max: int) -> tuple[Work, int]: ...

    def adopt(self, leads_max: int) -> tuple[Work, str]: ...

    def forget(self, clock_ms: int, keys_max: int) -> tuple[Work, list[str], bool]: ...


OpenLogic = Callable[[int, dict[bytes, bytes], bytes, frozenset[str]], Logic]
"""A partition, its table (key → value), and the memo that an earlier logic left (or nothing) → the logic on it.

It is also given the ids of what has been said already, and is not to be said again."""

Inherit = Callable[[int, Meta], Awaitable[Inheritance | None]]
"""A partition, and where it continues → what a rebuild has left it, if it takes its states over."""


class Observer(Protocol):
    """Who is told what happens, once per chunk or rarer: metrics."""

    def committed(self, done: Committed) -> None: ...
    def assigned(self, partitions: int, ready: int) -> None: ...
    def restored(self, partition: int, records: int, seconds: float) -> None: ...
    def out_of_order(self, topic: str, kind: str) -> None: ...
    def expired(self, topic: str, records: int) -> None: ...


class OpenShard:
    """A shard that is ready: its table, its logic, its writer, and where it continues in each source topic."""

    def __init__(
        self,
        writer: Writer,
        table: dict[bytes, bytes],
        logic: Logic,
        meta: Meta,
        inheritance: Inheritance | None = None,
    ) -> None:
        self.writer, self.table, self.logic = writer, table, logic
        self.inheritance = inheritance
        self.next = dict(meta.next)
        self.clock_ms = meta.clock_ms
        self.is_adopting = logic.is_adopting
        self.sweeps_at_ms = 0
        self.is_busy = False
        """Whether a chunk is being worked on."""
        self.is_late = False
        """Whether time could not pass, because of a chunk."""
        self.sought: dict[str, float] = {}

    def unseen(self, chunk: Chunk) -> list[Any] | None:
        """Return the chunk's records that continue at ``next``, or None if records are missing before them.

        What is older has been handled and is cut off. Offsets alone cannot tell a gap, since control records
        leave holes: the position that the chunk was fetched from does.
        """
        following = self.next[chunk.topic]
        if chunk.start > following:
            return None
        records = chunk.records
        if records[0].offset < following:
            records = [record for record in records if record.offset >= following]
        return records


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
        self._latest_fetch = dict.fromkeys(self.sources, 0)
        self._taken, self._taking = dict.fromkeys(self.sources, 0), dict.fromkeys(self.sources, 0)
        self._is_draining = False
        self._closed = asyncio.Event()
        # One chunk at a time, whichever shard's, and no fetch meanwhile: what piles up costs less by the record.
        self._turn, self._idle = asyncio.Lock(), asyncio.Event()
        self._idle.set()
        self._turns = 0

    # ---- taking chunks

    async def take(self, chunk: Chunk) -> None:
        """Handle a chunk, if it is the one that its shard waits for; return when there is room for the next."""
        self._latest_fetch[chunk.topic] = chunk.fetch
        self._taken[chunk.topic] += 1
        self._taking[chunk.topic] += 1
        try:
            await self._take(chunk)
        finally:
            self._taking[chunk.topic] -= 1

    async def _take(self, chunk: Chunk) -> None:
        shard = self._open.get(chunk.partition)
        if shard is None:
            return  # lost, or still restoring: it will be read again from where the shard continues
        async with self._turn:
            self._idle.clear()
            try:
                if self._open.get(chunk.partition) is shard:
                    await self._take_in_turn(shard, chunk)
            finally:
                self._idle.set()
        await shard.writer.wait_for_room()

    async def until_idle(self) -> None:
        """Wait until no chunk is worked on."""
        await self._idle.wait()

    async def _take_in_turn(self, shard: OpenShard, chunk: Chunk) -> None:
        records = shard.unseen(chunk)
        if records is None:
            await self._seek_back(shard, chunk.topic, chunk.partition, chunk.start)
            return
        if not records:
            self._observer.out_of_order(chunk.topic, "old")
            return
        start, shard.is_busy = shard.next[chunk.topic], True
        try:
            self._renew(shard)
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
        self._add(shard, work)
        if shard.is_late and not self._is_draining:
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
                if self._open.get(chunk.partition) is not shard:
                    return None
                pause_at = time.perf_counter() + _TURN_S

    async def _seek_back(self, shard: OpenShard, topic: str, partition: int, got: int) -> None:
        """Ask for missing records again, once a second at most: later chunks of the same gap follow."""
        self._observer.out_of_order(topic, "gap")
        now = self._now_s()
        if now - shard.sought.get(topic, -_RESEEK_S) < _RESEEK_S:
            return
        shard.sought[topic] = now
        log.warning("gap", topic=topic, partition=partition, expected=shard.next[topic], got=got)
        await self._consumer().seek_to_next([(topic, partition)])

    async def _seek_what_was_lost(self) -> None:
        """Notice chunks that were lost with none of their partition behind them to show the gap.

        What was handed on arrives in order. So a chunk is lost if its shard does not have it, although one of the
        same topic from a later fetch has arrived, or one of another and none of this for a second, or none at all.
        """
        while True:
            taken = dict(self._taken)
            await asyncio.sleep(_RESEEK_S)
            quiet = {topic for topic in self.sources if self._taken[topic] == taken[topic] and not self._taking[topic]}
            try:
                await self._seek_lost(quiet)
            except Exception:
                # The broker may be away: look again in a second.
                log.warning("cannot seek what was lost", exc_info=True)

    async def _seek_lost(self, quiet: set[str]) -> None:
        newest = max(self._latest_fetch.values(), default=0)
        for partition, shard in list(self._open.items()):
            for topic, following in list(shard.next.items()):
                end, fetch = self._consumer().delivered(topic, partition)
                passed_over = fetch < self._latest_fetch[topic] or (topic in quiet and fetch < newest)
                if following < end and (passed_over or len(quiet) == len(self.sources)):
                    await self._seek_back(shard, topic, partition, end)

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
            self._catch_up(partition, shard)
        except Exception as error:  # noqa: BLE001 - a shard whose time stands still must not go on
            self._on_failure(partition, error)

    def _catch_up(self, partition: int, shard: OpenShard) -> None:
        """Bring a shard's clock forward, and do what is due by it."""
        shard.is_late = False
        self._renew(shard)
        shard.clock_ms = max(shard.clock_ms, self._clock_of(partition, shard))
        if shard.logic.due_ms <= shard.clock_ms:
            work, clock_ms = shard.logic.tick(shard.clock_ms, _TICK_LEADS)
            if work:
                work.steps.append(Tick(clock_ms))
                self._add(shard, work)
        if shard.logic.is_adopting:
            work, adopted_to = shard.logic.adopt(max(1, int(self.settings.adopt_leads_per_s * _TICK_S)))
            work.steps.append(Pass(adopted_to))
            self._add(shard, work)
        if shard.inheritance is not None:
            self._hand_on(shard, shard.inheritance)
        if shard.clock_ms >= shard.sweeps_at_ms:
            work, keys, is_over = shard.logic.forget(shard.clock_ms, _SWEEP_KEYS)
            if is_over:
                shard.sweeps_at_ms = shard.clock_ms + _SWEEP_PAUSE_MS
            if keys:
                work.steps.append(Forgotten(keys))
                self._add(shard, work)

    def _hand_on(self, shard: OpenShard, left: Inheritance) -> None:
        """Write some of what a rebuild has left; the last of it once nothing is to come that was there before."""
        latest = left.take(max(1, int(self.settings.adopt_leads_per_s * _TICK_S)))
        if latest:
            self._add(shard, Work(latest={topic: {**values} for topic, values in latest.items()}))
        elif shard.clock_ms > left.at_ms:
            shard.inheritance = None
            self._add(shard, Work(settles=True, states={MEMO_KEY: shard.logic.memo}))

    def _renew(self, shard: OpenShard) -> None:
        """Let a shard go over to the newest model. Nothing of the shard may be under way."""
        work = shard.logic.renew()
        if work is None:
            return
        work.steps.append(Adopt(shard.logic.publication))
        work.states[MEMO_KEY] = shard.logic.memo
        self._add(shard, work)

    def _clock_of(self, partition: int, shard: OpenShard) -> int:
        """Return the time (ms) up to which a shard has had everything: no record appended before it is still to come.

        That is when all sources had been read to their ends. Behind a backlog it stands still: what is waiting may
        be history, and leads should not cool in the middle of theirs.
        """
        return min(self._consumer().read_until(topic, partition, following) for topic, following in shard.next.items())

    def _add(self, shard: OpenShard, work: Work) -> None:
        """Give work to the shard's writer; while a model is adopted, with the memo: it counts whom the work adopted."""
        if shard.is_adopting:
            work.states[MEMO_KEY] = shard.logic.memo
        if shard.inheritance is not None:
            shard.inheritance.give_way(work)
        shard.is_adopting = shard.logic.is_adopting  # only now, so that the memo says too that this was the last
        work.clock_ms = shard.clock_ms
        shard.writer.add(work)

    def locate(self, topic: str, partition: int) -> int | None:
        """Return the offset at which a ready shard continues in a source topic, or None."""
        shard = self._open.get(partition)
        return None if shard is None else shard.next[topic]

    def changelog_end(self, partition: int) -> int:
        """Return where a shard's changelog ended when the shard was fenced."""
        return self._ends.get(partition, 0)

    # ---- owning shards

    async def drain(self) -> None:
        """Commit everything that was taken, and let no more time pass: done before partitions are given up."""
        self._is_draining = True
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
            asyncio.create_task(self._seek_what_was_lost(), name="seek-lost"),
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
        return AIOKafkaConsumer(
            bootstrap_servers=self.settings.brokers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_RESTORE_FETCH_BYTES,
            check_crcs=False,
        )

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
        shard = OpenShard(writer, table, logic, meta, inheritance)
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
        """Copy the changelogs of ``partitions`` into tables; each shard is published as soon as it is whole."""
        started = self._now_s()
        consumer = self._new_consumer()
        await consumer.start()
        try:
            left = {TopicPartition(self.changelog, partition) for partition in partitions}
            tables: dict[int, dict[bytes, bytes]] = {partition: {} for partition in partitions}
            counts = dict.fromkeys(partitions, 0)
            read_bare(consumer, [self.changelog])
            consumer.assign(list(left))
            for tp in left:
                # Not seek_to_beginning: it races with the reset that assign has begun.
                consumer.seek(tp, self._starts[tp])
            while left:
                for tp in [tp for tp in left if await consumer.position(tp) >= self._ends[tp.partition]]:
                    left.discard(tp)
                    await self._finish_restore(tp.partition, tables.pop(tp.partition), counts[tp.partition], started)
                if not left:
                    break
                for tp, records in (
                    await consumer.getmany(*left, timeout_ms=200, max_records=_RESTORE_RECORDS)
                ).items():
                    counts[tp.partition] += len(records)
                    _copy(records, tables[tp.partition])
        finally:
            await consumer.stop()

    async def _finish_restore(self, partition: int, table: dict[bytes, bytes], records: int, started: float) -> None:
        memo = table.pop(MEMO_KEY, b"")
        meta = decode_meta(table.pop(META_KEY, b"{}"))
        inheritance = None if meta.is_settled else await self._inherit(partition, meta)
        self._ready(self._waiting[partition], table, memo, meta, inheritance)
        seconds = self._now_s() - started
        log.info("shard restored", partition=partition, leads=len(table), records=records, seconds=round(seconds, 3))
        self._observer.restored(partition, records, seconds)
        self._observer.assigned(len(self._open) + len(self._waiting), len(self._open))
        await self._consumer().seek_to_next([(topic, partition) for topic in self.sources])


def _copy(records: Sequence[Any], table: dict[bytes, bytes]) -> None:
    for record in records:
        if record.value is None:
            table.pop(record.key, None)
        else:
            table[record.key] = record.value


class ShardStore(MemoryStore):
    """The store behind a Faust table: it forwards rebalances to the shards and needs no recovery."""

    shards: Shards

    def persisted_offset(self, tp: Any) -> int | None:
        """Return the end of the changelog, so that Faust's recovery finds nothing to do.

        Everything in it is already here, or will be by our own restore.
        """
        return max(0, self.shards.changelog_end(tp.partition) - 1)

    async def on_rebalance(self, assigned: Any, revoked: Any, newly_assigned: Any, generation_id: int = 0) -> None:
        """Own the assigned partitions."""
        await self.shards.own({tp.partition for tp in assigned if tp.topic in self.shards.sources})

    def apply_changelog_batch(self, batch: Any, to_key: Any, to_value: Any) -> None:
        """Do nothing: a record that Faust re-reads has been written by our own writer."""

    async def on_stop(self) -> None:
        """Commit and let go when the worker stops."""
        await self.shards.close()
        await super().on_stop()


class ShardTable(faust.Table):
    """A Faust table over the shards."""

    shards: Shards

    def _new_store(self) -> ShardStore:
        store = ShardStore("memory:", self.app, self)
        store.shards = self.shards
        return store
