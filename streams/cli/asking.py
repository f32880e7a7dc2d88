"""Questions to a person, which Ctrl-C and a signal to end can answer, too."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer


def confirm(question: str, otherwise: str) -> None:
    """Go on only if a person says yes; raises :class:`typer.Abort` after saying what is so ``otherwise``."""
    with _interruptible(otherwise):
        typer.confirm(question, abort=True)


def ask_why(why: str | None, otherwise: str) -> str:
    """Return the reason for the history: what was given, or else what a person says; as :func:`confirm` does."""
    if why is not None:
        return why
    with _interruptible(otherwise):
        answer: str = typer.prompt("Why", default="", show_default=False)
    return answer


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
