"""Questions to a person, which Ctrl-C and a signal to end can answer, too."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer


def confirm_with_reason(question: str, why: str | None, otherwise: str) -> str:
    """Go on only if a person says yes, and return why, for the history: what was given, or else what the person says.

    Raises :class:`typer.Abort` after saying what is so ``otherwise``.
    """
    with _interruptible(otherwise):
        typer.confirm(question, abort=True)
        return why if why is not None else str(typer.prompt("Why", default="", show_default=False))


@contextmanager
def _interruptible(otherwise: str) -> Iterator[None]:
    """Let signals end a question at once: an event loop would hear of them only after the answer."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    except typer.Abort:
        typer.echo(otherwise, err=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
