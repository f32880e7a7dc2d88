"""Which acquisition paths bring the good customers: their values beside where they came from, and how long it took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, median
from typing import Final, Literal

import msgspec

from scoring.customer_records import CustomerValue
from scoring.decay import DAY_MS
from scoring.touches import Touch

UNKNOWN_PATH: Final = "unknown"

Part = Literal["source", "medium", "campaign", "page"]
Which = Literal["first", "last"]


class Trail(msgspec.Struct):
    """What is known of how the people of an account came: their touches, and when each turned hot (ms since 1970)."""

    touches: list[Touch] = []
    hot_ms: list[int] = []


class CustomerPath(msgspec.Struct, kw_only=True):
    """A customer, and how it became one: the first touch of anybody there, and the last before it was won.

    Days count from the first touch to the first time that somebody was hot, from then to the win, and over all; None
    where one of both is not known. Somebody who turned hot after the win is no part of the path.
    """

    account: str
    segment: str
    value: float | None
    revenue: float | None
    first: Touch | None
    last: Touch | None
    days_to_hot: float | None
    days_hot_to_won: float | None
    days_to_won: float | None


class PathSum(msgspec.Struct, kw_only=True):
    """The customers of one path: how many, in which segments, their mean value and their medians of days.

    ``best_share`` is how many of them are in the best segment, 0 to 1; ``revenue`` is their sum, as far as it is known.
    """

    path: str
    customers: int
    segments: dict[str, int]
    best_share: float
    value: float | None
    revenue: float | None
    days_to_hot: float | None
    days_hot_to_won: float | None
    days_to_won: float | None


def find_paths(customers: Iterable[CustomerValue], trails: Mapping[str, Trail]) -> list[CustomerPath]:
    """Return how each customer came, by the ``trails`` of accounts.

    >>> trail = Trail([Touch(0, "google"), Touch(5 * DAY_MS, "newsletter"), Touch(30 * DAY_MS, "docs")], [10 * DAY_MS])
    >>> acme = CustomerValue(account="domain:acme.com", at_ms=0, segment="A", automatic="A", value=4.0, value_max=4.0,
    ...                      coverage=1.0, model="1", since_ms=21 * DAY_MS)
    >>> (path,) = find_paths([acme], {"domain:acme.com": trail})
    >>> path.first.source, path.last.source, path.days_to_hot, path.days_hot_to_won, path.days_to_won
    ('google', 'newsletter', 10.0, 11.0, 21.0)
    """
    return [_path(customer, trails.get(customer.account, Trail())) for customer in customers]


def _path(customer: CustomerValue, trail: Trail) -> CustomerPath:
    won = customer.since_ms
    touches = sorted(touch for touch in trail.touches if won is None or touch.time_ms <= won)
    hot = min((at for at in trail.hot_ms if won is None or at <= won), default=None)
    first = touches[0] if touches else None
    began = None if first is None else first.time_ms
    revenue = customer.facts.get("revenue")
    return CustomerPath(
        account=customer.account,
        segment=customer.segment,
        value=customer.value,
        revenue=float(revenue) if isinstance(revenue, int | float) else None,
        first=first,
        last=touches[-1] if touches else None,
        days_to_hot=_days(began, hot),
        days_hot_to_won=_days(hot, won),
        days_to_won=_days(began, won),
    )


def _days(begin_ms: int | None, end_ms: int | None) -> float | None:
    return None if begin_ms is None or end_ms is None else round((end_ms - begin_ms) / DAY_MS, 2)


def sum_paths(paths: Sequence[CustomerPath], which: Which, part: Part, best: str) -> list[PathSum]:
    """Sum customers up by a ``part`` of their first or last touch; the paths with the most of the ``best`` come first.

    Where nothing is known of the touch, or of that part, the path is ``unknown``.
    """
    groups: dict[str, list[CustomerPath]] = {}
    for path in paths:
        touch = path.first if which == "first" else path.last
        name = "" if touch is None else str(getattr(touch, part))
        groups.setdefault(name or UNKNOWN_PATH, []).append(path)
    sums = [_sum(name, members, best) for name, members in groups.items()]
    return sorted(sums, key=lambda each: (-each.segments.get(best, 0), -(each.value or 0.0), each.path))


def _sum(name: str, members: Sequence[CustomerPath], best: str) -> PathSum:
    segments: dict[str, int] = {}
    for path in members:
        segments[path.segment] = segments.get(path.segment, 0) + 1
    revenues = _known(path.revenue for path in members)
    values = _known(path.value for path in members)
    return PathSum(
        path=name,
        customers=len(members),
        segments=dict(sorted(segments.items())),
        best_share=round(segments.get(best, 0) / len(members), 6),
        value=round(mean(values), 6) if values else None,
        revenue=round(sum(revenues), 6) if revenues else None,
        days_to_hot=_median(path.days_to_hot for path in members),
        days_hot_to_won=_median(path.days_hot_to_won for path in members),
        days_to_won=_median(path.days_to_won for path in members),
    )


def _median(numbers: Iterable[float | None]) -> float | None:
    known = _known(numbers)
    return round(median(known), 2) if known else None


def _known(numbers: Iterable[float | None]) -> list[float]:
    return [number for number in numbers if number is not None]
