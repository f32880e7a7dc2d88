"""The section `customers` of a model file: what makes a customer valuable, and what follows from it.

What each key means, by the number, is in :mod:`scoring.customer_value` and :mod:`scoring.customer_segments`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import (
    AfterValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    field_validator,
    model_validator,
)

from scoring.conditions_file import AnswerTest, Categories, fault, raise_faults
from scoring.model_accounts import FactNames, check_fact_name
from scoring.model_file import KeyPath, show, suggest
from scoring.model_sections import Name, Section, read_by_kind

CRITERIA_MAX: Final = 30
SEGMENTS_MIN, SEGMENTS_MAX = 2, 10
CATEGORIES_MAX: Final = 10

EXIT: Final = "exit"
UNKNOWN: Final = "unknown"
"""Of whom too little is known for a value."""

CHURNED: Final = "churned"
"""Who is no customer any more."""

SEGMENT_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9 _+-]{0,31}$"
_LIMITS_MAX = CATEGORIES_MAX - 1

Action = Literal["fight for", "keep", "grow", "serve cheaply", "let go"]
ACTIONS: Final[tuple[str, ...]] = get_args(Action)
FactName = Annotated[
    str, AfterValidator(check_fact_name), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 64})
]
_Service = Annotated[str, Field(max_length=200)]


# ── criteria: one class per kind ─────────────────────────────────────────────────────────────────────────────


class CriterionOfAKind(Section):
    """What criteria of all kinds have in common. A rating lies between ``lowest`` and ``highest``, both included."""

    kind: str
    sources: FactNames = Field(
        default=(),
        alias="from",
        description="The columns or facts that hold the answer; the first that is known counts. "
        "The one of the criterion's own name if left out.",
    )
    weight: float = Field(default=1.0, gt=0, le=10, description="What the best rating adds to the customer's value.")
    aspect: Literal["financial", "strategic"] | None = Field(
        default=None, description="Which side of the value it belongs to; reports sum each up."
    )
    best_min: float | None = Field(
        default=None, description="The least rating with which a customer can be in the best segment."
    )

    @property
    def lowest(self) -> float:
        """The worst rating."""
        return 1.0

    @property
    def highest(self) -> float:
        """The best rating."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _check_best_min(self) -> CriterionOfAKind:
        if self.best_min is not None and not self.lowest < self.best_min <= self.highest:
            between = f"above {show(self.lowest)} and at most {show(self.highest)}"
            raise_faults([(("best_min",), f"{show(self.best_min)} is not {between}, between which ratings lie")])
        return self


class YesNo(CriterionOfAKind):
    """A question that is answered yes or no."""

    kind: Literal["yes_no"]
    yes: AnswerTest | None = Field(
        default=None, description='What other answers count as yes, such as ">= 5"; all others are no.'
    )

    @property
    def lowest(self) -> float:
        return 0.0

    @property
    def highest(self) -> float:
        return 1.0


class Rating(CriterionOfAKind):
    """A number that people give, from 1, the worst."""

    kind: Literal["rating"]
    up_to: int = Field(default=10, ge=2, le=10, description="The best rating; 10 if left out.")

    @property
    def highest(self) -> float:
        return float(self.up_to)


class Answers(CriterionOfAKind):
    """Words, each with its category."""

    kind: Literal["answers"]
    answers: Categories = Field(description="Answer by answer its category, from 1, the worst; the first that fits.")

    @property
    def highest(self) -> float:
        return max(answer.points for answer in self.answers)

    @field_validator("answers")
    @classmethod
    def _check_answers(cls, answers: Categories) -> Categories:
        if max((answer.points for answer in answers), default=2.0) < 2:
            raise fault("all are the category 1; what is better should be 2 or more")
        return answers


class OfNumbers(CriterionOfAKind):
    """What criteria about numbers have in common."""

    divided_by: FactName | None = Field(
        default=None, description="Another number to divide by, as lifetime value by acquisition cost."
    )


class Limits(OfNumbers):
    """A number cut into categories by limits."""

    kind: Literal["limits"]
    limits: list[float] = Field(
        description="Where the categories 2, 3 … begin, from the worst; falling limits say that less is better."
    )

    @property
    def highest(self) -> float:
        return float(len(self.limits) + 1)

    @field_validator("limits")
    @classmethod
    def _check_limits(cls, limits: list[float]) -> list[float]:
        if not 1 <= len(limits) <= _LIMITS_MAX:
            raise fault(f"has {len(limits)} limits; 1 to {_LIMITS_MAX} are allowed")
        _check_order(limits)
        return limits


class Quantiles(OfNumbers):
    """A number cut into categories with equally many customers."""

    kind: Literal["quantiles"]
    quantiles: int = Field(ge=2, le=CATEGORIES_MAX, description="How many categories.")
    less_is_better: bool = Field(default=False, description="Whether the smallest numbers are the best.")

    @property
    def highest(self) -> float:
        return float(self.quantiles)


def _check_order(limits: list[float]) -> None:
    steps = list(pairwise(limits))
    if not (all(one < next_ for one, next_ in steps) or all(one > next_ for one, next_ in steps)):
        raise fault(f"{', '.join(map(show, limits))} neither rise nor fall from each to the next")


Criterion: TypeAlias = YesNo | Rating | Answers | Limits | Quantiles

CRITERION_KINDS: Final[Mapping[str, type[CriterionOfAKind]]] = {
    kind: section for section in get_args(Criterion) for kind in get_args(section.model_fields["kind"].annotation)
}


def _read_criterion(raw: object, _: ValidatorFunctionWrapHandler) -> object:
    return read_by_kind(raw, CriterionOfAKind, CRITERION_KINDS)


CriterionOfFile = Annotated[Criterion, Field(discriminator="kind"), WrapValidator(_read_criterion)]


# ── segments ─────────────────────────────────────────────────────────────────────────────────────────────────


def _check_segment_name(name: str) -> str:
    if name in (EXIT, UNKNOWN, CHURNED):
        raise fault(f"{name} is there by itself; it is not listed")
    if re.fullmatch(SEGMENT_PATTERN, name) is None:
        raise fault(f"{show(name)} is not a segment's name: 1 to 32 letters, digits, spaces and _+-, a letter first")
    return name


SegmentName = Annotated[
    str, AfterValidator(_check_segment_name), WithJsonSchema({"type": "string", "pattern": SEGMENT_PATTERN})
]


class Segment(Section):
    """What is done with the customers of a segment."""

    action: Action = Field(description=f"One of {', '.join(ACTIONS)}.")
    service: _Service = Field(default="", description="What they can expect of you, in your words.")


class Exit(Section):
    """Which customers are let go: those with the worst rating throughout, but for a few criteria."""

    enabled: bool = Field(default=True, description="Whether anybody is.")
    criteria_above_max: int = Field(
        default=1, ge=0, le=CRITERIA_MAX, description="In so many criteria they may be above the worst rating."
    )
    action: Action = Field(default="let go", description=f"One of {', '.join(ACTIONS)}.")
    service: _Service = Field(default="", description="What they can expect of you, in your words.")


class Manual(Section):
    """How what sales says goes together with what is known."""

    prefer: Literal["manual", "automatic", "mean"] = Field(
        default="manual", description="Which of both counts where there are both, or their mean."
    )
    valid_days: float = Field(
        default=365.0, gt=0, le=3_650, description="Days after which a rating by hand does not count any more."
    )


class Split(Section):
    """The limits of a split, by which customers are placed one by one; `leadheat customers split` writes it."""

    segments: dict[SegmentName, float] = Field(
        description="The least value of each segment, the best first; the last segment needs none."
    )
    quantiles: dict[Name, list[float]] = Field(
        default_factory=dict, description="Where the categories 2, 3 … of each criterion by quantiles begin."
    )

    @field_validator("quantiles")
    @classmethod
    def _check_quantiles(cls, quantiles: dict[str, list[float]]) -> dict[str, list[float]]:
        # Equal ones are fine: where many customers have the same number, a category is empty.
        for name, limits in quantiles.items():
            if limits not in (sorted(limits), sorted(limits, reverse=True)):
                raise_faults([((name,), f"{', '.join(map(show, limits))} neither rise nor fall")])
        return quantiles


def _default_criteria() -> dict[str, Criterion]:
    return {
        "fits_profile": YesNo(kind="yes_no"),
        "offer_meets_need": YesNo(kind="yes_no"),
        "low_service_effort": YesNo(kind="yes_no"),
        "revenue_potential": YesNo(kind="yes_no"),
    }


def _default_segments() -> dict[str, Segment]:
    return {
        "A": Segment(action="fight for", service="a contact of their own, answers the same day"),
        "B": Segment(action="keep", service="regular contact, answers within two days"),
        "C": Segment(action="serve cheaply", service="self-service"),
    }


def _name_sources(criteria: dict[str, Criterion]) -> dict[str, Criterion]:
    return {
        name: criterion if criterion.sources else criterion.model_copy(update={"sources": (name,)})
        for name, criterion in criteria.items()
    }


class Customers(Section):
    """Customer value and segments: the criteria, the segments from the best to the least, and who is let go."""

    criteria: Annotated[dict[Name, CriterionOfFile], AfterValidator(_name_sources)] = Field(
        default_factory=_default_criteria,
        validate_default=True,
        min_length=1,
        max_length=CRITERIA_MAX,
        description="What makes a customer valuable; four questions if left out.",
    )
    coverage_min: float = Field(
        default=0.5, ge=0, le=1, description="Least share of the weight that must be known for a value, 0 to 1."
    )
    segments: dict[SegmentName, Segment] = Field(
        default_factory=_default_segments,
        json_schema_extra={"minProperties": SEGMENTS_MIN, "maxProperties": SEGMENTS_MAX},
        description="The segments, the best first; A, B and C if left out.",
    )
    exit: Exit = Field(default_factory=Exit, description="Who is let go.")
    manual: Manual = Field(default_factory=Manual, description="How ratings by hand count.")
    split: Split | None = Field(
        default=None, description="The limits of the last split, for customers that are placed one by one."
    )

    @field_validator("segments")
    @classmethod
    def _check_segments(cls, segments: dict[str, Segment]) -> dict[str, Segment]:
        if not SEGMENTS_MIN <= len(segments) <= SEGMENTS_MAX:
            raise fault(f"number {len(segments)}; {SEGMENTS_MIN} to {SEGMENTS_MAX} are needed")
        return segments

    @model_validator(mode="after")
    def _check_together(self) -> Customers:
        raise_faults([*self._check_exit(), *self._check_split()])
        return self

    def _check_exit(self) -> Iterable[tuple[KeyPath, str]]:
        most, count = self.exit.criteria_above_max, len(self.criteria)
        if self.exit.enabled and most >= count:
            criteria = "1 criterion" if count == 1 else f"{count} criteria"
            yield (
                ("exit", *(("criteria_above_max",) if "criteria_above_max" in self.exit.model_fields_set else ())),
                f"{most} of {criteria} above the worst would let everybody go; say fewer, or `enabled: false`",
            )

    def _check_split(self) -> Iterable[tuple[KeyPath, str]]:
        if self.split is None:
            return
        names, last = list(self.segments), None
        for name, least in self.split.segments.items():
            if name not in names:
                known = suggest(name, names, "segments are")
                yield ("split", "segments", name), f"{show(name)} is not one of the segments; {known}"
            elif last is not None and (names.index(name) < names.index(last[0]) or least >= last[1]):
                yield ("split", "segments", name), f"{show(least)} is not below the {show(last[1])} of {last[0]}"
            last = (name, least)
        for name, limits in self.split.quantiles.items():
            criterion = self.criteria.get(name)
            if not isinstance(criterion, Quantiles):
                yield ("split", "quantiles", name), "is not one of the criteria by quantiles"
            elif len(limits) >= criterion.quantiles:
                yield (
                    ("split", "quantiles", name),
                    f"has {len(limits)} limits; between {criterion.quantiles} categories there are "
                    f"{criterion.quantiles - 1}",
                )

    @property
    def facts(self) -> dict[str, list[str]]:
        """The facts that criteria ask for, each with the criteria that do."""
        asked: dict[str, list[str]] = {}
        for name, criterion in self.criteria.items():
            divisor = criterion.divided_by if isinstance(criterion, OfNumbers) else None
            for fact in (*criterion.sources, *([divisor] if divisor else [])):
                asked.setdefault(fact, []).append(name)
        return asked

    @property
    def value_max(self) -> float:
        """The best value that a customer can have."""
        return sum(criterion.weight for criterion in self.criteria.values())


def customer_keys_at(path: KeyPath, data: Mapping[str, Any]) -> list[str] | None:
    """Return the keys of a criterion at ``path``, whose kind ``data`` (the file) tells; None for another path."""
    if path[:2] != ("customers", "criteria") or len(path) != 3:
        return None
    return CRITERION_KINDS[data["customers"]["criteria"][path[2]]["kind"]].file_keys()
