"""Conditions: what is asked of an event's properties or of a lead's traits, as values, as tests and in words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Literal

from scoring.model_file import NUMBER, show

Op = Literal[">=", ">", "<=", "<"]


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
