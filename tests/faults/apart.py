"""Faults that need a stage of their own: a small disk that fills up, and a million leads to be restored."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaProducer

from scoring.model import load_model
from scoring.resolution import Place
from scoring.shard import Shard
from streams.clock import now_ms
from streams.reading import partition_of
from streams.runtime.journal import MEMO_KEY
from streams.settings import Settings
from streams.topics import CHANGELOG
from tests.faults.injections import fill_disk
from tests.faults.rows import Fault, Row, run_row
from tests.faults.stage import MODEL, WORKERS, Options, Stage

DISK_MB = 160
LEADS = 1_000_000


@dataclass(frozen=True)
class DiskFull:
    """The broker's disk is a small tmpfs, which is filled to the last byte."""

    name: str = "broker's disk full"

    async def run(self, directory: Path, seed: int) -> Row | str:
        """Return the row, or why it cannot be had here."""
        if os.geteuid() != 0:
            return "only root may mount the small disk (tmpfs) that it fills"
        disk, home = directory / "disk", directory / f"disk-full-{seed}"
        for each in (disk, home):
            each.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(disk)]
        mounted = await asyncio.to_thread(subprocess.run, mount, capture_output=True, text=True, check=False)
        if mounted.returncode:
            return f"the small disk (tmpfs) cannot be mounted: {mounted.stderr.strip()}"
        async with AsyncExitStack() as stack:
            stack.callback(subprocess.run, ["umount", str(disk)], check=False)
            options = Options(
                directory=home, seed=seed, kafka_directory=disk / "kafka", is_whole=False, settings={"partitions": 1}
            )
            stage = await stack.enter_async_context(Stage(options))
            fault = Fault(name=self.name, count=1, in_ci=0, inject=fill_disk, seconds=16, http_share=0.0)
            return await run_row(stage, fault, 0, 1, 1.0)


@dataclass(frozen=True)
class LargeRestore:
    """Workers come to a changelog of a million leads, while traffic about some of them arrives."""

    name: str = "restore of 1 M leads under traffic"
    leads: int = LEADS

    async def run(self, directory: Path, seed: int) -> Row | str:
        """Return the row."""
        home = directory / f"restore-{seed}"
        home.mkdir()
        options = Options(directory=home, seed=seed, is_whole=False, has_workers=False)
        async with Stage(options) as stage:
            value, memo = _one_state(stage.settings)
            await _fill_changelog(stage.settings, self.leads, value, memo)
            stage.auditor.begin_with(_tables(stage.settings, self.leads, value), memo)
            await stage.reader.skip_to_end([CHANGELOG])
            await stage.progress.skip_changelog()

            async def start(stage: Stage, rng: random.Random, count: int) -> list[str]:
                for name in WORKERS:
                    stage.start_worker(name)
                return []

            fault = Fault(
                name=self.name, count=1, in_ci=0, inject=start, seconds=15, http_share=0.0, recovers_within_s=300
            )
            return await run_row(stage, fault, 0, 1, 1.0)


def _lead(number: int) -> bytes:
    return f"email:p{number}@many.example.com".encode()


def _one_state(settings: Settings) -> tuple[bytes, bytes]:
    """Return the state of a lead that has been seen once, and the memo of the shard that holds it."""
    shard = Shard(load_model(MODEL), {}, place=Place(0, lambda identity: 0))
    event = f'{{"id":"e","type":"email_clicked","time":{now_ms()},"email":"p0@many.example.com"}}'

    class Record:
        offset, timestamp, key, value = 0, now_ms(), _lead(0), event.encode()

    shard.take([Record()], "events")
    return shard.leads[_lead(0)], shard.memo


def _tables(settings: Settings, leads: int, value: bytes) -> list[dict[bytes, bytes]]:
    tables: list[dict[bytes, bytes]] = [{} for _ in range(settings.partitions)]
    for number in range(leads):
        key = _lead(number)
        tables[partition_of(key, settings.partitions)][key] = value
    return tables


async def _fill_changelog(settings: Settings, leads: int, value: bytes, memo: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, max_batch_size=1 << 20, max_request_size=4 << 20)
    await producer.start()
    topic = CHANGELOG.full_name(settings.prefix)
    try:
        for partition, table in enumerate(_tables(settings, leads, value)):
            batch = producer.create_batch()
            for key, state in [*table.items(), (MEMO_KEY, memo)]:
                if batch.append(key=key, value=state, timestamp=None) is None:
                    await producer.send_batch(batch, topic, partition=partition)
                    batch = producer.create_batch()
                    batch.append(key=key, value=state, timestamp=None)
            await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
