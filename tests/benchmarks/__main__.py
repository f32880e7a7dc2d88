"""``make bench``: the worker beside a raw consumer, on a real Kafka, and one shard's pure logic, in one run.

Worker and raw consumer read the same events from the same topic. Rounds alternate, so that a machine that slows down
slows all; the ratio of CPU times is what counts. The pure shard scores other traffic by the default model: from a
record's bytes to a state's bytes, on one core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from streams.embedded.kafka import EmbeddedKafka
from streams.settings import Settings
from streams.topics import WEB_EVENTS
from tests.benchmarks.traffic import generate_events, load_events

TIMEOUT_S = 600
console = Console(stderr=True)


def run_child(module: str, *arguments: object, **environment: str) -> dict[str, float]:
    """Run one measured process and return the JSON line that it prints."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise SystemExit(f"{module} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment of a measured process."""
    return {
        "LEADHEAT_BROKERS": settings.brokers,
        "LEADHEAT_PREFIX": settings.prefix,
        "LEADHEAT_APP_ID": settings.app_id,
        "LEADHEAT_PARTITIONS": str(settings.partitions),
        "LEADHEAT_DATA_DIR": str(settings.data_dir),
        "LEADHEAT_LOG_LEVEL": "warning",
    }


def measure(brokers: str, data_dir: Path, count: int, leads: int, rounds: int) -> list[dict[str, dict[str, float]]]:
    """Run the rounds; each has topics of its own, and every second one starts with the other side."""
    events = list(generate_events(count, leads))
    results = []
    for number in range(rounds):
        name = f"bench{number}"
        settings = Settings(brokers=brokers, prefix=name, app_id=name, partitions=4, data_dir=data_dir)
        with console.status(f"round {number + 1} of {rounds}: loading {count:,} events"):
            asyncio.run(load_events(settings, events))
        result = {}
        for module in ("worker", "raw_consumer") if number % 2 else ("raw_consumer", "worker"):
            with console.status(f"round {number + 1} of {rounds}: {module}"):
                topic = WEB_EVENTS.full_name(settings.prefix)
                result[module] = run_child(module, topic, count, **environment_of(settings))
        with console.status(f"round {number + 1} of {rounds}: pure shard"):
            result["pure_shard"] = run_child("pure_shard", count // 4, leads // 4)
        results.append(result)
    return results


def report(results: list[dict[str, dict[str, float]]], count: int) -> dict[str, object]:
    """Print the table and return what goes into the JSON."""
    table = Table(
        title=f"wire to wire, simple rules, {count:,} events, {platform.processor() or platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}"
    )
    for column in ("round", "process", "events/s", "CPU µs/event", "alerts"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for number, result in enumerate(results, 1):
        for module in ("raw_consumer", "worker"):
            figures = result[module]
            table.add_row(
                str(number),
                module,
                f"{count / figures['wall_s']:,.0f}",
                f"{figures['cpu_s'] / count * 1e6:.2f}",
                f"{figures['alerts']:,.0f}",
            )
    ratios = sorted(result["worker"]["cpu_s"] / result["raw_consumer"]["cpu_s"] for result in results)
    Console().print(table)
    print(f"worker / raw consumer, CPU: median {median(ratios):.2f}, spread {ratios[0]:.2f} to {ratios[-1]:.2f}")
    pure = sorted(result["pure_shard"]["cpu_s"] / (count // 4) for result in results)
    bytes_per_lead = results[0]["pure_shard"]["bytes_per_lead"]
    print(
        f"pure shard, default model, one core: median {1 / median(pure):,.0f} events/s ({median(pure) * 1e6:.1f} µs), "
        f"{1 / pure[-1]:,.0f} to {1 / pure[0]:,.0f}; {bytes_per_lead:.0f} bytes per lead"
    )
    return {"events": count, "rounds": results, "cpu_ratio_median": median(ratios), "cpu_ratios": ratios}


def main() -> None:
    """Parse the options, start a Kafka, measure, report."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events per round (default %(default)s)")
    parser.add_argument("--leads", type=int, default=100_000, help="leads they are about (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each process (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leadheat-bench-") as directory:
        kafka = EmbeddedKafka(Path(directory) / "kafka")
        with console.status("starting Kafka"):
            kafka.start()
        try:
            results = measure(kafka.brokers, Path(directory), options.events, options.leads, options.rounds)
        finally:
            kafka.stop()
    figures = report(results, options.events)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


main()
