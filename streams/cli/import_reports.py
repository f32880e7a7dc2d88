"""What an import tells: rows that were refused, what was or would be written, and which columns were left out."""

from __future__ import annotations

import codecs
import csv
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Final, Protocol

import msgspec
from rich.text import Text

from streams.cli.output import make_console, printable, write_json
from streams.importing.columns import REMARKS
from streams.importing.rows import Ready, Refused
from streams.records import Record

SHOWN: Final = 5
"""First rows of a dry run that are shown."""

REFUSED_SHOWN: Final = 10
COLUMNS_SHOWN: Final = 20


@dataclass(frozen=True)
class Job:
    """What is imported: the file's ``name``, its ``heading``, and ``others``: columns that no field knows.

    ``kept_as`` says what became of those, in the plural; it is empty where they are ignored.
    """

    name: str
    heading: Sequence[str]
    others: Sequence[str]
    kept_as: str
    is_dry: bool


class Report(Protocol):
    """Is told of every row, and at the end that everything is written."""

    def take_ready(self, row: Ready, record: Record) -> None:
        """Take in a row that is written, or would be."""

    def take_known(self, row: Ready) -> None:
        """Take in a row that is not, because it was before."""

    def take_refused(self, row: Refused) -> None:
        """Take in a row that cannot be."""

    def finish(self) -> None:
        """Tell what is to be told at the end."""


class RejectsFile:
    """Writes refused rows as CSV: line, reason and message, then the row as it was, to be mended and imported."""

    def __init__(self, file: IO[bytes], heading: Sequence[str]) -> None:
        self._writer = csv.writer(codecs.getwriter("utf-8")(file, "surrogateescape"))
        self._writer.writerow([*REMARKS, *heading])

    def take_ready(self, row: Ready, record: Record) -> None:
        """Write nothing."""

    def take_known(self, row: Ready) -> None:
        """Write nothing."""

    def take_refused(self, row: Refused) -> None:
        """Write the row."""
        self._writer.writerow([row.line, row.error.reason, str(row.error), *row.cells])

    def finish(self) -> None:
        """Write nothing more."""


class JsonReport:
    """Prints refused rows, the first rows of a dry run, and the counts, each as a tagged object."""

    def __init__(self, job: Job, *, with_refused: bool) -> None:
        self._job = job
        self._with_refused = with_refused
        self._ready, self._known = 0, 0
        self._reasons: Counter[str] = Counter()

    def take_ready(self, row: Ready, record: Record) -> None:
        """Print one of the first rows of a dry run."""
        if self._job.is_dry and self._ready < SHOWN:
            write_json({"row": {"line": row.line, **_as_json(record)}})
        self._ready += 1

    def take_known(self, row: Ready) -> None:
        """Count."""
        self._known += 1

    def take_refused(self, row: Refused) -> None:
        """Print a refused row, unless a file has it."""
        error = row.error
        self._reasons[error.reason] += 1
        if self._with_refused:
            told = {"line": row.line, "reason": error.reason, "field": error.field, "message": error.message}
            write_json({"refused": told})

    def finish(self) -> None:
        """Print the counts; that rows were refused is said on standard error too."""
        refused = self._reasons.total()
        counts = {
            "rows": self._ready + self._known + refused,
            "written": 0 if self._job.is_dry else self._ready,
            "known": self._known,
            "refused": refused,
            "reasons": self._reasons,
            "ignored_columns": [] if self._job.kept_as else self._job.others,
            "dry_run": self._job.is_dry,
        }
        write_json({"imported": counts})
        if refused:
            print(
                f"leadheat: {refused:,} of {self._ready + self._known + refused:,} rows were refused", file=sys.stderr
            )


class Summary:
    """Prints for a person what an import came to."""

    def __init__(self, job: Job, *, with_refused: bool) -> None:
        self._job = job
        self._with_refused = with_refused
        self._started = time.perf_counter()
        self._ready: Counter[str] = Counter()
        self._known = 0
        self._reasons: Counter[str] = Counter()
        self._first: list[Text] = []
        self._refused: list[Text] = []

    def take_ready(self, row: Ready, record: Record) -> None:
        """Count, and keep the first rows of a dry run."""
        self._ready[record.topic] += 1
        if self._job.is_dry and len(self._first) < SHOWN:
            self._first.append(Text(f"{self._where(row.line)} {printable(record.value.decode(), 4000)}"))

    def take_known(self, row: Ready) -> None:
        """Count."""
        self._known += 1

    def take_refused(self, row: Refused) -> None:
        """Count, and keep the first ones."""
        self._reasons[row.error.reason] += 1
        if self._with_refused and len(self._refused) < REFUSED_SHOWN:
            message = f" {printable(str(row.error), 400)}"
            self._refused.append(Text.assemble(self._where(row.line), " ", (row.error.reason, "red"), message))

    def finish(self) -> None:
        """Print the summary."""
        console = make_console()
        for line in self._first:
            console.print(line)
        job, refused = self._job, self._reasons.total()
        wording = "would be written to" if job.is_dry else "written to"
        written = ", ".join(f"{count:,} {wording} {topic}" for topic, count in sorted(self._ready.items()))
        known = f"{self._known:,} known already, " if self._known else ""
        console.print(
            f"{printable(job.name, 400)}: {self._ready.total() + self._known + refused:,} rows, "
            f"{written or 'none written'}, {known}{refused:,} refused, in {time.perf_counter() - self._started:.1f} s",
        )
        if job.others:
            console.print(_describe_others(job))
        if refused:
            self._print_refused(refused)

    def _print_refused(self, refused: int) -> None:
        console = make_console()
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self._reasons.most_common())
        shown = f"; the first {REFUSED_SHOWN}" if self._with_refused and refused > REFUSED_SHOWN else ""
        console.print(f"Refused rows: {reasons}{shown}")
        for line in self._refused:
            console.print(line)

    def _where(self, line: int) -> str:
        return f"{printable(self._job.name, 400)}:{line}:"


def _describe_others(job: Job) -> str:
    more = len(job.others) - COLUMNS_SHOWN
    columns = ", ".join(printable(name, 60) for name in job.others[:COLUMNS_SHOWN])
    columns += f" and {more:,} more" if more > 0 else ""
    if job.kept_as:
        return f"Kept as {job.kept_as}: {columns}"
    return f'Ignored columns: {columns}. --keep-unknown keeps them; --map "COLUMN=FIELD" says what one means.'


def _as_json(record: Record) -> dict[str, object]:
    key = None if record.key is None else record.key.decode()
    return {"topic": record.topic, "key": key, "value": msgspec.Raw(record.value)}
