"""``leadheat model`` says what a model does, or what is wrong with it, and prints what one begins with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scoring.model import describe_model, load_model
from scoring.models import DEFAULT_MODEL

SMALL = """
version: 7
names: {unused: {path: /nowhere}}
rules: {view: {on: page_viewed, points: 10, half_life_days: 14}}
bands: {hot: {enter: 30, leave: 20, cooldown_h: 24}}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_check_describes_the_model_and_warns(run: Callable[..., Any], small: Path) -> None:
    ran = run("model", "check", small)
    assert ran.code == 0
    assert ran.lines == [
        "view: +10 when page_viewed; halves every 14 days; awareness",
        "cold: below the first band",
        "hot: from 30, left below 20; alerts, at most one per lead in 24 h",
        f"{small}: warning: names.unused: no rule uses it",
    ]


def test_check_lists_every_fault_with_its_line_and_ends_with_1(run: Callable[..., Any], small: Path) -> None:
    small.write_text(SMALL.replace("points: 10", "points: 0").replace("leave: 20", "leave: 40"))
    ran = run("model", "check", small)
    assert ran.code == 1
    assert ran.lines == [
        f"{small}:4: rules.view.points: 0 has no effect; leave the rule out",
        f"{small}:5: bands.hot.leave: 40 is not below enter (30)",
    ]


def test_without_a_file_the_model_of_the_settings_is_taken(run: Callable[..., Any], small: Path) -> None:
    assert run("model", "check").out == describe_model(load_model(DEFAULT_MODEL)) + "\n"
    assert run("model", "show", LEADHEAT_MODEL=str(small)).out == SMALL


def test_what_show_prints_is_a_model_to_begin_with(run: Callable[..., Any], tmp_path: Path) -> None:
    copy = tmp_path / "my-model.yaml"
    copy.write_text(run("model", "show").out)
    assert copy.read_bytes() == DEFAULT_MODEL.read_bytes()
    assert run("model", "check", copy).code == 0


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(run: Callable[..., Any], tmp_path: Path) -> None:
    shown = run("model", "show", tmp_path)
    assert (shown.code, shown.err) == (2, f"leadheat: {tmp_path}: cannot be read: Is a directory\n")
    checked = run("model", "check", tmp_path / "no.yaml")
    assert (checked.code, checked.out) == (1, f"{tmp_path / 'no.yaml'}: cannot be read: No such file or directory\n")


def test_the_schema_is_json_schema(run: Callable[..., Any]) -> None:
    schema = json.loads(run("model", "schema").out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["properties"]) >= {"version", "names", "rules", "bands", "alerts"}


@pytest.mark.parametrize("command", ["check", "show"])
def test_every_command_takes_default_for_the_model_that_we_ship(run: Callable[..., Any], command: str) -> None:
    assert run("model", command, "default").out == run("model", command).out != ""
