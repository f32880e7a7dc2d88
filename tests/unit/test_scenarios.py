"""Scenario files: those of the models hold, and what is wrong with one is told in its own form, with the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import ModelError
from scoring.model import load_model
from scoring.models import DEFAULT_MODEL
from scoring.replay import FileRecord, Replay
from scoring.scenario_file import Scenario, Tick, load_scenarios, parse_scenarios
from scoring.scenario_forms import alert_form, write_alerts
from scoring.scenario_times import read_offset, show_offset
from scoring.scenarios import Result, run_scenario
from scoring.shard import Outcome
from tests.scenario_runs import FILES, OF_PEOPLE, scenarios_of

ALL = [pytest.param(s, id=f"{file.stem}: {s.name}") for file in FILES for s in scenarios_of(file)]

SMALL = """
model:
  version: 1
  rules: {view: {on: page_viewed, points: 40, half_life_days: 10}}
  bands: {hot: {enter: 40, leave: 20, cooldown_h: 24}}
scenarios:
  - name: one view
    events:
      - {at: 0m, type: page_viewed, email: ann@acme.com}
    until: 11d
"""
ENTERED = """
      - {kind: entered, lead: "email:ann@acme.com", band: hot, from_band: cold, at: 0m, score: 40, ledger: {view: 40},
         phase: awareness, cause: e-1, cools: 10d 32ms, stage: inactive, account: acme.com,
         contact: {email: ann@acme.com}}"""
COOLED = """
      - {kind: cooled, lead: "email:ann@acme.com", band: cold, from_band: hot, at: 10d 32ms, score: 20,
         ledger: {view: 20}, phase: awareness, stage: inactive, account: acme.com, contact: {email: ann@acme.com}}"""


def parse(text: str) -> list[Scenario]:
    return parse_scenarios(text, "s.yaml", lambda name: load_model(DEFAULT_MODEL))


def run(text: str) -> Result:
    (scenario,) = parse(text)
    return run_scenario(scenario)


def faults(text: str) -> list[str]:
    with pytest.raises(ModelError) as caught:
        parse(text)
    return caught.value.problems


@pytest.mark.parametrize("scenario", ALL)
def test_a_scenario_holds(scenario: Scenario) -> None:
    result = run_scenario(scenario)
    assert result.differences == [], write_alerts(result.alerts)


@pytest.mark.parametrize("scenario", [s for file in OF_PEOPLE for s in scenarios_of(file)], ids=lambda s: s.name)
def test_a_scenario_says_the_same_when_its_events_come_as_one_chunk(scenario: Scenario) -> None:
    replay, outcome, waiting = Replay(scenario.model), Outcome(), list[FileRecord]()
    for step in scenario.steps:
        if isinstance(step, Tick):
            outcome.extend(replay.take(waiting))
            outcome.extend(replay.tick(step.clock_ms))
            waiting = []
        else:
            waiting.append(step)
    outcome.extend(replay.take(waiting))
    singly = run_scenario(scenario)
    assert [alert_form(alert, scenario.start_ms) for alert in outcome.alerts] == singly.alerts
    assert {score.lead for score in replay.scores()} == singly.scores.keys()


def test_every_scenario_expects_something() -> None:
    for file in FILES:
        for scenario in scenarios_of(file):
            said = scenario.alerts is not None or scenario.signals is not None
            assert said or scenario.scores or scenario.accounts, scenario.name


@pytest.mark.parametrize("scenario", ALL)
def test_what_a_scenario_raises_can_be_pasted_into_its_file(scenario: Scenario) -> None:
    result = run_scenario(scenario)
    pasted = parse(SMALL + write_alerts(result.alerts))[0].alerts
    assert pasted == result.alerts


def test_expectations_are_compared_whole_and_in_order() -> None:
    assert run(f"{SMALL}    alerts:{ENTERED}{COOLED}").holds
    assert run(SMALL).holds
    assert run(f"{SMALL}    alerts: []").differences[0].startswith("alert that is not expected: {kind: entered, lead: ")
    missing = run(f"{SMALL}    alerts:{ENTERED}{COOLED}{COOLED}").differences
    assert len(missing) == 1
    assert missing[0].startswith('missing alert: {kind: cooled, lead: "email:ann@acme.com", band: cold,')
    assert len(run(f"{SMALL}    alerts:{COOLED}{ENTERED}").differences) == 2


@pytest.mark.parametrize(
    ("right", "wrong", "difference"),
    [
        ("score: 40", "score: 41", "alert 1: score is 40; expected 41"),
        ("{view: 40}", "{view: 39, form: 1}", "alert 1: ledger is {view: 40}; expected {view: 39, form: 1}"),
        ("10d 32ms, stage", "10d, stage", "alert 1: cools is 10d 32ms; expected 10d"),
        (", cause: e-1", "", "alert 1: cause is e-1, which is not expected"),
        ("stage", "held_until: 3d, stage", "alert 1: held_until is not there; expected 3d"),
        ("from_band: cold", "from_band: warm", "alert 1: from_band is cold; expected warm"),
        (
            "ann@acme.com}}",
            "bob@acme.com}}",
            "alert 1: contact is {email: ann@acme.com}; expected {email: bob@acme.com}",
        ),
    ],
)
def test_a_field_that_differs_is_told_as_the_file_writes_it(right: str, wrong: str, difference: str) -> None:
    assert right in ENTERED
    assert run(f"{SMALL}    alerts:{ENTERED.replace(right, wrong)}{COOLED}").differences == [difference]


def test_fields_at_their_defaults_and_another_order_are_no_difference() -> None:
    longer = ENTERED.replace("stage:", 'held_until: never, first_touch: "", unknown: [], stage:')
    assert run(f"{SMALL}    alerts:{longer}{COOLED}").holds


def test_of_a_score_only_what_is_given_is_compared() -> None:
    expected = "    scores: {email:ann@acme.com: {score: %s, band: cold, cools: never}, user:7: {score: 1}}"
    assert run(SMALL + expected % 20).differences == ["user:7: has no score"]
    assert run(SMALL + expected % 21).differences == [
        "email:ann@acme.com: score is 20; expected 21",
        "user:7: has no score",
    ]


def test_an_event_that_is_refused_fails_its_scenario() -> None:
    text = SMALL.replace("at: 0m", "at: 0m, received: -1h")
    assert run(text).differences[0].startswith("e-1 is refused: time: ")


def test_ids_are_made_up_and_repeats_are_numbered() -> None:
    steps = parse(
        SMALL.replace(
            "    until: 11d",
            "      - {tick: 1d}\n      - {at: 0m, type: page_viewed, user_id: a, times: 2, every: 1h}\n"
            "      - {at: 2d, id: own, type: page_viewed, user_id: a}",
        )
    )[0].steps
    ids = [step.value.split(b'"')[3].decode() for step in steps if isinstance(step, FileRecord) and step.value]
    assert ids == ["e-1", "e-2-1", "e-2-2", "own"]
    start = parse(SMALL)[0].start_ms
    clocks = [step.clock_ms if isinstance(step, Tick) else step.timestamp for step in steps]
    # What comes after a tick is not received before it.
    assert [clock - start for clock in clocks] == [0, *[86_400_000] * 3, 2 * 86_400_000]


def test_a_model_is_found_beside_the_file(tmp_path: Path) -> None:
    model = SMALL[SMALL.index("  version") : SMALL.index("scenarios:")]
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "small.yaml").write_text(model.replace("\n  ", "\n").strip())
    file = tmp_path / "s.yaml"
    file.write_text("model: models/small.yaml\n" + SMALL[SMALL.index("scenarios:") :])
    assert load_scenarios(file)[0].model.version == "1"
    file.write_text("model: no.yaml\n" + SMALL[SMALL.index("scenarios:") :])
    with pytest.raises(ModelError, match=r"no\.yaml: cannot be read: No such file"):
        load_scenarios(file)


def test_every_fault_is_told_with_its_line() -> None:
    assert faults(
        """model: {version: 1, rules: {view: {on: page_veiwed, points: 1, half_life_days: 1}}, bands: {}}
start: yesterday
scenarios:
  - name: faulty
    events:
      - {at: 5, type: page_viewed, email: a@b.de}
      - {at: 1d, type: page_veiwed, email: a@b.de}
      - {at: 1d, type: page_viewed}
      - {tick: 1d, type: page_viewed}
      - {at: 1d, type: page_viewed, user_id: a, times: 2}
      - {at: 0.1ms, type: page_viewed, user_id: a, propertys: {}}
    alerts:
      - {kind: entred, lead: a}
    score: {}
"""
    ) == [
        "s.yaml:1: model.rules.view.on: 'page_veiwed' is not an event type; did you mean 'page_viewed'?",
        "s.yaml:1: model.bands: is empty; at least 1 is needed",
        "s.yaml:2: start: 'yesterday' is not an RFC 3339 time such as 2026-01-01T12:00:00Z",
        "s.yaml:6: scenarios.events.at: 5 is not a time; expected for example 0m, '1d 2h 30m', 90s or 250ms",
        "s.yaml:7: scenarios.events.type: 'page_veiwed' is not an event type; did you mean 'page_viewed'?",
        "s.yaml:8: scenarios.events.email: is required, or user_id, or anonymous_id",
        "s.yaml:9: scenarios.events.type: stands beside `tick`, which stands alone",
        "s.yaml:10: scenarios.events.times: `times` and `every` go together",
        "s.yaml:11: scenarios.events.at: '0.1ms' is not a whole number of ms",
        "s.yaml:11: scenarios.events.propertys: unknown key 'propertys'; did you mean 'properties'?",
        "s.yaml:13: scenarios.alerts.band: is required",
        "s.yaml:13: scenarios.alerts.from_band: is required",
        "s.yaml:13: scenarios.alerts.at: is required",
        "s.yaml:13: scenarios.alerts.score: is required",
        "s.yaml:13: scenarios.alerts.ledger: is required",
        "s.yaml:13: scenarios.alerts.kind: 'entred' is unknown; did you mean 'entered'?",
        "s.yaml:14: scenarios.score: unknown key 'score'; did you mean 'scores'?",
    ]


def test_a_model_in_the_file_is_checked_where_it_lies() -> None:
    assert faults(SMALL.replace("page_viewed, points: 40", "page_veiwed, points: 0")) == [
        "s.yaml:4: model.rules.view.on: 'page_veiwed' is not an event type; did you mean 'page_viewed'?",
        "s.yaml:4: model.rules.view.points: 0 has no effect; leave the rule out",
    ]
    assert faults(SMALL.replace("    until: 11d", "    model: 7")) == [
        "s.yaml:10: scenarios.model: 7 is no model: expected default, a path or a mapping"
    ]
    assert faults(SMALL[SMALL.index("scenarios:") :]) == ["s.yaml:1: model: is required"]
    again = SMALL + SMALL[SMALL.index("  - name") :]
    assert faults(again) == ["s.yaml:11: scenarios.name: 'one view' is the name on line 7 too"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "1: is empty"), ("- a", "1: is not a mapping"), ("a: 1\n---\nb: 2\n", "2: holds a second document (---)")],
)
def test_of_what_is_no_scenario_file_it_is_told_what_one_holds(text: str, told: str) -> None:
    assert faults(text) == [f"s.yaml:{told}; a scenario file has model and scenarios"]


@given(st.integers(-(10**15), 10**15))
def test_an_offset_is_read_as_it_is_written(offset_ms: int) -> None:
    assert read_offset(show_offset(offset_ms)) == offset_ms
