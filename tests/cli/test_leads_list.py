"""``leadheat leads list`` shows the leads as they are now, the hottest first, and leaves visitors out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
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


@pytest.fixture
def quiet_people(topics: Settings, produce: Callable[..., None]) -> Settings:
    """By the default model, quiet is 30 days and a fit of 8.1 strong; gus has cooled since, and is as quiet."""
    strong: dict[str, Any] = {"fit": 9.0, "fit_level": "strong", "company": "Acme"}
    records = [
        published("email:ann@acme.com", 80.0, 31, **strong),
        published("email:bob@acme.com", 90.0, 31, **strong),
        published("email:carl@acme.com", 90.0, 29, **strong),
        published("email:dora@best.com", 10.0, 31, **strong | {"fit": 9.5, "company": "Best"}),
        published("email:eve@edge.com", 10.0, 31, **strong | {"fit": 8.1}),
        published("email:fay@weak.com", 90.0, 31, **strong | {"fit": 8.09}),
        published("email:gus@acme.com", 10.0, 5, **strong, seen_at_ms=now_ms() - 31 * DAY),
        published("email:hal@unknown.com", 90.0, 31, fit_level="unknown"),
        published("email:ivy@rival.com", 90.0, 31, fit=0.0, fit_level="excluded"),
    ]
    produce(topics, LEAD_SCORES, records)
    return topics


def test_quiet_leads_at_accounts_that_fit_are_worth_waking(run: Callable[..., Any], quiet_people: Settings) -> None:
    def listed(*options: str, **variables: str) -> list[str]:
        ran = run("leads", "list", "--waking", *options, settings=quiet_people, **variables)
        return [json.loads(line)["lead"].partition("@")[0].partition(":")[2] for line in ran.lines]

    assert listed() == ["dora", "bob", "ann", "gus", "eve"]
    assert listed("--account", "acme.com", "--limit", "2") == ["dora", "bob"]  # all are of acme.com here
    lines = run("leads", "list", "--waking", "--text", settings=quiet_people).lines
    rows = [" ".join(line.split()) for line in lines]
    assert rows[0] == "lead fit company points band stage phase account name last seen because"
    assert rows[1].startswith("dora@best.com 9.5 Best 1.2 warm converted acme.com ")


def test_the_workers_model_says_who_is_worth_waking(
    run: Callable[..., Any], quiet_people: Settings, tmp_path: Path
) -> None:
    model = tmp_path / "model.yaml"
    waking = "accounts: {waking: {fit_min: 9.1, quiet_days: 31.5}}"
    rules = "rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}\nbands: {warm: {enter: 30, leave: 20}}"
    model.write_text(f"version: v1\n{rules}\n{waking}\n")
    chosen = {"LEADHEAT_MODEL": str(model)}
    assert run("leads", "list", "--waking", settings=quiet_people, **chosen).lines == []
    model.write_text(f"version: v1\n{rules}\n{waking.replace('31.5', '30.5')}\n")
    (line,) = run("leads", "list", "--waking", settings=quiet_people, **chosen).lines
    assert json.loads(line)["lead"] == "email:dora@best.com"
    model.write_text(f"version: v1\n{rules}\naccounts: {{waking: {{fit_min: 0}}}}\n")
    everybody = run("leads", "list", "--waking", settings=quiet_people, **chosen).lines
    found = [json.loads(line)["lead"].partition("@")[0].partition(":")[2] for line in everybody]
    assert found == ["dora", "bob", "ann", "gus", "eve", "fay"]
