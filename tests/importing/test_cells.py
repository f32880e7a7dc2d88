"""Numbers, lists, and cells of which nothing is known, as different countries and programs write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.importing.cells import is_blank, read_anything, read_number, read_texts


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("0", 0),
        (" 12 ", 12),
        ("-3.5", -3.5),
        ("−3,5", -3.5),
        ("1,200", 1200),
        ("1,200,000", 1_200_000),
        ("1.200.000", 1_200_000),
        ("1.200,5 ", 1200.5),
        ("1,200.50", 1200.5),
        ("1 200,50", 1200.5),
        ("1\u202f200", 1200),
        ("1'200.5", 1200.5),
        ("0,200", 0.2),
        ("1,25", 1.25),
        ("1.234", 1.234),
        ("12 %", 12),
        ("12.5%", 12.5),
        ("$1,200", 1200),
        ("€ 1.200,00", 1200),
        ("1.200,00 €", 1200),
        ("EUR 1,200.00", 1200),
        ("1.2E+06", 1_200_000),
        ("٣", 3),
    ],
)
def test_a_number_is_read_with_its_separators_currency_and_percent_sign(cell: str, number: float) -> None:
    read = read_number(cell)
    assert (read, type(read)) == (number, type(number))


@pytest.mark.parametrize(("cell", "number"), [("1.200", 1200), ("1,200", 1200), ("12.000.000", 12_000_000), ("7.0", 7)])
def test_in_a_whole_number_three_digits_behind_a_point_are_thousands(cell: str, number: int) -> None:
    assert read_number(cell, whole=True) == number


@pytest.mark.parametrize("cell", ["51-200", "1,20.5", "1,2,3", "1.2.3", "12,00.5", "many", "", "%", "1e999", "0x10"])
def test_what_is_no_number_is_refused(cell: str) -> None:
    with pytest.raises(ValueError):
        read_number(cell)


def test_half_a_person_is_no_whole_number() -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        read_number("1.5", whole=True)


@given(st.integers(-(10**12), 10**12), st.sampled_from([("", "."), (",", "."), (" ", ","), ("'", ".")]))
def test_any_number_survives_being_written_in_groups(number: int, marks: tuple[str, str]) -> None:
    group, point = marks
    assert read_number(f"{number:,}".replace(",", group)) == number
    assert read_number(f"{number:,}".replace(",", group) + f"{point}5") == number + (
        0.5 if f"{number}"[0] != "-" else -0.5
    )


@given(st.text(max_size=20))
def test_any_text_is_a_number_or_a_value_error(text: str) -> None:
    try:
        read = read_number(text)
    except ValueError:
        return
    assert abs(read) < float("inf")


def test_lists_are_parted_by_what_they_hold() -> None:
    assert read_texts("SAP, R/3; Kafka ;; ") == ["SAP, R/3", "Kafka"]
    assert read_texts("Kafka|Redis") == read_texts("Kafka\nRedis") == read_texts("Kafka,Redis") == ["Kafka", "Redis"]
    assert read_texts(" ") == []


def test_a_phone_number_and_a_code_stay_texts() -> None:
    assert [read_anything(cell) for cell in ("+31 20", "007", "1e5", "12345678901234567890")] == [
        "+31 20",
        "007",
        "1e5",
        "12345678901234567890",
    ]
    assert [read_anything(cell) for cell in ("7", "-7.5", "false", "TRUE")] == [7, -7.5, False, True]


@pytest.mark.parametrize("cell", ["", "  ", "-", "#N/A", "null", "n/a"])
def test_blanks_are_written_in_many_ways(cell: str) -> None:
    assert is_blank(cell)
