"""What an event costs as everything grows: leads, rules, partitions, workers."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from typing import Final

import psutil

from streams.settings import Settings
from streams.topics import WEB_EVENTS
from tests.benchmarks.figures import Bench, Measure, Target, run_child
from tests.benchmarks.processes import POLL_S, workers
from tests.benchmarks.traffic import generate_events, load_events

LEADS: Final = {"100 k leads": 100_000, "1 M leads": 1_000_000, "3 M leads": 3_000_000}
RULES: Final = {"10 rules": 10, "50 rules": 50, "200 rules": 200}
PARTITIONS: Final = {"4 partitions": 4, "16 partitions": 16, "64 partitions": 64}
WORKERS: Final = {"1 worker": 1, "2 workers": 2}
_PURE_EVENTS: Final = 60_000
_WIRE_EVENTS: Final = 200_000
_CORES_FOR_TWO: Final = 3
"""One for each worker, and one for the broker."""


def measure(bench: Bench) -> list[Measure]:
    """Measure all four."""
    return [_leads(bench), _rules(bench), _partitions(bench), _workers(bench)]


def _leads(bench: Bench) -> Measure:
    return _pure(
        bench,
        "as leads grow, of all of whom there is a state: one shard's pure logic, default model",
        {side: (bench.count(leads), "held") for side, leads in LEADS.items()},
        Target("3 M leads", of="100 k leads", most=2.0),
    )


def _rules(bench: Bench) -> Measure:
    return _pure(
        bench,
        "as rules grow, of which the same count for each event: one shard's pure logic",
        {side: (10_000, f"rules {rules}") for side, rules in RULES.items()},
        Target("200 rules", of="10 rules", most=1.5),
    )


def _pure(bench: Bench, title: str, sides: Mapping[str, tuple[int, str]], target: Target) -> Measure:
    """Measure one shard's pure logic on each side: so many leads, and what the shard is to be."""
    count, cpu = bench.count(_PURE_EVENTS), {side: list[float]() for side in sides}
    for _, side in bench.alternate(list(sides), "scale"):
        cpu[side].append(run_child("pure_shard", count, *sides[side])["cpu_s"] / count * 1e6)
    return Measure(title=title, unit="µs of CPU an event", figures=cpu, peer=target.of, targets=[target])


def _partitions(bench: Bench) -> Measure:
    count, cpu = bench.count(_WIRE_EVENTS), {side: list[float]() for side in PARTITIONS}
    events = list(generate_events(count, bench.count(20_000)))
    for number, side in bench.alternate(list(PARTITIONS), "scale: partitions"):
        settings = bench.settings(f"partitions{number}-{PARTITIONS[side]}", PARTITIONS[side])
        asyncio.run(load_events(settings, events))
        done = run_child("worker", WEB_EVENTS.full_name(settings.prefix), count, "simple", settings=settings)
        cpu[side].append(done["cpu_s"] / count * 1e6)
    return Measure(
        title="as partitions grow: one worker, wire to wire, simple model",
        unit="µs of CPU an event",
        figures=cpu,
        peer="4 partitions",
        targets=[Target("64 partitions", of="4 partitions", most=1.3)],
    )


def _workers(bench: Bench) -> Measure:
    count, rates = bench.count(2 * _WIRE_EVENTS), {side: list[float]() for side in WORKERS}
    events = list(generate_events(count, bench.count(20_000)))
    for number, side in bench.alternate(list(WORKERS), "scale: workers"):
        settings = bench.settings(f"workers{number}-{WORKERS[side]}")
        asyncio.run(load_events(settings, events))
        rates[side].append(_measure_rate(bench, settings, WORKERS[side], count))
    cores = os.cpu_count() or 1
    if cores < _CORES_FOR_TWO:
        note = (
            f"This machine has {cores} cores, and two workers and their broker want {_CORES_FOR_TWO}: so this says "
            "what two workers do to each other here, and not how they scale."
        )
        targets = []
    else:
        note = "The broker is bound to one core, and each worker to one of its own."
        targets = [Target("2 workers", of="1 worker", least=1.8)]
    return Measure(
        title="as workers grow: wire to wire, simple events by the default model",
        unit="events a second",
        figures=rates,
        peer="1 worker",
        targets=targets,
        notes=[note],
    )


def _measure_rate(bench: Bench, settings: Settings, count: int, events: int) -> float:
    """Return how many events a second so many workers take of a backlog, once all of them are at it."""
    has_cores = (os.cpu_count() or 1) >= _CORES_FOR_TWO
    broker = psutil.Process(bench.kafka.pid)
    if has_cores:
        broker.cpu_affinity([0])
    try:
        with workers(settings, count, [1, 2] if has_cores else None) as those:

            def taken() -> float:
                return sum(
                    each.metric("leadheat_events_total", topic=WEB_EVENTS.full_name(settings.prefix)) for each in those
                )

            first, began = taken(), time.perf_counter()
            while (now := taken()) < events:
                time.sleep(POLL_S)
            return (now - first) / (time.perf_counter() - began)
    finally:
        if has_cores:
            broker.cpu_affinity([])
