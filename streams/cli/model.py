"""``leadheat model``: check, show and describe scoring models."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from scoring.errors import ModelError
from scoring.models import DEFAULT_MODEL
from streams.cli.teaching import register

model = typer.Typer(help="The scoring model: what counts, how much, and for how long.", no_args_is_help=True)

ModelFile = Annotated[
    Path,
    typer.Argument(
        envvar="LEADHEAT_MODEL", metavar="[FILE]", help="A model file (YAML).", show_default="the one we ship"
    ),
]


def check(file: ModelFile = DEFAULT_MODEL) -> None:
    """Say in plain words what a model does, or everything that is wrong with it, as file:line.

    Exit code 1 if something is wrong, so that a pipeline can hold a change to the model.

    Examples:
      leadheat model check my-model.yaml
      leadheat model check
    """
    from scoring.model import describe_model, load_model

    try:
        checked = load_model(file)
    except ModelError as error:
        print("\n".join(error.problems))
        raise typer.Exit(1) from None
    print(describe_model(checked))
    for warning in checked.warnings():
        print(f"{file}: warning: {warning}")


def show(file: ModelFile = DEFAULT_MODEL) -> None:
    """Print a model file as it is, comments included: where to begin with one of your own.

    Examples:
      leadheat model show > my-model.yaml
    """
    try:
        text = file.read_text("utf-8-sig")
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
register(model, show)
register(model, schema)
