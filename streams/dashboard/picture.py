"""Accounts as a picture: fit to the right, engagement upwards; the upper right corner is where to call."""

from __future__ import annotations

from math import log1p
from typing import Final, NamedTuple

WIDTH: Final = 1100
HEIGHT: Final = 300
LEFT: Final = 44
BOTTOM: Final = 34
TOP: Final = 12
RIGHT: Final = 12


class Standing(NamedTuple):
    """Where an account stands: engagement in points; fit 0 to 10, None where it is unknown."""

    account: str
    score: float
    fit: float | None


class Dot(NamedTuple):
    """An account in the picture."""

    account: str
    x: float
    y: float
    score: float
    fit: float | None


class Picture(NamedTuple):
    """The dots, and where the lines of the axes lie: pairs of a place and a text."""

    dots: list[Dot]
    columns: list[tuple[float, str]]
    rows: list[tuple[float, str]]
    unknown: int


def make_picture(standings: list[Standing]) -> Picture:
    """Return the picture of accounts whose fit is known; engagement has a logarithmic scale.

    >>> make_picture([Standing("domain:a.example", 0.0, 10.0)]).dots[0].x
    1088.0
    """
    top = max((standing.score for standing in standings), default=0.0)
    top = max(top, 10.0)
    dots = [
        Dot(standing.account, _x(standing.fit), _y(standing.score, top), standing.score, standing.fit)
        for standing in standings
        if standing.fit is not None
    ]
    rows = [(_y(value, top), f"{value:g}") for value in (0, 10, 50, 100, 250, 500, 1_000, 2_500) if value <= top]
    columns = [(_x(float(fit)), str(fit)) for fit in range(0, 11, 2)]
    return Picture(dots, columns, rows, len(standings) - len(dots))


def _x(fit: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * fit / 10, 1)


def _y(score: float, top: float) -> float:
    share = log1p(max(0.0, score) / 10) / log1p(top / 10)
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - share), 1)
