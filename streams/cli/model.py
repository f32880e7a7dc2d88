"""``leadheat model``: check, show, describe, try, compare and publish scoring models."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from scoring.errors import ModelError
from scoring.models import DEFAULT_MODEL
from streams.cli.model_diff import diff
from streams.cli.model_files import find_model
from streams.cli.model_fit import fit
from streams.cli.model_history import history, rollback
from streams.cli.model_publish import publish
from streams.cli.model_replay import replay
from streams.cli.model_scenarios import hold_scenarios
from streams.cli.model_shadow import compare, shadow
from streams.cli.output import printable
from streams.cli.teaching import register

if TYPE_CHECKING:
    from scoring.coverage import Coverage, Unmatched
    from scoring.model import ScoringModel

UNMATCHED_SHOWN: Final = 20

model = typer.Typer(help="The scoring model: what counts, how much, and for how long.", no_args_is_help=True)

ModelFile = Annotated[
    Path,
    typer.Argument(
        envvar="LEADHEAT_MODEL", metavar="FILE", help="A model file (YAML).", show_default="the one we ship"
    ),
]


def check(
    file: ModelFile = DEFAULT_MODEL,
    events: Annotated[
        str | None,
        typer.Option(
            metavar="EVENTS",
            help="Also say what the model makes of these events: a JSONL file, .gz too; - reads standard input.",
        ),
    ] = None,
) -> None:
    """Say in plain words what a model does, or else everything that is wrong with it, each with file and line.

    One line a rule: its points, what earns them, and how fast they fade. Then its warnings.

    With --events, also what it misses: rules that none of your events match (a misspelt page?), and events that no
    rule matches, the most frequent first (a form that the model does not know yet?).

    Exit code 1 if something is wrong, so that a build can refuse a change to the model; warnings do not count.

    Examples:
      leadheat model check
      leadheat model check my-model.yaml
      leadheat model check my-model.yaml --events events.jsonl.gz
    """
    from scoring.model import describe_model, load_model

    try:
        checked = load_model(find_model(file))
    except ModelError as error:
        print("\n".join(error.problems))
        raise typer.Exit(1) from None
    print(describe_model(checked))
    for warning in checked.warnings():
        print(f"{file}: warning: {warning}")
    if events is not None:
        _print_coverage(_find_coverage(checked, events))


def _find_coverage(checked: ScoringModel, events: str) -> Coverage:
    from scoring.coverage import find_coverage
    from streams.cli.events_files import open_events

    with open_events(events) as chunks:
        return find_coverage(checked, chunks, UNMATCHED_SHOWN)


def _print_coverage(found: Coverage) -> None:
    refused = f", {found.refused:,} of them refused" if found.refused else ""
    print(f"\n{found.events:,} events{refused}; {found.matched:,} match a rule or tell a trait")
    for what, names in (
        ("rules that nothing matched", found.rules_never_matched),
        ("traits that nobody told", found.traits_never_told),
    ):
        if names:
            print(f"{what}: {', '.join(names)}")
    if found.unmatched:
        print("events that match nothing, the most frequent first:")
        for kind in found.unmatched:
            print(f"  {kind.events:>10,}  {_describe_unmatched(kind)}")


def _describe_unmatched(kind: Unmatched) -> str:
    return f"{kind.type} {kind.property}={printable(kind.value)}" if kind.property else kind.type


def show(file: ModelFile = DEFAULT_MODEL) -> None:
    """Print a model file as it is, comments included: where to begin with one of your own.

    Examples:
      leadheat model show > my-model.yaml
    """
    try:
        text = find_model(file).read_text("utf-8-sig")
    except OSError as error:
        raise ModelError([f"{file}: cannot be read: {error.strerror or error}"]) from None
    except UnicodeDecodeError:
        raise ModelError([f"{file}: is not UTF-8 text"]) from None
    sys.stdout.write(text)


def schema() -> None:
    """Print the JSON Schema of model files, with which an editor checks and completes while you type.

    Save it beside your model, and make this the model's first line (most editors with a YAML extension know it):
    # yaml-language-server: $schema=model.schema.json

    Examples:
      leadheat model schema > model.schema.json
    """
    from scoring.model import ScoringModel

    print(json.dumps(ScoringModel.json_schema(), indent=2, ensure_ascii=False))


register(model, check)
register(model, hold_scenarios, "test")
register(model, diff)
register(model, fit)
register(model, publish)
register(model, history)
register(model, rollback)
register(model, replay)
register(model, shadow)
register(model, compare)
register(model, show)
register(model, schema)
