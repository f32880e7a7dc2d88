"""The projector's metrics: counted once per chunk."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0)


class ProjectorMetrics:
    """Counts what a projector does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter("leadheat_projector_records", "Records written to Redis", ["topic"], registry=registry)
        self.unreadable = Counter(
            "leadheat_projector_unreadable_records", "Records that hold something else", ["topic"], registry=registry
        )
        self.chunk_seconds = Histogram(
            "leadheat_projector_chunk_seconds", "One chunk, decoded and written", registry=registry, buckets=_SECONDS
        )
        self.latency_seconds = Histogram(
            "leadheat_projector_latency_seconds",
            "From a record's time to its being in Redis (of the newest record per chunk)",
            registry=registry,
            buckets=_SECONDS,
        )
        self.lag_records = Gauge(
            "leadheat_projector_lag_records",
            "Committed records that are not in Redis yet",
            ["topic"],
            registry=registry,
        )
        self.worker_lag_records = Gauge(
            "leadheat_worker_lag_records",
            "Records of a source topic that no worker has taken",
            ["topic"],
            registry=registry,
        )
        self.rebuilds = Counter(
            "leadheat_projector_rebuilds",
            "Times that Redis was filled anew: asked for, or because it had lost what it held",
            registry=registry,
        )
        self.conflicts = Counter(
            "leadheat_projector_conflicts",
            "Chunks given up because Redis was flushed, or another projector was writing",
            registry=registry,
        )
