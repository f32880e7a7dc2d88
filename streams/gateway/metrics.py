"""The gateway's metrics: every one, in one place. Labels are sources, routes and outcomes, never people."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

ACCEPTED = "accepted"
REFUSED = "refused"
UNAVAILABLE = "unavailable"


class GatewayMetrics:
    """The metrics of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter(
            "leadheat_gateway_events",
            "Events by the source of their write key, route, and outcome: accepted (the broker has it), refused "
            "(the sender's fault; a body that cannot be read counts as one) or unavailable (answered 503).",
            ["source", "route", "outcome"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "leadheat_gateway_request_seconds",
            "From the first byte of a request to its answer, the broker's acknowledgement included.",
            ["route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.in_flight_events = Gauge(
            "leadheat_gateway_in_flight_events",
            "Events that wait for the broker's acknowledgement.",
            registry=self.registry,
        )
