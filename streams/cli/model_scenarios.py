"""``leadheat model test``: hold a model to its scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoring.errors import SettingsError
from scoring.model_file import suggest
from streams.cli.output import JsonOption, make_console, printable, wants_json, write_json

if TYPE_CHECKING:
    from scoring.scenarios import Result, Scenario


def hold_scenarios(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario file (YAML).", show_default=False)],
    scenario: Annotated[
        str | None, typer.Option(metavar="NAME", help="Run only the scenario of this name.", show_default="all")
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the alerts that come, to be pasted into the file; judge nothing.")
    ] = False,
    as_json: JsonOption = None,
) -> None:
    """Hold a model to scenarios: a few events in virtual time, and the alerts that must come of them.

    A scenario file names its model (`default`, a path from where the file lies, or the model itself) and lists
    scenarios: events with times such as `1d 2h`, ticks of the clock, and every alert that must follow, whole and in
    order. What differs is told in the file's own form. Begin with events alone, and paste what --show prints.

    Exit code 1 if a scenario fails, 2 if the file cannot be read, so that a pipeline can hold a change to the model.

    Examples:
      leadheat model test my-scenarios.yaml
      leadheat model test my-scenarios.yaml --scenario "a lone demo request" --show
      leadheat model test my-scenarios.yaml --json | jq -r 'select(.holds | not) | .scenario'
    """
    from scoring.scenarios import load_scenarios, run_scenario

    found = _chosen(load_scenarios(file), scenario)
    results = map(run_scenario, found)
    failed = 0
    for result in results:
        failed += not result.holds
        if show and not as_json:
            _print_form(result)
        elif wants_json(as_json):
            write_json(_as_json(file, result))
        else:
            _print(file, result)
    if show:
        return
    if not wants_json(as_json):
        count = f"{len(found)} scenario{'' if len(found) == 1 else 's'}"
        make_console().print(f"{failed} of {count} failed" if failed else f"{count}: all hold")
    if failed:
        raise typer.Exit(1)


def _chosen(scenarios: list[Scenario], name: str | None) -> list[Scenario]:
    if name is None:
        return scenarios
    chosen = [scenario for scenario in scenarios if scenario.name == name]
    if not chosen:
        hint = suggest(name, [scenario.name for scenario in scenarios], "there are")
        raise SettingsError(f"--scenario {printable(name)!r}: there is no such scenario; {hint}")
    return chosen


def _as_json(file: Path, result: Result) -> dict[str, Any]:
    return {
        "scenario": result.scenario.name,
        "file": str(file),
        "line": result.scenario.line,
        "holds": result.holds,
        "differences": result.differences,
        "alerts": result.alerts,
    }


def _print(file: Path, result: Result) -> None:
    from rich.text import Text

    console = make_console()
    name = printable(result.scenario.name, 400)
    if result.holds:
        console.print(Text.assemble(("✓ ", "green"), name))
        return
    console.print(Text.assemble(("✗ ", "bold red"), (name, "bold"), (f"  {file}:{result.scenario.line}", "dim")))
    for difference in result.differences:
        console.print(Text(f"  {printable(difference, 4_000)}"))
    if result.scenario.alerts is not None:
        console.print(Text("  What comes of it, if that is right:", "dim"))
        print(_form(result))


def _print_form(result: Result) -> None:
    print(f"  - name: {_flow(result.scenario.name)}\n{_form(result)}")


def _form(result: Result) -> str:
    from scoring.scenarios import write_alerts

    return write_alerts(result.alerts)


def _flow(text: str) -> str:
    from scoring.scenarios import write_flow

    return write_flow(text)
