"""Child process: the real worker, on the simple model or the default one; from when its shards are ready to its last
commit, what shards tell each other included.

Nothing has been fetched when the clock starts, as in the raw consumer.

A thread of its own watches the worker's metrics, prints one JSON line when the last event is committed, and ends
the process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry

import streams.app as worker_app
from scoring.model import load_model_text, parse_model
from scoring.models import DEFAULT_MODEL
from streams.metrics import WorkerMetrics
from streams.published_models import Publication
from streams.settings import Settings, load_settings
from streams.topics import ROUTED, WEB_EVENTS
from tests.benchmarks.traffic import simple_model_text

POLL_S = 0.05
"""How often the metrics are looked at, which takes 0.2 ms of what is measured."""
QUIET_S = 0.1
"""Without a transaction for so long, and with all messages taken, all is done."""


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """Return what a metric stands at."""
    return registry.get_sample_value(name, labels) or 0.0


def run_watched(settings: Settings, model: str, watch: Callable[[CollectorRegistry], None]) -> None:
    """Run a worker by the ``default`` model or the simple one, with ``watch`` on its metrics in a thread."""
    text = load_model_text(DEFAULT_MODEL)[1] if model == "default" else simple_model_text()

    def remember(registry: CollectorRegistry, now_ms: Callable[[], int]) -> WorkerMetrics:
        threading.Thread(target=watch, args=(registry,), daemon=True).start()
        return WorkerMetrics(registry, now_ms)

    # The worker makes its metrics itself, and is measured as it is: no way in is made for a benchmark.
    worker_app.WorkerMetrics = remember  # type: ignore[misc, assignment]
    version = parse_model(text, "model").version
    worker_app.run_worker(settings, [Publication(number=1, kind="file", version=version, text=text, at_ms=0, by="me")])


def watch_events(registry: CollectorRegistry, topic: str, count: int, partitions: int) -> None:
    """Wait until all shards are ready, then for the last commit, and print what lay between."""
    while sample(registry, "leadheat_shards", state="ready") < partitions:
        time.sleep(POLL_S)
    wall, cpu = time.perf_counter(), time.process_time()
    while sample(registry, "leadheat_events_total", topic=topic) < count:
        time.sleep(POLL_S)
    routed = topic.replace(WEB_EVENTS.name, ROUTED.name)
    transactions = -1.0
    while transactions != (transactions := sample(registry, "leadheat_transaction_seconds_count")) or sample(
        registry, "leadheat_events_total", topic=routed
    ) < sample(registry, "leadheat_messages_total"):
        time.sleep(QUIET_S)
    result = {
        "wall_s": time.perf_counter() - wall - QUIET_S,
        "cpu_s": time.process_time() - cpu,
        "scoring_s": sample(registry, "leadheat_chunk_seconds_sum"),
        "alerts": sample(registry, "leadheat_alerts_total", kind="entered", band="hot"),
        "transactions": transactions,
        "messages": sample(registry, "leadheat_messages_total"),
    }
    print(json.dumps(result), flush=True)
    os._exit(0)


def main() -> None:
    """Run ``python -m tests.benchmarks.worker TOPIC COUNT [default]``; settings from the environment."""
    topic, count, model = sys.argv[1], int(sys.argv[2]), (sys.argv[3:] or ["simple"])[0]
    settings = load_settings()
    run_watched(settings, model, lambda registry: watch_events(registry, topic, count, settings.partitions))


if __name__ == "__main__":
    main()
