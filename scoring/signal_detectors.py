"""One detector per kind of buying signal: whether it is there, since when, and who and what it is made of.

All go by event time over what contacts remember (the 8 latest visits, the 4 latest matches of each rule, the 28 latest
days with events), and find the *latest* completion: what happened before it, or somewhere else, takes nothing away.
A span of `within_days` includes both its ends. A detector that is told ``since_ms`` need not describe what was
completed before; :func:`detect` sees to it that nothing earlier is returned.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from scoring.decay import DAY_MS
from scoring.model import Signal
from scoring.model_file import show
from scoring.model_signals import (
    CompanyEvent,
    Count,
    DistinctContacts,
    HandRaise,
    Reactivation,
    StepSequence,
    Surge,
)
from scoring.model_words import show_days, show_events
from scoring.signal_history import Sighting, SignalHistory

_WEEK: Final = 7
_WEEKS_BEFORE: Final = 3


class Found(NamedTuple):
    """A signal that is there: completed at ``at_ms``, made of ``sightings``, and said in a sentence."""

    at_ms: int
    sightings: Sequence[Sighting]
    summary: str


def detect(signal: Signal, history: SignalHistory, since_ms: float) -> Found | None:
    """Return the latest completion of a signal, or None where it is not there, or not since ``since_ms``."""
    match signal:
        case HandRaise():
            found = detect_hand_raise(signal, history, since_ms)
        case Count():
            found = detect_count(signal, history, since_ms)
        case DistinctContacts():
            found = detect_distinct_contacts(signal, history, since_ms)
        case Surge():
            found = detect_surge(signal, history)
        case StepSequence():
            found = detect_sequence(signal, history, since_ms)
        case Reactivation():
            found = detect_reactivation(signal, history)
        case CompanyEvent():
            found = detect_company_event(signal, history, since_ms)
    return found if found is not None and found.at_ms >= since_ms else None


def detect_hand_raise(signal: HandRaise, history: SignalHistory, since_ms: float) -> Found | None:
    """Find the latest match of one of the signal's rules."""
    matches = history.matches_of(signal.rules)
    if not matches or matches[-1][0] < since_ms:
        return None
    latest = matches[-1]
    return Found(latest[0], [latest], _sentence(_describe(latest), _by([latest], history)))


def detect_count(signal: Count, history: SignalHistory, since_ms: float) -> Found | None:
    """Find the latest visit that is at least the so-and-so-many-th, of all people together, in the days up to it."""
    within_ms = signal.within_days * DAY_MS
    times = history.session_times
    for last in range(len(times) - 1, signal.sessions - 2, -1):
        at_ms = times[last]
        if at_ms < since_ms:
            return None
        if at_ms - times[last - signal.sessions + 1] <= within_ms:
            visits = history.sessions_between(at_ms - within_ms, at_ms)
            what = f"{len(visits)} visits within {show_days(signal.within_days)}"
            return Found(at_ms, visits, _sentence(what, _by(visits, history)))
    return None


def detect_distinct_contacts(signal: DistinctContacts, history: SignalHistory, since_ms: float) -> Found | None:
    """Find several people whose latest events lie close together, or who have seen the same thing close together.

    The same thing is a rule and the subject of its match; what nobody knows the subject of is not the same. Where both
    hold at one time, the same thing says more.
    """
    within_ms = signal.within_days * DAY_MS
    both = _find_same(signal, history, within_ms), _find_people(signal, history, within_ms, since_ms)
    return max((found for found in both if found), key=lambda found: found.at_ms, default=None)


def _find_people(signal: DistinctContacts, history: SignalHistory, within_ms: float, since_ms: float) -> Found | None:
    at_ms = max([contact.at_ms for contact in history.contacts], default=0)
    if at_ms < since_ms:
        return None
    first_ms = max(at_ms - within_ms, 1)  # a contact without any event has none at 1970
    active = [
        (contact.at_ms, "activity", contact.lead, "") for contact in history.contacts if contact.at_ms >= first_ms
    ]
    if len(active) < signal.people:
        return None
    return Found(at_ms, active, _sentence(f"{len(active)} people active within {show_days(signal.within_days)}"))


def _find_same(signal: DistinctContacts, history: SignalHistory, within_ms: float) -> Found | None:
    same: defaultdict[tuple[str, str], list[Sighting]] = defaultdict(list)
    for match in history.matches_of(signal.or_rules):
        _, rule, _, subject = match
        if subject:
            same[rule, subject].append(match)
    meetings = [_latest_meeting(matches, signal.people, within_ms) for matches in same.values()]
    latest = max((meeting for meeting in meetings if meeting), key=lambda meeting: meeting[-1], default=None)
    if latest is None:
        return None
    at_ms, _, _, _ = latest[-1]
    people = len(_leads(latest))
    what = f"{people} people with the same within {show_days(signal.within_days)}: {_describe(latest[-1])}"
    return Found(at_ms, latest, _sentence(what))


def _latest_meeting(matches: Sequence[Sighting], people: int, within_ms: float) -> Sequence[Sighting]:
    """Return the latest of ``matches`` (in order of time) that so many different people share; or none.

    A window moves over the matches from their end, and knows how many each lead has in it.
    """
    seen: defaultdict[str, int] = defaultdict(int)
    first = len(matches)
    for last in range(len(matches) - 1, -1, -1):
        at_ms, _, leaving, _ = matches[last]
        while first > 0 and at_ms - matches[first - 1][0] <= within_ms:
            first -= 1
            seen[matches[first][2]] += 1
        if len(seen) >= people:
            return matches[first : last + 1]
        seen[leaving] -= 1
        if not seen[leaving]:
            del seen[leaving]
    return []


def detect_surge(signal: Surge, history: SignalHistory) -> Found | None:
    """Compare the seven days (UTC) up to today, today included, with the mean of the three weeks before.

    Where nothing happened in these three weeks the mean is 0, and ``events_min`` decides.
    """
    first = history.today - _WEEK + 1
    earliest = first - _WEEKS_BEFORE * _WEEK
    events = before = 0
    for day, count in history.days.items():
        if day >= first:
            events += count
        elif day >= earliest:
            before += count
    # Multiplied, not divided: a third has no exact value.
    if events < signal.events_min or events * _WEEKS_BEFORE < signal.factor * before:
        return None
    active = history.active_since(first)
    usual = f"{show(round(before / _WEEKS_BEFORE, 1))} a week before"
    return Found(
        _latest(active), active, _sentence(f"{show_events(events)} in 7 days against {usual}", _by(active, history))
    )


def detect_sequence(signal: StepSequence, history: SignalHistory, since_ms: float) -> Found | None:
    """Find the latest match of the last step before which the others happened in order, by whomever.

    Each step is strictly later than the one before: one event that matches the rules of two steps is not two steps.
    """
    steps = [history.matches_of(step) for step in signal.steps]
    for last in reversed(steps[-1]):
        if last[0] < since_ms:
            return None
        taken = [last, *_steps_before(last, steps[:-1])]
        if len(taken) < len(steps):
            return None  # no earlier last step can have more before it
        if last[0] - taken[-1][0] <= signal.within_days * DAY_MS:
            done = taken[::-1]
            what = f"{_join([_words(rule) for _, rule, _, _ in done])} within {show_days(signal.within_days)}"
            return Found(last[0], done, _sentence(what, _by(done, history)))
    return None


def _steps_before(last: Sighting, steps: Sequence[Sequence[Sighting]]) -> Iterator[Sighting]:
    """Yield the latest match of each of ``steps`` before what follows it, backwards, until a step has none."""
    for step in reversed(steps):
        position = bisect_left(step, last[:1])
        if position == 0:
            return
        last = step[position - 1]
        yield last


def detect_reactivation(signal: Reactivation, history: SignalHistory) -> Found | None:
    """Find the latest long silence between two active days (UTC), and enough events after it.

    It is completed on the day on which the events are enough: at the latest event, if that is the latest active day,
    else at the day's beginning. So it is completed once per silence, and not anew with each event.
    """
    if not history.days or max(history.days) - min(history.days) <= signal.quiet_days:
        return None  # known for no longer than such a silence takes, as most are
    days = sorted(day for day in history.days if day >= history.known_from)
    gaps = [(before, after) for before, after in pairwise(days) if after - before - 1 >= signal.quiet_days]
    if not gaps:
        return None
    before, after = gaps[-1]
    events, enough = 0, None
    for day in days:
        if day >= after:
            events += history.days[day]
            if enough is None and events >= signal.events:
                enough = day
    if enough is None:
        return None
    active = history.active_since(after)
    at_ms = _latest(active) if enough == days[-1] else enough * DAY_MS
    what = f"back after {show_days(after - before - 1)} of silence: {show_events(events)}"
    return Found(at_ms, active, _sentence(what, _by(active, history)))


def detect_company_event(signal: CompanyEvent, history: SignalHistory, since_ms: float) -> Found | None:
    """Find the latest of the signal's company events."""
    news = [(time_ms, kind, "", event_id) for kind, time_ms, event_id in history.news if kind in signal.on]
    if not news:
        return None
    latest = at_ms, kind, _, _ = max(news)
    if at_ms < since_ms:
        return None
    return Found(at_ms, [latest], _sentence(f"news of the company: {_words(kind)}"))


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────────────


def _latest(sightings: Iterable[Sighting]) -> int:
    return max(time_ms for time_ms, _, _, _ in sightings)


def _leads(sightings: Iterable[Sighting]) -> set[str]:
    return {lead for _, _, lead, _ in sightings}


def _by(sightings: Iterable[Sighting], history: SignalHistory) -> str:
    leads = _leads(sightings)
    return f" by {history.name_of(leads.pop())}" if len(leads) == 1 else f" by {len(leads)} people"


def _sentence(what: str, by: str = "") -> str:
    return f"{what[:1].upper()}{what[1:]}{by}"


def _describe(match: Sighting) -> str:
    _, rule, _, subject = match
    return f"{_words(rule)} ({subject})" if subject else _words(rule)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _join(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
