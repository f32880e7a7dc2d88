"""The worker's composition root: the only place where Faust, shards, model and metrics are joined."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import faust
import structlog
from mode.loop import use as use_loop
from prometheus_client import CollectorRegistry
from yarl import URL

from scoring.errors import ModelError
from streams.agents import LeadLogic, make_agent
from streams.clock import now_ms
from streams.garbage import collect_rarely
from streams.logs import set_up_logs
from streams.membership import member_name
from streams.metrics import WorkerMetrics, serve_metrics, shards_ready
from streams.published_models import (
    Publication,
    PublishedModels,
    follow_publications,
    read_publications,
)
from streams.runtime.chunks import ChunkSchema, chunk_transport
from streams.runtime.inheritance import Inheritance
from streams.runtime.journal import Meta
from streams.runtime.shards import Shards
from streams.runtime.tables import ShardTable
from streams.settings import Settings
from streams.takeover import fence_rebuild, inherit
from streams.topics import CHANGELOG, JOURNAL, SOURCES
from streams.tracks import Track

EXIT_SHARD_FAILED = 70
"""Exit code after a fenced or failed transaction (EX_SOFTWARE): start again, what is committed is whole."""

EXIT_REBUILT = 75
"""Exit code when rebuilt states take over (EX_TEMPFAIL): start again, it goes on with them."""

_QUEUED_CHUNKS = 8  # per source topic, between the consumer and its agent

_REFOLLOW_S = 5.0

log = structlog.get_logger(__name__)


def create_app(settings: Settings, models: PublishedModels, track: Track, metrics: WorkerMetrics) -> faust.App:
    """Return the Faust app of a worker, which begins with ``models`` and learns of later ones.

    Its agents take chunks from the event topics, and from the one in which shards tell each other of people; its table
    holds the leads; everything that a chunk causes is written by its shard's transactions.
    """
    sources = [track.name(topic) for topic in SOURCES]
    changelog = track.name(CHANGELOG)

    def learn(publications: list[Publication]) -> None:
        models.add(publications)
        if models.states != track.states:
            app.consumer.leave_group()
            _end_for_rebuilt_states(models.states)

    async def prepare(partitions: set[int]) -> None:
        if not track.beside:
            learn(await read_publications(settings))
        if track.states:
            await fence_rebuild(settings, track.states, partitions)

    async def inherit_states(partition: int, meta: Meta) -> Inheritance | None:
        if models.rebuilt is None:
            return None
        return await inherit(settings, models.rebuilt, partition, meta.inherited)

    shards = Shards(
        settings,
        sources=sources,
        changelog=changelog,
        journal=track.name(JOURNAL),
        open_logic=lambda partition, leads, memo, said: LeadLogic(
            models, partition, leads, memo, settings, track, metrics, said
        ),
        prepare=prepare,
        inherit=inherit_states,
        observer=metrics,
        on_failure=_end_process,
        consumer=lambda: app.consumer,
        now_s=time.monotonic,
    )
    app = _faust_app(settings, shards)

    table = ShardTable(
        app,
        name="leads",
        partitions=settings.partitions,
        key_type=bytes,
        value_type=bytes,
        changelog_topic=app.topic(changelog, internal=True, partitions=settings.partitions, compacting=True),
    )
    table.shards = shards
    app.tables.add(table)

    for topic, source in zip(SOURCES, sources, strict=True):
        channel = app.topic(source, schema=ChunkSchema(), maxsize=_QUEUED_CHUNKS)
        app.agent(channel, name=topic.name)(make_agent(shards))

    @app.task  # type: ignore[untyped-decorator]
    async def learn_of_models() -> None:
        while not track.beside:
            try:
                await follow_publications(settings, learn)
            except Exception:
                # Shards go on by the model that they have; a rebalance reads the topic, too.
                log.warning("cannot follow the models topic", exc_info=True)
                await asyncio.sleep(_REFOLLOW_S)

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def drain(app: faust.App, revoked: object, **kwargs: object) -> None:
        await shards.drain()

    return app


def _faust_app(settings: Settings, shards: Shards) -> faust.App:
    broker = "kafka://" + ";kafka://".join(server.strip() for server in settings.brokers.split(","))
    member = member_name(settings.instance, [*shards.sources, shards.changelog])
    static_member = {"consumer_group_instance_id": member} if member else {}
    data_dir = settings.data_dir / "worker"  # Faust wants one; tables are in memory and in their changelog
    data_dir.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        settings.app_id,
        broker=broker,
        store="memory://",
        datadir=str(data_dir),
        canonical_url="http://leadheat",  # a host's name would be held against that of a static member's former host
        topic_partitions=settings.partitions,
        topic_allow_declare=False,  # the inventory is created up front, see streams.topics
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_wait_empty=True,
        web_enabled=False,
        cython_optimizations=True,
        broker_check_crcs=False,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=min(2.0, settings.session_timeout_s / 4),
        broker_request_timeout=max(90.0, settings.session_timeout_s),
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=48 << 20,
        **static_member,
    )
    urls = [URL(url) for url in broker.split(";")]
    transport = chunk_transport(
        shards.sources,
        chunk_records=settings.chunk_records,
        fetch_wait_ms=settings.fetch_wait_ms,
        fetch_min_bytes=settings.fetch_min_bytes,
        locate=shards.locate,
        changelog_end=shards.changelog_end,
        until_idle=shards.until_idle,
        on_failure=_end_outside_group,
    )
    app.transport = transport(urls, app)
    return app


def _end_outside_group(error: BaseException) -> None:
    """End at once: the group gives this process nothing more to read, and counts on it all the same."""
    log.error("the process is out of its group, and ends", exc_info=error)
    _exit(EXIT_SHARD_FAILED)


def _end_process(partition: int, error: BaseException) -> None:
    """End at once: nothing of the failed transaction is visible, and nothing may follow it."""
    log.error("shard failed; the process ends", partition=partition, exc_info=error)
    _exit(EXIT_SHARD_FAILED)


def _end_for_rebuilt_states(track: str) -> None:
    """End at once, to be started again on the states that were rebuilt: what is not committed is done there."""
    log.warning("states were rebuilt; the process ends, to be started again on them", track=track)
    _exit(EXIT_REBUILT)


def _exit(code: int) -> None:
    sys.stderr.flush()
    os._exit(code)


def _is_unusable(publication: Publication, error: ModelError) -> None:
    log.error("a published model cannot be used", number=publication.number, problems=error.problems)


def run_worker(settings: Settings, publications: list[Publication]) -> None:
    """Run a worker until it is told to stop (SIGTERM, SIGINT); does not return.

    ``publications`` are those of the models topic, at least one.
    """
    set_up_logs(settings)
    models = PublishedModels(publications, _is_unusable)
    use_loop("uvloop")
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, now_ms)
    if settings.metrics_port:
        serve_metrics(registry, settings.metrics_host, settings.metrics_port, lambda: shards_ready(registry))
    app = create_app(settings, models, Track(settings.prefix, settings.track, models.states), metrics)
    worker = faust.Worker(
        app,
        loglevel=settings.log_level,
        override_logging=False,
        redirect_stdouts=False,
        workdir=Path.cwd(),
        quiet=True,
    )
    collect_rarely(1_000_000)
    worker.spinner = None  # it writes escape codes even where there is no terminal
    worker.execute_from_commandline()
