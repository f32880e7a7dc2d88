"""Wire to wire: the worker beside a raw consumer, Kafka Streams and stock Faust, over the same topic.

With the simple model everybody is known by one identity, and there are no accounts. With the default model three in
ten events come by a weaker identity and take a hop, and every lead tells its account of itself.
"""

from __future__ import annotations

import asyncio
from functools import cache, partial
from statistics import median
from typing import Final

import msgspec

from scoring.account_identity import account_of_domain
from scoring.account_records import AccountScore
from scoring.account_state import is_account
from streams.reading import read_latest
from streams.settings import Settings
from streams.topics import ACCOUNT_SCORES, ACCOUNT_UPDATES, CHANGELOG, WEB_EVENTS
from tests.benchmarks.figures import ITSELF, Bench, Measure, Target, run_child
from tests.benchmarks.peers import kafka_streams
from tests.benchmarks.realistic import LARGEST, company_updates, mixed_events
from tests.benchmarks.traffic import generate_events, load_events

EVENTS: Final = 1_000_000
LEADS: Final = 100_000
FAUST_EVENTS: Final = 20_000
"""Stock Faust takes about a millisecond each."""
RAW, WORKER, FAUST, STREAMS = "raw consumer", "worker", "stock Faust", "Kafka Streams"


def measure_simple(bench: Bench) -> list[Measure]:
    """Measure the simple model beside its peers."""
    count, notes = bench.count(EVENTS), list[str]()
    with bench.saying("wire to wire, simple model: loading events"):
        events = list(generate_events(count, bench.count(LEADS)))
    command, why_not = kafka_streams.prepare(bench.directory)
    sides = [RAW, WORKER, FAUST, *([STREAMS] if command else [])]
    if why_not:
        notes.append(f"Kafka Streams was not run: {why_not}.")
    cpu: dict[str, list[float]] = {side: [] for side in sides}
    rate: dict[str, list[float]] = {side: [] for side in sides}

    @cache
    def load(number: int) -> Settings:
        settings = bench.settings(f"simple{number}")
        asyncio.run(load_events(settings, events))
        return settings

    for number, side in bench.alternate(sides, "wire to wire, simple model"):
        settings = load(number)
        topic = WEB_EVENTS.full_name(settings.prefix)
        if side == STREAMS:
            done = kafka_streams.run(command, settings, topic, count)
        elif side == FAUST:
            done = run_child("peers.stock_faust", topic, bench.count(FAUST_EVENTS), settings=settings)
        else:
            done = run_child(side.replace(" ", "_"), topic, count, "simple", settings=settings)
        _note(done, done.get("events", count), cpu[side], rate[side])
    targets = [
        Target(WORKER, of=RAW, most=2.0),
        Target(WORKER, of=STREAMS, most=1.0),
        Target(FAUST, of=WORKER, least=25.0),
    ]
    title = "wire to wire, exactly once, simple model"
    return [
        Measure(title=title, unit="µs of CPU an event", figures=cpu, peer=RAW, targets=targets, notes=notes),
        Measure(title=title, unit="events a second", figures=rate, peer=RAW),
    ]


def measure_default(bench: Bench) -> list[Measure]:
    """Measure the default model with people, companies and signals beside the raw consumer."""
    count = bench.count(EVENTS)
    with bench.saying("wire to wire, default model: loading events"):
        events, companies = list(mixed_events(count, bench.count(LEADS))), list(company_updates())
    cpu: dict[str, list[float]] = {RAW: [], WORKER: []}
    rate: dict[str, list[float]] = {RAW: [], WORKER: []}
    messages: list[float] = []

    @cache
    def load(number: int) -> Settings:
        settings = bench.settings(f"default{number}")
        asyncio.run(load_events(settings, events))
        asyncio.run(load_events(settings, companies, ACCOUNT_UPDATES))
        return settings

    for number, side in bench.alternate([RAW, WORKER], "wire to wire, default model"):
        settings = load(number)
        topic = WEB_EVENTS.full_name(settings.prefix)
        done = run_child(side.replace(" ", "_"), topic, count, "default", settings=settings)
        _note(done, count, cpu[side], rate[side])
        if side == WORKER:
            messages.append(done["messages"] / count)
    people, largest, accounts, per_account = asyncio.run(_measure_accounts(load(0)))
    notes = [
        f"{median(messages):.2f} messages between shards an event.",
        f"The largest account has {people:,} people and takes {largest:,} bytes; {accounts:,} accounts take "
        f"{per_account:,.0f} bytes each on average.",
    ]
    title = "wire to wire, exactly once, default model with people and companies"
    targets = [Target(WORKER, of=RAW, most=10.0)]
    return [
        Measure(title=title, unit="µs of CPU an event", figures=cpu, peer=RAW, targets=targets, notes=notes),
        Measure(title=title, unit="events a second", figures=rate, peer=RAW),
    ]


def measure_pure(bench: Bench) -> list[Measure]:
    """Measure one shard's pure logic beside a bare loop over the same records, and what a lead takes."""
    count, leads = bench.count(250_000), bench.count(25_000)
    cpu: dict[str, list[float]] = {"bare loop": [], "shard": []}
    bytes_per_lead: list[float] = []
    for _, side in bench.alternate(list(cpu), "pure logic"):
        done = run_child("pure_shard", count, leads, side)
        cpu[side].append(done["cpu_s"] / count * 1e6)
        if side == "shard":
            bytes_per_lead.append(done["bytes_per_lead"])
    rates = {side: [1e6 / value for value in values] for side, values in cpu.items()}
    title = "one shard's pure logic, default model, from bytes to bytes"
    return [
        Measure(title=title, unit="µs of CPU an event", figures=cpu, peer="bare loop"),
        Measure(
            title=title,
            unit="events a second on one core",
            figures=rates,
            peer="bare loop",
            targets=[Target("shard", of=ITSELF, least=60_000)],
        ),
        Measure(
            title="what a lead of the default model takes",
            unit="bytes, beside the key",
            figures={"state": bytes_per_lead},
            targets=[Target("state", of=ITSELF, most=300)],
        ),
    ]


def _note(done: dict[str, float], count: float, cpu: list[float], rate: list[float]) -> None:
    cpu.append(done["cpu_s"] / count * 1e6)
    rate.append(count / done["wall_s"])


async def _measure_accounts(settings: Settings) -> tuple[int, int, int, float]:
    """Return how many people the largest account has, what it takes, how many accounts there are, what each takes."""
    key = account_of_domain(LARGEST).encode()
    read = partial(read_latest, settings.brokers)
    states = await read(CHANGELOG.full_name(settings.prefix))
    scores = await read(ACCOUNT_SCORES.full_name(settings.prefix))
    sizes = [len(state) for name, state in states.items() if is_account(name)]
    people = msgspec.json.decode(scores[key], type=AccountScore).people
    return people, len(states[key]), len(sizes), sum(sizes) / len(sizes)
