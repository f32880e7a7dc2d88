"""Working hours, over nights, weekends and changes of the clocks; retries and rests, over a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.hours import WorkingHours, next_time_of_day
from streams.delivery.retries import Backoff, Breaker, Circuit

BERLIN = "Europe/Berlin"
OFFICE = WorkingHours(BERLIN, frozenset(range(5)), 9 * 60, 17 * 60, frozenset({date(2026, 1, 6)}))
TIMES = st.integers(1_700_000_000_000, 1_900_000_000_000)
ZONES = st.sampled_from([BERLIN, "UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
HOURS = st.builds(
    WorkingHours,
    ZONES,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, 11 * 60),
    st.integers(12 * 60, 24 * 60),
)


def at(text: str, zone: str = BERLIN) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        ("2026-01-05 10:00", 60, "2026-01-05 11:00"),
        ("2026-01-05 16:30", 60, "2026-01-07 09:30"),  # the 6th is a holiday
        ("2026-01-05 16:00", 60, "2026-01-05 17:00"),  # the boundary still counts as that day
        ("2026-01-03 12:00", 60, "2026-01-05 10:00"),  # a Saturday
        ("2026-01-05 03:00", 60, "2026-01-05 10:00"),
    ],
)
def test_an_hour_of_working_time_ends_when_a_person_would_say(start: str, minutes: int, end: str) -> None:
    assert OFFICE.after(at(start), minutes * 60_000) == at(end)


def test_a_night_in_which_the_clocks_change_is_as_long_as_it_was() -> None:
    always = WorkingHours(BERLIN, frozenset(range(7)), 0, 24 * 60)
    assert always.after(at("2026-03-28 12:00"), 24 * 3_600_000) == at("2026-03-29 13:00")


@given(HOURS, TIMES, st.integers(1, 3 * 86_400_000), st.integers(1, 3 * 86_400_000))
def test_working_time_adds_up_and_never_ends_outside_working_hours(
    hours: WorkingHours, time_ms: int, first: int, second: int
) -> None:
    middle = hours.after(time_ms, first)
    assert middle >= time_ms + first
    assert hours.after(middle, second) == hours.after(time_ms, first + second)
    assert hours.is_open(middle - 1)


@given(HOURS, TIMES)
def test_the_next_open_moment_is_open_and_nothing_before_it_is(hours: WorkingHours, time_ms: int) -> None:
    opens = hours.next_open(time_ms)
    assert hours.is_open(opens)
    assert hours.next_open(opens) == opens
    if opens > time_ms:
        assert not hours.is_open((time_ms + opens) // 2)


@given(TIMES, st.integers(0, 24 * 60 - 1), ZONES)
def test_the_next_time_of_day_is_within_a_day_or_so(time_ms: int, minute: int, zone: str) -> None:
    found = next_time_of_day(time_ms, minute, zone)
    assert time_ms < found <= time_ms + timedelta(hours=25) / timedelta(milliseconds=1)
    moment = datetime.fromtimestamp(found / 1000, UTC).astimezone(ZoneInfo(zone))
    assert abs(moment.hour * 60 + moment.minute - minute) <= 60  # an hour that the clocks leave out


@given(st.text(max_size=20), st.integers(1, 100_000), st.integers(0, 10**6))
def test_waits_lie_between_their_bounds_and_depend_on_nothing_else(key: str, tries: int, now: int) -> None:
    backoff = Backoff()
    wait = backoff.wait_ms(key, tries)
    assert 4_000 <= wait <= 1.2 * backoff.longest_ms
    assert wait == Backoff().wait_ms(key, tries)
    assert backoff.next_try(key, tries, 0, now, retry_after_ms=10**9) == backoff.give_up_ms
    assert backoff.next_try(key, tries, 0, backoff.give_up_ms) is None


def test_a_sink_that_fails_rests_is_tried_once_and_rests_longer_until_it_answers() -> None:
    breaker = Breaker(failures_max=2, rest_ms=1_000)
    breaker.fail(0)
    assert breaker.room(0, 0, 4) == 4
    breaker.fail(0)
    assert (breaker.circuit, breaker.room(999, 0, 4)) == (Circuit.OPEN, 0)
    assert breaker.room(1_000, 0, 4) == 1
    assert breaker.room(1_000, 1, 4) == 0
    breaker.fail(1_000)
    assert breaker.room(2_999, 0, 4) == 0
    assert breaker.room(3_000, 0, 4) == 1
    breaker.succeed()
    assert breaker.room(3_000, 1, 4) == 3
    breaker.pause(9_000)
    assert breaker.room(8_999, 0, 4) == 0
