"""A table of customers, rated, parted and summed up: the whole of it in one call.

The parts are :mod:`scoring.customer_value` (what one is worth), :mod:`scoring.customer_segments` (who is where) and
:mod:`scoring.pareto` (how few bring the most).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec

from scoring.conditions import number_of
from scoring.customer_segments import Override, Placed, care_of, find_limits, override_placed, place_all
from scoring.customer_value import CriterionRating, CustomerWorth, Fact, Said, ValueBook, read_number
from scoring.equal_parts import limits_of, split_equally
from scoring.errors import CustomerError
from scoring.model_customers import EXIT, UNKNOWN, Customers, Quantiles
from scoring.pareto import Pareto, find_pareto

By = Literal["customer", "group"]

REVENUE: Final = "revenue"
PROFIT: Final = "profit"
"""The facts that the Pareto report is about."""

_FEW: Final = 30
_MANY: Final = 100
"""Below so many customers each is worth a look of its own; from so many on, groups are less work."""


class Customer(msgspec.Struct, kw_only=True):
    """A customer, known by ``customer``: what is known, what was said by hand, by criterion, and an override."""

    customer: str
    name: str = ""
    facts: dict[str, Fact]
    group: str = ""
    said: dict[str, Said] = {}
    override: Override | None = None


class SegmentedCustomer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A customer with its segment: where it would be without an override (``automatic``), and why.

    ``value`` (0 to the sum of the weights) is None where too little is known; ``rank`` counts from 1, and equals share
    one. By group, all of this but the override is the group's.
    """

    customer: str
    name: str = ""
    segment: str
    action: str
    service: str
    value: float | None
    coverage: float
    rank: int | None
    automatic: str
    why: str = ""
    group: str = ""
    ratings: list[CriterionRating] = []
    aspects: dict[str, float] = {}
    revenue: float | None = None
    profit: float | None = None


class SegmentSum(msgspec.Struct, kw_only=True):
    """How many customers a segment has, and what they bring; of unknown amounts nothing is summed up."""

    segment: str
    action: str
    service: str
    customers: int
    revenue: float | None
    profit: float | None


class Limits(msgspec.Struct, kw_only=True):
    """The limits of a split, with which the model's section ``split`` places customers one by one."""

    segments: dict[str, float]
    quantiles: dict[str, list[float]]


class Segmentation(msgspec.Struct, kw_only=True):
    """All customers, the most valuable first, with what is to be said of them together."""

    customers: list[SegmentedCustomer]
    segments: list[SegmentSum]
    pareto: list[Pareto]
    notes: list[str]
    limits: Limits
    value_max: float
    by: By


def segment_customers(
    section: Customers, customers: Sequence[Customer], now_ms: int, by: By = "customer"
) -> Segmentation:
    """Return the segments of ``customers`` as of ``now_ms`` (ms since 1970), by the model's section.

    By group, each group is rated as one customer: by the median of its customers' ratings, the lower of two, where at
    least half of them have one. The groups are parted, and each customer is where its group is.

    >>> table = [Customer(customer=name, facts=dict(zip(Customers().criteria, answers)))
    ...          for name, answers in (("Acme", "yyyy"), ("Bolt", "yynn"), ("Cork", "yyyn"), ("Dust", "nnnn"))]
    >>> found = segment_customers(Customers(), table, 0)
    >>> [(each.customer, each.segment, each.value) for each in found.customers]
    [('Acme', 'A', 4.0), ('Cork', 'B', 3.0), ('Bolt', 'C', 2.0), ('Dust', 'exit', 0.0)]

    Raises :class:`CustomerError` for two customers of one name, and for what cannot be read of one.
    """
    check_names(customers)
    cuts = find_cuts(section, customers)
    book = ValueBook(section, cuts)
    worths = [_rate(book, customer, now_ms) for customer in customers]
    if by == "group":
        units, unit_of = _rate_groups(book, customers, worths)
    else:
        units, unit_of = worths, list(range(len(customers)))
    placed = place_all(section, units, [None] * len(units), now_ms)
    ranks = _ranks(units)
    found = [
        _segmented(section, customer, units[unit], placed[unit], ranks[unit], now_ms)
        for customer, unit in zip(customers, unit_of, strict=True)
    ]
    found.sort(key=lambda each: (each.rank is None, each.rank or 0, each.customer.casefold(), each.customer))
    return Segmentation(
        customers=found,
        segments=list(_sum_up(section, found)),
        pareto=[find_pareto(what, [getattr(each, what) for each in found]) for what in (REVENUE, PROFIT)],
        notes=list(_notes(section, units, placed, len(customers), by)),
        limits=Limits(segments=find_limits(section, units), quantiles={name: [*cut] for name, cut in cuts.items()}),
        value_max=section.value_max,
        by=by,
    )


def check_names(customers: Sequence[Customer]) -> None:
    """Raise :class:`CustomerError` where there are no customers, or two of one name."""
    if not customers:
        raise CustomerError("", "there are no customers")
    seen = set[str]()
    for customer in customers:
        name = customer.customer.casefold()
        if name in seen:
            raise CustomerError(customer.customer, "is there twice; each customer is rated once")
        seen.add(name)


def _rate(book: ValueBook, customer: Customer, now_ms: int) -> CustomerWorth:
    try:
        return book.rate(customer.facts, customer.said, now_ms, strict=True)
    except CustomerError as error:
        raise CustomerError(customer.customer, str(error)) from None


def find_cuts(section: Customers, customers: Iterable[Customer]) -> dict[str, list[float]]:
    """Return where the categories 2, 3 … of each criterion by quantiles begin, so that each has equally many."""
    given = list(customers)
    return {
        name: _cut(list(_numbers(criterion, given)), criterion)
        for name, criterion in section.criteria.items()
        if isinstance(criterion, Quantiles)
    }


def _numbers(criterion: Quantiles, customers: Iterable[Customer]) -> Iterator[float]:
    for customer in customers:
        try:
            number = read_number(criterion, customer.facts)
        except CustomerError as error:
            raise CustomerError(customer.customer, str(error)) from None
        if number is not None:
            yield number


def _cut(numbers: list[float], criterion: Quantiles) -> list[float]:
    """Return the limits from the worst category to the best; categories that nobody is in have none."""
    sign = -1.0 if criterion.less_is_better else 1.0
    values = [sign * number for number in numbers]
    least = limits_of(zip(values, split_equally(values, criterion.quantiles), strict=True))
    limits, worst = [], criterion.quantiles - 1
    for part in range(worst - 1, -1, -1):
        # Where a part is empty, the next better one begins where it would have.
        better = [least[other] for other in range(part + 1) if other in least]
        if better:
            limits.append(sign * min(better))
    return limits


def _rate_groups(
    book: ValueBook, customers: Sequence[Customer], worths: Sequence[CustomerWorth]
) -> tuple[list[CustomerWorth], list[int]]:
    """Return what each group is worth, and the number of each customer's group."""
    numbers: dict[str, int] = {}
    unit_of = [numbers.setdefault(customer.group, len(numbers)) for customer in customers]
    members: list[list[CustomerWorth]] = [[] for _ in numbers]
    for unit, worth in zip(unit_of, worths, strict=True):
        members[unit].append(worth)
    return [book.median(group) for group in members], unit_of


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────


def _segmented(
    section: Customers, customer: Customer, worth: CustomerWorth, placed: Placed, rank: int | None, now_ms: int
) -> SegmentedCustomer:
    placed = override_placed(placed, customer.override, now_ms)
    action, service = care_of(section, placed.segment)
    return SegmentedCustomer(
        customer=customer.customer,
        name=customer.name,
        segment=placed.segment,
        action=action,
        service=service,
        value=worth.value,
        coverage=worth.coverage,
        rank=rank,
        automatic=placed.automatic,
        why=placed.why,
        group=customer.group,
        ratings=worth.ratings,
        aspects=worth.aspects,
        revenue=number_of(customer.facts.get(REVENUE)),
        profit=number_of(customer.facts.get(PROFIT)),
    )


def _ranks(worths: Sequence[CustomerWorth]) -> list[int | None]:
    first: dict[float, int] = {}
    for rank, value in enumerate(sorted((w.value for w in worths if w.value is not None), reverse=True), 1):
        first.setdefault(value, rank)
    return [None if worth.value is None else first[worth.value] for worth in worths]


def _sum_up(section: Customers, found: Sequence[SegmentedCustomer]) -> Iterator[SegmentSum]:
    for segment in (*section.segments, EXIT, UNKNOWN):
        members = [each for each in found if each.segment == segment]
        action, service = care_of(section, segment)
        yield SegmentSum(
            segment=segment,
            action=action,
            service=service,
            customers=len(members),
            revenue=_sum(each.revenue for each in members),
            profit=_sum(each.profit for each in members),
        )


def _sum(amounts: Iterable[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return round(sum(known), 6) if known else None


def _notes(
    section: Customers, units: Sequence[CustomerWorth], placed: Sequence[Placed], count: int, by: By
) -> Iterator[str]:
    """Say what a reader should know before believing the segments."""
    parted = [each.value for each, at in zip(units, placed, strict=True) if at.automatic in section.segments]
    what = "group" if by == "group" else "customer"
    if not parted:
        yield f"no {what} is left to be parted: all are in exit or unknown"
    elif len(set(parted)) == 1 and len(parted) > 1:
        yield f"all {len(parted)} {what}s that could be parted have the same value, so that nothing parts them"
    elif len(parted) < 2 * len(section.segments):
        one = len(parted) == 1
        left = f"{len(parted)} {what}{'' if one else 's'} {'is' if one else 'are'} few to part into"
        yield f"{left} {len(section.segments)} segments; look at each yourself"
    if unknown := sum(each.automatic == UNKNOWN for each in placed):
        are = "is" if unknown == 1 else "are"
        yield f"{unknown} of {len(units)} {what}s {are} unknown: too little is known for a value"
    if by == "group" and count < _FEW:
        yield f"with {count} customers, below {_FEW}, rate each by itself rather than by group"
    if by == "customer" and count >= _MANY:
        yield f"with {count:,} customers, from {_MANY} on, groups are less work to keep up, if rated by hand"


def best_facts(found: Segmentation, customers: Sequence[Customer], section: Customers) -> list[dict[str, Fact]]:
    """Return what is known of the customers of the best segment, without what the criteria ask for.

    It is for a profile of those to look for: what made them the best would only describe itself.
    """
    best = next(iter(section.segments))
    names = {each.customer for each in found.customers if each.segment == best}
    own = {*section.facts, REVENUE, PROFIT}
    return [
        {name: fact for name, fact in customer.facts.items() if name not in own}
        for customer in customers
        if customer.customer in names
    ]
