"""Delivery by chunks: one object per fetched run of a partition's records, with the position it came from.

Faust hands records to agents one by one, which costs 0.2 ms each; a chunk costs the same and carries thousands.
The consumer's thread builds them, because only there is the position of a fetch certain. Offsets are not Faust's
business either: they are committed inside the shard's transaction, and the shard says where to read next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

import faust
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.membership import leave_group, watch_membership
from streams.runtime.bare_records import read_bare
from streams.runtime.fetch_pace import FetchPace

_ANSWER_MS = 100  # an answer is some milliseconds older than its receipt
_LEAVE_S = 1.0
_PAUSED_S = 0.02  # how soon a consumer without any partition to read looks again

Locate = Callable[[str, int], int | None]
"""Topic and partition → the offset to read next, or None while the shard is not ready."""


class Chunk:
    """A run of one partition's records that looks like one record to Faust.

    ``start`` is the position that the run was fetched from: between it and the first record there is nothing,
    or only what readers do not see (control records, compacted ones). ``records`` is never empty. ``fetch`` counts
    the consumer's fetches: a topic's chunks arrive in this order.
    """

    __slots__ = (
        "fetch",
        "headers",
        "key",
        "offset",
        "partition",
        "records",
        "start",
        "timestamp",
        "timestamp_type",
        "topic",
    )
    checksum = None
    serialized_key_size = serialized_value_size = 0

    def __init__(self, topic: str, partition: int, start: int, records: list[Any], fetch: int) -> None:
        self.topic, self.partition, self.start, self.records, self.fetch = topic, partition, start, records, fetch
        last = records[-1]
        self.offset, self.timestamp, self.timestamp_type = last.offset, last.timestamp, last.timestamp_type
        self.headers = self.key = None

    @property
    def value(self) -> Chunk:
        """The chunk itself: what an agent receives."""
        return self

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return int(self.offset) + 1


class ChunkSchema(faust.Schema):
    """Passes chunks through undecoded: records are decoded once, by the shard."""

    def loads_key(self, app: Any, message: Any, **kwargs: Any) -> Any:
        """Return nothing: a chunk has no key."""
        return None

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Any:
        """Return the chunk."""
        return message.value


class _ChunkThread(driver.AIOKafkaConsumerThread):
    """Reads committed records only, and returns them as chunks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Where a fetch moved over control records without returning any, the next chunk starts before them.
        self._skipped: dict[TopicPartition, tuple[int, int]] = {}
        self._fetches = 0
        # When (ms) a partition had last been read to its end, and up to which record that was.
        self.read_until: dict[TopicPartition, tuple[int, int]] = {}
        # Where a partition was told to go on, until records from there have come.
        self._sought: dict[TopicPartition, int] = {}
        # Up to where records have been returned, and by which fetch.
        self.delivered: dict[TopicPartition, tuple[int, int]] = {}
        self._watching: asyncio.Task[None] | None = None

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust asks for this only under its own exactly_once, which we do not use.
        consumer._isolation_level = "read_committed"
        consumer._fetch_min_bytes = self.consumer.fetch_min_bytes
        return consumer

    async def on_start(self) -> None:
        """Connect; from here on records of sources are bare ones."""
        await super().on_start()
        self._watching = asyncio.create_task(watch_membership(self._consumer, self.consumer.on_failure))
        read_bare(self._consumer, self.consumer.sources)
        self._pace = FetchPace(self._consumer, self.consumer.sources, self.consumer.fetch_wait_ms)

    async def on_thread_stop(self) -> None:
        """Leave off, in the thread."""
        if self._watching is not None:
            self._watching.cancel()
        await super().on_thread_stop()

    async def _fetch_records(
        self, consumer: Any, active_partitions: Any, timeout: float | None = None, max_records: int | None = None
    ) -> Mapping[TopicPartition, list[Any]]:
        if not active_partitions:
            # All are paused. aiokafka would take an empty set for all partitions, and what it returns would be lost.
            await asyncio.sleep(_PAUSED_S)
            return {}
        before = _positions(consumer)
        self._pace.ask()
        fetched = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        self._pace.took(sum(map(len, fetched.values())))
        after = _positions(consumer)
        self._fetches += 1
        chunks = {tp: self._chunks(tp, before.get(tp), records) for tp, records in fetched.items()}
        for tp, position in after.items():
            # Behind records, too: the mark of their transaction comes with them, and is no record.
            self._note_skipped(tp, fetched[tp][-1].offset + 1 if tp in fetched else before.get(tp), position)
        self._note_delivered(after)
        for tp, position in after.items():
            end, polled_ms = consumer.last_stable_offset(tp), consumer.last_poll_timestamp(tp)
            if end is not None and polled_ms is not None and position >= end:
                self.read_until[tp] = polled_ms - _ANSWER_MS, self.delivered[tp][0]
        return chunks

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Look after fetching only.

        Faust would also report that nothing is committed, and that the changelog is not read: offsets are committed in
        transactions, and restores are ours. Who stands still is noticed by :mod:`streams.runtime.liveness`.
        """
        self.verify_recovery_event_path(now, tp)

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TopicPartition, int]) -> None:
        """Seek, and forget what was known of the partitions: also while a fetch waits, which then begins anew."""
        for tp, offset in partitions.items():
            self._sought[tp] = offset
            for known in (self._skipped, self.delivered, self.read_until):
                known.pop(tp, None)
        await super()._seek_wait(consumer, partitions)

    def _chunks(self, tp: TopicPartition, position: int | None, records: list[Any]) -> list[Any]:
        if not self.consumer.is_source(tp.topic):
            return records
        start, skipped_to = self._skipped.pop(tp, (position, position))
        if tp in self._sought:
            start = skipped_to = position = self._sought.pop(tp)
        if skipped_to != position or start is None:
            # Another position than we left: a seek. What was skipped before it is no longer adjacent.
            start = records[0].offset if position is None else position
        size = self.consumer.chunk_records
        chunks = []
        for first in range(0, len(records), size):
            chunk = Chunk(tp.topic, tp.partition, start, records[first : first + size], self._fetches)
            start = chunk.end
            chunks.append(chunk)
        return chunks

    def _note_delivered(self, after: dict[TopicPartition, int]) -> None:
        delivered = {}
        for tp, position in after.items():
            start, skipped_to = self._skipped.get(tp, (position, position))
            end = start if skipped_to == position else position
            known = self.delivered.get(tp)
            delivered[tp] = known if known is not None and known[0] == end else (end, self._fetches)
        self.delivered = delivered

    def _note_skipped(self, tp: TopicPartition, before: int | None, after: int) -> None:
        if before is None or after <= before:
            return
        start, skipped_to = self._skipped.get(tp, (before, before))
        self._skipped[tp] = (start if skipped_to == before else before, after)


def _positions(consumer: Any) -> dict[TopicPartition, int]:
    """Return the position of every assigned partition that has one."""
    subscription = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None:
        return {}
    assignment = subscription.assignment
    states = {tp: assignment.state_value(tp) for tp in assignment.tps}
    return {tp: state._position for tp, state in states.items() if state is not None and state._position is not None}


class ChunkConsumer(driver.Consumer):
    """Delivers chunks for the source topics, keeps Faust's hands off their offsets, and seeks where shards say."""

    sources: Collection[str] = ()
    chunk_records: int
    fetch_wait_ms: int
    fetch_min_bytes: int
    locate: Locate
    changelog_end: Callable[[int], int]
    until_idle: Callable[[], Awaitable[object]]
    on_failure: Callable[[BaseException], None]

    def _new_consumer_thread(self) -> Any:
        return _ChunkThread(self, loop=self.loop, beacon=self.beacon)

    def is_source(self, topic: str) -> bool:
        """Whether a topic is delivered by chunks."""
        return topic in self.sources

    def _new_offset(self, tp: Any) -> int | None:
        if not self.is_source(tp.topic):
            return super()._new_offset(tp)  # type: ignore[no-any-return]
        # Committed in the shard's transaction. Faust still notes each acknowledgement: forget them.
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return None

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        if not self.is_source(tp.topic):
            await super()._add_gap(tp, offset_from, offset_to)

    async def perform_seek(self) -> None:
        """Seek every source partition to where its shard continues; one that is not ready waits, paused."""
        await self.seek_to_next({(tp.topic, tp.partition) for tp in self.assignment() if self.is_source(tp.topic)})

    async def seek_to_next(self, sources: Collection[tuple[str, int]]) -> None:
        """Seek source partitions to where their shards continue, and let them flow; pause those not ready."""
        offsets = {}
        for topic, partition in sources:
            tp = TP(topic, partition)
            offset = self.locate(topic, partition)
            if offset is None:
                self.pause_partitions({tp})
            else:
                offsets[tp] = offset
        try:
            await self.seek_wait(offsets)
        except IllegalStateError:
            return  # no longer assigned: the rebalance that is under way seeks anew
        self.resume_partitions(set(offsets))

    def delivered(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the offset up to which a source partition's records have been handed on, and by which fetch."""
        handed_on: tuple[int, int] = self._thread.delivered.get(TopicPartition(topic, partition), (0, 0))
        return handed_on

    def read_until(self, topic: str, partition: int, following: int) -> int:
        """Return up to when (append time, ms) all records of a partition have been handled by who continues at
        ``following``, because its end had been reached; 0 if that is not known."""
        until, end = self._thread.read_until.get(TopicPartition(topic, partition), (0, 0))
        return until if following >= end else 0

    def leave_group(self) -> None:
        """Leave the group, if that can be done in a moment: the process ends, and will not come back as this member."""
        thread = self._thread
        with suppress(Exception):  # whatever hinders it, the process ends
            asyncio.run_coroutine_threadsafe(leave_group(thread._consumer), thread.thread_loop).result(_LEAVE_S)

    async def _wait_next_records(self, timeout: float) -> Any:
        await self.until_idle()
        return await super()._wait_next_records(timeout)

    async def highwaters(self, *partitions: Any) -> Mapping[Any, int]:
        """Return the ends of changelogs as the shards saw them when they were fenced.

        Faust compares them with what its tables hold. A shard that is ready early writes on, and a later end
        would make Faust start a recovery of its own.
        """
        return {tp: self.changelog_end(tp.partition) for tp in partitions}


def chunk_transport(
    sources: Collection[str],
    *,
    chunk_records: int,
    fetch_wait_ms: int,
    fetch_min_bytes: int,
    locate: Locate,
    changelog_end: Callable[[int], int],
    until_idle: Callable[[], Awaitable[object]],
    on_failure: Callable[[BaseException], None],
) -> type[driver.Transport]:
    """Return a Faust transport whose consumer delivers ``sources`` by chunks and seeks by ``locate``.

    It fetches more when ``until_idle`` returns. Where nothing more can come, it calls ``on_failure``, in its thread.
    """
    members = {
        "sources": frozenset(sources),
        "chunk_records": chunk_records,
        "fetch_wait_ms": fetch_wait_ms,
        "fetch_min_bytes": fetch_min_bytes,
        "locate": staticmethod(locate),
        "changelog_end": staticmethod(changelog_end),
        "until_idle": staticmethod(until_idle),
        "on_failure": staticmethod(on_failure),
    }
    consumer = type("ShardConsumer", (ChunkConsumer,), members)
    return type("ShardTransport", (driver.Transport,), {"Consumer": consumer})
