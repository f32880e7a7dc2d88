"""Segments: who is let go, and how the others are parted by their value, never inside a tie.

In this order, so that the later stands above the earlier:

1. of whom too little is known for a value is ``unknown``;
2. who has the worst rating throughout, but for ``criteria_above_max`` criteria, is in ``exit``; never one of whom a
   criterion is unknown;
3. the others are parted equally by their value, or placed by the limits of an earlier split;
4. who is in the best segment without the least rating that a criterion asks for there, is in the next one;
5. an override by hand stands until it ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from scoring.customer_value import CustomerWorth
from scoring.equal_parts import limits_of, split_equally
from scoring.errors import CustomerError
from scoring.model_customers import EXIT, UNKNOWN, Customers
from scoring.model_file import show, suggest

REASON_MAX: Final = 200


class Override(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A segment by hand, told at ``time_ms`` by ``by`` for a ``reason``; it ends at ``until_ms`` (ms since 1970)."""

    time_ms: int
    segment: str
    until_ms: int
    reason: str = ""
    by: str = ""


class Placed(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """The segment of a customer; ``automatic`` is the one without an override, ``why`` says what is not plain."""

    segment: str
    automatic: str
    why: str = ""


def place_all(
    customers: Customers, worths: Sequence[CustomerWorth], overrides: Sequence[Override | None], now_ms: int
) -> list[Placed]:
    """Return the segment of each customer, in their order, by an equal split of all of them at ``now_ms``.

    >>> from scoring.customer_value import ValueBook
    >>> book = ValueBook(Customers())
    >>> answers = ["yyyy", "yyyn", "yyyn", "yynn", "ynnn", "nnnn", "nn"]
    >>> worths = [book.rate(dict(zip(book.customers.criteria, row)), {}, 0) for row in answers]
    >>> [placed.segment for placed in place_all(book.customers, worths, [None] * 7, 0)]
    ['A', 'B', 'B', 'C', 'exit', 'exit', 'C']
    """
    parted = [number for number, worth in enumerate(worths) if _before_split(customers, worth) is None]
    names = list(customers.segments)
    parts = split_equally([_value(worths[number]) for number in parted], len(names))
    segment_of = {number: names[part] for number, part in zip(parted, parts, strict=True)}
    return [
        _finish(customers, worth, _before_split(customers, worth) or segment_of[number], override, now_ms)
        for number, (worth, override) in enumerate(zip(worths, overrides, strict=True))
    ]


def place_one(customers: Customers, worth: CustomerWorth, override: Override | None, now_ms: int) -> Placed:
    """Return the segment of one customer, by the limits of the model's ``split``; without one it is ``unknown``."""
    segment = _before_split(customers, worth)
    if segment is not None:
        return _finish(customers, worth, segment, override, now_ms)
    if customers.split is None:
        return override_placed(Placed(UNKNOWN, UNKNOWN, "the model has no split"), override, now_ms)
    value = _value(worth)
    *_, segment = customers.segments
    for name, least in customers.split.segments.items():
        if value >= least:
            segment = name
            break
    return _finish(customers, worth, segment, override, now_ms)


def find_limits(customers: Customers, worths: Sequence[CustomerWorth]) -> dict[str, float]:
    """Return the least value of each segment of an equal split, the best first, as far as anybody is in it."""
    values = [_value(worth) for worth in worths if _before_split(customers, worth) is None]
    *names, _ = customers.segments
    placed = zip(values, split_equally(values, len(customers.segments)), strict=True)
    return {names[part]: least for part, least in limits_of(placed).items() if part < len(names)}


def _before_split(customers: Customers, worth: CustomerWorth) -> str | None:
    """Return the segment of a customer that is not parted from the others, or None."""
    if worth.value is None:
        return UNKNOWN
    leaving = customers.exit
    if leaving.enabled and not worth.unknown and worth.above <= leaving.criteria_above_max:
        return EXIT
    return None


def _finish(customers: Customers, worth: CustomerWorth, segment: str, override: Override | None, now_ms: int) -> Placed:
    best, second, *_ = customers.segments
    why = ""
    if segment == best and (missing := _missing_for_best(customers, worth)):
        segment, why = second, f"not {best}: {missing}"
    elif segment == UNKNOWN:
        why = f"only {show(round(100 * worth.coverage, 1))}% of the weight is known"
    return override_placed(Placed(segment, segment, why), override, now_ms)


def _missing_for_best(customers: Customers, worth: CustomerWorth) -> str:
    """Say what a customer lacks for the best segment; what is unknown is not there."""
    for (name, criterion), rating in zip(customers.criteria.items(), worth.ratings, strict=True):
        least = criterion.best_min
        if least is not None and (rating.rating is None or rating.rating < least):
            is_ = "unknown" if rating.rating is None else show(rating.rating)
            return f"{name} is {is_}, and at least {show(least)} is needed"
    return ""


def override_placed(placed: Placed, override: Override | None, now_ms: int) -> Placed:
    """Return where a customer is by hand, as long as an override stands, else as ``placed``."""
    if override is None or now_ms >= override.until_ms:
        return placed
    by = f", by {override.by}" if override.by else ""
    return Placed(override.segment, placed.automatic, f"by hand: {override.reason}{by}")


def _value(worth: CustomerWorth) -> float:
    assert worth.value is not None, "who has no value is not parted from the others"
    return worth.value


def care_of(customers: Customers, segment: str) -> tuple[str, str]:
    """Return the action and the service level of a segment; of unknown customers there is none."""
    if segment == EXIT:
        return customers.exit.action, customers.exit.service
    care: Mapping[str, object] = customers.segments
    if segment not in care:
        return "", ""
    return customers.segments[segment].action, customers.segments[segment].service


def find_segment(customers: Customers, segment: str, field: str) -> str:
    """Return a segment as the model writes it; raises :class:`CustomerError`, naming ``field``, for what is none.

    >>> find_segment(Customers(), "a", "override")
    'A'
    """
    names = [*customers.segments, EXIT]
    for name in names:
        if name.casefold() == segment.casefold():
            return name
    raise CustomerError(field, f"{show(segment)} is not a segment; {suggest(segment, names, 'there are')}")
