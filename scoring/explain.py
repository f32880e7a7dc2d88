"""Why a score is what it is: the ledger, and alerts that a person can make a call from."""

from __future__ import annotations

from math import exp2
from typing import Any, Final

import msgspec

from scoring.alerts import Alert, Cause, Evidence, LedgerLine, Origin
from scoring.identity import VISITOR_INITIAL
from scoring.lead_state import ACTIVITY_MARK, EVENT_BYTES, ID_BYTES, LeadState
from scoring.rules import Rulebook
from scoring.sales import Sales
from scoring.touches import Touch
from scoring.traits import TraitBook
from scoring.visits import last_visit_ms

EVIDENCE_MAX: Final = 10


def stage_of(state: LeadState, lead: str) -> str:
    """Return how far a lead has come: ``visitor``, ``inactive`` (no conversion yet) or ``converted``."""
    return "visitor" if lead[0] == VISITOR_INITIAL else "converted" if state.converted_at else "inactive"


class Explainer:
    """Explains the scores of one model."""

    def __init__(self, book: Rulebook, traits: TraitBook) -> None:
        self._book, self._traits = book, traits

    def alert(self, state: LeadState, lead: str, at: int, cause: Cause | None, **particulars: Any) -> Alert:
        """Return an alert with what every kind of it says: the score at ``at`` (ms), why, and whom to call."""
        ledger = self.ledger(state, at)
        unknown, coverage = self._traits.unknown(state, lead)
        facts = state.facts
        return Alert(
            lead=lead,
            time_ms=at,
            score=round(max(0.0, sum(line.points for line in ledger)), 6),
            ledger=ledger,
            model=self._book.model.version,
            phase=self._book.phase_of(ledger),
            cause=cause,
            stage=stage_of(state, lead),
            account=state.account,
            company="" if facts is None else facts.name,
            fit=None if facts is None else facts.fit,
            fit_level="unknown" if facts is None and self._book.rates_fit else "" if facts is None else facts.level,
            contact=self._traits.contact(state, lead),
            first_touch=_origin(state.first_touch),
            last_touch=_origin(state.last_touch),
            unknown=unknown,
            coverage=coverage,
            customer=state.sales is not None and state.sales.is_customer,
            **particulars,
        )

    def ledger(self, state: LeadState, now: int) -> list[LedgerLine]:
        """Return the lines that sum to the score at ``now`` (ms), the largest first."""
        lines = [*self._rule_lines(state, now), *self._trait_lines(state)]
        lines += self._channel_lines(state, lines)
        inactive = self._inactive_line(state, now)
        if inactive is not None:
            lines.append(inactive)
        if state.sales is not None:
            lines += _adjusted_lines(state.sales)
        lines.sort(key=lambda line: (-abs(line.points), line.kind, line.rule))
        total = sum(line.points for line in lines)
        if total < 0:
            lines.append(LedgerLine(rule="floor", kind="floor", points=-total))
        return lines

    def _rule_lines(self, state: LeadState, now: int) -> list[LedgerLine]:
        book, lines = self._book, []
        evidence = _evidence_by_rule(state)
        for number, count, at, subject in zip(state.rules, state.counts, state.times, state.subjects, strict=True):
            if not book.points[number] or not count:
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
                    subject=subject,
                    events=evidence.get(number, []),
                )
            )
        return lines

    def _trait_lines(self, state: LeadState) -> list[LedgerLine]:
        return [
            LedgerLine(rule=line.trait, kind="trait", points=line.points, subject="from the account" * line.of_account)
            for line in self._traits.lines(state)
        ]

    def _channel_lines(self, state: LeadState, lines: list[LedgerLine]) -> list[LedgerLine]:
        """Return what the ceilings of channels cut off."""
        book = self._book
        channel_of = {name: channel for name, channel in zip(book.names, book.channels, strict=True) if channel}
        sums = [0.0] * len(book.channel_caps)
        for line in lines:
            if line.kind == "rule":
                sums[channel_of.get(line.rule, 0)] += line.points
        return [
            LedgerLine(rule=book.channel_names[channel], kind="channel", points=book.channel_caps[channel] - points)
            for channel, points in enumerate(sums)
            if points > book.channel_caps[channel]
        ]

    def _inactive_line(self, state: LeadState, now: int) -> LedgerLine | None:
        inactive_from = self._book.inactive_from(state.visits)
        if inactive_from is None or now < inactive_from:
            return None
        last_ms, points = last_visit_ms(state.visits), self._book.inactive_points
        return LedgerLine(rule="inactivity", kind="inactivity", points=points, last_ms=last_ms)


def _adjusted_lines(sales: Sales) -> list[LedgerLine]:
    columns = zip(sales.points, sales.since, sales.reasons, strict=True)
    return [
        LedgerLine(rule="adjusted", kind="adjusted", points=points, last_ms=since, subject=reason)
        for points, since, reason in columns
    ]


def _evidence_by_rule(state: LeadState) -> dict[int, list[Evidence]]:
    """Return the latest remembered events of each rule, the latest first; of equal times, the last to come."""
    found: dict[int, list[int]] = {}
    rules, position = state.event_rules, 0
    for place in range(0, len(state.events), EVENT_BYTES):
        end = position + 1 + 2 * (rules[position] & ~ACTIVITY_MARK)
        for at in range(position + 1, end, 2):
            found.setdefault(rules[at] << 8 | rules[at + 1], []).append(place)
        position = end
    return {number: _latest(state.events, places) for number, places in found.items()}


def _latest(events: bytearray, places: list[int]) -> list[Evidence]:
    """Return the latest of the remembered events at ``places`` (byte positions), as far as they are shown."""
    ordered = sorted(((events[place + ID_BYTES : place + EVENT_BYTES], place) for place in places), reverse=True)
    return [
        Evidence(time_ms=int.from_bytes(time), hash=events[place : place + ID_BYTES].hex())
        for time, place in ordered[:EVIDENCE_MAX]
    ]


def _origin(touch: Touch | None) -> Origin | None:
    if touch is None:
        return None
    return Origin(**msgspec.structs.asdict(touch))
