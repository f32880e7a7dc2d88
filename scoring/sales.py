"""What sales did about a lead, as its state keeps it: where it stands, whether it may be alerted, points by hand.

The newest follow-up of a kind stands (of equal times the one that came last). An adjustment counts from when it is
taken until it ends; a lead keeps the 8 that end last.
"""

from __future__ import annotations

from typing import Final

import msgspec

from scoring.follow_ups import FollowUp

STATUSES: Final = ("", "accepted", "rejected", "contacted", "meeting", "opportunity", "won", "lost")
REJECTED: Final = STATUSES.index("rejected")
LOST: Final = STATUSES.index("lost")
WON: Final = STATUSES.index("won")
IN_WORK: Final = frozenset(STATUSES.index(name) for name in ("accepted", "contacted", "meeting", "opportunity"))

ADJUSTMENTS_MAX: Final = 8
NEVER_LAPSES: Final = 1 << 62


class Sales(msgspec.Struct, array_like=True, gc=False):
    """Where a lead stands with sales; times are in ms since 1970, 0 for never.

    ``status`` is an index of :data:`STATUSES`, since ``status_at``. ``suppressed`` says why the lead is never alerted;
    empty where it may be. ``points``, ``until``, ``since``, ``reasons`` and ``ids`` are the adjustments, in columns;
    none of them has ended at the lead's now.
    """

    status: int = 0
    status_at: int = 0
    is_customer: bool = False
    suppressed: str = ""
    suppression_at: int = 0
    points: list[float] = []
    until: list[int] = []
    since: list[int] = []
    reasons: list[str] = []
    ids: list[str] = []

    @property
    def lapses_at(self) -> int:
        """When the next adjustment ends."""
        return min(self.until, default=NEVER_LAPSES)


def note(sales: Sales, follow_up: FollowUp) -> None:
    """Take a follow-up that adjusts no points into account, in place.

    >>> sales = Sales()
    >>> note(sales, FollowUp(id="f", lead="user:7", action="won", time=5))
    >>> STATUSES[sales.status], sales.is_customer
    ('won', True)
    """
    time_ms, action = follow_up.time, follow_up.action
    assert isinstance(time_ms, int)
    if action in ("suppressed", "released"):
        if time_ms >= sales.suppression_at:
            sales.suppressed, sales.suppression_at = follow_up.reason if action == "suppressed" else "", time_ms
    elif action in STATUSES:
        sales.is_customer = sales.is_customer or action == "won"
        if time_ms >= sales.status_at:
            sales.status, sales.status_at = STATUSES.index(action), time_ms


def adjust(sales: Sales, follow_up: FollowUp, now: int) -> float:
    """Add an adjustment, in place; return the points by which the score changes at ``now`` (ms): 0 if it has ended."""
    points, until = follow_up.points, follow_up.until
    assert points is not None
    assert isinstance(until, int)
    if until <= now or follow_up.id in sales.ids:
        return 0.0
    sales.points.append(points)
    sales.until.append(until)
    sales.since.append(now)
    sales.reasons.append(follow_up.reason)
    sales.ids.append(follow_up.id)
    if len(sales.ids) <= ADJUSTMENTS_MAX:
        return points
    first = sales.until.index(min(sales.until))
    return points - _remove(sales, first)


def lapse(sales: Sales, now: int) -> list[float]:
    """Remove the adjustments that have ended at ``now`` (ms), in place; return their points."""
    ended = [column for column, until in enumerate(sales.until) if until <= now]
    return [_remove(sales, column) for column in reversed(ended)]


def adjusted_points(sales: Sales | None) -> float:
    """Return the points that adjustments add."""
    return 0.0 if sales is None else sum(sales.points, 0.0)


def keeps_quiet(sales: Sales, now: int, in_work_ms: int, recycle_ms: int) -> bool:
    """Tell whether nobody is to be alerted of a lead at ``now`` (ms).

    Somebody works on it (for ``in_work_ms`` after the latest sign of that), it was rejected and has done nothing
    decisive since, it was lost less than ``recycle_ms`` ago, or it is suppressed.
    """
    if sales.suppressed or sales.status == REJECTED:
        return True
    if sales.status in IN_WORK:
        return now < sales.status_at + in_work_ms
    return sales.status == LOST and now < sales.status_at + recycle_ms


def merge_sales(sales: Sales | None, other: Sales | None) -> Sales | None:
    """Return what sales did about two leads that are one person."""
    if sales is None or other is None:
        return other if sales is None else sales
    if other.status_at > sales.status_at:
        sales.status, sales.status_at = other.status, other.status_at
    if other.suppression_at > sales.suppression_at:
        sales.suppressed, sales.suppression_at = other.suppressed, other.suppression_at
    sales.is_customer = sales.is_customer or other.is_customer
    for points, until, since, reason, each in zip(
        other.points, other.until, other.since, other.reasons, other.ids, strict=True
    ):
        if each not in sales.ids:
            sales.points.append(points)
            sales.until.append(until)
            sales.since.append(since)
            sales.reasons.append(reason)
            sales.ids.append(each)
    while len(sales.ids) > ADJUSTMENTS_MAX:
        _remove(sales, sales.until.index(min(sales.until)))
    return sales


def _remove(sales: Sales, column: int) -> float:
    for each in (sales.until, sales.since, sales.reasons, sales.ids):
        del each[column]
    return sales.points.pop(column)
