"""What an event does to a lead. This is the hot path: plain, and measured in `make bench`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import exp2, inf
from typing import Final

import msgspec
import xxhash

from scoring.activity import DAYS_BYTES, EVENTS_MAX, note_activity
from scoring.adoption import Adopted
from scoring.alerts import Alert, Cause, LedgerLine
from scoring.bands import ANSWER_WAIT_MS, UNSURE, Bands
from scoring.columns import position_of
from scoring.contacts import AccountFacts
from scoring.cooling import ROUNDING
from scoring.decay import DAY_MS
from scoring.events import ACTIVITIES, Event
from scoring.explain import Explainer
from scoring.follow_ups import FollowUp
from scoring.identity import VISITOR_INITIAL, VISITOR_PREFIX
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
from scoring.publishing import Publisher
from scoring.retraction import Click, Retractor
from scoring.routed import Message
from scoring.rules import TEXT_LENGTH_MAX, TEXTS_KEPT, CompiledRule, Rulebook, Test
from scoring.sales import REJECTED, STATUSES, Sales, adjust, note
from scoring.score_records import LeadScore, snapshot_of
from scoring.sums import Sums
from scoring.telling import Standing, Teller, account_of
from scoring.timers import NEVER
from scoring.touches import ATTRIBUTING, SUBJECT_MAX, TELLING, subject_of, touch_of
from scoring.traits import TraitBook
from scoring.visit_rules import VisitCounter
from scoring.visits import last_visit_ms

_UNCHANGED, _COUNTED, _MOVED = 0, 1, 2  # what a rule that holds does to a state
_encode_snapshot = msgspec.json.Encoder().encode
_digest = xxhash.xxh3_64_digest
# By the length of a remembered event's marks in bytes: of something that a person did, and of anything else.
_ACTIVE_LENGTHS: Final = [length // 2 | ACTIVITY_MARK for length in range(256)]
_OTHER_LENGTHS: Final = [length // 2 for length in range(256)]

ACTIONS_OF_LEADS: Final = frozenset({*STATUSES[1:], "adjusted", "suppressed", "released"})
"""Follow-ups that change a lead; others are for people to read."""

LeadEvents = list[tuple[int, Event, int]]
"""A lead's events in order: the index of the record, the event, and when it was received (ms)."""

Raised = list[tuple[int, list[Alert]]]
"""Alerts, by the index of the event that raised them."""

# As tuples, since unpacking one is quicker than reading six attributes. A rule that only counts is not special.
_Planned = tuple[int, Test | None, float, float, bytes, CompiledRule | None]
_Plan = tuple[list[_Planned], str | None, Callable[[str], list[_Planned]], bool, int, list[int]]
_NO_PLAN: Final[_Plan] = ([], None, lambda text: [], False, 0, _OTHER_LENGTHS)

_CLICK, _OPEN, _WITHDRAWAL = 1, 2, 3
_WATCHED: Final = {"email_clicked": _CLICK, "email_opened": _OPEN, "consent_withdrawn": _WITHDRAWAL}
"""Types of events after which something may have to be taken back, or that may not count at all."""


def _as_planned(rule: CompiledRule) -> _Planned:
    return rule.number, rule.test, rule.rate, rule.gain, rule.mark, rule if rule.is_special else None


class LeadScorer:
    """Applies events to lead states by one rulebook.

    Crossings that wait for an account's answer are decided by ticks. Where ``decides_by_events``, because nobody ticks
    between the events of a chunk, an event that is received so much later does it, too.
    """

    def __init__(self, book: Rulebook, *, decides_by_events: bool = False) -> None:
        self.book = book
        self._decides_by_events = decides_by_events
        self.traits = TraitBook(book.model, book.numbering.properties)
        self._explainer = Explainer(book, self.traits)
        self._generation = book.numbering.generation
        self._sums = Sums(book)
        self._bands = Bands(book, self._sums, self._explainer)
        self._visits = VisitCounter(book)
        self._retractor = Retractor(book)
        self._publisher = Publisher(book, self._sums, self.traits, self._bands)
        self._teller = Teller(book, self.traits, self._bands, self._sums)
        planned = {*book.by_type, *book.visit_types, *ACTIVITIES, *_WATCHED}
        self._by_type = {event_type: self._plan(event_type) for event_type in planned}

    def _plan(self, event_type: str) -> _Plan:
        """Return what the hot path needs to know of an event type."""
        is_visit = event_type in self.book.visit_types
        lengths = _ACTIVE_LENGTHS if self.book.follows_accounts and event_type in ACTIVITIES else _OTHER_LENGTHS
        selection, watch = self.book.by_type.get(event_type), _WATCHED.get(event_type, 0)
        if selection is None:
            return [], None, lambda text: [], is_visit, watch, lengths
        of_text = lru_cache(maxsize=TEXTS_KEPT)(lambda text: [_as_planned(rule) for rule in selection.of_text(text)])
        planned = [_as_planned(rule) for rule in selection.all]
        return planned, selection.key, of_text, is_visit, watch, lengths

    def new_state(self, lead: str) -> LeadState:
        """Return the state of a lead that nothing is known of but its id."""
        state = LeadState(generation=self._generation)
        self.traits.rate(state, lead)
        state.gains = state.fixed
        return state

    def take(self, state: LeadState, lead: str, events: LeadEvents, adopted: list[Adopted]) -> tuple[Raised, int]:
        """Apply a lead's events in order, each given with its index and when it was received (ms), in place.

        Returns the alerts that were raised, by index, and the number of duplicates, which change nothing. A lead that
        another model left is noted in ``adopted``.
        """
        if state.generation != self._generation:
            self.adopt(state, lead, adopted)
        raised: Raised = []
        duplicates, seen_at = 0, state.last - state.cooled_ms
        remembered, remembered_rules = state.events, state.event_rules
        room = EVENTS_KEPT - len(remembered) // EVENT_BYTES
        rules, counts, times, subjects = state.rules, state.counts, state.times, state.subjects
        plan_of, next_enter, decides = self._by_type.get, self._bands.next_enter, self._decides_by_events
        self._forget_due(state)
        days = state.days
        sales = state.sales
        lapses_at = NEVER if sales is None else sales.lapses_at
        day_begins = int.from_bytes(days[-3:-1]) * DAY_MS  # the latest day
        day_ends = day_begins + DAY_MS
        visits, goes_on_ms = state.visits, self._visits.goes_on_ms
        visit_end, visit_goes_on = last_visit_ms(visits), False
        alerts: list[Alert] = []
        for index, event, received_ms in events:
            event_id = _digest(event.id.encode())
            found = remembered.find(event_id)
            if found >= 0 and (found % EVENT_BYTES == 0 or position_of(remembered, event_id, EVENT_BYTES) >= 0):
                duplicates += 1
                continue
            time_ms: int = event.time  # type: ignore[assignment]  # decode_event has read a text
            now = state.last
            if time_ms > now:
                now = time_ms
            if decides and (waiting := state.waiting) and received_ms >= waiting.received_ms + ANSWER_WAIT_MS:
                self._bands.wait_no_more(state, lead, alerts)
            if state.band and now >= abs(state.cools_at):
                self._bands.cool_until(state, lead, now, alerts)
            marks = b""
            changed = recheck = False
            if now >= lapses_at:
                changed = recheck = self._bands.lapse(state, now)
                lapses_at = NEVER if sales is None else sales.lapses_at
            properties = event.properties
            planned, key, of_text, is_visit, watch, lengths = plan_of(event.type, _NO_PLAN)
            verdict = event.verdict
            if (verdict is not None and verdict != "human") or (watch == _OPEN and _lacks_consent(state, event)):
                # It is remembered, and no more: it counts only for what it says of the clicks beside it.
                state.last = now
                if room:
                    room -= 1
                else:
                    del remembered[:EVENT_BYTES]
                    del remembered_rules[: 1 + 2 * (remembered_rules[0] & ~ACTIVITY_MARK)]
                remembered += event_id + time_ms.to_bytes(TIME_BYTES)
                remembered_rules += b"\x00"
                if watch and watch != _OPEN and self._follow(watch, state, lead, event, event_id, now, alerts):
                    day_begins = day_ends = -1  # a day may be gone with what was done on it
                    self._bands.reband(state, lead, cause_of(event), event.id, now, received_ms, alerts)
                if alerts:
                    raised.append((index, alerts))
                    alerts = []
                continue
            if key is not None:
                text = properties.get(key)
                if text.__class__ is str and len(text) <= TEXT_LENGTH_MAX:
                    planned = of_text(text)
            is_plain = TELLING.isdisjoint(properties) if properties else False
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
                        path = properties.get("path") if is_plain else None
                        if path and path.__class__ is str:
                            subject = path[:SUBJECT_MAX]
                        else:
                            subject = subject_of(properties) if properties else ""
                    if number in rules:  # half of them are not, and an error that is raised costs more than two looks
                        column = rules.index(number)
                        at = times[column]
                        if time_ms > at:
                            counts[column] = counts[column] * exp2((at - time_ms) * rate) + 1.0
                            times[column] = time_ms
                            subjects[column] = subject
                        else:
                            counts[column] += exp2((time_ms - at) * rate)
                            if time_ms == at and subject > subjects[column]:
                                subjects[column] = subject
                    else:
                        rules.append(number)
                        counts.append(1.0)
                        times.append(time_ms)
                        subjects.append(subject)
                state.gains += gain
                marks = marks + mark if marks else mark
                changed = True
            if lengths is _ACTIVE_LENGTHS:
                if day_begins <= time_ms < day_ends and days[-1] < EVENTS_MAX:
                    days[-1] += 1
                else:
                    if 0 < day_ends <= time_ms and len(days) < DAYS_BYTES:
                        days += (time_ms // DAY_MS).to_bytes(2) + b"\x01"
                    else:
                        note_activity(days, time_ms)
                    day_begins = int.from_bytes(days[-3:-1]) * DAY_MS
                    day_ends = day_begins + DAY_MS
            if is_visit:
                if visit_end < time_ms <= visit_end + goes_on_ms:  # nearly always; written down when it is over
                    visit_end, visit_goes_on = time_ms, True
                else:
                    if visit_goes_on:
                        visits[-TIME_BYTES:] = visit_end.to_bytes(TIME_BYTES)
                        visit_goes_on = False
                    changed, recheck = self._visits.see(state, time_ms, changed, recheck)
                    visit_end = last_visit_ms(visits)
            account = event.account_id
            if account is not None and time_ms >= state.account_at:
                # The newest event's holds; of equal times, the larger.
                if account != state.account and (time_ms > state.account_at or account > state.account):
                    state.account = account
                state.account_at = time_ms
            if (
                watch == _CLICK
                or event.context is not None
                or (
                    properties
                    and (
                        (first := state.first_touch) is None
                        or time_ms <= first.time_ms
                        or not (is_plain or ATTRIBUTING.isdisjoint(properties))
                    )
                )
            ):
                touch = touch_of(event)
                if touch is not None:
                    state.note_touches(touch, touch if touch.is_attributed else None)
            if event.traits is not None and self.traits.learn(state, event.traits, time_ms):
                recheck = self._rate_traits(state, lead) or recheck
                changed = changed or recheck
            state.last = now
            if time_ms > seen_at:
                seen_at = time_ms
            if room:
                room -= 1
            else:
                del remembered[:EVENT_BYTES]
                del remembered_rules[: 1 + 2 * (remembered_rules[0] & ~ACTIVITY_MARK)]
            remembered += event_id + time_ms.to_bytes(TIME_BYTES)
            remembered_rules.append(lengths[len(marks)])
            if marks:
                remembered_rules += marks
            if watch and watch != _OPEN and self._follow(watch, state, lead, event, event_id, now, alerts):
                day_begins = day_ends = -1  # a day may be gone with what was done on it
                changed = recheck = True
            if changed:
                if state.band:
                    # One more gain can only put off the cooling; a penalty may bring it forward to any time.
                    state.cools_at = UNSURE if recheck else -abs(state.cools_at)
                reopened = sales is not None and self._reopens(sales, time_ms, marks)
                if recheck or (state.gains >= next_enter[state.band] and self._bands.may_rise(state, now)):
                    self._bands.reband(state, lead, cause_of(event), event.id, now, received_ms, alerts)
                if reopened and not any(alert.kind == "entered" for alert in alerts):
                    self._bands.remind(state, lead, cause_of(event), now, received_ms, alerts)
            if alerts:
                raised.append((index, alerts))
                alerts = []
        if visit_goes_on:
            visits[-TIME_BYTES:] = visit_end.to_bytes(TIME_BYTES)
        state.cooled_ms = state.last - seen_at
        return raised, duplicates

    def _follow(
        self, watch: int, state: LeadState, lead: str, event: Event, event_id: bytes, now: int, alerts: list[Alert]
    ) -> bool:
        """Take back what a click or a withdrawal shows not to count, in place; return whether that was anything."""
        time_ms, clicks = int(event.time), []
        if watch == _CLICK:
            clicks = self._retractor.note_click(state, event, event_id, time_ms)
            if not clicks:
                return False
        before = self._sums.total(state, now)
        if watch == _CLICK:
            self._retractor.take_back(state, clicks)
        else:
            self._retractor.withdraw_consent(state, time_ms)
        removed = before - self._sums.total(state, now)
        state.gains = inf
        self._bands.take_back(state, lead, removed, cause_of(event), now, alerts)
        return True

    def cool(self, state: LeadState, lead: str, clock_ms: int, adopted: list[Adopted]) -> list[Alert]:
        """Apply every cooling that is due at or before ``clock_ms``, in place; return the alerts that this ends.

        A crossing that has waited too long for the account's answer is decided without it.
        """
        if state.generation != self._generation:
            self.adopt(state, lead, adopted)
        alerts: list[Alert] = []
        self._forget_due(state)
        if state.waiting is not None:
            if not state.waiting.until_ms:
                state.waiting.until_ms = clock_ms + ANSWER_WAIT_MS
            elif clock_ms >= state.waiting.until_ms:
                self._bands.wait_no_more(state, lead, alerts)
        if clock_ms >= state.last:
            seen_at = state.seen_at
            self._bands.cool_until(state, lead, clock_ms, alerts)
            state.cooled_ms = state.last - seen_at
        return alerts

    def follow_up(
        self, state: LeadState, lead: str, follow_up: FollowUp, received_ms: int, adopted: list[Adopted]
    ) -> list[Alert]:
        """Take what sales did about a lead, in place; return the alerts that this raises or ends.

        An adjustment is made at the time of the follow-up, or at the lead's now if that is later.
        """
        if state.generation != self._generation:
            self.adopt(state, lead, adopted)
        if follow_up.action not in ACTIONS_OF_LEADS:
            return []
        sales = state.sales = state.sales or Sales()
        alerts: list[Alert] = []
        if follow_up.action != "adjusted":
            note(sales, follow_up)
            if sales.status == REJECTED and sales.status_at == follow_up.time:
                state.alert_id, state.alerted_at = "", 0  # nobody waits for its cooling, nor for a cooldown
            return alerts
        assert isinstance(follow_up.time, int)
        self._forget_due(state)
        now, seen_at = max(state.last, follow_up.time), state.seen_at
        if state.band:
            self._bands.cool_until(state, lead, now, alerts)
        self._bands.lapse(state, now)
        state.last = now
        state.cooled_ms = now - seen_at
        points = adjust(sales, follow_up, now)
        state.fixed += points
        state.gains += max(0.0, points)
        if points:
            state.cools_at = UNSURE if state.band else NEVER
            if not self._surely_stays_cold(state):
                cause = Cause(id=follow_up.id, type="adjusted", time_ms=follow_up.time)
                self._bands.reband(state, lead, cause, follow_up.id, now, received_ms, alerts)
        return alerts

    def _reopens(self, sales: Sales, time_ms: int, marks: bytes) -> bool:
        """End the quiet of a lead that was rejected, in place, if an event counts as a step of its decision."""
        if sales.status != REJECTED or time_ms <= sales.status_at:
            return False
        phases = self.book.phases
        if not any(phases[int.from_bytes(marks[at : at + 2])] == "decision" for at in range(0, len(marks), 2)):
            return False
        sales.status = 0
        return True

    def absorb(
        self,
        state: LeadState,
        lead: str,
        other: LeadState,
        weak: str,
        cause: Cause,
        received_ms: int,
        adopted: list[Adopted],
    ) -> list[Alert]:
        """Merge what was known under ``weak`` into a lead, in place; return the alerts that this raises.

        Both sides cool first, up to the later one's last event; then the higher band stands, if the account's fit
        allows, and the latest alert: what was open on either side stays open. A band that nobody was told of, because
        it was a visitor's, is entered now.
        """
        if state.generation != self._generation:
            self.adopt(state, lead, adopted)
        state.linked = add_link(state.linked, weak, confirmed=True)
        alerts: list[Alert] = []
        now, seen_at = max(state.last, other.last), max(state.seen_at, other.seen_at)
        for side in (state, other):
            self._forget_due(side)
            if side.band:
                self._bands.cool_until(side, lead, now, alerts)
        told_of = state
        if other.alert_id and (other.alerted_at > state.alerted_at or not state.alert_id):
            state.alert_id, state.doubt().margin = other.alert_id, other.margin
            told_of = other
        rests_on = self._retractor.clicks_of(told_of)
        state.alerted_at = max(state.alerted_at, other.alerted_at)
        was_told = self.book.model.alerts.visitors or not weak.startswith(VISITOR_PREFIX)
        state.band = max(state.band, other.band) if was_told else state.band
        state.waiting = state.waiting or other.waiting
        gains = self._sums.gains(other, now) - other.fixed  # what it adds at most: one ceiling may cut both
        merge(state, other, self.book)
        voided = self._retractor.merge_clicks(state, other)
        if other.withdrawn_at or state.withdrawn_at:
            self._retractor.withdraw_consent(state, other.withdrawn_at)
        state.cooled_ms = state.last - seen_at
        state.gains += gains
        self._rate_traits(state, lead)
        self._bands.lapse(state, state.last)
        if other.visits:
            self._visits.recount(state)
        state.cools_at = UNSURE if state.band else NEVER
        if voided:
            self._take_back_merged(state, lead, voided, rests_on, cause, alerts)
        if other.band or not self._surely_stays_cold(state):
            self._bands.shut_out(state, lead, cause, alerts)
            self._bands.reband(state, lead, cause, f"{cause.id} {weak}", now, received_ms, alerts, other.band)
        return alerts

    def _take_back_merged(
        self,
        state: LeadState,
        lead: str,
        voided: list[Click],
        rests_on: frozenset[bytes],
        cause: Cause,
        alerts: list[Alert],
    ) -> None:
        """Take back clicks that only both sides together show to be a machine's, in place.

        An open alert is retracted for those that were counted on its own side.
        """
        before = self._sums.total(state, state.last)
        self._retractor.take_back(state, [click for click in voided if click.event in rests_on])
        removed = before - self._sums.total(state, state.last)
        self._retractor.take_back(state, [click for click in voided if click.event not in rests_on])
        if removed > 0:
            self._bands.take_back(state, lead, removed, cause, state.last, alerts)

    def ledger(self, state: LeadState, now: int) -> list[LedgerLine]:
        """Return the lines that sum to the score at ``now``, the largest first."""
        return self._explainer.ledger(state, now)

    def weigh(self, state: LeadState, lead: str) -> None:
        """Tighten a state's bounds where nothing is published; see :class:`Publisher`."""
        self._publisher.weigh(state, lead)

    def settle(self, state: LeadState, lead: str) -> LeadScore:
        """Make a state's bounds exact, and return its record for the lead-scores topic; see :class:`Publisher`."""
        return self._publisher.settle(state, lead)

    def standing(self, state: LeadState) -> Standing:
        """Return what :meth:`tell` needs to know of a state from before it was changed."""
        return Standing(account_of(state) if state.told_score >= 0 else "", state.last - state.cooled_ms, state.band)

    def snapshot(self, state: LeadState, lead: str, was: Standing) -> bytes | None:
        """Return a record for the lead-history topic of the lead that was settled last, where one is due.

        That is when its band has changed, and with its first event of a day (UTC). Visitors have no history.
        """
        is_same_band, seen_at = was.band == state.band, state.last - state.cooled_ms
        if lead[0] == VISITOR_INITIAL or (is_same_band and was.seen_ms // DAY_MS == seen_at // DAY_MS):
            return None
        bands = self.book.bands
        from_band = "" if is_same_band or was.band >= len(bands) else bands[was.band].name  # of another model's bands
        return _encode_snapshot(snapshot_of(self._publisher.record, from_band))

    def tell(
        self, state: LeadState, lead: str, was: Standing, messages: list[Message], *, only_answered: bool = False
    ) -> None:
        """Add what accounts are to be told of the lead that was settled last; see :class:`Teller`."""
        if self._teller.is_active:
            self._teller.tell(state, lead, self._publisher.record, was, messages, only_answered=only_answered)

    def leave(self, state: LeadState, lead: str) -> Message:
        """Return what a lead's account is told when the lead is no more."""
        return self._teller.leave(state, lead, self.standing(state))

    def answer(
        self,
        state: LeadState,
        lead: str,
        account: str,
        facts: AccountFacts,
        received_ms: int,
        adopted: list[Adopted],
    ) -> list[Alert]:
        """Take what an account tells of itself, in place; return the alerts that this raises.

        A crossing that has waited for it is decided. Without one, the lead's band follows what the fit allows now.
        """
        if state.generation != self._generation:
            self.adopt(state, lead, adopted)
        self._forget_due(state)
        state.facts_version, state.facts = facts.version, None if facts.is_empty else facts
        self._rate_traits(state, lead)
        state.cools_at = UNSURE if state.band else NEVER
        alerts: list[Alert] = []
        if state.waiting is not None:
            self._bands.wait_no_more(state, lead, alerts)
        elif not self._surely_stays_cold(state):
            cause = Cause(id=f"{account}#{facts.version}", type="account", time_ms=state.last)
            self._bands.follow_fit(state, lead, cause, received_ms, alerts)
        return alerts

    def score(self, state: LeadState, now: int) -> float:
        """Return the score at ``now``: the sum, not below 0, to six places."""
        return self._sums.score(state, now)

    def total(self, state: LeadState, now: int) -> float:
        """Return the sum of all contributions at ``now`` (points, not before the last event), without the floor."""
        return self._sums.total(state, now)

    def _surely_stays_cold(self, state: LeadState) -> bool:
        """Whether a lead is cold, and even its gains alone are not enough for the first band."""
        return not state.band and state.gains < self._bands.next_enter[0] and state.held_until <= state.last

    @staticmethod
    def _forget_due(state: LeadState) -> None:
        """While a crossing waits, what is due may be the end of the wait, and is no cooling."""
        if state.waiting is not None:
            state.cools_at = UNSURE if state.band else NEVER

    def adopt(self, state: LeadState, lead: str, adopted: list[Adopted]) -> None:
        """Bring a state that another model left under this one, in place; its band changes silently."""
        bands = self.book.bands
        before = self.book.band_name(state.generation, state.band)
        at_first = self.book.band_now(state.generation, state.band)
        state.generation, state.cools_at = self._generation, UNSURE
        self.traits.rate(state, lead)
        self._visits.recount(state)
        state.gains = inf
        total = self._sums.total(state, state.last) + ROUNDING
        band = at_first
        while band and total < bands[band].leave:
            band -= 1
        band = len(bands) - 1 if state.held_until > state.last else max(band, self._bands.entered(total))
        if band < at_first or bands[at_first].name != before:
            state.alert_id = ""
        state.band = band
        if not band:
            state.cools_at = NEVER
        adopted.append((lead, before, bands[band].name))

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


def cause_of(event: Event) -> Cause:
    """Return what an event is called where it is the cause of something."""
    return Cause(id=event.id, type=event.type, time_ms=int(event.time))


def _lacks_consent(state: LeadState, event: Event) -> bool:
    """Say whether an open may not count: the person has not agreed, or has taken that back since."""
    return event.properties.get("consent") is False or event.time <= state.withdrawn_at  # type: ignore[operator]


def _see_once(state: LeadState, number: int, key: object, time_ms: int) -> int | None:
    """Record a once-per key; return the time of its earliest match so far, or None if it is new.

    An event without the property shares the empty key: an unknown asset counts once.
    """
    digest = number.to_bytes(2) + _digest(b"" if key is None else str(key).encode())
    position = position_of(state.once_keys, digest, ONCE_BYTES)
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


def _rated(state: LeadState) -> tuple[list[int], list[float]]:
    """Return which traits are worth something, and what."""
    return ([], []) if state.person is None else (state.person.traits, state.person.points)
