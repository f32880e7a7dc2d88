"""Run the fault suite: ``python -m tests.faults`` (see ``--help``)."""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from streams.embedded.kafka import EmbeddedKafka
from streams.embedded.stack import run_until_signal
from tests.faults.catalogue import APART, MUTANTS, ON_THE_STAGE
from tests.faults.mutants import run_mutant
from tests.faults.report import print_table, write_report
from tests.faults.rows import Fault, Row, run_row
from tests.faults.stage import Options, Stage


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Start a whole leadheat, disturb it in every way, and hold what comes of it against an oracle.",
    )
    parser.add_argument("--seed", type=int, help="repeat a run; without it a new one is drawn, and printed")
    parser.add_argument("--ci", action="store_true", help="only the part that CI runs, 5 minutes or less")
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="only faults whose names contain this"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="events a second, against the usual (default: 1.0)")
    parser.add_argument("--list", action="store_true", help="list the faults, and how often each happens")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table into this file, between its marks")
    parser.add_argument("--keep", action="store_true", help="keep the logs of all processes")
    return parser.parse_args()


async def run(arguments: argparse.Namespace, seed: int, directory: Path, console: Console, rows: list[Row]) -> None:
    """Run the chosen faults, and add their rows as they come."""
    chosen = [fault for fault in ON_THE_STAGE if _is_chosen(fault, arguments)]
    if chosen:
        began = time.monotonic()
        stage_directory = directory / f"faults-{seed}"
        stage_directory.mkdir()
        async with Stage(Options(directory=stage_directory, seed=seed)) as stage:
            console.print(f"everything runs after {time.monotonic() - began:.0f} s; seed {seed}")
            for number, fault in enumerate(chosen):
                rows.append(await _run_one(stage, fault, number, arguments, console))
    for special in (run_mutants, run_apart):
        rows += await special(arguments, seed, directory, console)


async def run_mutants(arguments: argparse.Namespace, seed: int, directory: Path, console: Console) -> list[Row]:
    """Run the product without each of its safeguards in turn, on a broker that they share."""
    mutants = [mutant for mutant in MUTANTS if not arguments.ci and _is_named(mutant.name, arguments)]
    if not mutants:
        return []
    kafka = EmbeddedKafka(directory / "kafka-of-mutants")
    await asyncio.to_thread(kafka.start)
    try:
        return [_tell(await run_mutant(mutant, kafka, directory, seed), console) for mutant in mutants]
    finally:
        await asyncio.to_thread(kafka.stop)


async def run_apart(arguments: argparse.Namespace, seed: int, directory: Path, console: Console) -> list[Row]:
    """Run the faults that need a stage of their own."""
    rows: list[Row] = []
    for fault in APART:
        if arguments.ci or not _is_named(fault.name, arguments):
            continue
        row = await fault.run(directory, seed)
        if isinstance(row, str):
            console.print(f"[yellow]SKIPPED[/] {fault.name}: {row}")
        else:
            rows.append(_tell(row, console))
    return rows


async def _run_one(stage: Stage, fault: Fault, number: int, arguments: argparse.Namespace, console: Console) -> Row:
    count = fault.in_ci if arguments.ci else fault.count
    return _tell(await run_row(stage, fault, number, count, arguments.scale), console)


def _tell(row: Row, console: Console) -> Row:
    mark = "[green]good[/]" if row.is_good else "[red]BAD[/]"
    took = f"{row.seconds:.0f} s, of which {row.judged_s:.0f} s to judge them"
    console.print(f"{mark} {row.fault} × {row.count}: {row.events:,} events in {took}")
    for problem in row.problems[:5]:
        console.print(f"     {problem}", markup=False, highlight=False)
    return row


def _is_chosen(fault: Fault, arguments: argparse.Namespace) -> bool:
    if arguments.ci and not fault.in_ci:
        return False
    return _is_named(fault.name, arguments)


def _is_named(name: str, arguments: argparse.Namespace) -> bool:
    return not arguments.only or any(text.lower() in name.lower() for text in arguments.only)


def main() -> int:
    """Run, print the table, and return 1 if anything was not as promised."""
    arguments, console = parse_arguments(), Console(soft_wrap=True, width=None if sys.stdout.isatty() else 160)
    if arguments.list:
        for fault in ON_THE_STAGE:
            in_ci = f"{fault.in_ci} in CI" if fault.in_ci else f"not in CI: {fault.why_not_in_ci}"
            console.print(f"{fault.count:3} × {fault.name} ({in_ci})", highlight=False)
        for special in (*MUTANTS, *APART):
            console.print(f"  1 × {special.name} (not in CI: a stage of its own costs a minute)", highlight=False)
        return 0
    seed = random.SystemRandom().randrange(1, 1_000_000) if arguments.seed is None else arguments.seed
    began = time.monotonic()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that the broker is away is what was wanted
    directory = Path(tempfile.mkdtemp(prefix="leadheat-faults-"))
    try:
        rows: list[Row] = []
        run_until_signal(run(arguments, seed, directory, console, rows))
    finally:
        if arguments.keep:
            console.print(f"the logs of all processes are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print_table(rows, seed, time.monotonic() - began, console)
    if arguments.write is not None:
        write_report(arguments.write, rows, seed)
    return 0 if rows and all(row.is_good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
