"""An hour at a steady load: ``python -m tests.faults.endurance`` (see ``--help``).

What may not grow does not: memory and open files of each process, and the topics that only shards read. The changelog
holds one state for each lead once it is compacted; for that to be seen within an hour its segments are short here.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from rich.console import Console
from rich.table import Table

from streams.clock import now_ms
from streams.embedded.stack import run_until_signal
from streams.topics import CHANGELOG, JOURNAL, LEAD_SCORES, ROUTED
from tests.faults.stage import Options, Stage
from tests.faults.traffic import make_events, to_sending

SAMPLE_S = 5.0
WARM_UP = 0.3
"""The share of the time in which caches fill: it is left out of the slopes."""
SLOPE_MAX_MB_PER_H = 60.0
"""Above this, memory grows: what is kept of more and more leads is some MB an hour at this load."""
LEADS = 2_000
SEGMENT_MS = 60_000
PROCESSES = ("w0", "w1", "gateway", "projector", "delivery")


@dataclass
class Series:
    """What was measured of a process: seconds, and MB of memory or open files."""

    at_s: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def slope_per_h(self) -> float:
        """Return the growth in an hour, by least squares, without the warm-up.

        >>> Series([0.0, 1800.0, 3600.0], [10.0, 11.0, 12.0]).slope_per_h()
        2.0
        """
        end = self.at_s[-1] if self.at_s else 0.0
        pairs = [(at, value) for at, value in zip(self.at_s, self.values, strict=True) if at >= end * WARM_UP]
        pairs = pairs if len(pairs) > 1 else list(zip(self.at_s, self.values, strict=True))
        mean_at = sum(at for at, _ in pairs) / len(pairs)
        mean = sum(value for _, value in pairs) / len(pairs)
        spread = sum((at - mean_at) ** 2 for at, _ in pairs)
        return 3600 * sum((at - mean_at) * (value - mean) for at, value in pairs) / spread if spread else 0.0


async def measure(stage: Stage, memory: dict[str, Series], files: dict[str, Series], began: float) -> None:
    """Measure all processes, again and again."""
    while True:
        for name in PROCESSES:
            pid = stage.processes[name].pid
            if pid is None:
                continue
            process = psutil.Process(pid)
            for series, value in ((memory[name], process.memory_info().rss / 2**20), (files[name], process.num_fds())):
                series.at_s.append(time.monotonic() - began)
                series.values.append(value)
        await asyncio.sleep(SAMPLE_S)


def topic_mb(stage: Stage) -> dict[str, float]:
    """Return what topics take on the broker's disk (MB)."""
    logs = stage.kafka.data_dir / "logs"
    sizes = {}
    for topic in (CHANGELOG, ROUTED, JOURNAL, LEAD_SCORES):
        found = logs.glob(f"{topic.full_name(stage.settings.prefix)}-*/*.log")
        sizes[topic.name] = sum(file.stat().st_size for file in found if file.exists()) / 2**20
    return sizes


async def shorten_segments(stage: Stage) -> None:
    """Let compacted topics be compacted within minutes instead of days."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.settings.brokers)
    await admin.start()
    try:
        for topic in (CHANGELOG, LEAD_SCORES):
            config = {**topic.config(stage.settings), "segment.ms": str(SEGMENT_MS), "max.compaction.lag.ms": "120000"}
            name = topic.full_name(stage.settings.prefix)
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=config)])
    finally:
        await admin.close()


async def endure(
    seconds: float, per_second: float, seed: int, directory: Path, console: Console, bad: list[str]
) -> None:
    """Run the load for so long, and add what has grown to ``bad``."""
    memory: dict[str, Series] = defaultdict(Series)
    files: dict[str, Series] = defaultdict(Series)
    home = directory / f"endurance-{seed}"
    home.mkdir()
    async with Stage(Options(directory=home, seed=seed, worker_environment={"LOST_CHUNKS": "0"})) as stage:
        await shorten_segments(stage)
        began = time.monotonic()
        measuring = asyncio.create_task(measure(stage, memory, files, began))
        sizes: list[dict[str, float]] = []
        rounds = max(3, int(seconds // 60))
        for number in range(rounds):
            # The same people in every round: there is not more to remember at the end than after the first.
            count = int(seconds / rounds * per_second)
            events = make_events("e", count, LEADS, now_ms(), stage.rng)
            renamed = ({**event, "id": f"{number}-{event['id']}"} for event in events)
            await stage.sender.send((to_sending(event, stage.settings) for event in renamed), per_second)
            sizes.append(topic_mb(stage))
            console.print(f"{time.monotonic() - began:6.0f} s: {_said(sizes[-1])}", highlight=False)
        if not await stage.progress.wait(120):
            bad.append("not everything was scored")
        measuring.cancel()
        ended = list(stage.processes.ended)
        findings, _ = await stage.judge(stage.sender.accepted, stage.sender.unusable)
        bad += findings.problems
        bad += [f"a process ended with {code}" for code in ended]
        if ended:
            bad += _last_errors(stage.log)
    _report(memory, files, sizes, stage, seconds, console, bad)


def _last_errors(log: Path) -> list[str]:
    """Return what processes complained of last: their logs go with the directory."""
    lines = log.read_text(errors="replace").splitlines()
    return [line[:300] for line in lines if "[error" in line or "Error" in line][-10:]


def _said(sizes: dict[str, float]) -> str:
    return ", ".join(f"{name} {size:.1f} MB" for name, size in sizes.items())


def _report(
    memory: dict[str, Series],
    files: dict[str, Series],
    sizes: list[dict[str, float]],
    stage: Stage,
    seconds: float,
    console: Console,
    bad: list[str],
) -> None:
    table = Table(title=f"{seconds:.0f} s, {stage.sender.sent:,} events", title_justify="left")
    for heading in ("process", "memory at the end", "slope", "open files at first", "at the end"):
        table.add_column(heading, justify="left" if heading == "process" else "right")
    is_long = seconds >= 1_800
    for name in PROCESSES:
        slope, fds = memory[name].slope_per_h(), files[name].values
        first = max(fds[: max(1, int(len(fds) * WARM_UP) + 1)])
        table.add_row(name, f"{memory[name].values[-1]:.0f} MB", f"{slope:+.1f} MB/h", f"{first:.0f}", f"{fds[-1]:.0f}")
        if fds[-1] > first * 1.5 + 10:
            bad.append(f"{name} has {fds[-1]:.0f} open files, and had {first:.0f}")
        if is_long and slope > SLOPE_MAX_MB_PER_H:
            bad.append(f"{name} grows by {slope:.0f} MB an hour")
    console.print(table)
    if not is_long:
        console.print("Slopes are reported, and judged from half an hour on: in minutes they are warm-up.")
    half, last = sizes[len(sizes) // 2], sizes[-1]
    console.print(f"topics half-way: {_said(half)}; at the end: {_said(last)}")
    if is_long and last[CHANGELOG.name] > 2 * half[CHANGELOG.name] + 5:
        bad.append("the changelog grows beyond what compaction leaves")
    for problem in bad:
        console.print(problem, style="red", markup=False)


def main() -> int:
    """Run, report, and return 1 if something has grown or gone wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.endurance",
        description="Run a whole leadheat at a steady load; see what grows.",
    )
    parser.add_argument("--seconds", type=float, default=3_600, help="how long (default: an hour)")
    parser.add_argument("--per-second", type=float, default=500, help="events a second (default: 500)")
    parser.add_argument("--seed", type=int, default=1)
    arguments, console, bad = parser.parse_args(), Console(soft_wrap=True), list[str]()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that the broker is away is what was wanted
    directory = Path(tempfile.mkdtemp(prefix="leadheat-endurance-"))
    is_over: list[bool] = []

    async def run() -> None:
        await endure(arguments.seconds, arguments.per_second, arguments.seed, directory, console, bad)
        is_over.append(True)

    try:
        run_until_signal(run())
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if is_over and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
