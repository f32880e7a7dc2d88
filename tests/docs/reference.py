"""Writes docs/reference.md from the code: ``python -m tests.docs.reference``; a test holds the two together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from scoring.account_updates import ACCOUNT_TYPES
from scoring.events import EMAIL_TYPES, REASONS, WEB_TYPES
from streams.asyncapi import describe
from streams.clock import now_ms
from streams.delivery.metrics import DeliveryMetrics
from streams.gateway.metrics import GatewayMetrics
from streams.metrics import WorkerMetrics
from streams.projector.metrics import ProjectorMetrics
from streams.settings import Settings
from streams.topics import TOPICS

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


def reference() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            "# Reference",
            "",
            "Generated from the code by `python -m tests.docs.reference`.",
            "",
            *_settings(),
            *_topics(),
            *_events(),
            *_metrics(),
        ]
    )


def _settings() -> list[str]:
    rows = ["## Settings", "", "| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "the default model" if name == "model" else f"`{field.default}`" if field.default != "" else "–"
        rows.append(f"| `LEADHEAT_{name.upper()}` | {default} | {field.description} |")
    return [*rows, ""]


def _topics() -> list[str]:
    rows = [
        "## Topics",
        "",
        "Each is `<prefix>.<name>.v1`; all have LEADHEAT_PARTITIONS partitions. Read them with `read_committed`.",
        "",
        "| name | key | value | cleanup |",
        "|---|---|---|---|",
    ]
    return [*rows, *(f"| {t.name} | {t.key} | {t.value} | {t.cleanup} |" for t in TOPICS), ""]


def _events() -> list[str]:
    return [
        "## Event types",
        "",
        "On web-events: " + ", ".join(f"`{name}`" for name in sorted(WEB_TYPES)) + ".",
        "",
        "On email-events: " + ", ".join(f"`{name}`" for name in sorted(EMAIL_TYPES)) + ".",
        "",
        "On account-updates: " + ", ".join(f"`{name}`" for name in sorted(ACCOUNT_TYPES)) + ".",
        "",
        "Reasons of dead letters: " + ", ".join(f"`{reason}`" for reason in REASONS) + ".",
        "",
    ]


@dataclass(frozen=True)
class MetricInfo:
    """One metric of the inventory; ``name`` without the suffixes of its kind."""

    process: str
    name: str
    kind: str
    labels: tuple[str, ...]
    documentation: str


def inventory() -> list[MetricInfo]:
    """Return every metric of every process."""
    registries = {process: CollectorRegistry() for process in ("worker", "projector", "delivery")}
    made: dict[str, object] = {
        "worker": WorkerMetrics(registries["worker"], now_ms),
        "projector": ProjectorMetrics(registries["projector"]),
        "gateway": GatewayMetrics(),
        "delivery": DeliveryMetrics(registries["delivery"]),
    }
    found = []
    for process, metrics in made.items():
        for metric in vars(metrics).values():
            if isinstance(metric, MetricWrapperBase):
                (described,) = metric.describe()
                labels = tuple(metric._labelnames)
                info = MetricInfo(process, described.name, described.type, labels, described.documentation)
                found.append(info)
    return sorted(found, key=lambda info: (info.process, info.name))


def _metrics() -> list[str]:
    rows: list[str] = []
    for process in ("worker", "projector", "gateway", "delivery"):
        rows += [
            f"## Metrics of the {process}",
            "",
            "| metric | kind | labels | what it counts |",
            "|---|---|---|---|",
        ]
        for info in inventory():
            if info.process == process:
                name = info.name + ("_total" if info.kind == "counter" else "")
                rows.append(f"| `{name}` | {info.kind} | {', '.join(info.labels)} | {info.documentation} |")
        rows.append("")
    return rows


ASYNCAPI = PAGE.with_name("asyncapi.json")


def asyncapi() -> str:
    """Return the description of the topics."""
    return json.dumps(describe(Settings()), indent=2) + "\n"


if __name__ == "__main__":
    ASYNCAPI.write_text(asyncapi())
    PAGE.write_text(reference())
