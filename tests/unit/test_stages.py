"""Visitors, inactive leads and converted ones, and who never alerts."""

from __future__ import annotations

from typing import Any

import pytest

from scoring.model import ScoringModel
from tests.oracle import Tick
from tests.unit.agreement import agreed
from tests.unit.builders import NOW, Timeline, days, event, live, model_of, reopen, run

RULES = {
    "view": {"on": "page_viewed", "points": 50, "half_life_days": 30},
    "download": {
        "on": "file_downloaded",
        "where": {"kind": "guide"},
        "points": 50,
        "half_life_days": 30,
        "once_per": "asset",
        "converts": True,
    },
}
BANDS = {"warm": {"enter": 30, "leave": 20, "cooldown_h": 0}, "hot": {"enter": 90, "leave": 80, "cooldown_h": 0}}
MODEL = model_of(RULES, BANDS)
OPEN = model_of(RULES, BANDS, visitors=True)
ANN: dict[str, Any] = {"email": "ann@acme.com"}
SEVEN: dict[str, Any] = {"user_id": "7"}
VISITOR: dict[str, Any] = {"anonymous_id": "v-1"}
GUIDE = {"kind": "guide", "asset": "a"}


def stage_after(*events: dict[str, Any], model: ScoringModel = MODEL) -> str:
    (record,) = agreed(model, live(events)).scores.values()
    return record.stage


def download(event_id: str, time_ms: int = NOW, **fields: Any) -> dict[str, Any]:
    return event(event_id, time_ms, "file_downloaded", **{"properties": GUIDE, **fields})


def kinds(timeline: Timeline, model: ScoringModel = MODEL) -> list[str]:
    return [alert.kind for alert in agreed(model, timeline).outcome.alerts]


# ── stages ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("who", "stage"), [(ANN, "inactive"), (SEVEN, "inactive"), (VISITOR, "visitor")])
def test_who_has_not_converted_is_inactive_or_a_visitor(who: dict[str, Any], stage: str) -> None:
    assert stage_after(event("a", **who)) == stage


@pytest.mark.parametrize(("who", "stage"), [(ANN, "converted"), (SEVEN, "converted"), (VISITOR, "visitor")])
def test_who_did_what_converts_is_converted_unless_nobody_knows_who_it_was(who: dict[str, Any], stage: str) -> None:
    assert stage_after(download("a", **who)) == stage


def test_what_does_not_meet_the_conditions_does_not_convert() -> None:
    assert stage_after(download("a", properties={"kind": "price list"})) == "inactive"


def test_a_late_event_converts_as_well() -> None:
    assert stage_after(event("a", NOW + days(9)), download("b")) == "converted"


def test_a_match_that_once_per_ignores_or_moves_leaves_a_lead_converted() -> None:
    assert stage_after(download("a"), download("b", NOW + 1)) == "converted"
    assert stage_after(download("a"), download("b", NOW - 1)) == "converted"


def test_a_match_that_once_per_ignores_converts_by_itself() -> None:
    """The match that counts came under a model in which the rule did not convert yet."""
    before = model_of({**RULES, "download": {**RULES["download"], "converts": False}}, BANDS)
    first = run(before, live([download("a")]))
    assert first.scores["user:7"].stage == "inactive"
    second = run(MODEL, live([download("b", NOW + 1)]), shard=reopen(first.shard, MODEL))
    assert second.scores["user:7"].stage == "converted"


def test_a_conversion_lasts() -> None:
    views = [event(f"e-{number}", NOW + days(number)) for number in range(100)]
    assert stage_after(download("a"), *views) == "converted"


def test_an_alert_tells_the_stage_at_its_time() -> None:
    alerts = agreed(MODEL, live([event("a"), download("b", NOW + 1)])).outcome.alerts
    assert [(alert.band, alert.stage) for alert in alerts] == [("warm", "inactive"), ("hot", "converted")]


# ── who alerts ───────────────────────────────────────────────────────────────────────────────────────────────


def test_visitors_are_scored_and_banded_and_alert_nobody() -> None:
    timeline: Timeline = [*live([event("a", **VISITOR), event("b", **VISITOR)]), Tick(NOW + days(400))]
    done = agreed(MODEL, timeline[:2])
    assert (done.scores["anon:v-1"].band, done.score("anon:v-1")) == ("hot", 100.0)
    assert kinds(timeline) == []


def test_visitors_alert_where_the_model_says_so() -> None:
    timeline: Timeline = [*live([event("a", **VISITOR)]), Tick(NOW + days(400))]
    assert kinds(timeline, OPEN) == ["entered", "cooled"]


def test_a_visitor_beside_a_known_lead_changes_nothing_for_the_lead() -> None:
    alerts = agreed(MODEL, live([event("a", **VISITOR), event("b", **VISITOR, **ANN)])).outcome.alerts
    assert [(alert.lead, alert.band) for alert in alerts] == [("email:ann@acme.com", "warm")]


def test_our_own_people_never_alert() -> None:
    own = model_of(RULES, BANDS, visitors=True, names={"own_domains": ["acme.com", "*.acme.com"]})
    for email, expected in (("ann@acme.com", []), ("ann@eu.acme.com", []), ("ann@notacme.com", ["entered"])):
        assert kinds(live([event("a", email=email)]), own) == expected


# ── phases ───────────────────────────────────────────────────────────────────────────────────────────────────


def phase_of(points: float, half_lives: float = 0, other: float = 0) -> str:
    """Return the phase of a lead with a decision of so many points, that has faded for so many half-lives."""
    rules = {
        "form": {"on": "form_submitted", "points": points, "half_life_days": 1, "phase": "decision"},
        "view": {"on": "page_viewed", "points": max(other, 0.1), "half_life_days": 36_500, "phase": "consideration"},
    }
    history = live(
        [
            event("a", NOW, "form_submitted"),
            event("b", NOW + days(half_lives), "page_viewed" if other else "email_sent"),
        ]
    )
    return agreed(model_of(rules), history).scores["user:7"].phase


def test_the_phase_is_the_furthest_that_gives_at_least_one_point() -> None:
    assert phase_of(2) == "decision"
    assert phase_of(2, other=5) == "decision"
    assert phase_of(2, half_lives=1) == "decision"
    assert phase_of(2, half_lives=1.01) == ""
    assert phase_of(2, half_lives=1.01, other=5) == "consideration"
    assert phase_of(0.99, other=0.99) == ""
