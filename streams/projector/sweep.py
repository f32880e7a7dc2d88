"""The sweep: goes over all leads and accounts again and again, a few at a time, since scores fade and ranks do not.

A rank holds a score as of when its record came or the sweep last passed. So a list is in exact order but for those
whose scores differ by less than what the quickest score loses within one pass: 1 − 2^(−pass / half-life), 0.07 % for
ten minutes and the default model's shortest half-life of seven days, and by less than :data:`SLACK`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from redis.exceptions import WatchError

from scoring.score_records import LeadScore, line_later
from streams.read_model.entries import Ranks, account_ranks, decode_account, lead_ranks
from streams.read_model.happenings import RuleStatistics, Statistics
from streams.read_model.layout import LETTERS_KEPT, Collection, Layout
from streams.read_model.packing import LeadCodec, unpack_leads

STEP_RECORDS: Final = 200
STEP_PERIOD_MS: Final = 250
PAUSE_MIN_MS: Final = 10_000
PAUSE_MAX_MS: Final = 480_000
"""Between two passes, four times as long as the last one took: a few leads are counted anew at once."""

FADING: Final = ("score", "priority")
SLACK: Final = 5e-4
"""A rank that is off by a smaller share is left as it is."""

_encode = msgspec.json.Encoder().encode


class Sweep:
    """Does one small step at a time, between chunks: a pass over 100,000 leads takes about two minutes."""

    def __init__(self, redis: Any, layout: Layout, clock: Callable[[], int]) -> None:
        self._redis, self._layout, self._clock = redis, layout, clock
        self._codec = LeadCodec()
        self._cursor = 0
        self._due_ms = 0
        self._began_ms = 0
        self._of_accounts = False
        self._found = Statistics(at_ms=0)

    async def step(self) -> None:
        """Go over some more, if it is time."""
        now_ms = self._clock()
        if now_ms < self._due_ms:
            return
        if self._cursor == 0 and not self._of_accounts:
            self._began_ms, self._found = now_ms, Statistics(at_ms=now_ms)
        collection = self._layout.accounts if self._of_accounts else self._layout.leads
        self._cursor = await self._pass_over(collection, now_ms)
        self._due_ms = now_ms + STEP_PERIOD_MS
        if self._cursor == 0:
            if self._of_accounts:
                await self._trim_letters()
                pause_ms = 4 * (now_ms - self._began_ms)
                self._due_ms = now_ms + min(PAUSE_MAX_MS, max(PAUSE_MIN_MS, pause_ms))
            else:
                await self._redis.set(self._layout.statistics, _encode(self._found))
            self._of_accounts = not self._of_accounts

    async def _pass_over(self, collection: Collection, now_ms: int) -> int:
        """Bring the ranks of some records up to date; return where to go on, 0 at the end."""
        async with self._redis.pipeline(transaction=True) as pipe:
            await pipe.watch(self._layout.offsets)  # a record that comes meanwhile is newer than ours
            cursor, records = await pipe.hscan(collection.records, self._cursor, count=STEP_RECORDS)
            ranks: dict[str, dict[bytes, float]] = {name: {} for name in FADING}
            for member, found in (await self._ranks_of(pipe, collection, records, now_ms)).items():
                for rank in FADING:
                    ranks[rank][member] = getattr(found, rank)
            changed = await self._changed(pipe, collection, ranks)
            if changed:
                pipe.multi()
                for rank, values in changed.items():
                    pipe.zadd(collection.by(rank), values, xx=True)
                try:
                    await pipe.execute()
                except WatchError:
                    return self._cursor or 0
        return int(cursor)

    async def _ranks_of(
        self, pipe: Any, collection: Collection, records: dict[bytes, bytes], now_ms: int
    ) -> dict[bytes, Ranks[float]]:
        if collection == self._layout.accounts:
            return {member: account_ranks(decode_account(raw), now_ms) for member, raw in records.items()}
        unpacked = await unpack_leads(pipe, collection.kinds, self._codec, list(records.values()))
        found = {member: each.record for member, each in zip(records, unpacked, strict=True) if each is not None}
        for record in found.values():
            self._note(record, now_ms)
        return {member: lead_ranks(record, now_ms) for member, record in found.items()}

    async def _changed(
        self, pipe: Any, collection: Collection, ranks: dict[str, dict[bytes, float]]
    ) -> dict[str, dict[bytes, float]]:
        changed = {}
        for rank, values in ranks.items():
            if not values:
                continue
            known = await pipe.zmscore(collection.by(rank), list(values))
            moved = {
                name: value
                for (name, value), old in zip(values.items(), known, strict=True)
                if old is not None and abs(old - value) > SLACK * max(1.0, abs(old))
            }
            if moved:
                changed[rank] = moved
        return changed

    def _note(self, record: LeadScore, now_ms: int) -> None:
        """Count what a lead's rules and traits come to."""
        found = self._found
        found.leads += 1
        found.with_fit += record.fit is not None
        found.with_account += bool(record.account)
        wait_ms = max(0, now_ms - record.at_ms)
        for line in record.rules:
            if line.half_life_days > 0:
                _add(found.rules, line.rule, line_later(line, wait_ms))
        for trait in record.traits:
            _add(found.traits, trait.trait, trait.points)

    async def _trim_letters(self) -> None:
        """Keep the latest dead letters only."""
        layout = self._layout
        old = await self._redis.zrange(layout.letters_by_time, 0, -LETTERS_KEPT - 1)
        if old:
            await self._redis.hdel(layout.letters, *old)
            await self._redis.zrem(layout.letters_by_time, *old)


def _add(totals: dict[str, RuleStatistics], name: str, points: float) -> None:
    total = totals.setdefault(name, RuleStatistics())
    total.leads += 1
    total.points += points
