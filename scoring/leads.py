"""What an event does to a lead. This is the hot path: plain, and measured in `make bench`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import copysign, exp2, inf
from typing import Final

import msgspec
import xxhash

from scoring.activity import DAY_MS, EVENTS_MAX, note_activity
from scoring.adoption import Adopted
from scoring.alerts import Alert, Cause, LedgerLine, alert_id, cooled_id
from scoring.cooling import ROUNDING, Course, Term, first_below
from scoring.events import ACTIVITIES, Event
from scoring.explain import VISITOR, Explainer, stage_of
from scoring.lead_state import (
    ACTIVITY_MARK,
    EVENT_BYTES,
    EVENTS_KEPT,
    ONCE_BYTES,
    ONCE_KEPT,
    TIME_BYTES,
    LeadState,
)
from scoring.links import add_link
from scoring.merging import merge
from scoring.rules import PHASES, TEXT_LENGTH_MAX, TEXTS_KEPT, CompiledRule, Rulebook, Test
from scoring.score_records import LeadScore, ScoreLine
from scoring.timers import NEVER
from scoring.touches import ATTRIBUTING, subject_of, touch_of
from scoring.traits import TraitBook
from scoring.visits import Seen, count_repeats, read_starts, see_visit, start_of

_UNSURE: Final = -1  # as cools_at: nothing is known
_UNCHANGED, _COUNTED, _MOVED = 0, 1, 2  # what a rule that holds does to a state
_EVENTS_BYTES: Final = EVENTS_KEPT * EVENT_BYTES
_digest = xxhash.xxh3_64_digest
_LENGTHS: Final = [length.to_bytes(1) for length in range(256)]
_encode_record = msgspec.json.Encoder().encode

LeadEvents = list[tuple[int, Event, int]]
"""A lead's events in order: the index of the record, the event, and when it was received (ms)."""

Raised = list[tuple[int, list[Alert]]]
"""Alerts, by the index of the event that raised them."""

# As tuples, since unpacking one is quicker than reading six attributes. A rule that only counts is not special.
_Planned = tuple[int, Test | None, float, float, bytes, CompiledRule | None]
_Plan = tuple[list[_Planned], str | None, Callable[[str], list[_Planned]], bool, bool, int]
_NO_PLAN: Final[_Plan] = ([], None, lambda text: [], False, False, 0)


def _as_planned(rule: CompiledRule) -> _Planned:
    return rule.number, rule.test, rule.rate, rule.gain, rule.mark, rule if rule.is_special else None


class LeadScorer:
    """Applies events to lead states by one rulebook."""

    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self.traits = TraitBook(book.model, book.numbering.properties)
        self._explainer = Explainer(book, self.traits)
        self._generation = book.numbering.generation
        self._watches_inactivity = book.inactive_after_ms > 0
        # What the gains must reach for a rise from each band; out of the hottest there is none.
        self._next_enter = [*(band.enter - ROUNDING for band in book.bands[1:]), inf]
        self._by_type = {
            event_type: self._plan(event_type) for event_type in {*book.by_type, *book.visit_types, *ACTIVITIES}
        }
        self._facts = list(zip(book.points, book.rates, book.ceilings, book.channels, strict=True))
        self._published = [(*self._facts[number], *self._lines_of(number)) for number in range(len(book.names))]
        self._record = LeadScore("", 0.0, 0, "", [], book.model.version)

    def _lines_of(self, number: int) -> tuple[int, ScoreLine, ScoreLine]:
        """Return a rule's phase (a number), and its published lines: below its ceiling, and at it."""
        book = self.book
        channel, ceiling = book.channel_names[book.channels[number]], book.stated_ceilings[number]
        line = ScoreLine(book.names[number], 0.0, book.half_lives_days[number], ceiling, None, channel)
        at_ceiling = copysign(ceiling or 0.0, book.points[number])
        capped_line = ScoreLine(book.names[number], at_ceiling, book.half_lives_days[number], ceiling, 0.0, channel)
        phase = book.phases[number]
        return (PHASES.index(phase) + 1 if phase else 0), line, capped_line

    def _plan(self, event_type: str) -> _Plan:
        """Return what the hot path needs to know of an event type."""
        is_visit, is_click = event_type in self.book.visit_types, event_type == "email_clicked"
        activity = ACTIVITY_MARK if event_type in ACTIVITIES else 0
        selection = self.book.by_type.get(event_type)
        if selection is None:
            return [], None, lambda text: [], is_visit, is_click, activity
        of_text = lru_cache(maxsize=TEXTS_KEPT)(lambda text: [_as_planned(rule) for rule in selection.of_text(text)])
        return [_as_planned(rule) for rule in selection.all], selection.key, of_text, is_visit, is_click, activity

    def new_state(self, lead: str) -> LeadState:
        """Return the state of a lead that nothing is known of but its id."""
        state = LeadState(generation=self._generation)
        self._rate_traits(state, lead)
        return state

    def take(self, state: LeadState, lead: str, events: LeadEvents, adopted: list[Adopted]) -> tuple[Raised, int]:
        """Apply a lead's events in order, each given with its index and when it was received (ms), in place.

        Returns the alerts that were raised, by index, and the number of duplicates, which change nothing. A lead that
        another model left is noted in ``adopted``.
        """
        if state.generation != self._generation:
            self.adopt(state, lead, adopted)
        raised: Raised = []
        duplicates = 0
        remembered, remembered_rules = state.events, state.event_rules
        rules, counts, times, subjects = state.rules, state.counts, state.times, state.subjects
        plan_of = self._by_type.get
        days = state.days
        latest_day = int.from_bytes(days[-3:-1])
        for index, event, received_ms in events:
            event_id = _digest(event.id.encode())
            found = remembered.find(event_id)
            if found >= 0 and (found % EVENT_BYTES == 0 or _position(remembered, event_id, EVENT_BYTES) >= 0):
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
            changed = recheck = False
            properties = event.properties
            planned, key, of_text, is_visit, is_click, activity = plan_of(event.type, _NO_PLAN)
            if key is not None:
                text = properties.get(key)
                if text.__class__ is str and len(text) <= TEXT_LENGTH_MAX:
                    planned = of_text(text)
            subject = None
            for number, test, rate, gain, mark, special in planned:
                if test is not None and not test(properties):
                    continue
                if special is not None:
                    change = self._match_special(state, special, event, time_ms)
                    if change == _UNCHANGED:
                        continue
                    recheck = recheck or change == _MOVED or special.rechecks
                if special is None or change == _COUNTED:
                    if subject is None:
                        subject = subject_of(properties) if properties else ""
                    try:
                        column = rules.index(number)
                    except ValueError:
                        rules.append(number)
                        counts.append(1.0)
                        times.append(time_ms)
                        subjects.append(subject)
                    else:
                        at = times[column]
                        if time_ms > at:
                            counts[column] = counts[column] * exp2((at - time_ms) * rate) + 1.0
                            times[column] = time_ms
                            subjects[column] = subject
                        else:
                            counts[column] += exp2((time_ms - at) * rate)
                            if time_ms == at and subject > subjects[column]:
                                subjects[column] = subject
                state.gains += gain
                marks += mark
                changed = True
            if activity:
                if time_ms // DAY_MS == latest_day and days[-1] < EVENTS_MAX:
                    days[-1] += 1
                else:
                    note_activity(days, time_ms)
                    latest_day = int.from_bytes(days[-3:-1])
            if is_visit:
                changed, recheck = self._visit(state, time_ms, changed, recheck)
            account = event.account_id
            if account is not None and time_ms >= state.account_at:
                # The newest event's holds; of equal times, the larger.
                if account != state.account and (time_ms > state.account_at or account > state.account):
                    state.account = account
                state.account_at = time_ms
            if properties or event.context is not None or is_click:
                first = state.first_touch
                if (
                    first is None
                    or time_ms <= first.time_ms
                    or event.context is not None
                    or is_click
                    or not ATTRIBUTING.isdisjoint(properties)
                ):
                    _note_touch(state, event)
            if event.traits is not None and self.traits.learn(state, event.traits, time_ms):
                recheck = self._rate_traits(state, lead) or recheck
                changed = changed or recheck
            state.last = now
            if len(remembered) == _EVENTS_BYTES:
                del remembered[:EVENT_BYTES]
                del remembered_rules[: 1 + 2 * (remembered_rules[0] & ~ACTIVITY_MARK)]
            remembered += event_id + time_ms.to_bytes(TIME_BYTES)
            remembered_rules += _LENGTHS[len(marks) // 2 | activity] + marks
            if changed:
                if state.band:
                    # One more gain can only put off the cooling; a penalty may bring it forward to any time.
                    state.cools_at = _UNSURE if recheck else -abs(state.cools_at)
                if recheck or (state.gains >= self._next_enter[state.band] and self._may_rise(state, now)):
                    cause = Cause(id=event.id, type=event.type, time_ms=time_ms)
                    self._reband(state, lead, cause, event.id, now, received_ms, alerts)
            if alerts:
                raised.append((index, alerts))
        return raised, duplicates

    def cool(self, state: LeadState, lead: str, clock_ms: int, adopted: list[Adopted]) -> list[Alert]:
        """Apply every cooling that is due at or before ``clock_ms``, in place; return the alerts that this ends."""
        if state.generation != self._generation:
            self.adopt(state, lead, adopted)
        alerts: list[Alert] = []
        if clock_ms >= state.last:
            self._cool_until(state, lead, clock_ms, alerts)
        return alerts

    def absorb(
        self,
        state: LeadState,
        lead: str,
        other: LeadState | None,
        weak: str,
        cause: Cause,
        received_ms: int,
        adopted: list[Adopted],
    ) -> list[Alert]:
        """Merge what was known under ``weak`` into a lead, in place; return the alerts that this raises.

        ``other`` is None where nothing was known. Both sides cool first, up to the later one's last event; then the
        higher band stands, and the latest alert: what was open on either side stays open.
        """
        if state.generation != self._generation:
            self.adopt(state, lead, adopted)
        state.linked = add_link(state.linked, weak, confirmed=True)
        alerts: list[Alert] = []
        if other is None:
            return alerts
        now = max(state.last, other.last)
        for side in (state, other):
            if side.band:
                self._cool_until(side, lead, now, alerts)
        if other.alert_id and other.alerted_at > state.alerted_at:
            state.alert_id = other.alert_id
        state.alert_id = state.alert_id or other.alert_id
        state.alerted_at = max(state.alerted_at, other.alerted_at)
        state.band = max(state.band, other.band)
        merge(state, other, self.book)
        self._rate_traits(state, lead)
        self._recount_visits(state)
        state.gains, state.cools_at = inf, _UNSURE if state.band else NEVER
        self._reband(state, lead, cause, f"{cause.id} {weak}", now, received_ms, alerts)
        return alerts

    def settle(self, state: LeadState, lead: str) -> bytes:
        """Make a state's bounds exact, and return its record for the lead-scores topic (:class:`LeadScore` as JSON).

        Done once per chunk, before the state is encoded. The objects of the record are the same each time, one
        per rule, since making them anew takes longer than all the rest.
        """
        if state.cools_at < 0:
            state.cools_at = self._next_cooling(state, state.last)
        book, now, record = self.book, state.last, self._record
        facts = self._published
        sums = [0.0] * len(book.channel_caps)
        lines = record.rules
        lines.clear()
        gains, phase = state.fixed, 0
        for number, count, at in zip(state.rules, state.counts, state.times, strict=True):
            points, rate, ceiling, channel, phase_number, line, capped_line = facts[number]
            amount = points * count * exp2((at - now) * rate)
            if -ceiling <= amount <= ceiling:
                line.points = amount
                lines.append(line)
            else:
                capped_line.amount = amount
                amount = capped_line.points
                lines.append(capped_line)
            sums[channel] += amount
            if amount > 0.0:
                gains += amount
                if phase_number > phase and amount >= 1.0:
                    phase = phase_number
        state.gains = gains
        total = self._total_of(state, sums, now)
        inactive_from = book.inactive_from(state.visits) if self._watches_inactivity else None
        record.lead = lead
        record.score = round(total, 6) if total > 0.0 else 0.0
        record.at_ms = now
        record.band = book.bands[state.band].name
        record.stage = stage_of(state, lead)
        record.phase = PHASES[phase - 1] if phase else ""
        record.account = state.account
        record.contact = self.traits.contact(state, lead)
        person = state.person
        record.traits = [] if person is None else self.traits.lines(person)
        if len(sums) > 1:
            names, caps = book.channel_names, book.channel_caps
            record.channels = {names[channel]: caps[channel] for channel in range(1, len(sums)) if sums[channel]}
        record.inactive_from_ms = inactive_from
        record.inactive_points = 0.0 if inactive_from is None else book.inactive_points
        record.cools_at_ms = None if state.cools_at == NEVER else state.cools_at
        record.held_until_ms = state.held_until or None
        return _encode_record(record)

    def total(self, state: LeadState, now: int) -> float:
        """Return the sum of all contributions at ``now`` (points, not before the last event), without the floor."""
        facts = self._facts
        sums = [0.0] * len(self.book.channel_caps)
        for number, count, at in zip(state.rules, state.counts, state.times, strict=True):
            points, rate, ceiling, channel = facts[number]
            amount = points * count * exp2((at - now) * rate)
            sums[channel] += amount if -ceiling <= amount <= ceiling else ceiling if amount > 0 else -ceiling
        return self._total_of(state, sums, now)

    def score(self, state: LeadState, now: int) -> float:
        """Return the score at ``now``: the sum, not below 0, to six places."""
        return round(max(0.0, self.total(state, now)), 6)

    def ledger(self, state: LeadState, now: int) -> list[LedgerLine]:
        """Return the lines that sum to the score at ``now``, the largest first."""
        return self._explainer.ledger(state, now)

    def _total_of(self, state: LeadState, sums: list[float], now: int) -> float:
        """Return the whole sum at ``now``, given the rules' sums by channel."""
        total = state.fixed + sums[0]
        if len(sums) > 1:
            for channel, ceiling in enumerate(self.book.channel_caps):
                if channel:
                    total += min(sums[channel], ceiling)
        if self._watches_inactivity:
            inactive_from = self.book.inactive_from(state.visits)
            if inactive_from is not None and now >= inactive_from:
                total += self.book.inactive_points
        return total

    def adopt(self, state: LeadState, lead: str, adopted: list[Adopted]) -> None:
        """Bring a state that another model left under this one, in place; its band changes silently."""
        bands = self.book.bands
        before = self.book.band_name(state.generation, state.band)
        at_first = self.book.band_now(state.generation, state.band)
        state.generation, state.cools_at = self._generation, _UNSURE
        self.traits.rate(state, lead)
        self._recount_visits(state)
        state.gains = inf
        total = self.total(state, state.last) + ROUNDING
        band = at_first
        while band and total < bands[band].leave:
            band -= 1
        band = len(bands) - 1 if state.held_until > state.last else max(band, self._entered(total))
        if band < at_first or bands[at_first].name != before:
            state.alert_id = ""
        state.band = band
        if not band:
            state.cools_at = NEVER
        adopted.append((lead, before, bands[band].name))

    def _visit(self, state: LeadState, time_ms: int, changed: bool, recheck: bool) -> tuple[bool, bool]:
        """Let an event count as part of a visit; returns whether the score changed, and whether it may have sunk."""
        visits, watches_inactivity = state.visits, self._watches_inactivity
        inactive_from = self.book.inactive_from(visits) if watches_inactivity else None
        seen = see_visit(visits, time_ms, self.book.gap_ms)
        if seen is Seen.ONE_MORE:
            changed = self._count_last_visit(state, time_ms) or changed
        elif seen is Seen.OTHERS and self._recount_visits(state):
            changed = recheck = True
        if watches_inactivity and self.book.inactive_from(visits) != inactive_from:
            # From the first visit on a lead may be inactive; each later one can only put that off.
            changed, recheck = True, recheck or inactive_from is None
        return changed, recheck

    def _count_last_visit(self, state: LeadState, start_ms: int) -> bool:
        """Count the visit that has just begun where it is a repeated one; return whether it was."""
        counted = False
        for rule in self.book.visit_rules:
            first_ms = start_of(state.visits, rule.at_least - 1)
            if first_ms is None or start_ms - first_ms > rule.within_ms:
                continue
            counted = True
            state.gains += self.book.points[rule.number]
            if rule.number in state.rules:
                column = state.rules.index(rule.number)
                faded = state.counts[column] * exp2((state.times[column] - start_ms) * rule.rate)
                state.counts[column], state.times[column] = faded + 1.0, start_ms
            else:
                _add_column(state, rule.number, 1.0, start_ms)
        return counted

    def _recount_visits(self, state: LeadState) -> bool:
        """Count the repeated visits anew; return whether any rule's count changed."""
        changed = False
        starts = read_starts(state.visits) if self.book.visit_rules else []
        for rule in self.book.visit_rules:
            count, at = count_repeats(starts, rule.at_least, rule.within_ms, rule.rate)
            column = state.rules.index(rule.number) if rule.number in state.rules else -1
            if column < 0 and count:
                _add_column(state, rule.number, count, at)
                changed = True
            elif column >= 0 and (state.counts[column], state.times[column]) != (count, at):
                state.counts[column], state.times[column] = count, at
                changed = True
        if changed:
            state.gains = inf
        return changed

    def _rate_traits(self, state: LeadState, lead: str) -> bool:
        """Rate what is known of a lead; return whether any trait is worth another number of points than before."""
        before, rated = state.fixed, _rated(state)
        self.traits.rate(state, lead)
        state.gains += state.fixed - before
        return rated != _rated(state)

    def _match_special(self, state: LeadState, rule: CompiledRule, event: Event, time_ms: int) -> int:
        """Apply what a rule does beside counting; says whether the match is to be counted, or was otherwise."""
        if rule.converts and not 0 < state.converted_at <= time_ms:
            state.converted_at = time_ms
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
        moved = state.counts[column] + exp2((to_ms - at) * rate) - exp2((from_ms - at) * rate)
        state.counts[column] = max(0.0, moved)  # what counted under another half-life may be less by now

    def _may_rise(self, state: LeadState, now: int) -> bool:
        """Whether the score may have reached the next band: not while even the gains alone are below it."""
        state.gains = self._gains(state, now)
        return state.gains >= self._next_enter[state.band]

    def _gains(self, state: LeadState, now: int) -> float:
        gains = state.fixed
        for number, count, at in zip(state.rules, state.counts, state.times, strict=True):
            points, rate, ceiling, _ = self._facts[number]
            if points > 0.0:
                amount = points * count * exp2((at - now) * rate)
                gains += amount if amount < ceiling else ceiling
        return gains

    def _reband(
        self, state: LeadState, lead: str, cause: Cause, key: str, now: int, received_ms: int, alerts: list[Alert]
    ) -> None:
        """Let the band follow the score at ``now`` after a match: up, or down after a penalty.

        ``key`` stands for the record that caused it: what an alert's id is made of.
        """
        bands = self.book.bands
        top, band = len(bands) - 1, state.band
        total = self.total(state, now) + ROUNDING
        reached = top if state.held_until > now else self._entered(total)
        if reached > band:
            state.band, state.cools_at = reached, _UNSURE
            alerting = next((b for b in range(reached, band, -1) if bands[b].cooldown_ms is not None), 0)
            if alerting and self._may_alert(state, lead, alerting, now, received_ms):
                alerts.append(self._entered_alert(state, lead, cause, key, now, alerting, band))
        elif total < bands[band].leave and reached < top:
            self._fall(state, lead, now, cause, alerts)

    def _entered(self, total: float) -> int:
        bands = self.book.bands
        band = len(bands) - 1
        while band and total < bands[band].enter:
            band -= 1
        return band

    def _may_alert(self, state: LeadState, lead: str, band: int, now: int, received_ms: int) -> bool:
        cooldown_ms = self.book.bands[band].cooldown_ms
        rested = not state.alerted_at or cooldown_ms is None or now - state.alerted_at >= cooldown_ms
        model = self.book.model
        is_called = model.alerts.visitors or not lead.startswith(VISITOR)
        return rested and received_ms - now <= self.book.max_age_ms and is_called and not model.is_own(lead)

    def _entered_alert(
        self, state: LeadState, lead: str, cause: Cause, key: str, now: int, band: int, previous: int
    ) -> Alert:
        bands = self.book.bands
        state.alerted_at = now
        state.alert_id = alert_id(lead, bands[band].name, key)
        state.cools_at = self._next_cooling(state, now)
        return self._explainer.alert(
            state,
            lead,
            now,
            cause,
            id=state.alert_id,
            kind="entered",
            band=bands[band].name,
            from_band=bands[previous].name,
            cools_at_ms=None if state.cools_at == NEVER else state.cools_at,
            held_until_ms=state.held_until if state.held_until > now else None,
        )

    def _fall(self, state: LeadState, lead: str, at: int, cause: Cause | None, alerts: list[Alert]) -> None:
        """Drop to the highest band that the score at ``at`` may stay in, and end an open alert.

        Without a cause it is a cooling, which has been found to leave its band: it does, whatever the last bit of
        a sum in another order says.
        """
        bands = self.book.bands
        total = self.total(state, at) + ROUNDING
        previous = state.band
        if cause is None:
            state.band -= 1
            state.last = max(state.last, at)
        while state.band and total < bands[state.band].leave:
            state.band -= 1
        state.cools_at = _UNSURE
        left = [band for band in range(state.band + 1, previous + 1) if bands[band].cooldown_ms is not None]
        if not (state.alert_id and left):
            return
        alerts.append(
            self._explainer.alert(
                state,
                lead,
                at,
                cause,
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
                if self._surely_stays(state, since, now):
                    state.cools_at = -now
                    return
                state.cools_at = self._next_cooling(state, since)
            if now < state.cools_at:
                return
            since = state.cools_at
            self._fall(state, lead, since, None, alerts)

    def _surely_stays(self, state: LeadState, since: int, now: int) -> bool:
        """Whether a silent lead certainly keeps its band from ``since`` to ``now``: true nearly always, and quick.

        Gains are at least what is left of them at ``now``, and penalties at most what they are at ``since``.
        """
        if state.held_until > now and state.band == len(self.book.bands) - 1:
            return True
        sums = [0.0] * len(self.book.channel_caps)
        for number, count, at in zip(state.rules, state.counts, state.times, strict=True):
            points, rate, ceiling, channel = self._facts[number]
            if points > 0.0:
                amount = points * count * exp2((at - now) * rate)
                sums[channel] += amount if amount < ceiling else ceiling
            else:
                amount = points * count * exp2((at - since) * rate)
                sums[0] += amount if amount > -ceiling else -ceiling
        return self._total_of(state, sums, now) >= self.book.bands[state.band].leave

    def _next_cooling(self, state: LeadState, since: int) -> int:
        """Return the first time (ms), not before ``since``, at which the lead leaves its band if it stays silent."""
        book = self.book
        if not state.band:
            return NEVER
        start = max(since, state.held_until) if state.band == len(book.bands) - 1 else since
        terms: list[Term] = []
        by_channel: list[list[Term]] = [terms, *([] for _ in book.channel_caps[1:])]
        for number, count, at in zip(state.rules, state.counts, state.times, strict=True):
            points, rate, ceiling, channel = self._facts[number]
            by_channel[channel].append(Term(points * count * exp2((at - start) * rate), rate, ceiling))
        leave = book.bands[state.band].leave
        channels = zip(book.channel_caps[1:], by_channel[1:], strict=True)
        capped = [(cap, channel_terms) for cap, channel_terms in channels if channel_terms]
        inactive_from = self.book.inactive_from(state.visits)
        if not capped and inactive_from is None:
            wait = first_below(terms, leave - state.fixed)
        elif inactive_from is None:
            wait = Course(terms, state.fixed, capped).first_below(leave)
        else:
            until = max(0, inactive_from - start)
            wait = Course(terms, state.fixed, capped, until, book.inactive_points).first_below(leave)
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
    position = _position(state.once_keys, digest, ONCE_BYTES)
    if position < 0:
        state.once_keys = (state.once_keys + digest)[-ONCE_KEPT * ONCE_BYTES :]
        state.once_times = (state.once_times + time_ms.to_bytes(TIME_BYTES))[-ONCE_KEPT * TIME_BYTES :]
        return None
    start = position // ONCE_BYTES * TIME_BYTES
    earlier = int.from_bytes(state.once_times[start : start + TIME_BYTES])
    if time_ms < earlier:
        state.once_times = (
            state.once_times[:start] + time_ms.to_bytes(TIME_BYTES) + state.once_times[start + TIME_BYTES :]
        )
    return earlier


def _add_column(state: LeadState, number: int, count: float, time_ms: int) -> None:
    state.rules.append(number)
    state.counts.append(count)
    state.times.append(time_ms)
    state.subjects.append("")


def _rated(state: LeadState) -> tuple[list[int], list[float]]:
    """Return which traits are worth something, and what."""
    return ([], []) if state.person is None else (state.person.traits, state.person.points)


def _note_touch(state: LeadState, event: Event) -> None:
    """Note where an event came from, if it is the first of the lead to tell, or the last."""
    touch = touch_of(event)
    if touch is None:
        return
    if state.first_touch is None or touch < state.first_touch:
        state.first_touch = touch
    if (touch.source or touch.campaign) and (state.last_touch is None or touch > state.last_touch):
        state.last_touch = touch
