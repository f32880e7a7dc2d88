"""A history with a known truth: which deeds decide whether somebody is won, which have nothing to do with it.

Everybody does some of each, by chance. Who did what counts is more often won, by a logistic law with the weights of
:data:`WEIGHTS`; the rest is noise that looks like interest. Deals are decided a few days after the last deed, and half
of the people go on afterwards: the won as customers do, who would look hot to anybody who peeked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from math import exp
from random import Random
from typing import Any

from scoring.deals import Deal
from scoring.replay import FileRecord

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SPAN_DAYS = 200

WEIGHTS = {"webinar_attendance": 2.8, "comparison_page": 1.4, "email_reply": 0.9}
"""What counts, by the default model's rules, from the most to the least: log odds of a deed."""

AGAINST = {"careers_page": -2.0}
CONSTANT = -2.6

DEEDS: dict[str, tuple[str, dict[str, Any], float]] = {
    "webinar_attendance": ("webinar_attended", {"webinar": "w"}, 0.3),
    "comparison_page": ("page_viewed", {"path": "/compare/others"}, 0.35),
    "email_reply": ("email_replied", {}, 0.35),
    "careers_page": ("page_viewed", {"path": "/careers"}, 0.25),
    "pricing_page": ("page_viewed", {"path": "/pricing", "seconds": 20}, 0.45),
    "premium_download": ("file_downloaded", {"asset": "market-report"}, 0.45),
    "other_form": ("form_submitted", {"form": "newsletter", "asset": "n"}, 0.4),
    "webinar_registration": ("webinar_registered", {"webinar": "w"}, 0.35),
    "email_click": ("email_clicked", {"link": "l"}, 0.5),
}
"""Deeds by the rule that they match: type, properties, and the share of people who do it."""


@dataclass(frozen=True)
class History:
    """Events as JSON lines in the order of their times, and what came of whom."""

    events: list[bytes]
    deals: list[Deal]

    def records(self) -> list[FileRecord]:
        """The events as received when they happened."""
        return [FileRecord(number, json.loads(line)["time"], line) for number, line in enumerate(self.events)]

    def outcomes_csv(self) -> str:
        """The deals as a CRM exports them."""
        rows = ["Email,Outcome,Close date"]
        for deal in self.deals:
            at = datetime.fromtimestamp(deal.time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
            rows.append(f"{deal.lead.removeprefix('email:')},{'won' if deal.is_won else 'lost'},{at}")
        return "\n".join(rows) + "\n"


def generate_history(leads: int, seed: int, *, truth: bool = True) -> History:
    """Return the history of so many people; without ``truth`` nothing that they do has anything to do with the end."""
    rng = Random(seed)
    events: list[tuple[int, str, dict[str, Any]]] = []
    deals: list[Deal] = []
    for number in range(leads):
        email = f"person{number}@company{number}.com"
        begin_ms = START_MS + rng.randrange(SPAN_DAYS * DAY_MS)
        done = [deed for deed, (_, _, share) in DEEDS.items() if rng.random() < share]
        at_ms = begin_ms
        for deed in rng.sample(done, len(done)):
            at_ms += rng.randrange(HOUR_MS, 3 * DAY_MS)
            events.append((at_ms, email, {"type": DEEDS[deed][0], "properties": DEEDS[deed][1]}))
        events.append((begin_ms, email, {"type": "page_viewed", "properties": {"path": "/"}}))
        odds = CONSTANT + sum({**WEIGHTS, **AGAINST}.get(deed, 0.0) for deed in done)
        is_won = rng.random() < (1 / (1 + exp(-odds)) if truth else 0.3)
        closed_ms = (at_ms + rng.randrange(2 * DAY_MS, 4 * DAY_MS)) // 1000 * 1000
        deals.append(Deal(f"email:{email}", is_won, closed_ms))
        if rng.random() < 0.5:
            later = {"type": "form_submitted", "properties": {"form": "demo"}} if is_won else {"type": "page_viewed"}
            events.append((closed_ms + rng.randrange(5 * DAY_MS), email, later))
    events.sort(key=lambda each: (each[0], each[1]))
    lines = [
        json.dumps({"id": f"e-{number}", "time": at_ms, "email": email, **rest}).encode()
        for number, (at_ms, email, rest) in enumerate(events)
    ]
    return History(lines, deals)
