"""Decayed counts: the order never matters, and the engine's columns count as they do."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.decay import DAY_MS, DecayedCount
from scoring.lead_state import decode_state
from tests.unit.builders import NOW, event, live, model_of, run

half_lives_ms = st.sampled_from((0.01, 1, 14, 365)).map(lambda days: days * DAY_MS)
moments = st.integers(NOW, NOW + 200 * DAY_MS)
times = st.lists(moments, min_size=1, max_size=20)
LATER = NOW + 201 * DAY_MS


def count_all(times: list[int], half_life_ms: float) -> DecayedCount:
    first, *others = times
    return reduce(lambda count, time_ms: count.add(time_ms, half_life_ms), others, DecayedCount.of(first))


@given(times, half_lives_ms)
def test_a_count_is_the_sum_over_its_matches(times: list[int], half_life_ms: float) -> None:
    plain = sum(2.0 ** ((time_ms - LATER) / half_life_ms) for time_ms in times)
    assert count_all(times, half_life_ms).at(LATER, half_life_ms) == pytest.approx(plain, rel=1e-9, abs=1e-12)


@given(times, half_lives_ms, st.randoms(use_true_random=False))
def test_the_order_of_arrival_makes_no_difference(times: list[int], half_life_ms: float, random: object) -> None:
    shuffled = list(times)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = count_all(times, half_life_ms), count_all(shuffled, half_life_ms)
    assert one.time_ms == other.time_ms == max(times)
    assert one.value == pytest.approx(other.value, rel=1e-9)


@given(times, times, times, half_lives_ms)
def test_merging_commutes_and_associates(a: list[int], b: list[int], c: list[int], half_life_ms: float) -> None:
    first, second, third = (count_all(times, half_life_ms) for times in (a, b, c))
    one, other = first.merge(second, half_life_ms), second.merge(first, half_life_ms)
    assert one == other
    left = one.merge(third, half_life_ms)
    right = first.merge(second.merge(third, half_life_ms), half_life_ms)
    assert left.time_ms == right.time_ms
    assert left.value == pytest.approx(right.value, rel=1e-9)
    assert left.value == pytest.approx(count_all(a + b + c, half_life_ms).value, rel=1e-9)


@given(times, half_lives_ms, st.integers(0, DAY_MS), st.integers(0, DAY_MS))
def test_decay_composes(times: list[int], half_life_ms: float, one_ms: int, other_ms: int) -> None:
    count = count_all(times, half_life_ms)
    middle = count.time_ms + one_ms
    in_two_steps = DecayedCount(count.at(middle, half_life_ms), middle).at(middle + other_ms, half_life_ms)
    assert in_two_steps == pytest.approx(count.at(middle + other_ms, half_life_ms), rel=1e-9)


@given(times, half_lives_ms, st.floats(0.01, 0.99))
def test_when_below_is_the_time_at_which_the_count_is_at_the_level(
    times: list[int], half_life_ms: float, share: float
) -> None:
    count = count_all(times, half_life_ms)
    level = count.value * share
    when = count.when_below(level, half_life_ms)
    assert count.value * 2 ** ((count.time_ms - when) / half_life_ms) == pytest.approx(level, rel=1e-6)


@given(times, st.sampled_from((0.01, 1, 14, 365)))
def test_the_columns_of_a_lead_count_as_decayed_counts_do(times: list[int], half_life_days: float) -> None:
    model = model_of({"view": {"on": "page_viewed", "points": 3, "half_life_days": half_life_days}})
    done = run(model, live([event(str(number), time_ms) for number, time_ms in enumerate(times)]))
    state = decode_state(done.shard.leads[b"user:7"])
    count = count_all(times, half_life_days * DAY_MS)
    assert state.times == [count.time_ms]
    assert state.counts == [pytest.approx(count.value, rel=1e-9)]
    assert done.score() == pytest.approx(3 * count.value, abs=1e-6)
