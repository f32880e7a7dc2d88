"""Conditions and answers as the model file writes them, each refused in words at its own key."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any, Final, Literal, cast

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from scoring.conditions import Condition, Op, describe_condition, text_of
from scoring.conditions_compared import exclude_each_other
from scoring.model_file import NUMBER, KeyPath, plain_value, show, suggest

_COMPARISON: Final = re.compile(r"(>=|>|<=|<)\s*(\S+)( or unknown)?")
_LOOKS_COMPARED: Final = re.compile(r"[<>=]")
_VALUES_MAX = 1_000
_ANSWERS_MAX = 100


def fault(message: str) -> PydanticCustomError:
    # As a template the message would be searched for braces, which a value may hold.
    return PydanticCustomError("model", "{message}", {"message": message})


def raise_faults(faults: list[tuple[KeyPath, str]]) -> None:
    """Raise all faults as one error, each at its own key below the one being validated."""
    if faults:
        details = [InitErrorDetails(type=fault(message), loc=at, input=None) for at, message in faults]
        raise ValidationError.from_exception_data("model", details)


def _read_condition(name: str, raw: object) -> Condition:
    """Read one line of a ``where:`` or of a name; raises a fault."""
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise fault("the name of a property has 1 to 64 characters that can be printed")
    if isinstance(raw, str) and _LOOKS_COMPARED.match(raw.strip()):
        return _read_comparison(name, raw)
    items = raw if isinstance(raw, list) else [raw]
    if not items:
        raise fault("the list is empty, so that nothing could match; leave the condition out")
    if len(items) > _VALUES_MAX:
        raise fault(f"the list has {len(items)} entries; at most {_VALUES_MAX} are allowed")
    values = tuple(_read_value(name, item) for item in items)
    is_glob = any(isinstance(value, str) and ("*" in value or "?" in value) for value in values)
    return Condition(name, "glob_any" if is_glob else "equals_any", values)


def _read_value(name: str, item: object) -> str | float | bool:
    if isinstance(item, bool):
        return item
    if isinstance(item, int | float):
        if not math.isfinite(item):
            raise fault(f"{show(item)} is not a finite number")
        return float(item)
    if not isinstance(item, str):
        raise fault(f"{show(item)} is not a text, a number, true, false or a list of these")
    if not item:
        raise fault("the text is empty")
    if _LOOKS_COMPARED.match(item.strip()):
        raise fault(f"{show(item)} is a comparison, which stands alone and not in a list")
    return text_of(name, item)


def _read_comparison(name: str, text: str) -> Condition:
    found = _COMPARISON.fullmatch(text.strip())
    if found is None or NUMBER.fullmatch(found[2]) is None:
        raise fault(f"{show(text)} is not a comparison; expected for example '>= 5' or '>= 5 or unknown'")
    number = float(found[2])
    if not math.isfinite(number):
        raise fault(f"{show(text)} does not compare with a finite number")
    # Most page views are sent when the page opens, before anybody can know how long it will be read.
    or_unknown = found[3] is not None or name == "seconds"
    return Condition(name, "compare", op=cast(Op, found[1]), number=number, or_unknown=or_unknown)


def _read_conditions(raw: object) -> tuple[Condition, ...]:
    """Read the conditions of a name."""
    if isinstance(raw, tuple):
        return raw  # given in Python, already read
    if isinstance(raw, OwnDomains):
        return (_read_condition("email_domain", raw.domains),)
    if not isinstance(raw, dict):
        raise fault(f"{show(raw)} is not a mapping of properties to what they must be")
    faults: list[tuple[KeyPath, str]] = []
    if not raw:
        faults.append(((), "is empty; name at least one property"))
    conditions = []
    for name, value in raw.items():
        try:
            if name == "is":
                raise fault("a name cannot be made of other names; list its pages or forms here")
            conditions.append(_read_condition(name, value))
        except PydanticCustomError as error:
            faults.append(((name,), error.message()))
    raise_faults(faults)
    return tuple(conditions)


# ── names and what refers to them ────────────────────────────────────────────────────────────────────────────

OWN_DOMAINS: Final = "own_domains"
"""The one name that is about people: the domains of our own addresses, as a list."""


@dataclass(frozen=True, slots=True)
class OwnDomains:
    """What ``names: own_domains`` lists."""

    domains: list[object]


About = Literal["event", "lead", "account"]
"""Whose properties, traits or facts a ``where:`` is about: that of a rule, of a trait or of an exclusion."""


@dataclass(frozen=True, slots=True)
class WhereWithNames:
    """A ``where:`` of a rule, trait or exclusion together with the file's ``names:``, which it may refer to."""

    where: dict[str, object]
    names: dict[str, object]
    about: About = "event"


def _read_where(raw: object) -> tuple[Condition, ...]:
    """Read the conditions of a rule, trait or exclusion, those of the name it refers to first."""
    names = raw.names if isinstance(raw, WhereWithNames) else {}
    where = raw.where if isinstance(raw, WhereWithNames) else raw
    about: About = raw.about if isinstance(raw, WhereWithNames) else "event"
    if not isinstance(where, dict) or "is" not in where:
        if where == {}:
            raise fault(f"is empty, so that every {about} would match; {_INSTEAD[about]}")
        return _read_conditions(where)
    own = {name: value for name, value in where.items() if name != "is"}
    faults: list[tuple[KeyPath, str]] = []
    conditions: list[Condition] = []
    try:
        conditions += _expand_name(where["is"], names, about)
    except PydanticCustomError as error:
        faults.append((("is",), error.message()))
    for name, value in own.items():
        try:
            conditions.append(_read_condition(name, value))
        except PydanticCustomError as error:
            faults.append(((name,), error.message()))
    raise_faults(faults or list(_find_contradictions(conditions)))
    return tuple(conditions)


_INSTEAD: Final[dict[About, str]] = {
    "event": "leave `where` out",
    "lead": "name at least one trait",
    "account": "name at least one fact",
}


def _find_contradictions(conditions: list[Condition]) -> Iterable[tuple[KeyPath, str]]:
    """Yield each condition that cannot hold beside an earlier one, at its own key."""
    for one, other in combinations(conditions, 2):
        if one.property == other.property and exclude_each_other(one, other):
            yield (other.property,), f"can never hold beside {describe_condition(one)!r}, which `is` asks for too"


def _expand_name(name: object, names: dict[str, object], about: About) -> tuple[Condition, ...]:
    if not isinstance(name, str):
        raise fault(f"{show(name)} is not one of the names; `is` takes a single name")
    if name not in names:
        known = suggest(name, list(names), "names are") if names else "the model has no names"
        raise fault(f"{show(name)} is not one of the names; {known}")
    if name == OWN_DOMAINS and about == "event":
        raise fault("own_domains says who never alerts; rules ask about events")
    try:
        return _read_conditions(names[name])
    except (PydanticCustomError, ValidationError):
        return ()  # told where the name is defined, not again at each rule that uses it


# ── the answers to a question ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a question, and its points (in a profile: its rating); the condition is about ``answer``."""

    condition: Condition
    points: float


def _worth(low: float, high: float) -> TypeAdapter[dict[str, float]]:
    """Return what reads the worth of each answer, a number within bounds."""
    return TypeAdapter(dict[str, Annotated[float, Field(strict=True, ge=low, le=high, allow_inf_nan=False)]])


_POINTS: Final = _worth(-10_000, 10_000)
_RATINGS: Final = _worth(0, 10)
_CATEGORIES_MAX = 10
_CATEGORIES: Final = TypeAdapter(dict[str, Annotated[int, Field(strict=True, ge=1, le=_CATEGORIES_MAX)]])


def _read_answers(raw: object) -> tuple[Answer, ...]:
    """Read ``answers:`` of a trait; their order is the order in which they are tried."""
    return _read_worths(raw, _POINTS, "points")


def _read_ratings(raw: object) -> tuple[Answer, ...]:
    """Read ``answers:`` of a profile's component, which are tried in the same way."""
    return _read_worths(raw, _RATINGS, "rating")


def _read_categories(raw: object) -> tuple[Answer, ...]:
    """Read ``answers:`` of a customer criterion, each with the category that it is."""
    return _read_worths(raw, _CATEGORIES, "category")


def _read_test(raw: object) -> Condition:
    """Read what a single answer must be."""
    return raw if isinstance(raw, Condition) else _read_condition("answer", raw)


def _read_worths(
    raw: object, worths: TypeAdapter[dict[str, float]] | TypeAdapter[dict[str, int]], worth: str
) -> tuple[Answer, ...]:
    if isinstance(raw, tuple):
        return raw  # given in Python, already read
    if raw == {}:
        raise fault("is empty; name at least one answer")
    if isinstance(raw, dict) and len(raw) > _ANSWERS_MAX:
        raise fault(f"has {len(raw)} entries; at most {_ANSWERS_MAX} are allowed")
    answers = []
    faults: list[tuple[KeyPath, str]] = []
    for pattern, points in worths.validate_python(raw).items():
        try:
            answers.append(Answer(_read_answer(pattern, worth), points))
        except PydanticCustomError as error:
            faults.append(((pattern,), error.message()))
    raise_faults(faults)
    return tuple(answers)


def _read_answer(pattern: str, worth: str) -> Condition:
    """Read the key of an answer, which means what the same words mean in a ``where:``."""
    value = plain_value(pattern)
    if value is None:
        raise fault(f"is not an answer; one that is missing is unknown and has no {worth}")
    condition = _read_condition("answer", value)
    if condition.or_unknown:
        raise fault(f"an unknown answer has no {worth}; leave 'or unknown' out")
    return condition


# ── as pydantic and editors see them ─────────────────────────────────────────────────────────────────────────

_VALUE_SCHEMA: Final = {"type": ["string", "number", "boolean"]}
_CONDITION_SCHEMA: Final = {
    "description": "Text, with * and ? as wildcards; a number; true or false; a list of these (any of them); "
    "or a comparison such as '>= 5' or '>= 5 or unknown'.",
    "anyOf": [_VALUE_SCHEMA, {"type": "array", "items": _VALUE_SCHEMA, "minItems": 1}],
}
OWN_DOMAINS_SCHEMA: Final = {
    "description": "The domains of our own addresses, with * and ? as wildcards: scored, never alerted.",
    "type": "array",
    "items": {"type": "string"},
    "minItems": 1,
}
_CONDITIONS_SCHEMA: Final = {"type": "object", "additionalProperties": _CONDITION_SCHEMA, "minProperties": 1}
_WHERE_SCHEMA: Final = {
    **_CONDITIONS_SCHEMA,
    "properties": {"is": {"type": "string", "description": "One of the names above; all its conditions must hold."}},
}


def _answers_schema(low: float, high: float, number: str = "number") -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": {"type": number, "minimum": low, "maximum": high},
        "minProperties": 1,
        "maxProperties": _ANSWERS_MAX,
    }


Conditions = Annotated[tuple[Condition, ...], PlainValidator(_read_conditions), WithJsonSchema(_CONDITIONS_SCHEMA)]
Where = Annotated[tuple[Condition, ...], PlainValidator(_read_where), WithJsonSchema(_WHERE_SCHEMA)]
Answers = Annotated[tuple[Answer, ...], PlainValidator(_read_answers), WithJsonSchema(_answers_schema(-10_000, 10_000))]
Ratings = Annotated[tuple[Answer, ...], PlainValidator(_read_ratings), WithJsonSchema(_answers_schema(0, 10))]
Categories = Annotated[
    tuple[Answer, ...],
    PlainValidator(_read_categories),
    WithJsonSchema(_answers_schema(1, _CATEGORIES_MAX, "integer")),
]
AnswerTest = Annotated[Condition, PlainValidator(_read_test), WithJsonSchema(_CONDITION_SCHEMA)]
