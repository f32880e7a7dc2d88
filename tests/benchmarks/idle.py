"""What our processes take while nothing happens, beside a consumer that waits."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Final

import psutil

from streams.embedded.ports import free_ports
from streams.topics import WEB_EVENTS, create_topics
from tests.benchmarks.figures import ITSELF, Bench, Measure, Target
from tests.benchmarks.processes import Running, running, workers

SETTLE_S: Final = 5.0
SECONDS: Final = 15.0
PEER: Final = "idle consumer"


def measure(bench: Bench) -> list[Measure]:
    """Measure all at once, for some seconds in each round."""
    settings = bench.settings("idle", gateway_port=free_ports("127.0.0.1", 1)[0])
    asyncio.run(create_topics(settings))
    consumer = [sys.executable, "-m", "tests.benchmarks.idle_consumer", settings.brokers]
    with ExitStack() as stack:
        (worker,) = stack.enter_context(workers(settings, 1))
        gateway = stack.enter_context(running("gateway", settings))
        waiting = stack.enter_context(subprocess.Popen([*consumer, WEB_EVENTS.full_name(settings.prefix)]))
        stack.callback(waiting.terminate)
        those = {"worker": worker, "gateway": gateway, PEER: Running(psutil.Process(waiting.pid), "")}
        time.sleep(SETTLE_S)
        shares: dict[str, list[float]] = {side: [] for side in those}
        for number in range(bench.rounds):
            with bench.saying(f"idle, round {number + 1} of {bench.rounds}"):
                before = {side: each.cpu_s() for side, each in those.items()}
                time.sleep(SECONDS)
                if waiting.poll() is not None:
                    raise SystemExit(f"the {PEER} has ended: {waiting.returncode}")
                for side, each in those.items():
                    shares[side].append(100 * (each.cpu_s() - before[side]) / SECONDS)
    return [
        Measure(
            title="idle: four partitions, and nothing happens",
            unit="% of a core",
            figures=shares,
            peer=PEER,
            targets=[Target("worker", of=ITSELF, most=2.0)],
        )
    ]
