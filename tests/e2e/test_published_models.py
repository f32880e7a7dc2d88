"""Models are published, taken back and tried beside the one in use, while workers are killed and lose chunks."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from scoring.adoption import Adoption
from scoring.alerts import Alert
from scoring.model import parse_model
from scoring.replay import FileRecord, Replay
from scoring.score_records import LeadScore, score_later
from streams.app import EXIT_REBUILT
from streams.cli.model_beside import find_tracks, track_name
from streams.clock import now_ms
from streams.runtime.journal import Adopt, Pass, decode_entry
from streams.settings import Settings
from streams.topics import EVENT_TOPICS, HOT_LEADS, JOURNAL, LEAD_SCORES, MODEL_REPORTS, create_topics, find_topics
from streams.tracks import WRITTEN, Track, beside
from tests.e2e.traffic import generate, send
from tests.e2e.workers import Workers
from tests.faults.audit import audit
from tests.faults.evidence import latest, read, wait_until_scored

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.thorough, pytest.mark.timeout(900)]

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
VARIABLES = ("brokers", "prefix", "partitions", "app_id", "model", "data_dir", "session_timeout_s")


async def leadheat(settings: Settings, *arguments: str) -> str:
    """Run a command as a user does; returns what it prints."""
    variables = {f"LEADHEAT_{name.upper()}": str(getattr(settings, name)) for name in VARIABLES}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams.cli", *arguments),
        env={**os.environ, **variables},
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
        await workers.kill_one(0)
        stopping = asyncio.create_task(workers.fail_at_random(rng, kills=0, stops=1, within_s=12))
        await publish(settings, WITH_A_RULE, "--from-now-on")
        await workers.kill_one(1)
        await stopping
        await leadheat(settings, "model", "rollback", "1", "--yes", "--wait", "0")
        await asyncio.sleep(rng.uniform(0.2, 1))
        await workers.kill_one(0)
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


async def run_shadow(settings: Settings, events: int, per_second: int) -> tuple[list[str], list[int], str]:
    """Let a candidate score beside the model in use; both their workers are killed on the way."""
    await create_topics(settings)
    track = track_name("shadow", WITH_A_RULE, now_ms())
    shadow = beside(settings, track).model_copy(update={"model": settings.data_dir / "candidate.yaml"})
    shadow.data_dir.mkdir()
    shadow.model.write_text(WITH_A_RULE)
    names = Track(settings.prefix, beside=track)
    messages = generate(events, events // 20, now_ms(), SEED, settings.prefix)
    log = settings.data_dir / "workers.log"
    async with Workers(settings, 1, log) as workers:
        sending = asyncio.create_task(send(settings, messages, per_second))
        while not all((await read(settings, JOURNAL)).values()):
            await asyncio.sleep(1)
        await create_topics(settings, {names.name(topic): topic for topic in WRITTEN})
        async with Workers(shadow, 1, shadow.data_dir / "workers.log") as of_shadow:
            while not all((await read(shadow, JOURNAL)).values()):
                await asyncio.sleep(1)
            await of_shadow.kill_one(0)
            await workers.kill_one(0)
            await sending
            await of_shadow.kill_one(0)
            for each in (settings, shadow):
                assert await wait_until_scored(each, timeout_s=90), log.read_text()[-3000:]
            said = await leadheat(settings, "model", "compare", "--json", "--limit", "100000")
    return await audit(settings, 20) + await audit(shadow, 20), workers.ended + of_shadow.ended, said


def test_a_candidate_beside_the_model_in_use_alerts_nobody_and_has_the_states_of_an_offline_run(
    settings: Callable[..., Settings],
) -> None:
    chosen = settings(session_timeout_s=6, chunk_records=500)
    chosen = chosen.model_copy(update={"model": chosen.data_dir / "model.yaml"})
    chosen.model.write_text(FIRST)
    problems, ended, said = asyncio.run(run_shadow(chosen, events=6_000, per_second=400))
    assert problems == []
    assert ended.count(-9) == 3
    rows = [json.loads(line) for line in said.splitlines()]
    compared = rows.pop()["compared"]
    assert compared["models"] == ["end-to-end", "with a rule"]
    assert (compared["only_in_use"], compared["only_candidate"]) == (0, 0)
    assert {"blog", "pricing_page"} <= {reason["reason"] for reason in compared["reasons"]}
    assert compared["differ"] == len(rows) > 100
    for row in rows:
        parting = row["parting"]
        assert sum(parting["reasons"].values()) == pytest.approx(parting["points"][1] - parting["points"][0], abs=1e-4)


async def run_replay(
    settings: Settings, text: str, events: int, per_second: int
) -> tuple[list[str], list[int], dict[str, LeadScore]]:
    """Have all states rebuilt while events come, kill those who rebuild, stop half-way once, and let it take over."""
    await create_topics(settings)
    messages = generate(events, events // 20, now_ms(), SEED, settings.prefix)
    log = settings.data_dir / "workers.log"
    file = settings.data_dir / "replayed.yaml"
    file.write_text(text)
    async with Workers(settings, 2, log) as workers:
        sending = asyncio.create_task(send(settings, messages, per_second))
        while not all((await read(settings, JOURNAL)).values()):
            await asyncio.sleep(1)
        half_way = await start_replay(settings, file)
        while not (tracks := await find_tracks(settings, "replay")):
            await asyncio.sleep(0.2)
        (track,) = tracks
        while not await has_begun(beside(settings, track)):
            await asyncio.sleep(0.2)
        half_way.terminate()
        assert await half_way.wait() == 130
        history = (await leadheat(settings, "model", "history", "--json")).splitlines()
        assert [json.loads(line)["number"] for line in history] == [1]  # nothing has changed
        replaying = await start_replay(settings, file)
        await asyncio.sleep(4)
        for pid in children_of(replaying.pid):
            os.kill(pid, signal.SIGKILL)  # the worker that rebuilds: it is started again, and goes on
        await workers.kill_one(0)
        said = (await replaying.communicate())[0].decode()
        assert replaying.returncode == 0, said
        await asyncio.sleep(2)
        await workers.kill_one(1)
        await sending
        if not await wait_until_scored(settings, 120, states_of=track):
            return ["not everything was scored", log.read_text()[-3000:]], workers.ended, {}
        for _ in range(240):
            found = await current(settings)
            if all(score.model == "with a rule" for score in found.values()):
                break
            await asyncio.sleep(1)
        else:
            return [f"not everybody reads of the rebuilt states; {said}", log.read_text()[-9000:]], workers.ended, found
        await asyncio.sleep(2)
        found = await current(settings)
    return await audit(settings, 20, states_of=track), workers.ended, found


async def start_replay(settings: Settings, file: Path) -> asyncio.subprocess.Process:
    variables = {f"LEADHEAT_{name.upper()}": str(getattr(settings, name)) for name in VARIABLES}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams.cli", "model", "replay", str(file), "--yes", "--why", "a test"),
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def has_begun(rebuild: Settings) -> bool:
    name = Track(rebuild.prefix, beside=rebuild.track).name(JOURNAL)
    return name in await find_topics(rebuild) and any((await read(rebuild, JOURNAL)).values())


def children_of(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children()]


async def current(settings: Settings) -> dict[str, LeadScore]:
    records = (await read(settings, LEAD_SCORES)).values()
    scores = [msgspec.json.decode(value, type=LeadScore) for each in records for value in latest(each).values()]
    return {score.lead: score for score in scores}


def test_rebuilt_states_take_over_in_one_step_and_are_those_of_a_run_that_knew_the_model_from_the_start(
    settings: Callable[..., Settings],
) -> None:
    chosen = settings(session_timeout_s=6, chunk_records=500)
    chosen = chosen.model_copy(update={"model": chosen.data_dir / "model.yaml"})
    chosen.model.write_text(FIRST)
    problems, ended, scores = asyncio.run(run_replay(chosen, WITH_A_RULE, events=3_000, per_second=60))
    assert problems == [], "\n".join(problems)
    assert ended.count(-9) == 2
    assert ended.count(EXIT_REBUILT) >= 1
    assert {score.model for score in scores.values()} == {"with a rule"}
    assert any(line.rule == "blog" for score in scores.values() for line in score.rules)
    alerts = [
        msgspec.json.decode(record.value, type=Alert).id
        for each in asyncio.run(read(chosen, HOT_LEADS)).values()
        for record in each
    ]
    assert Counter(alerts).most_common(1)[0][1] == 1
    # Those who knew the model from the start, in one go and on one shard, come to the same scores.
    events = [
        FileRecord(record.offset, record.timestamp, record.value, record.key)
        for topic in EVENT_TOPICS
        for each in asyncio.run(read(chosen, topic)).values()
        for record in each
    ]
    offline = Replay(parse_model(WITH_A_RULE, "offline"))
    offline.take(events)
    twins = {score.lead: score for score in offline.scores()}
    assert twins.keys() == scores.keys()
    for lead, score in scores.items():
        at = max(score.at_ms, twins[lead].at_ms)
        assert score_later(score, at) == pytest.approx(score_later(twins[lead], at), abs=3e-6)
