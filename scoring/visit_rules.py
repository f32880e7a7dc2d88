"""Rules about visits: how often somebody has come back, counted from the visits that a lead remembers."""

from __future__ import annotations

from math import exp2, inf

from scoring.lead_state import TIME_BYTES, LeadState
from scoring.rules import Rulebook
from scoring.visits import ONE_MORE, OTHERS, count_repeats, read_starts, see_visit, start_of


class VisitCounter:
    """Counts visits by one rulebook.

    An event at most ``goes_on_ms`` after the last one of a visit only moves the end of that, and changes nothing else.
    """

    def __init__(self, book: Rulebook) -> None:
        self._book = book
        self._watches_inactivity = book.inactive_after_ms > 0
        self.goes_on_ms = 0 if self._watches_inactivity else book.gap_ms

    def see(self, state: LeadState, time_ms: int, changed: bool, recheck: bool) -> tuple[bool, bool]:
        """Let an event count as part of a visit; returns whether the score changed, and whether it may have sunk."""
        visits, watches_inactivity = state.visits, self._watches_inactivity
        if visits:
            end = int.from_bytes(visits[-TIME_BYTES:])
            if end < time_ms <= end + self._book.gap_ms:  # nearly always: the visit goes on
                visits[-TIME_BYTES:] = time_ms.to_bytes(TIME_BYTES)
                return changed or watches_inactivity, recheck
        inactive_from = self._book.inactive_from(visits) if watches_inactivity else None
        seen = see_visit(visits, time_ms, self._book.gap_ms)
        if seen is ONE_MORE:
            changed = self._count_last(state, time_ms) or changed
        elif seen is OTHERS and self.recount(state):
            changed = recheck = True
        if watches_inactivity and self._book.inactive_from(visits) != inactive_from:
            # From the first visit on a lead may be inactive; each later one can only put that off.
            changed, recheck = True, recheck or inactive_from is None
        return changed, recheck

    def recount(self, state: LeadState) -> bool:
        """Count the repeated visits anew; return whether any rule's count changed."""
        changed = False
        starts = read_starts(state.visits) if self._book.visit_rules else []
        for rule in self._book.visit_rules:
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

    def _count_last(self, state: LeadState, start_ms: int) -> bool:
        """Count the visit that has just begun where it is a repeated one; return whether it was."""
        counted = False
        for rule in self._book.visit_rules:
            first_ms = start_of(state.visits, rule.at_least - 1)
            if first_ms is None or start_ms - first_ms > rule.within_ms:
                continue
            counted = True
            state.gains += self._book.points[rule.number]
            if rule.number in state.rules:
                column = state.rules.index(rule.number)
                faded = state.counts[column] * exp2((state.times[column] - start_ms) * rule.rate)
                state.counts[column], state.times[column] = faded + 1.0, start_ms
            else:
                _add_column(state, rule.number, 1.0, start_ms)
        return counted


def _add_column(state: LeadState, number: int, count: float, time_ms: int) -> None:
    state.rules.append(number)
    state.counts.append(count)
    state.times.append(time_ms)
    state.subjects.append("")
