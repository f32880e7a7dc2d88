"""The metrics of delivery: every one, in one place. Labels are sinks and states, never people."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.retries import Circuit

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86_400.0)


class DeliveryMetrics:
    """Counts what a delivery process does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tries = Counter(
            "leadheat_delivery_tries", "Tries to deliver, by what came of them", ["sink", "outcome"], registry=registry
        )
        self.deliveries = Gauge(
            "leadheat_deliveries",
            "Deliveries that are remembered, by where they stand",
            ["sink", "state"],
            registry=registry,
        )
        self.seconds = Histogram(
            "leadheat_delivery_seconds",
            "From reading an alert to its arrival at the sink (what was held back, too)",
            ["sink"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.try_seconds = Histogram(
            "leadheat_delivery_try_seconds", "One try, request to answer", ["sink"], registry=registry, buckets=_SECONDS
        )
        self.resting = Gauge(
            "leadheat_delivery_sink_resting", "1 while a sink rests because it failed", ["sink"], registry=registry
        )
        self.fields = Counter(
            "leadheat_delivery_fields",
            "Leads whose fields were written to a CRM, by what came of it",
            ["sink", "outcome"],
            registry=registry,
        )
        self.breaches = Counter("leadheat_breaches", "Leads that nobody contacted in time", registry=registry)
        self.records = Counter("leadheat_delivery_records", "Records read, by topic", ["topic"], registry=registry)
        self.partitions = Gauge("leadheat_delivery_partitions", "Partitions of this process", registry=registry)

    def note_try(self, sink: str, attempt: Attempt, seconds: float) -> None:
        """Count one try."""
        match attempt:
            case Sent():
                outcome = "delivered"
            case Failed(is_gone=True):
                outcome = "gone"
            case Failed(is_final=True):
                outcome = "refused"
            case _:
                outcome = "failed"
        self.tries.labels(sink, outcome).inc()
        self.try_seconds.labels(sink).observe(seconds)

    def note_fields(self, sink: str, attempts: Iterable[Attempt]) -> None:
        """Count a batch of leads' fields."""
        for attempt in attempts:
            outcome = "written" if isinstance(attempt, Sent) else "refused" if attempt.is_final else "failed"
            self.fields.labels(sink, outcome).inc()

    def note_circuit(self, sink: str, circuit: Circuit) -> None:
        """Say whether a sink rests."""
        self.resting.labels(sink).set(circuit is not Circuit.CLOSED)
