"""Points that are fitted to a history say what mattered in it, or else nothing is proposed."""

from __future__ import annotations

from pathlib import Path

import pytest

from scoring.backtest import in_chunks, run_backtest
from scoring.errors import DraftError
from scoring.fitting import Fit, fit_points
from scoring.judged import Judged
from scoring.judgement import compare
from scoring.model import ScoringModel, parse_model
from scoring.model_draft import write_draft
from tests.known_truth import AGAINST, WEIGHTS, History, generate_history

pytest.importorskip("sklearn")

TEXT = """# Ours.
version: "1"   # a first one
rules:
  # People who come.
  webinar_attendance: {on: webinar_attended, points: 15, half_life_days: 30, points_max: 30}
  comparison_page: {on: page_viewed, where: {path: /compare/*}, points: 10, half_life_days: 30, points_max: 20}
  email_reply: {on: email_replied, points: 15, half_life_days: 45}
  careers_page: {on: page_viewed, where: {path: /careers}, points: -10, half_life_days: 30, points_max: 10}
  pricing_page: {on: page_viewed, where: {path: /pricing}, points: 20,
    half_life_days: 30, points_max: 20}   # the price
  premium_download: {on: file_downloaded, points: 20, half_life_days: 60}
  other_form: {on: form_submitted, where: {form: newsletter}, points: 20, half_life_days: 60}
  follow: {on: social_followed, points: 2, half_life_days: 30}
traits:
  budget: {answers: {">= 1000": 5}}
bands: {warm: {enter: 20, leave: 10}, hot: {enter: 60, leave: 40, cooldown_h: 24}}
"""


@pytest.fixture(scope="module")
def model() -> ScoringModel:
    return parse_model(TEXT, "m.yaml")


@pytest.fixture(scope="module")
def history() -> History:
    return generate_history(900, seed=1)


def judge(model: ScoringModel, history: History) -> list[Judged]:
    (found,) = run_backtest([model], in_chunks(history.records(), 1000), history.deals)
    return found.judged


@pytest.fixture(scope="module")
def judged(model: ScoringModel, history: History) -> list[Judged]:
    return judge(model, history)


@pytest.fixture(scope="module")
def fitted(model: ScoringModel, judged: list[Judged]) -> Fit:
    return fit_points(model, judged)


def test_what_mattered_is_found_in_its_order_and_the_rest_is_worth_next_to_nothing(fitted: Fit) -> None:
    points = {each.evidence.name: each.points for each in fitted.proposals}
    found = sorted(points, key=lambda name: -points[name])
    assert found[: len(WEIGHTS)] == list(WEIGHTS)
    assert len({points[name] for name in WEIGHTS}) == len(WEIGHTS)
    assert points["careers_page"] < -5
    assert {name: points[name] for name in points.keys() - WEIGHTS.keys() - AGAINST.keys()} == {
        "pricing_page": 0.1,
        "premium_download": 0.1,
        "other_form": 0.1,
        "follow": 2,  # nobody did it: kept
        "budget": 5,
    }


def test_the_draft_beats_the_model_on_people_it_was_not_made_of(model: ScoringModel, fitted: Fit) -> None:
    draft = parse_model(write_draft(TEXT, model, fitted), "draft")
    new = generate_history(400, seed=2)
    before, after = run_backtest([model, draft], in_chunks(new.records(), 1000), new.deals)
    gain = compare(before, after)
    assert gain.low > 0
    assert gain.high > fitted.gain.low  # what was promised
    assert gain.low < fitted.gain.high


def test_a_draft_is_the_file_with_other_numbers_and_the_evidence_above_them(model: ScoringModel, fitted: Fit) -> None:
    lines = write_draft(TEXT, model, fitted).splitlines()
    assert lines[0] == "# Ours."
    assert lines[1].startswith(f"# Drafted from {fitted.won} won and {fitted.lost} lost leads")
    assert "version: '1 fitted'   # a first one" in lines
    assert [line for line in lines if line.lstrip().startswith("#")][5] == "  # People who come."
    at = next(number for number, line in enumerate(lines) if line.startswith("  webinar_attendance:"))
    evidence = next(each for each in fitted.proposals if each.evidence.name == "webinar_attendance")
    counts = f"{evidence.evidence.won} of {fitted.won} won and {evidence.evidence.lost} of {fitted.lost} lost had it"
    assert lines[at - 1].startswith(f"  # was 15; {counts}; log odds ")
    assert f"points: {evidence.points:g}, half_life_days: 30, points_max: {2 * evidence.points:g}}}" in lines[at]
    assert any(line.startswith("  # kept: 0 of ") for line in lines)


def test_the_same_leads_give_the_same_draft_in_any_order(
    model: ScoringModel, judged: list[Judged], fitted: Fit
) -> None:
    assert fit_points(model, judged[::-1]) == fitted


def test_too_few_leads_are_refused_with_how_many_are_needed(model: ScoringModel) -> None:
    with pytest.raises(DraftError, match=r"too few for 7 rules and traits: at least 70 of each are needed"):
        fit_points(model, judge(model, generate_history(100, seed=1)))


def test_leads_of_one_kind_only_are_nothing_to_fit(model: ScoringModel, judged: list[Judged]) -> None:
    with pytest.raises(DraftError, match="there is nothing to fit: at least 50 won and 50 lost"):
        fit_points(model, [each for each in judged if each.is_won])


def test_a_gain_that_may_be_chance_is_refused_with_the_numbers(model: ScoringModel) -> None:
    with pytest.raises(DraftError, match="may be chance, so nothing is proposed"):
        fit_points(model, judge(model, generate_history(300, seed=4, truth=False)))


def test_the_draft_that_the_documentation_shows_is_this_one(model: ScoringModel, fitted: Fit) -> None:
    page = (Path(__file__).parents[2] / "docs" / "model.md").read_text()
    shown = page.partition("```draft\n")[2].partition("```")[0].splitlines()
    assert len(shown) > 5
    assert set(shown) <= set(write_draft(TEXT, model, fitted).splitlines())
