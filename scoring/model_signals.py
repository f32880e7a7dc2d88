"""The section `signals` of a model file: one class per kind of buying signal, each with the keys of its own.

What each kind means, by the millisecond, is in :mod:`scoring.signal_detectors`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field, ValidatorFunctionWrapHandler, WithJsonSchema, WrapValidator

from scoring.conditions_file import fault, raise_faults
from scoring.model_engagement import COMPANY_EVENT_SCHEMA, CompanyEventName
from scoring.model_file import KeyPath, show, suggest
from scoring.model_sections import NAME_PATTERN, Section, as_tuple, read_by_kind

SIGNALS_MAX: Final = 30
"""Signals of one model: all are looked for whenever something changes at an account."""

_RULES_MAX = 20
_STEPS_MIN, _STEPS_MAX = 2, 10

Polarity: TypeAlias = Literal["positive", "negative"]


# ── what signals refer to ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class WithRules:
    """What a signal says of rules together with those that the file has; ``about_visits`` are among ``names``.

    Without any ``names``, what is wrong with `rules` is told there, and not again at each signal.
    """

    given: object
    names: Sequence[str]
    about_visits: Collection[str]


def _read_rules(raw: object) -> object:
    if not isinstance(raw, WithRules):
        return raw
    if raw.given == []:
        raise fault("the list is empty; name at least one rule")
    rules = as_tuple(raw.given, "a rule")
    if isinstance(rules, tuple):
        raise_faults(list(_find_strangers(rules, raw)))
    return rules


def _find_strangers(rules: Sequence[object], known: WithRules) -> Iterable[tuple[KeyPath, str]]:
    """Yield what is wrong with the names of rules, each at its own place in the list."""
    for number, name in enumerate(rules):
        if not isinstance(name, str):
            continue  # told as such, when the list is found to be sound otherwise
        if known.names and name not in known.names:
            yield (number,), f"{show(name)} is not one of the rules; {suggest(name, known.names, 'rules are')}"
        elif name in known.about_visits:
            yield (number,), f"{name} is about visits; a signal of the kind count asks for these"


def _read_steps(raw: object) -> object:
    """Hand the names of rules on to each step, which is a rule or a list of them."""
    if not isinstance(raw, WithRules) or not isinstance(raw.given, list):
        return raw.given if isinstance(raw, WithRules) else raw
    if not _STEPS_MIN <= len(raw.given) <= _STEPS_MAX:
        raise fault(f"the number of steps is {len(raw.given)}; a sequence has {_STEPS_MIN} to {_STEPS_MAX}")
    return tuple(WithRules(step, raw.names, raw.about_visits) for step in raw.given)


def _read_events(raw: object) -> object:
    if raw == []:
        raise fault("the list is empty; name at least one company event")
    return as_tuple(raw, "a company event")


def _one_or_more(item: dict[str, Any], most: int | None = None) -> dict[str, Any]:
    """Return the JSON Schema of a single entry or a list of them."""
    several = {"type": "array", "items": item, "minItems": 1}
    return {"anyOf": [item, several if most is None else {**several, "maxItems": most}]}


_RULE_SCHEMA: Final = {"type": "string", "pattern": NAME_PATTERN}
_RULES_SCHEMA: Final = _one_or_more(_RULE_SCHEMA, _RULES_MAX)

RuleNames = Annotated[
    tuple[str, ...],
    Field(max_length=_RULES_MAX),
    BeforeValidator(_read_rules),
    WithJsonSchema(_RULES_SCHEMA),
]
Steps = Annotated[
    tuple[RuleNames, ...],
    BeforeValidator(_read_steps),
    WithJsonSchema({"type": "array", "items": _RULES_SCHEMA, "minItems": _STEPS_MIN, "maxItems": _STEPS_MAX}),
]
CompanyEventNames = Annotated[
    tuple[CompanyEventName, ...],
    BeforeValidator(_read_events),
    WithJsonSchema(_one_or_more(COMPANY_EVENT_SCHEMA)),
]
Days = Annotated[float, Field(gt=0, le=400)]


# ── the kinds ────────────────────────────────────────────────────────────────────────────────────────────────


class SignalOfAKind(Section):
    """What signals of all kinds have in common."""

    kind: str
    cooldown_h: float = Field(
        default=168.0, ge=0, le=8_760, description="Say it once per account in so many hours; 0 is each time."
    )

    @property
    def polarity(self) -> Polarity:
        """Whether the signal speaks for calling or against it."""
        return "positive"

    @property
    def asked(self) -> frozenset[str]:
        """The rules whose matches the signal looks at."""
        return frozenset()


class HandRaise(SignalOfAKind):
    """Somebody did what asks for a call."""

    kind: Literal["hand_raise"]
    rules: RuleNames = Field(description="A match of any of these rules.")

    @property
    def asked(self) -> frozenset[str]:
        return frozenset(self.rules)


class Count(SignalOfAKind):
    """Many visits, of anybody, in a short time."""

    kind: Literal["count"]
    sessions: int = Field(ge=2, le=100, description="So many visits must have begun …")
    within_days: Days = Field(description="… within so many days.")


class DistinctContacts(SignalOfAKind):
    """Several people at one company, or several who saw the same thing."""

    kind: Literal["distinct_contacts"]
    people: int = Field(ge=2, le=100, description="So many people must have done something …")
    within_days: Days = Field(description="… within so many days.")
    or_rules: RuleNames = Field(
        default=(), description="Or as many people must have matched one of these rules about the same page or form."
    )

    @property
    def asked(self) -> frozenset[str]:
        return frozenset(self.or_rules)


class Surge(SignalOfAKind):
    """Much more than usual: seven days against the three weeks before."""

    kind: Literal["surge"]
    factor: float = Field(ge=1, le=100, description="So many times the mean, at least …")
    events_min: int = Field(ge=1, le=10_000, description="… and so many events.")


class StepSequence(SignalOfAKind):
    """Steps in their order, by anybody."""

    kind: Literal["sequence"]
    steps: Steps = Field(description="Each step is a rule or a list of rules, any of which will do; 2 to 10 steps.")
    within_days: Days = Field(description="From the first step to the last so many days at most.")

    @property
    def asked(self) -> frozenset[str]:
        return frozenset(rule for step in self.steps for rule in step)


class Reactivation(SignalOfAKind):
    """Somebody is there again after a long silence."""

    kind: Literal["reactivation"]
    quiet_days: int = Field(ge=1, le=3_650, description="So many whole days without anything, and then …")
    events: int = Field(ge=1, le=1_000, description="… so many events.")


class CompanyEvent(SignalOfAKind):
    """Something became known of the company."""

    kind: Literal["company_event"]
    on: CompanyEventNames = Field(description="Any of these events.")
    negative: bool = Field(default=False, description="Whether that speaks against calling.")

    @property
    def polarity(self) -> Polarity:
        return "negative" if self.negative else "positive"


Signal: TypeAlias = HandRaise | Count | DistinctContacts | Surge | StepSequence | Reactivation | CompanyEvent

KINDS: Final[Mapping[str, type[SignalOfAKind]]] = {
    kind: section for section in get_args(Signal) for kind in get_args(section.model_fields["kind"].annotation)
}
"""The class of each kind."""


def _read_signal(raw: object, _: ValidatorFunctionWrapHandler) -> object:
    return read_by_kind(raw, SignalOfAKind, KINDS)


SignalOfFile = Annotated[Signal, Field(discriminator="kind"), WrapValidator(_read_signal)]


def with_rules(signal: object, rules: object) -> object:
    """Return a signal of the file whose mentions of rules come with the ``rules`` that the file has."""
    if not isinstance(signal, dict):
        return signal
    known = rules if isinstance(rules, dict) else {}
    about_visits = {name for name, rule in known.items() if isinstance(rule, dict) and "visits" in rule}
    mentions = signal.keys() & {"rules", "or_rules", "steps"}
    return signal | {key: WithRules(signal[key], list(known), about_visits) for key in mentions}
