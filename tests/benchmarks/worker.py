"""Child process: the real worker on the simple model; measured from its first event to the commit of its last.

A thread of its own watches the worker's metrics, prints one JSON line when the last event is committed, and ends
the process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from prometheus_client import CollectorRegistry

import streams.app as worker_app
from streams.metrics import WorkerMetrics
from streams.settings import load_settings
from tests.benchmarks.traffic import simple_model

POLL_S = 0.005


def watch(registry: CollectorRegistry, topic: str, count: int) -> None:
    """Wait for the first event, then for the last commit, and print what lay between."""

    def value(name: str, **labels: str) -> float:
        return registry.get_sample_value(name, labels) or 0.0

    while not value("leadheat_events_total", topic=topic):
        time.sleep(POLL_S)
    wall, cpu = time.perf_counter(), time.process_time()
    while value("leadheat_events_total", topic=topic) < count:
        time.sleep(POLL_S)
    while (transactions := value("leadheat_transaction_seconds_count")) and time.sleep(0.1) is None:
        if transactions == value("leadheat_transaction_seconds_count"):
            break
    wall, cpu = time.perf_counter() - wall - 0.1, time.process_time() - cpu
    alerts = value("leadheat_alerts_total", kind="entered", band="hot")
    scoring = value("leadheat_chunk_seconds_sum")
    result = {"wall_s": wall, "cpu_s": cpu, "scoring_s": scoring, "alerts": alerts, "transactions": transactions}
    print(json.dumps(result), flush=True)
    os._exit(0)


def main() -> None:
    """Run ``python -m tests.benchmarks.worker TOPIC COUNT``; settings from the environment."""
    topic, count = sys.argv[1], int(sys.argv[2])
    made: list[CollectorRegistry] = []

    def remember(registry: CollectorRegistry, now_ms: object) -> WorkerMetrics:
        made.append(registry)
        threading.Thread(target=watch, args=(registry, topic, count), daemon=True).start()
        return WorkerMetrics(registry, now_ms)  # type: ignore[arg-type]

    worker_app.WorkerMetrics = remember  # type: ignore[misc, assignment]
    worker_app.run_worker(load_settings(), simple_model())


main()
