"""When a sum of fading terms is first below a level: by cutting time where the sum may turn, and halving."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import floor, inf, log2
from typing import NamedTuple

DAY_MS = 24 * 3_600_000
CENTURY_MS = 100 * 365 * DAY_MS
"""What has not cooled within this time never does."""


class Fading(NamedTuple):
    """``points`` (signed) now, half as many after each half-life (inf: steady), never more than ``ceiling``."""

    points: float
    half_life_ms: float
    ceiling: float = inf

    def at(self, wait_ms: float) -> float:
        """Return the points ``wait_ms`` from now."""
        faded: float = self.points * 2.0 ** (-wait_ms / self.half_life_ms)
        return max(-self.ceiling, min(self.ceiling, faded))

    def leaves_ceiling_after(self) -> float:
        """Return for how long (ms) from now the ceiling cuts this off."""
        if abs(self.points) <= self.ceiling:
            return 0.0
        return self.half_life_ms * log2(abs(self.points) / self.ceiling) if self.half_life_ms < inf else inf

    def turns(self) -> list[float]:
        """Return the waits (ms) after which this goes on by another formula."""
        return [self.leaves_ceiling_after()]

    def free_from(self, wait_ms: float) -> list[Fading]:
        """Return what fades freely from ``wait_ms`` on, until the next turn."""
        return [self] if self.leaves_ceiling_after() <= wait_ms and self.half_life_ms < inf else []


class Channel(NamedTuple):
    """Gains that count together, never for more than ``ceiling``."""

    gains: tuple[Fading, ...]
    ceiling: float

    def at(self, wait_ms: float) -> float:
        """Return the points ``wait_ms`` from now."""
        return min(self.ceiling, self.uncut_at(wait_ms))

    def uncut_at(self, wait_ms: float) -> float:
        """Return the points that there would be without the channel's own ceiling."""
        return sum(gain.at(wait_ms) for gain in self.gains)

    def leaves_ceiling_after(self) -> float:
        """Return for how long (ms) from now the ceiling cuts this off: gains only fade, so it does so but once."""
        if self.uncut_at(0) <= self.ceiling:
            return 0.0
        if self.uncut_at(2 * CENTURY_MS) > self.ceiling:
            return inf
        left, right = 0.0, 2.0 * CENTURY_MS
        while right - left > 0.001:
            middle = (left + right) / 2
            left, right = (middle, right) if self.uncut_at(middle) > self.ceiling else (left, middle)
        return right

    def turns(self) -> list[float]:
        """Return the waits (ms) after which this goes on by another formula."""
        return [self.leaves_ceiling_after(), *(turn for gain in self.gains for turn in gain.turns())]

    def free_from(self, wait_ms: float) -> list[Fading]:
        """Return what fades freely from ``wait_ms`` on, until the next turn."""
        if self.leaves_ceiling_after() > wait_ms:
            return []
        return [free for gain in self.gains for free in gain.free_from(wait_ms)]


Curve = Fading | Channel


def first_below(curves: Sequence[Curve], level: float, within_ms: float) -> int | None:
    """Return the first wait (whole ms, 0 to ``within_ms``) at which the sum, to six places, is below ``level``.

    Time is cut where the sum may turn, so that in every piece it only rises or only falls. The first piece with
    a low end holds the answer, and halving finds it there.
    """

    def is_below(wait_ms: float) -> bool:
        return round(sum(curve.at(wait_ms) for curve in curves), 6) < level

    if is_below(0):
        return 0
    for before, after in pairwise(_cuts(curves, floor(within_ms))):
        if is_below(after):
            return bisect_left(range(after), True, before + 1, key=is_below)
    return None


def _cuts(curves: Sequence[Curve], end: int) -> Iterator[int]:
    """Yield whole ms from 0 to ``end`` between which the sum only rises or only falls."""
    turns = sorted({turn for curve in curves for turn in curve.turns()} | {0.0, float(end)})
    yield 0
    last = 0
    for left, right in pairwise(turn for turn in turns if turn <= end):
        free = [fading for curve in curves for fading in curve.free_from(left)]
        extremes = zeros(
            [(fading.points / fading.half_life_ms, 1 / fading.half_life_ms) for fading in free], left, right
        )
        for moment in (*extremes, right):
            for cut in (floor(moment), min(end, floor(moment) + 1)):
                if cut > last:
                    yield cut
                    last = cut


def zeros(terms: Sequence[tuple[float, float]], start: float, end: float) -> list[float]:
    """Return where ``Σ factor·2^(−rate·t)`` changes sign between ``start`` and ``end``, to a quarter of a ms.

    By Rolle's theorem a function has at most one zero between two neighbouring zeros of its derivative. Dividing
    by the slowest exponential moves no zero and turns that term into a constant, which the derivative loses: each
    round has one term fewer.
    """
    factors: dict[float, float] = {}
    for factor, rate in terms:
        factors[rate] = factors.get(rate, 0.0) + factor
    if all(factor >= 0 for factor in factors.values()) or all(factor <= 0 for factor in factors.values()):
        return []
    slowest, *others = sorted(factors)

    def value(t: float) -> float:
        rest: float = sum(factors[rate] * 2.0 ** ((slowest - rate) * t) for rate in others)
        return factors[slowest] + rest

    derivative = [(factors[rate] * (slowest - rate), rate - slowest) for rate in others]
    edges = [start, *zeros(derivative, start, end), end]
    return [_halve(value, *edge) for edge in pairwise(edges) if (value(edge[0]) < 0) != (value(edge[1]) < 0)]


def _halve(value: Callable[[float], float], left: float, right: float) -> float:
    """Return where a value changes its sign, which it does once between ``left`` and ``right``."""
    negative = value(right) < 0
    while right - left > 0.25:
        middle = (left + right) / 2
        left, right = (left, middle) if (value(middle) < 0) == negative else (middle, right)
    return right
