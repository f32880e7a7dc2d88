"""The first time below a level: against a dense scan, against the oracle's turning points, and by hand."""

from __future__ import annotations

from math import inf, log2

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scoring.cooling import ROUNDING, Term, first_below, total_after
from tests import oracle
from tests.oracle import CENTURY_MS, DAY_MS
from tests.share import share
from tests.unit.builders import days

half_lives_ms = st.sampled_from([days(count) for count in (7, 14, 21, 30, 60, 90, 365)])
levels = st.sampled_from((5.0, 10.0, 20.0, 50.0)) | st.floats(1, 150).map(lambda level: round(level, 6))


@st.composite
def terms(draw: st.DrawFn, *, penalties: bool) -> list[Term]:
    """Draw one to five terms: above, at and below their ceilings, some steady."""
    drawn = []
    for _ in range(draw(st.integers(1, 5))):
        points = draw(st.sampled_from((10.0, 20.0, 50.0)) | st.floats(0.5, 300))
        ceiling = draw(st.sampled_from((inf, points, points / 2, points / 3)))
        rate = draw(half_lives_ms.map(lambda half_life_ms: 1 / half_life_ms))
        drawn.append(Term(-points if penalties and draw(st.booleans()) else points, rate, ceiling))
    if draw(st.integers(0, 3)) == 0:
        drawn.append(Term(draw(st.sampled_from((0.0, 0.5, 3.0))), 0.0))
    return drawn


def scan(fading: list[Term], until_ms: int) -> list[int]:
    """Return moments from 0 to ``until_ms``, denser at the beginning and at the end."""
    steps = 400
    early = [int(until_ms * (step / steps) ** 3) for step in range(steps + 1)]
    return sorted({*early, *(until_ms - moment for moment in early)})


def assert_first(fading: list[Term], level: float, wait: int | None) -> None:
    """Hold an answer against the definition, at every moment of a dense scan."""
    threshold = level - ROUNDING
    if wait is None:
        assert min(total_after(fading, moment) for moment in scan(fading, CENTURY_MS)) >= threshold
        return
    assert total_after(fading, wait) < threshold
    if wait:
        assert min(total_after(fading, moment) for moment in scan(fading, wait - 1)) >= threshold


def expected(fading: list[Term], level: float) -> int | None:
    curves = [oracle.Fading(amount, 1 / rate if rate else inf, ceiling) for amount, rate, ceiling in fading]
    return oracle.first_below(curves, level, CENTURY_MS)


@settings(max_examples=share(150))
@given(terms(penalties=False), levels)
def test_gains_cool_at_their_only_crossing(fading: list[Term], level: float) -> None:
    wait = first_below(fading, level)
    assert_first(fading, level, wait)
    assert wait == expected(fading, level)


@settings(max_examples=share(250))
@given(terms(penalties=True), levels)
def test_gains_and_penalties_cool_at_their_first_crossing(fading: list[Term], level: float) -> None:
    assume(total_after(fading, 0) >= level)
    wait = first_below(fading, level)
    assert_first(fading, level, wait)
    assert wait == expected(fading, level)


@given(terms(penalties=True), levels)
def test_what_is_below_already_has_cooled_at_once(fading: list[Term], level: float) -> None:
    assume(total_after(fading, 0) < level - 1e-6)
    assert first_below(fading, level) == 0


@given(st.floats(1, 1e4), half_lives_ms, st.floats(0.01, 0.99))
def test_a_single_term_cools_when_the_logarithm_says(points: float, half_life_ms: int, share: float) -> None:
    level = points * share
    wait = first_below([Term(points, 1 / half_life_ms)], level)
    assert wait == pytest.approx(half_life_ms * log2(points / (level - ROUNDING)), abs=1.001)


def test_a_ceiling_exactly_at_the_level_holds_the_lead_until_it_is_left() -> None:
    assert first_below([Term(80, 1 / DAY_MS, ceiling=20.0)], 20.0) == pytest.approx(2 * DAY_MS + 4, abs=1)
    assert first_below([Term(20, 1 / DAY_MS, ceiling=20.0)], 20.0) == pytest.approx(4, abs=1)


def test_a_ceiling_below_the_level_never_carries_it() -> None:
    assert first_below([Term(80, 1 / DAY_MS, ceiling=19.999)], 20.0) == 0


def test_the_same_half_life_above_and_below_a_plateau_is_crossed_after_the_plateau() -> None:
    plateau = [Term(160, 1 / days(30), ceiling=30.0), Term(20, 1 / days(14)), Term(-20, 1 / days(14))]
    wait = first_below(plateau, 25.0)
    assert wait == pytest.approx(days(30) * log2(160 / (25 - ROUNDING)), abs=2)
    assert_first(plateau, 25.0, wait)


def test_a_quick_gain_over_a_slow_penalty_dips_before_it_rises_again() -> None:
    dip = [Term(60, 0.0), Term(30, 1 / days(1)), Term(-50, 1 / days(30))]
    wait = first_below(dip, 30.0)
    assert total_after(dip, days(200)) > 59
    assert wait is not None
    assert wait < days(2)
    assert_first(dip, 30.0, wait)


def test_a_dip_that_stays_above_the_level_does_not_cool() -> None:
    dip = [Term(60, 0.0), Term(30, 1 / days(1)), Term(-50, 1 / days(30))]
    lowest = min(total_after(dip, moment) for moment in range(0, days(20), 60_000))
    assert first_below(dip, lowest - 0.01) is None
    assert first_below(dip, lowest + 0.01) is not None


def test_steady_terms_alone_never_cool() -> None:
    assert first_below([Term(30, 0.0), Term(-10, 0.0)], 20.0) is None
    assert first_below([Term(30, 0.0), Term(-10, 0.0)], 20.01) == 0


def test_the_score_has_cooled_only_when_it_is_below_after_rounding() -> None:
    assert first_below([Term(20.0, 0.0)], 20.0000004) is None
    assert first_below([Term(20.0, 0.0)], 20.0000006) == 0


def test_a_fast_gain_that_has_all_but_vanished_beside_a_ceiling_does_not_hide_the_crossing() -> None:
    terms = [Term(4.0, 1 / (0.25 * DAY_MS)), Term(150.0, 1 / (90 * DAY_MS), 20.0)]
    wait = first_below(terms, 20.0)
    assert wait is not None
    assert total_after(terms, wait) < 20.0 - ROUNDING <= total_after(terms, wait - 1)


def test_gains_and_penalties_that_nearly_cancel_still_cool() -> None:
    terms = [
        Term(48.37658892619458, 1 / (21 * DAY_MS), 50.0),
        Term(-48.26042365373454, 1 / (21 * DAY_MS), 15.0),
        Term(148.58461155454202, 1 / (365 * DAY_MS), 50.0),
    ]
    assert first_below(terms, 50.0) == 49_552_035_013
