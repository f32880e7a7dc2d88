"""A spreadsheet (.xlsx) as rows of text, such as a CSV file has."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import Any, Final

from scoring.errors import SettingsError
from streams.importing.table import COLUMNS_MAX, Table

WORKBOOK_BYTES_MAX: Final = 50 << 20
UNPACKED_BYTES_MAX: Final = 500 << 20
"""A workbook is a zip file of XML: what it says it unpacks to, at most."""

ZIP_MARK: Final = b"PK\x03\x04"
_OLD_MARK: Final = b"\xd0\xcf\x11\xe0"


def is_workbook(file: io.BufferedReader) -> bool:
    """Tell whether a file is a spreadsheet, of this kind or of the one before, by its first bytes."""
    return file.peek(4)[:4] in (ZIP_MARK, _OLD_MARK)


@contextmanager
def open_workbook(file: io.BufferedReader, name: str, sheet: str | None = None) -> Iterator[Table]:
    """Open the ``sheet`` (None: the first one) of a workbook; the first row that is not empty names its columns.

    Raises :class:`SettingsError` for what is no workbook of this kind, or has no such sheet.
    """
    from openpyxl import load_workbook  # which takes longer to import than most commands take to run

    raw = _read(file, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and the like, which we do not look at
        try:
            workbook = load_workbook(raw, read_only=True, data_only=True)
        except Exception as error:  # noqa: BLE001 - openpyxl lets out whatever it stumbled over
            raise SettingsError(f"{name}: cannot be read as a workbook: {error}") from None
        try:
            yield _table(_find_sheet(workbook, sheet, name), name)
        finally:
            workbook.close()


def _read(file: io.BufferedReader, name: str) -> io.BytesIO:
    if file.peek(4)[:4] == _OLD_MARK:
        raise SettingsError(f"{name}: is a workbook of an older kind (.xls); save it as .xlsx or as CSV UTF-8")
    raw = io.BytesIO(file.read(WORKBOOK_BYTES_MAX + 1))
    if raw.getbuffer().nbytes > WORKBOOK_BYTES_MAX:
        raise SettingsError(f"{name}: has more than {WORKBOOK_BYTES_MAX >> 20} MB; save it as CSV")
    try:
        with zipfile.ZipFile(raw) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
    except zipfile.BadZipFile as error:
        raise SettingsError(f"{name}: is not a whole workbook: {error}") from None
    if unpacked > UNPACKED_BYTES_MAX:
        raise SettingsError(f"{name}: unpacks to more than {UNPACKED_BYTES_MAX >> 20} MB; save it as CSV")
    raw.seek(0)
    return raw


def _find_sheet(workbook: Any, sheet: str | None, name: str) -> Any:
    sheets = {each.title: each for each in workbook.worksheets}  # what is not a chart
    names = list(sheets)
    if sheet is None and sheets:
        return sheets[names[0]]
    if sheet not in sheets:
        near = get_close_matches(sheet or "", names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(map(repr, names[:20]))}"
        raise SettingsError(f"{name}: there is no sheet {sheet!r}; {hint}")
    return sheets[sheet]


class _Rows:
    """The rows of a sheet as texts, without the empty cells behind the last one that is not."""

    def __init__(self, sheet: Any) -> None:
        self._rows = sheet.iter_rows(values_only=True)
        self.line_num = 0

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        values = next(self._rows)
        self.line_num += 1
        cells = [value if value.__class__ is str else _text_of(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        return cells


def _table(sheet: Any, name: str) -> Table:
    rows = _Rows(sheet)
    heading = next((cells for cells in rows if any(cells)), [])
    if not heading:
        raise SettingsError(f"{name}: the sheet {sheet.title!r} is empty; its first row should name the columns")
    if len(heading) > COLUMNS_MAX:
        raise SettingsError(f"{name}: has more than {COLUMNS_MAX} columns")
    return Table([column.strip() for column in heading], rows)


def _text_of(value: object) -> str:
    """Return what a cell says, as a CSV file would have it.

    >>> [_text_of(value) for value in (None, True, 1200.0, 12.5, datetime(2026, 1, 31), "1.200,5")]
    ['', 'true', '1200', '12.5', '2026-01-31', '1.200,5']
    """
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return str(value).lower()
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case datetime():
            return f"{value:%Y-%m-%d}" if value.time() == time.min else value.isoformat(" ", "seconds")
        case date():
            return value.isoformat()
        case _:
            return str(value)
