"""Alerts and delivery files for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scoring.alerts import Alert, Cause, LedgerLine, alert_id, cooled_id, retracted_id
from streams.delivery.config import DeliveryConfig, parse_delivery

HOUR = 3_600_000
MONDAY_9H = 1_767_603_600_000  # 2026-01-05T09:00:00Z


def entered(lead: str = "email:ann@example.com", number: int = 1, time_ms: int = MONDAY_9H, **changes: Any) -> Alert:
    """Return an alert that ``lead`` has become hot."""
    fields: dict[str, Any] = {
        "id": alert_id(lead, "hot", f"e-{number}"),
        "kind": "entered",
        "lead": lead,
        "band": "hot",
        "from_band": "warm",
        "time_ms": time_ms,
        "score": 82.0,
        "ledger": [
            LedgerLine(rule="demo_request", points=50.0, subject="demo"),
            LedgerLine(rule="pricing_page", points=32.0, count=3.0),
        ],
        "model": "1",
        "cause": Cause(id=f"e-{number}", type="form_submitted", time_ms=time_ms),
        "contact": {"name": "Ann Lee", "email": "ann@example.com"},
    }
    return Alert(**fields | changes)


def cooled(alert: Alert, time_ms: int) -> Alert:
    """Return what follows when ``alert``'s lead has cooled."""
    return Alert(
        id=cooled_id(alert.id),
        kind="cooled",
        lead=alert.lead,
        band="warm",
        from_band="hot",
        time_ms=time_ms,
        score=40.0,
        ledger=[],
        model="1",
        alert_id=alert.id,
    )


def retracted(alert: Alert, time_ms: int) -> Alert:
    """Return what follows when what ``alert`` rested on was taken back."""
    taken_back = cooled(alert, time_ms)
    taken_back.id, taken_back.kind = retracted_id(alert.id), "retracted"
    return taken_back


def config(**changes: Any) -> DeliveryConfig:
    """Return a delivery file with one webhook ``hook`` and one chat ``chat``; ``changes`` replace its sections."""
    sections: dict[str, Any] = {
        "sinks": {
            "hook": {"kind": "webhook", "url": "https://example.com/hook", "secret": {"env": "HOOK_SECRET"}},
            "chat": {"kind": "slack", "token": {"env": "SLACK_TOKEN"}, "channel": "C1"},
        },
        "routes": [{"name": "all", "to": ["hook", "chat"]}],
    }
    return parse_delivery(json.dumps(sections | changes), "delivery.yaml")


def write_file(path: Path, url: str, timeout_s: float = 1, **changes: object) -> Path:
    """Write a delivery file with one webhook, and short waits."""
    sections = {
        "sinks": {
            "hook": {
                "kind": "webhook",
                "url": url,
                "secret": {"env": "HOOK_SECRET"},
                "timeout_s": timeout_s,
                "concurrency": 16,
            }
        },
        "routes": [{"name": "all", "to": ["hook"]}],
        "allow": ["127.0.0.1"],
        "retry": {"first_s": 0.2, "factor": 1.5, "longest_s": 2, "breaker_failures": 20, "breaker_rest_s": 0.5},
    }
    path.write_text(json.dumps(sections | changes))
    return path
