"""Child process: past events by the default model, on one core.

``python -m tests.benchmarks.backtest EVENTS DEALS SIDE`` prints one JSON line with the CPU seconds. The sides take the
same chunks:

- ``backtest``: judges each deal at its moment.
- ``plain replay``: ticks and publishes, as ``leadheat score`` does.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time

from scoring.backtest import in_chunks, run_backtest
from scoring.deals import Deal
from scoring.events import decode_event
from scoring.model import load_model
from scoring.models import DEFAULT_MODEL
from scoring.replay import Replay
from tests.benchmarks.realistic import realistic_records


def main() -> None:
    """Measure, and print one JSON line."""
    count, deals, side = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    records = sorted(realistic_records(count, count // 8), key=lambda record: (record.timestamp, record.offset))
    people = sorted({decode_event(record.value or b"", record.timestamp).lead_id for record in records})
    rng, model = random.Random(1), load_model(DEFAULT_MODEL)
    first, last = records[0].timestamp, records[-1].timestamp
    chosen = [Deal(lead, rng.random() < 0.3, rng.randrange(first, last)) for lead in rng.sample(people, deals)]
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000_000, 10, 10)
    started = time.process_time()
    if side == "backtest":
        run_backtest([model], in_chunks(records), chosen)
    else:
        replay = Replay(model)
        for chunk in in_chunks(records):
            replay.tick(chunk[0].timestamp)
            replay.take(chunk)
    print(json.dumps({"cpu_s": time.process_time() - started}))


if __name__ == "__main__":
    main()
