"""``leadheat doctor``: what is wrong is found, with what to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from streams.settings import Settings
from streams.topics import HOT_LEADS, WEB_EVENTS, create_topics
from tests.odd_topics import create_topic


def findings(ran: Any) -> dict[str, dict[str, str]]:
    return {found["check"]: found for found in map(json.loads, ran.lines)}


async def create_oddly(settings: Settings) -> None:
    await create_topic(settings, WEB_EVENTS, **{"message.timestamp.type": "CreateTime"})
    await create_topic(settings, HOT_LEADS, **{"retention.ms": "1000"})
    await create_topics(settings)


@pytest.mark.kafka
def test_where_all_is_well_it_says_so_of_every_check(run: Any, topics: Settings) -> None:
    ran = run("doctor", settings=topics)
    found = findings(ran)
    assert ran.code == 0
    assert {check: each["level"] for check, each in found.items()} == {
        "model": "good",
        "write keys": "good",
        "brokers": "good",
        "topics": "good",
        "clock": "good",
        "workers": "warning",
        "lag": "good",
    }
    assert found["workers"]["remedy"] == "run `leadheat worker`"
    assert found["lag"]["says"] == "nothing waits"


@pytest.mark.kafka
def test_a_topic_that_is_kept_in_another_way_is_named_with_the_command_that_mends_it(
    run: Any, settings: Callable[..., Settings]
) -> None:
    topics = settings()
    asyncio.run(create_oddly(topics))
    web, hot = WEB_EVENTS.full_name(topics.prefix), HOT_LEADS.full_name(topics.prefix)
    ran = run("doctor", settings=topics)
    assert ran.code == 1
    found = [each for each in map(json.loads, ran.lines) if each["check"] in (web, hot)]
    assert ("bad", "message.timestamp.type is CreateTime, expected LogAppendTime") in [
        (each["level"], each["says"]) for each in found
    ]
    retention = next(each for each in found if each["check"] == hot)
    assert retention["level"] == "warning"
    assert retention["remedy"].endswith(f"--entity-name {hot} --add-config retention.ms=34560000000")


@pytest.mark.kafka
def test_missing_topics_and_another_number_of_partitions_are_bad(run: Any, topics: Settings) -> None:
    ran = run("doctor", settings=topics.model_copy(update={"prefix": "absent"}))
    assert (ran.code, findings(ran)["topics"]["remedy"]) == (1, "run `leadheat topics create`")
    ran = run("doctor", settings=topics.model_copy(update={"partitions": topics.partitions + 1}))
    wrong = findings(ran)[WEB_EVENTS.full_name(topics.prefix)]
    assert (ran.code, wrong["level"]) == (1, "bad")
    assert wrong["says"] == f"has {topics.partitions} partitions, and LEADHEAT_PARTITIONS is {topics.partitions + 1}"


def test_without_a_broker_that_is_said_and_the_rest_is_not_guessed(run: Any) -> None:
    ran = run("doctor", "--text", LEADHEAT_BROKERS="127.0.0.1:1", LEADHEAT_GATEWAY_HOST="0.0.0.0")
    assert ran.code == 1
    assert "no Kafka answers at 127.0.0.1:1" in ran.out
    assert "set LEADHEAT_WRITE_KEYS" in ran.out
    assert "clock" not in ran.out
