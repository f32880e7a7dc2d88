"""Ceilings over all rules of a channel."""

from __future__ import annotations

import pytest

from scoring.score_records import score_later
from tests.unit.agreement import agreed
from tests.unit.builders import NOW, Run, days, event, live, model_of

SLOW = {"half_life_days": 36_500}
RULES = {
    "view": {"on": "page_viewed", "points": 10, "points_max": 40, "channel": "web", **SLOW},
    "link": {"on": "link_clicked", "points": 10, "points_max": 30, "channel": "web", **SLOW},
    "click": {"on": "email_clicked", "points": 10, "channel": "email", **SLOW},
    "form": {"on": "form_submitted", "points": 10, **SLOW},
    "bounce": {"on": "email_bounced", "points": -10, **SLOW},
}
BANDS = {"warm": {"enter": 1, "leave": 0.5, "cooldown_h": 0}}
MODEL = model_of(RULES, BANDS, channels={"web": {"points_max": 60}})


def after(**counts: int) -> Run:
    """Score so many events of each type, all at once."""
    return agreed(
        MODEL, live([event(f"{name}-{n}", NOW, name) for name, count in counts.items() for n in range(count)])
    )


def test_two_rules_reach_the_ceiling_of_their_channel_together() -> None:
    assert after(page_viewed=4, link_clicked=2).score() == 60.0
    assert after(page_viewed=4, link_clicked=3).score() == 60.0


def test_what_a_rule_has_beyond_its_own_ceiling_takes_no_room_in_the_channel() -> None:
    assert after(page_viewed=9, link_clicked=2).score() == 60.0
    assert after(page_viewed=9, link_clicked=1).score() == 50.0


def test_below_the_ceiling_nothing_is_cut_and_at_it_neither() -> None:
    ceilings = ((1, 40.0), (2, 50.0), (3, 60.0))
    for views, score in ceilings:
        assert after(link_clicked=3, page_viewed=views).score() == score


def test_other_channels_and_rules_without_one_are_not_cut() -> None:
    done = after(page_viewed=4, link_clicked=3, email_clicked=9, form_submitted=2)
    assert done.score() == 60.0 + 90.0 + 20.0
    assert done.scores["user:7"].channels == {"web": 60.0}


def test_penalties_lie_outside_of_the_ceiling() -> None:
    assert after(page_viewed=4, link_clicked=3, email_bounced=2).score() == 40.0


def test_the_cut_is_a_line_of_the_ledger() -> None:
    history = live(
        [*(event(f"v-{n}") for n in range(4)), *(event(f"l-{n}", event_type="link_clicked") for n in range(3))]
    )
    model = model_of(
        RULES,
        {"hot": {"enter": 60, "leave": 50, "cooldown_h": 0}, "top": {"enter": 90, "leave": 80}},
        channels={"web": {"points_max": 60}},
    )
    bounced = [*history, *live([event(f"b-{n}", event_type="email_bounced") for n in range(2)])]
    entered, cooled = agreed(model, bounced).outcome.alerts
    assert {(line.kind, line.rule): line.points for line in entered.ledger} == {
        ("rule", "view"): 40.0,
        ("rule", "link"): 20.0,
    }
    assert {(line.kind, line.rule): line.points for line in cooled.ledger} == {
        ("rule", "view"): 40.0,
        ("rule", "link"): 30.0,
        ("channel", "web"): -10.0,
        ("rule", "bounce"): -20.0,
    }


def test_a_match_beyond_the_ceiling_still_delays_the_cooling() -> None:
    fading = {name: {**rule, "half_life_days": 30, "points_max": 500} for name, rule in RULES.items()}
    bands = {"warm": {"enter": 30, "leave": 20}}
    with_ceiling = model_of(fading, bands, channels={"web": {"points_max": 40}})
    for views, half_lives in ((4, 1.0), (8, 2.0), (16, 3.0)):
        record = agreed(with_ceiling, live([event(f"e-{n}") for n in range(views)])).scores["user:7"]
        assert record.score == 40.0
        assert record.cools_at_ms == pytest.approx(NOW + days(30 * half_lives), abs=60_000)


def test_a_channel_with_a_ceiling_below_the_band_never_carries_a_lead_into_it() -> None:
    low = model_of(RULES, {"warm": {"enter": 30, "leave": 20}}, channels={"web": {"points_max": 29.999999}})
    assert agreed(low, live([event(f"e-{n}") for n in range(9)])).scores["user:7"].band == "cold"
    exact = model_of(RULES, {"warm": {"enter": 30, "leave": 20}}, channels={"web": {"points_max": 30}})
    assert agreed(exact, live([event(f"e-{n}") for n in range(9)])).scores["user:7"].band == "warm"


def test_a_published_record_knows_when_a_channel_falls_below_its_ceiling() -> None:
    model = model_of(
        {"view": {"on": "page_viewed", "points": 10, "half_life_days": 1, "channel": "web"}},
        channels={"web": {"points_max": 20}},
    )
    record = agreed(model, live([event(f"e-{n}") for n in range(8)])).scores["user:7"]
    assert [score_later(record, NOW + days(n)) for n in range(5)] == [20.0, 20.0, 20.0, 10.0, 5.0]


def test_a_channel_of_ones_own_has_a_ceiling_too() -> None:
    model = model_of(
        {"form": {**RULES["form"], "channel": "events_2026"}}, channels={"events_2026": {"points_max": 15}}
    )
    assert agreed(model, live([event(n, event_type="form_submitted") for n in "abc"])).score() == 15.0


def test_without_channels_in_the_model_nothing_is_cut() -> None:
    model = model_of(RULES, BANDS)
    done = agreed(model, live([event(n) for n in "abcd"]))
    assert (done.score(), done.scores["user:7"].channels) == (40.0, {})
