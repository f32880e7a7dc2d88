"""A lead's published record, and what it comes to at a later moment: line by line, so that the lines sum up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from scoring.alerts import Alert
from scoring.cooling import Term, total_after
from scoring.decay import DAY_MS
from scoring.score_records import LeadScore, ScoreLine, score_later


class RuleNow(msgspec.Struct, kw_only=True):
    """What one rule contributes: ``points`` as of the lead's last event, ``points_now`` at the moment asked for."""

    rule: str
    points: float
    points_now: float
    half_life_days: float
    points_max: float | None
    at_ceiling: bool


class OtherNow(msgspec.Struct, kw_only=True):
    """What else counts: a trait, points by hand, what a channel's ceiling cuts off, inactivity, or the floor."""

    kind: Literal["trait", "adjusted", "channel", "inactivity", "floor"]
    name: str
    points: float
    points_now: float


class LeadNow(msgspec.Struct, kw_only=True):
    """A lead at ``now_ms``: its published record, what that comes to by then, and its last alerts.

    The points of ``rules`` and ``others`` sum to the score.
    """

    lead: str
    now_ms: int
    score_now: float
    has_cooled: bool
    rules: list[RuleNow]
    others: list[OtherNow]
    record: LeadScore
    alerts: list[Alert]


def explain(record: LeadScore, alerts: list[bytes], now_ms: int) -> LeadNow:
    """Return what a published record comes to at ``now_ms``, or at its own time where that lies ahead."""
    now_ms = max(now_ms, record.at_ms)
    # A rule that has left the model is published with half-life 0 and nothing to give.
    record.rules = [line for line in record.rules if line.half_life_days > 0]
    rules = [_explain_line(line, now_ms - record.at_ms) for line in record.rules]
    return LeadNow(
        lead=record.lead,
        now_ms=now_ms,
        score_now=score_later(record, now_ms),
        has_cooled=record.cools_at_ms is not None and record.cools_at_ms <= now_ms,
        rules=sorted(rules, key=_largest_first),
        others=list(_explain_others(record, rules, now_ms)),
        record=record,
        alerts=[msgspec.json.decode(alert, type=Alert) for alert in alerts],
    )


def _explain_others(record: LeadScore, rules: list[RuleNow], now_ms: int) -> Iterator[OtherNow]:
    """Yield what a record holds beside its rules, then and at ``now_ms``; what is nothing both times is left out."""
    found = [
        OtherNow(kind="trait", name=line.trait, points=line.points, points_now=line.points) for line in record.traits
    ]
    for line in record.adjusted:
        then, now = (line.points * (at < line.until_ms) for at in (record.at_ms, now_ms))
        found.append(OtherNow(kind="adjusted", name=line.reason, points=then, points_now=now))
    for channel, ceiling in record.channels.items():
        names = {line.rule for line in record.rules if line.channel == channel}
        then, now = (
            min(0.0, ceiling - sum(getattr(rule, field) for rule in rules if rule.rule in names))
            for field in ("points", "points_now")
        )
        found.append(OtherNow(kind="channel", name=channel, points=then, points_now=now))
    if record.inactive_from_ms is not None:
        then, now = (record.inactive_points * (at >= record.inactive_from_ms) for at in (record.at_ms, now_ms))
        found.append(OtherNow(kind="inactivity", name="inactivity", points=then, points_now=now))
    then, now = (
        max(0.0, -sum(getattr(line, field) for line in (*rules, *found))) for field in ("points", "points_now")
    )
    found.append(OtherNow(kind="floor", name="floor", points=then, points_now=now))
    yield from (other for other in found if other.points or other.points_now)


def _explain_line(line: ScoreLine, wait_ms: int) -> RuleNow:
    ceiling = float("inf") if line.points_max is None else line.points_max
    amount = line.points if line.amount is None else line.amount
    points_now = total_after([Term(amount, 1 / (line.half_life_days * DAY_MS), ceiling)], wait_ms)
    return RuleNow(
        rule=line.rule,
        points=line.points,
        points_now=points_now,
        half_life_days=line.half_life_days,
        points_max=line.points_max,
        at_ceiling=abs(points_now) >= ceiling,
    )


def _largest_first(rule: RuleNow) -> tuple[float, str]:
    return -abs(rule.points_now), rule.rule
