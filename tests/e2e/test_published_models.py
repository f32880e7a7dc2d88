"""Models are published to workers that run, and taken back, while these are killed, stopped and lose chunks."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from scoring.adoption import Adoption
from scoring.alerts import Alert
from scoring.score_records import LeadScore
from streams.clock import now_ms
from streams.runtime.journal import Adopt, Pass, decode_entry
from streams.settings import Settings
from streams.topics import HOT_LEADS, JOURNAL, LEAD_SCORES, MODEL_REPORTS, create_topics
from tests.e2e.audit import audit, latest, read, wait_until_scored
from tests.e2e.traffic import generate, send
from tests.e2e.workers import Workers

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.thorough, pytest.mark.timeout(280)]

FIRST = (Path(__file__).parent / "model.yaml").read_text()
DEARER = (
    FIRST.replace("version: end-to-end", "version: dearer")
    .replace("points: 10, half_life_days: 14, points_max: 30", "points: 25, half_life_days: 14, points_max: 60")
    .replace("warm: {enter: 25, leave: 15}", "warm: {enter: 35, leave: 20}")
)
WITH_A_RULE = DEARER.replace("version: dearer", "version: with a rule").replace(
    "bands:", "  blog: {on: page_viewed, where: {path: /blog}, points: 3, half_life_days: 9}\nbands:"
)
SEED = 20261126


async def leadheat(settings: Settings, *arguments: str) -> str:
    """Run a command as a user does; returns what it prints."""
    variables = {
        f"LEADHEAT_{name.upper()}": str(getattr(settings, name)) for name in ("brokers", "prefix", "partitions")
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams.cli", *arguments),
        env={**os.environ, **variables, "LEADHEAT_APP_ID": settings.app_id},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def publish(settings: Settings, text: str, *options: str) -> None:
    file = settings.data_dir / "next.yaml"
    file.write_text(text)
    options = ("--yes", "--why", "a test", "--wait", "0", "--no-preview", *options)
    await leadheat(settings, "model", "publish", str(file), *options)


async def run(settings: Settings, events: int, per_second: int) -> tuple[list[str], list[int]]:
    """Publish two models, the second before the pass of the first has ended, and go back, amid faults."""
    await create_topics(settings)
    messages = generate(events, events // 20, now_ms(), SEED, settings.prefix)
    log = settings.data_dir / "workers.log"
    rng = random.Random(SEED)
    async with Workers(settings, 2, log, LEADHEAT_ADOPT_LEADS_PER_S="40", LOST_CHUNKS="0.02") as workers:
        sending = asyncio.create_task(send(settings, messages, per_second))
        while not all((await read(settings, JOURNAL)).values()):  # until every shard scores by the first
            await asyncio.sleep(1)
        await asyncio.sleep(3)
        await publish(settings, DEARER)
        await asyncio.sleep(rng.uniform(0.2, 1))
        await workers.kill(0)
        stopping = asyncio.create_task(workers.fail_at_random(rng, kills=0, stops=1, within_s=12))
        await publish(settings, WITH_A_RULE, "--from-now-on")
        await workers.kill(1)
        await stopping
        await leadheat(settings, "model", "rollback", "1", "--yes", "--wait", "0")
        await asyncio.sleep(rng.uniform(0.2, 1))
        await workers.kill(0)
        await sending
        if not await wait_until_scored(settings, timeout_s=90):
            return ["not everything was scored", log.read_text()[-3000:]], workers.ended
        said = await leadheat(settings, "model", "history", "--json")
        for _ in range(60):
            if finished(await reports_of(settings), number=4) == settings.partitions:
                break
            await asyncio.sleep(1)
        else:
            return ["not every shard went over to the last model", said, log.read_text()[-3000:]], workers.ended
    return await audit(settings), workers.ended


async def reports_of(settings: Settings) -> list[Adoption]:
    records = await read(settings, MODEL_REPORTS)
    return [msgspec.json.decode(record.value, type=Adoption) for each in records.values() for record in each]


def finished(reports: list[Adoption], number: int) -> int:
    return sum(report.number == number and report.is_finished for report in reports)


def test_models_published_and_taken_back_amid_kills_end_in_what_an_offline_run_of_the_journal_gives(
    settings: Callable[..., Settings],
) -> None:
    chosen = settings(session_timeout_s=6, chunk_records=500)
    chosen = chosen.model_copy(update={"model": chosen.data_dir / "model.yaml"})
    chosen.model.write_text(FIRST)
    problems, ended = asyncio.run(run(chosen, events=40_000, per_second=800))
    assert problems == []
    assert ended.count(-9) == 3

    scores = asyncio.run(read(chosen, LEAD_SCORES))
    records = [
        msgspec.json.decode(value, type=LeadScore) for each in scores.values() for value in latest(each).values()
    ]
    assert {record.model for record in records} == {"end-to-end"}
    alerts = [
        msgspec.json.decode(record.value, type=Alert)
        for each in asyncio.run(read(chosen, HOT_LEADS)).values()
        for record in each
    ]
    assert Counter(alert.id for alert in alerts).most_common(1)[0][1] == 1
    assert {alert.model for alert in alerts} >= {"end-to-end", "dearer"}
    steps = [
        [step for record in each for step in decode_entry(record.value).steps]
        for each in asyncio.run(read(chosen, JOURNAL)).values()
    ]
    for of_shard in steps:
        numbers = [step.number for step in of_shard if isinstance(step, Adopt)]
        assert (numbers[0], numbers[-1]) == (1, 4)
        assert numbers == sorted(set(numbers))
        assert any(isinstance(step, Pass) for step in of_shard)
