"""The engine says what the oracle says: the same scores, bands, coolings and alerts, however it is fed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.model import ScoringModel
from tests.oracle import expect
from tests.share import share
from tests.unit.agreement import assert_agrees, assert_same_run
from tests.unit.builders import NOW, History, Timeline, days, event, hours, live, model_of, run
from tests.unit.histories import (
    REALISTIC,
    WHOLE,
    histories,
    models,
    random_history,
    random_timeline,
    timelines,
    whole_models,
)


def random_sizes(rng: Random, total: int) -> list[int]:
    return [rng.randint(1, max(1, total // 3)) for _ in range(total)]


# ── any model, any history ───────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=share(200))
@given(models(), histories(), st.lists(st.integers(1, 6)))
def test_any_model_scores_any_history_as_the_oracle_does(
    model: ScoringModel, history: History, sizes: list[int]
) -> None:
    assert_agrees(run(model, history, sizes), model, history)


@settings(max_examples=share(300))
@given(whole_models(), timelines(), st.lists(st.integers(1, 6)))
def test_any_whole_model_scores_any_timeline_as_the_oracle_does(
    model: ScoringModel, timeline: Timeline, sizes: list[int]
) -> None:
    assert_agrees(run(model, timeline, sizes), model, timeline)


@pytest.mark.share
@pytest.mark.parametrize("name", WHOLE)
def test_many_timelines_are_scored_as_the_oracle_does(name: str) -> None:
    model, rng = WHOLE[name], Random(name)
    for _ in range(share(334)):
        timeline = random_timeline(rng, rng.randint(1, 40))
        sizes = rng.choice(([1] * len(timeline), [], random_sizes(rng, len(timeline))))
        assert_agrees(run(model, timeline, sizes), model, timeline)


@pytest.mark.share
@pytest.mark.parametrize("name", WHOLE)
def test_timelines_longer_than_the_memory_are_scored_as_the_oracle_does(name: str) -> None:
    """More than 32 visits and 64 events: what is forgotten is forgotten on both sides."""
    model, rng = WHOLE[name], Random(name)
    for _ in range(share(6)):
        timeline = random_timeline(rng, 130, people_max=1)
        assert_agrees(run(model, timeline, random_sizes(rng, len(timeline))), model, timeline)


@pytest.mark.share
@pytest.mark.parametrize("name", REALISTIC)
def test_realistic_histories_are_scored_as_the_oracle_does(name: str) -> None:
    model, rng = REALISTIC[name], Random(name)
    for _ in range(share(120)):
        history = random_history(rng, rng.randint(1, 40))
        assert_agrees(run(model, history, random_sizes(rng, len(history))), model, history)


@pytest.mark.share
@pytest.mark.parametrize("name", REALISTIC)
def test_histories_longer_than_the_memory_are_scored_as_the_oracle_does(name: str) -> None:
    """More than 64 events and keys: repeats beyond them count again, on both sides."""
    model, rng = REALISTIC[name], Random(name)
    for _ in range(share(4)):
        history = random_history(rng, 130, leads=1)
        history += [(rng.choice(history)[0], history[-1][1]) for _ in range(40)]
        assert_agrees(run(model, history, random_sizes(rng, len(history))), model, history)


@pytest.mark.thorough
def test_the_random_histories_meet_every_case_that_matters() -> None:
    """Otherwise the agreement above would be worth little."""
    met = dict.fromkeys(("entered", "cooled", "duplicates", "late", "penalised", "held", "never cools"), 0)
    for name, model in REALISTIC.items():
        rng = Random(name)
        for _ in range(60):
            history = random_history(rng, rng.randint(1, 40))
            done = run(model, history)
            for alert in done.outcome.alerts:
                met[alert.kind] += 1
                met["held"] += alert.held_until_ms is not None
            met["duplicates"] += done.outcome.duplicates
            met["late"] += sum(one["time"] < other["time"] for (other, _), (one, _) in pairwise(history))
            met["penalised"] += any(line.points < 0 for score in done.scores.values() for line in score.rules)
            met["never cools"] += any(score.cools_at_ms is None for score in done.scores.values())
    assert all(count > 30 for count in met.values()), met


@pytest.mark.thorough
def test_the_random_timelines_meet_every_case_that_matters() -> None:
    cases = ("entered", "cooled by a tick", "cooled by an event", "inactive", "cut by a channel", "trait", "floor")
    people = ("visitor", "converted", "partly known", "first touch", "last touch", "account", "contact")
    rest = ("late after a cooling", "32 visits", "second visit")
    met = dict.fromkeys((*cases, *people, *rest), 0)
    for name, model in WHOLE.items():
        rng = Random(name)
        for number in range(25):
            timeline = random_timeline(rng, 40) if number % 5 else random_timeline(rng, 130, people_max=1)
            expected = expect(model, timeline)
            for said in expected.said:
                kinds = {line.kind for line in said.ledger}
                met["entered"] += said.kind == "entered"
                met["cooled by a tick"] += said.kind == "cooled" and said.cause is None
                met["cooled by an event"] += said.kind == "cooled" and said.cause is not None
                met["inactive"] += "inactivity" in kinds
                met["cut by a channel"] += "channel" in kinds
                met["trait"] += "trait" in kinds
                met["floor"] += "floor" in kinds
                met["visitor"] += said.stage == "visitor"
                met["converted"] += said.stage == "converted"
                met["partly known"] += said.coverage is not None and 0 < said.coverage < 1
                met["first touch"] += said.first_touch is not None
                met["last touch"] += said.last_touch is not None and said.last_touch != said.first_touch
                met["account"] += said.account not in ("", said.lead.partition("@")[2])
                met["contact"] += len(said.contact) > 1
                met["late after a cooling"] += said.cause is not None and said.cause[2] < said.time_ms
                met["second visit"] += any(
                    model.rules[n.rule].visits is not None for n in said.ledger if n.kind == "rule"
                )
            met["32 visits"] += any(len(lead.visits) == 32 for lead in expected.leads.values())
    assert min(met.values()) >= 3, [case for case, count in met.items() if count < 3]


# ── chunks ───────────────────────────────────────────────────────────────────────────────────────────────────


@given(models(), histories(), st.lists(st.integers(1, 6)))
def test_the_size_of_the_chunks_makes_no_difference(model: ScoringModel, history: History, sizes: list[int]) -> None:
    whole = run(model, history)
    assert_same_run(whole, run(model, history, [1] * len(history)))
    assert_same_run(whole, run(model, history, sizes))


@pytest.mark.share
@pytest.mark.parametrize("name", REALISTIC)
def test_the_size_of_the_chunks_makes_no_difference_to_realistic_histories(name: str) -> None:
    model, rng = REALISTIC[name], Random(name)
    for _ in range(share(40)):
        history = random_history(rng, 40)
        whole = run(model, history)
        assert_same_run(whole, run(model, history, [1] * len(history)))
        assert_same_run(whole, run(model, history, random_sizes(rng, len(history))))


# ── the oracle itself, by examples worked out by hand ────────────────────────────────────────────────────────

WEEKLY = model_of(
    {
        "view": {"on": "page_viewed", "points": 40, "half_life_days": 7, "points_max": 80},
        "bounce": {"on": "email_bounced", "points": -20, "half_life_days": 14},
    },
    {"warm": {"enter": 40, "leave": 20}, "hot": {"enter": 80, "leave": 40, "cooldown_h": 24}},
)


def said(
    history: list[dict[str, Any]] | History, model: ScoringModel = WEEKLY
) -> list[tuple[str, str, str, int, float]]:
    """Return kind, from, to, days since the start and score of what the oracle says of a lead."""
    told = [(item, item["time"]) if isinstance(item, Mapping) else item for item in history]
    return [(a.kind, a.from_band, a.band, a.time_ms - NOW, a.score) for a in expect(model, told).said]


def test_oracle_two_views_at_once_are_hot_and_cool_to_warm_after_a_week() -> None:
    assert said([event("a"), event("b"), event("c", NOW + days(21), "email_opened")]) == [
        ("entered", "warm", "hot", 0, 80.0),
        ("cooled", "hot", "warm", days(7) + 11, 39.999999),
    ]


def test_oracle_a_ceiling_delays_cooling_until_the_sum_below_it_has_faded() -> None:
    four = [event(name) for name in "abcd"]
    assert said([*four, event("z", NOW + days(30), "email_opened")])[1] == (
        *("cooled", "hot", "warm"),
        *(days(14) + 11, 39.999999),
    )


def test_oracle_a_penalty_that_fades_more_slowly_counts_when_a_band_cools() -> None:
    lead = expect(WEEKLY, live([event("a"), event("b"), event("c", NOW, "email_bounced")])).leads["user:7"]
    # With x = 2^(−days/14): 80x² − 20x < 40 from x = (20 + √(400 + 12,800)) / 160 on, which is 0.84307…
    assert lead.score_at(NOW) == 60.0
    assert lead.band_name == "hot"
    assert (lead.cools_at() or 0) - NOW == pytest.approx(days(14 * 0.246273), abs=hours(0.1))


def test_oracle_a_late_event_counts_less_and_a_repeated_one_not_at_all() -> None:
    history = [event("a", NOW + days(7)), event("b", NOW), event("a", NOW + days(9))]
    lead = expect(WEEKLY, live(history)).leads["user:7"]
    assert (lead.score_at(lead.now), lead.now, lead.score_at(NOW + days(14))) == (60.0, NOW + days(7), 30.0)


def test_oracle_a_second_crossing_within_the_cooldown_is_silent_and_so_is_its_cooling() -> None:
    quick = model_of(
        {"view": {"on": "page_viewed", "points": 80, "half_life_days": 0.01, "points_max": 80}},
        {"hot": {"enter": 80, "leave": 40, "cooldown_h": 24}},
    )
    # 80 points fall to 40 within 0.01 days, and below 39.9999995 within the next ms.
    times = [0, hours(6), hours(24), hours(36)]
    assert [(kind, at) for kind, _, _, at, _ in said([event(str(t), NOW + t) for t in times], quick)] == [
        ("entered", 0),
        ("cooled", days(0.01) + 1),
        ("entered", hours(24)),
        ("cooled", hours(24) + days(0.01) + 1),
    ]


def test_oracle_a_crossing_older_than_max_age_is_silent() -> None:
    old, fresh = hours(24) + 1, hours(24)
    assert said([(event("a"), NOW), (event("b"), NOW + old)]) == []
    assert said([(event("a"), NOW), (event("b"), NOW + fresh)]) == [("entered", "warm", "hot", 0, 80.0)]


def test_oracle_a_hold_lifts_to_the_highest_band_and_keeps_there_until_it_ends() -> None:
    held = model_of(
        {
            "demo": {"on": "form_submitted", "points": 10, "half_life_days": 90, "hot": {"hold_days": 2}},
            "bounce": {"on": "email_bounced", "points": -50, "half_life_days": 90},
        }
    )
    history = [event("a", NOW, "form_submitted"), event("b", NOW + days(1), "email_bounced"), event("c", NOW + days(9))]
    assert said(history, held) == [
        ("entered", "cold", "hot", 0, 10.0),
        ("cooled", "hot", "cold", days(2), 0.0),
    ]


def test_oracle_of_once_per_events_the_earliest_counts_even_if_it_comes_last() -> None:
    once = model_of({"view": {"on": "page_viewed", "points": 8, "half_life_days": 1, "once_per": "asset"}})
    history = [event(str(t), NOW + days(t), properties={"asset": "x"}) for t in (2, 3, 1)]
    lead = expect(once, live(history)).leads["user:7"]
    assert (lead.now, lead.score_at(NOW + days(3))) == (NOW + days(3), 2.0)
