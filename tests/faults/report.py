"""The table of a run: for a terminal, and for docs/operations.md."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.rows import Row

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
GREEN = "Every promise held in the last runs of the whole suite, with the seeds "
SEEDS_KEPT = 5
HEADINGS = (
    "fault",
    "count",
    "events",
    "lost",
    "duplicated",
    "wrong scores",
    "missing or extra alerts",
    "recovered after",
    "longest stop",
)


def cells(row: Row) -> list[str]:
    """Return a row's texts, in the order of the headings."""
    return [
        row.fault,
        str(row.count),
        f"{row.events:,}",
        str(row.lost),
        str(row.duplicated),
        str(row.wrong),
        str(row.missing_or_extra_alerts),
        f"{row.recovered_s:.1f} s",
        f"{row.stopped_s:.1f} s",
    ]


def print_table(rows: list[Row], seed: int, seconds: float, console: Console) -> None:
    """Print the table, and what was not as promised."""
    table = Table(title=f"seed {seed}", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "fault" else "right")
    for row in rows:
        table.add_row(*cells(row), style=None if row.is_good else "red")
    console.print(table)
    bad = [row for row in rows if not row.is_good]
    events = sum(row.events for row in rows)
    verdict = f"{len(bad)} of {len(rows)} classes of faults broke a promise" if bad else "every promise held"
    console.print(f"{verdict}: {events:,} events, {len(rows)} classes of faults, {seconds:.0f} s, seed {seed}")


def write_report(file: Path, rows: list[Row], seed: int) -> None:
    """Write the table into a file, between its marks, with the seeds of the green runs before it.

    A run in which a promise was broken begins that list anew.
    """
    before, _, rest = file.read_text().partition(BEGIN)
    known, _, after = rest.partition(END)
    if all(row.is_good for row in rows):
        found = re.search(rf"{re.escape(GREEN)}([\d, ]+)", known)
        earlier = found[1].split(", ") if found else []
        seeds = [str(seed), *(one for one in earlier if one != str(seed))][:SEEDS_KEPT]
        said = f"{GREEN}{', '.join(seeds)}. The table is of the first of these."
    else:
        said = f"A promise was broken with seed {seed}:"
    lines = [said, "", f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    lines += [f"| {' | '.join(cells(row))} |" for row in rows]
    file.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")
