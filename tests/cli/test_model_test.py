"""``leadheat model test`` holds a model to its scenarios, and tells what differs so that it can be pasted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.scenario_runs import FILES

MODEL = """model:
  version: 1
  rules: {view: {on: page_viewed, points: 40, half_life_days: 10}}
  bands: {hot: {enter: 40, leave: 20, cooldown_h: 24}}
"""
GOOD = """scenarios:
  - name: one view
    events: [{at: 0m, type: page_viewed, user_id: a}]
    alerts:
      - {kind: entered, lead: "user:a", band: hot, from_band: cold, at: 0m, score: 40, ledger: {view: 40},
         phase: awareness, cause: e-1, cools: 10d 32ms, stage: inactive}
"""
BAD = """  - name: nothing comes of it
    events: [{at: 0m, type: page_viewed, user_id: b}]
    alerts: []
"""
RAISED = """    alerts:
      - {kind: entered, lead: "user:b", band: hot, from_band: cold, at: 0m, score: 40, ledger: {view: 40},
         phase: awareness, cause: e-1, cools: 10d 32ms, stage: inactive}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scenarios.yaml"
    path.write_text(MODEL + GOOD + BAD)
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_own_scenarios_hold(run: Callable[..., Any], path: Path) -> None:
    ran = run("model", "test", path, "--text")
    assert ran.code == 0
    assert all(line.startswith("✓ ") for line in ran.lines[:-1])
    assert ran.lines[-1] == f"{len(ran.lines) - 1} scenarios: all hold"


def test_a_person_sees_what_differs_and_what_to_paste(run: Callable[..., Any], file: Path) -> None:
    ran = run("model", "test", file, "--text")
    assert ran.code == 1
    assert ran.lines[:2] == ["✓ one view", f"✗ nothing comes of it  {file}:11"]
    assert ran.lines[2].startswith('  alert that is not expected: {kind: entered, lead: "user:b", ')
    assert ran.lines[3] == "  What comes of it, if that is right:"
    assert "\n".join(ran.lines[4:7]) + "\n" == RAISED
    assert ran.lines[-1] == "1 of 2 scenarios failed"


def test_what_is_shown_makes_the_scenario_hold_when_it_is_pasted(run: Callable[..., Any], file: Path) -> None:
    shown = run("model", "test", file, "--show", "--scenario", "nothing comes of it")
    assert (shown.code, shown.out) == (0, "  - name: nothing comes of it\n" + RAISED)
    file.write_text(MODEL + GOOD + BAD.replace("    alerts: []\n", "".join(shown.out.splitlines(True)[1:])))
    assert run("model", "test", file).code == 0


def test_a_pipe_gets_an_object_per_scenario(run: Callable[..., Any], file: Path) -> None:
    ran = run("model", "test", file)
    assert ran.code == 1
    first, second = map(json.loads, ran.lines)
    assert first | {"alerts": []} == {
        "scenario": "one view",
        "file": str(file),
        "line": 6,
        "holds": True,
        "differences": [],
        "alerts": [],
    }
    assert (second["holds"], len(second["differences"]), second["alerts"][0]["cools"]) == (False, 1, "10d 32ms")


def test_one_scenario_can_be_chosen(run: Callable[..., Any], file: Path) -> None:
    assert run("model", "test", file, "--scenario", "one view", "--text").lines == [
        "✓ one view",
        "1 scenario: all hold",
    ]
    ran = run("model", "test", file, "--scenario", "one vew")
    assert (ran.code, ran.err) == (
        2,
        "leadheat: --scenario 'one vew': there is no such scenario; did you mean 'one view'?\n",
    )


def test_a_file_that_cannot_be_read_ends_with_2_and_its_lines(run: Callable[..., Any], file: Path) -> None:
    missing = run("model", "test", file.parent / "no.yaml")
    assert (missing.code, missing.err) == (
        2,
        f"leadheat: {file.parent / 'no.yaml'}: cannot be read: No such file or directory\n",
    )
    file.write_text(MODEL + GOOD.replace("at: 0m, type", "at: soon, type"))
    faulty = run("model", "test", file)
    assert (faulty.code, faulty.out) == (2, "")
    assert faulty.err.startswith(f"leadheat: {file}:7: scenarios.events.at: 'soon' is not a time; expected for example")
