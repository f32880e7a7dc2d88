"""How well scores tell won from lost: the area under the curve with its confidence, lift, and two rankings compared.

Everything counts ties as half, so that the order in which leads are given makes no difference.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, variance
from typing import Final

Z_95: Final = NormalDist().inv_cdf(0.975)
"""Standard errors to each side of a 95 % interval."""

_HALVINGS: Final = 60
"""Steps of a bisection between 0 and 1: more than a float can tell apart."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % confidence interval, all on the value's own scale."""

    value: float
    low: float
    high: float


def find_auc(won: Sequence[float], lost: Sequence[float]) -> Interval:
    """Return the area under the ROC curve (0 to 1): how often a won lead's score is above a lost one's.

    The interval is Newcombe's method 5 (Statistics in Medicine 25, 2006, 559-573), which keeps within 0 and 1 and has
    a width even where no lost lead is above a won one.

    >>> auc = find_auc([3.0, 2.0, 2.0], [1.0, 2.0])
    >>> round(auc.value, 3), round(auc.low, 3), round(auc.high, 3)
    (0.833, 0.313, 0.981)

    Raises :class:`ValueError` where either is empty.
    """
    if not won or not lost:
        raise ValueError(f"needs won and lost; got {len(won)} and {len(lost)}")
    value = fmean(_placements(won, lost))
    low = _solve(lambda area: value - area - Z_95 * _error_of(area, len(won), len(lost)), 0.0, value)
    high = _solve(lambda area: value - area + Z_95 * _error_of(area, len(won), len(lost)), value, 1.0)
    return Interval(value, low, high)


def compare_auc(
    before: tuple[Sequence[float], Sequence[float]], after: tuple[Sequence[float], Sequence[float]]
) -> Interval:
    """Return by how much the area grows from one scoring of the same leads to another.

    Both are scores of the won and of the lost, in the same order of leads. The error is DeLong's for correlated areas
    (Biometrics 44, 1988, 837-845), without its matrices: the variance of each lead's difference.

    >>> gain = compare_auc(([1.0, 2.0, 3.0], [1.0, 2.0, 0.0]), ([2.0, 3.0, 3.0], [1.0, 2.0, 0.0]))
    >>> round(gain.value, 3), round(gain.low, 3), round(gain.high, 3)
    (0.167, -0.1, 0.433)

    Raises :class:`ValueError` for fewer than two won or lost.
    """
    if len(before[0]) < 2 or len(before[1]) < 2:
        raise ValueError(f"needs two won and two lost; got {len(before[0])} and {len(before[1])}")
    of_won = _differences(_placements(before[0], before[1]), _placements(after[0], after[1]))
    # How often a lost lead's score is above a won one's: seen from the lost, what grows is the area's rest.
    of_lost = _differences(_placements(after[1], after[0]), _placements(before[1], before[0]))
    gain = fmean(of_won)
    error = sqrt(variance(of_won) / len(of_won) + variance(of_lost) / len(of_lost))
    return Interval(gain, gain - Z_95 * error, gain + Z_95 * error)


def lift_at(share: float, won: Sequence[float], lost: Sequence[float]) -> float:
    """Return how much more often leads are won among the best ``share`` (0 to 1) by score than among all.

    Of leads with equal scores at the border as many are taken as have room, each with the same chance.

    >>> lift_at(0.5, [9.0, 8.0], [7.0, 1.0]), lift_at(0.5, [1.0, 1.0], [1.0, 1.0])
    (2.0, 1.0)
    """
    total = len(won) + len(lost)
    room = share * total
    found = 0.0
    ranked = sorted([(-score, True) for score in won] + [(-score, False) for score in lost])
    start = 0
    while start < total and room > 0:
        end = bisect_right(ranked, ranked[start][0], start, key=lambda each: each[0])
        taken = min(room, end - start)
        found += sum(is_won for _, is_won in ranked[start:end]) * taken / (end - start)
        room, start = room - taken, end
    return found / (share * total) / (len(won) / total)


def roc_points(won: Sequence[float], lost: Sequence[float]) -> list[tuple[float, float]]:
    """Return the ROC curve: for every score, the shares of the lost and of the won at or above it, from 0 to 1.

    >>> roc_points([2.0, 1.0], [1.0])
    [(0.0, 0.0), (0.0, 0.5), (1.0, 1.0)]
    """
    won, lost = sorted(won), sorted(lost)
    limits = sorted({*won, *lost}, reverse=True)
    return [(0.0, 0.0)] + [
        (1 - bisect_left(lost, limit) / len(lost), 1 - bisect_left(won, limit) / len(won)) for limit in limits
    ]


def _placements(scores: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return for each score the share of the others that it is above, where equal ones are half."""
    ordered = sorted(others)
    return [(bisect_left(ordered, score) + bisect_right(ordered, score)) / 2 / len(ordered) for score in scores]


def _differences(before: Sequence[float], after: Sequence[float]) -> list[float]:
    return [new - old for old, new in zip(before, after, strict=True)]


def _error_of(area: float, won: int, lost: int) -> float:
    """Return the standard error that an area would have (Hanley and McNeil 1982, both sizes as their mean)."""
    more = (won + lost) / 2 - 1
    spread = 1 + more * (1 - area) / (2 - area) + more * area / (1 + area)
    return sqrt(max(0.0, area * (1 - area) * spread / (won * lost)))


def _solve(falling: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that is positive at ``low`` and falls to ``high`` crosses 0, by bisection."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if falling(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
