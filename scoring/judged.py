"""What a backtest has found of each lead, before how well the model did is worked out from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from scoring.deals import Deal
from scoring.decay import DAY_MS, WEEK_MS
from scoring.score_records import LeadScore


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
