"""``leadheat topics`` shows the inventory and creates what is missing of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from streams.settings import Settings
from streams.topics import TOPICS


def test_the_list_needs_no_broker_and_follows_the_settings(run: Callable[..., Any]) -> None:
    ran = run("topics", "list", LEADHEAT_PREFIX="shop", LEADHEAT_PARTITIONS="16", LEADHEAT_RETENTION_DAYS="30")
    listed = [json.loads(line) for line in ran.lines]
    assert [topic["topic"] for topic in listed] == [f"shop.{topic.name}.v1" for topic in TOPICS]
    assert listed[0] == {
        "topic": "shop.web-events.v1",
        "short": "web-events",
        "partitions": 16,
        "replication": 1,
        "cleanup": "delete",
        "retention_days": 30.0,
        "key": "lead id",
        "value": "Event",
    }
    assert {topic["topic"] for topic in listed if topic["retention_days"] is None} == {
        "shop.lead-scores.v1",
        "shop.account-scores.v1",
        "shop.customer-values.v1",
        "shop.deliveries.v1",
        "shop.changelog.v1",
        "shop.models.v1",
        "shop.model-comparisons.v1",
    }


def test_the_list_for_a_person_has_a_line_per_topic(run: Callable[..., Any]) -> None:
    heading, *lines = run("topics", "list", "--text").lines
    assert heading.split() == ["topic", "partitions", "cleanup", "kept", "key", "value"]
    assert lines[0].split() == ["leadheat.web-events.v1", "8", "delete", "400", "days", "lead", "id", "Event"]
    assert len(lines) == len(TOPICS)


@pytest.mark.kafka
def test_missing_topics_are_created_and_existing_ones_are_left(
    run: Callable[..., Any], settings: Callable[..., Settings]
) -> None:
    ours = settings(partitions=2)
    first = run("topics", "create", settings=ours)
    assert [json.loads(line) for line in first.lines] == [
        {"topic": topic.full_name(ours.prefix), "result": "created"} for topic in TOPICS
    ]
    second = run("topics", "create", "--text", settings=ours)
    assert [line.split()[1] for line in second.lines[1:]] == ["exists"] * len(TOPICS)

    wrong = run("topics", "create", settings=ours, LEADHEAT_PARTITIONS="3")
    assert wrong.code == 2
    assert f"LEADHEAT_PARTITIONS=3 partitions, but {ours.prefix}.account-scores.v1 has 2" in wrong.err


def test_without_a_broker_it_is_said_where_one_was_looked_for(run: Callable[..., Any]) -> None:
    ran = run("topics", "create", LEADHEAT_BROKERS="127.0.0.1:1")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("leadheat: no Kafka answers at 127.0.0.1:1 ")
    assert ran.err.endswith("set LEADHEAT_BROKERS, or run `leadheat up`\n")
