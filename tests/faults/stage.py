"""A whole leadheat to be disturbed: Kafka, Redis, two workers, gateway, projector and delivery, as real processes."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
from aiokafka.structs import ConsumerRecord

from streams.embedded.kafka import EmbeddedKafka
from streams.embedded.ports import free_ports
from streams.embedded.redis import EmbeddedRedis, find_redis
from streams.embedded.stack import environment
from streams.published_models import PublishedModels, read_publications
from streams.settings import Settings
from streams.topics import CHANGELOG, HOT_LEADS, JOURNAL, SOURCES, Topic, create_topics
from tests.delivery.builders import write_file
from tests.delivery.receiver import SECRET, Receiver
from tests.faults.audit import AUDITED, Auditor, Findings
from tests.faults.evidence import Progress, Reader, Records
from tests.faults.processes import Processes, module
from tests.faults.traffic import Sender

MODEL = Path(__file__).parent.parent / "e2e" / "model.yaml"
MODEL_2 = Path(__file__).parent / "model-2.yaml"
WORKERS = ("w0", "w1")
READY_TIMEOUT_S = 120
KAFKA_TIMEOUT_S = 400
"""On an idle machine it takes 5 s, on one with ten times as much to do as it can a few minutes."""
DELIVERED_TIMEOUT_S = 90


@dataclass(kw_only=True)
class Options:
    """How a stage is set up: ``kafka`` is started already, or None for one of the stage's own in its directory."""

    directory: Path
    seed: int
    kafka: EmbeddedKafka | None = None
    kafka_directory: Path | None = None
    is_whole: bool = True
    """Whether gateway, Redis, projector and delivery run, too."""
    settings: dict[str, object] = field(default_factory=dict)
    prepare: Callable[[Settings], Awaitable[None]] | None = None
    """Awaited once topics are there, before any worker is."""
    worker_environment: dict[str, str] = field(default_factory=dict)


class Stage:
    """Everything that runs, and what is known of it. Use as an async context manager."""

    settings: Settings
    kafka: EmbeddedKafka
    redis: EmbeddedRedis | None = None

    def __init__(self, options: Options) -> None:
        self.options = options
        self.directory = options.directory
        self.rng = random.Random(options.seed)
        self.log = self.directory / "processes.log"
        self.points = self.directory / "points"
        self.processes = Processes(self.log)
        self.receiver = Receiver(rng=random.Random(options.seed), fault_share=0.0, silence_s=3.0)
        self._rest = AsyncExitStack()

    async def __aenter__(self) -> Stage:
        self.points.mkdir(parents=True)
        try:
            await self._set_up()
        except BaseException:
            await self._rest.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._rest.aclose()

    async def _set_up(self) -> None:
        await self._start_kafka()
        await self._rest.enter_async_context(self.processes)
        changes: dict[str, object] = {}
        if self.options.is_whole:
            changes |= await self._start_redis_and_receiver()
        self.settings = Settings(
            brokers=self.kafka.brokers,
            prefix=self.directory.name,
            app_id=self.directory.name,
            data_dir=self.directory,
            **({"partitions": 4, "model": MODEL} | changes | self.options.settings),
        )
        await create_topics(self.settings)
        if self.options.prepare is not None:
            await self.options.prepare(self.settings)
        if self.options.is_whole:
            for name in ("gateway", "projector", "delivery"):
                self._start(name, module(f"streams.cli {name}"), instance=name)
        for name in WORKERS:
            self.start_worker(name)
        self.sender = Sender(self.settings, self.rng)
        self.progress = Progress(self.settings)
        self.reader = Reader(self.settings, AUDITED)
        self.auditor = Auditor(self.settings, PublishedModels())
        if self.options.is_whole:
            await self._until_gateway_is_ready()

    async def _start_kafka(self) -> None:
        if self.options.kafka is not None:
            self.kafka = self.options.kafka
            return
        directory = self.options.kafka_directory or self.directory / "kafka"
        self.kafka = EmbeddedKafka(directory, start_timeout_s=KAFKA_TIMEOUT_S)
        await asyncio.to_thread(self.kafka.start)
        self._rest.callback(self.kafka.stop)

    async def start_kafka_again(self) -> None:
        """Start the broker on what it left."""
        await asyncio.to_thread(self.kafka.start)

    async def _start_redis_and_receiver(self) -> dict[str, object]:
        url = await self.receiver.start()
        self._rest.push_async_callback(self.receiver.stop)
        retry = {"first_s": 0.5, "factor": 1.5, "longest_s": 4, "breaker_failures": 20, "breaker_rest_s": 0.5}
        file = write_file(self.directory / "delivery.yaml", url, timeout_s=5, retry=retry)
        found: dict[str, object] = {"delivery": str(file), "gateway_port": free_ports("127.0.0.1", 1)[0]}
        server = find_redis()
        if server is not None:
            self.redis = EmbeddedRedis(server, self.directory / "redis")
            self.processes.start("redis", self.redis.child.argv, {})
            found["redis_url"] = self.redis.url
        return found

    def _start(self, name: str, argv: Sequence[str], **changes: object) -> None:
        own = {"data_dir": self.directory / name, **changes}
        told = environment(self.settings.model_copy(update=own))
        self.processes.start(name, argv, {**told, "HOOK_SECRET": SECRET, **self.options.worker_environment})

    def start_worker(self, name: str, model: Path | None = None) -> None:
        """Start a worker whose points can be armed, and keep it running."""
        self.options.worker_environment.setdefault("LOST_CHUNKS", "0.005")
        self.options.worker_environment["FAULT_POINTS"] = str(self.points)
        changes: dict[str, object] = {"model": model} if model is not None else {}
        self._start(name, module("tests.faults.worker"), instance=name, **changes)

    async def _until_gateway_is_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        async with httpx.AsyncClient(trust_env=False) as client:
            while time.monotonic() < deadline:
                try:
                    answer = await client.get(f"http://127.0.0.1:{self.settings.gateway_port}/readyz")
                    if answer.is_success:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.2)
        raise RuntimeError(f"the gateway was not ready within {READY_TIMEOUT_S} s: see {self.log}")

    async def until_workers_are_ready(self) -> None:
        """Wait until every shard has begun: each writes of itself when it opens for the first time."""
        reader, silent = Reader(self.settings, [CHANGELOG]), set(range(self.settings.partitions))
        deadline = time.monotonic() + READY_TIMEOUT_S
        while silent:
            if time.monotonic() > deadline:
                raise RuntimeError(f"shards {silent} have not begun within {READY_TIMEOUT_S} s: see {self.log}")
            silent -= {partition for partition, new in (await reader.read_new())[CHANGELOG].items() if new}

    # ---- judging

    async def judge(self, accepted: set[str], unusable: int) -> tuple[Findings, dict[str, float]]:
        """Return what is wrong with what has happened since the last time, and the longest stop of each partition."""
        evidence = await self.reader.read_new(still=True)
        self.auditor.models.add(await read_publications(self.settings))
        findings = await asyncio.to_thread(self.auditor.judge, evidence)
        self._judge_acceptance(accepted, unusable, evidence, findings)
        if self.options.is_whole:
            await self._judge_delivery(evidence, findings)
        return findings, longest_stops(evidence[JOURNAL])

    @staticmethod
    def _judge_acceptance(
        accepted: set[str], unusable: int, evidence: Mapping[Topic, Records], findings: Findings
    ) -> None:
        """I1 and I2: what was accepted is in a topic; of that, the unusable became dead letters, and nothing else."""
        there: set[str] = set()
        for topic in SOURCES:
            there.update(
                identifier
                for records in evidence[topic].values()
                for record in records
                if (identifier := _id_of(record)) is not None
            )
        if absent := accepted - there:
            findings.note(f"{len(absent)} accepted events are in no topic, as {min(absent)}", lost=len(absent))
        if findings.refused != unusable:
            text = f"{findings.refused} dead letters, and {unusable} unusable records were sent"
            findings.note(text, lost=abs(findings.refused - unusable))

    async def _judge_delivery(self, evidence: Mapping[Topic, Records], findings: Findings) -> None:
        """I5: every alert arrives, under one id and with one body."""
        due = {
            json.loads(record.value)["id"]
            for records in evidence[HOT_LEADS].values()
            for record in records
            if record.value is not None
        }
        deadline = time.monotonic() + DELIVERED_TIMEOUT_S
        while due - set(self.receiver.taken) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        if absent := due - set(self.receiver.taken):
            findings.note(f"{len(absent)} alerts did not arrive, as {min(absent)}", missing_alerts=len(absent))
        changed = [name for name, bodies in self.receiver.bodies.items() if len(bodies) > 1]
        if changed:
            findings.note(f"{len(changed)} alerts arrived with another body", extra_alerts=len(changed))
        if self.receiver.bad_signatures:
            findings.note(f"{self.receiver.bad_signatures} signatures are wrong", wrong=1)


def _id_of(record: ConsumerRecord) -> str | None:
    try:
        found = json.loads(record.value)
    except (TypeError, ValueError, RecursionError):
        return None
    identifier = found.get("id") if isinstance(found, dict) else None
    return identifier if isinstance(identifier, str) else None


def longest_stops(journal: Records) -> dict[str, float]:
    """Return the longest time (s) between two transactions of each partition, by the journal."""
    stops = {}
    for partition, records in journal.items():
        times = [record.timestamp for record in records]
        gaps = [(after - before) / 1000 for before, after in pairwise(times)]
        stops[str(partition)] = max(gaps, default=0.0)
    return stops
