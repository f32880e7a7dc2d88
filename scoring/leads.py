"""One lead's state, and what an event does to it. This is the hot path: plain, and measured in `make bench`.

The state is columnar: parallel lists for the rules' decayed counts and byte strings for the memory of recent
events (encoding lists of numbers and byte strings is three times faster than dictionaries of tuples, and the
result is 40 % smaller). The encoded bytes are the table's value and the changelog's record.
"""

from __future__ import annotations

from math import copysign, exp2, inf
from typing import Any, Final

import msgspec
import xxhash

from scoring.alerts import Alert, Cause, LedgerLine, alert_id, cooled_id
from scoring.cooling import ROUNDING, Term, first_below
from scoring.events import Event
from scoring.rules import CompiledRule, Rulebook

EVENTS_KEPT: Final = 64
"""Events that a lead remembers: a duplicate within them is recognised."""

ONCE_KEPT: Final = 64
"""Keys of once-per rules that a lead remembers."""

NEVER: Final = 1 << 62
"""A time that never comes. It takes nine bytes in a state, like every real time, so that ``cools_at`` lies at a
fixed place."""

_UNSURE: Final = -1  # as cools_at: nothing is known
_UNCHANGED, _COUNTED, _MOVED = 0, 1, 2  # what a rule that holds does to a state
_TIME_BYTES: Final = 6
_EVENT_BYTES: Final = 8 + _TIME_BYTES
_EVENTS_BYTES: Final = EVENTS_KEPT * _EVENT_BYTES
_digest = xxhash.xxh3_64_digest
_LENGTHS: Final = [length.to_bytes(1) for length in range(256)]
_ONCE_BYTES: Final = 10  # rule number (2) and hash of the key (8)


class LeadState(msgspec.Struct, array_like=True, gc=False):
    """What is kept of one lead. Times are in ms since 1970; ``band`` is an index into the model's bands.

    ``rules``, ``counts`` and ``times`` are the decayed counts by rule number. ``events`` (an 8-byte hash of the id
    and a 6-byte time each) and ``event_rules`` (a length byte, then 2 bytes per matched rule) describe the last
    events, oldest first; ``once_keys`` (10 bytes each) and ``once_times`` (6) the earliest match of each key.

    Two fields are bounds that spare most sums. ``gains`` (points) is at least the sum of the positive contributions
    under the model of ``generation`` (see :class:`scoring.rules.Numbering`), now and later, since gains fade. While
    a chunk is worked on, a negative ``cools_at`` is a time before which the lead surely keeps its band.
    """

    cools_at: int = NEVER
    last: int = 0
    band: int = 0
    alerted_at: int = 0
    held_until: int = 0
    alert_id: str = ""
    rules: list[int] = msgspec.field(default_factory=list)
    counts: list[float] = msgspec.field(default_factory=list)
    times: list[int] = msgspec.field(default_factory=list)
    events: bytearray = msgspec.field(default_factory=bytearray)
    event_rules: bytearray = msgspec.field(default_factory=bytearray)
    once_keys: bytes = b""
    once_times: bytes = b""
    gains: float = 0.0
    generation: int = 0


Raised = list[tuple[int, list[Alert]]]
"""Alerts, by the index of the event that raised them."""

decode_state = msgspec.msgpack.Decoder(LeadState).decode
encode_state = msgspec.msgpack.Encoder().encode
_encode_record = msgspec.json.Encoder().encode


class ScoreLine(msgspec.Struct, omit_defaults=True, gc=False):
    """What one rule contributes to a published score, with all that is needed to compute it later.

    ``amount`` is what the rule would contribute without its ceiling; left out where it equals ``points``.
    """

    rule: str
    points: float
    half_life_days: float
    points_max: float | None = None
    amount: float | None = None


class LeadScore(msgspec.Struct, omit_defaults=True, gc=False):
    """A record of the lead-scores topic: the score as of ``at_ms``, and how it goes on.

    At a later time t, if nothing else happens::

        score(t) = max(0, Σ sign(points)·min(points_max, |amount|·2^(−(t − at_ms)/half_life)))

    :func:`score_later` is this formula.
    """

    lead: str
    score: float
    at_ms: int
    band: str
    rules: list[ScoreLine]
    model: str
    cools_at_ms: int | None = None
    held_until_ms: int | None = None


def score_later(record: LeadScore, time_ms: int) -> float:
    """Return the score (points) of a published record at ``time_ms``, not before ``record.at_ms``.

    >>> line = ScoreLine(rule="visit", points=10.0, half_life_days=7)
    >>> record = LeadScore(lead="user:7", score=10.0, at_ms=0, band="cold", rules=[line], model="1")
    >>> score_later(record, 7 * 86_400_000)
    5.0
    """
    total = 0.0
    for line in record.rules:
        amount = line.points if line.amount is None else line.amount
        faded = amount * exp2((record.at_ms - time_ms) / (line.half_life_days * 86_400_000))
        ceiling = abs(faded) if line.points_max is None else line.points_max
        total += max(-ceiling, min(ceiling, faded))
    return round(max(0.0, total), 6)


class LeadScorer:
    """Applies events to lead states by one rulebook."""

    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self._generation = book.numbering.generation
        # What the gains must reach for a rise from each band; out of the hottest there is none.
        self._next_enter = [*(band.enter - ROUNDING for band in book.bands[1:]), inf]
        # As tuples, since unpacking one is quicker than reading six attributes. A rule that only counts is not
        # special.
        self._by_type = {
            event_type: [
                (rule.number, rule.test, rule.rate, rule.gain, rule.mark, rule if rule.is_special else None)
                for rule in rules
            ]
            for event_type, rules in book.by_type.items()
        }
        stated = list(zip(book.names, book.half_lives_days, book.stated_ceilings, strict=True))
        self._lines = [ScoreLine(name, 0.0, half_life_days, ceiling) for name, half_life_days, ceiling in stated]
        self._capped_lines = [
            ScoreLine(name, copysign(ceiling or 0.0, points), half_life_days, ceiling, 0.0)
            for (name, half_life_days, ceiling), points in zip(stated, book.points, strict=True)
        ]
        self._record = LeadScore("", 0.0, 0, "", [], book.model.version)

    def take(self, state: LeadState, lead: str, events: list[tuple[int, Event, int]]) -> tuple[Raised, int]:
        """Apply a lead's events in order, each given with its index and when it was received (ms), in place.

        Returns the alerts that were raised, by index, and the number of duplicates, which change nothing.
        """
        if state.generation != self._generation:
            self._adopt(state)
        raised: Raised = []
        duplicates = 0
        remembered, remembered_rules = state.events, state.event_rules
        rules, counts, times = state.rules, state.counts, state.times
        rules_of = self._by_type.get
        for index, event, received_ms in events:
            event_id = _digest(event.id.encode())
            found = remembered.find(event_id)
            if found >= 0 and (found % _EVENT_BYTES == 0 or _position(remembered, event_id, _EVENT_BYTES) >= 0):
                duplicates += 1
                continue
            time_ms: int = event.time  # type: ignore[assignment]  # decode_event has read a text
            now = state.last
            if time_ms > now:
                now = time_ms
            alerts: list[Alert] = []
            if state.band and now >= abs(state.cools_at):
                self._cool_until(state, lead, now, alerts)
            marks = b""
            recheck = False
            for number, test, rate, gain, mark, special in rules_of(event.type, ()):
                if test is not None and not test(event.properties):
                    continue
                if special is not None:
                    change = self._match_special(state, special, event, time_ms)
                    if change == _UNCHANGED:
                        continue
                    recheck = recheck or change == _MOVED or special.rechecks
                if special is None or change == _COUNTED:
                    try:
                        column = rules.index(number)
                    except ValueError:
                        rules.append(number)
                        counts.append(1.0)
                        times.append(time_ms)
                    else:
                        at = times[column]
                        if time_ms >= at:
                            counts[column] = counts[column] * exp2((at - time_ms) * rate) + 1.0
                            times[column] = time_ms
                        else:
                            counts[column] += exp2((time_ms - at) * rate)
                state.gains += gain
                marks += mark
            state.last = now
            if len(remembered) == _EVENTS_BYTES:
                del remembered[:_EVENT_BYTES]
                del remembered_rules[: 1 + 2 * remembered_rules[0]]
            remembered += event_id + time_ms.to_bytes(_TIME_BYTES)
            remembered_rules += _LENGTHS[len(marks) // 2] + marks
            if marks:
                if state.band:
                    # One more gain can only put off the cooling; a penalty may bring it forward to any time.
                    state.cools_at = _UNSURE if recheck else -abs(state.cools_at)
                if recheck or (state.gains >= self._next_enter[state.band] and self._may_rise(state, now)):
                    self._reband(state, lead, event, now, received_ms, alerts)
            if alerts:
                raised.append((index, alerts))
        return raised, duplicates

    def settle(self, state: LeadState, lead: str) -> bytes:
        """Make a state's bounds exact, and return its record for the lead-scores topic (:class:`LeadScore` as JSON).

        Done once per chunk, before the state is encoded. The objects of the record are the same each time, one
        per rule, since making them anew takes longer than all the rest.
        """
        if state.cools_at < 0:
            state.cools_at = self._next_cooling(state, state.last)
        book, now, record = self.book, state.last, self._record
        points, rates, ceilings = book.points, book.rates, book.ceilings
        lines = record.rules
        lines.clear()
        total = gains = 0.0
        for number, count, at in zip(state.rules, state.counts, state.times, strict=True):
            amount = points[number] * count * exp2((at - now) * rates[number])
            ceiling = ceilings[number]
            if -ceiling <= amount <= ceiling:
                line = self._lines[number]
                line.points = amount
            else:
                line = self._capped_lines[number]
                line.amount = amount
                amount = line.points
            total += amount
            if amount > 0.0:
                gains += amount
            lines.append(line)
        state.gains = gains
        record.lead = lead
        record.score = round(total, 6) if total > 0.0 else 0.0
        record.at_ms = now
        record.band = book.bands[state.band].name
        record.cools_at_ms = None if state.cools_at == NEVER else state.cools_at
        record.held_until_ms = state.held_until or None
        return _encode_record(record)

    def total(self, state: LeadState, now: int) -> float:
        """Return the sum of all contributions at ``now`` (points, not before the last event), without the floor."""
        book = self.book
        points, rates, ceilings = book.points, book.rates, book.ceilings
        total = 0.0
        for number, count, at in zip(state.rules, state.counts, state.times, strict=True):
            amount = points[number] * count * exp2((at - now) * rates[number])
            ceiling = ceilings[number]
            total += amount if -ceiling <= amount <= ceiling else ceiling if amount > 0 else -ceiling
        return total

    def score(self, state: LeadState, now: int) -> float:
        """Return the score at ``now``: the sum, not below 0, to six places."""
        return round(max(0.0, self.total(state, now)), 6)

    def ledger(self, state: LeadState, now: int) -> list[LedgerLine]:
        """Return the lines that sum to the score at ``now``, the largest first."""
        book, lines = self.book, []
        for number, count, at in zip(state.rules, state.counts, state.times, strict=True):
            if not book.points[number]:
                continue
            faded = count * exp2((at - now) * book.rates[number])
            ceiling = book.ceilings[number]
            lines.append(
                LedgerLine(
                    rule=book.names[number],
                    points=max(-ceiling, min(ceiling, book.points[number] * faded)),
                    count=faded,
                    last_ms=at,
                    half_life_days=book.half_lives_days[number],
                    points_max=book.stated_ceilings[number],
                    phase=book.phases[number],
                )
            )
        lines.sort(key=lambda line: (-abs(line.points), line.rule))
        total = sum(line.points for line in lines)
        if total < 0:
            lines.append(LedgerLine(rule="floor", points=-total))
        return lines

    def _adopt(self, state: LeadState) -> None:
        """Bring a state that another model left under this one; a band that it changes is changed silently."""
        bands = self.book.bands
        state.generation, state.gains, state.cools_at = self._generation, inf, _UNSURE
        total = self.total(state, state.last) + ROUNDING
        top = len(bands) - 1
        band = min(state.band, top)
        while band and total < bands[band].leave:
            band -= 1
        band = top if state.held_until > state.last else max(band, self._entered(total))
        if band < state.band:
            state.alert_id = ""
        state.band = band
        if not band:
            state.cools_at = NEVER

    def _match_special(self, state: LeadState, rule: CompiledRule, event: Event, time_ms: int) -> int:
        """Apply what a rule does beside counting; says whether the match is to be counted, or was otherwise."""
        earlier = None
        if rule.once_per is not None:
            earlier = _see_once(state, rule.number, event.properties.get(rule.once_per), time_ms)
            if earlier is not None and time_ms >= earlier:
                return _UNCHANGED
        if rule.hold_ms:
            state.held_until = max(state.held_until, time_ms + rule.hold_ms)
        if earlier is None:
            return _COUNTED
        self._move(state, rule.number, earlier, time_ms)
        return _MOVED

    def _move(self, state: LeadState, number: int, from_ms: int, to_ms: int) -> None:
        """Move one counted match to an earlier time: the sum loses the one and gains the other."""
        column = state.rules.index(number)
        at, rate = state.times[column], self.book.rates[number]
        state.counts[column] += exp2((to_ms - at) * rate) - exp2((from_ms - at) * rate)

    def _may_rise(self, state: LeadState, now: int) -> bool:
        """Whether the score may have reached the next band: not while even the gains alone are below it."""
        state.gains = self._gains(state, now)
        return state.gains >= self._next_enter[state.band]

    def _gains(self, state: LeadState, now: int) -> float:
        book = self.book
        points, rates, ceilings = book.points, book.rates, book.ceilings
        gains = 0.0
        for number, count, at in zip(state.rules, state.counts, state.times, strict=True):
            if points[number] > 0.0:
                amount = points[number] * count * exp2((at - now) * rates[number])
                ceiling = ceilings[number]
                gains += amount if amount < ceiling else ceiling
        return gains

    def _reband(
        self, state: LeadState, lead: str, event: Event, now: int, received_ms: int, alerts: list[Alert]
    ) -> None:
        """Let the band follow the score at ``now`` after a match: up, or down after a penalty."""
        bands = self.book.bands
        top, band = len(bands) - 1, state.band
        total = self.total(state, now) + ROUNDING
        reached = top if state.held_until > now else self._entered(total)
        if reached > band:
            state.band, state.cools_at = reached, _UNSURE
            alerting = next((b for b in range(reached, band, -1) if bands[b].cooldown_ms is not None), 0)
            if alerting and self._may_alert(state, lead, alerting, now, received_ms):
                alerts.append(self._entered_alert(state, lead, event, now, alerting, band))
        elif total < bands[band].leave and reached < top:
            self._fall(state, lead, now, event, alerts)

    def _entered(self, total: float) -> int:
        bands = self.book.bands
        band = len(bands) - 1
        while band and total < bands[band].enter:
            band -= 1
        return band

    def _may_alert(self, state: LeadState, lead: str, band: int, now: int, received_ms: int) -> bool:
        cooldown_ms = self.book.bands[band].cooldown_ms
        rested = not state.alerted_at or cooldown_ms is None or now - state.alerted_at >= cooldown_ms
        return rested and received_ms - now <= self.book.max_age_ms and not self.book.model.is_own(lead)

    def _entered_alert(self, state: LeadState, lead: str, event: Event, now: int, band: int, previous: int) -> Alert:
        bands = self.book.bands
        state.alerted_at = now
        state.alert_id = alert_id(lead, bands[band].name, event.id)
        state.cools_at = self._next_cooling(state, now)
        return self._alert(
            state,
            lead,
            now,
            event,
            id=state.alert_id,
            kind="entered",
            band=bands[band].name,
            from_band=bands[previous].name,
            cools_at_ms=None if state.cools_at == NEVER else state.cools_at,
            held_until_ms=state.held_until if state.held_until > now else None,
        )

    def _alert(self, state: LeadState, lead: str, at: int, event: Event | None, **particulars: Any) -> Alert:
        """Return an alert with what every kind of it says: the score at ``at``, and why."""
        ledger = self.ledger(state, at)
        return Alert(
            lead=lead,
            time_ms=at,
            score=self.score(state, at),
            ledger=ledger,
            model=self.book.model.version,
            phase=self.book.phase_of(ledger),
            cause=None if event is None else Cause(id=event.id, type=event.type, time_ms=int(event.time)),
            **particulars,
        )

    def _fall(self, state: LeadState, lead: str, at: int, event: Event | None, alerts: list[Alert]) -> None:
        """Drop to the highest band that the score at ``at`` may stay in, and end an open alert.

        Without an event it is a cooling, which has been found to leave its band: it does, whatever the last bit of
        a sum in another order says.
        """
        bands = self.book.bands
        total = self.total(state, at) + ROUNDING
        previous = state.band
        if event is None:
            state.band -= 1
        while state.band and total < bands[state.band].leave:
            state.band -= 1
        state.cools_at = _UNSURE
        left = [band for band in range(state.band + 1, previous + 1) if bands[band].cooldown_ms is not None]
        if not (state.alert_id and left):
            return
        alerts.append(
            self._alert(
                state,
                lead,
                at,
                event,
                id=cooled_id(state.alert_id),
                kind="cooled",
                band=bands[state.band].name,
                from_band=bands[previous].name,
                alert_id=state.alert_id,
            )
        )
        state.alert_id = ""

    def _cool_until(self, state: LeadState, lead: str, now: int, alerts: list[Alert]) -> None:
        """Apply every cooling that falls between the lead's last event and ``now``, at its exact time."""
        since = state.last
        while state.band:
            if state.cools_at < 0:
                state.cools_at = self._next_cooling(state, since)
            if now < state.cools_at:
                return
            since = state.cools_at
            self._fall(state, lead, since, None, alerts)

    def _next_cooling(self, state: LeadState, since: int) -> int:
        """Return the first time (ms), not before ``since``, at which the lead leaves its band if it stays silent."""
        book = self.book
        if not state.band:
            return NEVER
        start = max(since, state.held_until) if state.band == len(book.bands) - 1 else since
        terms = [
            Term(
                book.points[number] * count * exp2((at - start) * book.rates[number]),
                book.rates[number],
                book.ceilings[number],
            )
            for number, count, at in zip(state.rules, state.counts, state.times, strict=True)
        ]
        wait = first_below(terms, book.bands[state.band].leave)
        return NEVER if wait is None else start + wait


def _position(column: bytes | bytearray, item: bytes, width: int) -> int:
    """Return the byte position of ``item`` among the ``width``-byte items of ``column``, or −1."""
    position = column.find(item)
    while position % width and position >= 0:
        position = column.find(item, position + 1)
    return position


def _see_once(state: LeadState, number: int, key: object, time_ms: int) -> int | None:
    """Record a once-per key; return the time of its earliest match so far, or None if it is new.

    An event without the property shares the empty key: an unknown asset counts once.
    """
    digest = number.to_bytes(2) + _digest(b"" if key is None else str(key).encode())
    position = _position(state.once_keys, digest, _ONCE_BYTES)
    if position < 0:
        state.once_keys = (state.once_keys + digest)[-ONCE_KEPT * _ONCE_BYTES :]
        state.once_times = (state.once_times + time_ms.to_bytes(_TIME_BYTES))[-ONCE_KEPT * _TIME_BYTES :]
        return None
    start = position // _ONCE_BYTES * _TIME_BYTES
    earlier = int.from_bytes(state.once_times[start : start + _TIME_BYTES])
    if time_ms < earlier:
        state.once_times = (
            state.once_times[:start] + time_ms.to_bytes(_TIME_BYTES) + state.once_times[start + _TIME_BYTES :]
        )
    return earlier
