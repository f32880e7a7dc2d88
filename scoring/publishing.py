"""What is published of a lead: its record for the lead-scores topic, made on the hot path once per chunk."""

from __future__ import annotations

from math import copysign, exp2

import msgspec

from scoring.bands import Bands
from scoring.explain import stage_of
from scoring.lead_state import LeadState
from scoring.rules import PHASES, Rulebook
from scoring.sales import STATUSES, Sales
from scoring.score_records import AdjustedLine, LeadScore, SalesNow, ScoreLine, to_millionths
from scoring.sums import Sums
from scoring.timers import NEVER
from scoring.traits import TraitBook

encode_score = msgspec.json.Encoder().encode


class Publisher:
    """Writes the records of one model's scores; ``record`` is the latest one."""

    def __init__(self, book: Rulebook, sums: Sums, traits: TraitBook, bands: Bands) -> None:
        self._book, self._sums, self._traits, self._bands = book, sums, traits, bands
        self._watches_inactivity = book.inactive_after_ms > 0
        self._published = [(*sums.facts[number], *self._lines_of(number)) for number in range(len(book.names))]
        self._version = book.model.version
        self._capped = [*zip(book.channel_names, book.channel_caps)][1:]
        self.record = self._unpublished("", 0.0, 0, 0)

    def _lines_of(self, number: int) -> tuple[int, ScoreLine, ScoreLine]:
        """Return a rule's phase (a number), and its published lines: below its ceiling, and at it."""
        book = self._book
        channel, ceiling = book.channel_names[book.channels[number]], book.stated_ceilings[number]
        line = ScoreLine(book.names[number], 0.0, book.half_lives_days[number], ceiling, None, channel)
        at_ceiling = copysign(ceiling or 0.0, book.points[number])
        capped_line = ScoreLine(book.names[number], at_ceiling, book.half_lives_days[number], ceiling, 0.0, channel)
        phase = book.phases[number]
        return (PHASES.index(phase) + 1 if phase else 0), line, capped_line

    def weigh(self, state: LeadState, lead: str) -> None:
        """Tighten a state's bound of its gains, and note its score and band: enough where nothing is published.

        When it will cool is left open, and what is noted says nothing of rules and contacts.
        """
        state.gains = self._sums.gains(state, state.last)
        self.record = self._unpublished(lead, self._sums.total(state, state.last), state.last, state.band)

    def _unpublished(self, lead: str, total: float, now: int, band: int) -> LeadScore:
        score = to_millionths(total) if total > 0.0 else 0.0
        return LeadScore(lead, score, now, self._book.bands[band].name, [], self._version)

    def settle(self, state: LeadState, lead: str) -> LeadScore:
        """Make a state's bounds exact, and return its record for the lead-scores topic, to be encoded at once.

        Done once per chunk, before the state is encoded. The lines of the record are the same objects each time, one
        per rule, since making them anew takes longer than all the rest.
        """
        if state.cools_at < 0:
            state.cools_at = self._sums.next_cooling(state, state.last)
        cools_at = state.cools_at
        if state.waiting is not None:
            state.cools_at = min(cools_at, state.waiting.until_ms or state.waiting.received_ms)
        book, now = self._book, state.last
        facts = self._published
        sums = self._sums.nothing.copy()
        lines: list[ScoreLine] = []
        losses, phase = 0.0, 0
        for number, count, at in zip(state.rules, state.counts, state.times):
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
            if amount < 0.0:
                losses += amount
            elif phase_number > phase and amount >= 1.0:
                phase = phase_number
        total = self._sums.total_of(state, sums, now)
        inactive_from = book.inactive_from(state.visits) if self._watches_inactivity else None
        if inactive_from is not None and now >= inactive_from:
            losses += book.inactive_points
        state.gains = total - losses
        channels: dict[str, float] = {}
        for channel, (name, cap) in enumerate(self._capped, 1):
            if sums[channel]:
                channels[name] = cap
        known, sales = state.facts, state.sales
        # In the order of the fields, since giving them by name takes twice as long, and setting them afterwards thrice.
        self.record = record = LeadScore(
            lead,
            to_millionths(total) if total > 0.0 else 0.0,
            now,
            book.bands[state.band].name,
            lines,
            self._version,
            stage_of(state, lead),
            PHASES[phase - 1] if phase else "",
            state.account,
            "" if known is None else known.name,
            None if known is None else known.fit,
            "" if not state.facts_version else "unknown" if known is None else known.level,
            self._bands.held_back(state, lead, total),
            self._traits.contact(state, lead),
            [] if state.person is None else self._traits.lines(state),
            channels,
            inactive_from,
            0.0 if inactive_from is None else book.inactive_points,
            None if cools_at == NEVER else cools_at,
            state.held_until or None,
            "",
            state.seen_at if state.cooled_ms else None,
            [] if sales is None else _adjusted(sales),
            None if sales is None else _now(sales),
        )
        return record


def _now(sales: Sales) -> SalesNow:
    return SalesNow(STATUSES[sales.status], sales.status_at, sales.is_customer, sales.suppressed)


def _adjusted(sales: Sales) -> list[AdjustedLine]:
    columns = zip(sales.reasons, sales.points, sales.until)
    return [AdjustedLine(reason, points, until) for reason, points, until in columns]
