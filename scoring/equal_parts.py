"""A split of numbers into equal parts that never parts equals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def split_equally(values: Sequence[float], parts: int) -> list[int]:
    """Return for each value the part that it falls into, 0 for the largest values up to ``parts`` − 1.

    Without equal values, the parts differ in size by one at most. Equals go together where their middle lies: with
    ``better`` values above them, ``tied`` equals and ``n`` values in all, into part::

        ⌊parts·(better + tied/2) / n⌋

    So nothing is parted that is equal, raising a value never moves it to a lower part, and where all are equal they
    are in the middle.

    >>> split_equally([9, 8, 7, 6, 5, 4, 3], 3)
    [0, 0, 1, 1, 1, 2, 2]
    >>> split_equally([9, 5, 5, 5, 5, 1], 3), split_equally([5, 5, 5, 5], 3), split_equally([5], 3)
    ([0, 1, 1, 1, 1, 2], [1, 1, 1, 1], [1])
    """
    counts, better, part_of = Counter(values), 0, {}
    for value in sorted(counts, reverse=True):
        tied = counts[value]
        # In whole numbers, so that no rounding decides on which side of a limit a middle lies.
        part_of[value] = parts * (2 * better + tied) // (2 * len(values))
        better += tied
    return [part_of[value] for value in values]


def limits_of(placed: Iterable[tuple[float, int]]) -> dict[int, float]:
    """Return the least value of each part down from the best, as far as one is there; the last part needs none.

    ``placed`` are values with their parts, all parts of a split that is in the order of the values. By
    these limits each of the values is in its part again, and any other can be placed.

    >>> limits_of([(9, 0), (8, 0), (7, 1), (5, 2)])
    {0: 8, 1: 7, 2: 5}
    """
    least: dict[int, float] = {}
    for value, part in placed:
        least[part] = min(value, least.get(part, value))
    return dict(sorted(least.items()))
