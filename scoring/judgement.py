"""What a backtest comes to: how early and how surely a model told won from lost, and what its rules had to do with it.

Dataclasses throughout, so that the same report goes to a terminal, a spreadsheet, a program and a page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Final

from scoring.backtest import alerting_band
from scoring.decay import WEEK_MS
from scoring.judged import Judged, Judgements
from scoring.model import ScoringModel
from scoring.ranking import Interval, compare_auc, find_auc, lift_at

LIFT_SHARE: Final = 0.1
"""The best leads by score that the lift is about: a tenth of all."""

NOBODY: Final = "nobody"
"""Whose alerts those are of leads without an owner."""


@dataclass(frozen=True, slots=True)
class Group:
    """The won, or the lost: how many were alerted before their deal, and how many days ahead (quartiles)."""

    leads: int
    hot: int
    hot_share: float
    days_ahead: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A rule or trait: how many of the won and of the lost had it, and how many times as often the won had it.

    ``ratio`` is that of the shares; None where nobody lost had it.
    """

    name: str
    kind: str
    won: int
    lost: int
    won_share: float
    lost_share: float
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Load:
    """The alerts that a model raised: in all, in a week, in each week of the history, and by owner a week."""

    alerts: int
    per_week: float
    weekly: list[int]
    per_owner: dict[str, float]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model came to. ``precision`` (None without alerts) and ``recall`` are about leads alerted before the deal.

    Counts of deals that could not be judged are ``unknown``, ``too_early`` and ``same``; see
    :class:`scoring.judged.Judgements`.
    """

    model: str
    band: str
    won: Group
    lost: Group
    precision: float | None
    recall: float
    lift: float
    auc: Interval
    load: Load
    evidence: list[Evidence]
    events: int
    refused: int
    unknown: int
    too_early: int
    same: int


def sum_up(model: ScoringModel, found: Judgements) -> Judgement:
    """Return what the judgements of a model come to; there must be won and lost among them."""
    won, lost = part(found.judged)
    hot_won, hot_lost = (sum(each.hot_ms is not None for each in group) for group in (won, lost))
    scores = scores_of(won), scores_of(lost)
    return Judgement(
        model=model.version,
        band=alerting_band(model),
        won=_group(won),
        lost=_group(lost),
        precision=hot_won / (hot_won + hot_lost) if hot_won + hot_lost else None,
        recall=hot_won / len(won),
        lift=lift_at(LIFT_SHARE, *scores),
        auc=find_auc(*scores),
        load=_load(found),
        evidence=find_evidence(model, won, lost),
        events=found.events,
        refused=found.refused,
        unknown=len(found.unknown),
        too_early=len(found.too_early),
        same=len(found.same),
    )


def compare(before: Judgements, after: Judgements) -> Interval:
    """Return how much larger the area under the curve is under another model, of the leads that both judged."""
    return compare_auc(*((scores_of(won), scores_of(lost)) for won, lost in (part(before.judged), part(after.judged))))


def part(judged: Iterable[Judged]) -> tuple[list[Judged], list[Judged]]:
    """Return the won and the lost, each ordered by lead."""
    ordered = sorted(judged, key=lambda each: each.lead)
    return [each for each in ordered if each.is_won], [each for each in ordered if not each.is_won]


def scores_of(judged: Iterable[Judged]) -> list[float]:
    """Return the scores (points), in order."""
    return [each.score for each in judged]


def find_evidence(model: ScoringModel, won: Sequence[Judged], lost: Sequence[Judged]) -> list[Evidence]:
    """Return for each rule and trait of the model who had it before the deal, the most telling first."""
    rules = _count(won, _rules_of), _count(lost, _rules_of)
    traits = _count(won, _traits_of), _count(lost, _traits_of)
    found = [
        *(_evidence(name, "rule", rules, len(won), len(lost)) for name in model.rules),
        *(_evidence(name, "trait", traits, len(won), len(lost)) for name in model.traits),
    ]
    return sorted(found, key=_most_telling_first)


def _most_telling_first(evidence: Evidence) -> tuple[bool, float, str]:
    """Order by ratio, where what nobody lost had is above all, and what nobody had at all comes last."""
    had = evidence.won + evidence.lost
    return not had, -(float("inf") if evidence.ratio is None else evidence.ratio), evidence.name


def _evidence(name: str, kind: str, had: tuple[Counter[str], Counter[str]], won: int, lost: int) -> Evidence:
    won_share, lost_share = had[0][name] / won, had[1][name] / lost
    ratio = won_share / lost_share if lost_share else None
    return Evidence(name, kind, had[0][name], had[1][name], won_share, lost_share, ratio)


def _count(judged: Iterable[Judged], names_of: Callable[[Judged], Iterable[str]]) -> Counter[str]:
    return Counter(name for each in judged for name in names_of(each))


def _rules_of(judged: Judged) -> Iterable[str]:
    return (line.rule for line in judged.record.rules)


def _traits_of(judged: Judged) -> Iterable[str]:
    return (line.trait for line in judged.record.traits)


def _group(judged: Sequence[Judged]) -> Group:
    days = sorted(each.days_ahead for each in judged if each.days_ahead is not None)
    return Group(len(judged), len(days), len(days) / len(judged), _quartiles(days))


def _quartiles(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Return the lower quartile, the median and the upper quartile.

    >>> _quartiles([1.0, 2.0, 4.0]), _quartiles([3.0]), _quartiles([])
    ((1.5, 2.0, 3.0), (3.0, 3.0, 3.0), None)
    """
    if not values:
        return None
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return low, middle, high


def _load(found: Judgements) -> Load:
    weekly = [0] * (int((found.last_ms - found.first_ms) // WEEK_MS) + 1)
    owners: Counter[str] = Counter()
    for time_ms, owner in found.alerts:
        weekly[min(max(0, (time_ms - found.first_ms) // WEEK_MS), len(weekly) - 1)] += 1
        owners[owner or NOBODY] += 1
    per_owner = {owner: count / found.weeks for owner, count in sorted(owners.items())}
    return Load(len(found.alerts), len(found.alerts) / found.weeks, weekly, per_owner)
