"""Where two models part is told lead by lead, and by reasons that sum to the difference."""

from __future__ import annotations

import msgspec
import pytest

from scoring.adoption import Move
from scoring.score_records import LeadScore, ScoreLine, TraitLine
from streams.model_comparison import compare_scores
from tests.unit.builders import NOW, days


def published(lead: str, band: str, model: str, traits: float = 0.0, **rules: float) -> dict[bytes, bytes]:
    lines = [ScoreLine(name, points, 10.0) for name, points in rules.items()]
    told = [TraitLine(trait="budget", points=traits)] if traits else []
    score = sum(rules.values()) + traits
    return {lead.encode(): msgspec.json.encode(LeadScore(lead, score, NOW, band, lines, model, traits=told))}


IN_USE = {
    **published("user:1", "warm", "old", view=20, form=10),
    **published("user:2", "cold", "old", view=10),
    **published("user:3", "cold", "old", view=5, traits=5),
    **published("user:gone", "cold", "old", view=5),
}
CANDIDATE = {
    **published("user:1", "hot", "new", view=60, form=5),
    **published("user:2", "cold", "new", view=10),
    **published("user:3", "cold", "new", view=15, traits=1),
}


def test_leads_part_by_band_first_and_by_their_reasons_as_of_now() -> None:
    found = compare_scores(IN_USE, CANDIDATE, NOW + days(10))  # everything but traits has halved by then
    assert (found.models, found.leads, found.only_in_use, found.only_candidate) == (("old", "new"), 3, 1, 0)
    assert found.moves == [Move(from_band="warm", to_band="hot", leads=1, examples=["user:1"])]
    assert [(each.lead, each.points, each.reasons) for each in found.partings] == [
        ("user:1", (15.0, 32.5), {"view": 20.0, "form": -2.5}),
        ("user:3", (7.5, 8.5), {"view": 5.0, "budget": -4.0}),
    ]
    assert [(each.reason, each.leads, each.points) for each in found.reasons] == [
        ("view", 2, 25.0),
        ("budget", 1, -4.0),
        ("form", 1, -2.5),
    ]
    for each in found.partings:
        assert sum(each.reasons.values()) == pytest.approx(each.difference)
