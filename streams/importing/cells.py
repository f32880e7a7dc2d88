"""What a cell says, as spreadsheets and exports write it in different countries."""

from __future__ import annotations

import re
from typing import Final

_BLANKS: Final = frozenset({"", "-", "--", "n/a", "#n/a", "null"})
_BEGINS_OF_BLANKS: Final = frozenset(case(blank[:1]) for blank in _BLANKS for case in (str.lower, str.upper))
"""Where to look closer: most cells say something."""
_CURRENCY: Final = re.compile(r"^[A-Z]{3}\s+|\s+[A-Z]{3}$|[$€£¥₹]")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,2})?")
_GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2}([.,]\d{3})+")
_PLAIN: Final = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")
_NUMBER_LENGTH_MAX: Final = 60


def is_blank(cell: str) -> bool:
    """Tell whether a cell says nothing; exports write so in several ways.

    >>> [is_blank(cell) for cell in ("", " - ", "#N/A", "0")]
    [True, True, True, False]
    """
    return (cell[:1] in _BEGINS_OF_BLANKS or cell[:1].isspace()) and cell.strip().lower() in _BLANKS


def read_number(cell: str, *, whole: bool = False, decimal_comma: bool = False) -> int | float:
    """Read a number with the separators, currency or percent sign that it may have.

    >>> [read_number(cell) for cell in ("1,200", "1.200,5 ", "1,200.50", "€ 1'200", "12,5 %", "1.2E+06", "USD 3")]
    [1200, 1200.5, 1200.5, 1200, 12.5, 1200000, 3]

    A single point with three digits behind it parts thousands where a ``whole`` number is expected, and decimals
    elsewhere, as machines write them; a single comma so placed parts thousands.

    >>> read_number("1.200", whole=True), read_number("1.200")
    (1200, 1.2)

    Where it is known that commas stand before decimals (``decimal_comma``), points part thousands, and only these.

    >>> read_number("1.200", decimal_comma=True), read_number("1,200", decimal_comma=True)
    (1200, 1.2)

    Raises :class:`ValueError` for what is no number.
    """
    if not (whole or decimal_comma) and _PLAIN.fullmatch(cell):  # as most cells are
        number = float(cell)
        return int(number) if number.is_integer() else number
    text = _CURRENCY.sub("", cell.strip().removesuffix("%").strip())
    text = re.sub(r"[\s'’]", "", text).replace("−", "-")
    if len(text) > _NUMBER_LENGTH_MAX:
        raise ValueError("too long")
    text = _with_decimal_comma(text) if decimal_comma else _without_groups(text, whole)
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("not a number")
    number = float(text)
    if number.is_integer():
        return int(number)
    if whole:
        raise ValueError("not a whole number")
    return number


def _with_decimal_comma(text: str) -> str:
    integer, comma, fraction = text.partition(",")
    if "." in integer and _GROUPED.fullmatch(integer) is None:
        return text.replace(",", "")  # a point that parts nothing is a machine's, before its decimals
    return f"{integer.replace('.', '')}{comma and '.'}{fraction}"


def _without_groups(text: str, whole: bool) -> str:
    """Return a number's text with a point before its decimals, and nothing between its thousands."""
    point, comma = text.rfind("."), text.rfind(",")
    if point >= 0 and comma >= 0:
        group, decimal = (",", ".") if point > comma else (".", ",")
        integer, _, fraction = text.rpartition(decimal)
        is_grouped = _GROUPED.fullmatch(integer) is not None and decimal not in integer
        return f"{integer.replace(group, '')}.{fraction}" if is_grouped else text
    if _GROUPED.fullmatch(text) and (comma >= 0 or whole or text.count(".") > 1):
        return re.sub("[.,]", "", text)
    return text.replace(",", ".")


def read_texts(cell: str) -> list[str]:
    """Read a list: its items are parted by semicolons, bars or lines, else by commas.

    >>> read_texts("Kafka; Redis;"), read_texts("Kafka, Redis"), read_texts("SAP (R/3, on site); Kafka")
    (['Kafka', 'Redis'], ['Kafka', 'Redis'], ['SAP (R/3, on site)', 'Kafka'])
    """
    parts = re.split(r"[;|\n]", cell)
    return [text.strip() for text in (parts if len(parts) > 1 else cell.split(",")) if text.strip()]


def read_anything(cell: str) -> str | int | float | bool:
    """Read a cell of which nothing is known: a plain number, true or false, or else a text.

    >>> [read_anything(cell) for cell in ("12", "0.5", "TRUE", " /pricing ", "007", "1,200", "+31 20 1234567")]
    [12, 0.5, True, '/pricing', '007', '1,200', '+31 20 1234567']
    """
    text = cell.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _PLAIN.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text
