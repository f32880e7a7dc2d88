"""What an account's memory holds of it as a customer: small and bounded, and the same in any order of arrival.

Amounts are kept by calendar month (UTC), 24 of them, so that a customer with thousands of invoices takes no more than
one with a few, and a year can be held against the year before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import fsum
from typing import Any, Final

import msgspec

from scoring.customer_events import CHURN, INVOICE, OVERRIDE, RATING, RATINGS_MAX, WON, until_ms
from scoring.customer_segments import Override
from scoring.customer_value import Said
from scoring.decay import DAY_MS
from scoring.timers import NEVER

MONTHS_KEPT: Final = 24
YEAR: Final = 12
HISTORY_KEPT: Final = 32
"""Changes of its segment that a customer's record tells."""


class Month(msgspec.Struct, array_like=True, gc=False, order=True):
    """What was invoiced in one month, counted from the year 0: amounts, how many, and the days that they were late."""

    number: int
    revenue: float = 0.0
    profit: float = 0.0
    profits: int = 0
    invoices: int = 0
    days_late: float = 0.0
    delays: int = 0


class SegmentChange(msgspec.Struct, array_like=True, gc=False, frozen=True, order=True):
    """Since ``at_ms`` (ms since 1970) the customer is in ``segment``, then with ``value`` (None: unknown)."""

    at_ms: int
    segment: str
    value: float | None


class CustomerState(msgspec.Struct, array_like=True, gc=False):
    """What is kept of one customer. Times are in ms since 1970, 0 where there was none.

    ``won_at`` is the first win, or invoice, ``bought_at`` the latest of either, ``churned_at`` the latest churn.
    ``said`` are ratings by hand, with the answer None for one that was taken back, and an ``override`` to the segment
    "" is one taken back. ``published`` is a hash of the record that was published last.
    """

    won_at: int = 0
    bought_at: int = 0
    churned_at: int = 0
    wins: int = 0
    won_amount: float = 0.0
    months: list[Month] = msgspec.field(default_factory=list)
    said: dict[str, Said] = msgspec.field(default_factory=dict)
    override: Override | None = None
    history: list[SegmentChange] = msgspec.field(default_factory=list)
    published: bytes = b""

    @property
    def has_churned(self) -> bool:
        """Whether it is no customer any more."""
        return self.churned_at > self.bought_at


def take_customer_event(state: CustomerState, type_: str, time_ms: int, properties: Mapping[str, Any]) -> None:
    """Take what an event tells of a customer, in place; it has been checked.

    >>> state = CustomerState()
    >>> take_customer_event(state, "invoice", 1_767_225_600_000, {"amount": 100})
    >>> customer_facts(state, 1_767_225_600_000)["revenue"]
    100.0
    """
    if type_ in (WON, INVOICE):
        state.won_at = min(state.won_at or time_ms, time_ms)
        state.bought_at = max(state.bought_at, time_ms)
    if type_ == WON:
        state.wins += 1
        state.won_amount += properties.get("amount") or 0.0
    elif type_ == INVOICE:
        _add(state, _month_of(time_ms, properties))
    elif type_ == CHURN:
        state.churned_at = max(state.churned_at, time_ms)
    elif type_ == RATING:
        for criterion, answer in properties["ratings"].items():
            _say(state, criterion, Said(time_ms, answer, properties["by"]))
    elif type_ == OVERRIDE:
        _override(state, _read_override(time_ms, properties))


def merge_customers(state: CustomerState, other: CustomerState) -> None:
    """Take in, in place, what was kept of the same customer under another key."""
    firsts = [at for at in (state.won_at, other.won_at) if at]
    state.won_at = min(firsts, default=0)
    state.bought_at = max(state.bought_at, other.bought_at)
    state.churned_at = max(state.churned_at, other.churned_at)
    state.wins += other.wins
    state.won_amount += other.won_amount
    for month in other.months:
        _add(state, month)
    for criterion, said in other.said.items():
        _say(state, criterion, said)
    if other.override is not None:
        _override(state, other.override)
    state.history = sorted({*state.history, *other.history}, key=lambda change: change.at_ms)[-HISTORY_KEPT:]


def customer_facts(state: CustomerState, now_ms: int) -> dict[str, float]:
    """Return what follows from invoices and wins at ``now_ms``, for the criteria to ask for.

    ``revenue``, ``profit``, ``invoices`` and ``days_late`` (their mean) are of this calendar month and the eleven
    before, ``revenue_before`` of the twelve before these, and ``revenue_growth`` the difference of both in per cent.
    ``customer_days`` count from the first win or invoice.
    """
    now = month_number(now_ms)
    year = [month for month in state.months if now - YEAR < month.number <= now]
    before = fsum(m.revenue for m in state.months if now - 2 * YEAR < m.number <= now - YEAR)
    facts: dict[str, float] = {}
    if state.months:
        facts["revenue"] = round(fsum(month.revenue for month in year), 6)
        facts["invoices"] = sum(month.invoices for month in year)
        facts["revenue_before"] = round(before, 6)
        if before > 0:
            facts["revenue_growth"] = round(100 * (facts["revenue"] / before - 1), 6)
    if any(month.profits for month in year):
        facts["profit"] = round(fsum(month.profit for month in year), 6)
    if delays := sum(month.delays for month in year):
        facts["days_late"] = round(fsum(month.days_late for month in year) / delays, 6)
    if state.wins:
        facts["wins"] = state.wins
        facts["won_amount"] = round(state.won_amount, 6)
    if state.won_at:
        facts["customer_days"] = max(0, now_ms - state.won_at) // DAY_MS
    return facts


def changes_at(state: CustomerState, now_ms: int) -> int:
    """Return when (ms) a customer is worth something else though nothing happens; ``NEVER`` where that cannot be.

    It is when a month with invoices leaves its year, or the year before, and when an override ends.

    >>> state = CustomerState()
    >>> take_customer_event(state, "invoice", 1_767_225_600_000, {"amount": 100})  # on 2026-01-01
    >>> datetime.fromtimestamp(changes_at(state, 1_767_225_600_000) / 1000, UTC).date().isoformat()
    '2027-01-01'
    """
    if state.has_churned:
        return NEVER
    times = [month_begins_ms(month.number + years * YEAR) for month in state.months for years in (1, 2)]
    if state.override is not None and state.override.segment:
        times.append(state.override.until_ms)
    return min((time_ms for time_ms in times if time_ms > now_ms), default=NEVER)


def month_number(time_ms: int) -> int:
    """Return the number of a time's month (UTC), counted from the year 0.

    >>> month_number(1_767_225_600_000) == 2026 * 12 + 0
    True
    """
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.year * YEAR + moment.month - 1


def month_begins_ms(number: int) -> int:
    """Return when a month begins (UTC, ms since 1970), by its number.

    >>> month_begins_ms(month_number(1_767_225_600_000)) == 1_767_225_600_000
    True
    """
    return int(datetime(number // YEAR, number % YEAR + 1, 1, tzinfo=UTC).timestamp()) * 1000


def note_segment(state: CustomerState, change: SegmentChange) -> None:
    """Note the segment that a customer is in, in place, if it is another one than before."""
    if not state.history or state.history[-1].segment != change.segment:
        state.history = [*state.history, change][-HISTORY_KEPT:]


def _month_of(time_ms: int, properties: Mapping[str, Any]) -> Month:
    profit, days_late = properties.get("profit"), properties.get("days_late")
    return Month(
        number=month_number(time_ms),
        revenue=float(properties["amount"]),
        profit=float(profit or 0.0),
        profits=int(profit is not None),
        invoices=1,
        days_late=float(days_late or 0.0),
        delays=int(days_late is not None),
    )


def _add(state: CustomerState, month: Month) -> None:
    known = {each.number: each for each in state.months}
    old = known.get(month.number, Month(month.number))
    known[month.number] = Month(
        month.number,
        old.revenue + month.revenue,
        old.profit + month.profit,
        old.profits + month.profits,
        old.invoices + month.invoices,
        old.days_late + month.days_late,
        old.delays + month.delays,
    )
    # By the newest month, not by how many there are: so the order of arrival makes no difference.
    first = max(known) - MONTHS_KEPT
    state.months = [known[number] for number in sorted(known) if number > first]


def _say(state: CustomerState, criterion: str, said: Said) -> None:
    known = state.said.get(criterion)
    if known is None or (said.time_ms, repr(said.answer)) > (known.time_ms, repr(known.answer)):
        state.said[criterion] = said
    if len(state.said) > RATINGS_MAX:
        oldest = min(state.said, key=lambda name: (state.said[name].time_ms, name))
        del state.said[oldest]


def _read_override(time_ms: int, properties: Mapping[str, Any]) -> Override:
    segment = properties["segment"]
    if segment is None:
        return Override(time_ms, "", 0, by=properties["by"])
    return Override(time_ms, segment, until_ms(properties["until"]), properties["reason"], properties["by"])


def _override(state: CustomerState, told: Override) -> None:
    known = state.override
    if known is None or (told.time_ms, told.segment, told.until_ms) > (known.time_ms, known.segment, known.until_ms):
        state.override = told
