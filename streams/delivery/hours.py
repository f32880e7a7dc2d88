"""Working hours: when somebody can be asked, and how much of a time span they had. Pure; times are ms since 1970."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAYS_AHEAD_MAX: Final = 400
"""How far ahead an open hour is looked for: holidays do not last longer."""

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class WorkingHours:
    """The hours of a week in a time zone: ``begins`` to ``ends`` (minutes of the day) on ``days`` (0 is Monday).

    ``holidays`` are closed. By day, an hour that the clocks leave out or repeat is as long as it really was.

    >>> office = WorkingHours("Europe/Berlin", frozenset(range(5)), 9 * 60, 17 * 60)
    >>> friday_16h = 1_767_366_000_000 - 0  # 2026-01-02 16:00 in Berlin
    >>> later = office.after(friday_16h, 2 * 3_600_000)  # an hour is left on Friday, the other is on Monday
    >>> datetime.fromtimestamp(later / 1000, ZoneInfo("Europe/Berlin")).isoformat()
    '2026-01-05T10:00:00+01:00'
    """

    timezone: str
    days: frozenset[int]
    begins: int
    ends: int
    holidays: frozenset[date] = frozenset()

    def is_open(self, time_ms: int) -> bool:
        """Tell whether it is working time."""
        return self.next_open(time_ms) == time_ms

    def next_open(self, time_ms: int) -> int:
        """Return the first moment of working time at or after ``time_ms``; itself where there is none for a year."""
        for begins_ms, _ in self._spans(time_ms):
            return max(begins_ms, time_ms)
        return time_ms

    def after(self, time_ms: int, wait_ms: int) -> int:
        """Return when ``wait_ms`` of working time have passed since ``time_ms``."""
        left_ms = wait_ms
        for opens_ms, ends_ms in self._spans(time_ms):
            begins_ms = max(opens_ms, time_ms)
            if left_ms <= ends_ms - begins_ms:
                return begins_ms + left_ms
            left_ms -= ends_ms - begins_ms
        return time_ms + wait_ms

    def _spans(self, time_ms: int) -> Iterator[tuple[int, int]]:
        """Yield the spans of working time that end after ``time_ms``."""
        zone = ZoneInfo(self.timezone)
        day = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(zone).date()
        for _ in range(DAYS_AHEAD_MAX):
            if day.weekday() in self.days and day not in self.holidays:
                begins_ms, ends_ms = _at(day, self.begins, zone), _at(day, self.ends, zone)
                if ends_ms > max(begins_ms, time_ms):
                    yield begins_ms, ends_ms
            day += timedelta(days=1)


def next_time_of_day(time_ms: int, minute: int, timezone: str) -> int:
    """Return the first moment after ``time_ms`` that is so many minutes after midnight there.

    >>> next_time_of_day(0, 90, "UTC")
    5400000
    """
    zone = ZoneInfo(timezone)
    day = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(zone).date()
    while (found := _at(day, minute, zone)) <= time_ms:
        day += timedelta(days=1)
    return found


def _at(day: date, minute: int, zone: ZoneInfo) -> int:
    if minute == 24 * 60:
        day, minute = day + timedelta(days=1), 0
    return round(datetime.combine(day, time(minute // 60, minute % 60), zone).timestamp() * 1000)
