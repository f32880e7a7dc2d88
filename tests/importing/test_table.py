"""A CSV file as rows, whatever wrote it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import SettingsError
from streams.importing.table import COLUMNS_MAX, ROW_CHARACTERS_MAX, Row, open_table


def table(raw: bytes | str) -> tuple[list[str], list[Row]]:
    raw = raw.encode() if isinstance(raw, str) else raw
    with open_table(io.BufferedReader(io.BytesIO(raw)), "file.csv") as opened:
        return opened.columns, list(opened.rows())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encoding_delimiter_and_line_ends_are_recognised(encoding: str, delimiter: str, end: str) -> None:
    lines = [delimiter.join(["Email", "Name"]), delimiter.join(["ann@example.com", "Änn"]), ""]
    columns, rows = table(end.join(lines).encode(encoding))
    assert columns == ["Email", "Name"]
    assert rows == [Row(2, ["ann@example.com", "Änn"])]


def test_a_row_is_where_it_begins_also_behind_blank_lines_and_lines_within_quotes() -> None:
    _, rows = table('a,b\n\n1,"x\ny"\n,\n2,z\n')
    assert [(row.line, row.cells) for row in rows] == [(3, ["1", "x\ny"]), (6, ["2", "z"])]


def test_a_comma_within_quotes_parts_no_columns() -> None:
    assert table('"Last, First";Email\n"Lee, Ann";a@b.c')[1] == [Row(2, ["Lee, Ann", "a@b.c"])]


def test_a_row_with_too_many_cells_is_refused_and_a_short_one_is_not() -> None:
    _, (long, short) = table("a,b\n1,2,3\n4\n")
    assert (long.error.reason, str(long.error)) == ("malformed", "has 3 cells; there are 2 columns")  # type: ignore[union-attr]
    assert short == Row(3, ["4"])


def test_a_row_that_is_not_utf_8_is_refused_with_the_remedy_and_the_others_are_not() -> None:
    _, (bad, good) = table(b"a,b\n1,\xe9\n2,\xc3\xa9\n")
    assert bad.error is not None
    assert "iconv -f WINDOWS-1252 -t UTF-8" in str(bad.error)
    assert good == Row(3, ["2", "é"])


def test_a_quote_that_is_never_closed_costs_what_it_swallows() -> None:
    _, rows = table('a,b\n1,"' + "x" * 200_000 + "\n2,y\n")
    assert rows[0].error is not None
    assert rows[0].error.reason == "malformed"


def test_a_row_without_end_is_refused_and_the_next_is_read() -> None:
    _, rows = table("a,b\n" + ",".join(["x" * 100_000] * 30) + "\n2,y\n")
    assert [row.error is None for row in rows] == [False, True]
    _, rows = table("\n".join([",".join(map(str, range(20))), ",".join(["x" * 100_000] * 20), ",".join("y" * 20)]))
    assert [row.error and str(row.error) for row in rows] == [f"has more than {ROW_CHARACTERS_MAX} characters", None]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b",,\n1,2,3", "is empty"),
        (b"Pr\xe9nom,Email\n", "is not UTF-8"),
        (b",".join([b"a"] * (COLUMNS_MAX + 1)), "1001 columns"),
        (b'"' + b"x" * 200_000, "no heading"),
    ],
)
def test_a_file_without_a_heading_is_no_table(raw: bytes, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as raised:
        table(raw)
    assert str(raised.value).startswith("file.csv: ")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_a_settings_error(raw: bytes) -> None:
    try:
        columns, rows = table(b"a,b,c\n" + raw)
        assert all(row.error is not None or len(row.cells) <= len(columns) for row in rows)
        table(raw)
    except SettingsError as error:
        str(error).encode()
