"""What it costs to try a model: on what was, beside a plain replay; and on what comes, beside the model in use."""

from __future__ import annotations

from tests.benchmarks.figures import ITSELF, Bench, Measure, Target, run_child

SHADOW_PER_S = 400
"""A rate at which events come one by one, and not in large chunks."""


def measure(bench: Bench) -> list[Measure]:
    """Measure a backtest, and a shadow."""
    return [_measure_backtest(bench), _measure_shadow(bench)]


def _measure_backtest(bench: Bench) -> Measure:
    count, deals = bench.count(200_000), bench.count(2_000)
    rates: dict[str, list[float]] = {"plain replay": [], "backtest": []}
    for _, side in bench.alternate(list(rates), "past events"):
        done = run_child("backtest", count, deals, side)
        rates[side].append(count / done["cpu_s"])
    return Measure(
        title="past events by the default model: a backtest, and a replay that publishes",
        unit="events a second on one core",
        figures=rates,
        peer="plain replay",
        targets=[Target("backtest", of=ITSELF, least=40_000)],
        notes=[f"{deals:,} deals; a chunk is a week at most."],
    )


def _measure_shadow(bench: Bench) -> Measure:
    cpu: dict[str, list[float]] = {"worker": [], "shadow": []}
    for number in range(bench.rounds):
        with bench.saying(f"shadow beside a worker, round {number + 1} of {bench.rounds}"):
            done = run_child("shadow", bench.count(10_000), SHADOW_PER_S, settings=bench.settings(f"shadow-{number}"))
        for side, values in cpu.items():
            values.append(done[f"{side}_us"])
    return Measure(
        title="a candidate beside the model in use, live",
        unit="µs of CPU an event",
        figures=cpu,
        peer="worker",
        targets=[Target("shadow", of="worker", most=0.6)],
        notes=[f"{SHADOW_PER_S} events a second to both, at the same time."],
    )
