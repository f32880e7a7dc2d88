"""Child process: the real worker, from when it is given its shards until all of them are restored and ready.

``python -m tests.benchmarks.restoring_worker TOPIC COUNT`` prints one JSON line; settings are from the environment.
"""

from __future__ import annotations

import json
import os
import sys
import time

import psutil
from prometheus_client import CollectorRegistry

from streams.settings import load_settings
from tests.benchmarks.worker import POLL_S, run_watched, sample


def main() -> None:
    """Restore, print, end."""
    count, settings = int(sys.argv[2]), load_settings()

    def watch(registry: CollectorRegistry) -> None:
        while not sample(registry, "leadheat_shards", state="restoring"):
            time.sleep(POLL_S)
        process = psutil.Process()
        rss, wall, cpu = process.memory_info().rss, time.perf_counter(), time.process_time()
        while sample(registry, "leadheat_shards", state="ready") < settings.partitions:
            time.sleep(POLL_S)
        result = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        result["rss_bytes"] = process.memory_info().rss - rss
        restored = sample(registry, "leadheat_restored_records_total")
        if restored < count:
            print(f"only {restored:.0f} of {count} records were restored", file=sys.stderr, flush=True)
            os._exit(1)
        print(json.dumps(result), flush=True)
        os._exit(0)

    run_watched(settings, "default", watch)


if __name__ == "__main__":
    main()
