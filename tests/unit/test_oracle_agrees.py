"""The engine says what the oracle says: the same scores, bands, coolings and alerts, however it is fed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.leads import score_later
from scoring.model import ScoringModel
from tests.oracle import DAY_MS, Said, expect
from tests.unit.builders import NOW, History, Run, days, event, hours, live, model_of, run
from tests.unit.histories import REALISTIC, histories, models, random_history

TINY_MS = 1
"""The two round differently, 1e-14 points or so: where a score creeps past a level that may move the first ms."""


def assert_same_alerts(said: list[Said], expected: list[Said]) -> None:
    assert [alert[:5] for alert in said] == [alert[:5] for alert in expected]
    for ours, theirs in zip(said, expected, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=2e-6)
        assert abs(ours.time_ms - theirs.time_ms) <= (TINY_MS if ours.kind == "cooled" else 0)


def assert_agrees(done: Run, model: ScoringModel, history: History) -> None:
    expected = expect(model, history)
    assert_same_alerts(done.said, expected.said)
    assert done.outcome.refusals == []
    assert done.scores.keys() == expected.leads.keys()
    for name, lead in expected.leads.items():
        record = done.scores[name]
        assert record.at_ms == lead.now
        assert record.band == lead.band_name
        for later_ms in (0, 1, 3 * DAY_MS, 400 * DAY_MS):
            assert score_later(record, lead.now + later_ms) == pytest.approx(
                lead.score_at(lead.now + later_ms), abs=1e-6
            )
        assert record.score == pytest.approx(lead.score_at(lead.now), abs=1e-6)
        cools_at = lead.cools_at()
        assert (record.cools_at_ms is None) == (cools_at is None)
        if cools_at is not None:
            assert record.cools_at_ms == pytest.approx(cools_at, abs=TINY_MS)


def random_sizes(rng: Random, total: int) -> list[int]:
    return [rng.randint(1, max(1, total // 3)) for _ in range(total)]


# ── any model, any history ───────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=200)
@given(models(), histories(), st.lists(st.integers(1, 6)))
def test_any_model_scores_any_history_as_the_oracle_does(
    model: ScoringModel, history: History, sizes: list[int]
) -> None:
    assert_agrees(run(model, history, sizes), model, history)


@pytest.mark.parametrize("name", REALISTIC)
def test_realistic_histories_are_scored_as_the_oracle_does(name: str) -> None:
    model, rng = REALISTIC[name], Random(name)
    for _ in range(120):
        history = random_history(rng, rng.randint(1, 40))
        assert_agrees(run(model, history, random_sizes(rng, len(history))), model, history)


@pytest.mark.parametrize("name", REALISTIC)
def test_histories_longer_than_the_memory_are_scored_as_the_oracle_does(name: str) -> None:
    """More than 64 events and keys: repeats beyond them count again, on both sides."""
    model, rng = REALISTIC[name], Random(name)
    for _ in range(4):
        history = random_history(rng, 130, leads=1)
        history += [(rng.choice(history)[0], history[-1][1]) for _ in range(40)]
        assert_agrees(run(model, history, random_sizes(rng, len(history))), model, history)


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


# ── chunks ───────────────────────────────────────────────────────────────────────────────────────────────────


def assert_same_run(one: Run, other: Run) -> None:
    assert_same_alerts(one.said, other.said)
    assert one.outcome.duplicates == other.outcome.duplicates
    assert one.scores.keys() == other.scores.keys()
    for lead, record in one.scores.items():
        twin = other.scores[lead]
        assert (record.band, record.at_ms, record.score) == (twin.band, twin.at_ms, pytest.approx(twin.score, abs=1e-9))
        assert record.cools_at_ms == pytest.approx(twin.cools_at_ms, abs=TINY_MS)
    assert one.shard.leads.keys() == other.shard.leads.keys()


@given(models(), histories(), st.lists(st.integers(1, 6)))
def test_the_size_of_the_chunks_makes_no_difference(model: ScoringModel, history: History, sizes: list[int]) -> None:
    whole = run(model, history)
    assert_same_run(whole, run(model, history, [1] * len(history)))
    assert_same_run(whole, run(model, history, sizes))


@pytest.mark.parametrize("name", REALISTIC)
def test_the_size_of_the_chunks_makes_no_difference_to_realistic_histories(name: str) -> None:
    model, rng = REALISTIC[name], Random(name)
    for _ in range(40):
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
    told = live(history) if history and isinstance(history[0], Mapping) else history
    return [(a.kind, a.from_band, a.band, a.time_ms - NOW, a.score) for a in expect(model, told).said]  # type: ignore[arg-type]


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
