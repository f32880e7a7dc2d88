"""Runs of a product that lacks a safeguard: they have to fail, or the suite proves nothing."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from streams.clock import now_ms
from streams.embedded.kafka import EmbeddedKafka
from tests.faults.rows import Row
from tests.faults.stage import Options, Stage
from tests.faults.traffic import make_events, to_sending

PER_SECOND = 300
SCORED_WITHIN_S = 90
STAYS_S = 6.0
TRIES = 3
"""A fault does harm where it happens to strike; one that did none is repeated, as in the suite there are many."""


@dataclass(frozen=True)
class Mutant:
    """One safeguard that is taken out, and the fault that it guards against."""

    mutation: str
    safeguard: str
    environment: dict[str, str] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    points: dict[str, str] = field(default_factory=dict)
    joins: int = 0
    """How often another worker joins for some seconds, so that shards go and come back."""
    seconds: float = 10.0

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"mutation: {self.safeguard}"


async def run_mutant(mutant: Mutant, kafka: EmbeddedKafka, directory: Path, seed: int) -> Row:
    """Run a mutant under its fault, more than once if need be. The row is good if the audit finds something wrong."""
    began, row = time.monotonic(), Row(mutant.name, 0)
    for number in range(TRIES):
        await _try(mutant, row, kafka, directory, seed + number)
        # That it stands still proves nothing: on a busy machine others do so, too.
        if row.duplicated + row.wrong + row.missing_or_extra_alerts:
            break
    else:
        row.problems.append(f"nobody notices that there is {mutant.safeguard}")
    row.seconds = time.monotonic() - began
    return row


async def _try(mutant: Mutant, row: Row, kafka: EmbeddedKafka, directory: Path, seed: int) -> None:
    """Run a mutant once, and add to the row what came of it."""
    rng = random.Random(f"{seed}-{mutant.mutation}")
    home = directory / f"mutant-{mutant.mutation.replace('_', '-')}-{seed}"
    home.mkdir()
    options = Options(
        directory=home,
        seed=seed,
        kafka=kafka,
        is_whole=False,
        settings={"session_timeout_s": 6.0, **mutant.settings},
        worker_environment={"MUTATE": mutant.mutation, **mutant.environment},
    )
    async with Stage(options) as stage:
        await stage.until_workers_are_ready()
        for point, actions in mutant.points.items():
            (stage.points / point).write_text(actions)
        events = make_events("m", int(PER_SECOND * mutant.seconds), 300, now_ms(), rng)
        sending = asyncio.create_task(
            stage.sender.send((to_sending(event, stage.settings) for event in events), PER_SECOND, http_share=0.0)
        )
        for number in range(mutant.joins):
            stage.start_worker(f"another{number}")
            await asyncio.sleep(STAYS_S)
            await stage.processes.stop(f"another{number}")
            await asyncio.sleep(STAYS_S)
        await sending
        is_scored = await stage.progress.wait(SCORED_WITHIN_S)
        findings, _ = await stage.judge(stage.sender.accepted, stage.sender.unusable)
    row.count += max(mutant.joins, 1)
    row.events += findings.events
    row.lost += findings.lost
    row.duplicated += findings.duplicated
    row.wrong += findings.wrong
    row.missing_or_extra_alerts += findings.missing_alerts + findings.extra_alerts
    row.recovered_s = 0.0 if is_scored else SCORED_WITHIN_S
