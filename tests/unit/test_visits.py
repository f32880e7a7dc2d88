"""Visits and the rules that count them: gaps, merging, days, and what is forgotten."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import DAY_MS
from tests.unit.agreement import agreed, assert_agrees
from tests.unit.builders import NOW, Run, days, event, live, minutes, model_of, run

SECOND = {"visits": {"at_least": 2, "within_days": 7}, "points": 8, "half_life_days": 36_500}
MODEL = model_of({"second": SECOND})


def visits_at(*times: int, model: Any = MODEL, event_type: str = "page_viewed") -> Run:
    """Score events at these times (ms from the start), in this order of arrival."""
    events = [event(f"e-{number}", NOW + time, event_type) for number, time in enumerate(times)]
    return agreed(model, [(happened, NOW + days(500)) for happened in events])


def score(*times: int, **kinds: Any) -> float:
    return round(visits_at(*times, **kinds).score(), 1)


# ── the rule ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_visit_is_no_second_one() -> None:
    assert score(0) == 0.0


def test_a_visit_exactly_seven_days_after_another_is_the_second_within_seven_days() -> None:
    assert score(0, days(7)) == 8.0


def test_a_visit_a_ms_more_than_seven_days_after_another_is_not() -> None:
    assert score(0, days(7) + 1) == 0.0


def test_days_count_from_beginning_to_beginning() -> None:
    stay = [minutes(20) * number for number in range(10)]
    assert score(*stay, days(7)) == 8.0
    assert score(*stay, days(7) + 1) == 0.0


def test_the_third_visit_counts_as_well_as_the_second() -> None:
    assert score(0, days(1), days(2)) == 16.0
    assert score(0, days(1), days(2), days(9)) == 24.0
    assert score(0, days(1), days(2), days(9) + 1) == 16.0


def test_a_ceiling_limits_visits_like_any_other_match() -> None:
    assert score(0, days(1), days(2), model=model_of({"second": {**SECOND, "points_max": 8}})) == 8.0


def test_a_match_fades_from_the_beginning_of_its_visit() -> None:
    quick = model_of({"second": {**SECOND, "half_life_days": 1}})
    done = visits_at(0, days(1), days(1) + minutes(30), days(1) + minutes(60), model=quick)
    assert done.score() == pytest.approx(8 * 2 ** (-1 / 24), abs=1e-6)


def test_five_visits_need_five() -> None:
    fifth = model_of({"fifth": {**SECOND, "visits": {"at_least": 5, "within_days": 4}}})
    assert score(*(days(n) for n in range(4)), model=fifth) == 0.0
    assert score(*(days(n) for n in range(5)), model=fifth) == 8.0


def test_two_rules_count_the_same_visits_by_their_own_days() -> None:
    both = model_of({"week": SECOND, "month": {**SECOND, "visits": {"at_least": 3, "within_days": 30}, "points": 5}})
    assert score(0, days(3), days(20), model=both) == 8 + 5


def test_a_visit_lifts_into_a_band_and_names_no_event_in_the_ledger_but_the_cause() -> None:
    model = model_of(
        {"second": {**SECOND, "phase": "consideration"}}, {"warm": {"enter": 8, "leave": 4, "cooldown_h": 0}}
    )
    (alert,) = agreed(model, live([event("a"), event("b", NOW + days(1))])).outcome.alerts
    (line,) = alert.ledger
    assert (line.kind, line.rule, line.points, line.count, line.last_ms) == ("rule", "second", 8.0, 1.0, NOW + days(1))
    assert (line.subject, line.events, alert.phase) == ("", [], "consideration")
    assert alert.cause is not None
    assert alert.cause.id == "b"


# ── what a visit is ──────────────────────────────────────────────────────────────────────────────────────────


def test_events_exactly_the_gap_apart_are_one_visit() -> None:
    assert score(0, minutes(30)) == 0.0


def test_events_a_ms_more_than_the_gap_apart_are_two_visits() -> None:
    assert score(0, minutes(30) + 1) == 8.0


def test_a_long_stay_is_one_visit_however_long() -> None:
    assert score(*(minutes(30) * number for number in range(100))) == 0.0


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1), (2, 1, 0)])
def test_an_event_in_between_makes_two_visits_one_whenever_it_arrives(order: tuple[int, ...]) -> None:
    apart = (0, minutes(30), minutes(60))
    assert score(*(apart[number] for number in order)) == 0.0


def test_a_late_event_takes_back_the_match_of_the_visit_that_it_joins_to_another() -> None:
    assert score(0, minutes(60)) == 8.0
    assert score(0, minutes(60), minutes(30)) == 0.0


def test_an_event_just_before_a_visit_moves_its_beginning() -> None:
    assert score(0, days(7) + minutes(30)) == 0.0
    assert score(0, days(7) + minutes(30), days(7)) == 8.0
    assert score(minutes(30), days(7) + minutes(30), 0) == 0.0


def test_an_event_too_early_to_join_is_a_visit_of_its_own() -> None:
    assert score(minutes(30) + 1, 0) == 8.0


def test_what_is_no_visit_of_the_model_makes_none() -> None:
    assert score(0, days(1), event_type="email_opened") == 0.0
    on_opening = model_of({"second": SECOND}, visits={"on": ["email_opened"], "gap_minutes": 1})
    assert score(0, minutes(1), model=on_opening, event_type="email_opened") == 0.0
    assert score(0, minutes(1) + 1, model=on_opening, event_type="email_opened") == 8.0
    assert score(0, days(1), model=on_opening) == 0.0


def test_a_repeated_event_is_no_second_visit() -> None:
    again = [event("same"), event("same", NOW + days(1))]
    assert agreed(MODEL, live(again)).score() == 0.0


# ── what is remembered ───────────────────────────────────────────────────────────────────────────────────────

ALL = model_of({"all": {**SECOND, "points": 1, "visits": {"at_least": 2, "within_days": 400}}})


def test_the_33rd_visit_makes_the_first_one_forgotten() -> None:
    assert score(*(days(n) for n in range(32)), model=ALL) == 31.0
    assert score(*(days(n) for n in range(33)), model=ALL) == 31.0
    assert score(*(days(n) for n in range(100)), model=ALL) == 31.0


def test_a_rule_for_32_visits_can_hold() -> None:
    last = model_of({"last": {**SECOND, "visits": {"at_least": 32, "within_days": 400}}})
    assert score(*(days(n) for n in range(31)), model=last) == 0.0
    assert score(*(days(n) for n in range(32)), model=last) == 8.0
    assert score(*(days(n) for n in range(33)), model=last) == 8.0


def test_an_event_before_all_32_visits_makes_none() -> None:
    within = model_of({"all": {**SECOND, "points": 1, "visits": {"at_least": 2, "within_days": 1}}})
    later = [days(n) for n in range(1, 33)]
    assert score(*later, model=within) == 31.0
    assert score(*later, 0, model=within) == 31.0
    assert score(*later[1:], 0, model=within) == 30.0
    assert score(*later[1:], days(1), model=within) == 31.0


def test_an_event_within_the_gap_before_all_32_visits_joins_the_first() -> None:
    within = model_of({"all": {**SECOND, "points": 1, "visits": {"at_least": 2, "within_days": 1}}})
    later = [days(n) for n in range(1, 33)]
    assert score(*later, days(1) - minutes(30), model=within) == 30.0
    assert score(*later, days(1) - minutes(30) - 1, model=within) == 31.0


def test_two_of_32_visits_that_become_one_leave_room_for_an_old_one() -> None:
    pair = [days(40), days(40) + minutes(60)]
    thirty = [days(n) for n in range(1, 31)]
    assert score(*thirty, *pair, days(0), model=ALL) == 31.0
    assert score(*thirty, *pair, days(40) + minutes(30), model=ALL) == 30.0
    assert score(*thirty, *pair, days(40) + minutes(30), days(0), model=ALL) == 31.0


# ── in any order ─────────────────────────────────────────────────────────────────────────────────────────────

near = st.sampled_from((0, 1, minutes(30), minutes(30) + 1, minutes(60), days(1), days(7), days(7) + 1))
moments = st.lists(st.builds(lambda *parts: sum(parts), near, near, near), min_size=1, max_size=32)


@given(moments, st.randoms(use_true_random=False))
def test_up_to_32_visits_are_the_same_in_any_order(times: list[int], random: Random) -> None:
    quick = model_of({"second": {**SECOND, "half_life_days": 2}}, inactivity={"after_days": 1, "points": -3})
    events = [event(f"e-{number}", NOW + time) for number, time in enumerate(times)]
    one, other = (
        run(quick, [(happened, NOW + 30 * DAY_MS) for happened in order])
        for order in (events, random.sample(events, len(events)))
    )
    assert one.score() == pytest.approx(other.score(), abs=1e-6)
    assert one.scores["user:7"].inactive_from_ms == other.scores["user:7"].inactive_from_ms


@given(st.lists(st.integers(0, 60), min_size=33, max_size=80))
def test_more_visits_than_are_remembered_are_forgotten_as_the_oracle_does(numbers: list[int]) -> None:
    history = [(event(f"e-{n}", NOW + number * minutes(31)), NOW + days(9)) for n, number in enumerate(numbers)]
    assert_agrees(run(ALL, history), ALL, history)
