"""Lists are what a look at every record would give: filtered, in order, page by page, and as CSV."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from scoring.score_records import LeadScore, score_later
from streams.read_model.entries import priority
from tests.dashboard.conftest import NOW_MS, Site
from tests.topic_records import DAY_MS, account_score, lead_score

LEADS = [lead_score(number, NOW_MS - number * 3_600_000, accounts=20) for number in range(230)]


@pytest.fixture
def full(site: Site) -> Site:
    site.put(*(account_score(number, NOW_MS) for number in range(20)))
    site.put(*LEADS)
    return site


def walk(site: Site, path: str) -> list[str]:
    """Return the ids of all pages of a list."""
    names, cursor = [], ""
    joint = "&" if "?" in path else "?"
    while True:
        answer = site.json(f"{path}{joint}limit=17{cursor}")
        names += [row["lead"] for row in answer["leads"]]
        if answer["next"] is None:
            assert len(names) == answer["total"]
            return names
        cursor = f"&cursor={answer['next']}"


ORDERS: dict[str, Callable[[LeadScore], float]] = {
    "score": lambda lead: score_later(lead, NOW_MS),
    "priority": lambda lead: priority(score_later(lead, NOW_MS), lead.fit),
    "fit": lambda lead: -1.0 if lead.fit is None else lead.fit,
    "seen": lambda lead: lead.seen_ms,
}


@pytest.mark.parametrize("sort", ORDERS)
def test_pages_follow_each_other_without_a_gap_or_a_repeat_in_the_order_asked_for(full: Site, sort: str) -> None:
    names = walk(full, f"/api/leads?sort={sort}")
    assert sorted(names) == sorted(lead.lead for lead in LEADS)
    by_name = {lead.lead: ORDERS[sort](lead) for lead in LEADS}
    values = [by_name[name] for name in names]
    assert all(above >= below * 0.999 - 0.01 for above, below in itertools.pairwise(values))


FILTERS: dict[str, Callable[[LeadScore], Any]] = {
    "band=hot": lambda lead: lead.band == "hot",
    "phase=decision": lambda lead: lead.phase == "decision",
    "owner=rep+7": lambda lead: lead.contact["owner"] == "Rep 7",
    "fit_min=5": lambda lead: lead.fit is not None and lead.fit >= 5,
    "since=2d": lambda lead: lead.seen_ms >= NOW_MS - 2 * DAY_MS,
    "industry=Retail": lambda lead: int(lead.company.split()[1]) % 5 == 2,
    "account=company3.example": lambda lead: lead.account == "domain:company3.example",
    "q=ann": lambda lead: lead.contact["name"].startswith("Ann"),
    "q=ann+haas": lambda lead: lead.contact["name"] == "Ann Haas",
    "q=company3": lambda lead: "@company3" in lead.lead,
    "q=ann+company3.ex": lambda lead: lead.contact["name"].startswith("Ann") and "@company3" in lead.lead,
    "q=lead12%40company12.example": lambda lead: lead.lead.startswith("email:lead12@company12"),
    "q=lead12": lambda lead: lead.lead.startswith("email:lead12"),
    "band=cold&phase=decision&fit_min=3": lambda lead: (
        lead.band == "cold" and lead.phase == "decision" and (lead.fit or 0) >= 3
    ),
    "q=nobody": lambda lead: False,
}


@pytest.mark.parametrize("asked", FILTERS)
def test_a_filter_finds_what_a_look_at_all_would(full: Site, asked: str) -> None:
    assert sorted(walk(full, f"/api/leads?{asked}")) == sorted(lead.lead for lead in LEADS if FILTERS[asked](lead))


def test_scores_are_those_of_the_moment(site: Site) -> None:
    lead = LEADS[0]
    site.put(lead)
    site.now_ms = NOW_MS + 30 * DAY_MS
    row = site.json(f"/api/leads/{lead.lead}")["row"]
    assert row["score"] == pytest.approx(score_later(lead, site.now_ms), abs=0.01)
    assert row["score"] < lead.score


def test_the_csv_has_every_row_and_no_formula(site: Site) -> None:
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@sum", "\t=1", 'Ann, "the" Lee']
    site.put(*(lead_score(number, NOW_MS, contact={"name": name}) for number, name in enumerate(names)))
    answer = site.get("/api/leads.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["name"].lstrip("'") for row in rows} == set(names)
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@", "\t", "-1"))]


@pytest.mark.parametrize(
    ("asked", "field"),
    [("sort=name", "sort"), ("limit=0", "limit"), ("cursor=abc", "cursor"), ("since=soon", "since")],
)
def test_a_wrong_parameter_is_named(site: Site, asked: str, field: str) -> None:
    answer = site.get(f"/api/leads?{asked}")
    assert answer.status_code == 400
    assert field in answer.json()["error"]["message"]


def test_accounts_are_listed_alike(full: Site) -> None:
    answer = full.json("/api/accounts?industry=retail&sort=fit")
    assert {row["account"] for row in answer["accounts"]} == {
        f"domain:company{number}.example" for number in range(20) if number % 5 == 2
    }
    fits = [row["fit"] for row in answer["accounts"]]
    assert fits == sorted(fits, reverse=True)
    assert full.json("/api/accounts/company3.example")["record"]["name"] == "Company 3"
    assert full.get("/api/accounts/nowhere.example").status_code == 404


def test_a_lead_without_an_owner_has_its_account_s_wherever_it_is_listed(site: Site) -> None:
    lead = lead_score(1, NOW_MS, contact={"name": "Ann"})
    site.put(account_score(1, NOW_MS, account=lead.account, owner="Jo Marsh"), lead)
    assert [row["owner"] for row in site.json("/api/leads?owner=jo+marsh")["leads"]] == ["Jo Marsh"]
    assert [row["owner"] for row in csv.DictReader(io.StringIO(site.get("/api/leads.csv").text))] == ["Jo Marsh"]
    assert "Jo Marsh" in site.get("/leads").text
