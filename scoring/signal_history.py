"""What an account knows, gathered from its contacts once and only as far as its signals ask for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from itertools import chain

from scoring.activity import known_from, last_day, merge_activity, read_activity
from scoring.contacts import Contact
from scoring.decay import DAY_MS
from scoring.identity import without_kind
from scoring.model_words import show_events

CompanyNews = tuple[str, int, str]
"""A company event: its type, its time (ms since 1970) and its id."""


Sighting = tuple[int, str, str, str]
"""Something that somebody did, or that became known: when (ms since 1970), what, who (a lead, or nothing) and a
subject, as in :class:`scoring.signal_records.SignalEvidence`. Thousands are sorted, which with plain tuples takes a
quarter of the time that it takes with named ones.
"""


class SignalHistory:
    """What an account knows at ``now_ms``, in an order that does not depend on that of its contacts."""

    def __init__(self, contacts: Sequence[Contact], news: Sequence[CompanyNews], now_ms: int) -> None:
        self.contacts = contacts
        self.news = news
        self.today = now_ms // DAY_MS

    @cached_property
    def session_times(self) -> list[int]:
        """When visits began (ms), of everybody, in order."""
        return sorted(chain.from_iterable(contact.sessions for contact in self.contacts))

    def sessions_between(self, first_ms: float, last_ms: int) -> list[Sighting]:
        """Return the visits that began in a stretch of time, both ends included."""
        return [
            (time_ms, "session", contact.lead, "")
            for contact in self.contacts
            for time_ms in contact.sessions
            if first_ms <= time_ms <= last_ms
        ]

    @cached_property
    def _matches(self) -> dict[str, list[Sighting]]:
        """The matches of each rule, in order of time."""
        matches: defaultdict[str, list[Sighting]] = defaultdict(list)
        for contact in self.contacts:
            lead = contact.lead
            for mark in contact.marks:
                matches[mark.rule].append((mark.time_ms, mark.rule, lead, mark.subject))
        for sightings in matches.values():
            sightings.sort()
        return matches

    def matches_of(self, rules: Sequence[str]) -> list[Sighting]:
        """Return the matches of any of ``rules``, in order of time."""
        if len(rules) == 1:
            return self._matches.get(rules[0], [])
        return sorted(chain.from_iterable(self._matches.get(rule, ()) for rule in rules))

    @cached_property
    def days(self) -> dict[int, int]:
        """How many events each day saw: days since 1970 → events."""
        return merge_activity(contact.days for contact in self.contacts)

    @cached_property
    def known_from(self) -> int:
        """The day (since 1970) from which on a day that is not in :attr:`days` had no events."""
        return max([known_from(contact.days) for contact in self.contacts], default=0)

    def active_since(self, day: int) -> list[Sighting]:
        """Return who was active from ``day`` (since 1970) on: one sighting each, at the latest event."""
        sightings = []
        for contact in self.contacts:
            latest = last_day(contact.days)
            if latest >= day:
                events = sum(events for each, events in read_activity(contact.days) if each >= day)
                time_ms = max(contact.at_ms, latest * DAY_MS)
                sightings.append((time_ms, "activity", contact.lead, show_events(events)))
        return sightings

    def name_of(self, lead: str) -> str:
        """Return what to call a lead: by name, or else as it is known."""
        name = next((contact.name for contact in self.contacts if contact.lead == lead), "")
        return name or without_kind(lead)
