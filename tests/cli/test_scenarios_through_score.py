"""``leadheat score`` raises the alerts of the scenarios, from a file of their events."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.alerts import Alert
from scoring.scenarios import Scenario, Tick
from tests.scenario_runs import DAY_MS, OF_PEOPLE, Placed, found_forms, placed_by_model

FIRST_MS = 1_000_000_000_000  # 2001: the scenarios of a file take some years together


def is_file(scenario: Scenario) -> bool:
    """Whether a scenario can be a file: no ticks, and events received when they happen, or when the one before was."""
    clock = 0
    for step in scenario.steps:
        if isinstance(step, Tick):
            return False
        clock = max(clock, msgspec.json.decode(step.value or b"")["time"])
        if step.timestamp != clock:
            return False
    return scenario.alerts is not None


def one_after_another(first_ms: int, last_ms: int, end_ms: int) -> int:
    return max(end_ms, FIRST_MS) + DAY_MS - first_ms


GROUPS = [
    pytest.param(model, placed, id=f"{file.stem}-{number}")
    for file in OF_PEOPLE
    for number, (model, placed) in enumerate(placed_by_model(file, is_file, one_after_another))
]


@pytest.mark.parametrize(("model", "placed"), GROUPS)
def test_the_alerts_of_a_file_are_those_of_its_scenarios(
    run: Callable[..., Any], model: str, placed: list[Placed], tmp_path: Path
) -> None:
    (tmp_path / "model.yaml").write_text(model)
    (tmp_path / "events.jsonl").write_text("\n".join(json.dumps(event) for here in placed for _, event in here.records))
    ran = run("score", tmp_path / "events.jsonl", "--model", tmp_path / "model.yaml", "--strict")
    assert ran.code == 0, ran.err
    alerts = [msgspec.convert(found["alert"], Alert) for found in map(json.loads, ran.lines) if "alert" in found]
    # The clock of the file goes on after a scenario has ended: what cools then is none of its business.
    alerts = [
        alert for alert in alerts if any(here.is_of(alert.lead) and alert.time_ms <= here.bounds[1] for here in placed)
    ]
    assert found_forms(placed, alerts) == {here.scenario.name: here.scenario.alerts for here in placed}


def test_most_scenarios_can_be_files() -> None:
    assert len(GROUPS) > len(OF_PEOPLE)
