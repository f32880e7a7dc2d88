"""``leadheat customers paths`` and ``profile`` close the circle: what brings the good customers, and what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.account_records import AccountScore
from scoring.alerts import Alert, Origin
from scoring.decay import DAY_MS
from scoring.lead_state import LeadState, encode_state
from scoring.model import parse_model
from scoring.pointers import Pointer, encode_pointer
from scoring.score_records import LeadSnapshot
from scoring.touches import Touch
from streams.runtime.journal import META_KEY
from streams.settings import Settings
from streams.topics import ACCOUNT_SCORES, CHANGELOG, CUSTOMER_VALUES, HOT_LEADS, LEAD_HISTORY
from tests.cli.test_customers_list import HEAD, published

pytestmark = pytest.mark.kafka

T0 = 1_790_000_000_000


def alert(lead: str, day: float, band: str = "hot", kind: str = "entered") -> tuple[bytes, bytes]:
    record = Alert(
        id=f"{lead}{day}{band}",
        kind=kind,  # type: ignore[arg-type]
        lead=lead,
        band=band,
        from_band="cold",
        time_ms=T0 + int(day * DAY_MS),
        score=100.0,
        ledger=[],
        model="v1",
        last_touch=Origin(time_ms=T0 + 4 * DAY_MS, source="webinar"),
    )
    return lead.encode(), msgspec.json.encode(record)


@pytest.fixture
def won(topics: Settings, produce: Callable[..., None]) -> Settings:
    """Ann came by search and was hot as a cookie, on day 5; her company is known by an id, and was won on day 9.

    Bob's history was loaded, so that nobody was alerted of him.
    """
    ann = LeadState(
        account="42",
        account_at=1,
        first_touch=Touch(T0, "google", "cpc"),
        later_touch=Touch(T0 + 30 * DAY_MS, "docs"),
    )
    bob = LeadState(account="bolt.com", first_touch=Touch(T0 + DAY_MS, "fair"))
    produce(
        topics,
        CHANGELOG,
        [
            (META_KEY, b"{}"),
            (b"email:ann@acme.com", encode_state(ann)),
            (b"account:42", encode_pointer(Pointer("domain:acme.com", T0))),
            (b"anon:1", encode_pointer(Pointer("email:ann@acme.com", T0))),
            (b"email:bob@bolt.com", encode_state(bob)),
            (b"email:eve@gmail.com", encode_state(LeadState(first_touch=Touch(T0, "x")))),
        ],
    )
    produce(
        topics,
        HOT_LEADS,
        [
            alert("anon:1", 5),
            alert("email:ann@acme.com", 2, band="warm"),
            alert("anon:1", 3, kind="cooled"),
            alert("user:x", 1),
        ],
    )
    history = LeadSnapshot("email:bob@bolt.com", T0 + 3 * DAY_MS, 120.0, "hot", "cold")
    earlier = LeadSnapshot("email:bob@bolt.com", T0 + 2 * DAY_MS, 40.0, "warm", "cold")
    produce(topics, LEAD_HISTORY, [(each.lead.encode(), msgspec.json.encode(each)) for each in (earlier, history)])
    produce(
        topics,
        CUSTOMER_VALUES,
        [
            published("acme.com", 900, 9, segment="A", value=1.9, since_ms=T0 + 9 * DAY_MS),
            published("bolt.com", 100, 9, segment="A", value=1.5),
            published("cork.com", 100, 9, segment="A", value=1.5),
            published("dust.com", 100, 9, segment="C", value=0.5),
        ],
    )
    facts: dict[str, Any] = {"industry": "Software", "revenue": 5e6}
    accounts = [
        AccountScore(
            account=f"domain:{name}.com", score=1.0, at_ms=0, band="cold", half_life_days=30, model="v1", facts=facts
        )
        for name in ("acme", "bolt", "cork", "dust")
    ]
    produce(topics, ACCOUNT_SCORES, [(each.account.encode(), msgspec.json.encode(each)) for each in accounts])
    return topics


def test_customers_are_shown_with_where_they_came_from_and_how_long_it_took(
    run: Callable[..., Any], won: Settings
) -> None:
    found = [json.loads(line) for line in run("customers", "paths", "--json", settings=won).lines]
    acme = next(each for each in found if each["account"] == "domain:acme.com")
    assert (acme["first"]["source"], acme["last"]["source"]) == ("google", "webinar")
    assert (acme["days_to_hot"], acme["days_hot_to_won"], acme["days_to_won"]) == (5, 4, 9)
    shown = [line.split() for line in run("customers", "paths", "--text", settings=won).lines]
    assert ["google", "1", "1", "100%", "1.90", "900", "5.0", "4.0", "9.0"] in shown
    assert ["webinar", "1", "1", "100%", "1.90", "900", "5.0", "4.0", "9.0"] in shown
    assert ["fair", "1", "1", "100%", "1.50", "100", "2.0", "–", "–"] in shown
    assert ["unknown", "2", "1", "50%", "1.00", "200", "–", "–", "–"] in shown
    by_medium = run("customers", "paths", "--by", "medium", "--text", settings=won).lines
    assert [line.split()[0] for line in by_medium[1:3]] == ["unknown", "cpc"]


def test_a_profile_is_drafted_from_the_best_without_what_the_criteria_ask_for(
    run: Callable[..., Any], won: Settings, tmp_path: Path
) -> None:
    model = tmp_path / "m.yaml"
    model.write_text(HEAD)
    ran = run("customers", "profile", "--model", model, settings=won)
    assert ran.code == 0
    assert "Drafted from 3 accounts" in ran.out
    head = HEAD.partition("customers:")[0]
    assert list(parse_model(head + ran.out, "m.yaml").profiles["drafted"]) == ["industry"]
