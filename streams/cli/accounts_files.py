"""A file of accounts, as CSV or JSON lines: what is known of each, by name."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import msgspec
from pydantic_core import PydanticCustomError

from scoring.errors import SettingsError
from scoring.fit import Fact
from scoring.model_accounts import check_fact_name
from scoring.model_file import plain_value, show
from streams.cli.json_lines import LINE_BYTES_MAX, open_lines

ACCOUNTS_MAX: Final = 100_000
"""Accounts of one file: they are held in memory."""

LISTS: Final = frozenset({"technologies"})
"""Facts that are lists; in a cell, their items stand between commas, semicolons or bars."""

_THOUSANDS: Final = re.compile(r"[-+]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")

_decode = msgspec.json.decode


def read_accounts(file: str) -> list[dict[str, Fact]]:
    """Return what is known of each account in ``file`` (``-``: standard input; gzip too), without what is blank.

    CSV has the names of facts in its first line, and commas or semicolons between cells; columns without a name are
    passed over. JSON lines have an object each: the facts, or an account update with its ``facts``.

    Raises :class:`SettingsError`, with the line.
    """
    name = "standard input" if file == "-" else file
    with open_lines(file, show_progress=False) as raw:
        lines = _texts(raw, name)
        skipped, first = next(((number, line) for number, line in enumerate(lines) if line.strip()), (0, ""))
        rest = chain([first], lines)
        read = _read_json if first.lstrip().startswith("{") else _read_csv
        accounts: list[dict[str, Fact]] = []
        for account in read(rest, name, skipped):
            if len(accounts) == ACCOUNTS_MAX:
                raise SettingsError(f"{name}: has more than {ACCOUNTS_MAX:,} accounts")
            accounts.append(account)
    return accounts


def _texts(lines: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if len(line) >= LINE_BYTES_MAX:
            raise SettingsError(f"{name}:{number}: is longer than {LINE_BYTES_MAX:,} bytes")
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise SettingsError(f"{name}:{number}: is not UTF-8 text: byte 0x{line[error.start]:02x}") from None


# ── CSV ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_csv(lines: Iterator[str], name: str, skipped: int) -> Iterator[dict[str, Fact]]:
    first = next(lines)
    delimiter = max(",;", key=first.count)  # the comma where there is neither
    rows = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    try:
        for row in rows:
            at = f"{name}:{rows.line_num + skipped}"
            cells = [cell.strip() for cell in row]
            if header is None:
                header = _check_header(cells, at)
            elif any(cells):
                yield _account(header, cells, at)
    except csv.Error as error:
        raise SettingsError(f"{name}:{rows.line_num + skipped}: is not CSV: {error}") from None


def _check_header(names: list[str], at: str) -> list[str]:
    for name in filter(None, names):
        if names.count(name) > 1:
            raise SettingsError(f"{at}: two columns are called {show(name)}")
        try:
            check_fact_name(name)
        except PydanticCustomError as error:
            raise SettingsError(f"{at}: {show(name)}: {error.message()}") from None
    return names


def _account(header: list[str], cells: list[str], at: str) -> dict[str, Fact]:
    if any(cells[len(header) :]):
        raise SettingsError(f"{at}: has {len(cells)} cells, and the first line names {len(header)}")
    facts = {name: read_cell(name, cell) for name, cell in zip(header, cells, strict=False) if name}
    return {name: fact for name, fact in facts.items() if fact is not None}


def read_cell(name: str, cell: str) -> Fact | None:
    """Return the fact that a cell of column ``name`` holds, or None where it is blank.

    >>> [read_cell("size", cell) for cell in ("1,200", "12.5", "true", "007", "")]
    [1200, 12.5, True, '007', None]
    >>> read_cell("technologies", "SAP; Apache Kafka")
    ['SAP', 'Apache Kafka']
    """
    if name.lower() in LISTS:
        return [item for part in re.split("[,;|]", cell) if (item := part.strip())] or None
    meant = plain_value(cell.replace(",", "") if _THOUSANDS.fullmatch(cell) else cell)
    if meant is None or isinstance(meant, bool):
        return meant
    return meant if isinstance(meant, int | float) and math.isfinite(meant) else cell


# ── JSON lines ───────────────────────────────────────────────────────────────────────────────────────────────


def _read_json(lines: Iterator[str], name: str, skipped: int) -> Iterator[dict[str, Fact]]:
    for number, line in enumerate(lines, skipped + 1):
        if line.strip():
            yield _facts(line, f"{name}:{number}")


def _facts(line: str, at: str) -> dict[str, Fact]:
    try:
        found = _decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SettingsError(f"{at}: is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise SettingsError(f"{at}: {show(found)} is not an object with an account's facts")
    facts = found["facts"] if isinstance(found.get("facts"), dict) else found
    read = {name: _read_value(value, f"{at}: {show(name)}") for name, value in facts.items()}
    return {name: fact for name, fact in read.items() if fact is not None}


def _read_value(value: object, at: str) -> Fact | None:
    if isinstance(value, str):
        return value.strip() or None
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [item.strip() for item in value if item.strip()] or None
    raise SettingsError(f"{at}: {show(value)} is not a text, a number, true, false or a list of texts")
