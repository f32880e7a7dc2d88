"""Visits: runs of a lead's web events with no longer silence between them than a gap.

A visit is an interval of event times. A lead remembers its 32 latest, as 12 bytes each (start and end, ms since
1970), in order. Whatever the order in which events arrive, the same visits come out: an event joins the visits
that it lies within the gap of, and what it joins becomes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from math import exp2
from struct import Struct
from typing import Final, NamedTuple

VISITS_KEPT: Final = 32
_TIME_BYTES: Final = 6
_VISIT_BYTES: Final = 2 * _TIME_BYTES
_START: Final = Struct(">Q4x")  # a visit's start, and two bytes of its end: there is no integer of six bytes


class Visit(NamedTuple):
    """The times of a visit's first and last event (ms since 1970)."""

    start_ms: int
    end_ms: int


def read_visits(memory: bytes | bytearray) -> list[Visit]:
    """Return the visits in a lead's memory, the earliest first."""
    times = [
        int.from_bytes(memory[position : position + _TIME_BYTES]) for position in range(0, len(memory), _TIME_BYTES)
    ]
    return [Visit(start, end) for start, end in zip(times[::2], times[1::2], strict=True)]


def read_starts(memory: bytes | bytearray) -> list[int]:
    """Return when (ms) the visits in a lead's memory began, the earliest first.

    >>> read_starts((5).to_bytes(6) * 2 + (9).to_bytes(6) * 2)
    [5, 9]
    """
    return [start >> 16 for (start,) in _START.iter_unpack(memory)]


def last_visit_ms(memory: bytes | bytearray) -> int:
    """Return the time of the last event of the last visit (ms), or 0 where no visit is remembered."""
    return int.from_bytes(memory[-_TIME_BYTES:])


class Seen(IntEnum):
    """What an event did to a lead's visits."""

    SAME = 0
    """No visit began or ended otherwise than before, but for the end of one."""
    ONE_MORE = 1
    """A visit began after all others, and none was forgotten."""
    OTHERS = 2
    """Anything else: a late event, or a visit was forgotten."""


SAME, ONE_MORE, OTHERS = Seen
"""By names of their own, since finding a class's member takes longer than all else that is done with it."""


def see_visit(memory: bytearray, time_ms: int, gap_ms: int) -> Seen:
    """Add an event at ``time_ms`` to the visits in ``memory``, in place.

    >>> memory = bytearray()
    >>> [see_visit(memory, minute * 60_000, gap_ms=1_800_000).name for minute in (0, 90, 100, 45)]
    ['ONE_MORE', 'ONE_MORE', 'SAME', 'OTHERS']
    >>> read_visits(memory)
    [Visit(start_ms=0, end_ms=0), Visit(start_ms=2700000, end_ms=2700000), Visit(start_ms=5400000, end_ms=6000000)]
    """
    if memory:
        end = int.from_bytes(memory[-_TIME_BYTES:])
        if end <= time_ms <= end + gap_ms:  # nearly always: the visit goes on
            memory[-_TIME_BYTES:] = time_ms.to_bytes(_TIME_BYTES)
            return SAME
        if time_ms < end:
            return _insert(memory, time_ms, gap_ms)
    memory += time_ms.to_bytes(_TIME_BYTES) * 2
    if len(memory) > VISITS_KEPT * _VISIT_BYTES:
        del memory[:_VISIT_BYTES]
        return OTHERS
    return ONE_MORE


def _insert(memory: bytearray, time_ms: int, gap_ms: int) -> Seen:
    """Add an event that came late: it may begin a visit, lengthen one, or join two."""
    visits = read_visits(memory)
    near = [visit for visit in visits if visit.start_ms - gap_ms <= time_ms <= visit.end_ms + gap_ms]
    starts = [visit.start_ms for visit in visits]
    joined = Visit(min([time_ms, *(v.start_ms for v in near)]), max([time_ms, *(v.end_ms for v in near)]))
    visits = sorted([*(visit for visit in visits if visit not in near), joined])[-VISITS_KEPT:]
    memory[:] = b"".join(time.to_bytes(_TIME_BYTES) for visit in visits for time in visit)
    return SAME if [visit.start_ms for visit in visits] == starts else OTHERS


def merge_visits(memory: bytearray, other: bytes | bytearray, gap_ms: int) -> None:
    """Add another memory's visits to ``memory``, in place: those within the gap of each other become one.

    >>> memory = bytearray((5).to_bytes(6) * 2)
    >>> merge_visits(memory, (9).to_bytes(6) * 2 + (100).to_bytes(6) * 2, gap_ms=10)
    >>> read_visits(memory)
    [Visit(start_ms=5, end_ms=9), Visit(start_ms=100, end_ms=100)]
    """
    if not other:
        return
    if not memory:
        memory += other
        return
    joined: list[Visit] = []
    for visit in sorted([*read_visits(memory), *read_visits(other)]):
        if joined and visit.start_ms - joined[-1].end_ms <= gap_ms:
            joined[-1] = Visit(joined[-1].start_ms, max(joined[-1].end_ms, visit.end_ms))
        else:
            joined.append(visit)
    memory[:] = b"".join(time.to_bytes(_TIME_BYTES) for visit in joined[-VISITS_KEPT:] for time in visit)


def start_of(memory: bytes | bytearray, back: int) -> int | None:
    """Return when (ms) the visit ``back`` visits before the last one began; None if there were not so many.

    >>> start_of((5).to_bytes(6) * 2 + (9).to_bytes(6) * 2, 1)
    5
    """
    position = len(memory) - (back + 1) * _VISIT_BYTES
    return int.from_bytes(memory[position : position + _TIME_BYTES]) if position >= 0 else None


def count_repeats(starts: Sequence[int], at_least: int, within_ms: int, rate: float) -> tuple[float, int]:
    """Return the decayed count of repeated visits, and the time as of which it holds: that of the last of them.

    A visit is one if, itself included, ``at_least`` of ``starts`` (ms, in order) lie in the ``within_ms`` up to its
    own. ``rate`` is 1/half-life in 1/ms. Without any the count is 0, at time 0.

    >>> week = 7 * 86_400_000
    >>> count_repeats([0, week, 3 * week], 2, week, rate=1 / week)
    (1.0, 604800000)
    """
    count, at = 0.0, 0
    for first, start in zip(starts, starts[at_least - 1 :], strict=False):
        if start - first <= within_ms:
            count = count * exp2((at - start) * rate) + 1.0
            at = start
    return count, at
