"""What a lead's counts come to: the sum at a time, what it surely is not, and when it will fall below a level."""

from __future__ import annotations

from math import exp2, log2

from scoring.cooling import HORIZON_MS, Course, Line, first_below
from scoring.lead_state import LeadState
from scoring.rules import Rulebook
from scoring.timers import NEVER


class Sums:
    """Sums up lead states by one rulebook.

    The hot path reads ``facts``, by rule number, and copies ``nothing``, the sums by channel of no rules at all.
    """

    def __init__(self, book: Rulebook) -> None:
        self._book = book
        self.facts = list(zip(book.points, book.rates, book.ceilings, book.channels, strict=True))
        self.nothing = [0.0] * len(book.channel_caps)
        self._capped = list(enumerate(book.channel_caps))[1:]
        self._watches_inactivity = book.inactive_after_ms > 0

    def total(self, state: LeadState, now: int) -> float:
        """Return the sum of all contributions at ``now`` (points, not before the last event), without the floor."""
        facts = self.facts
        sums = self.nothing.copy()
        for number, count, at in zip(state.rules, state.counts, state.times):
            points, rate, ceiling, channel = facts[number]
            amount = points * count * exp2((at - now) * rate)
            sums[channel] += amount if -ceiling <= amount <= ceiling else ceiling if amount > 0 else -ceiling
        return self.total_of(state, sums, now)

    def score(self, state: LeadState, now: int) -> float:
        """Return the score at ``now``: the sum, not below 0, to six places."""
        return round(max(0.0, self.total(state, now)), 6)

    def total_of(self, state: LeadState, sums: list[float], now: int) -> float:
        """Return the whole sum at ``now``, given the rules' sums by channel."""
        total = state.fixed + self._within_ceilings(sums)
        if self._watches_inactivity:
            inactive_from = self._book.inactive_from(state.visits)
            if inactive_from is not None and now >= inactive_from:
                total += self._book.inactive_points
        return total

    def gains(self, state: LeadState, now: int) -> float:
        """Return the sum of the gains at ``now``, each channel within its ceiling: the score is not above it."""
        facts, sums = self.facts, self.nothing.copy()
        for number, count, at in zip(state.rules, state.counts, state.times):
            points, rate, ceiling, channel = facts[number]
            if points > 0.0:
                amount = points * count * exp2((at - now) * rate)
                sums[channel] += amount if amount < ceiling else ceiling
        return state.fixed + self._within_ceilings(sums)

    def _within_ceilings(self, sums: list[float]) -> float:
        total = sums[0]
        for channel, cap in self._capped:
            amount = sums[channel]
            total += amount if amount < cap else cap
        return total

    def surely_stays_until(self, state: LeadState, since: int, now: int) -> int:
        """Return until when (ms) a silent lead certainly keeps its band; nothing is said where that is before ``now``.

        Gains are at least what is left of them at ``now``, and later fade no faster than the fastest of them; penalties
        are at most what they are at ``since``.
        """
        if state.held_until > now and state.band == len(self._book.bands) - 1:
            return state.held_until - 1  # at its end it is over
        sums, penalties, fastest = self.nothing.copy(), state.fixed, 0.0
        facts = self.facts
        for number, count, at in zip(state.rules, state.counts, state.times):
            points, rate, ceiling, channel = facts[number]
            if points > 0.0:
                amount = points * count * exp2((at - now) * rate)
                sums[channel] += amount if amount < ceiling else ceiling
                if rate > fastest:
                    fastest = rate
            else:
                amount = points * count * exp2((at - since) * rate)
                penalties += amount if amount > -ceiling else -ceiling
        gains = self._within_ceilings(sums)
        until = now + HORIZON_MS
        if self._watches_inactivity and (inactive_from := self._book.inactive_from(state.visits)) is not None:
            if now >= inactive_from:
                penalties += self._book.inactive_points
            else:
                until = inactive_from - 1
        needed = self._book.bands[state.band].leave - penalties
        if gains < needed:
            return now - 1
        if needed <= 0.0 or not fastest:
            return until
        return min(until, now + int(log2(gains / needed) / fastest))

    def next_cooling(self, state: LeadState, since: int) -> int:
        """Return the first time (ms), not before ``since``, at which the lead leaves its band if it stays silent."""
        if not state.band:
            return NEVER
        fixed, start = state.fixed, since
        if state.sales is not None and state.sales.until:
            for until, points in sorted(zip(state.sales.until, state.sales.points, strict=True)):
                cools_at = self._cooling_after(state, start, fixed)
                if cools_at < until:
                    return cools_at
                fixed, start = fixed - points, until
        return self._cooling_after(state, start, fixed)

    def _cooling_after(self, state: LeadState, since: int, fixed: float) -> int:
        """Return the first time at which the lead leaves its band if all that does not fade is ``fixed`` points."""
        book = self._book
        start = max(since, state.held_until) if state.band == len(book.bands) - 1 else since
        by_channel: list[list[Line]] = [[] for _ in book.channel_caps]
        facts = self.facts
        for number, count, at in zip(state.rules, state.counts, state.times):
            points, rate, ceiling, channel = facts[number]
            by_channel[channel].append((points * count * exp2((at - start) * rate), rate, ceiling))
        leave, near = book.bands[state.band].leave, max(0, -state.cools_at - start)
        terms = by_channel[0]
        capped = [(cap, by_channel[channel]) for channel, cap in self._capped if by_channel[channel]]
        inactive_from = self._book.inactive_from(state.visits)
        if not capped and inactive_from is None:
            wait = first_below(terms, leave - fixed, near)
        elif inactive_from is None:
            wait = Course(terms, fixed, capped).first_below(leave, near)
        else:
            until = max(0, inactive_from - start)
            wait = Course(terms, fixed, capped, until, book.inactive_points).first_below(leave, near)
        return NEVER if wait is None else start + wait
