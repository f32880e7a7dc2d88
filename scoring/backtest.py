"""Backtests: what a model would have said of leads before they were won or lost, event by event in their own order.

Nothing after a lead's deal is read for it: the lead is judged by what had happened before that moment, and only then
is the next event taken. How well the model did is worked out from these judgements, in :mod:`scoring.judgement`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

import msgspec

from scoring.deals import Deal
from scoring.decay import DAY_MS, WEEK_MS
from scoring.errors import SettingsError
from scoring.model import ScoringModel
from scoring.outcomes import Outcome
from scoring.replay import FileRecord, Replay
from scoring.score_records import LeadScore, score_later

OWNER: Final = "owner"
"""The contact's trait that says whose lead it is."""

_VISITOR: Final = "visitor"
_decode = msgspec.json.Decoder(LeadScore).decode
_time_of = attrgetter("timestamp")


@dataclass(frozen=True, slots=True)
class Judged:
    """A lead as the model saw it just before its deal at ``time_ms``; ``hot_ms`` is its first alert, if there was one.

    ``record`` is its score as published last before then, ``score`` (points) what that had come to.
    """

    lead: str
    is_won: bool
    time_ms: int
    score: float
    hot_ms: int | None
    record: LeadScore

    @property
    def days_ahead(self) -> float | None:
        """Days from the first alert to the deal."""
        return None if self.hot_ms is None else (self.time_ms - self.hot_ms) / DAY_MS


@dataclass(slots=True)
class Judgements:
    """What a model said: of each lead with a deal, and the alerts that it raised (time in ms, owner) until then.

    ``unknown`` are deals of leads of whom there is no event; ``too_early`` those before a lead's first event; ``same``
    those of a lead that another deal is about already, under another identity.
    """

    judged: list[Judged] = field(default_factory=list)
    alerts: list[tuple[int, str]] = field(default_factory=list)
    unknown: list[Deal] = field(default_factory=list)
    too_early: list[Deal] = field(default_factory=list)
    same: list[Deal] = field(default_factory=list)
    events: int = 0
    refused: int = 0
    first_ms: int = 0
    last_ms: int = 0

    @property
    def weeks(self) -> float:
        """How long the history is, in weeks; at least one."""
        return max(1.0, (self.last_ms - self.first_ms) / WEEK_MS)


def alerting_band(model: ScoringModel) -> str:
    """Return the highest band that alerts; raises :class:`SettingsError` where none does."""
    alerting = [name for name, band in model.bands.items() if band.cooldown_h is not None]
    if not alerting:
        raise SettingsError(
            f"model {model.version}: no band alerts, so there is nothing to judge; give one a cooldown_h, such as "
            "hot: {enter: 100, leave: 80, cooldown_h: 24}"
        )
    return alerting[-1]


class Backtest:
    """Takes records in the order of their timestamps, which are event times, and judges each deal at its moment.

    >>> from scoring.model import load_model
    >>> from scoring.models import DEFAULT_MODEL
    >>> day, start = 86_400_000, 1_767_225_600_000
    >>> def event(number, day_of):
    ...     text = f'{{"id":"{number}","type":"form_submitted","time":{start + day_of * day},"email":"ann@acme.com",'
    ...     return FileRecord(number, start + day_of * day, (text + '"properties":{"form":"demo"}}').encode())
    >>> backtest = Backtest(load_model(DEFAULT_MODEL), [Deal("email:ann@acme.com", True, start + 5 * day)])
    >>> backtest.take([event(1, 0), event(2, 9)])
    >>> [(round(each.score, 1), each.days_ahead) for each in backtest.finish().judged]
    [(48.1, 5.0)]
    """

    def __init__(self, model: ScoringModel, deals: Iterable[Deal], *, rest_is_lost: bool = False) -> None:
        self._band = alerting_band(model)
        self._replay = Replay(model)
        self._deals = sorted(deals, key=lambda deal: (deal.time_ms, deal.lead))
        self._next = 0
        self._rest_is_lost = rest_is_lost
        self._first_hot: dict[str, int] = {}
        self._closed: set[str] = set()
        self._unseen: list[Deal] = []
        self._found = Judgements()
        self._at_event: dict[bytes, bytes] = {}

    def take(self, records: Sequence[FileRecord]) -> None:
        """Score records, and judge what was decided before the last of them."""
        if not records:
            return
        self._found.first_ms = self._found.first_ms or records[0].timestamp
        self._found.last_ms = records[-1].timestamp
        start = 0
        while self._next < len(self._deals) and self._deals[self._next].time_ms <= records[-1].timestamp:
            deal = self._deals[self._next]
            end = bisect_left(records, deal.time_ms, start, key=_time_of)
            self._score(records[start:end])
            start, self._next = end, self._next + 1
            self._judge(deal)
        self._score(records[start:])

    def finish(self) -> Judgements:
        """Judge what is left, and return all of it, by time and lead."""
        for deal in self._deals[self._next :]:
            self._judge(deal)
        self._next = len(self._deals)
        for deal in self._unseen:
            known = self._replay.find(deal.lead)
            (self._found.unknown if known is None else self._found.too_early).append(deal)
            if known is not None:
                self._closed.add(known.lead)  # decided before we heard of it: no more lost than won
        if self._rest_is_lost:
            self._judge_rest()
        self._found.judged.sort(key=lambda each: (each.time_ms, each.lead))
        return self._found

    def _score(self, records: Sequence[FileRecord]) -> None:
        if not records:
            return
        self._tick(records[0].timestamp)
        outcome = self._replay.take(list(records))
        self._found.events += outcome.events
        self._found.refused += len(outcome.refusals)
        if self._rest_is_lost:
            self._at_event.update(outcome.scores)
        self._note(outcome)

    def _tick(self, time_ms: int) -> None:
        if self._replay.due_ms <= time_ms:
            self._note(self._replay.tick(time_ms))

    def _note(self, outcome: Outcome) -> None:
        """Note who was alerted, unless that was after their deal; those who turn out to be others take it along."""
        for alert in outcome.alerts:
            if alert.kind == "entered" and alert.band == self._band and alert.lead not in self._closed:
                self._first_hot.setdefault(alert.lead, alert.time_ms)
                self._found.alerts.append((alert.time_ms, str(alert.contact.get(OWNER, ""))))
        for gone, into in outcome.merged:
            self._at_event.pop(gone.encode(), None)
            if gone in self._closed:
                self._closed.add(into)
            if (hot_ms := self._first_hot.pop(gone, None)) is not None:
                self._first_hot[into] = min(hot_ms, self._first_hot.get(into, hot_ms))

    def _judge(self, deal: Deal) -> None:
        """Judge a lead by what was known the moment before its deal."""
        self._tick(deal.time_ms - 1)
        record = self._replay.find(deal.lead)
        if record is None:
            self._unseen.append(deal)
        elif record.lead in self._closed:
            self._found.same.append(deal)
        else:
            self._close(record, deal.is_won, deal.time_ms)

    def _close(self, record: LeadScore, is_won: bool, time_ms: int) -> None:
        self._closed.add(record.lead)
        hot_ms = self._first_hot.get(record.lead)
        score = score_later(record, time_ms)
        self._found.judged.append(Judged(record.lead, is_won, time_ms, score, hot_ms, record))

    def _judge_rest(self) -> None:
        """Count who was neither won nor lost as lost, at their last event: not when they had long cooled down."""
        for value in self._at_event.values():
            record = _decode(value)
            if record.lead not in self._closed and record.stage != _VISITOR:
                self._close(record, False, record.at_ms)


def run_backtest(
    models: Sequence[ScoringModel],
    chunks: Iterable[list[FileRecord]],
    deals: Sequence[Deal],
    *,
    rest_is_lost: bool = False,
) -> list[Judgements]:
    """Judge several models side by side by the same records, chunk by chunk, in the order of their timestamps."""
    backtests = [Backtest(model, deals, rest_is_lost=rest_is_lost) for model in models]
    for chunk in chunks:
        for backtest in backtests:
            backtest.take(chunk)
    return [backtest.finish() for backtest in backtests]


def in_chunks(records: Sequence[FileRecord], size: int) -> Iterator[list[FileRecord]]:
    """Yield records ``size`` at a time."""
    for start in range(0, len(records), size):
        yield list(records[start : start + size])
