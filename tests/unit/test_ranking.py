"""Areas, lifts and intervals agree with their definitions, whatever the ties and the order."""

from __future__ import annotations

from itertools import pairwise, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.ranking import compare_auc, find_auc, lift_at, roc_points

scores = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=12)


@given(scores, scores)
@settings(max_examples=40)
def test_the_area_is_the_share_of_pairs_in_the_right_order_and_that_under_the_curve(
    won: list[float], lost: list[float]
) -> None:
    pairs = [1.0 if mine > other else 0.5 if mine == other else 0.0 for mine, other in product(won, lost)]
    auc = find_auc(won, lost)
    assert auc.value == pytest.approx(sum(pairs) / len(pairs))
    assert 0 <= auc.low <= auc.value + 1e-9
    assert auc.value - 1e-9 <= auc.high <= 1
    curve = roc_points(won, lost)
    under = sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in pairwise(curve))
    assert under == pytest.approx(auc.value)


@given(scores, scores, st.sampled_from([0.1, 0.5, 1.0]))
@settings(max_examples=40)
def test_a_lift_is_between_none_and_all_of_the_won_and_does_not_depend_on_the_order(
    won: list[float], lost: list[float], share: float
) -> None:
    lift = lift_at(share, won, lost)
    assert 0 <= lift <= (len(won) + len(lost)) / len(won) + 1e-9
    assert lift == pytest.approx(lift_at(share, won[::-1], lost[::-1]))
    assert lift_at(1.0, won, lost) == pytest.approx(1.0)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """Normal scores whose area is 0.76 (a distance of 1): of 300 samples, about 285 intervals hold it."""
    rng, covered, gained = Random(5), 0, 0
    for _ in range(300):
        won, lost = [rng.gauss(1, 1) for _ in range(40)], [rng.gauss(0, 1) for _ in range(60)]
        auc = find_auc(won, lost)
        covered += auc.low <= 0.7602 <= auc.high
        noisy = [x + rng.gauss(0, 1) for x in won], [x + rng.gauss(0, 1) for x in lost]
        other = [x + rng.gauss(0, 1) for x in won], [x + rng.gauss(0, 1) for x in lost]
        gain = compare_auc(noisy, other)
        gained += gain.low <= 0 <= gain.high
    assert 275 <= covered <= 297
    assert 275 <= gained <= 297
