"""What is in the topics is in Redis, also after Redis has been flushed, half written, or filled by two at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from scoring.account_records import AccountScore
from scoring.score_records import LeadScore, merged_record
from streams.clock import now_ms
from streams.projector.metrics import ProjectorMetrics
from streams.projector.run import Projector
from streams.read_model.layout import Layout
from streams.settings import Settings
from streams.topics import ACCOUNT_SCORES, FOLLOW_UPS, HOT_LEADS, LEAD_SCORES, create_topics
from tests.topic_records import account_score, alert, keyed, lead_score, write

LEADS = 300


class World:
    """The topics of one test, and a Redis that is filled from them."""

    def __init__(self, settings: Settings, redis: Any) -> None:
        self.settings, self.redis = settings, redis
        self.layout = Layout(settings.prefix)
        self.metrics = ProjectorMetrics(CollectorRegistry())

    def projector(self, chunk_records: int = 500) -> Projector:
        return Projector(self.settings, self.redis, self.metrics, chunk_records=chunk_records)

    async def project(self, **how: bool) -> None:
        await self.projector().run(until_caught_up=True, **how)

    async def write_leads(self, *records: LeadScore) -> None:
        await write(self.settings, LEAD_SCORES, keyed(records))

    async def write_accounts(self, *records: AccountScore) -> None:
        await write(self.settings, ACCOUNT_SCORES, keyed(records))

    async def contents(self) -> dict[str, Any]:
        """Return all that Redis holds of ours but for what tells the time."""
        found = {}
        async for key in self.redis.scan_iter(match=f"{self.layout.prefix}:*"):
            kind = await self.redis.type(key)
            name = key.decode().removeprefix(self.layout.prefix)
            if name in (":health", ":version", ":statistics", ":feed"):
                continue
            if kind == b"hash":
                found[name] = await self.redis.hgetall(key)
            elif kind == b"zset":
                found[name] = {
                    member: round(value, -1) for member, value in await self.redis.zrange(key, 0, -1, withscores=True)
                }
            elif kind == b"set":
                found[name] = await self.redis.smembers(key)
            elif kind == b"list":
                found[name] = sorted(await self.redis.lrange(key, 0, -1))
        return found


@asynccontextmanager
async def a_world(settings: Settings, redis_url: str) -> AsyncIterator[World]:
    redis = Redis.from_url(redis_url)
    try:
        await create_topics(settings)
        yield World(settings, redis)
    finally:
        await redis.aclose()


@pytest.fixture
def run(settings: Callable[..., Settings], redis_url: str) -> Callable[..., None]:
    """Run a test's coroutine in a world of its own."""

    def start(test: Callable[[World], Any]) -> None:
        async def main() -> None:
            async with a_world(settings(partitions=2, redis_url=redis_url), redis_url) as world:
                await test(world)

        asyncio.run(main())

    return start


def test_a_flushed_or_half_written_redis_is_filled_again(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        now = now_ms()
        await world.write_accounts(*(account_score(number, now) for number in range(50)))
        await world.write_leads(*(lead_score(number, now, accounts=50) for number in range(LEADS)))
        await world.project()
        whole = await world.contents()
        assert len(whole[":leads:records"]) == LEADS

        running = asyncio.create_task(world.projector(chunk_records=1).run())  # so slow that it is seen half-way
        async with asyncio.timeout(60):
            await world.redis.flushall()
            while not 0 < await world.redis.hlen(world.layout.leads.records) < LEADS:
                await asyncio.sleep(0)
            await world.redis.flushall()
            while await world.contents() != whole:
                await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.wait([running])
        assert world.metrics.rebuilds._value.get() >= 2

    run(test)


def test_two_projectors_at_once_write_what_one_would(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        now = now_ms()
        await world.write_leads(*(lead_score(number, now, accounts=50) for number in range(LEADS)))
        both = [world.projector(chunk_records=20).run(until_caught_up=True) for _ in range(2)]
        await asyncio.gather(*both)
        together = await world.contents()
        await world.project(rebuild=True)
        assert await world.contents() == together

    run(test)


def test_a_lead_is_listed_by_what_it_is_now_and_by_nothing_else(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        now, leads = now_ms(), world.layout.leads
        ann = lead_score(1, now, band="warm", contact={"name": "Ann Lee", "owner": "Jo"})
        await world.write_leads(ann)
        await world.project()
        assert await world.redis.smembers(leads.has("band=warm")) == {leads.member(ann.lead)}
        await world.write_leads(msgspec.structs.replace(ann, band="hot", contact={"name": "Ann Smith", "owner": "Jo"}))
        await world.project()
        assert not await world.redis.exists(leads.has("band=warm"))
        assert await world.redis.smembers(leads.has("band=hot")) == {leads.member(ann.lead)}
        words = [member.partition(b"\0")[0] for member in await world.redis.zrange(leads.words, 0, -1)]
        assert b"smith" in words
        assert b"lee" not in words

    run(test)


def test_a_lead_that_turned_out_to_be_another_is_found_under_that(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        now = now_ms()
        user = lead_score(1, now, lead="user:1")
        person = lead_score(1, now)
        await world.write_leads(user, person)
        await write(world.settings, HOT_LEADS, keyed([alert("user:1", now)]))
        await world.project()
        assert await world.redis.zscore(world.layout.waiting, "user:1") == now
        merged = (b"user:1", msgspec.json.encode(merged_record("user:1", person.lead, "1")))
        await write(world.settings, LEAD_SCORES, iter([merged, (b"user:1", None)]))
        await world.project()
        assert await world.redis.hget(world.layout.leads.merged, "user:1") == person.lead.encode()
        assert await world.redis.zrange(world.layout.waiting, 0, -1) == [person.lead.encode()]
        assert await world.redis.llen(world.layout.alerts(person.lead)) == 1
        leads = world.layout.leads
        assert await world.redis.hkeys(leads.records) == [leads.member(person.lead)]

    run(test)


def test_an_accounts_owner_and_industry_are_its_leads_too_whichever_comes_first(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        now, leads = now_ms(), world.layout.leads
        lead = lead_score(3, now, contact={"name": "Ann"})
        await world.write_leads(lead)
        await world.project()
        await world.write_accounts(account_score(3, now, owner="Jo Marsh", facts={"industry": "Retail"}))
        await world.project()
        assert await world.redis.smembers(leads.has("owner=jo marsh")) == {leads.member(lead.lead)}
        await world.write_accounts(account_score(3, now, owner="Bo", facts={"industry": "Health"}))
        await world.project()
        assert not await world.redis.exists(leads.has("owner=jo marsh"))
        assert await world.redis.smembers(leads.has("industry=health")) == {leads.member(lead.lead)}

    run(test)


@pytest.mark.parametrize("contact_first", [True, False])
def test_a_lead_that_was_contacted_does_not_wait_whichever_is_read_first(
    run: Callable[..., None], contact_first: bool
) -> None:
    async def test(world: World) -> None:
        now, lead = now_ms(), "email:ann@example.com"
        done = {"id": "f", "lead": lead, "action": "contacted", "time": now + 1, "by": "jo"}
        happened = [(HOT_LEADS, (lead.encode(), msgspec.json.encode(alert(lead, now))))]
        happened.insert(0 if contact_first else 1, (FOLLOW_UPS, (lead.encode(), msgspec.json.encode(done))))
        for topic, record in happened:
            await write(world.settings, topic, iter([record]))
            await world.project()
        assert not await world.redis.exists(world.layout.waiting)
        await write(world.settings, HOT_LEADS, keyed([alert(lead, now + 10)]))
        await world.project()
        assert await world.redis.zscore(world.layout.waiting, lead) == now + 10

    run(test)


def test_what_cannot_be_read_is_counted_and_stops_nothing(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        bad = [(b"\xff", b"{}"), (b"email:a@example.com", b"no json"), (b"email:a@example.com", b'{"score": "x"}')]
        for topic in (LEAD_SCORES, ACCOUNT_SCORES, HOT_LEADS, FOLLOW_UPS):
            await write(world.settings, topic, iter(bad))
        await world.write_leads(lead_score(1, now_ms()))
        await world.project()
        assert await world.redis.hlen(world.layout.leads.records) == 1
        assert world.metrics.unreadable.labels("lead-scores")._value.get() == 3

    run(test)
