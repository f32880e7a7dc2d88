"""Every event counts once and every alert is raised once, whatever happens to the workers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.app import EXIT_SHARD_FAILED
from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import create_topics
from tests.e2e.traffic import generate, send
from tests.e2e.workers import Workers
from tests.faults.audit import audit
from tests.faults.evidence import wait_until_scored

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.timeout(280)]

MODEL = Path(__file__).parent / "model.yaml"
SEED = 20261101


async def run(
    settings: Settings, *, events: int, per_second: int, kills: int, stops: int, **environment: str
) -> tuple[list[str], list[int]]:
    """Run two workers through a fault schedule; returns what the audit finds and the exit codes on the way."""
    await create_topics(settings)
    messages = generate(events, events // 20, now_ms(), SEED, settings.prefix)
    log = settings.data_dir / "workers.log"
    async with Workers(settings, 2, log, **environment) as workers:
        sending = asyncio.create_task(send(settings, messages, per_second))
        await workers.fail_at_random(random.Random(SEED), kills, stops, within_s=events / per_second)
        await sending
        if not await wait_until_scored(settings, timeout_s=20 if "MUTATE" in environment else 90):
            return ["not everything was scored", log.read_text()[-3000:]], workers.ended
    return await audit(settings), workers.ended


def run_faults(
    settings: Callable[..., Settings], chunk_records: int = 500, **options: object
) -> tuple[list[str], list[int]]:
    chosen = settings(model=MODEL, session_timeout_s=6, chunk_records=chunk_records)
    return asyncio.run(run(chosen, **options))  # type: ignore[arg-type]


@pytest.mark.thorough
def test_kills_and_stops_neither_lose_nor_repeat_anything(settings: Callable[..., Settings]) -> None:
    problems, ended = run_faults(settings, events=100_000, per_second=2_500, kills=3, stops=2)
    assert problems == []
    assert ended.count(-9) == 3


def test_lost_chunks_are_read_again_though_nothing_follows_them(settings: Callable[..., Settings]) -> None:
    problems, _ = run_faults(settings, events=400, per_second=10_000, kills=0, stops=0, LOST_CHUNKS="0.5")
    assert problems == []


@pytest.mark.thorough
def test_a_worker_that_hangs_ends_and_another_goes_on(settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "on-chunk").write_text("hang\n")
    options = {"events": 10_000, "per_second": 1_000, "kills": 0, "stops": 0}
    problems, ended = run_faults(settings, **options, FAULT_POINTS=str(tmp_path), LEADHEAT_STUCK_AFTER_S="8")
    assert problems == []
    assert ended == [EXIT_SHARD_FAILED]


@pytest.mark.thorough
def test_a_worker_that_stalls_in_the_middle_of_a_transaction_neither_loses_nor_repeats_anything(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    stalls = tmp_path / "before-commit"
    stalls.write_text("stop 12\n")
    options = {"events": 20_000, "per_second": 1_000, "kills": 0, "stops": 0}
    problems, ended = run_faults(settings, **options, FAULT_POINTS=str(tmp_path))
    assert not stalls.exists()
    assert problems == []
    assert set(ended) <= {EXIT_SHARD_FAILED}


@pytest.mark.thorough
def test_the_audit_notices_when_contiguity_is_not_checked(settings: Callable[..., Settings]) -> None:
    # Small chunks, since a loss at the end of a topic is mended even so: where workers are slow to start, all is one.
    problems, _ = run_faults(
        settings,
        chunk_records=50,
        events=10_000,
        per_second=1_000,
        kills=0,
        stops=0,
        MUTATE="contiguity",
        LOST_CHUNKS="0.2",
    )
    assert problems != []


@pytest.mark.thorough
def test_the_audit_notices_when_earlier_owners_are_not_fenced(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    stalls = tmp_path / "before-commit"
    stalls.write_text("stop 12\n")
    options = {"events": 20_000, "per_second": 1_000, "kills": 0, "stops": 0}
    problems, _ = run_faults(settings, **options, MUTATE="fencing", FAULT_POINTS=str(tmp_path))
    assert not stalls.exists()
    assert problems != []
