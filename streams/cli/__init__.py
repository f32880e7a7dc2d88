"""The ``leadheat`` command. One file per command; this one only gathers them.

Each is imported when it is called (:mod:`streams.cli.lazily`), and imports what it needs beyond its options when it
runs, so that ``--help`` is there at once.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from typing import Annotated, Final

import typer

from scoring.errors import LeadheatError
from streams.cli.lazily import LOOK, Later, lazily

TRY: Final = "Try"
MODEL: Final = "Model"
LEADS: Final = "Leads and accounts"
RUN: Final = "Run"
REPAIR: Final = "Repair"
PANELS: Final = (TRY, MODEL, LEADS, RUN, REPAIR)

COMMANDS: Final = (
    Later(
        "demo",
        "streams.cli.demo:demo",
        "See leads turn hot: a real Kafka, a worker, the gateway, and an invented world that visits them.",
        TRY,
    ),
    Later(
        "up",
        "streams.cli.up:up",
        "Run Kafka, Redis, workers, projector, gateway with its dashboard, and delivery on this machine until Ctrl-C.",
        TRY,
    ),
    Later(
        "score",
        "streams.cli.score:score",
        "Score a file of events as a worker would have, without a broker: try a model on your own history.",
        TRY,
    ),
    Later("model", "streams.cli.model:model", "The scoring model: what counts, how much, and for how long.", MODEL),
    Later(
        "backtest",
        "streams.cli.backtest:backtest",
        "Judge a model by history: would it have told those who were won from those who were lost, and how early?",
        MODEL,
    ),
    Later(
        "top",
        "streams.cli.top:top",
        "See whom to call first, as the dashboard's first page shows it, until Ctrl-C.",
        LEADS,
    ),
    Later(
        "tail",
        "streams.cli.tail:tail",
        "Watch a topic: its last records, then each one as it is committed.",
        LEADS,
    ),
    Later("leads", "streams.cli.leads:leads", "Leads as they are scored now.", LEADS),
    Later("accounts", "streams.cli.accounts:accounts", "The companies that leads belong to.", LEADS),
    Later(
        "customers",
        "streams.cli.customers:customers",
        "Customer value and segments: whom to keep, grow or let go.",
        LEADS,
    ),
    Later("events", "streams.cli.events:events", "Events: what people did.", LEADS),
    Later(
        "deliveries",
        "streams.cli.deliveries:deliveries",
        "What is on its way to chat, mail, CRM and webhooks: look, try again, give up.",
        LEADS,
    ),
    Later("report", "streams.cli.report:report", "How it went: handoffs to sales.", LEADS),
    Later(
        "gateway",
        "streams.cli.gateway:gateway",
        "Take events over HTTP, and serve the dashboard and the query API, until told to stop (SIGTERM or Ctrl-C).",
        RUN,
    ),
    Later("worker", "streams.cli.worker:worker", "Score events until told to stop (SIGTERM or Ctrl-C).", RUN),
    Later(
        "projector",
        "streams.cli.projector:projector",
        "Write what workers find to Redis, for the dashboard and the query API, until told to stop (SIGTERM or"
        " Ctrl-C).",
        RUN,
    ),
    Later(
        "delivery",
        "streams.cli.delivery:delivery",
        "Deliver alerts and buying signals until told to stop (SIGTERM or Ctrl-C).",
        RUN,
    ),
    Later("topics", "streams.cli.topics:topics", "The topics in Kafka: what each holds, and their creation.", RUN),
    Later("keys", "streams.cli.keys:keys", "Write keys: who may send events, and the change of a key.", RUN),
    Later(
        "doctor",
        "streams.cli.doctor:doctor",
        "Check the model, keys, brokers, topics, clocks and workers, and say what to do about what is wrong.",
        REPAIR,
    ),
    Later(
        "version",
        "streams.cli.version:version",
        "Print the versions that belong into a report about a fault.",
        REPAIR,
    ),
    Later(
        "dead-letters",
        "streams.cli.dead_letters:dead_letters",
        "What could not be scored: why, from where, and what to do about it.",
        REPAIR,
    ),
)
"""In the order in which one meets them: try it, write a model, look at leads, run it, repair it."""

app = typer.Typer(
    name="leadheat",
    help="Live lead scoring on Kafka: exact, explained, and there within a tenth of a second.",
    epilog="Examples: `leadheat up` runs everything here; `leadheat COMMAND --help` teaches a command.",
    cls=lazily(*COMMANDS),
    no_args_is_help=True,
    **LOOK,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from streams.cli.version import describe_version

        print(describe_version())
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main() -> None:
    """Run the command line; an expected error is one plain message and exit code 2."""
    # Until a command sets up logs, a client's warnings would stand beside our own message.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        app()
    except LeadheatError as error:
        print(f"leadheat: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        sys.exit(_say_full(error))
    finally:
        _flush_quietly()


def _flush_quietly() -> None:
    """Write out what is printed; whoever read it may have gone, as ``head`` does, and that is no error."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python flushes once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno in _FULL:
            sys.exit(_say_full(error))
        if not isinstance(error, BrokenPipeError):
            raise


def _say_full(error: OSError) -> int:
    print(f"leadheat: what was to be written is not complete: {error.strerror}", file=sys.stderr)
    return 2
