"""The sections of a model file about accounts: ideal-customer profiles, exclusions, and what all accounts share."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from scoring.conditions_file import Ratings, Where, fault
from scoring.model_file import show
from scoring.model_sections import Name, Section, as_tuple

PROFILES_MAX: Final = 20
COMPONENTS_MAX: Final = 30
"""Components of one profile: an account is held against all of them whenever something new is known of it."""

EXCLUSIONS_MAX: Final = 100
RATING_MAX: Final = 10.0
"""The best rating of an answer, and so the best fit of an account."""

_SOURCES_MAX = 10
_REASON_LENGTH_MAX = 200


def check_fact_name(name: str) -> str:
    """Return the name of a fact; raise a fault if no account can have it."""
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise fault("the name of a fact has 1 to 64 characters that can be printed")
    return name


def _as_facts(raw: object) -> object:
    if raw == []:
        raise fault("the list is empty; name at least one fact, or leave `from` out")
    return as_tuple(raw, "a fact")


_FACT_NAME_SCHEMA: Final = {"type": "string", "minLength": 1, "maxLength": 64}

FactNames = Annotated[
    tuple[Annotated[str, AfterValidator(check_fact_name)], ...],
    Field(max_length=_SOURCES_MAX),
    BeforeValidator(_as_facts),
    WithJsonSchema(
        {
            "anyOf": [
                _FACT_NAME_SCHEMA,
                {"type": "array", "items": _FACT_NAME_SCHEMA, "minItems": 1, "maxItems": _SOURCES_MAX},
            ]
        }
    ),
]


class Component(Section):
    """One thing that a profile looks at: a fact of the account, how its answers are rated, and how much that weighs."""

    weight: float = Field(gt=0, le=10, description="How much the component counts beside the profile's others.")
    answers: Ratings = Field(
        description="Answer by answer its rating, 0 to 10; the first that fits counts. An answer that none fits is 0."
    )
    sources: FactNames = Field(
        default=(),
        alias="from",
        description="The facts that hold the answer; the first that is known counts. "
        "The fact of the component's own name if left out.",
    )


Profile = Annotated[dict[Name, Component], Field(min_length=1, max_length=COMPONENTS_MAX)]
"""An ideal-customer profile: its components by name."""


class Exclusion(Section):
    """A hard no: accounts whose facts meet all conditions have a fit of 0, whatever else is known of them."""

    where: Where = Field(description="Conditions on the account's facts; all must hold.")
    reason: str = Field(
        min_length=1, max_length=_REASON_LENGTH_MAX, description="What is said of the account: `is a competitor`."
    )

    @field_validator("reason")
    @classmethod
    def _check_reason(cls, reason: str) -> str:
        if not reason.isprintable():
            raise fault(f"{show(reason)} holds characters that cannot be printed")
        return reason


class FitLevels(Section):
    """What a fit is called, and how much must be known for one."""

    strong: float = Field(default=8.1, gt=0, le=RATING_MAX, description="Fit from which it is strong.")
    moderate: float = Field(
        default=5.0,
        gt=0,
        le=RATING_MAX,
        validate_default=True,
        description="Fit from which it is moderate; below, it is weak. Below strong.",
    )
    coverage_min: float = Field(
        default=0.4, ge=0, le=1, description="Least share of a profile's weight that must be known, 0 to 1."
    )

    @field_validator("moderate")
    @classmethod
    def _check_moderate(cls, moderate: float, info: ValidationInfo) -> float:
        strong = info.data.get("strong", RATING_MAX + 1)
        if moderate >= strong:
            raise fault(f"{show(moderate)} is not below strong ({show(strong)})")
        return moderate
