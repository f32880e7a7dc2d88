"""Questions end at Ctrl-C and at a signal to end, and say what is so then."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

ASK = """
import asyncio
from streams.cli.asking import confirm_with_reason
from streams.embedded.stack import run_until_signal

async def main():
    print("why:", confirm_with_reason("Take over?", None, "Nothing has changed."))

import typer
app = typer.Typer()
app.command()(lambda: {how})
app()
"""
LOOPS = {"asyncio": "asyncio.run(main())", "until a signal": "run_until_signal(main())"}


def read_until(terminal: int, text: str) -> str:
    """Return what a terminal shows until it shows ``text``."""
    shown, deadline = "", time.monotonic() + 30
    while text not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 1_000).decode()
    return shown


def send_until_ended(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal again each second: one that comes between a question and the wait for its answer is too early."""
    for _ in range(20):
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
            return
    process.kill()


@pytest.mark.parametrize("how", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("answers", [[], ["y"]], ids=["at the question", "when asked why"])
def test_a_signal_ends_a_question_at_once(how: str, number: signal.Signals, answers: list[str]) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", ASK.format(how=how)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        read_until(ours, "[y/N]: ")
        for answer in answers:
            os.write(ours, f"{answer}\n".encode())
            read_until(ours, "Why: ")
        send_until_ended(process, number)
        assert "Nothing has changed." in read_until(ours, "Aborted.")
        assert process.returncode == 1
    os.close(ours)
    os.close(theirs)
