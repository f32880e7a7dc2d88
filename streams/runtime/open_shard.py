"""One shard that is ready: which chunk it waits for, and how time passes for it."""

from __future__ import annotations

from typing import Any, Final

from streams.runtime.chunks import Chunk
from streams.runtime.inheritance import Inheritance
from streams.runtime.journal import MEMO_KEY, Adopt, Forgotten, Meta, Pass, Tick
from streams.runtime.logic import Logic
from streams.runtime.transactions import Work, Writer

_TICK_LEADS: Final = 5_000  # a tick holds the loop: 0.2 ms a lead
_SWEEP_KEYS: Final = 1_000  # four times a second: a million keys in four minutes, at less than 1 % of a core
_SWEEP_PAUSE_MS: Final = 3_600_000


class OpenShard:
    """A shard that is ready: its table, its logic, its writer, and where it continues in each source topic.

    While a model is adopted, or a rebuild's records are handed on, at most ``keys_per_turn`` are done (of each topic)
    whenever the shard catches up.
    """

    def __init__(
        self,
        writer: Writer,
        table: dict[bytes, bytes],
        logic: Logic,
        meta: Meta,
        keys_per_turn: int,
        inheritance: Inheritance | None = None,
    ) -> None:
        self.writer, self.table, self.logic = writer, table, logic
        self.inheritance = inheritance
        self.next = dict(meta.next)
        self.clock_ms = meta.clock_ms
        self.is_busy = False
        """Whether a chunk is being worked on."""
        self.is_late = False
        """Whether time could not pass, because of a chunk."""
        self.sought: dict[str, float] = {}
        """When (s) records of a topic were last asked for again."""
        self._keys_per_turn = keys_per_turn
        self._is_adopting = logic.is_adopting
        self._sweeps_at_ms = 0

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

    def add(self, work: Work) -> None:
        """Give work to the writer; while a model is adopted, with the memo: it counts whom the work adopted."""
        if self._is_adopting:
            work.states[MEMO_KEY] = self.logic.memo
        if self.inheritance is not None:
            self.inheritance.give_way(work)
        self._is_adopting = self.logic.is_adopting  # only now, so that the memo says too that this was the last
        work.clock_ms = self.clock_ms
        self.writer.add(work)

    def renew(self) -> None:
        """Go over to the newest model. Nothing of the shard may be under way."""
        work = self.logic.renew()
        if work is None:
            return
        work.steps.append(Adopt(self.logic.publication))
        work.states[MEMO_KEY] = self.logic.memo
        self.add(work)

    def catch_up(self, clock_ms: int) -> None:
        """Bring the shard's clock forward to ``clock_ms``, and do what is due by it."""
        self.is_late = False
        self.renew()
        self.clock_ms = max(self.clock_ms, clock_ms)
        if self.logic.due_ms <= self.clock_ms:
            self._tick()
        if self.logic.is_adopting:
            work, adopted_to = self.logic.adopt(self._keys_per_turn)
            work.steps.append(Pass(adopted_to))
            self.add(work)
        if self.inheritance is not None:
            self._hand_on(self.inheritance)
        if self.clock_ms >= self._sweeps_at_ms:
            self._sweep()

    def _tick(self) -> None:
        work, clock_ms = self.logic.tick(self.clock_ms, _TICK_LEADS)
        if work:
            work.steps.append(Tick(clock_ms))
            self.add(work)

    def _hand_on(self, left: Inheritance) -> None:
        """Write some of what a rebuild has left; the last of it once nothing is to come that was there before."""
        latest = left.take(self._keys_per_turn)
        if latest:
            self.add(Work(latest={topic: {**values} for topic, values in latest.items()}))
        elif self.clock_ms > left.at_ms:
            self.inheritance = None
            self.add(Work(settles=True, states={MEMO_KEY: self.logic.memo}))

    def _sweep(self) -> None:
        """Forget whom nothing was heard of for long, some keys at a time, and over again after a pause."""
        work, keys, is_over = self.logic.forget(self.clock_ms, _SWEEP_KEYS)
        if is_over:
            self._sweeps_at_ms = self.clock_ms + _SWEEP_PAUSE_MS
        if keys:
            work.steps.append(Forgotten(keys))
            self.add(work)
