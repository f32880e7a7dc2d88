"""Conditions held against each other: two that can never hold together, and one that leaves nothing for another.

Both answers err on one side: "yes" is certain, "no" may only mean that it cannot be told.
"""

from __future__ import annotations

from typing import Final

from scoring.conditions import Condition, Op, glob_pattern, holds, number_of


def exclude_each_other(one: Condition, other: Condition) -> bool:
    """Tell whether no value can meet both conditions, which ask about the same property.

    >>> short, long = (Condition("seconds", "compare", op=op, number=5.0) for op in ("<", ">="))
    >>> exclude_each_other(short, long), exclude_each_other(short, short)
    (True, False)
    """
    if one.kind == "compare" and other.kind == "compare":
        if one.or_unknown and other.or_unknown:
            return False
        return _is_empty(one, other) or _is_empty(other, one)
    for some, rest in ((one, other), (other, one)):
        if some.kind == "equals_any":
            return not any(_may_meet(value, rest) for value in some.values)
    return False  # one of them has patterns, which may overlap in ways that are not worth finding out


def covers(earlier: Condition, later: Condition) -> bool:
    """Tell whether whatever meets ``later`` meets ``earlier`` too, so that a first match never gets to ``later``.

    Both are single answers: one value, pattern or comparison each.

    >>> covers(Condition("answer", "glob_any", ("*chief*",)), Condition("answer", "equals_any", ("chief of staff",)))
    True
    >>> covers(*(Condition("answer", "compare", op=">=", number=number) for number in (10.0, 50.0)))
    True
    """
    if earlier.kind == "compare":
        if later.kind == "compare":
            return _reaches_further(earlier, later)
        number = _text_number(later)
        return number is not None and holds(earlier, {earlier.property: number})
    if later.kind == "compare":
        return False
    (first,), (second,) = earlier.values, later.values
    if later.kind == "equals_any":
        # A number also answers as text, so that only an equal number takes all of it.
        return holds(earlier, {earlier.property: second}) and isinstance(first, str) == isinstance(second, str)
    if earlier.kind == "equals_any" or not isinstance(first, str) or not isinstance(second, str):
        return False
    # A pattern of * alone takes another whole if it takes the other's text, whose own * and ? are then swallowed.
    return first == second or ("?" not in first and glob_pattern(first).match(second) is not None)


def _text_number(later: Condition) -> float | None:
    """Return the number that a single value is, in whichever form it is told."""
    (value,) = later.values
    return None if later.kind == "glob_any" else number_of(value)


def _may_meet(value: str | float | bool, condition: Condition) -> bool:
    """Tell whether a property that equals ``value`` may meet ``condition``; a number can be told as a text."""
    if isinstance(value, float) and condition.kind == "glob_any":
        return True  # "7", "7.0" and "7e0" all equal 7: too many texts to try
    if isinstance(value, float) and condition.kind == "equals_any":
        return any(number_of(wanted) == value for wanted in condition.values)
    return holds(condition, {condition.property: value})


_LOWER: Final[tuple[Op, ...]] = (">=", ">")


def _is_empty(lower: Condition, upper: Condition) -> bool:
    """Tell whether nothing lies above the limit of ``lower`` and below that of ``upper``."""
    if lower.op not in _LOWER or upper.op in _LOWER:
        return False
    both_included = lower.op == ">=" and upper.op == "<="
    return lower.number > upper.number or (lower.number == upper.number and not both_included)


def _reaches_further(earlier: Condition, later: Condition) -> bool:
    if (earlier.op in _LOWER) != (later.op in _LOWER):
        return False
    if earlier.number == later.number:
        return earlier.op in (">=", "<=") or earlier.op == later.op
    return earlier.number < later.number if earlier.op in _LOWER else earlier.number > later.number
