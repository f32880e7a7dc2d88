"""From an event to its committed alert, at 10, 25, 50 and 80 % of what one worker can do, beside Kafka by itself."""

from __future__ import annotations

import asyncio
from typing import Final

from streams.topics import WEB_EVENTS, create_topics
from tests.benchmarks.figures import ITSELF, Bench, Measure, Target, run_child
from tests.benchmarks.processes import workers
from tests.benchmarks.realistic import mixed_events
from tests.benchmarks.traffic import load_events

SECONDS: Final = 15.0
SHARES: Final = (10, 25, 50, 80)
BACKLOG: Final = 60_000
ALONE: Final = "Kafka alone, at 50 %"
PERCENTILES: Final = ("p50", "p99", "p99.9")


def measure(bench: Bench) -> list[Measure]:
    """Measure what a worker can do, and latencies at shares of it; every rate has a worker of its own."""
    capacity = _measure_capacity(bench)
    sides = {f"at {share} %": share for share in SHARES} | {ALONE: 50}
    found: dict[str, dict[str, list[float]]] = {name: {side: [] for side in sides} for name in PERCENTILES}
    cores: dict[str, list[float]] = {side: [] for side in sides if side != ALONE}
    for number, side in bench.alternate(list(sides), "latency"):
        rate = capacity * sides[side] / 100
        settings = bench.settings(f"latency{number}-{side.strip(' %').replace(' ', '-').replace(',', '')}")
        asyncio.run(create_topics(settings))
        if side == ALONE:
            done = run_child("latency_probe", rate, SECONDS, "alone", settings=settings)
        else:
            with workers(settings, 1) as (worker,):
                cpu_s = worker.cpu_s()
                done = run_child("latency_probe", rate, SECONDS, settings=settings)
                cores[side].append((worker.cpu_s() - cpu_s) / SECONDS)
        for name in PERCENTILES:
            found[name][side].append(done[name])
    note = (
        f"100 % are {capacity:,.0f} events a second, which one worker takes from a backlog by the default model, with "
        "the machine to itself. Sender, broker and listener share its cores."
    )
    measures = [
        Measure(title=f"latency, event to committed alert, {name}", unit="ms", figures=figures, peer=ALONE)
        for name, figures in found.items()
    ]
    measures[0].notes.append(note)
    measures[1].targets.append(Target("at 50 %", of=ITSELF, most=75.0))
    measures.append(Measure(title="what the worker takes at these rates", unit="cores", figures=cores))
    return measures


def _measure_capacity(bench: Bench) -> float:
    count, settings = bench.count(BACKLOG), bench.settings("capacity")
    with bench.saying("latency: what one worker can do"):
        asyncio.run(load_events(settings, list(mixed_events(count, 20_000))))
        done = run_child("worker", WEB_EVENTS.full_name(settings.prefix), count, "default", settings=settings)
    return count / done["wall_s"]
