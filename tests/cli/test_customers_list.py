"""``leadheat customers list``, ``show`` and ``split`` tell customers as workers have published them last."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.customer_records import CustomerValue, ManualRating, SegmentSince
from scoring.customer_value import CriterionRating
from scoring.model import parse_model
from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import CUSTOMER_VALUES

pytestmark = pytest.mark.kafka

HEAD = """version: v1
rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}
bands: {warm: {enter: 1, leave: 0.5}}
customers:
  criteria:
    revenue: {kind: quantiles, quantiles: 3}
    upsell: {kind: rating}
"""


def published(account: str, revenue: float, upsell: int | None, **changes: Any) -> tuple[bytes, bytes]:
    now = now_ms()
    known: dict[str, Any] = {
        "at_ms": now,
        "segment": "unknown",
        "automatic": "unknown",
        "value": None,
        "value_max": 2.0,
        "coverage": 0.5,
        "model": "v1",
        "facts": {"revenue": revenue},
        "by_hand": [] if upsell is None else [ManualRating("upsell", upsell, "olga", now)],
    }
    record = CustomerValue(**(known | changes | {"account": f"domain:{account}"}))
    return record.account.encode(), msgspec.json.encode(record)


@pytest.fixture
def customers(topics: Settings, produce: Callable[..., None]) -> Settings:
    """Six customers, of whom one has churned, and one that is gone."""
    records = [
        published("acme.com", 900, 9, segment="A", value=1.9, name="Acme", action="keep", owner="Olga"),
        published("bolt.com", 100, 2),
        published("bolt.com", 500, 8, segment="B", value=1.5),
        published("cork.com", 100, 2, segment="C", value=0.2),
        published("dust.com", 90, 1, segment="exit", value=0.1),
        published("elm.com", 950, None, segment="unknown", coverage=0.5),
        published("fig.com", 9_000, 10, segment="churned", churned_at_ms=1, value=2.0),
        published("gone.com", 1, 1),
        (b"domain:gone.com", None),
    ]
    produce(topics, CUSTOMER_VALUES, records)
    return topics


def test_customers_are_listed_the_most_valuable_first(run: Callable[..., Any], customers: Settings) -> None:
    listed = [json.loads(line) for line in run("customers", "list", settings=customers).lines]
    assert [each["account"] for each in listed] == [
        f"domain:{name}.com" for name in ("fig", "acme", "bolt", "cork", "dust", "elm")
    ]
    ran = run("customers", "list", "--segment", "a", "--segment", "EXIT", "--text", settings=customers)
    assert [line.split()[:3] for line in ran.lines[1:]] == [["acme.com", "Acme", "A"], ["dust.com", "exit", "0.10"]]
    assert "The first 1 of 6" in run("customers", "list", "--limit", "1", "--text", settings=customers).out


def test_a_customer_is_shown_with_who_said_what_and_its_history(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    ratings = [CriterionRating("revenue"), CriterionRating("upsell", 9.0, 8 / 9, "manual", "olga", now_ms())]
    history = [SegmentSince("B", 0), SegmentSince("A", now_ms())]
    produce(topics, CUSTOMER_VALUES, [published("acme.com", 5, 9, segment="A", ratings=ratings, history=history)])
    ran = run("customers", "show", "www.acme.com", "--text", settings=topics)
    assert ran.code == 0
    words = [line.split() for line in ran.lines]
    assert ["revenue", "unknown"] in words
    assert next(line for line in words if line[0] == "upsell")[:5] == ["upsell", "9", "89%", "manual", "olga"]
    assert [line[-1] for line in words[-2:]] == ["A", "B"]
    assert json.loads(run("customers", "show", "acme.com", "--json", settings=topics).out)["segment"] == "A"
    assert run("customers", "show", "other.com", settings=topics).code == 1


def test_a_split_of_all_customers_gives_limits_that_the_model_takes(
    run: Callable[..., Any], customers: Settings, tmp_path: Path
) -> None:
    model = tmp_path / "m.yaml"
    model.write_text(HEAD)
    found = json.loads(run("customers", "split", "--model", model, "--json", settings=customers).out)
    # Both of the lowest revenue and upsell are let go; who has churned is not there.
    assert [(each["customer"], each["segment"]) for each in found["customers"]] == [
        ("elm.com", "A"),
        ("acme.com", "B"),
        ("bolt.com", "C"),
        ("cork.com", "exit"),
        ("dust.com", "exit"),
    ]
    printed = run("customers", "split", "--model", model, "--yaml", settings=customers).out
    split = parse_model(HEAD + "".join(f"  {line}\n" for line in printed.splitlines()), "m.yaml").customers.split
    assert split is not None
    assert split.segments == found["limits"]["segments"]
    shown = run("customers", "split", "--model", model, "--text", settings=customers).out
    assert printed in shown


def test_without_customers_a_split_says_where_they_come_from(run: Callable[..., Any], topics: Settings) -> None:
    ran = run("customers", "split", settings=topics)
    assert (ran.code, ran.out) == (2, "")
    assert "no customers are known; a CRM tells them by account updates" in ran.err
