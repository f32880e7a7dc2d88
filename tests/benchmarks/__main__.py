"""``make bench``: the worker beside a raw consumer, on a real Kafka, and one shard's pure logic, in one run.

Worker and raw consumer read the same events from the same topic. Rounds alternate, so that a machine that slows down
slows all; the ratio of CPU times is what counts. The pure shard scores other traffic by the default model: from a
record's bytes to a state's bytes, on one core.

With the simple model everybody is known by one identity, and there are no accounts. With the default model three in
ten events come by a weaker identity and take a hop, and every lead tells its account of itself.
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

import msgspec
from rich.console import Console
from rich.table import Table

from scoring.account_identity import account_of_domain
from scoring.account_records import AccountScore
from streams.embedded.kafka import EmbeddedKafka
from streams.reading import read_latest
from streams.settings import Settings
from streams.topics import ACCOUNT_SCORES, ACCOUNT_UPDATES, CHANGELOG, WEB_EVENTS
from tests.benchmarks import gateway
from tests.benchmarks.gateway import SECONDS, SINGLE_PER_S
from tests.benchmarks.realistic import LARGEST, company_updates, mixed_events
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
    simple, mixed = list(generate_events(count, leads)), list(mixed_events(count, leads))
    companies = list(company_updates())
    results = []
    for number in range(rounds):
        result: dict[str, dict[str, float]] = {}
        for name, events in (("simple", simple), ("default", mixed)):
            title = f"round {number + 1} of {rounds}, {name} model"
            prefix = f"{name}{number}"
            settings = Settings(brokers=brokers, prefix=prefix, app_id=prefix, partitions=4, data_dir=data_dir)
            with console.status(f"{title}: loading {count:,} events"):
                asyncio.run(load_events(settings, events))
                if name == "default":
                    asyncio.run(load_events(settings, companies, ACCOUNT_UPDATES))
            topic = WEB_EVENTS.full_name(settings.prefix)
            sides = ("raw_consumer", "worker")
            for module in sides if number % 2 == 0 else reversed(sides):
                with console.status(f"{title}: {module}"):
                    result[f"{name} {module}"] = run_child(module, topic, count, name, **environment_of(settings))
            if name == "default":
                result["largest account"] = asyncio.run(_measure_account(settings))
        with console.status(f"round {number + 1} of {rounds}: pure shard"):
            result["pure_shard"] = run_child("pure_shard", count // 4, leads // 4)
        results.append(result)
    return results


async def _measure_account(settings: Settings) -> dict[str, float]:
    """Return how many people the largest account has, and what it takes."""
    key = account_of_domain(LARGEST).encode()
    states = await read_latest(settings.brokers, CHANGELOG.full_name(settings.prefix))
    scores = await read_latest(settings.brokers, ACCOUNT_SCORES.full_name(settings.prefix))
    return {"people": msgspec.json.decode(scores[key], type=AccountScore).people, "state_bytes": len(states[key])}


def report(results: list[dict[str, dict[str, float]]], count: int) -> dict[str, object]:
    """Print the table and return what goes into the JSON."""
    table = Table(
        title=f"wire to wire, {count:,} events, {platform.processor() or platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}"
    )
    for column in ("round", "model", "process", "events/s", "CPU µs/event", "alerts"):
        table.add_column(column, justify="left" if column in ("model", "process") else "right")
    for number, result in enumerate(results, 1):
        for name in ("simple", "default"):
            for module in ("raw_consumer", "worker"):
                figures = result[f"{name} {module}"]
                events_per_s, cpu_us = count / figures["wall_s"], figures["cpu_s"] / count * 1e6
                alerts = f"{figures['alerts']:,.0f}" if name == "simple" or module == "worker" else ""
                table.add_row(str(number), name, module, f"{events_per_s:,.0f}", f"{cpu_us:.2f}", alerts)
    Console().print(table)
    ratios = {}
    for name in ("simple", "default"):
        found = sorted(r[f"{name} worker"]["cpu_s"] / r[f"{name} raw_consumer"]["cpu_s"] for r in results)
        ratios[name] = found
        print(
            f"worker / raw consumer, CPU, {name} model: median {median(found):.2f}, {found[0]:.2f} to {found[-1]:.2f}"
        )
    _report_default(results, count)
    pure = sorted(result["pure_shard"]["cpu_s"] / (count // 4) for result in results)
    bytes_per_lead = results[0]["pure_shard"]["bytes_per_lead"]
    print(
        f"pure shard, default model, one core: median {1 / median(pure):,.0f} events/s ({median(pure) * 1e6:.1f} µs), "
        f"{1 / pure[-1]:,.0f} to {1 / pure[0]:,.0f}; {bytes_per_lead:.0f} bytes per lead"
    )
    return {"events": count, "rounds": results, "cpu_ratios": ratios}


def _report_default(results: list[dict[str, dict[str, float]]], count: int) -> None:
    messages = median(result["default worker"]["messages"] for result in results) / count
    largest = results[0]["largest account"]
    print(
        f"default model: {messages:.2f} messages between shards per event; the largest account has "
        f"{largest['people']:,.0f} people and takes {largest['state_bytes']:,.0f} bytes"
    )


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
            with console.status("the gateway beside a bare endpoint"):
                at_the_gateway = gateway.measure(kafka.brokers, SECONDS, SINGLE_PER_S, rounds=2)
        finally:
            kafka.stop()
    figures = report(results, options.events) | {"gateway": at_the_gateway}
    gateway.report(at_the_gateway, SINGLE_PER_S)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


main()
