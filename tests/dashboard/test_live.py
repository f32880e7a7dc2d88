"""The live feed tells what happens, goes on after the last id, and says when too much was missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from scoring.follow_ups import FollowUp
from streams.dashboard.live import RESET, Hub, Message
from streams.projector.run import make_redis
from tests.dashboard.conftest import NOW_MS, Site
from tests.topic_records import alert, lead_score


def run(site: Site, test: Callable[[Hub, Any], Any]) -> Any:
    async def main() -> Any:
        redis = make_redis(site.settings)
        hub = Hub(redis, site.layout)
        try:
            async with asyncio.timeout(20):
                return await test(hub, redis)
        finally:
            await hub.stop()
            await redis.aclose()

    return asyncio.run(main())


async def next_of(messages: Any, kind: str) -> Message:
    async for message in messages:
        if message.kind == kind:
            return message
    raise AssertionError(f"no {kind}")


def test_what_happens_is_told_to_everybody_who_listens(site: Site) -> None:
    site.put(lead_score(1, NOW_MS))

    async def test(hub: Hub, redis: Any) -> None:
        first, second = hub.listen(), hub.listen()
        waiting = [asyncio.create_task(next_of(each, "alert")) for each in (first, second)]
        await asyncio.sleep(0.6)
        await asyncio.to_thread(site.put, alert("email:ann@x.example", NOW_MS))
        told = [await each for each in waiting]
        assert told[0] == told[1]
        assert '"lead":"email:ann@x.example"' in told[0].body

    run(site, test)


def test_a_listener_goes_on_after_the_last_id_that_it_has_seen(site: Site) -> None:
    for number in range(3):
        site.put(alert(f"email:a{number}@x.example", NOW_MS))

    async def test(hub: Hub, redis: Any) -> None:
        numbers = [number.decode() for number, _ in await redis.xrange(site.layout.feed)]
        messages = hub.listen(numbers[0])
        told = [await next_of(messages, "alert") for _ in range(2)]
        assert [message.number for message in told] == numbers[1:]
        await messages.aclose()
        assert await anext(hub.listen("1-1")) == RESET  # longer ago than the feed goes back
        await redis.flushall()
        assert await anext(hub.listen(numbers[0])) == RESET

    run(site, test)


def test_a_change_without_a_happening_is_told_too(site: Site) -> None:
    site.put(lead_score(1, NOW_MS))

    async def test(hub: Hub, redis: Any) -> None:
        messages = hub.listen()
        await next_of(messages, "changed")
        waiting = asyncio.create_task(next_of(messages, "changed"))
        await asyncio.sleep(0.6)
        assert not waiting.done()
        await asyncio.to_thread(site.put, lead_score(1, NOW_MS + 1))
        await waiting

    run(site, test)


def test_a_number_that_is_none_is_refused(site: Site) -> None:
    answer = site.get("/api/live", headers={"last-event-id": "yesterday"})
    assert answer.status_code == 400
    assert "Last-Event-ID" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (FollowUp(id="f", lead="email:a@x.example", action="accepted", time=NOW_MS, by="jo"), "follow-up"),
        (alert("email:a@x.example", NOW_MS, kind="cooled", alert_id="a"), "cooled"),
    ],
)
def test_the_feed_names_what_it_was(site: Site, record: Any, kind: str) -> None:
    site.put(record)

    async def test(hub: Hub, redis: Any) -> None:
        ((_, fields),) = await redis.xrange(site.layout.feed)
        assert fields[b"kind"].decode() == kind

    run(site, test)


def test_the_api_is_documented_with_what_it_answers_and_who_may(site: Site) -> None:
    document = site.json("/openapi.json")
    routes = {path for path in document["paths"] if path.startswith("/api/")}
    assert {"/api/leads", "/api/leads.csv", "/api/now", "/api/live", "/api/accounts"} <= routes
    schemas = document["components"]["schemas"]
    for path in routes:
        for asked in document["paths"][path].values():
            assert asked["summary"]
            assert {"API key": []} in asked["security"]
    assert "LeadRow" in schemas
    assert not [path for path in document["paths"] if path in ("/", "/leads", "/sign-in")]
