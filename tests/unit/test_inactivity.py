"""Inactivity: a step down at an exact ms, after the last visit, until the next."""

from __future__ import annotations

import pytest

from scoring.score_records import score_later
from tests.oracle import Tick
from tests.unit.agreement import agreed
from tests.unit.builders import NOW, days, event, live, minutes, model_of

RULES = {
    "view": {"on": "page_viewed", "points": 40, "half_life_days": 36_500},
    "reply": {"on": "email_replied", "points": 1, "half_life_days": 36_500},
}
BANDS = {"warm": {"enter": 30, "leave": 28, "cooldown_h": 0}}
MODEL = model_of(RULES, BANDS, inactivity={"after_days": 90, "points": -15})
AFTER = days(90)


def reply(event_id: str, time_ms: int) -> dict[str, object]:
    return event(event_id, time_ms, "email_replied")


def test_inactivity_counts_from_the_exact_ms() -> None:
    record = agreed(MODEL, live([event("a")])).scores["user:7"]
    assert (record.inactive_from_ms, record.inactive_points) == (NOW + AFTER, -15.0)
    assert score_later(record, NOW + AFTER - 1) == pytest.approx(40, abs=0.1)
    assert score_later(record, NOW + AFTER) == pytest.approx(25, abs=0.1)


def test_a_lead_cools_at_the_exact_ms_at_which_it_becomes_inactive() -> None:
    entered, cooled = agreed(MODEL, [*live([event("a")]), Tick(NOW + AFTER)]).outcome.alerts
    assert entered.cools_at_ms == cooled.time_ms == NOW + AFTER
    (line,) = [line for line in cooled.ledger if line.kind == "inactivity"]
    assert (line.rule, line.points) == ("inactivity", -15.0)


def test_a_tick_a_ms_before_leaves_it_warm() -> None:
    done = agreed(MODEL, [*live([event("a")]), Tick(NOW + AFTER - 1)])
    assert [alert.kind for alert in done.outcome.alerts] == ["entered"]
    assert done.scores["user:7"].band == "warm"


def test_inactivity_that_leaves_enough_points_cools_nobody_by_itself() -> None:
    done = agreed(MODEL, [*live([event("a"), event("b", NOW + 1)]), Tick(NOW + days(5_000))])
    assert [alert.kind for alert in done.outcome.alerts] == ["entered"]


def test_inactivity_brings_a_later_cooling_forward() -> None:
    fading = model_of({"view": {**RULES["view"], "half_life_days": 90}}, {"warm": {"enter": 30, "leave": 4}})
    strict = model_of(
        {"view": {**RULES["view"], "half_life_days": 90}},
        {"warm": {"enter": 30, "leave": 4}},
        inactivity={"after_days": 90, "points": -15},
    )
    without = agreed(fading, live([event("a")])).scores["user:7"].cools_at_ms
    sooner = agreed(strict, live([event("a")])).scores["user:7"].cools_at_ms
    assert without == pytest.approx(NOW + days(90 * 3.321928), abs=days(0.01))
    assert sooner == pytest.approx(NOW + days(90 * 1.074001), abs=days(0.01))  # 40·2^(−x) − 15 < 4


def test_a_cooling_before_inactivity_is_not_put_off() -> None:
    quick = model_of(
        {"view": {**RULES["view"], "half_life_days": 7}}, BANDS, inactivity={"after_days": 90, "points": -15}
    )
    (cools_at,) = {record.cools_at_ms for record in agreed(quick, live([event("a")])).scores.values()}
    assert cools_at is not None
    assert cools_at < NOW + days(4)


def test_who_never_visited_is_not_inactive() -> None:
    record = agreed(MODEL, live([reply("a", NOW), reply("b", NOW + days(300))])).scores["user:7"]
    assert record.score == pytest.approx(2, abs=0.1)
    assert record.inactive_from_ms is None


def test_an_event_that_is_no_visit_does_not_end_inactivity() -> None:
    done = agreed(MODEL, live([event("a"), reply("b", NOW + AFTER)]))
    assert done.score() == pytest.approx(26, abs=0.1)


def test_the_next_visit_ends_inactivity() -> None:
    done = agreed(MODEL, live([event("a"), reply("b", NOW + days(100)), event("c", NOW + days(101))]))
    assert done.score() == pytest.approx(81, abs=0.2)
    assert done.scores["user:7"].inactive_from_ms == NOW + days(101) + AFTER


def test_the_end_of_a_visit_counts_and_not_its_beginning() -> None:
    done = agreed(MODEL, live([event("a"), event("b", NOW + minutes(30))]))
    assert done.scores["user:7"].inactive_from_ms == NOW + minutes(30) + AFTER


def test_a_late_visit_puts_inactivity_off_as_if_it_had_come_in_time() -> None:
    late = [event("a"), reply("b", NOW + days(100)), event("c", NOW + days(50))]
    done = agreed(MODEL, [(happened, NOW + days(100)) for happened in late])
    assert done.score() == pytest.approx(81, abs=0.2)
    assert done.scores["user:7"].inactive_from_ms == NOW + days(50) + AFTER


def test_an_earlier_visit_changes_nothing() -> None:
    late = [event("a"), event("b", NOW - days(50))]
    assert agreed(MODEL, live(late)).scores["user:7"].inactive_from_ms == NOW + AFTER


def test_a_visit_without_any_points_brings_a_lead_back_into_its_band() -> None:
    model = model_of(
        RULES, BANDS, visits={"on": ["video_watched", "page_viewed"]}, inactivity={"after_days": 90, "points": -15}
    )
    back = event("b", NOW + days(100), "video_watched")
    alerts = agreed(model, live([event("a"), back])).outcome.alerts
    assert [(alert.kind, alert.time_ms - NOW) for alert in alerts] == [
        ("entered", 0),
        ("cooled", AFTER),
        ("entered", days(100)),
    ]


QUESTION = {"asked": {"answers": {"yes": 40}}}
TOLD = model_of(
    RULES, BANDS, traits=QUESTION, visits={"on": "video_watched"}, inactivity={"after_days": 90, "points": -15}
)


def test_the_first_visit_of_a_lead_that_is_warm_already_starts_its_clock() -> None:
    yes = event("a", NOW, "identified", traits={"asked": "yes"})
    timeline = live([yes, event("b", NOW + days(1), "video_watched"), reply("c", NOW + days(400))])
    assert [(alert.kind, alert.time_ms - NOW) for alert in agreed(TOLD, timeline).outcome.alerts] == [
        ("entered", 0),
        ("cooled", days(91)),
    ]


def test_a_late_first_visit_long_ago_drops_a_warm_lead_at_once() -> None:
    yes = event("a", NOW, "identified", traits={"asked": "yes"})
    _, cooled = agreed(TOLD, live([yes, event("b", NOW - days(90), "video_watched")])).outcome.alerts
    assert (cooled.kind, cooled.time_ms, cooled.score) == ("cooled", NOW, 25.0)
    assert cooled.cause is not None
    assert cooled.cause.id == "b"
    (warm,) = agreed(TOLD, live([yes, event("b", NOW - days(90) + 1, "video_watched")])).outcome.alerts
    assert warm.kind == "entered"


def test_a_late_event_within_a_visit_moves_no_band() -> None:
    """A lead whose penalties have faded rises only when something that counts has happened."""
    model = model_of(
        {"view": RULES["view"], "bounce": {"on": "email_bounced", "points": -15, "half_life_days": 1}},
        BANDS,
        visits={"on": ["page_viewed", "video_watched"]},
        inactivity={"after_days": 90, "points": -15},
    )
    bounced = [
        event("a"),
        event("b", NOW, "email_bounced"),
        event("c", NOW + minutes(20)),
        event("d", NOW + minutes(20), "email_bounced"),
    ]
    assert agreed(model, live(bounced)).scores["user:7"].band == "warm"
    low = [event("b", NOW, "email_bounced"), event("a", NOW), event("c", NOW + days(3), "email_opened")]
    for late in (event("z", NOW, "video_watched"), event("z", NOW, "email_opened")):
        done = agreed(model, live([*low, late]))
        assert done.scores["user:7"].band == "cold"
        assert done.score() > 30
    assert agreed(model, live([*low, event("z", NOW + 1, "video_watched")])).scores["user:7"].band == "warm"


def test_points_below_zero_are_lifted_by_the_floor() -> None:
    model = model_of({"reply": RULES["reply"]}, inactivity={"after_days": 1, "points": -15})
    done = agreed(model, live([event("a"), reply("b", NOW + days(1))]))
    assert done.score() == 0.0
    assert score_later(done.scores["user:7"], NOW + days(2)) == 0.0


def test_a_hold_outlasts_inactivity() -> None:
    model = model_of(
        {"form": {"on": "form_submitted", "points": 10, "half_life_days": 90, "hot": {"hold_days": 14}}},
        {"hot": {"enter": 100, "leave": 5, "cooldown_h": 0}},
        inactivity={"after_days": 2, "points": -9},
    )
    (alert,) = agreed(model, live([event("a", event_type="form_submitted")])).outcome.alerts
    assert alert.cools_at_ms == alert.held_until_ms == NOW + days(14)
