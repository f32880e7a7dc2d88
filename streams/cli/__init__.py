"""The ``leadheat`` command. One file per command; this one only gathers them.

``leadheat --help`` shows them in the order in which one meets them: try it, write a model, look at leads, run it,
repair it. What a command needs beyond its options it imports when it runs, so that ``--help`` is there at once.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from scoring.errors import LeadheatError
from streams.cli.accounts import accounts
from streams.cli.backtest import backtest
from streams.cli.customers import customers
from streams.cli.dead_letters import dead_letters
from streams.cli.deliveries import deliveries
from streams.cli.delivery import delivery
from streams.cli.demo import demo
from streams.cli.doctor import doctor
from streams.cli.events import events
from streams.cli.gateway import gateway
from streams.cli.keys import keys
from streams.cli.leads import leads
from streams.cli.model import model
from streams.cli.projector import projector
from streams.cli.report import report
from streams.cli.score import score
from streams.cli.tail import tail
from streams.cli.teaching import register
from streams.cli.top import top
from streams.cli.topics import topics
from streams.cli.up import up
from streams.cli.version import describe_version, version
from streams.cli.worker import worker

TRY: Final = "Try"
MODEL: Final = "Model"
LEADS: Final = "Leads and accounts"
RUN: Final = "Run"
REPAIR: Final = "Repair"
PANELS: Final = (TRY, MODEL, LEADS, RUN, REPAIR)


class _ByPanel(TyperGroup):
    """Lists the commands panel by panel; by itself typer puts those with subcommands last."""

    def list_commands(self, ctx: Any) -> list[str]:
        commands: Any = self.commands
        return sorted(commands, key=lambda name: PANELS.index(commands[name].rich_help_panel))


app = typer.Typer(
    name="leadheat",
    help="Live lead scoring on Kafka: exact, explained, and there within a tenth of a second.",
    epilog="Examples: `leadheat up` runs everything here; `leadheat COMMAND --help` teaches a command.",
    cls=_ByPanel,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
register(app, demo, rich_help_panel=TRY)
register(app, up, rich_help_panel=TRY, epilog="Example: leadheat up --workers 2")
register(app, score, rich_help_panel=TRY)
app.add_typer(model, name="model", rich_help_panel=MODEL)
register(app, backtest, rich_help_panel=MODEL)
app.add_typer(leads, name="leads", rich_help_panel=LEADS)
app.add_typer(accounts, name="accounts", rich_help_panel=LEADS)
app.add_typer(customers, name="customers", rich_help_panel=LEADS)
app.add_typer(events, name="events", rich_help_panel=LEADS)
register(app, top, rich_help_panel=LEADS)
register(app, tail, rich_help_panel=LEADS)
app.add_typer(deliveries, name="deliveries", rich_help_panel=LEADS)
app.add_typer(report, name="report", rich_help_panel=LEADS)
app.add_typer(topics, name="topics", rich_help_panel=RUN)
register(app, gateway, rich_help_panel=RUN)
app.add_typer(keys, name="keys", rich_help_panel=RUN)
register(app, worker, rich_help_panel=RUN, epilog="Example: LEADHEAT_BROKERS=kafka:9092 leadheat worker")
register(app, projector, rich_help_panel=RUN)
register(app, delivery, rich_help_panel=RUN)
register(app, doctor, rich_help_panel=REPAIR)
app.add_typer(dead_letters, name="dead-letters", rich_help_panel=REPAIR)
register(app, version, rich_help_panel=REPAIR)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(describe_version())
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an expected error is one plain message and exit code 2."""
    # Until a command sets up logs, a client's warnings would stand beside our own message.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        app()
    except LeadheatError as error:
        print(f"leadheat: {error}", file=sys.stderr)
        sys.exit(2)
    finally:
        _flush_quietly()


def _flush_quietly() -> None:
    """Write out what is printed; whoever read it may have gone, as ``head`` does, and that is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
