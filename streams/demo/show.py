"""What the demo says while it runs: to a person at a terminal, or as plain lines to whatever reads us."""

from __future__ import annotations

import time
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from scoring.signal_records import BuyingSignal
from streams.demo import company_words, words
from streams.demo.board import Board, SeenAlert
from streams.demo.status import Pace
from streams.demo.view import FAINT, GOOD, TITLE, View
from streams.demo.words import NextSteps

_LINE_EVERY_S: Final = 5.0
_LINES_WIDTH: Final = 120


class Show(Protocol):
    """Where the demo is shown. Each method returns quickly; ``close`` may come at any moment, and twice."""

    @property
    def width(self) -> int:
        """Columns of the summary."""

    def say(self, text: str) -> None:
        """Tell a step."""

    def load(self, done: int, total: int) -> None:
        """Tell how far the history is."""

    def begin(self, board: Board, steps: NextSteps) -> None:
        """Begin with the live part."""

    def tick(self, pace: Pace, now_ms: int) -> None:
        """Show what is new; called several times a second."""

    def end(self, summary: str) -> None:
        """Close, and print the summary."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Lines:
    """Plain lines on ``out``, without control codes; each is written out at once."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._began_s = time.monotonic()
        self._quarter = 0
        self._told = 0
        self._next_line_s = _LINE_EVERY_S

    @property
    def width(self) -> int:
        """Columns of the summary."""
        return _LINES_WIDTH

    def say(self, text: str) -> None:
        """Print a step with the time since the start."""
        self._print(f"[{time.monotonic() - self._began_s:5.1f} s] {text}")

    def load(self, done: int, total: int) -> None:
        """Print each quarter."""
        quarter = 4 * done // max(1, total)
        if quarter > self._quarter:
            self._quarter = quarter
            self.say(f"history: {done:,} of {total:,} events scored")

    def begin(self, board: Board, steps: NextSteps) -> None:
        """Print the command to try meanwhile."""
        self._board = board
        self._told = board.alert_count + board.signal_count
        self.say("live. Paste this into another terminal meanwhile, and you are hot:")
        self._print("\n".join(steps.curl))

    def tick(self, pace: Pace, now_ms: int) -> None:
        """Print new alerts and signals, and the counts every few seconds."""
        board = self._board
        new = board.alert_count + board.signal_count - self._told
        self._told += new
        for told in list(board.told)[max(0, len(board.told) - new) :]:
            self.say(_signal(told) if isinstance(told, BuyingSignal) else _alert(told))
        if pace.live_s >= self._next_line_s:
            self._next_line_s += _LINE_EVERY_S
            self.say(
                f"{pace.live_s:.0f} s live: {board.sent:,} events sent, {board.scored:,} scored, "
                f"{pace.sent_per_s:.1f} a second, {board.turned_hot} leads turned {board.top_band}, "
                f"{board.signal_count} signals"
            )

    def end(self, summary: str) -> None:
        """Print the summary."""
        self._print(summary)

    def close(self) -> None:
        """Do nothing."""

    def _print(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


def _alert(seen: SeenAlert) -> str:
    alert = seen.alert
    what = alert.band.upper() if alert.kind == "entered" else f"{alert.kind} to {alert.band}"
    lead = f"{words.show_email(alert.lead)} ({words.show_company(alert.lead)})"
    reasons = words.top_reasons(words.reasons_of_alert(alert), 70)
    latency = "" if seen.latency_ms is None else f" [{words.show_ms(seen.latency_ms)}]"
    return f"{what} {lead} {words.show_score(alert.score)} points: {reasons}{latency}"


def _signal(signal: BuyingSignal) -> str:
    """Return a signal in a line; ``SIGNAL −`` marks one that speaks against a purchase."""
    return f"SIGNAL {'−' if company_words.is_bad(signal) else '+'} {company_words.show_signal(signal)}"


class Screen:
    """A terminal: steps as lines, a bar for the history, then the full screen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._view: View | None = None
        self._status = console.status(Text("Ctrl-C stops it", FAINT), spinner_style=TITLE)

    @property
    def width(self) -> int:
        """Columns of the summary."""
        return self._console.width

    def say(self, text: str) -> None:
        """Print a step; something turns below it while it takes its time."""
        self._end_progress()
        self._console.print(Text.assemble(("• ", TITLE), text))
        self._status.start()

    def load(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._progress is None:
            self._status.stop()
            columns = (TextColumn("  history"), BarColumn(40, complete_style=GOOD, finished_style=GOOD))
            self._progress = Progress(
                *columns, MofNCompleteColumn(), TextColumn("events scored"), console=self._console
            )
            self._task = self._progress.add_task("", total=total)
            self._progress.start()
        self._progress.update(self._task, completed=done)

    def begin(self, board: Board, steps: NextSteps) -> None:
        """Take the whole screen. The command is printed before, so that it can be found again above."""
        self.close()
        self._console.print("\n".join(steps.curl), style=FAINT, markup=False, highlight=False)
        self._console.set_alt_screen(True)
        self._console.show_cursor(False)
        self._view = View(self._console, board, steps)

    def tick(self, pace: Pace, now_ms: int) -> None:
        """Draw what has changed."""
        if self._view is not None:
            self._view.draw(pace, now_ms)

    def end(self, summary: str) -> None:
        """Go back to the normal screen, and print the summary."""
        self.close()
        self._console.print(summary, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Go back to the normal screen, where nothing turns any more."""
        self._status.stop()
        self._end_progress()
        if self._view is not None:
            self._view = None
            self._console.set_alt_screen(False)
            self._console.show_cursor(True)

    def _end_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
