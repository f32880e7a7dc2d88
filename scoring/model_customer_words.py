"""The section `customers` in plain words, and what it may say but hardly means."""

from __future__ import annotations

from collections.abc import Iterator

from scoring.conditions_file import Answer
from scoring.model_customers import (
    Answers,
    CriterionOfAKind,
    Customers,
    Exit,
    Limits,
    OfNumbers,
    Quantiles,
    Rating,
    YesNo,
)
from scoring.model_file import show
from scoring.model_words import describe_answer, show_days


def describe_customers(customers: Customers) -> Iterator[str]:
    """Say what makes a customer valuable, and what is done with which of them, a line each.

    >>> for line in describe_customers(Customers()):
    ...     print(line)
    customer fits_profile: yes or no; weight 1
    customer offer_meets_need: yes or no; weight 1
    customer low_service_effort: yes or no; weight 1
    customer revenue_potential: yes or no; weight 1
    customer value: 0 to 4; unknown where less than 50% of the weight is known
    customers A: fight for; a contact of their own, answers the same day
    customers B: keep; regular contact, answers within two days
    customers C: serve cheaply; self-service
    customers exit: let go; the worst rating throughout, but for at most 1 criterion
    ratings by hand: count instead of automatic ones, for 365 days
    """
    for name, criterion in customers.criteria.items():
        yield f"customer {name}: {describe_criterion(name, criterion)}"
    least = show(100 * customers.coverage_min)
    yield f"customer value: 0 to {show(customers.value_max)}; unknown where less than {least}% of the weight is known"
    for name, segment in customers.segments.items():
        yield f"customers {name}: {describe_care(segment.action, segment.service)}"
    yield f"customers exit: {describe_exit(customers.exit)}"
    yield f"ratings by hand: {describe_manual(customers)}"
    if customers.split is not None:
        yield f"customers are placed by the limits of a split: {describe_split(customers)}"


def describe_criterion(name: str, criterion: CriterionOfAKind) -> str:
    """Say how a customer is rated by a criterion."""
    sources = " / ".join(criterion.sources or (name,))
    if isinstance(criterion, OfNumbers) and criterion.divided_by:
        sources += f" divided by {criterion.divided_by}"
    kind = _describe_kind(criterion)
    parts = [kind if sources == name else f"{sources}: {kind}", f"weight {show(criterion.weight)}"]
    if criterion.aspect:
        parts.append(criterion.aspect)
    if criterion.best_min is not None:
        parts.append(f"at least {show(criterion.best_min)} for the best segment")
    return "; ".join(parts)


def _describe_kind(criterion: CriterionOfAKind) -> str:
    match criterion:
        case YesNo(yes=None):
            return "yes or no"
        case YesNo(yes=condition):
            assert condition is not None
            return f"yes where it {describe_answer(Answer(condition, 1.0))}, else no"
        case Rating():
            return f"1 to {criterion.up_to}"
        case Answers():
            return ", ".join(
                f"{show(answer.points)} where it {describe_answer(answer)}" for answer in criterion.answers
            )
        case Limits():
            turn = "from" if criterion.limits == sorted(criterion.limits) else "up to"
            steps = ", ".join(f"{number} {turn} {show(limit)}" for number, limit in enumerate(criterion.limits, 2))
            return f"category {steps}, else 1"
        case Quantiles():
            order = "the smallest are the best" if criterion.less_is_better else "the largest are the best"
            return f"{criterion.quantiles} equal parts, {order}"
        case _:
            raise NotImplementedError(criterion.kind)


def describe_exit(leaving: Exit) -> str:
    """Say who is let go."""
    if not leaving.enabled:
        return "nobody"
    most = leaving.criteria_above_max
    but = f", but for at most {most} {'criterion' if most == 1 else 'criteria'}" if most else ""
    return f"{describe_care(leaving.action, leaving.service)}; the worst rating throughout{but}"


def describe_manual(customers: Customers) -> str:
    """Say how ratings by hand count."""
    how = {
        "manual": "count instead of automatic ones",
        "automatic": "count where there is no automatic one",
        "mean": "and automatic ones count half each",
    }[customers.manual.prefer]
    return f"{how}, for {show_days(customers.manual.valid_days)}"


def describe_split(customers: Customers) -> str:
    """Say by which values customers are placed one by one."""
    split = customers.split
    if split is None:
        return "none"
    *_, last = customers.segments
    parts = [f"{name} from {show(least)}" for name, least in split.segments.items()]
    if last not in split.segments:
        parts.append(f"else {last}")
    for name, limits in split.quantiles.items():
        parts.append(f"{name} cut at {' / '.join(map(show, limits))}")
    return ", ".join(parts)


def describe_care(action: str, service: str) -> str:
    """Say what is done with the customers of a segment."""
    return f"{action}; {service}" if service else action


def customers_that_are_never_placed(customers: Customers) -> Iterator[str]:
    """Warn of criteria by quantiles that a split gives no limits."""
    if customers.split is not None:
        for name, criterion in customers.criteria.items():
            if isinstance(criterion, Quantiles) and name not in customers.split.quantiles:
                yield (
                    f"customers.split.quantiles: says nothing of {name}, which stays unknown of customers that are "
                    "placed one by one"
                )
