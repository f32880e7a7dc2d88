"""Faults that need a stage of their own: a small disk that fills up, and a million leads to restore."""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from scoring.model import load_model
from streams.clock import now_ms
from streams.settings import Settings
from tests.faults import long_ago, shapes
from tests.faults.injections import fill_disk, kill_all_workers
from tests.faults.rows import Fault, Row, run_row
from tests.faults.stage import MODEL, Options, Stage

DISK_MB = 160
MILLION = 1_000_000


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
class ManyLeads:
    """A million leads are to be restored, while events of them and of others arrive."""

    name: str = "restore of 1,000,000 leads while events arrive"

    async def run(self, directory: Path, seed: int) -> Row | str:
        """Return the row."""
        home = directory / f"many-leads-{seed}"
        home.mkdir()
        states: list[dict[bytes, bytes]] = []

        async def prepare(settings: Settings) -> None:
            states.extend(await asyncio.to_thread(long_ago.make_states, load_model(MODEL), MILLION, settings, now_ms()))
            await long_ago.leave(settings, states)

        async with Stage(Options(directory=home, seed=seed, is_whole=False, prepare=prepare)) as stage:
            stage.auditor.start_from(states)
            fault = Fault(
                name=self.name,
                count=2,
                in_ci=0,
                inject=kill_all_workers,
                shape=shapes.of_long_ago(MILLION),
                seconds=20,
                http_share=0.0,
            )
            return await run_row(stage, fault, 0, fault.count, 1.0)
