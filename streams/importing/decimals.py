"""Which sign stands before the decimals of a table's numbers: 1.200 is a thousand times more in one country."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

_EDGES: Final = re.compile(r"^[^\d]+|[^\d]+$")
_OF_COMMA: Final = re.compile(r"\d+,(\d{1,2}|\d{4,})|0,\d+|\d{4,},\d+|\d{1,3}(\.\d{3})+,\d+|\d{1,3}(\.\d{3}){2,}")
_OF_POINT: Final = re.compile(r"\d+\.(\d{1,2}|\d{4,})|0\.\d+|\d{4,}\.\d+|\d{1,3}(,\d{3})+\.\d+|\d{1,3}(,\d{3}){2,}")
_OF_EITHER: Final = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")


class Decimal(StrEnum):
    """What stands before the decimals."""

    POINT = "point"
    COMMA = "comma"


def find_decimal(cells: Iterable[str]) -> Decimal | None:
    """Return what stands before the decimals in cells with numbers, or None where none tells, or they disagree.

    >>> find_decimal(["1.200", "950,50"]), find_decimal(["1,200", "0.5"]), find_decimal(["1.200", "7"])
    (<Decimal.COMMA: 'comma'>, <Decimal.POINT: 'point'>, None)
    """
    found: set[Decimal] = set()
    for cell in cells:
        points = cell.count(".")
        # One point alone tells at most that points stand before decimals, which is asked only once.
        if "," in cell or points > 1 or (points and Decimal.POINT not in found):
            number = _EDGES.sub("", cell).replace(" ", "")
            if _OF_COMMA.fullmatch(number):
                found.add(Decimal.COMMA)
            elif _OF_POINT.fullmatch(number):
                found.add(Decimal.POINT)
    return found.pop() if len(found) == 1 else None


def is_either(cell: str) -> bool:
    """Tell whether a number may be read in both ways.

    >>> is_either("€ 1.200"), is_either("1.200,5"), is_either("0.125")
    (True, False, False)
    """
    return ("," in cell or "." in cell) and _OF_EITHER.fullmatch(_EDGES.sub("", cell)) is not None
