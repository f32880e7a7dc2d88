"""Times as a scenario file writes them: offsets such as ``2d 30m`` from its start, and ``never``."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from scoring.conditions_file import fault
from scoring.model_file import show

NEVER: Final = "never"

_UNITS_MS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_OFFSET: Final = re.compile(r"([+-])?\s*((?:\d+(?:\.\d+)?(?:ms|[dhms])(?:\s+|(?=\d)|$))+)")
_OFFSET_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")


def read_offset(raw: object) -> int:
    """Return an offset in ms.

    >>> [read_offset(text) for text in ("0m", "1d 2h", "+3.5d", "-2h", "250ms")]
    [0, 93600000, 302400000, -7200000, 250]

    Raises a fault for anything else.
    """
    found = _OFFSET.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if found is None:
        raise fault(f"{show(raw)} is not a time; expected for example 0m, '1d 2h 30m', 90s or 250ms")
    size = sum(Fraction(number) * _UNITS_MS[unit] for number, unit in _OFFSET_PART.findall(found[2]))
    if size.denominator != 1:
        raise fault(f"{show(raw)} is not a whole number of ms")
    return -int(size) if found[1] == "-" else int(size)


def show_offset(offset_ms: int) -> str:
    """Return an offset as the file writes it.

    >>> [show_offset(offset_ms) for offset_ms in (0, 93_600_000, -7_200_001)]
    ['0m', '1d 2h', '-2h 1ms']
    """
    rest, parts = abs(offset_ms), []
    for unit, size in _UNITS_MS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if offset_ms < 0 else "") + (" ".join(parts) or "0m")


def is_offset(text: str) -> bool:
    """Tell whether a text is written as an offset.

    >>> is_offset("1d 2h"), is_offset("never")
    (True, False)
    """
    return _OFFSET.fullmatch(text) is not None


def read_moment(raw: object) -> int | None:
    """Return the offset in ms at which something happens; None: never.

    >>> read_moment("1h"), read_moment("never")
    (3600000, None)

    Raises a fault for anything else.
    """
    return None if raw == NEVER else read_offset(raw)


def show_moment(time_ms: int | None, start_ms: int) -> str:
    """Return a time (ms since 1970) as an offset from ``start_ms``; None: never.

    >>> show_moment(1_767_229_200_000, 1_767_225_600_000), show_moment(None, 0)
    ('1h', 'never')
    """
    return NEVER if time_ms is None else show_offset(time_ms - start_ms)
