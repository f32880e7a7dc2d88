"""``leadheat leads list`` shows the leads as they are now, the hottest first, and leaves visitors out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from scoring.score_records import LeadScore, ScoreLine, TraitLine
from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import LEAD_SCORES

pytestmark = pytest.mark.kafka

DAY = 86_400_000


def published(lead: str, points: float, days_ago: float, **changes: Any) -> tuple[bytes, bytes]:
    at_ms = now_ms() - int(days_ago * DAY)
    known: dict[str, Any] = {"score": points, "band": "warm", "model": "7", "stage": "converted", "account": "acme.com"}
    line = ScoreLine(rule="pricing_page", points=points, half_life_days=10.0)
    record = LeadScore(**(known | changes | {"lead": lead, "at_ms": at_ms, "rules": [line]}))
    return lead.encode(), msgspec.json.encode(record)


@pytest.fixture
def people(topics: Settings, produce: Callable[..., None]) -> Settings:
    """Ann has faded from 80 to 20 points; bob had 90 and has 40; carl is inactive; eve has cooled; dora is gone."""
    records = [
        published("email:bob@acme.com", 90.0, 1),
        published("email:ann@acme.com", 80.0, 20, band="hot", contact={"name": "Ann Lee"}, phase="decision"),
        published("user:dora", 100.0, 0),
        published("email:bob@acme.com", 40.0, 0, traits=[TraitLine(trait="budget", points=15.0)]),
        published("email:carl@other.com", 10.0, 0, stage="inactive", account="other.com"),
        published("user:eve", 60.0, 10, cools_at_ms=now_ms() - DAY, band="hot", account="other.com"),
        published("anon:1", 200.0, 0, stage="visitor", account=""),
        (b"user:dora", None),
    ]
    produce(topics, LEAD_SCORES, records)
    return topics


def test_leads_are_listed_as_they_are_now_the_hottest_first(run: Callable[..., Any], people: Settings) -> None:
    ran = run("leads", "list", settings=people)
    assert ran.code == 0
    listed = [json.loads(line) for line in ran.lines]
    assert [(lead["lead"], round(lead["score_now"], 2), lead["has_cooled"]) for lead in listed] == [
        ("email:bob@acme.com", 55.0, False),
        ("user:eve", 30.0, True),
        ("email:ann@acme.com", 20.0, False),
        ("email:carl@other.com", 10.0, False),
    ]
    assert listed[2]["record"]["contact"] == {"name": "Ann Lee"}


def test_options_choose_among_them(run: Callable[..., Any], people: Settings) -> None:
    def listed(*options: str) -> list[str]:
        return [
            json.loads(line)["lead"].partition(":")[2] for line in run("leads", "list", *options, settings=people).lines
        ]

    assert listed("--band", "hot") == ["ann@acme.com"]  # eve has left it, to a band that no record names yet
    assert listed("--stage", "inactive") == ["carl@other.com"]
    assert listed("--stage", "visitor") == ["1"]
    assert listed("--account", "other.com") == ["eve", "carl@other.com"]
    assert listed("--limit", "1") == ["bob@acme.com"]
    assert listed("--limit", "2", "--include-visitors") == ["1", "bob@acme.com"]


def test_a_person_sees_who_and_why(run: Callable[..., Any], people: Settings) -> None:
    lines = [" ".join(line.split()) for line in run("leads", "list", "--text", settings=people).lines]
    assert lines[0] == "lead points band stage phase account name last seen because"
    assert lines[1].startswith("bob@acme.com 55.0 warm converted acme.com ")
    assert lines[1].endswith(" +40 pricing page, +15 budget")
    assert lines[2].startswith("user:eve 30.0 was hot converted other.com ")
    assert lines[3].startswith("ann@acme.com 20.0 hot converted decision acme.com Ann Lee ")
    none = run("leads", "list", "--text", "--band", "boiling", settings=people)
    assert (none.code, none.lines) == (0, ["No such leads. `leadheat leads list --help` says which are listed."])
