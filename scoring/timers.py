"""When which lead cools: a heap of times, with at most one live entry per lead."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final

NEVER: Final = 1 << 62
"""A time that never comes. It takes nine bytes in a state, like every real time."""


class Timers:
    """Times (ms) at which keys are due.

    A timer that is put off stays where it is, and is looked at again when its earlier time comes: most leads move
    their cooling with every event, and few ever reach it.
    """

    def __init__(self, times: Iterable[tuple[int, bytes]] = ()) -> None:
        self._heap = list(times)
        heapify(self._heap)
        self._scheduled = {key: time_ms for time_ms, key in self._heap}

    def __len__(self) -> int:
        return len(self._scheduled)

    @property
    def next_ms(self) -> int:
        """The earliest time at which something may be due; ``NEVER`` without timers."""
        return self._heap[0][0] if self._heap else NEVER

    def put(self, key: bytes, time_ms: int) -> None:
        """Make sure that ``key`` is looked at by ``time_ms``."""
        scheduled = self._scheduled.get(key)
        if scheduled is None or time_ms < scheduled:
            self._scheduled[key] = time_ms
            heappush(self._heap, (time_ms, key))

    def take_due(self, clock_ms: int) -> bytes | None:
        """Remove and return the key that may be due first, at or before ``clock_ms``; None if there is none."""
        heap, scheduled = self._heap, self._scheduled
        while heap and heap[0][0] <= clock_ms:
            time_ms, key = heappop(heap)
            if scheduled.get(key) == time_ms:
                del scheduled[key]
                return key
        return None
