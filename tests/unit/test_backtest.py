"""A backtest reads nothing after a lead's deal, and gives the same numbers every time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scoring.backtest import in_chunks, run_backtest
from scoring.deals import Deal
from scoring.errors import SettingsError
from scoring.judged import Judgements
from scoring.judgement import sum_up
from scoring.model import ScoringModel, parse_model
from scoring.replay import FileRecord
from tests.known_truth import DAY_MS, START_MS, generate_history

ANN, BOB = "email:ann@acme.com", "email:bob@acme.com"
TEXT = """version: 1
rules:
  view: {on: page_viewed, points: 10, half_life_days: 10, points_max: 30}
  demo: {on: form_submitted, points: 60, half_life_days: 30}
  lost: {on: opportunity_lost, points: -50, half_life_days: 30}
traits:
  student: {where: {job_title: "*student*"}, points: -5}
bands: {warm: {enter: 20, leave: 10}, hot: {enter: 50, leave: 30, cooldown_h: 24}}
"""


@pytest.fixture(scope="module")
def model() -> ScoringModel:
    return parse_model(TEXT, "m.yaml")


def record(day: float, kind: str, number: int = 0, **fields: Any) -> FileRecord:
    time_ms = START_MS + int(day * DAY_MS)
    event = {"id": f"e-{number or time_ms}", "type": kind, "time": time_ms, "email": "ann@acme.com"} | fields
    return FileRecord(number, time_ms, json.dumps(event).encode())


def at(day: float) -> int:
    return START_MS + int(day * DAY_MS)


def judge(
    model: ScoringModel, records: list[FileRecord], *deals: Deal, rest: bool = False, size: int = 100
) -> Judgements:
    ordered = sorted(records, key=lambda each: (each.timestamp, each.offset))
    (found,) = run_backtest([model], in_chunks(ordered, size), deals, rest_is_lost=rest)
    return found


PAST = [record(0, "page_viewed"), record(1, "form_submitted"), record(2, "page_viewed")]


@pytest.mark.parametrize(
    "planted",
    [
        record(3, "form_submitted"),  # at the very moment
        record(3, "opportunity_lost"),
        record(4, "form_submitted"),
        record(4, "opportunity_lost"),
        record(5, "identified", traits={"job_title": "student"}),
        record(6, "page_viewed", verdict="machine"),
    ],
    ids=lambda each: json.loads(each.value)["type"],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_what_happens_from_the_outcome_on_changes_nothing(model: ScoringModel, planted: FileRecord, size: int) -> None:
    deal = Deal(ANN, True, at(3))
    without, with_it = judge(model, PAST, deal), judge(model, [*PAST, planted], deal, size=size)
    assert with_it.judged == without.judged
    assert with_it.alerts == without.alerts == [(at(1), "")]


def test_an_event_just_before_the_outcome_is_read(model: ScoringModel) -> None:
    late = record(2.999, "form_submitted")
    (known,), (judged,) = (judge(model, each, Deal(ANN, True, at(3))).judged for each in (PAST, [*PAST, late]))
    assert judged.score > known.score + 55


def test_who_turns_out_to_be_somebody_only_later_is_not_known_before(model: ScoringModel) -> None:
    """The visit of a cookie counts for Ann once they are linked, which is after the deal here."""
    visit = record(1, "form_submitted", email=None, anonymous_id="a-1")
    link = record(4, "identified", anonymous_id="a-1")
    views = [record(0, "page_viewed"), visit]
    (judged,) = judge(model, [*views, link], Deal(ANN, True, at(3))).judged
    assert judged.score < 10
    earlier = record(2, "identified", anonymous_id="a-1")
    (judged,) = judge(model, [*views, earlier], Deal(ANN, True, at(3))).judged
    assert judged.score > 50


def test_days_ahead_are_counted_from_the_first_alert(model: ScoringModel) -> None:
    records = [*PAST, record(8, "form_submitted"), record(12, "form_submitted")]
    (judged,) = judge(model, records, Deal(ANN, True, at(13))).judged
    assert (judged.hot_ms, judged.days_ahead) == (at(1), 12.0)


def test_outcomes_that_cannot_be_judged_are_told_apart(model: ScoringModel) -> None:
    deals = [Deal(ANN, True, at(-1)), Deal(BOB, True, at(2))]
    found = judge(model, PAST, *deals, rest=True)
    assert (found.too_early, found.unknown, found.judged) == ([deals[0]], [deals[1]], [])


def test_two_identities_of_one_lead_are_one_outcome(model: ScoringModel) -> None:
    known = [*PAST, record(2.5, "identified", user_id="7")]
    found = judge(model, known, Deal("user:7", True, at(3)), Deal(ANN, False, at(4)))
    assert [(each.lead, each.is_won) for each in found.judged] == [(ANN, True)]
    assert found.same == [Deal(ANN, False, at(4))]


def test_the_rest_is_lost_as_of_its_last_event_and_visitors_are_not(model: ScoringModel) -> None:
    rest = record(1, "page_viewed", email="bob@acme.com")
    visitor = record(1, "page_viewed", email=None, anonymous_id="a-9")
    found = judge(model, [*PAST, rest, visitor, record(200, "page_viewed")], Deal(ANN, True, at(3)), rest=True)
    told = [(each.lead, each.is_won, each.time_ms) for each in found.judged]
    assert told == [(BOB, False, at(1)), (ANN, True, at(3))]
    assert found.judged[0].score == 10.0  # as it was then, and not what it had come to at the end


def test_a_model_that_alerts_nobody_cannot_be_judged() -> None:
    quiet = parse_model(TEXT.replace(", cooldown_h: 24", ""), "m.yaml")
    with pytest.raises(SettingsError, match="no band alerts"):
        run_backtest([quiet], [], [])


def test_two_runs_give_identical_numbers_and_so_do_other_chunks() -> None:
    history = generate_history(60, seed=3)
    model = parse_model(
        TEXT.replace("rules:", "rules:\n  talk: {on: webinar_attended, points: 9, half_life_days: 9}"), "m"
    )
    runs = []
    for size in (50, 50, 7):
        (found,) = run_backtest([model], in_chunks(history.records(), size), history.deals)
        assert len(found.judged) == 60
        runs.append(sum_up(model, found))
    assert runs[0] == runs[1] == runs[2]
