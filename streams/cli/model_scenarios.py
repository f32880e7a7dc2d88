"""``leadheat model test``: hold a model to its scenarios."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scoring.errors import SettingsError
from streams.cli.output import JsonOption, make_console, printable, wants_json, write_json

if TYPE_CHECKING:
    from scoring.scenarios import Result, Scenario

_NAMES_SHOWN: Final = 30


def hold_scenarios(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario file (YAML).", show_default=False)],
    scenario: Annotated[
        str | None, typer.Option(metavar="NAME", help="Run only the scenario of exactly this name.", show_default="all")
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the alerts that came, to paste into the file; compare nothing.")
    ] = False,
    as_json: JsonOption = None,
) -> None:
    """Check that a model says what you expect: play what a made-up lead does, and compare the alerts that come.

    A scenario file holds a model (`default`, the path of your own as seen from the file, or the model itself) and
    scenarios: what a lead does and when, counted from the start, and the alerts that you expect. Two weeks pass in no
    time, and neither Kafka nor a worker is needed.

    Example of a file, my-scenarios.yaml:
      model: default
      scenarios:
        - name: asking for a demo makes a lead hot
          events:
            - {at: 0m, type: page_viewed, email: ann@acme.com, properties: {path: /pricing}}
            - {at: 1d 2h, type: form_submitted, email: ann@acme.com, properties: {form: demo}}
          until: 20d

    Begin with events alone, as here. --show prints the alerts that come of them: if they are right, paste them in
    below `until`. From then on every alert must come whole and in that order; what differs is shown, ready to paste
    too. docs/model.md tells the rest. Exit code 1 if a scenario fails, 2 if the file cannot be used.

    Examples:
      leadheat model test my-scenarios.yaml --show
      leadheat model test my-scenarios.yaml
      leadheat model test my-scenarios.yaml --scenario "asking for a demo makes a lead hot"
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
        names = [scenario.name for scenario in scenarios]
        near = get_close_matches(name, names, n=1)
        # One a line: names are sentences, with commas of their own.
        listed = "\n  ".join(["there are", *(printable(known, 400) for known in names[:_NAMES_SHOWN])])
        hint = f"did you mean {near[0]!r}?" if near else listed
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
    from scoring.scenario_forms import write_alerts

    return write_alerts(result.alerts)


def _flow(text: str) -> str:
    from scoring.scenario_forms import write_flow

    return write_flow(text)
