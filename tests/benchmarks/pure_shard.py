"""Child process: one shard's pure logic on the default model, decode to encode, on one core; and what a lead takes."""

from __future__ import annotations

import gc
import json
import sys
import time

from scoring.model import load_model
from scoring.models import DEFAULT_MODEL
from scoring.shard import Shard
from tests.benchmarks.realistic import realistic_records

CHUNK_RECORDS = 50_000


def main() -> None:
    """Run ``python -m tests.benchmarks.pure_shard EVENTS LEADS``; prints one JSON line."""
    count, leads = int(sys.argv[1]), int(sys.argv[2])
    records = list(realistic_records(count, leads))
    shard = Shard(load_model(DEFAULT_MODEL), {})
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000_000, 10, 10)
    started, alerts = time.process_time(), 0
    for first in range(0, count, CHUNK_RECORDS):
        alerts += len(shard.take(records[first : first + CHUNK_RECORDS]).alerts)
    cpu_s = time.process_time() - started
    state_bytes = sum(map(len, shard.leads.values())) / len(shard.leads)
    print(json.dumps({"cpu_s": cpu_s, "leads": len(shard.leads), "alerts": alerts, "bytes_per_lead": state_bytes}))


if __name__ == "__main__":
    main()
