"""Two leads that turn out to be one person: their states as one, as if it had been known from the start.

Sums add, the newest answers and the outermost touches stand, visits join. What both sides have counted, because an
event came to both, is taken away once: such events are those that both remember.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import exp2

from scoring.activity import note_activity, read_activity
from scoring.columns import position_of
from scoring.decay import DAY_MS
from scoring.lead_state import (
    ACTIVITY_MARK,
    EVENT_BYTES,
    EVENTS_KEPT,
    ID_BYTES,
    ONCE_BYTES,
    ONCE_KEPT,
    TIME_BYTES,
    Answer,
    LeadState,
    Person,
    Remembered,
    rank_answer,
    read_events,
)
from scoring.links import merge_links
from scoring.rules import Rulebook
from scoring.sales import merge_sales
from scoring.visits import merge_visits


def renumber(state: LeadState, rules: Mapping[int, int | None], properties: Mapping[int, int | None]) -> None:
    """Bring a state of another shard to this one's numbers, in place; what has no number here is forgotten."""
    columns = [(rules[number], column) for column, number in enumerate(state.rules)]
    kept = [(number, column) for number, column in columns if number is not None]
    state.rules = [number for number, _ in kept]
    state.counts = [state.counts[column] for _, column in kept]
    state.times = [state.times[column] for _, column in kept]
    state.subjects = [state.subjects[column] for _, column in kept]
    state.event_rules = bytearray(b"".join(_renumber_mark(mark, rules) for *_, mark in read_events(state)))
    keys = [(rules[int.from_bytes(key[:2])], key[2:], at) for key, at in _read_once(state)]
    _write_once(state, [(number.to_bytes(2) + key, at) for number, key, at in keys if number is not None])
    if state.person is not None:
        person = state.person
        told = zip((properties[number] for number in person.properties), person.answers, person.answered, strict=True)
        state.person = _person((number, answer, at) for number, answer, at in told if number is not None)


def read_rules(state: LeadState) -> set[int]:
    """Return the numbers of all rules that a state says something of."""
    marked = {number for mark in {mark for *_, mark in read_events(state)} for number in _rules_of(mark)}
    return {*state.rules, *marked, *(int.from_bytes(key[:2]) for key, _ in _read_once(state))}


def merge(state: LeadState, other: LeadState, book: Rulebook) -> None:
    """Merge ``other`` into ``state``, in place; both are under the model of ``book``.

    Bands, bounds and what follows from traits and visits are for the caller to bring up to date.
    """
    _forget_common(state, other, book)
    _merge_once(state, other, book)
    _merge_counts(state, other, book)
    _merge_events(state, other)
    merge_visits(state.visits, other.visits, book.gap_ms)
    for day, count in read_activity(other.days):
        note_activity(state.days, day * DAY_MS, count)
    if other.linked:
        state.linked = merge_links(state.linked, other.linked)
    state.sales = merge_sales(state.sales, other.sales)
    _merge_person(state, other)
    _merge_times(state, other)


def _forget_common(state: LeadState, other: LeadState, book: Rulebook) -> None:
    """Take the events that both remember away from ``other``, with what they have counted for."""
    known, new = state.events, other.events
    if all(known.find(new[start : start + ID_BYTES]) < 0 for start in range(0, len(new), EVENT_BYTES)):
        return  # nearly always
    events = list(read_events(other))
    common = [event for event in events if position_of(known, event[0], EVENT_BYTES) >= 0]
    for _, time_ms, mark in common:
        if mark[0] & ACTIVITY_MARK:
            note_activity(other.days, time_ms, -1)
        for number in _rules_of(mark):
            if number not in book.once_per_rules:
                _discount(other, number, time_ms, book)
    _write_events(other, [event for event in events if event not in common])


def _merge_times(state: LeadState, other: LeadState) -> None:
    if (other.account_at, other.account) > (state.account_at, state.account) and other.account_at:
        state.account, state.account_at = other.account, other.account_at
    state.note_touches(other.first_touch, other.last_touch)
    state.converted_at = min((at for at in (state.converted_at, other.converted_at) if at), default=0)
    state.held_until = max(state.held_until, other.held_until)
    state.last = max(state.last, other.last)


# ── counts ───────────────────────────────────────────────────────────────────────────────────────────────────


def _merge_counts(state: LeadState, other: LeadState, book: Rulebook) -> None:
    for number, count, at, subject in zip(other.rules, other.counts, other.times, other.subjects, strict=True):
        if number not in state.rules:
            state.rules.append(number)
            state.counts.append(count)
            state.times.append(at)
            state.subjects.append(subject)
            continue
        column, rate = state.rules.index(number), book.rates[number]
        newer = max(at, state.times[column])
        if (at, subject) > (state.times[column], state.subjects[column]):
            state.subjects[column] = subject
        faded = state.counts[column] * exp2((state.times[column] - newer) * rate)
        state.counts[column] = faded + count * exp2((at - newer) * rate)
        state.times[column] = newer


def _discount(state: LeadState, number: int, time_ms: int, book: Rulebook) -> None:
    """Take one match at ``time_ms`` away from a rule's count."""
    if number in state.rules:
        column = state.rules.index(number)
        left = state.counts[column] - exp2((time_ms - state.times[column]) * book.rates[number])
        state.counts[column] = left if left > 1e-9 else 0.0


# ── what is remembered of events and keys ────────────────────────────────────────────────────────────────────


def _rules_of(mark: bytes) -> Iterator[int]:
    return (int.from_bytes(mark[at : at + 2]) for at in range(1, len(mark), 2))


def _renumber_mark(mark: bytes, rules: Mapping[int, int | None]) -> bytes:
    numbers = [number for number in (rules[old] for old in _rules_of(mark)) if number is not None]
    return (len(numbers) | mark[0] & ACTIVITY_MARK).to_bytes() + b"".join(number.to_bytes(2) for number in numbers)


def _merge_events(state: LeadState, other: LeadState) -> None:
    """Remember the other's events, too; of too many, the latest by time."""
    if len(state.events) + len(other.events) <= EVENTS_KEPT * EVENT_BYTES:
        state.events += other.events
        state.event_rules += other.event_rules
        return
    both = sorted([*read_events(state), *read_events(other)], key=lambda event: event[1])
    _write_events(state, both[-EVENTS_KEPT:])


def _write_events(state: LeadState, events: Iterable[Remembered]) -> None:
    state.events.clear()
    state.event_rules.clear()
    for event_id, time_ms, mark in events:
        state.events += event_id + time_ms.to_bytes(TIME_BYTES)
        state.event_rules += mark


def _read_once(state: LeadState) -> Iterator[tuple[bytes, int]]:
    for number in range(len(state.once_keys) // ONCE_BYTES):
        key = state.once_keys[number * ONCE_BYTES : (number + 1) * ONCE_BYTES]
        yield key, int.from_bytes(state.once_times[number * TIME_BYTES : (number + 1) * TIME_BYTES])


def _write_once(state: LeadState, keys: Iterable[tuple[bytes, int]]) -> None:
    kept = list(keys)[-ONCE_KEPT:]
    state.once_keys = b"".join(key for key, _ in kept)
    state.once_times = b"".join(at.to_bytes(TIME_BYTES) for _, at in kept)


def _merge_once(state: LeadState, other: LeadState, book: Rulebook) -> None:
    """Of each key that both sides have counted, count only the earliest match."""
    if not other.once_keys:
        return
    known = dict(_read_once(state))
    for key, at in _read_once(other):
        if key in known:
            number, earlier, later = int.from_bytes(key[:2]), min(at, known[key]), max(at, known[key])
            _discount(other if at == later else state, number, later, book)
            known[key] = earlier
        else:
            known[key] = at
    _write_once(state, known.items())


# ── the person ───────────────────────────────────────────────────────────────────────────────────────────────


def _merge_person(state: LeadState, other: LeadState) -> None:
    if other.person is None or not other.person.properties:
        return
    told: dict[int, tuple[int, Answer]] = {}
    for person in (state.person, other.person):
        if person is None:
            continue
        for number, answer, at in zip(person.properties, person.answers, person.answered, strict=True):
            known = told.get(number)
            if known is None or (at, *rank_answer(answer)) > (known[0], *rank_answer(known[1])):
                told[number] = at, answer
    if told:
        state.person = _person((number, answer, at) for number, (at, answer) in told.items())


def _person(told: Iterable[tuple[int, Answer, int]]) -> Person:
    columns = list(told)
    return Person(
        properties=[number for number, _, _ in columns],
        answers=[answer for _, answer, _ in columns],
        answered=[at for *_, at in columns],
    )
