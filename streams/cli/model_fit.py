"""``leadheat model fit``: points from what was won and lost, as the draft of a model."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.errors import StartError
from scoring.models import DEFAULT_MODEL
from streams.cli.backtest import FromOption, OutcomesOption, PastFileArgument, RestLostOption
from streams.cli.import_options import DatesOption, MapOption, TimezoneOption
from streams.cli.model_files import find_model
from streams.cli.output_files import open_output

if TYPE_CHECKING:
    from scoring.fitting import Fit


def fit(
    file: PastFileArgument = None,
    from_date: FromOption = None,
    outcomes: OutcomesOption = None,
    model: Annotated[
        Path,
        typer.Option(envvar="LEADHEAT_MODEL", help="The model to begin from (YAML).", show_default="the one we ship"),
    ] = DEFAULT_MODEL,
    rest_lost: RestLostOption = False,
    chosen: MapOption = None,
    timezone: TimezoneOption = None,
    dates: DatesOption = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DRAFT", help="Write the draft to this file.", show_default="standard output"),
    ] = None,
) -> None:
    """Propose points by what was won and lost: a draft of your model, to be read, edited and tried. Publishes nothing.

    Leads are judged as in a backtest, by what was known before their outcome. Logistic regression then tells what each
    rule and trait has to do with being won, beside all others. The draft is your file with other points: rounded to
    numbers that people give, ceilings as many matches away as before, and above each rule how many of the won and the
    lost had it. What may be chance gets 0.1 points; what fewer than 10 leads had is kept. Half-lives, conditions and
    bands are left to you.

    It refuses with too few won or lost (10 of each for every rule that leads had, and at least 50), and where the draft
    does not tell won from lost better than your model, among leads that were left out of the fit, by more than chance.

    Needs scikit-learn: pip install 'leadheat\\[fit]'

    Examples:
      leadheat model fit events.jsonl.gz --outcomes won-and-lost.csv --model my-model.yaml --output draft.yaml
      leadheat model fit --from 2026-01-01 > draft.yaml
      leadheat backtest newer.jsonl --outcomes newer.csv --model my-model.yaml --model draft.yaml
    """
    _require_scikit_learn()
    from scoring.fitting import fit_points
    from scoring.model import load_model_text, parse_model
    from scoring.model_draft import write_draft
    from streams.cli.backtest import judge, read_history
    from streams.cli.import_run import Times

    file_of_model = find_model(model)
    present, text = load_model_text(file_of_model)
    times = Times(None, timezone, dates).reader()
    with ExitStack() as at_end:
        opened = open_output(at_end, "--output", output, [file, outcomes, file_of_model])
        past, told = read_history(file, from_date, outcomes, times, chosen or ())
        (found,) = judge([present], past, told, rest_lost=rest_lost)
        fitted = fit_points(present, found.judged)
        draft = write_draft(text, present, fitted)
        parse_model(draft, "draft")  # what we write can be used as it stands
        if opened is None:
            sys.stdout.write(draft)
        else:
            opened.write(draft.encode())
            _print_summary(fitted, output)


def _require_scikit_learn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise StartError(
            "`leadheat model fit` needs scikit-learn, which is not installed; install it with: pip install "
            "'leadheat[fit]'"
        ) from None


def _print_summary(fitted: Fit, output: Path | None) -> None:
    from rich.text import Text

    from scoring.model_draft import describe_fit
    from streams.cli.output import make_console, make_table, printable, show_points

    console, table = make_console(), make_table("rule or trait", "was", "now", "", right=("was", "now"))
    for each in fitted.proposals:
        if each.verdict != "kept":
            what = {"nothing": "may be chance", "against": "speaks for the opposite"}.get(each.verdict, "")
            name = Text(printable(each.evidence.name))
            table.add_row(name, show_points(each.before), show_points(each.points), what)
    console.print(table)
    console.print()
    for line in describe_fit(fitted):
        console.print(line)
    console.print(f"\nWritten to {output}. Next: leadheat backtest FILE --model MODEL --model {output}")
