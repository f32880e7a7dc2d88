"""How long a worker takes to have its leads again, and what a lead takes: in memory, and on the changelog."""

from __future__ import annotations

import asyncio
from typing import Final

from scoring.model import load_model
from scoring.models import DEFAULT_MODEL
from streams.topics import CHANGELOG
from tests.benchmarks.figures import ITSELF, Bench, Measure, Target, run_child
from tests.benchmarks.long_lived import make_states
from tests.benchmarks.traffic import load_events

LEADS: Final = 1_000_000
SIDES: Final = ("raw consumer", "worker")


def measure(bench: Bench) -> list[Measure]:
    """Measure a worker that starts on the changelog of a million leads, beside a consumer that copies it."""
    leads = bench.count(LEADS)
    settings = bench.settings("restore")
    topic = CHANGELOG.full_name(settings.prefix)
    with bench.saying(f"restore: writing the states of {leads:,} leads"):
        states = make_states(load_model(DEFAULT_MODEL), leads)
        asyncio.run(load_events(settings, [(key.decode(), state) for key, state in states.items()], CHANGELOG))
    key_bytes, state_bytes = (sum(map(len, part)) / leads for part in (states.keys(), states.values()))
    logs = (bench.kafka.data_dir / "logs").glob(f"{topic}-*/*.log")
    on_changelog = sum(file.stat().st_size for file in logs) / leads
    del states
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _, side in bench.alternate(SIDES, "restore"):
        module = "restoring_worker" if side == "worker" else "raw_restore"
        found[side].append(run_child(module, topic, leads, settings=settings))
    rates = {side: [leads / done["wall_s"] for done in rounds] for side, rounds in found.items()}
    seconds = {side: [done["wall_s"] for done in rounds] for side, rounds in found.items()}
    memory = {side: [done["rss_bytes"] / leads for done in rounds] for side, rounds in found.items()}
    return [
        Measure(
            title=f"restore of {leads:,} leads",
            unit="records a second",
            figures=rates,
            peer="raw consumer",
            targets=[Target("worker", of=ITSELF, least=400_000)],
        ),
        Measure(title=f"restore of {leads:,} leads", unit="seconds", figures=seconds, peer="raw consumer"),
        Measure(
            title="a lead in memory, key and all that Python adds to it",
            unit="bytes",
            figures=memory,
            peer="raw consumer",
            notes=[
                f"Of these the key takes {key_bytes:.0f} bytes and the state {state_bytes:.0f}; on the changelog's "
                f"disk a lead takes {on_changelog:.0f}, once."
            ],
        ),
    ]
