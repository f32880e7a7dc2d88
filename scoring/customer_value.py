"""What one customer is worth: each criterion rated, by what is known and by what sales says, and summed up.

A rating becomes a *share*, from 0 (the worst) to 1 (the best), so that questions, ratings from 1 to 10 and categories
add up::

    share = (rating − lowest) / (highest − lowest)
    value = Σ weights · Σ weight·share / Σ weight         over the criteria that are known

What nobody knows is left out of the mean, and told as *coverage*, the known share of the weight, as in a fit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from statistics import median_low
from typing import Final, Literal

import msgspec

from scoring.conditions import holds, number_of
from scoring.decay import DAY_MS
from scoring.errors import CustomerError
from scoring.model_customers import Answers, Criterion, Customers, Limits, OfNumbers, Quantiles, YesNo
from scoring.model_file import show

Fact = str | int | float | bool | list[str]
"""What is known of a customer by one name."""

DIGITS: Final = 6
"""Values are rounded to so many places before they are compared with anything."""

_WORDS_KEPT: Final = 1024

YES_WORDS: Final = frozenset({"yes", "y", "true", "x", "ja", "j", "oui", "si", "sí", "1"})
NO_WORDS: Final = frozenset({"no", "n", "false", "nee", "nein", "non", "0"})


class Said(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A rating by hand: what was said at ``time_ms`` (ms since 1970), and by whom; None takes back what was said."""

    time_ms: int
    answer: str | int | float | bool | None
    by: str = ""


class CriterionRating(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """How a customer is rated by one criterion; ``rating`` and ``share`` (0 to 1) are None where nothing is known.

    ``by`` says whether that is automatic, by hand, or the mean of both; ``who`` rated by hand, at ``at_ms``.
    """

    criterion: str
    rating: float | None = None
    share: float | None = None
    by: Literal["", "automatic", "manual", "mean"] = ""
    who: str = ""
    at_ms: int = 0


class CustomerWorth(msgspec.Struct, omit_defaults=True):
    """A customer's value, from 0 to the sum of the weights; None where less than ``coverage_min`` is known.

    ``coverage`` is 0 to 1; ``above`` says in how many criteria the customer is above the worst rating, ``unknown`` of
    how many nothing is known. ``aspects`` are the means of the shares (0 to 1) of each aspect's known criteria.
    """

    value: float | None
    coverage: float
    above: int
    unknown: int
    ratings: list[CriterionRating]
    aspects: dict[str, float] = {}


def read_number(criterion: OfNumbers, facts: Mapping[str, Fact]) -> float | None:
    """Return the number that a criterion asks for, or None where it is unknown.

    A number that is to be divided by one that is not above 0 is unknown too.

    Raises :class:`CustomerError` for what is no number.
    """
    name, answer = _first_known(criterion.sources, facts)
    number = None if answer is None else _number(name, answer)
    if number is None or criterion.divided_by is None:
        return number
    divisor = facts.get(criterion.divided_by)
    by = None if divisor is None or divisor == "" else _number(criterion.divided_by, divisor)
    return number / by if by is not None and by > 0 else None


def rate_fact(criterion: Criterion, facts: Mapping[str, Fact], cuts: Sequence[float] | None = None) -> float | None:
    """Return the rating that follows from facts, or None where nothing is known.

    ``cuts`` are the limits of a criterion by quantiles, which stays unknown without them. A number that lies on a limit
    is in the better category.

    >>> criterion = Limits.model_validate({"kind": "limits", "limits": [1000.0, 5000.0], "from": ["revenue"]})
    >>> [rate_fact(criterion, {"revenue": revenue}) for revenue in (999, 1000, 70000)]
    [1.0, 2.0, 3.0]
    >>> late = Limits.model_validate({"kind": "limits", "limits": [30.0, 10.0], "from": ["days_late"]})
    >>> [rate_fact(late, {"days_late": days}) for days in (31, 30, 10)]
    [1.0, 2.0, 3.0]

    Raises :class:`CustomerError` for an answer that the criterion does not know.
    """
    return _Compiled("", criterion, cuts).rate(facts).rating


def rate_answer(criterion: Criterion, name: str, answer: Fact) -> float:
    """Return the rating that an answer means; for criteria about numbers, the answer is the category itself.

    >>> from scoring.model_customers import Rating
    >>> rate_answer(YesNo(kind="yes_no"), "fits", "Ja"), rate_answer(Rating(kind="rating"), "upsell", 7)
    (1.0, 7.0)

    Raises :class:`CustomerError`, with ``name``, for an answer that the criterion does not know.
    """
    match criterion:
        case YesNo():
            return _read_yes_no(criterion, name, answer)
        case Answers():
            return _read_category(criterion, name, answer)
        case _:
            number = _number(name, answer)
            if not criterion.lowest <= number <= criterion.highest:
                between = f"between {show(criterion.lowest)} and {show(criterion.highest)}"
                raise CustomerError(name, f"{show(number)} is not {between}")
            return number


def _read_yes_no(criterion: YesNo, name: str, answer: Fact) -> float:
    if isinstance(answer, bool):
        return float(answer)
    if criterion.yes is not None and (number_of(answer) is not None or isinstance(answer, list)):
        return float(_meets(criterion.yes, answer))
    word = str(answer).strip().lower()
    if word in YES_WORDS or word in NO_WORDS:
        return float(word in YES_WORDS)
    if criterion.yes is not None and criterion.yes.kind != "compare":
        return float(_meets(criterion.yes, answer))
    raise CustomerError(name, f"{show(answer)} is neither yes nor no")


def _read_category(criterion: Answers, name: str, answer: Fact) -> float:
    for known in criterion.answers:
        if _meets(known.condition, answer):
            return known.points
    # By hand one may give the category as well as the words for it.
    number = number_of(answer)
    if number is not None and number.is_integer() and 1 <= number <= criterion.highest:
        return number
    raise CustomerError(name, f"{show(answer)} is none of the model's answers")


def _meets(condition: object, answer: Fact) -> bool:
    items = answer if isinstance(answer, list) else [answer]
    return any(holds(condition, {"answer": item}) for item in items)  # type: ignore[arg-type]


def _first_known(sources: Sequence[str], facts: Mapping[str, Fact]) -> tuple[str, Fact | None]:
    """Return the first of ``sources`` that is known, with its name."""
    for source in sources:
        answer = facts.get(source)
        if answer or answer == 0:  # 0 and false are known
            return source, answer
    return "", None


def _number(name: str, answer: Fact) -> float:
    if answer.__class__ is float and isfinite(answer):  # as most are
        return answer
    number = number_of(answer)
    if number is None:
        raise CustomerError(name, f"{show(answer)} is not a number")
    return number


class _Compiled:
    """A criterion as it is used for thousands of customers; ``cuts`` are the limits of one by quantiles."""

    def __init__(self, name: str, criterion: Criterion, cuts: Sequence[float] | None) -> None:
        self.name, self.criterion = name, criterion
        self.weight, self.aspect = criterion.weight, criterion.aspect
        self._sources = criterion.sources
        self._asks_for_number = criterion if isinstance(criterion, OfNumbers) else None
        limits, self._sign = cuts, 1.0
        if isinstance(criterion, Limits):
            limits = criterion.limits
            self._sign = -1.0 if limits[0] > limits[-1] else 1.0
        elif isinstance(criterion, Quantiles):
            self._sign = -1.0 if criterion.less_is_better else 1.0
        # Rising: where less is better, they are of the numbers' negatives.
        self._limits = [self._sign * limit for limit in limits or ()]
        self._unknown = CriterionRating(name)
        self._categories = [] if limits is None else [self.tell(1.0 + below) for below in range(len(limits) + 1)]
        # Customers are much alike: what words were rated as; typed, as 1 and true are equal keys.
        self._words: dict[tuple[type, Fact], CriterionRating] = {}

    def rate(self, facts: Mapping[str, Fact]) -> CriterionRating:
        """Return the rating that follows from facts; raise :class:`CustomerError` for what cannot be read."""
        if self._asks_for_number is None:
            name, answer = _first_known(self._sources, facts)
            return self._unknown if answer is None else self._rate_word(name, answer)
        number = read_number(self._asks_for_number, facts)
        if number is None or not self._categories:
            return self._unknown
        return self._categories[bisect_right(self._limits, self._sign * number)]

    def _rate_word(self, name: str, answer: Fact) -> CriterionRating:
        if isinstance(answer, list):
            return self.tell(rate_answer(self.criterion, name, answer))
        key = answer.__class__, answer
        rating = self._words.get(key)
        if rating is None:
            rating = self.tell(rate_answer(self.criterion, name, answer))
            if len(self._words) < _WORDS_KEPT:
                self._words[key] = rating
        return rating

    def tell(
        self, rating: float | None, by: Literal["automatic", "manual", "mean"] = "automatic", said: Said | None = None
    ) -> CriterionRating:
        """Return a rating with its share, by whom, and who ``said`` so, if anybody."""
        if rating is None:
            return self._unknown
        lowest = self.criterion.lowest
        share = (rating - lowest) / (self.criterion.highest - lowest)
        if said is None:
            return CriterionRating(self.name, rating, share, by)
        return CriterionRating(self.name, rating, share, by, said.by, said.time_ms)


class ValueBook:
    """A model's criteria; ``cuts`` are the limits of those by quantiles, without which these stay unknown.

    >>> book = ValueBook(Customers())
    >>> worth = book.rate({"fits_profile": "yes", "offer_meets_need": "yes", "low_service_effort": "no"}, {}, 0)
    >>> worth.value, worth.coverage, worth.above, worth.unknown
    (2.666667, 0.75, 2, 1)
    """

    def __init__(self, customers: Customers, cuts: Mapping[str, Sequence[float]] | None = None) -> None:
        self.customers = customers
        cuts = cuts or {}
        self._criteria = [_Compiled(name, criterion, cuts.get(name)) for name, criterion in customers.criteria.items()]
        self._weight = customers.value_max
        self._valid_ms = customers.manual.valid_days * DAY_MS

    def rate(
        self, facts: Mapping[str, Fact], said: Mapping[str, Said], now_ms: int, *, strict: bool = False
    ) -> CustomerWorth:
        """Return what a customer is worth at ``now_ms``, by facts and by what was ``said`` of each criterion by hand.

        What cannot be read is unknown, or, if that is to be ``strict``, raises :class:`CustomerError`.
        """
        if strict and not said:  # as with a table of thousands
            return self.sum_up([each.rate(facts) for each in self._criteria])
        return self.sum_up([self._rate(each, facts, said.get(each.name), now_ms, strict) for each in self._criteria])

    def find_faults(self, facts: Mapping[str, Fact]) -> Iterator[CustomerError]:
        """Yield what cannot be read of a customer's facts."""
        for each in self._criteria:
            try:
                each.rate(facts)
            except CustomerError as error:
                yield error

    def find_faults_by_hand(self, criterion: str, answer: Fact, field: str) -> Iterator[CustomerError]:
        """Yield what is wrong with a rating by hand of one of the criteria; ``field`` is where it was told."""
        try:
            rate_answer(self.customers.criteria[criterion], field, answer)
        except CustomerError as error:
            yield error

    def _rate(
        self, each: _Compiled, facts: Mapping[str, Fact], said: Said | None, now_ms: int, strict: bool
    ) -> CriterionRating:
        try:
            automatic = each.rate(facts)
        except CustomerError:
            if strict:
                raise
            automatic = each.tell(None)
        by_hand = None if said is None else self._by_hand(each, said, now_ms)
        if by_hand is None:
            return automatic
        prefer = self.customers.manual.prefer
        if automatic.rating is None or prefer == "manual":
            return each.tell(by_hand, "manual", said)
        if prefer == "automatic":
            return automatic
        return each.tell((automatic.rating + by_hand) / 2, "mean", said)

    def _by_hand(self, each: _Compiled, said: Said, now_ms: int) -> float | None:
        if said.answer is None or now_ms - said.time_ms > self._valid_ms:
            return None
        try:
            return rate_answer(each.criterion, each.name, said.answer)
        except CustomerError:
            return None  # said of a criterion that has been another one since

    def sum_up(self, ratings: list[CriterionRating]) -> CustomerWorth:
        """Return what ratings, one per criterion in the model's order, come to."""
        weighted = known = 0.0
        above = unknown = 0
        aspects: dict[str, list[float]] = {}
        for each, rating in zip(self._criteria, ratings, strict=True):
            if rating.share is None:
                unknown += 1
                continue
            points = each.weight * rating.share
            known += each.weight
            weighted += points
            above += rating.share > 0
            if (aspect := each.aspect) is not None:
                sums = aspects.setdefault(aspect, [0.0, 0.0])
                sums[0] += points
                sums[1] += each.weight
        coverage = round(known / self._weight, DIGITS)
        is_known = known > 0 and coverage >= self.customers.coverage_min
        return CustomerWorth(
            value=round(self._weight * weighted / known, DIGITS) if is_known else None,
            coverage=coverage,
            above=above,
            unknown=unknown,
            ratings=ratings,
            aspects={name: round(share / weight, DIGITS) for name, (share, weight) in aspects.items()},
        )

    def median(self, group: Sequence[CustomerWorth]) -> CustomerWorth:
        """Return what a group of customers is worth as one.

        Each criterion's rating is the median of its customers', the lower of two, where at least half have one.
        """
        ratings = []
        for number, each in enumerate(self._criteria):
            known = [rating for worth in group if (rating := worth.ratings[number].rating) is not None]
            rating = median_low(known) if 2 * len(known) >= len(group) else None
            ratings.append(each.tell(rating))
        return self.sum_up(ratings)
