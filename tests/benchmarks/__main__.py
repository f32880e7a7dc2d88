"""``make bench``: everything that is measured, each beside its peer, in one run and one report.

Sides take turns, so that a machine that slows down slows all; the ratios within a round are what counts.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from streams.embedded.kafka import EmbeddedKafka
from tests.benchmarks import gateway, idle, latency, models, read_model, restore, scale, wire
from tests.benchmarks.figures import Bench, Measure, Report
from tests.benchmarks.report import describe_machine, print_report, read_report, write_json, write_report

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"
MEASURES = {
    "simple": wire.measure_simple,
    "default": wire.measure_default,
    "pure": wire.measure_pure,
    "latency": latency.measure,
    "restore": restore.measure,
    "scale": scale.measure,
    "gateway": gateway.measure,
    "read-model": read_model.measure,
    "models": models.measure,
    "idle": idle.measure,
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Measure what leadheat costs, beside its peers, on a Kafka of its own. Half an hour on two cores.",
        epilog="Options are given as in: make bench BENCH='--only simple --scale 0.2'",
    )
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="only this; may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each measurement (default: %(default)s)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="how much of the usual load; below 1 it is quicker and says less"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md, its JSON and its picture")
    return parser.parse_args()


def main() -> int:
    """Measure, and report."""
    options, console = parse_arguments(), Console(stderr=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory(prefix="leadheat-bench-") as directory:
        kafka = EmbeddedKafka(Path(directory) / "kafka")
        with console.status("starting Kafka"):
            kafka.start()
        try:
            bench = Bench(kafka, Path(directory), options.rounds, options.scale, console)
            for name in options.only or MEASURES:
                measures += MEASURES[name](bench)
        finally:
            kafka.stop()
    machine = describe_machine()
    if options.scale != 1.0:
        machine.append(f"{options.scale:g} of the usual load")
    report = Report(machine=machine, rounds=options.rounds, measures=measures)
    print_report(report, read_report(DOCUMENT), Console(soft_wrap=not sys.stdout.isatty()))
    if options.json is not None:
        write_json(report, options.json)
    if options.write:
        write_report(report, DOCUMENT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
