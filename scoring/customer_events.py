"""Customer events: what became known of a company as a customer of ours, as account updates tell it.

=========  ============================================================================================
won        it became a customer: ``amount``, if known
invoice    it was invoiced ``amount`` (below 0: credited); ``profit`` of it and ``days_late``, if known
churn      it is no customer any more; a later win or invoice makes it one again
rating     ``by`` somebody: ``ratings``, by criterion the answer (null takes one back)
override   ``by`` somebody: the ``segment`` by hand (null takes it back), ``reason``, and ``until`` when
=========  ============================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, Final

from scoring.errors import EventError
from scoring.events import parse_time

WON, INVOICE, CHURN, RATING, OVERRIDE = "won", "invoice", "churn", "rating", "override"
CUSTOMER_EVENTS: Final = frozenset({WON, INVOICE, CHURN, RATING, OVERRIDE})
"""The whole vocabulary; closed, like that of company events."""

RATINGS_MAX: Final = 50
"""Criteria that one event rates, and that a customer's memory holds."""

TEXT_MAX: Final = 200
_NAME_MAX: Final = 64
_AMOUNT_MAX: Final = 1e15

_NUMBERS: Final[Mapping[str, tuple[str, ...]]] = {WON: ("amount",), INVOICE: ("amount", "profit", "days_late")}


def check_customer_event(type_: str, properties: Mapping[str, Any]) -> None:
    """Hold what an event tells of a customer against what its type needs. Other properties are passed over.

    >>> check_customer_event("invoice", {"amount": 1200.5, "days_late": 3})
    >>> check_customer_event("rating", {"ratings": {"upsell": 8}})
    Traceback (most recent call last):
    ...
    scoring.errors.EventError: properties.by: is required: who says so

    Raises :class:`EventError`, naming the property.
    """
    for name, reason, message in _find_faults(type_, properties):
        raise EventError(reason, f"properties.{name}", message)


def _find_faults(type_: str, properties: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name in _NUMBERS.get(type_, ()):
        value = properties.get(name)
        if value is not None and not _is_amount(value):
            yield name, "wrong_type", f"{str(value)[:80]!r} is not a number below {_AMOUNT_MAX:g}"
    if type_ == INVOICE and properties.get("amount") is None:
        yield "amount", "missing_field", "is required"
    elif type_ == RATING:
        yield from _find_rating_faults(properties)
    elif type_ == OVERRIDE:
        yield from _find_override_faults(properties)


def _find_rating_faults(properties: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    ratings = properties.get("ratings")
    if not isinstance(ratings, dict) or not ratings:
        yield "ratings", "missing_field", 'is required: by criterion the answer, such as {"upsell": 8}'
        return
    if len(ratings) > RATINGS_MAX:
        yield "ratings", "too_large", f"are {len(ratings)}; at most {RATINGS_MAX} are taken"
    for name, answer in ratings.items():
        if not (0 < len(name) <= _NAME_MAX and name.isprintable()):
            yield "ratings", "wrong_type", f"{name[:80]!r} is not the name of a criterion"
        elif not (answer is None or isinstance(answer, bool) or _is_text(answer) or _is_amount(answer)):
            yield f"ratings.{name}", "wrong_type", "is neither a text, a number, true or false, nor null"
    if not _is_text(properties.get("by")):
        yield "by", "missing_field", "is required: who says so"


def _find_override_faults(properties: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if not _is_text(properties.get("by")):
        yield "by", "missing_field", "is required: who says so"
    if "segment" in properties and properties["segment"] is None:
        return
    for name, what in (("segment", "the segment, or null to take it back"), ("reason", "why")):
        if not _is_text(properties.get(name)):
            yield name, "missing_field", f"is required: {what}, a text of at most {TEXT_MAX} characters"
    try:
        until_ms(properties.get("until"))
    except EventError as error:
        yield "until", error.reason, error.message


def until_ms(until: object) -> int:
    """Return when an override ends (ms since 1970); raises :class:`EventError`."""
    if isinstance(until, int) and not isinstance(until, bool) and 0 < until < 1 << 53:
        return until
    if not isinstance(until, str):
        raise EventError("missing_field", "until", "is required: when the override ends, RFC 3339 or ms since 1970")
    return parse_time(until)


def _is_amount(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and isfinite(value) and abs(value) < _AMOUNT_MAX  # type: ignore[arg-type]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= TEXT_MAX and value.isprintable()
