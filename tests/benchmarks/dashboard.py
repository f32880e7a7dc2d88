"""How fast the read model is written and asked: ``python -m tests.benchmarks.dashboard``.

Projector: score updates of 100,000 leads from a real Kafka into a real Redis, per second of its own CPU. API: a mix of
questions at 200 requests a second to a gateway process of its own, from first byte to last. Page: from the moment that
a record is in Kafka until the live feed has told a listener.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
from prometheus_client import CollectorRegistry

from streams.clock import now_ms
from streams.embedded.kafka import EmbeddedKafka
from streams.embedded.ports import free_ports
from streams.embedded.stack import environment
from streams.projector.metrics import ProjectorMetrics
from streams.projector.run import Projector, make_redis
from streams.settings import Settings
from streams.topics import ACCOUNT_SCORES, HOT_LEADS, LEAD_SCORES, create_topics
from tests.redis_server import running_redis
from tests.topic_records import account_score, alert, keyed, lead_score, write

LEADS: Final = int(os.environ.get("BENCH_LEADS", "100000"))
ACCOUNTS: Final = 5_000
RATE_PER_S: Final = 200
SECONDS: Final = 30
ALERTS: Final = 30


async def measure(settings: Settings) -> Iterator[str]:
    """Return the lines of the report."""
    await create_topics(settings)
    now = now_ms()
    await write(settings, ACCOUNT_SCORES, keyed(account_score(number, now) for number in range(ACCOUNTS)))
    await write(
        settings, LEAD_SCORES, keyed(lead_score(number, now - number * 100, ACCOUNTS) for number in range(LEADS))
    )
    redis = make_redis(settings)
    projector = Projector(settings, redis, ProjectorMetrics(CollectorRegistry()))
    lines = [await _projected(projector, "first fill")]
    moved = (lead_score(number, now + number, ACCOUNTS) for number in range(LEADS))
    await write(settings, LEAD_SCORES, keyed(moved))
    lines.append(await _projected(projector, "score updates, after a start"))
    moved = (lead_score(number, now + LEADS + number, ACCOUNTS) for number in range(LEADS))
    await write(settings, LEAD_SCORES, keyed(moved))
    lines.append(await _projected(projector, "score updates"))
    info = await redis.info("memory")
    lines.append(f"Redis holds {LEADS:,} leads in {info['used_memory_human']}")
    await redis.aclose()
    return iter(lines)


async def _projected(projector: Projector, what: str) -> str:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    await projector.run(until_caught_up=True)
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    return f"projector, {what}: {LEADS / cpu_s:,.0f} a second of CPU, {LEADS / took_s:,.0f} a second of the clock"


def questions() -> Iterator[str]:
    """Yield what a busy sales team asks: leads by id, pages, filters, words, accounts."""
    chance = random.Random(1)
    filters = ("band=hot", "band=warm", "phase=decision&sort=priority", "owner=rep+3", "industry=retail", "fit_min=8")
    while True:
        number = chance.randrange(LEADS)
        yield from (
            f"/api/leads/lead{number}@company{number % ACCOUNTS}.example",
            f"/api/leads?{chance.choice(filters)}&limit=50",
            "/api/leads?sort=priority&limit=50",
            f"/api/leads?q=lead{number}",
            f"/api/accounts/company{chance.randrange(ACCOUNTS)}.example",
            "/api/accounts?sort=priority&limit=50",
        )


async def ask(url: str) -> str:
    """Ask at a steady rate for a while, whatever the answers take; return the latencies in a line."""
    latencies_ms: list[float] = []
    asked, began_s = questions(), time.perf_counter()
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=10, trust_env=False) as http:

        async def one(path: str, due_s: float) -> None:
            answer = await http.get(path)
            answer.raise_for_status()
            latencies_ms.append((time.perf_counter() - due_s) * 1000)

        tasks = []
        for number in range(RATE_PER_S * SECONDS):
            due_s = began_s + number / RATE_PER_S
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            tasks.append(asyncio.create_task(one(next(asked), due_s)))
        await asyncio.gather(*tasks)
    latencies_ms.sort()
    p50, p99 = (latencies_ms[len(latencies_ms) * percent // 100] for percent in (50, 99))
    return f"API at {RATE_PER_S} requests/s, {LEADS:,} leads: {p50:.1f} ms (p50), {p99:.1f} ms (p99)"


async def follow(settings: Settings, url: str) -> str:
    """Return how long alerts take from Kafka to a listener of the live feed."""
    seen_s: dict[str, float] = {}

    async def listen() -> None:
        async with (
            httpx.AsyncClient(timeout=60, trust_env=False) as http,
            http.stream("GET", f"{url}/api/live") as live,
        ):
            async for line in live.aiter_lines():
                if line.startswith("data:") and "email:live" in line:
                    seen_s[line.partition('"lead":"')[2].partition('"')[0]] = time.perf_counter()

    listening = asyncio.create_task(listen())
    await asyncio.sleep(2)
    took_ms = []
    for number in range(ALERTS):
        lead, began_s = f"email:live{number}@x.example", time.perf_counter()
        await write(settings, HOT_LEADS, keyed([alert(lead, now_ms())]))
        while lead not in seen_s and time.perf_counter() - began_s < 10:
            await asyncio.sleep(0.005)
        took_ms.append((seen_s.get(lead, float("inf")) - began_s) * 1000)
    listening.cancel()
    took_ms.sort()
    return f"from Kafka to an open page: {took_ms[len(took_ms) // 2]:.0f} ms (p50), {took_ms[-1]:.0f} ms (the slowest)"


def start(settings: Settings, command: str) -> subprocess.Popen[bytes]:
    """Start a process of ours."""
    env = os.environ | environment(settings)
    return subprocess.Popen([sys.executable, "-m", "streams.cli", command], env=env)


async def wait_for(url: str) -> None:
    """Wait until the gateway answers."""
    async with httpx.AsyncClient(trust_env=False) as http:
        for _ in range(600):
            try:
                await http.get(f"{url}/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return
    raise SystemExit("the gateway did not answer within a minute")


def main() -> None:
    """Measure all of it and print a line each."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        with EmbeddedKafka(root / "kafka") as kafka, running_redis(root / "redis") as redis_server:
            port = free_ports("127.0.0.1", 1)[0]
            settings = Settings(
                brokers=kafka.brokers,
                redis_url=redis_server.url,
                partitions=4,
                data_dir=root,
                gateway_port=port,
                log_level="warning",
            )
            for line in asyncio.run(measure(settings)):
                print(line, flush=True)
            url = f"http://127.0.0.1:{port}"
            processes: list[Any] = [start(settings, "gateway"), start(settings, "projector")]
            try:
                asyncio.run(wait_for(url))
                print(asyncio.run(ask(url)), flush=True)
                print(asyncio.run(follow(settings, url)), flush=True)
            finally:
                for process in processes:
                    process.terminate()
                    process.wait(30)


if __name__ == "__main__":
    main()
