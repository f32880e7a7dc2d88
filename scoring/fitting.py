"""Points from outcomes: what a rule's matches turn out to say, by regularised logistic regression.

A rule contributes ``points · min(v, points_max / |points|)``, where ``v`` is its decayed count (see
:mod:`scoring.decay`): linear in the points as long as the ceiling stays as many matches away. So the regression is on
these counts, and its coefficients are the points, up to one factor. That is chosen such that the judged leads have as
many points to share as before, and the bands keep their meaning.

Needs scikit-learn, the optional extra ``fit``; nothing is imported until :func:`fit_points` is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, Literal

from scoring.decay import DAY_MS
from scoring.errors import DraftError
from scoring.judged import Judged
from scoring.judgement import Evidence, find_evidence, part, scores_of
from scoring.model import ScoringModel, Trait
from scoring.ranking import Z_95, Interval, compare_auc, find_auc

LEADS_MIN: Final = 10
"""A rule that fewer of the judged leads had is kept as it is: of so few nothing can be learned."""

CLASS_MIN: Final = 50
PER_RULE_MIN: Final = 10
"""Won leads, and lost ones, for each rule that is fitted (Peduzzi et al., J Clin Epidemiol 49, 1996, 1373-1379)."""

FOLDS: Final = 5
STRENGTH: Final = 1.0
"""The inverse of the ridge penalty, on counts that are brought to a standard deviation of 1."""

LEAST: Final = 0.1
"""Points of what says nothing: a rule of 0 points is none, and signals may ask about it."""

LADDER: Final = (LEAST, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300)
"""The points that people give."""

Verdict = Literal["fitted", "nothing", "against", "kept"]
"""``nothing``: what is found may be chance; ``against``: it speaks for the opposite; ``kept``: too few had it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed for a rule or a trait: its points, and how they come to be.

    ``odds`` is the log odds of a match, or of a trait's best answer, with the 95 % interval; None where it is kept.
    ``factor`` is by how much all points of a rule or trait are multiplied, before they are rounded.
    """

    evidence: Evidence
    verdict: Verdict
    before: float
    points: float
    factor: float
    odds: Interval | None


@dataclass(frozen=True, slots=True)
class Fit:
    """Proposals for all rules and traits, and how well they tell won from lost among leads that they were not made of.

    ``gain`` is how much larger that area under the curve is than the present model's.
    """

    proposals: list[Proposal]
    won: int
    lost: int
    before: Interval
    held_out: Interval
    gain: Interval


def fit_points(model: ScoringModel, judged: Iterable[Judged]) -> Fit:
    """Propose points by what came of the judged leads.

    Raises :class:`DraftError` where there are too few leads, and where the gain may be chance.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    won, lost = part(judged)
    if not won or not lost:
        raise _nothing_to_fit(len(won), len(lost))
    table = _Table(model, [*won, *lost], len(won))
    _require_enough(table, len(won), len(lost))
    evidence = {each.name: each for each in find_evidence(model, won, lost)}
    held_out = np.zeros(len(table.leads))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for train, test in folds.split(table.counts, table.is_won):
        held_out[test] = table.score(_propose(table, train, evidence), test)
    before = scores_of(won), scores_of(lost)
    after = held_out[: len(won)].tolist(), held_out[len(won) :].tolist()
    gain = compare_auc(before, after)
    fit = Fit(
        _propose(table, np.arange(len(table.leads)), evidence),
        len(won),
        len(lost),
        find_auc(*before),
        find_auc(*after),
        gain,
    )
    if gain.low <= 0:
        raise DraftError(
            f"the present points tell won from lost with an area of {fit.before.value:.3f}; fitted ones, of leads that "
            f"they were not made of, with {fit.held_out.value:.3f}. The difference of {gain.value:+.3f} "
            f"({gain.low:+.3f} to {gain.high:+.3f}) may be chance, so nothing is proposed: keep the model, and try "
            "again with more outcomes"
        )
    return fit


def _require_enough(table: _Table, won: int, lost: int) -> None:
    if not table.fitted:
        raise _nothing_to_fit(won, lost)
    needed = max(CLASS_MIN, PER_RULE_MIN * len(table.fitted))
    if min(won, lost) < needed:
        raise DraftError(
            f"{won} won and {lost} lost leads are too few for {len(table.fitted)} rules and traits: at least {needed} "
            f"of each are needed ({PER_RULE_MIN} for each rule that {LEADS_MIN} leads had, and {CLASS_MIN} in any "
            "case). Take outcomes from further back, or leave rules out of the model"
        )


def _nothing_to_fit(won: int, lost: int) -> DraftError:
    return DraftError(
        f"{won} won and {lost} lost leads, and no rule that {LEADS_MIN} of them had: there is nothing to fit: at least "
        f"{CLASS_MIN} won and {CLASS_MIN} lost leads are needed, with events before their outcome"
    )


class _Table:
    """The decayed counts of the judged leads, a row each; ``fitted`` are the columns that can be learned from."""

    def __init__(self, model: ScoringModel, leads: Sequence[Judged], won: int) -> None:
        import numpy as np

        self.leads = leads
        self.names = [*model.rules, *model.traits]
        self.points = np.array([*(r.points for r in model.rules.values()), *map(_best, model.traits.values())])
        caps = {name: rule.points_max / abs(rule.points) for name, rule in model.rules.items()}
        best = {name: _best(trait) for name, trait in model.traits.items()}
        columns = {name: column for column, name in enumerate(self.names)}
        self.counts = np.zeros((len(leads), len(self.names)))
        for row, each in enumerate(leads):
            for name, count in _counts(each, model, caps, best):
                self.counts[row, columns[name]] = count
        self.is_won = np.arange(len(leads)) < won
        had = (self.counts != 0).sum(axis=0)
        varies = self.counts.std(axis=0) > 1e-9
        self.fitted = [column for column in range(len(self.names)) if had[column] >= LEADS_MIN and varies[column]]
        ceilings = {name: channel.points_max for name, channel in model.channels.items()}
        in_channel: dict[str, list[int]] = {}
        for name, rule in model.rules.items():
            if rule.channel in ceilings:
                in_channel.setdefault(rule.channel, []).append(columns[name])
        self._channels = [(in_channel[name], ceilings[name]) for name in in_channel]

    def score(self, proposals: Sequence[Proposal], rows: Any) -> Any:
        """Return what leads would have scored with other points: with channels' ceilings, and not below 0."""
        import numpy as np

        points = np.array([each.points for each in proposals])
        parts = self.counts[rows] * points
        total = parts.sum(axis=1)
        for columns, ceiling in self._channels:
            of_channel = parts[:, columns].sum(axis=1)
            total -= np.maximum(0.0, of_channel - ceiling)
        return np.maximum(0.0, total)


def _best(trait: Trait) -> float:
    """Return the points of a flag, or of the answer worth most, for or against."""
    return max((answer.points for answer in trait.answers), key=abs) if trait.is_question else trait.points


def _counts(
    judged: Judged, model: ScoringModel, caps: Mapping[str, float], best: Mapping[str, float]
) -> Iterable[tuple[str, float]]:
    """Yield the decayed count of each rule just before the outcome, up to its ceiling, and the traits' shares."""
    for line in judged.record.rules:
        amount = line.points if line.amount is None else line.amount
        wait_ms = judged.time_ms - judged.record.at_ms
        count = amount / model.rules[line.rule].points * 2 ** (-wait_ms / (line.half_life_days * DAY_MS))
        yield line.rule, min(count, caps[line.rule])
    for told in judged.record.traits:
        yield told.trait, told.points / best[told.trait]


def _propose(table: _Table, rows: Any, evidence: Mapping[str, Evidence]) -> list[Proposal]:
    """Fit the leads in ``rows``, and return a proposal for each rule and trait, in order."""
    import numpy as np

    counts = table.counts[np.ix_(rows, table.fitted)]
    odds = dict(zip(table.fitted, _regress(counts, table.is_won[rows]), strict=True))
    verdicts = {column: _judge(interval, table.points[column]) for column, interval in odds.items()}
    size = np.abs(counts).sum(axis=0)
    shared = sum(size[at] * abs(table.points[column]) for at, column in enumerate(table.fitted))
    weighed = sum(
        size[at] * abs(odds[column].value) for at, column in enumerate(table.fitted) if verdicts[column] == "fitted"
    )
    scale = float(shared / weighed) if weighed else 0.0
    return [
        _proposal(evidence[name], float(table.points[column]), odds.get(column), verdicts.get(column, "kept"), scale)
        for column, name in enumerate(table.names)
    ]


def _proposal(evidence: Evidence, before: float, odds: Interval | None, verdict: Verdict, scale: float) -> Proposal:
    points = before
    if verdict != "kept":
        size = round_points(abs(odds.value) * scale) if odds is not None and verdict == "fitted" else LEAST
        points = size if before > 0 else -size
    return Proposal(evidence, verdict, before, points, points / before, odds)


def _judge(odds: Interval, points: float) -> Verdict:
    """Say what an interval of log odds makes of a rule: it keeps its sign, or says nothing."""
    if odds.low <= 0 <= odds.high:
        return "nothing"
    return "fitted" if (odds.value > 0) == (points > 0) else "against"


def _regress(counts: Any, is_won: Any) -> list[Interval]:
    """Return the log odds of one more count for each column, with Wald's 95 % intervals of the penalised likelihood."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    deviations = counts.std(axis=0)
    deviations[deviations == 0] = 1.0
    scaled = (counts - counts.mean(axis=0)) / deviations
    found = LogisticRegression(C=STRENGTH, max_iter=1000).fit(scaled, is_won)
    chances = found.predict_proba(scaled)[:, 1]
    design = np.column_stack([np.ones(len(scaled)), scaled])
    information = design.T @ (design * (chances * (1 - chances))[:, None])
    information[1:, 1:] += np.eye(scaled.shape[1]) / STRENGTH
    errors = np.sqrt(np.diag(np.linalg.inv(information)))[1:]
    return [
        Interval(float(value), float(value - Z_95 * error), float(value + Z_95 * error))
        for value, error in zip(found.coef_[0] / deviations, errors / deviations, strict=True)
    ]


def round_points(points: float) -> float:
    """Return the nearest number of points that people give, for a number that is not below 0.

    >>> [round_points(points) for points in (0.02, 0.8, 6.8, 13.0, 47.3, 9_000.0)]
    [0.1, 1, 6, 12, 50, 300]
    """
    return min(LADDER, key=lambda step: (abs(step - points), step))


def ceiling_of(before: float, points_max: float, points: float) -> float | None:
    """Return a rule's ceiling for other points: as many matches away as before; None where there is none.

    >>> ceiling_of(10.0, 20.0, 25.0), ceiling_of(1.0, float("inf"), 5.0)
    (50.0, None)
    """
    return None if points_max == inf else max(abs(points), round(points_max * abs(points / before), 2))
