"""Where two models part: the same leads' published scores under each, lead by lead and reason by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from scoring.adoption import EXAMPLES_MAX, Move
from scoring.score_records import LeadScore
from streams.lead_now import explain

ROUNDING = 1e-6


class Parting(msgspec.Struct, kw_only=True):
    """A lead whose score differs: points and band by the model in use and by the candidate, and why.

    ``reasons`` are the differences of points by rule, trait or other line, the largest first; they sum to the
    difference of the scores.
    """

    lead: str
    points: tuple[float, float]
    bands: tuple[str, str]
    reasons: dict[str, float]

    @property
    def difference(self) -> float:
        """Points by the candidate less those by the model in use."""
        return self.points[1] - self.points[0]


class Reason(msgspec.Struct, kw_only=True):
    """What a rule, or another line, contributes to the differences of all leads: how many it concerns, and points."""

    reason: str
    leads: int = 0
    points: float = 0.0


class Comparison(msgspec.Struct, kw_only=True):
    """Two models on the same leads at ``at_ms``.

    ``only_in_use`` and ``only_candidate`` count the leads that only one of them has (yet). ``partings`` are the leads
    whose scores differ, those in another band first, then by how much.
    """

    at_ms: int
    models: tuple[str, str]
    leads: int = 0
    only_in_use: int = 0
    only_candidate: int = 0
    moves: list[Move] = msgspec.field(default_factory=list)
    reasons: list[Reason] = msgspec.field(default_factory=list)
    partings: list[Parting] = msgspec.field(default_factory=list)


_decode = msgspec.json.Decoder(LeadScore).decode


def compare_scores(in_use: Mapping[bytes, bytes], candidate: Mapping[bytes, bytes], now_ms: int) -> Comparison:
    """Compare the last records of two lead-scores topics, each brought to ``now_ms``."""
    found = Comparison(at_ms=now_ms, models=("", ""))
    moves: dict[tuple[str, str], Move] = {}
    reasons: dict[str, Reason] = {}
    labels: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for key in sorted(in_use.keys() | candidate.keys()):
        if key not in candidate or key not in in_use:
            found.only_in_use += key in in_use
            found.only_candidate += key in candidate
            continue
        ours, theirs = _decode(in_use[key]), _decode(candidate[key])
        labels[0][ours.model] += 1
        labels[1][theirs.model] += 1
        found.leads += 1
        parting = _part(ours, theirs, now_ms)
        if parting is None:
            continue
        found.partings.append(parting)
        if parting.bands[0] != parting.bands[1]:
            move = moves.setdefault(parting.bands, Move(from_band=parting.bands[0], to_band=parting.bands[1]))
            move.leads += 1
            if move.leads <= EXAMPLES_MAX:
                move.examples.append(parting.lead)
        for name, points in parting.reasons.items():
            reason = reasons.setdefault(name, Reason(reason=name))
            reason.leads += 1
            reason.points += points
    found.models = _most_common(labels[0]), _most_common(labels[1])
    found.moves = sorted(moves.values(), key=lambda move: -move.leads)
    found.reasons = sorted(reasons.values(), key=lambda reason: (-abs(reason.points), reason.reason))
    found.partings.sort(key=lambda each: (each.bands[0] == each.bands[1], -abs(each.difference), each.lead))
    return found


def _most_common(labels: Counter[str]) -> str:
    return labels.most_common(1)[0][0] if labels else ""


def _part(ours: LeadScore, theirs: LeadScore, now_ms: int) -> Parting | None:
    """Return how a lead differs, or None where neither its score nor its band does."""
    now_ms = max(now_ms, ours.at_ms, theirs.at_ms)
    bands = ours.band, theirs.band
    sides = [dict(_lines(record, now_ms)) for record in (ours, theirs)]
    differences = {
        name: round(sides[1].get(name, 0.0) - sides[0].get(name, 0.0), 6) for name in {**sides[0], **sides[1]}
    }
    reasons = {name: points for name, points in differences.items() if abs(points) > ROUNDING}
    if not reasons and bands[0] == bands[1]:
        return None
    points = explain(ours, [], now_ms).score_now, explain(theirs, [], now_ms).score_now
    ordered = dict(sorted(reasons.items(), key=lambda item: (-abs(item[1]), item[0])))
    return Parting(lead=ours.lead, points=points, bands=bands, reasons=ordered)


def _lines(record: LeadScore, now_ms: int) -> Iterator[tuple[str, float]]:
    now = explain(record, [], now_ms)
    for rule in now.rules:
        yield rule.rule, rule.points_now
    for other in now.others:
        if other.kind == "adjusted":
            continue  # one line of all, below: two may have the same reason
        yield other.name if other.kind == "trait" else f"{other.kind} {other.name}".strip(), other.points_now
    adjusted = sum(line.points for line in record.adjusted if now_ms < line.until_ms)
    if adjusted:
        yield "adjusted", adjusted
