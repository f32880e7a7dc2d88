"""What commands print: for a person on a terminal, and as JSON lines for a pipe."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scoring.identity import without_kind

JsonOption = Annotated[
    bool | None,
    typer.Option(
        "--json/--text",
        help="One JSON object a line, or text for a person.",
        show_default="text on a terminal, JSON in a pipe",
    ),
]

_PIPE_WIDTH: Final = 240
"""Columns of a table in a pipe, where nothing wraps."""

_DAY_S: Final = 86_400
_BAND_STYLES: Final = {"hot": "bold red", "warm": "yellow"}

_encode = msgspec.json.Encoder().encode


def wants_json(choice: bool | None) -> bool:
    """Return what was chosen; without a choice, JSON unless a person's terminal is there."""
    return not sys.stdout.isatty() if choice is None else choice


def write_json(value: object) -> None:
    """Print one JSON object on one line."""
    sys.stdout.write(_encode(value).decode() + "\n")


def make_console() -> Console:
    """Return a console on standard output; in a pipe it has no colours, and lines are not wrapped.

    Text is shown as it is: much of it comes from outside, and what stands in brackets there is no markup.
    """
    return Console(highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def make_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table; the columns named in ``right`` hold numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def printable(text: str, length_max: int = 120) -> str:
    """Return text from outside as it may stand on a terminal: no control characters, and not without end.

    >>> printable("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    shown = text if len(text) <= length_max else text[: length_max - 1] + "…"
    if shown.isprintable():
        return shown
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown)


def show_lead(lead: str) -> str:
    """Return a lead's id as people know it: an address without its prefix.

    >>> show_lead("email:ann@example.com"), show_lead("user:42")
    ('ann@example.com', 'user:42')
    """
    return printable(without_kind(lead), 255)


def show_account(account: str) -> str:
    """Return an account's key as people know it: a domain without its prefix.

    >>> show_account("domain:acme.com"), show_account("account:42")
    ('acme.com', 'account:42')
    """
    return printable(account.removeprefix("domain:"), 255)


def show_band(band: str) -> Text:
    """Return a band's name in its colour."""
    return Text(printable(band), style=_BAND_STYLES.get(band, ""))


def show_points(points: float, digits: int = 1) -> str:
    """Return a contribution with its sign, to so many digits after the point.

    >>> show_points(49.985), show_points(49.985, 2), show_points(-20.0), show_points(-0.01)
    ('+50', '+49.98', '−20', '0')
    """
    rounded = round(points, digits)
    return f"{rounded:+.12g}".replace("-", "−") if rounded else "0"


def show_time(time_ms: int, now_ms: int) -> str:
    """Return a time in this machine's zone: the seconds of today, the minutes of another day, else the date.

    A time that no calendar holds is shown as the number that it is.
    """
    try:
        moment, now = (datetime.fromtimestamp(ms / 1000, UTC).astimezone() for ms in (time_ms, now_ms))
    except (OverflowError, ValueError, OSError):
        return str(time_ms)
    if moment.date() == now.date():
        return f"{moment:%H:%M:%S}"
    return f"{moment.day} {moment:%b %H:%M}" if moment.year == now.year else f"{moment.day} {moment:%b %Y}"


def show_moment(time_ms: int, now_ms: int) -> str:
    """Return a time with how far away it is, for example ``12 Dec 14:03 (in 9 days)``."""
    return f"{show_time(time_ms, now_ms)} ({_show_distance((time_ms - now_ms) / 1000)})"


def _show_distance(seconds: float) -> str:
    """Return a distance in its largest unit.

    >>> _show_distance(9 * 86_400), _show_distance(-5400)
    ('in 9 days', '90 minutes ago')
    """
    size = abs(seconds)
    count, unit = next(
        (round(size / length), name)
        for length, name in ((_DAY_S, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
        if size >= 2 * length or length == 1
    )
    text = f"{count:,} {unit}{'' if count == 1 else 's'}"
    return f"in {text}" if seconds > 0 else f"{text} ago"
