"""Times as exports write them: with their zone, or in one that is told; day and month in an order that is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from scoring.errors import EventError, SettingsError

_CLOCK: Final = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(:(?P<second>\d{2})([.,](?P<fraction>\d{1,9}))?)?"
_ZONE: Final = r"(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}:?\d{2})"
_TIME: Final = rf"([Tt]|,?\s+){_CLOCK}(\s*(?P<half>[AaPp])\.?[Mm]\.?)?(\s*{_ZONE})?"
_YEAR_FIRST: Final = re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d{{1,2}})-(?P<day>\d{{1,2}})({_TIME})?", re.ASCII)
_YEAR_LAST: Final = re.compile(rf"(?P<one>\d{{1,2}})([/.-])(?P<two>\d{{1,2}})\2(?P<year>\d{{4}})({_TIME})?", re.ASCII)
_MILLISECONDS: Final = re.compile(r"\d{12,13}", re.ASCII)


class DateOrder(StrEnum):
    """What comes first in a date such as 3/4/2026."""

    DMY = "dmy"
    MDY = "mdy"


@dataclass(frozen=True)
class TimeReader:
    """Reads times; ``zone`` is that of times that name none, ``order`` that of dates whose year comes last.

    >>> reader = TimeReader(find_zone("Europe/Amsterdam"), DateOrder.DMY)
    >>> reader.read("2026-01-01T00:00:00.000+0000") == reader.read("1-1-2026 1:00 AM") == 1767225600000
    True
    """

    zone: tzinfo | None = None
    order: DateOrder | None = None

    def read(self, text: str, column: str = "time") -> int:
        """Return milliseconds since 1970; raises :class:`EventError` (``bad_time``), naming the column."""
        text = text.strip()
        if _MILLISECONDS.fullmatch(text):
            return int(text)
        found = _YEAR_FIRST.fullmatch(text) or _YEAR_LAST.fullmatch(text)
        if found is None:
            raise EventError("bad_time", column, f"{text[:80]!r} is not a time such as 2026-01-31 14:05 or …T14:05:00Z")
        try:
            return round(self._moment(found).timestamp() * 1000)
        except (ValueError, OverflowError) as error:
            raise EventError("bad_time", column, f"{text[:80]!r} is not a time: {error}") from None

    def _moment(self, found: re.Match[str]) -> datetime:
        part = found.groupdict()
        if "one" in part:
            if self.order is None:
                raise ValueError("which is the day? say --dates dmy or --dates mdy")
            names = ("day", "month") if self.order is DateOrder.DMY else ("month", "day")
            part |= dict(zip(names, (part["one"], part["two"]), strict=True))
        hour = int(part["hour"] or 0)
        if part["half"]:
            if not 1 <= hour <= 12:
                raise ValueError(f"{hour} is no hour of half a day")
            hour = hour % 12 + (12 if part["half"] in "Pp" else 0)
        year, month, day, minute, second = (
            int(part[name] or 0) for name in ("year", "month", "day", "minute", "second")
        )
        microsecond = int((part["fraction"] or "0").ljust(6, "0")[:6])
        return datetime(year, month, day, hour, minute, second, microsecond, self._zone_of(part["zone"]))

    def _zone_of(self, text: str | None) -> tzinfo:
        if text is None:
            if self.zone is None:
                raise ValueError("it names no zone; say --timezone, such as --timezone Europe/Amsterdam")
            return self.zone
        if text.upper() in ("Z", "UTC", "GMT"):
            return UTC
        zone = datetime.strptime(text, "%z").tzinfo
        assert zone is not None
        return zone


def find_zone(name: str) -> tzinfo:
    """Return a time zone by its name; raises :class:`SettingsError` with those of similar names."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # KeyError: ZoneInfoNotFoundError; OSError: the name of a directory
        near = get_close_matches(name, sorted(available_timezones()), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "expected one such as Europe/Amsterdam"
        raise SettingsError(f"--timezone {name[:80]}: is not known; {hint}") from None
