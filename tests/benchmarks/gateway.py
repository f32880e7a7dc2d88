"""The gateway beside a bare endpoint: events a second in batches of 100, and the latency of single events at a rate.

What is measured is a process of its own; the sender is this one.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles
from typing import Final

import psutil
import uvloop

from streams.embedded.ports import free_ports
from streams.topics import create_topics
from tests.benchmarks.figures import ITSELF, Bench, Measure, Target
from tests.benchmarks.plain_http import KEY, Connection, ask_at_rate, connect, post

BATCH: Final = 100
CONNECTIONS: Final = 8
SECONDS: Final = 8.0
SINGLE_PER_S: Final = 500.0
SIDES: Final = {"gateway": ["-m", "streams.cli", "gateway"], "bare endpoint": ["-m", "tests.benchmarks.bare_endpoint"]}
_FIGURES: Final = ("events_per_s", "cpu_us", "p50_ms", "p99_ms")


def message(number: int) -> dict[str, object]:
    """Return a page view as Segment's SDK sends it."""
    return {
        "type": "page",
        "messageId": f"m-{number}",
        "userId": f"u-{number % 5000}",
        "name": "Pricing",
        "properties": {"url": "https://example.com/pricing?plan=pro", "title": "Prices"},
        "context": {"campaign": {"source": "ads"}, "library": {"name": "analytics-python", "version": "2.3"}},
    }


async def measure_throughput(port: int, seconds: float, process: psutil.Process) -> dict[str, float]:
    """Return events a second that were acknowledged, in batches of 100 on eight connections, and CPU (µs) per event."""
    batches = [{"batch": [message(number * BATCH + item) for item in range(BATCH)]} for number in range(40)]
    requests = [post("/v1/batch", batch) for batch in batches]
    done = 0

    async def send_on(connection: Connection, until: float) -> None:
        nonlocal done
        while time.perf_counter() < until:
            await connection.ask(requests[done % len(requests)])
            done += 1

    connections = [await connect(port) for _ in range(CONNECTIONS)]
    await asyncio.gather(*(send_on(each, time.perf_counter() + 1.0) for each in connections))  # to be warm
    done, started, cpu_s = 0, time.perf_counter(), sum(process.cpu_times()[:2])
    await asyncio.gather(*(send_on(each, started + seconds) for each in connections))
    cpu_us = (sum(process.cpu_times()[:2]) - cpu_s) / (done * BATCH) * 1e6
    per_s = done * BATCH / (time.perf_counter() - started)
    for each in connections:
        each.close()
    return {"events_per_s": per_s, "cpu_us": cpu_us}


async def measure_latency(port: int, per_s: float, seconds: float) -> dict[str, float]:
    """Return percentiles (ms) of single events sent at a rate, each from when it was due."""
    count = int(per_s * seconds)
    whole = [post("/v1/track", {**message(number), "type": "track", "event": "Seen"}) for number in range(count)]
    cuts = quantiles(await ask_at_rate(port, whole, per_s), n=1000)
    return {"p50_ms": cuts[499], "p99_ms": cuts[989]}


@contextmanager
def running(side: str, brokers: str, prefix: str) -> Iterator[tuple[int, int]]:
    """Run one side on a free port until it is ready, and end it."""
    (port,) = free_ports("127.0.0.1", 1)
    environment = {
        **os.environ,
        "LEADHEAT_BROKERS": brokers,
        "LEADHEAT_PREFIX": prefix,
        "LEADHEAT_GATEWAY_PORT": str(port),
        "LEADHEAT_WRITE_KEYS": f"bench={KEY}",
        "LEADHEAT_EVENTS_PER_S": "0",
        "LEADHEAT_LOG_LEVEL": "warning",
    }
    with subprocess.Popen([sys.executable, *SIDES[side]], env=environment) as process:
        try:
            _await_ready(port, process)
            yield port, process.pid
        finally:
            process.terminate()


def _await_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read(12)
        writer.close()
        if answer != b"HTTP/1.1 200":
            raise OSError("is not ready")

    while process.poll() is None:
        try:
            return asyncio.run(ask())
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"ended with {process.returncode} before it was ready")


def measure(bench: Bench) -> list[Measure]:
    """Measure the gateway and the bare endpoint in turn."""
    found: dict[str, dict[str, list[float]]] = {name: {side: [] for side in SIDES} for name in _FIGURES}
    for number, side in bench.alternate(list(SIDES), "gateway"):
        prefix = f"gateway{number}"
        asyncio.run(create_topics(bench.settings(prefix)))
        with (
            running(side, bench.kafka.brokers, prefix) as (port, pid),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as run,
        ):
            done = run.run(measure_throughput(port, SECONDS, psutil.Process(pid)))
            done |= run.run(measure_latency(port, SINGLE_PER_S, SECONDS))
        for name in _FIGURES:
            found[name][side].append(done[name])
    batches = f"HTTP to Kafka's acknowledgement, batches of {BATCH}"
    single = f"HTTP to Kafka's acknowledgement, single events at {SINGLE_PER_S:g} a second"
    titles = {"events_per_s": (batches, "events a second"), "cpu_us": (batches, "µs of CPU an event")}
    titles |= {"p50_ms": (f"{single}, p50", "ms"), "p99_ms": (f"{single}, p99", "ms")}
    targets = {
        "events_per_s": [Target("gateway", of=ITSELF, least=8_000)],
        "p99_ms": [Target("gateway", of=ITSELF, most=50)],
    }
    return [
        Measure(title=title, unit=unit, figures=found[name], peer="bare endpoint", targets=targets.get(name, []))
        for name, (title, unit) in titles.items()
    ]
