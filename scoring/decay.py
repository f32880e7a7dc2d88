"""Exponentially decayed counts: the one quantity that every score is made of.

A match counts 1 when it happens and half as much after each half-life. The sum over all matches can be kept
in two numbers, whatever the order of arrival (forward decay: Cormode, Shkapenyuk, Srivastava and Xu,
"Forward Decay: A Practical Time Decay Model for Streaming Systems", ICDE 2009).

The hot path (:mod:`scoring.leads`) does the same arithmetic on columns of numbers; tests hold the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp2, log2

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class DecayedCount:
    """A decayed count: ``value`` (matches) as of ``time_ms``, the latest match it has seen (ms since 1970).

    >>> week = 7 * DAY_MS
    >>> count = DecayedCount.of(0).add(week, half_life_ms=week)
    >>> count.value, count.at(2 * week, half_life_ms=week)
    (1.5, 0.75)
    """

    value: float
    time_ms: int

    @classmethod
    def of(cls, time_ms: int) -> DecayedCount:
        """Return the count of a single match at ``time_ms``."""
        return cls(1.0, time_ms)

    def add(self, time_ms: int, half_life_ms: float) -> DecayedCount:
        """Return the count with one more match; a late one (before ``self.time_ms``) is just as exact."""
        return self.merge(DecayedCount.of(time_ms), half_life_ms)

    def merge(self, other: DecayedCount, half_life_ms: float) -> DecayedCount:
        """Return the count of both histories: the older is decayed to the newer's time, then added.

        >>> DecayedCount(2.0, 0).merge(DecayedCount(1.0, 10), half_life_ms=10)
        DecayedCount(value=2.0, time_ms=10)
        """
        time_ms = max(self.time_ms, other.time_ms)
        return DecayedCount(self.at(time_ms, half_life_ms) + other.at(time_ms, half_life_ms), time_ms)

    def at(self, time_ms: int, half_life_ms: float) -> float:
        """Return the count as of ``time_ms``, which is not before the latest match."""
        return self.value * exp2((self.time_ms - time_ms) / half_life_ms)

    def when_below(self, level: float, half_life_ms: float) -> float:
        """Return the time (ms) from which the count is below ``level`` (> 0): t = at + h·log2(value / level).

        >>> DecayedCount(8.0, 0).when_below(1.0, half_life_ms=10)
        30.0
        """
        return self.time_ms + half_life_ms * log2(self.value / level)
