"""Activity: on which days something was done, and how often; what a buying signal looks at.

A memory holds the 28 latest days (UTC) with anything in them, in order, as 3 bytes each: the day's number (days since
1970, 2 bytes) and how many events it has seen (1 byte; 255 stands for more). Whatever the order in which events
arrive, the same days come out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from struct import Struct
from typing import Final

from scoring.decay import DAY_MS

DAYS_KEPT: Final = 28
EVENTS_MAX: Final = 255
_BYTES: Final = 3
DAYS_BYTES: Final = DAYS_KEPT * _BYTES
_DAY: Final = Struct(">HB")


def note_activity(memory: bytearray, time_ms: int, events: int = 1) -> None:
    """Add ``events`` at ``time_ms`` to the days in ``memory``, in place; a negative number takes them away.

    >>> memory = bytearray()
    >>> for day in (20_000, 20_002, 20_002, 20_001):
    ...     note_activity(memory, day * DAY_MS)
    >>> read_activity(memory)
    [(20000, 1), (20001, 1), (20002, 2)]
    """
    day = (time_ms // DAY_MS).to_bytes(2)
    for start in range(len(memory) - _BYTES, -_BYTES - 1, -_BYTES):  # the latest day first: nearly always it
        known = memory[start : start + 2] if start >= 0 else b""
        if known == day:
            count = memory[start + 2] + events
            if count > 0:
                memory[start + 2] = min(count, EVENTS_MAX)
            else:
                del memory[start : start + _BYTES]
            return
        if known < day:
            if events > 0:
                memory[start + _BYTES : start + _BYTES] = day + min(events, EVENTS_MAX).to_bytes()
                del memory[:-DAYS_BYTES]
            return


def read_activity(memory: bytes | bytearray) -> list[tuple[int, int]]:
    """Return the days in ``memory``, the earliest first: (days since 1970, events)."""
    return [*_DAY.iter_unpack(memory)]


def last_day(memory: bytes | bytearray) -> int:
    """Return the latest day in ``memory`` (days since 1970), or 0 where there is none."""
    return int.from_bytes(memory[-_BYTES:-1])


def known_from(memory: bytes | bytearray) -> int:
    """Return the day (since 1970) from which on a day that is not in ``memory`` had no events.

    A full memory may have forgotten what lies before its first day; any other has forgotten nothing, which is 0.
    """
    return int.from_bytes(memory[:2]) if len(memory) >= DAYS_KEPT * _BYTES else 0


def merge_activity(memories: Iterable[bytes | bytearray]) -> dict[int, int]:
    """Return the days of several memories together: days since 1970 → events.

    >>> one, other = bytearray(), bytearray()
    >>> note_activity(one, 20_000 * DAY_MS); note_activity(other, 20_000 * DAY_MS)
    >>> merge_activity([one, other])
    {20000: 2}
    """
    days: defaultdict[int, int] = defaultdict(int)
    for day, events in _DAY.iter_unpack(b"".join(memories)):
        days[day] += events
    return dict(days)
