"""A CSV file as rows: its encoding by the mark at its beginning, its delimiter by its heading."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Final, NamedTuple, Protocol

from scoring.errors import EventError, SettingsError

COLUMNS_MAX: Final = 1000
ROW_CHARACTERS_MAX: Final = 500_000
"""More than any row that could become a record of 32 KB, however many of its columns are ignored."""

DELIMITERS: Final = (",", ";", "\t")

_LINE_CHARACTERS_MAX: Final = 2 * ROW_CHARACTERS_MAX
_LINE_ENDS: Final = ("\n", "\r")
_CONVERT: Final = "save it as CSV UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8"


class Row(NamedTuple):
    """One row: ``line`` is where it begins in the file, from 1; a row with an ``error`` cannot be read."""

    line: int
    cells: list[str]
    error: EventError | None = None


class _Reader(Protocol):
    """What a table needs of csv's reader, whose own type is private."""

    @property
    def line_num(self) -> int: ...
    def __next__(self) -> list[str]: ...


class Table:
    """A file whose first line names its columns; made by :func:`open_table`, and read once."""

    def __init__(self, columns: list[str], reader: _Reader) -> None:
        self.columns = columns
        self._reader = reader

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order; blank lines are none, and a short row lacks its last cells."""
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                yield Row(line, [], EventError("malformed", "", f"is not CSV: {error}"))
                continue
            if cells is None:
                return
            if any(cells):
                yield Row(line, cells, self._fault_of(cells))

    def _fault_of(self, cells: list[str]) -> EventError | None:
        if len(cells) > len(self.columns):
            return EventError("malformed", "", f"has {len(cells)} cells; there are {len(self.columns)} columns")
        text = "".join(cells)
        if len(text) > ROW_CHARACTERS_MAX:
            return EventError("too_large", "", f"has more than {ROW_CHARACTERS_MAX} characters")
        if _is_undecoded(text):
            return EventError("malformed", "", f"is not UTF-8; {_CONVERT}")
        return None


@contextmanager
def open_table(file: io.BufferedReader, name: str) -> Iterator[Table]:
    """Open a CSV file: UTF-8, or UTF-16 with its mark; fields parted by commas, semicolons or tabs.

    Raises :class:`SettingsError` where it has no heading.
    """
    is_utf_16 = file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding, errors = ("utf-16", "replace") if is_utf_16 else ("utf-8-sig", "surrogateescape")
    text = io.TextIOWrapper(file, encoding, errors, newline="")
    try:
        yield _read_heading(_lines(text), name)
    finally:
        text.detach()  # or it would close a file that others opened


def _read_heading(lines: Iterator[str], name: str) -> Table:
    heading = next(lines, "")
    reader = csv.reader(chain([heading], lines), delimiter=sniff_delimiter(heading))
    try:
        columns = [column.strip() for column in next(reader, [])]
    except csv.Error as error:
        raise SettingsError(f"{name}: its first line is no heading: {error}") from None
    if not any(columns):
        raise SettingsError(f"{name}: is empty; its first line should name the columns")
    if any(map(_is_undecoded, columns)):
        raise SettingsError(f"{name}: is not UTF-8; {_CONVERT}")
    if len(columns) > COLUMNS_MAX:
        raise SettingsError(f"{name}: has {len(columns)} columns; at most {COLUMNS_MAX} are taken")
    return Table(columns, reader)


def sniff_delimiter(heading: str) -> str:
    """Return the delimiter that parts a heading into most columns.

    >>> sniff_delimiter('Email;"Name, first";Phone'), sniff_delimiter("Email")
    (';', ',')
    """

    def count_columns(delimiter: str) -> int:
        try:
            return len(next(csv.reader([heading], delimiter=delimiter), []))
        except csv.Error:
            return 0

    return max(DELIMITERS, key=count_columns)


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Yield lines; of one without end only so much that its row is refused."""
    while line := text.readline(_LINE_CHARACTERS_MAX):
        yield line
        while len(line) == _LINE_CHARACTERS_MAX and not line.endswith(_LINE_ENDS):
            line = text.readline(_LINE_CHARACTERS_MAX)


def _is_undecoded(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)
