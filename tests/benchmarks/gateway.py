"""The gateway beside a bare endpoint: events a second in batches of 100, and the latency of single events at a rate.

``python -m tests.benchmarks.gateway`` runs it alone; `make bench` runs it, too. The sender is a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Final

import psutil
import uvloop
from rich.console import Console
from rich.table import Table

from streams.embedded.kafka import EmbeddedKafka
from streams.embedded.ports import free_ports
from streams.settings import Settings
from streams.topics import create_topics

BATCH: Final = 100
CONNECTIONS: Final = 8
SECONDS: Final = 8.0
SINGLE_PER_S: Final = 500.0
SIDES: Final = {"gateway": ["-m", "streams.cli", "gateway"], "bare endpoint": ["-m", "tests.benchmarks.bare_endpoint"]}
KEY: Final = "bench-key"


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


def request(path: str, body: object) -> bytes:
    """Return a whole HTTP request."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


class Connection:
    """One kept connection, on which requests follow one another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, whole: bytes) -> None:
        """Send a request and read its answer; raises :class:`RuntimeError` for any but 200."""
        self._writer.write(whole)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{head!r} {body!r}")

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def connect(port: int) -> Connection:
    """Open a connection to this machine."""
    return Connection(*await asyncio.open_connection("127.0.0.1", port))


async def measure_throughput(port: int, seconds: float, process: psutil.Process) -> dict[str, float]:
    """Return events a second that were acknowledged, in batches of 100 on eight connections, and CPU (µs) per event."""
    batches = [{"batch": [message(number * BATCH + item) for item in range(BATCH)]} for number in range(40)]
    requests = [request("/v1/batch", batch) for batch in batches]
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
    connections: asyncio.Queue[Connection] = asyncio.Queue()
    opened = [await connect(port) for _ in range(64)]
    for each in opened:
        connections.put_nowait(each)
    latencies: list[float] = []

    async def send_at(due: float, whole: bytes) -> None:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        connection = await connections.get()
        await connection.ask(whole)
        connections.put_nowait(connection)
        latencies.append((time.perf_counter() - due) * 1000)

    started = time.perf_counter() + 0.1
    count = int(per_s * seconds)
    whole = [request("/v1/track", {**message(number), "type": "track", "event": "Seen"}) for number in range(count)]
    await asyncio.gather(*(send_at(started + number / per_s, each) for number, each in enumerate(whole)))
    for each in opened:
        each.close()
    cuts = quantiles(latencies[int(per_s) :], n=1000)
    return {"p50_ms": cuts[499], "p99_ms": cuts[989], "max_ms": max(latencies[int(per_s) :])}


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


def measure(brokers: str, seconds: float, per_s: float, rounds: int) -> list[dict[str, dict[str, float]]]:
    """Measure both sides in turn, every second round in the other order."""
    results = []
    for number in range(rounds):
        prefix = f"gateway{number}"
        asyncio.run(create_topics(Settings(brokers=brokers, prefix=prefix, partitions=4)))
        result = {}
        for side in SIDES if number % 2 == 0 else reversed(SIDES):
            with (
                running(side, brokers, prefix) as (port, pid),
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as run,
            ):
                throughput = run.run(measure_throughput(port, seconds, psutil.Process(pid)))
                result[side] = {**throughput, **run.run(measure_latency(port, per_s, seconds))}
        results.append(result)
    return results


def report(results: list[dict[str, dict[str, float]]], per_s: float) -> None:
    """Print the table."""
    table = Table(title=f"HTTP to Kafka's acknowledgement (acks=all): batches of {BATCH}; single events at {per_s:g}/s")
    for column in ("round", "process", "events/s", "CPU µs/event", "p50 ms", "p99 ms", "max ms"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for number, result in enumerate(results, 1):
        for side, found in result.items():
            latencies = (f"{found[name]:.1f}" for name in ("p50_ms", "p99_ms", "max_ms"))
            table.add_row(str(number), side, f"{found['events_per_s']:,.0f}", f"{found['cpu_us']:.0f}", *latencies)
    Console().print(table)


def main() -> None:
    """Parse the options, start a Kafka, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement (default %(default)s)")
    parser.add_argument("--rate", type=float, default=SINGLE_PER_S, help="single events a second (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of each process (default %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leadheat-bench-") as directory:
        kafka = EmbeddedKafka(Path(directory) / "kafka")
        kafka.start()
        try:
            report(measure(kafka.brokers, options.seconds, options.rate, options.rounds), options.rate)
        finally:
            kafka.stop()


if __name__ == "__main__":
    main()
