"""What ``leadheat score`` tells: to files, as JSON lines in a pipe, or as a summary for a person."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from heapq import nlargest
from typing import IO, Any, Final, Protocol

import msgspec
from rich.text import Text

from scoring.alerts import Alert
from scoring.replay import FileRecord
from scoring.score_records import LeadScore, score_later
from scoring.shard import Outcome, Refusal
from streams.cli.alert_lines import describe_alert, show_score_reasons
from streams.cli.output import make_console, make_table, printable, show_band, show_lead, show_time, write_json

LEADS_SHOWN: Final = 10
ALERTS_SHOWN: Final = 10
REFUSED_SHOWN: Final = 20

Scores = Callable[[], Iterator[LeadScore]]
"""Gives the latest score of every lead, as often as it is called."""


class Report(Protocol):
    """Is told every chunk of lines and what came of it, and at the end the scores."""

    def take(self, lines: Sequence[FileRecord], outcome: Outcome) -> None:
        """Take in one chunk."""

    def finish(self, scores: Scores) -> None:
        """Tell what is to be told at the end."""


class FileReport:
    """Writes alerts and scores to files, each where there is one."""

    def __init__(self, alerts: IO[bytes] | None, scores: IO[bytes] | None) -> None:
        self._alerts, self._scores = alerts, scores
        self._encode_lines = msgspec.json.Encoder().encode_lines

    def take(self, lines: Sequence[FileRecord], outcome: Outcome) -> None:
        """Write the alerts."""
        if self._alerts is not None:
            self._alerts.write(self._encode_lines(outcome.alerts))

    def finish(self, scores: Scores) -> None:
        """Write the scores."""
        if self._scores is not None:
            for score in scores():
                self._scores.write(self._encode_lines((score,)))


class JsonReport:
    """Prints alerts, refusals and scores as tagged objects; those that go to files are left out."""

    def __init__(self, *, alerts: bool, scores: bool) -> None:
        self._alerts, self._scores = alerts, scores
        self._events = self._refused = 0

    def take(self, lines: Sequence[FileRecord], outcome: Outcome) -> None:
        """Print the alerts and refusals."""
        self._events += outcome.events
        self._refused += len(outcome.refusals)
        for alert in outcome.alerts if self._alerts else ():
            write_json({"alert": alert})
        for refusal in outcome.refusals:
            error = refusal.error
            where = {"line": lines[refusal.index].offset + 1, "reason": error.reason, "field": error.field}
            write_json({"refused": {**where, "message": error.message}})

    def finish(self, scores: Scores) -> None:
        """Print the scores; that lines were refused is said on standard error too."""
        for score in scores() if self._scores else ():
            write_json({"score": score})
        if self._refused:
            print(f"leadheat: {self._refused:,} of {self._events:,} lines were refused", file=sys.stderr)


class Summary:
    """Prints what a person wants to know at the end; ``now_ms`` decides how times are written."""

    def __init__(self, name: str, now_ms: int) -> None:
        self._name, self._now_ms = name, now_ms
        self._started = time.perf_counter()
        self._events = self._duplicates = 0
        self._kinds: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._alerts: deque[Alert] = deque(maxlen=ALERTS_SHOWN)
        self._refused: list[Text] = []
        self._first_refused = b""

    def take(self, lines: Sequence[FileRecord], outcome: Outcome) -> None:
        """Count, and keep the last alerts and the first refusals."""
        self._events += outcome.events
        self._duplicates += outcome.duplicates
        self._kinds.update(alert.kind for alert in outcome.alerts)
        self._alerts.extend(outcome.alerts)
        for refusal in outcome.refusals:
            record = lines[refusal.index]
            self._first_refused = self._first_refused or (record.value or b"")
            self._reasons[refusal.error.reason] += 1
            if len(self._refused) < REFUSED_SHOWN:
                self._refused.append(self._describe(record, refusal))

    def finish(self, scores: Scores) -> None:
        """Print the summary."""
        console = make_console()
        seconds = time.perf_counter() - self._started
        leads, last_ms = 0, 0
        for score in scores():
            leads, last_ms = leads + 1, max(last_ms, score.at_ms)
        console.print(
            f"{printable(self._name, 400)}: {self._events:,} lines, {leads:,} leads, {self._duplicates:,} duplicates, "
            f"{sum(self._reasons.values()):,} refused, in {seconds:.1f} s",
        )
        if leads:
            self._print_leads(console, scores, last_ms)
        if self._kinds:
            self._print_alerts(console)
        if self._refused:
            self._print_refused(console)

    def _describe(self, record: FileRecord, refusal: Refusal) -> Text:
        where = f"{self._name}:{record.offset + 1}: "
        return Text.assemble(
            printable(where, 400), (refusal.error.reason, "red"), f" {printable(str(refusal.error), 400)}"
        )

    def _print_leads(self, console: Any, scores: Scores, at_ms: int) -> None:
        at = show_time(at_ms, self._now_ms)
        console.print(Text.assemble(("\nHottest leads", "bold"), f" at the time of the last event, {at}"))
        table = make_table("lead", "points", "band", "because", right=("points",))
        hottest = nlargest(LEADS_SHOWN, ((score_later(score, at_ms), score) for score in scores()), key=lambda p: p[0])
        for points, score in hottest:
            cooled = score.cools_at_ms is not None and score.cools_at_ms <= at_ms
            band = Text(f"was {printable(score.band)}") if cooled else show_band(score.band)
            table.add_row(Text(show_lead(score.lead)), f"{points:.1f}", band, Text(show_score_reasons(score)))
        console.print(table)

    def _print_alerts(self, console: Any) -> None:
        total = self._kinds.total()
        shown = "" if total <= ALERTS_SHOWN else f"; the last {ALERTS_SHOWN}"
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self._kinds.items(), reverse=True))
        console.print(Text.assemble(("\nAlerts", "bold"), f": {kinds}{shown}"))
        for alert in self._alerts:
            console.print(describe_alert(alert, self._now_ms))

    def _print_refused(self, console: Any) -> None:
        total = self._reasons.total()
        shown = "" if total <= REFUSED_SHOWN else f"; the first {REFUSED_SHOWN}"
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self._reasons.most_common())
        console.print(Text.assemble(("\nRefused lines", "bold"), f": {reasons}{shown}"))
        for line in self._refused:
            console.print(line)
        if total == self._events and self._first_refused.startswith(b"["):
            console.print("This looks like one JSON array. Make it one object a line: jq -c '.[]' FILE")
