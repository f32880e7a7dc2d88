"""``leadheat demo``: see leads turn hot, on a Kafka of your own."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from streams.settings import load_settings

SECONDS_WITHOUT_TERMINAL: Final = 30.0


def demo(
    seconds: Annotated[
        float | None,
        typer.Option(
            envvar="DEMO_SECONDS",
            min=1,
            max=86_400,
            help="End the live part by itself after so long.",
            show_default="until Ctrl-C; 30 without a terminal",
        ),
    ] = None,
) -> None:
    """See leads turn hot: a real Kafka, a worker, the gateway, and an invented world that visits them.

    Loads sixty days of history over HTTP, then plays live and shows who turns hot, why, and how soon after the
    event. Everything is in a directory and on ports of its own, and is gone at the end; nothing that runs is
    disturbed. LEADHEAT_MODEL names another model to score with.

    In a terminal it plays until Ctrl-C. Exit code 1 if an event was lost or nothing turned hot.

    Examples:
      leadheat demo
      leadheat demo --seconds 60 > summary.txt
      LEADHEAT_MODEL=my-model.yaml leadheat demo
    """
    from rich.console import Console

    from streams.demo.play import run_demo
    from streams.demo.show import Lines, Screen

    console = Console()
    is_watched = console.is_terminal and not console.is_dumb_terminal and sys.stdout.isatty()
    if not is_watched and seconds is None:
        seconds = SECONDS_WITHOUT_TERMINAL
    raise typer.Exit(run_demo(load_settings(), seconds, Screen(console) if is_watched else Lines(sys.stdout)))
