"""Taking back what a machine, or somebody who has not agreed, was counted for: exactly, and whatever came in between.

What several clicks of one message show together, no single one does. So a lead keeps traces of its last clicks, and a
verdict may come after the points. Each kept click is 13 bytes: 4 of the hash of its event's id, 3 of its message's and
3 of its link's, 2 of the network, and one of system and verdict. Its time is with the remembered events.

A click is judged by all kept clicks of its message, whatever the order in which they came, so that every order of
arrival ends with the same score.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp2
from typing import Final, NamedTuple

import xxhash

from scoring.activity import note_activity
from scoring.bots import HONEYPOT_MARK, SYSTEMS
from scoring.columns import position_of
from scoring.events import Event
from scoring.lead_state import ACTIVITY_MARK, EVENT_BYTES, ONCE_BYTES, TIME_BYTES, LeadState, read_events
from scoring.rules import Rulebook

BURST_LINKS: Final = 3
BURST_MS: Final = 1_000
"""So many links of one message within so long: no person clicks like that."""

AROUND_MS: Final = 10_000
"""What was clicked so close to a burst, or to a link that no person sees, was the same machine."""

AGAIN_MS: Final = 60_000
"""A message that is clicked again so soon, from another network and another system, was hardly clicked twice by one."""

CLICKS_KEPT: Final = 16
CLICK_KEPT_MS: Final = 10 * 60 * 1000
"""Clicks this much older than the latest are forgotten: they can decide nothing any more."""

_CLICK_BYTES: Final = 13
_HASH_BYTES: Final = 3
_COUNTED, _VOID, _MACHINE, _HONEYPOT, _TRAPPED = range(5)  # trapped: a honeypot, which was counted all the same

_digest = xxhash.xxh3_64_digest


class Click(NamedTuple):
    """A kept click; ``seen_from`` is a hash of network (2 bytes) and system (1), zeros where they are not known."""

    time_ms: int
    event: bytes
    message: bytes
    link: bytes
    seen_from: bytes
    status: int


class Retractor:
    """Takes matches back by one rulebook."""

    def __init__(self, book: Rulebook) -> None:
        self._book = book
        self._compiled = {rule.number: rule for selection in book.by_type.values() for rule in selection.all}
        types = {name: rule.on for name, rule in book.model.rules.items()}
        opened = [number for number, name in enumerate(book.names) if tuple(types.get(name, ())) == ("email_opened",)]
        self._rules_of_opens = frozenset(opened)

    def note_click(self, state: LeadState, event: Event, event_id: bytes, time_ms: int) -> list[Click]:
        """Note a click that is the last remembered event, in place; return what is to be taken back now."""
        message = event.properties.get("message")
        if not isinstance(message, str) or not message:
            return []
        link = event.properties.get("link")
        click = Click(
            time_ms,
            event_id[:4],
            _digest(message.encode())[:_HASH_BYTES],
            _digest(b"" if link is None else str(link).encode())[:_HASH_BYTES],
            _seen_from(event.seen_from),
            _status(event, link),
        )
        clicks = _latest([*read_clicks(state), click]) if state.clicks else [click]
        state.doubt().clicks = b"".join(map(_write_click, clicks))
        return _voided([kept for kept in clicks if kept.message == click.message])

    def clicks_of(self, state: LeadState) -> frozenset[bytes]:
        """Return the events of a lead's kept clicks, each by the first bytes of its hash."""
        return frozenset(click.event for click in read_clicks(state)) if state.clicks else frozenset()

    def merge_clicks(self, state: LeadState, other: LeadState) -> list[Click]:
        """Keep the latest clicks of two leads that are one, and remember all events already, in place.

        Return what is to be taken back now.
        """
        if not other.clicks:
            return []
        kept = {
            click.event: click
            for click in sorted([*read_clicks(state), *read_clicks(state, other.clicks)], reverse=True)
        }
        clicks = _latest(kept.values())
        state.doubt().clicks = b"".join(map(_write_click, clicks))
        messages = {click.message for click in clicks}
        return [void for message in messages for void in _voided([each for each in clicks if each.message == message])]

    def take_back(self, state: LeadState, voided: list[Click]) -> None:
        """Take back what clicks have counted, in place; others of the same link may count in their place."""
        clicks = [_void(kept) if kept in voided else kept for kept in read_clicks(state)]
        state.doubt().clicks = b"".join(map(_write_click, clicks))
        self._take_back(state, voided, [kept for kept in clicks if kept.status == _COUNTED])

    def withdraw_consent(self, state: LeadState, time_ms: int) -> bool:
        """Take back all that opens up to ``time_ms`` have counted, in place; return whether that was anything.

        A rule that counts opens together with other events keeps what it has: they cannot be told apart.
        """
        state.doubt().withdrawn_at = max(state.withdrawn_at, time_ms)
        found = False
        for number in self._rules_of_opens.intersection(state.rules):
            column = state.rules.index(number)
            if not state.counts[column]:
                continue
            at, rate = state.times[column], self._book.rates[number]
            state.counts[column] = sum(exp2((time - at) * rate) for time in self._opens_left(state, number))
            found = True
        _drop_empty(state)
        return found

    def _opens_left(self, state: LeadState, number: int) -> list[int]:
        """Return the times (ms) of a rule's matches since consent was withdrawn; forget the keys of those before."""
        since = state.withdrawn_at
        if number not in self._book.once_per_rules:
            return [at for _, at, mark in read_events(state) if at > since and number in _rules_of(mark)]
        ours = number.to_bytes(2)
        keys = [(key, at) for key, at in _read_once(state) if not (key[:2] == ours and at <= since)]
        state.once_keys = b"".join(key for key, _ in keys)
        state.once_times = b"".join(at.to_bytes(TIME_BYTES) for _, at in keys)
        return [at for key, at in keys if key[:2] == ours]

    def _take_back(self, state: LeadState, voided: list[Click], others: list[Click]) -> None:
        """Take back what ``voided`` clicks were counted for; of ``others`` some may count in their place."""
        marks = {event_id[:4]: mark for event_id, _, mark in read_events(state)}
        matches: list[tuple[Click, int]] = []
        for click in voided:
            mark = marks[click.event]
            if mark[0] & ACTIVITY_MARK:
                note_activity(state.days, click.time_ms, -1)
            matches += [(click, number) for number in _rules_of(mark)]
            marks[click.event] = b"\x00"
        # The latest first: of matches under one key, only the earliest is counted.
        for click, number in sorted(matches, key=lambda match: match[0].time_ms, reverse=True):
            heir = self._uncount(state, click, number, others)
            if heir is not None and number not in _rules_of(mark := marks[heir.event]):
                marks[heir.event] = bytes([mark[0] + 1]) + mark[1:] + number.to_bytes(2)
        state.event_rules[:] = b"".join(marks[event_id[:4]] for event_id, *_ in read_events(state))
        self._review(state, {number for _, number in matches})
        _drop_empty(state)

    def _uncount(self, state: LeadState, click: Click, number: int, others: list[Click]) -> Click | None:
        """Take one match away from a rule's count; return the click that is counted instead, under the same key."""
        if number not in state.rules:
            return None
        column = state.rules.index(number)
        at, rate = state.times[column], self._book.rates[number]
        rule = self._compiled.get(number)
        heir, once_per = None, None if rule is None else rule.once_per
        if once_per is not None:
            key = click.link if once_per == "link" else click.message
            position = position_of(state.once_keys, number.to_bytes(2) + key, ONCE_BYTES)
            start = position // ONCE_BYTES * TIME_BYTES
            if position < 0 or int.from_bytes(state.once_times[start : start + TIME_BYTES]) != click.time_ms:
                return None  # an earlier one is counted
            same = [other for other in others if (other.link if once_per == "link" else other.message) == key]
            heir = min(same, default=None)
            if heir is None:
                state.once_keys = state.once_keys[:position] + state.once_keys[position + ONCE_BYTES :]
                state.once_times = state.once_times[:start] + state.once_times[start + TIME_BYTES :]
            else:
                new = heir.time_ms.to_bytes(TIME_BYTES)
                state.once_times = state.once_times[:start] + new + state.once_times[start + TIME_BYTES :]
        left = state.counts[column] - exp2((click.time_ms - at) * rate)
        if heir is not None:
            left += exp2((heir.time_ms - at) * rate)
        state.counts[column] = left if left > 1e-9 else 0.0
        return heir

    def _review(self, state: LeadState, numbers: set[int]) -> None:
        """Bring up to date what the matches taken back may have held or converted."""
        compiled = [self._compiled[number] for number in numbers if number in self._compiled]
        if not any(rule.hold_ms or rule.converts for rule in compiled):
            return
        rules = self._compiled
        left = [(at, rules[n]) for _, at, mark in read_events(state) for n in _rules_of(mark) if n in rules]
        if any(rule.hold_ms for rule in compiled):
            state.held_until = max((at + rule.hold_ms for at, rule in left if rule.hold_ms), default=0)
        if any(rule.converts for rule in compiled):
            state.converted_at = min((at for at, rule in left if rule.converts), default=0)


def _drop_empty(state: LeadState) -> None:
    """Leave no line of what has come to nothing, in place."""
    for column in range(len(state.rules) - 1, -1, -1):
        if not state.counts[column]:
            del state.rules[column], state.counts[column], state.times[column], state.subjects[column]


def _void(click: Click) -> Click:
    return click._replace(status=_HONEYPOT if click.status == _TRAPPED else _VOID)


def _status(event: Event, link: object) -> int:
    if HONEYPOT_MARK in str(link) or event.properties.get("honeypot") is True or "honeypot" in (event.reasons or ()):
        return _TRAPPED if event.verdict in (None, "human") else _HONEYPOT
    return _COUNTED if event.verdict in (None, "human") else _MACHINE


def _voided(clicks: list[Click]) -> list[Click]:
    """Return which counted clicks of one message were a machine's, or are suspect, given all that are kept."""
    if len(clicks) == 1 and clicks[0].status == _COUNTED:
        return []  # nearly always
    spans = [(click.time_ms, click.time_ms) for click in clicks if click.status >= _HONEYPOT]
    for first in clicks:
        within = [click for click in clicks if 0 <= click.time_ms - first.time_ms <= BURST_MS]
        if len({click.link for click in within}) >= BURST_LINKS:
            spans.append((first.time_ms, max(click.time_ms for click in within)))
    return [
        click
        for click in clicks
        if click.status == _TRAPPED
        or (
            click.status == _COUNTED
            and (
                any(start - AROUND_MS <= click.time_ms <= end + AROUND_MS for start, end in spans)
                or any(_is_again(earlier, click) for earlier in clicks)
            )
        )
    ]


def _is_again(earlier: Click, click: Click) -> bool:
    """Say whether a click repeats an earlier one of the same message from another network and another system."""
    if earlier.status >= _MACHINE or not (any(earlier.seen_from) and any(click.seen_from)):
        return False
    is_before = (earlier.time_ms, earlier.event) < (click.time_ms, click.event)
    is_elsewhere = earlier.seen_from[:2] != click.seen_from[:2] and earlier.seen_from[2] != click.seen_from[2]
    return is_before and is_elsewhere and click.time_ms - earlier.time_ms <= AGAIN_MS


def _seen_from(trace: str | None) -> bytes:
    """Pack a trace of network and system, as :func:`scoring.bots.trace` writes it.

    >>> _seen_from("2572-windows")[:2].hex(), _seen_from("2572-ios")[:2].hex(), _seen_from(None).hex()
    ('2572', '2572', '000000')
    """
    network, _, system = (trace or "").partition("-")
    try:
        packed = bytes.fromhex(network)
    except ValueError:
        packed = b""
    if len(packed) != 2:
        return bytes(3)
    return packed + bytes([1 + SYSTEMS.index(system) if system in SYSTEMS else 0])


def _latest(clicks: Iterable[Click]) -> list[Click]:
    """Return the clicks that are kept, in the order of time."""
    ordered = sorted(clicks)[-CLICKS_KEPT:]
    return [click for click in ordered if click.time_ms >= ordered[-1].time_ms - CLICK_KEPT_MS]


def read_clicks(state: LeadState, clicks: bytes | None = None) -> list[Click]:
    """Return the kept clicks whose events are remembered still."""
    packed, found = state.clicks if clicks is None else clicks, []
    for start in range(0, len(packed), _CLICK_BYTES):
        item = packed[start : start + _CLICK_BYTES]
        position = position_of(state.events, item[:4], EVENT_BYTES)
        if position >= 0:
            time_ms = int.from_bytes(state.events[position + 8 : position + EVENT_BYTES])
            found.append(
                Click(time_ms, item[:4], item[4:7], item[7:10], item[10:12] + bytes([item[12] >> 3]), item[12] & 7)
            )
    return found


def _write_click(click: Click) -> bytes:
    network, system = click.seen_from[:2], click.seen_from[2]
    return click.event + click.message + click.link + network + bytes([system << 3 | click.status])


def _rules_of(mark: bytes) -> list[int]:
    return [int.from_bytes(mark[at : at + 2]) for at in range(1, len(mark), 2)]


def _read_once(state: LeadState) -> list[tuple[bytes, int]]:
    """Return the once-per keys, each with the earliest time of its match."""
    keys = [state.once_keys[start : start + ONCE_BYTES] for start in range(0, len(state.once_keys), ONCE_BYTES)]
    times = [state.once_times[start : start + TIME_BYTES] for start in range(0, len(state.once_times), TIME_BYTES)]
    return [(key, int.from_bytes(time)) for key, time in zip(keys, times, strict=True)]
