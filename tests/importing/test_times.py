"""Times with their zone, or in one that is told; dates in the order that is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import EventError, SettingsError
from streams.importing.times import DateOrder, TimeReader, find_zone

AT = 1_767_276_300_000  # 2026-01-01T14:05:00Z
AMSTERDAM = TimeReader(find_zone("Europe/Amsterdam"))


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T14:05:00Z",
        "2026-01-01T14:05:00.000Z",
        "2026-01-01T14:05:00.000+0000",
        "2026-01-01T15:05+01:00",
        "2026-01-01 14:05 UTC",
        "2026-01-01 14:05:00 +00:00",
        " 1767276300000 ",
    ],
)
def test_a_time_that_names_its_zone_is_read_as_it_is(text: str) -> None:
    assert TimeReader().read(text) == AMSTERDAM.read(text) == AT


@pytest.mark.parametrize("text", ["2026-01-01 15:05", "2026-01-01T15:05:00", "2026-1-1, 3:05 PM", "2026-01-01 03:05pm"])
def test_a_time_without_a_zone_is_in_the_one_that_is_told(text: str) -> None:
    assert AMSTERDAM.read(text) == AT
    with pytest.raises(EventError, match="say --timezone"):
        TimeReader().read(text)


def test_a_date_is_its_midnight_in_summer_too() -> None:
    assert AMSTERDAM.read("2026-01-01") == AT - 15 * 3_600_000 - 300_000
    assert AMSTERDAM.read("2026-07-01") == TimeReader().read("2026-06-30T22:00Z")


@pytest.mark.parametrize("text", ["3/4/2026", "3.4.2026", "03-04-2026", "3/4/2026 12:00 AM", "3/4/2026, 00:00:00"])
def test_day_and_month_are_read_in_the_order_that_is_told(text: str) -> None:
    def reader(order: DateOrder | None) -> TimeReader:
        return TimeReader(find_zone("UTC"), order)

    assert reader(DateOrder.DMY).read(text) == TimeReader().read("2026-04-03T00:00Z")
    assert reader(DateOrder.MDY).read(text) == TimeReader().read("2026-03-04T00:00Z")
    with pytest.raises(EventError, match="say --dates dmy or --dates mdy"):
        reader(None).read(text)


NO_DATES = ["", "yesterday", "2026", "2026-02-30", "2026-13-01", "3/4/26", "3/4-2026", "٢٠٢٦-01-01", "1767276300"]
NO_CLOCKS = ["2026-01-01 25:00", "2026-01-01 13:00 PM", "2026-01-01 0:30 AM", "2026-01-01T14:05Zulu", "2026-01-01T"]


@pytest.mark.parametrize("text", [*NO_DATES, *NO_CLOCKS])
def test_what_is_no_time_is_refused_with_the_column(text: str) -> None:
    with pytest.raises(EventError) as raised:
        TimeReader(find_zone("UTC"), DateOrder.DMY).read(text, "Last Modified")
    assert (raised.value.reason, raised.value.field) == ("bad_time", "Last Modified")


@given(st.text(max_size=30) | st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(str))
def test_any_text_is_a_time_or_a_bad_time(text: str) -> None:
    refused = None
    try:
        assert isinstance(AMSTERDAM.read(text), int)
    except EventError as error:
        refused = error
    assert refused is None or refused.reason == "bad_time"


@pytest.mark.parametrize("name", ["Europe/Amsterdm", "", "../etc/passwd", "Europe", "\x00"])
def test_an_unknown_zone_is_an_error(name: str) -> None:
    with pytest.raises(SettingsError, match="--timezone"):
        find_zone(name)


def test_an_unknown_zone_is_named_with_those_of_similar_names() -> None:
    with pytest.raises(SettingsError, match="did you mean Europe/Amsterdam or "):
        find_zone("Europe/Amsterdm")
