"""The worker's metrics: one inventory, base units, counted once per chunk or transaction, never per record."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from streams.runtime.transactions import Committed

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0)


class WorkerMetrics:
    """Counts what a worker does; also the observer of its shards.

    ``now_ms`` is the wall clock, for the latency from append to commit.
    """

    def __init__(self, registry: CollectorRegistry, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.events = Counter("leadheat_events", "Records taken from a source topic", ["topic"], registry=registry)
        self.duplicates = Counter(
            "leadheat_duplicate_events", "Events that a lead had already seen", ["topic"], registry=registry
        )
        self.dead_letters = Counter(
            "leadheat_dead_letters", "Records that could not be scored", ["topic", "reason"], registry=registry
        )
        self.alerts = Counter("leadheat_alerts", "Records written to hot-leads", ["kind", "band"], registry=registry)
        self.signals = Counter(
            "leadheat_buying_signals", "Records written to buying-signals", ["kind"], registry=registry
        )
        self.chunk_seconds = Histogram(
            "leadheat_chunk_seconds",
            "Scoring one chunk, with the pauses for others",
            registry=registry,
            buckets=_SECONDS,
        )
        self.transaction_seconds = Histogram(
            "leadheat_transaction_seconds", "One transaction, begin to commit", registry=registry, buckets=_SECONDS
        )
        self.transaction_records = Counter(
            "leadheat_transaction_records", "Records written by transactions", registry=registry
        )
        self.latency_seconds = Histogram(
            "leadheat_commit_latency_seconds",
            "From an event's append to the commit of what it caused (of the newest event per transaction)",
            registry=registry,
            buckets=_SECONDS,
        )
        self.shards = Gauge("leadheat_shards", "Shards of this worker", ["state"], registry=registry)
        self.restore_seconds = Histogram(
            "leadheat_restore_seconds", "Restoring one shard", registry=registry, buckets=_SECONDS
        )
        self.restored_records = Counter(
            "leadheat_restored_records", "Changelog records read by restores", registry=registry
        )
        self.chunks_out_of_order = Counter(
            "leadheat_chunks_out_of_order",
            "Chunks that did not continue where their shard stood (old: handled before; gap: read again)",
            ["topic", "kind"],
            registry=registry,
        )
        self.messages = Counter(
            "leadheat_messages", "Records for other shards: events passed on, links, absorbed leads", registry=registry
        )
        self.merged_leads = Counter(
            "leadheat_merged_leads", "Leads that turned out to be another one", registry=registry
        )
        self.forgotten = Counter(
            "leadheat_forgotten_identities", "Visitors, and identities of leads, silent for too long", registry=registry
        )
        self.conflicts = Counter(
            "leadheat_identity_conflicts", "Identities seen with a second lead; the first stands", registry=registry
        )
        self.adopted_leads = Counter(
            "leadheat_adopted_leads", "Leads that the pass of a new model has been over", registry=registry
        )
        self.expired_events = Counter(
            "leadheat_expired_events",
            "Events that retention deleted before they were scored",
            ["topic"],
            registry=registry,
        )

    def committed(self, done: Committed) -> None:
        """Note a transaction."""
        self.transaction_seconds.observe(done.seconds)
        self.transaction_records.inc(done.records)
        if done.newest_ms:
            self.latency_seconds.observe(max(0.0, (self._now_ms() - done.newest_ms) / 1000))

    def assigned(self, partitions: int, ready: int) -> None:
        """Note how many shards are ours, and how many of them are ready."""
        self.shards.labels("ready").set(ready)
        self.shards.labels("restoring").set(partitions - ready)

    def restored(self, partition: int, records: int, seconds: float) -> None:
        """Note a restored shard."""
        self.restore_seconds.observe(seconds)
        self.restored_records.inc(records)

    def out_of_order(self, topic: str, kind: str) -> None:
        """Note a chunk that did not continue where its shard stood."""
        self.chunks_out_of_order.labels(topic, kind).inc()

    def expired(self, topic: str, records: int) -> None:
        """Note events that were deleted unread."""
        self.expired_events.labels(topic).inc(records)


Ready = Callable[[], str]
"""Says why a process is not ready; nothing when it is."""


def shards_ready(registry: CollectorRegistry) -> str:
    """Say why a worker is not ready: which of its shards restore, or that it has none; nothing when all are there.

    >>> registry = CollectorRegistry()
    >>> WorkerMetrics(registry, lambda: 0).assigned(partitions=4, ready=3)
    >>> shards_ready(registry)
    '1 of 4 shards is restoring'
    """
    found = {state: registry.get_sample_value("leadheat_shards", {"state": state}) for state in ("ready", "restoring")}
    ready, restoring = int(found["ready"] or 0), int(found["restoring"] or 0)
    if found["ready"] is None:
        return "no shard is assigned yet"
    return f"{restoring} of {ready + restoring} shards {'is' if restoring == 1 else 'are'} restoring" * (restoring > 0)


def serve_metrics(registry: CollectorRegistry, host: str, port: int, ready: Ready = lambda: "") -> None:
    """Serve ``/metrics``, and ``/readyz`` (503 while not ``ready``), from a thread: a busy worker answers, too."""
    metrics = make_wsgi_app(registry)

    def serve(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] != "/readyz":
            return metrics(environ, start_response)
        why = ready()
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        start_response("503 Service Unavailable" if why else "200 OK", headers)
        return [json.dumps({"status": why or "ready"}).encode()]

    server = make_server(host, port, serve, ThreadingWSGIServer, handler_class=_QuietHandler)
    Thread(target=server.serve_forever, name="serves metrics", daemon=True).start()


class _QuietHandler(WSGIRequestHandler):
    """Logs no requests."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""
