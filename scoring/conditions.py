"""Conditions: what a rule asks of an event's properties, as values, as tests, and as the model file writes them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Annotated, Final, Literal, cast

from pydantic import PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from scoring.model_file import NUMBER, KeyPath, show, suggest

Op = Literal[">=", ">", "<=", "<"]

_COMPARISON: Final = re.compile(r"(>=|>|<=|<)\s*(\S+)( or unknown)?")
_LOOKS_COMPARED: Final = re.compile(r"[<>=]")
_VALUES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of one property of an event; :func:`holds` says what it means.

    ``equals_any`` and ``glob_any`` use ``values`` (text in lower case, numbers as float), ``compare`` uses
    ``op``, ``number`` and ``or_unknown``. Beware that ``(True,) == (1.0,)`` in Python: compare conditions by
    their ``repr`` where that matters.
    """

    property: str
    kind: Literal["equals_any", "glob_any", "compare"]
    values: tuple[str | float | bool, ...] = ()
    op: Op = ">="
    number: float = 0.0
    or_unknown: bool = False


def holds(condition: Condition, properties: Mapping[str, object]) -> bool:
    """Tell whether an event's properties meet a condition: the plain reference that compiled rules must equal.

    - A property that is missing or null is unknown: only a comparison ending in ``or unknown`` holds.
    - Text equals text whatever the case; ``*`` stands for any characters, ``?`` for one. ``path`` is taken
      without its trailing slash.
    - A number equals the same number, also as text (``"12"``); so it is for comparisons.
    - true and false equal only themselves. Lists and objects meet no condition.

    >>> pricing = Condition("path", "glob_any", ("/pricing*",))
    >>> holds(pricing, {"path": "/Pricing/enterprise/"}), holds(pricing, {})
    (True, False)
    >>> long = Condition("seconds", "compare", op=">=", number=5.0, or_unknown=True)
    >>> [holds(long, {"seconds": seconds}) for seconds in (5, "4.9", None, "long", True)]
    [True, False, True, False, False]
    """
    value = properties.get(condition.property)
    if value is None:
        return condition.kind == "compare" and condition.or_unknown
    if condition.kind == "compare":
        number = number_of(value)
        return number is not None and _compare(number, condition.op, condition.number)
    return any(_matches(value, wanted, condition) for wanted in condition.values)


def number_of(value: object) -> float | None:
    """Return the finite number that a property holds, also one given as text; else None.

    >>> number_of(12), number_of(" 12.50 "), number_of("1_000"), number_of(True), number_of("nan")
    (12.0, 12.5, None, None, None)
    """
    if isinstance(value, str):
        value = float(value.strip()) if NUMBER.fullmatch(value.strip()) else None
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an int of more than 308 digits
        return None
    return number if math.isfinite(number) else None


def text_of(name: str, text: str) -> str:
    """Return the text of a property as conditions compare it: lower case, and paths without trailing slash.

    >>> text_of("path", "/Pricing/"), text_of("path", "/"), text_of("form", "Demo")
    ('/pricing', '/', 'demo')
    """
    text = text.lower()
    return (text.rstrip("/") or "/") if name == "path" and text.endswith("/") else text


@lru_cache(maxsize=4096)
def glob_pattern(glob: str) -> re.Pattern[str]:
    """Return the pattern that a whole text must match; only ``*`` and ``?`` are special, not ``[``.

    >>> [bool(glob_pattern("/a[1]*").match(text)) for text in ("/a[1]/b", "/a1")]
    [True, False]
    """
    return re.compile(translate(glob.replace("[", "[[]")))


def _matches(value: object, wanted: str | float | bool, condition: Condition) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool):
        return isinstance(wanted, bool) and isinstance(value, bool) and value == wanted
    if isinstance(wanted, float):
        return number_of(value) == wanted
    if not isinstance(value, str):
        return False
    text = text_of(condition.property, value)
    return glob_pattern(wanted).match(text) is not None if condition.kind == "glob_any" else text == wanted


def _compare(number: float, op: Op, limit: float) -> bool:
    if op == ">=":
        return number >= limit
    if op == ">":
        return number > limit
    return number <= limit if op == "<=" else number < limit


def describe_condition(condition: Condition) -> str:
    """Say a condition in words."""
    if condition.kind == "compare":
        unknown = " or unknown" if condition.or_unknown else ""
        return f"{condition.property} {condition.op} {show(condition.number)}{unknown}"
    verb = "is like" if condition.kind == "glob_any" else "is"
    # Plain words, unless a text holds a line break or the like, which would break the line.
    texts = [value if isinstance(value, str) and value.isprintable() else show(value) for value in condition.values]
    return f"{condition.property} {verb} {join_words(texts)}"


def join_words(words: Iterable[str]) -> str:
    """Join words as an English "or" list.

    >>> join_words(["demo", "quote", "contact"])
    'demo, quote or contact'
    """
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


# ── conditions as the file writes them ───────────────────────────────────────────────────────────────────────


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


OWN_DOMAINS: Final = "own_domains"
"""The one name that is about people: the domains of our own addresses, as a list."""


@dataclass(frozen=True, slots=True)
class OwnDomains:
    """What ``names: own_domains`` lists."""

    domains: list[object]


@dataclass(frozen=True, slots=True)
class WhereWithNames:
    """A rule's ``where:`` together with the file's ``names:``, which it may refer to."""

    where: dict[str, object]
    names: dict[str, object]


def _read_where(raw: object) -> tuple[Condition, ...]:
    """Read the conditions of a rule, those of the name it refers to first."""
    names = raw.names if isinstance(raw, WhereWithNames) else {}
    where = raw.where if isinstance(raw, WhereWithNames) else raw
    if not isinstance(where, dict) or "is" not in where:
        if where == {}:
            raise fault("is empty, so that every event would match; leave `where` out")
        return _read_conditions(where)
    own = {name: value for name, value in where.items() if name != "is"}
    faults: list[tuple[KeyPath, str]] = []
    conditions: list[Condition] = []
    try:
        conditions += _expand_name(where["is"], names)
    except PydanticCustomError as error:
        faults.append((("is",), error.message()))
    for name, value in own.items():
        try:
            conditions.append(_read_condition(name, value))
        except PydanticCustomError as error:
            faults.append(((name,), error.message()))
    raise_faults(faults)
    return tuple(conditions)


def _expand_name(name: object, names: dict[str, object]) -> tuple[Condition, ...]:
    if not isinstance(name, str):
        raise fault(f"{show(name)} is not one of the names; `is` takes a single name")
    if name not in names:
        known = suggest(name, list(names), "names are") if names else "the model has no names"
        raise fault(f"{show(name)} is not one of the names; {known}")
    if name == OWN_DOMAINS:
        raise fault("own_domains says who never alerts; rules ask about events")
    try:
        return _read_conditions(names[name])
    except (PydanticCustomError, ValidationError):
        return ()  # told where the name is defined, not again at each rule that uses it


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

Conditions = Annotated[tuple[Condition, ...], PlainValidator(_read_conditions), WithJsonSchema(_CONDITIONS_SCHEMA)]
Where = Annotated[tuple[Condition, ...], PlainValidator(_read_where), WithJsonSchema(_WHERE_SCHEMA)]
