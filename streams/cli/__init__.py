"""The ``leadheat`` command. One file per command; this one only gathers them.

``leadheat --help`` shows them in the order in which one meets them: try it, write a model, look at leads, run it.
"""

from __future__ import annotations

import sys

import typer

from scoring.errors import LeadheatError
from streams.cli.worker import worker

TRY, MODEL, LEADS, RUN, REPAIR = "Try", "Model", "Leads and accounts", "Run", "Repair"

app = typer.Typer(
    name="leadheat",
    help="Live lead scoring on Kafka: exact, explained, and there within a tenth of a second.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command(rich_help_panel=RUN)(worker)


@app.callback()
def _root() -> None:
    """Group the commands, also while there is only one."""



def main() -> None:
    """Run the command line; an expected error is one plain message and exit code 2."""
    try:
        app()
    except LeadheatError as error:
        print(f"leadheat: {error}", file=sys.stderr)
        sys.exit(2)
