"""Workers beside the running ones, which score by another model into topics of their own, and how far they are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from scoring.errors import StartError
from streams.clock import now_ms
from streams.embedded.stack import environment
from streams.embedded.supervisor import Child, ChildEvent, Supervisor
from streams.settings import Settings
from streams.topics import SOURCES, create_topics, delete_topics, find_topics
from streams.tracks import SHARED, WRITTEN, Track, beside

MARKS: Final = 4
"""Offsets behind the last record of a partition that nobody waits for: marks of transactions."""

LOOK_AGAIN_S: Final = 1.0
PATIENCE_MS: Final = 5_000


@dataclass(frozen=True)
class Progress:
    """How many records of others workers have taken, of how many; ``taken`` counts what they tell each other, too."""

    done: int
    total: int
    taken: int
    waiting: int

    @property
    def has_caught_up(self) -> bool:
        """Whether nothing waits but what has come just now."""
        return self.waiting == 0


def track_name(kind: str, text: str, begun_ms: int) -> str:
    """Return the name of a track that is begun for a model's text: never that of an earlier one, which was removed.

    Kafka keeps for days how far a group of workers was, whatever becomes of its topics.

    >>> track_name("shadow", "version: 1", 1_767_225_600_000)
    'shadow-3753e839-19b76daa800'
    """
    return f"{kind}-{blake2b(text.encode(), digest_size=4).hexdigest()}-{begun_ms:x}"


async def choose_track(settings: Settings, kind: str, text: str) -> str:
    """Return the track for a model's text: the one that has been begun for it, and goes on, or a new one."""
    name = track_name(kind, text, now_ms())
    start = name.rpartition("-")[0]
    begun = [track for track in await find_tracks(settings, kind) if track.rpartition("-")[0] == start]
    return begun[-1] if begun else name


async def find_tracks(settings: Settings, kind: str) -> list[str]:
    """Return the tracks of a kind that have topics."""
    start = f"{settings.prefix}.{kind}-"
    names = await find_topics(settings)
    return sorted(
        {name.removeprefix(f"{settings.prefix}.").partition(".")[0] for name in names if name.startswith(start)}
    )


async def remove_track(settings: Settings, track: str) -> None:
    """Delete all topics of a track."""
    await delete_topics(settings, [Track(settings.prefix, beside=track).name(topic) for topic in WRITTEN])


def say(event: ChildEvent) -> None:
    """Tell a person that a worker has started, or ended."""
    if event.kind != "line":
        typer.echo(f"{event.child} {event.text}", err=True)


@asynccontextmanager
async def workers_beside(
    settings: Settings, track: str, text: str, workers: int, on_event: Callable[[ChildEvent], None]
) -> AsyncIterator[Supervisor]:
    """Run workers that score by the model ``text`` on a track; they go on where they were, and end with us."""
    own = beside(settings, track)
    own.data_dir.mkdir(parents=True, exist_ok=True)
    file = own.data_dir / "model.yaml"
    file.write_text(text)
    names = Track(settings.prefix, beside=track)
    await create_topics(settings, {names.name(topic): topic for topic in WRITTEN})
    children = []
    for number in range(1, workers + 1):
        name = f"{track}-{number}"
        changes = {"model": file, "instance": name, "metrics_port": 0, "data_dir": own.data_dir / name}
        environ = environment(own.model_copy(update=changes))
        children.append(Child(name, [sys.executable, "-m", "streams.cli", "worker"], environ))
    async with Supervisor(children, on_event=on_event) as supervisor:
        yield supervisor


async def read_progress(settings: Settings, track: str) -> Progress:
    """Return how far the workers of a track are; raises :class:`StartError` where no broker answers."""
    names = Track(settings.prefix, beside=track)
    tps = [TopicPartition(names.name(topic), number) for topic in SOURCES for number in range(settings.partitions)]
    async with _group_of(settings, track, tps) as consumer:
        begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        shared = {topic.full_name(settings.prefix) for topic in SHARED}
        done = total = taken = waiting = 0
        for tp in tps:
            at = max(await consumer.committed(tp) or 0, begins[tp])
            taken += at - begins[tp]
            waiting += ends[tp] - at if ends[tp] - at > MARKS * settings.partitions else 0
            if tp.topic in shared:
                done += at - begins[tp]
                total += ends[tp] - begins[tp]
        return Progress(done, total, taken, waiting)


async def read_positions(settings: Settings, track: str) -> dict[tuple[str, int], int]:
    """Return up to which offset the workers of a track (nothing: the running ones) have taken what others write."""
    tps = [
        TopicPartition(topic.full_name(settings.prefix), number)
        for topic in SHARED
        for number in range(settings.partitions)
    ]
    async with _group_of(settings, track, tps) as consumer:
        return {(tp.topic, tp.partition): await consumer.committed(tp) or 0 for tp in tps}


@asynccontextmanager
async def _group_of(settings: Settings, track: str, tps: list[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    """Look at what the workers of a track (nothing: the running ones) have committed, without joining them."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.brokers,
        group_id=beside(settings, track).app_id if track else settings.app_id,
        enable_auto_commit=False,
        isolation_level="read_committed",
        request_timeout_ms=PATIENCE_MS,
    )
    try:
        await consumer.start()
        consumer.assign(tps)
        yield consumer
    except (KafkaError, OSError) as error:
        raise StartError(f"Kafka at {settings.brokers} does not say how far the workers are ({error!r})") from error
    finally:
        await consumer.stop()


async def catch_up(settings: Settings, track: str, supervisor: Supervisor, tell: Callable[[str], None]) -> None:
    """Wait until the workers of a track have taken what there is, telling how far they are, and how long it takes.

    Raises :class:`StartError` when a worker keeps ending.
    """
    loop = asyncio.get_running_loop()
    waiting = asyncio.create_task(supervisor.wait())
    began: tuple[float, int] | None = None
    misses, before = 0, -1
    try:
        while True:
            if waiting.done():
                waiting.result()
            try:
                progress = await read_progress(settings, track)
                misses = 0
            except StartError:
                misses += 1  # while a killed worker's transaction is open, its offsets are not told
                if misses > 30:
                    raise
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            # A little is always left out as marks of transactions: where nothing moves any more, there is no more.
            if progress.has_caught_up and progress.taken == before and (progress.done or not progress.total):
                return
            before = progress.taken
            if progress.done and began is None:
                began = loop.time(), progress.done
            tell(_describe(progress, began, loop.time()))
            await asyncio.sleep(LOOK_AGAIN_S)
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


def _describe(progress: Progress, began: tuple[float, int] | None, now_s: float) -> str:
    share = 100 * progress.done // max(1, progress.total)
    text = f"{progress.done:,} of {progress.total:,} records ({share}%)"
    if began is None or now_s <= began[0] or progress.done <= began[1]:
        return text
    rate = (progress.done - began[1]) / (now_s - began[0])
    left_s = (progress.total - progress.done) / rate
    return (
        f"{text}, {rate:,.0f} a second, about {left_s / 60:.0f} min left"
        if left_s > 90
        else (f"{text}, {rate:,.0f} a second, about {left_s:.0f} s left")
    )
