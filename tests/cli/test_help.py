"""Help is there for every command, teaches by example, and leads through the groups in order."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from streams.cli import PANELS, app
from streams.cli.lazily import LazyGroup


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every command that does something."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


COMMANDS = sorted(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_names_an_example_of_it(run: Callable[..., Any], path: tuple[str, ...]) -> None:
    ran = run(*path, "--help")
    assert ran.code == 0
    examples = re.split(r"Examples?:", ran.out, maxsplit=1)[1]
    assert f"leadheat {' '.join(path)}" in examples


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_what_stands_in_brackets_is_shown_and_not_taken_for_a_colour(
    run: Callable[..., Any], path: tuple[str, ...]
) -> None:
    command: Any = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    told = [command.help or "", *(getattr(each, "help", None) or "" for each in command.params)]
    shown = run(*path, "--help").out
    for bracketed in re.findall(r"\[[^\[\]]+\]", " ".join(told)):
        assert bracketed in shown


def listed(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str, str]]:
    """Yield each command that is imported late, with the line by which it is listed and the one that its help has."""
    for entry in group.entries:
        command = group.commands[entry.name]
        yield " ".join((*path, entry.name)), entry.line, command.help.split("\n\n")[0]
        if isinstance(command, LazyGroup):
            yield from listed(command, (*path, entry.name))


def test_commands_are_listed_by_the_first_lines_of_their_help() -> None:
    found = list(listed(typer.main.get_command(app)))
    assert len(found) > 20
    for name, line, help_line in found:
        assert line == help_line, name


def test_a_command_is_called_without_importing_the_others() -> None:
    code = """
import sys
from scoring.errors import SettingsError
from streams.cli import app
try:
    app(["customers", "segment", "none.csv"])
except SettingsError:  # there is no such file, which the command itself finds out
    print([name for name in ("aiokafka", "faust", "pydantic_settings", "redis", "fastapi") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[-2] == "[]"


def test_the_groups_are_shown_in_the_order_in_which_one_meets_them(run: Callable[..., Any]) -> None:
    ran = run("--help")
    shown = [title for title in re.findall(r"^╭─ (.*?) ─+╮$", ran.out, re.MULTILINE) if title != "Options"]
    assert shown == list(PANELS) == ["Try", "Model", "Leads and accounts", "Run", "Repair"]


@pytest.mark.parametrize(
    "arguments", [(), ("model",), ("leads",), ("accounts",), ("events",), ("topics",)], ids=" ".join
)
def test_a_group_without_a_command_shows_its_help(run: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert "Usage: " in ran.out + ran.err
    assert ran.code == 2


@pytest.mark.parametrize("arguments", [("--version",), ("version",)])
def test_the_version_is_one_line_that_begins_with_the_name(run: Callable[..., Any], arguments: tuple[str]) -> None:
    ran = run(*arguments)
    assert ran.code == 0
    assert re.match(r"leadheat (\d+\.\d+\.\d+|\(not installed as a package\))$", ran.lines[0])


def test_an_unknown_command_and_a_wrong_setting_end_with_2(run: Callable[..., Any]) -> None:
    assert run("tial").code == 2
    ran = run("topics", "list", LEADHEAT_PARTITIONS="many")
    assert ran.code == 2
    assert ran.err.startswith("leadheat: LEADHEAT_PARTITIONS (is 'many'): ")
