"""How fast the read model is written and asked.

*Projector*: score updates from a real Kafka into a real Redis, by its own CPU, beside a bare loop that writes the same
bytes into one hash. *API*: a mix of questions at a steady rate to a gateway of its own, beside a bare endpoint that
answers with one value from Redis. *Page*: from when an alert is in Kafka until the live feed has told a listener.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from statistics import quantiles
from typing import Final

import httpx
import uvloop
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from streams.clock import now_ms
from streams.embedded.ports import free_ports
from streams.embedded.redis import find_redis
from streams.embedded.stack import environment
from streams.garbage import collect_rarely
from streams.projector.metrics import ProjectorMetrics
from streams.projector.run import OBJECTS, Projector, make_redis
from streams.reading import open_topic
from streams.settings import Settings
from streams.topics import ACCOUNT_SCORES, HOT_LEADS, LEAD_SCORES, create_topics
from tests.benchmarks.bare_endpoint import BARE_KEY
from tests.benchmarks.figures import ITSELF, Bench, Measure, Target
from tests.benchmarks.plain_http import ask_at_rate, get
from tests.redis_server import running_redis
from tests.topic_records import account_score, alert, keyed, lead_score, write

LEADS: Final = 100_000
ACCOUNTS: Final = 5_000
RATE_PER_S: Final = 200
SECONDS: Final = 15
ALERTS: Final = 20
BATCH: Final = 1_000
PROJECTOR, LOOP = "projector", "bare loop"
API, ENDPOINT = "query API", "bare endpoint"
COMMANDS: Final = {API: ["-m", "streams.cli", "gateway"], ENDPOINT: ["-m", "tests.benchmarks.bare_endpoint"]}


def measure(bench: Bench) -> list[Measure]:
    """Measure all of it; without a Redis here there is nothing to measure."""
    if find_redis() is None:
        bench.console.print("read model: skipped, there is no Redis here")
        return []
    with running_redis(bench.directory / "redis") as server:
        port = free_ports("127.0.0.1", 1)[0]
        settings = bench.settings("readmodel", redis_url=server.url, gateway_port=port)
        leads = bench.count(LEADS)
        measures = asyncio.run(_measure_projector(bench, settings, leads))
        measures += _measure_api(bench, settings, leads)
        measures.append(_measure_page(bench, settings))
    return measures


async def _measure_projector(bench: Bench, settings: Settings, leads: int) -> list[Measure]:
    await create_topics(settings)
    now = now_ms()
    await write(settings, ACCOUNT_SCORES, keyed(account_score(number, now) for number in range(ACCOUNTS)))
    redis = make_redis(settings)
    collect_rarely(OBJECTS)  # as the process does
    projector = Projector(settings, redis, ProjectorMetrics(CollectorRegistry()))
    loop, cpu = _BareLoop(settings, redis), {PROJECTOR: list[float](), LOOP: list[float]()}
    runs: dict[str, Callable[[], Awaitable[None]]] = {
        PROJECTOR: lambda: projector.run(until_caught_up=True),
        LOOP: loop.run,
    }
    written = -1
    # The first fill is no update: a round before the others, which is not counted.
    for number, side in [(-1, PROJECTOR), (-1, LOOP), *bench.alternate(list(runs), "projector")]:
        if number >= written:
            moved = (lead_score(each, now + (number + 1) * leads + each, ACCOUNTS) for each in range(leads))
            await write(settings, LEAD_SCORES, keyed(moved))
            written = number + 1
        cpu_s = time.process_time()
        await runs[side]()
        cpu[side].append(leads / (time.process_time() - cpu_s))
    held = (await redis.info("memory"))["used_memory"] - await redis.memory_usage(_BareLoop.KEY, samples=0)
    await redis.set(BARE_KEY, b"x" * 700)
    await redis.aclose()
    rates = {side: values[1:] for side, values in cpu.items()}
    return [
        Measure(
            title=f"projector: score updates of {leads:,} leads",
            unit="updates a second of CPU",
            figures=rates,
            peer=LOOP,
            targets=[Target(PROJECTOR, of=ITSELF, least=20_000)],
            notes=[f"Redis holds {leads:,} leads and {ACCOUNTS:,} accounts in {held / 2**20:,.0f} MB."],
        )
    ]


class _BareLoop:
    """The least that a projector could be: records of a topic, as they are, into one hash."""

    KEY: Final = "bench:bare"

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self._settings, self._redis = settings, redis
        self._seen = 0

    async def run(self) -> None:
        """Write what is new."""
        topic, seen, waiting = LEAD_SCORES.full_name(self._settings.prefix), 0, dict[bytes, bytes]()
        async with open_topic(self._settings.brokers, topic) as reader:
            async for record in reader.read_to_end():
                seen += 1
                if seen <= self._seen:
                    continue
                waiting[record.key] = record.value
                if len(waiting) >= BATCH:
                    await self._write(waiting)
        await self._write(waiting)
        self._seen = seen

    async def _write(self, waiting: dict[bytes, bytes]) -> None:
        if waiting:
            await self._redis.hset(self.KEY, mapping=waiting)
            waiting.clear()


def _measure_api(bench: Bench, settings: Settings, leads: int) -> list[Measure]:
    found = {name: {side: list[float]() for side in COMMANDS} for name in ("p50", "p99")}
    for _, side in bench.alternate(list(COMMANDS), "query API"):
        with (
            _serving(side, settings),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            done = runner.run(_ask(settings.gateway_port, leads))
        for name, figures in found.items():
            figures[side].append(done[name])
    title = f"query API at {RATE_PER_S} requests a second, {leads:,} leads"
    return [
        Measure(title=f"{title}, p50", unit="ms", figures=found["p50"], peer=ENDPOINT),
        Measure(
            title=f"{title}, p99",
            unit="ms",
            figures=found["p99"],
            peer=ENDPOINT,
            targets=[Target(API, of=ITSELF, most=30)],
        ),
    ]


@contextmanager
def _serving(side: str, settings: Settings) -> Iterator[str]:
    env = {**os.environ, **environment(settings)}
    url = f"http://127.0.0.1:{settings.gateway_port}"
    with subprocess.Popen([sys.executable, *COMMANDS[side]], env=env) as process:
        try:
            _wait_for(url)
            yield url
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    for _ in range(600):
        try:
            httpx.get(f"{url}/readyz", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the gateway did not answer within a minute")


def questions(leads: int) -> Iterator[str]:
    """Yield what a busy sales team asks: leads by id, pages, filters, words, accounts."""
    chance = random.Random(1)
    filters = ("band=hot", "band=warm", "phase=decision&sort=priority", "owner=rep+3", "industry=retail", "fit_min=8")
    while True:
        number = chance.randrange(leads)
        yield from (
            f"/api/leads/lead{number}@company{number % ACCOUNTS}.example",
            f"/api/leads?{chance.choice(filters)}&limit=50",
            "/api/leads?sort=priority&limit=50",
            f"/api/leads?q=lead{number}",
            f"/api/accounts/company{chance.randrange(ACCOUNTS)}.example",
            "/api/accounts?sort=priority&limit=50",
        )


async def _ask(port: int, leads: int) -> dict[str, float]:
    """Ask at a steady rate for a while; returns percentiles (ms)."""
    asked = [get(path) for path in islice(questions(leads), RATE_PER_S * SECONDS)]
    cuts = quantiles(await ask_at_rate(port, asked, RATE_PER_S), n=1000)
    return {"p50": cuts[499], "p99": cuts[989]}


def _measure_page(bench: Bench, settings: Settings) -> Measure:
    env = {**os.environ, **environment(settings)}
    took_ms: list[float] = []
    with ExitStack() as stack, bench.saying("from Kafka to an open page"):
        url = stack.enter_context(_serving(API, settings))
        projector = stack.enter_context(subprocess.Popen([sys.executable, "-m", "streams.cli", "projector"], env=env))
        stack.callback(projector.terminate)
        took_ms += [asyncio.run(_follow(settings, url, number)) for number in range(bench.rounds)]
    return Measure(
        title=f"from an alert in Kafka to an open page, the slowest of {ALERTS}",
        unit="ms",
        figures={"live feed": took_ms},
        targets=[Target("live feed", of=ITSELF, most=1000)],
    )


async def _follow(settings: Settings, url: str, round_: int) -> float:
    """Return how long the slowest of some alerts took from Kafka to a listener of the live feed (ms)."""
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
        lead, began_s = f"email:live{round_}-{number}@x.example", time.perf_counter()
        await write(settings, HOT_LEADS, keyed([alert(lead, now_ms())]))
        while lead not in seen_s and time.perf_counter() - began_s < 10:
            await asyncio.sleep(0.002)
        took_ms.append((seen_s.get(lead, float("inf")) - began_s) * 1000)
    listening.cancel()
    return max(took_ms)
