"""A spreadsheet (.xlsx) as rows of text, such as a CSV file has."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from scoring.errors import SettingsError
from streams.importing.table import COLUMNS_MAX, Table

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

WORKBOOK_BYTES_MAX: Final = 50 << 20
UNPACKED_BYTES_MAX: Final = 500 << 20
"""A workbook is a zip file of XML: what it says it unpacks to, at most."""

CELLS_MAX: Final = 20_000_000
"""From the first cell to the last one. The reader keeps 32 bytes for each, also for those that are empty."""

ZIP_MARK: Final = b"PK\x03\x04"
_OLD_MARK: Final = b"\xd0\xcf\x11\xe0"

_SHEETS: Final = "xl/worksheets/"
_ROW: Final = re.compile(rb'<row\b[^>]*?\br="([0-9]{1,7})"')
_FAR_COLUMN: Final = re.compile(rb'r="([A-Z]{2,3})[0-9]')  # begins with what it looks for: that is twice as quick


def is_workbook(file: io.BufferedReader) -> bool:
    """Tell whether a file is a spreadsheet, of this kind or of the one before, by its first bytes."""
    return file.peek(4)[:4] in (ZIP_MARK, _OLD_MARK)


@contextmanager
def open_workbook(file: io.BufferedReader, name: str, sheet: str | None = None) -> Iterator[Table]:
    """Open the ``sheet`` (None: the first one) of a workbook; the first row that is not empty names its columns.

    Raises :class:`SettingsError` for what is no workbook of this kind, or has no such sheet.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    raw = _read(file, name)
    try:
        with CalamineWorkbook.from_filelike(raw) as workbook:
            yield _table(_find_sheet(workbook, sheet, name), name)
    except CalamineError as error:
        raise SettingsError(f"{name}: cannot be read as a workbook: {error}") from None


def _read(file: io.BufferedReader, name: str) -> io.BytesIO:
    if file.peek(4)[:4] == _OLD_MARK:
        raise SettingsError(f"{name}: is a workbook of an older kind (.xls); save it as .xlsx or as CSV UTF-8")
    raw = io.BytesIO(file.read(WORKBOOK_BYTES_MAX + 1))
    if raw.getbuffer().nbytes > WORKBOOK_BYTES_MAX:
        raise SettingsError(f"{name}: has more than {WORKBOOK_BYTES_MAX >> 20} MB; save it as CSV")
    try:
        with zipfile.ZipFile(raw) as packed:
            if sum(part.file_size for part in packed.infolist()) > UNPACKED_BYTES_MAX:
                raise SettingsError(f"{name}: unpacks to more than {UNPACKED_BYTES_MAX >> 20} MB; save it as CSV")
            for part in packed.namelist():
                if part.startswith(_SHEETS) and _count_cells(packed.read(part)) > CELLS_MAX:
                    raise SettingsError(f"{name}: has a cell far outside; delete all columns and rows but the table's")
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SettingsError(f"{name}: is not a whole workbook: {error}") from None
    raw.seek(0)
    return raw


def _count_cells(sheet: bytes) -> int:
    """Return about how many cells there are up to the last row and the last column of a sheet's XML.

    >>> _count_cells(b'<row r="3"><c r="A3"/></row><row spans="1:1" r="1000"><c r="ABC1000"/></row>') == 1000 * 731
    True
    """
    rows = max(map(int, _ROW.findall(sheet)), default=1)
    return rows * max(map(_column_number, set(_FAR_COLUMN.findall(sheet))), default=26)


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _find_sheet(workbook: CalamineWorkbook, sheet: str | None, name: str) -> CalamineSheet:
    from python_calamine import SheetTypeEnum

    names = [each.name for each in workbook.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet]  # and no chart
    if not names:
        raise SettingsError(f"{name}: has no sheet with cells")
    if sheet is None:
        sheet = names[0]
    if sheet not in names:
        near = get_close_matches(sheet, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(map(repr, names[:20]))}"
        raise SettingsError(f"{name}: there is no sheet {sheet!r}; {hint}")
    return workbook.get_sheet_by_name(sheet)


class _Rows:
    """The rows of a sheet as texts, without the empty cells behind the last one that is not."""

    def __init__(self, sheet: CalamineSheet) -> None:
        self._rows = sheet.iter_rows()
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


def _table(sheet: CalamineSheet, name: str) -> Table:
    rows = _Rows(sheet)
    heading = next((cells for cells in rows if any(cells)), [])
    if not heading:
        raise SettingsError(f"{name}: the sheet {sheet.name!r} is empty; its first row should name the columns")
    if len(heading) > COLUMNS_MAX:
        raise SettingsError(f"{name}: has more than {COLUMNS_MAX} columns")
    return Table([column.strip() for column in heading], rows)


def _text_of(value: object) -> str:
    """Return what a cell says, as a CSV file would have it.

    >>> [_text_of(value) for value in (None, True, 1200.0, 12.5, datetime(2026, 1, 31), "1.200,5")]
    ['', 'true', '1200', '12.5', '2026-01-31', '1.200,5']
    """
    if value.__class__ is float:  # as most are that are no texts
        return repr(value).removesuffix(".0")
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return str(value).lower()
        case datetime():
            return f"{value:%Y-%m-%d}" if value.time() == time.min else value.isoformat(" ", "seconds")
        case date():
            return value.isoformat()
        case _:
            return str(value)
