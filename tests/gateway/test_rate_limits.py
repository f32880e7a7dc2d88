"""Each write key has its share; Redis holds it for all gateways, and an absent Redis stops nobody."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.quick_redis import AWAY_S
from streams.gateway.rate_limits import BUCKET_S, LocalLimits, make_limits
from streams.settings import Settings
from tests.redis_server import running_redis

EVENT = {"id": "e-1", "type": "page_viewed", "time": 1_767_268_800_000, "user_id": "42"}
KEYS = "site=abc123,app=def456"


def send(gateway, count, key="abc123"):
    return gateway.post("/v1/events", [EVENT] * count, Authorization=f"Bearer {key}")


def test_a_key_that_sends_too_much_is_a_429_that_says_when_to_try_again(make_gateway):
    gateway = make_gateway(write_keys=KEYS, events_per_s=1)
    assert send(gateway, 10).status_code == 200
    answer = send(gateway, 3)
    assert answer.status_code == 429
    assert answer.json()["error"]["reason"] == "too_many"
    assert 1 <= int(answer.headers["retry-after"]) <= 3
    assert len(gateway.events) == 10
    assert send(gateway, 10, "def456").status_code == 200, "another key has a share of its own"


def test_a_batch_larger_than_the_bucket_is_taken_from_a_key_that_rested(make_gateway):
    gateway = make_gateway(write_keys=KEYS, events_per_s=1)
    assert send(gateway, 50).status_code == 200
    assert send(gateway, 1).status_code == 429


def test_0_is_no_limit(make_gateway):
    gateway = make_gateway(write_keys=KEYS, events_per_s=0)
    assert [send(gateway, 900).status_code for _ in range(3)] == [200] * 3


def test_refused_requests_cost_no_share(make_gateway):
    gateway = make_gateway(write_keys=KEYS, events_per_s=1)
    for _ in range(30):
        assert gateway.post("/v1/events", [{}], Authorization="Bearer abc123").status_code == 400
    assert send(gateway, 10).status_code == 200


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 30)), max_size=40))
def test_over_any_time_a_key_gets_no_more_than_its_rate_and_one_bucket(steps):
    now = 0.0
    limits, rate, taken, largest = LocalLimits(2.0, clock=lambda: now), 2.0, 0, 0
    for wait_s, events in steps:
        now += wait_s
        if asyncio.run(limits.take("k", events)) == 0:
            taken += events
            largest = max(largest, events)
    assert taken <= rate * (now + BUCKET_S) + largest + 1e-6


def test_gateways_share_a_keys_limit_through_redis(tmp_path):
    async def take(url):
        one, other = (make_limits(Settings(redis_url=url, events_per_s=10)) for _ in range(2))
        waits = [await one.take("k", 60), await other.take("k", 40), await one.take("k", 5), await other.take("k2", 5)]
        await one.close()
        await other.close()
        return waits

    with running_redis(tmp_path) as server:
        first, second, third, fourth = asyncio.run(take(server.url))
    assert (first, second, fourth) == (0, 0, 0)
    assert 0.2 < third <= 0.5


def test_while_redis_is_away_the_gateway_limits_by_itself_and_then_goes_back(tmp_path):
    async def take():
        now = 0.0
        with running_redis(tmp_path) as server:
            limits = make_limits(Settings(redis_url=server.url, events_per_s=1), clock=lambda: now)
            assert await limits.take("k", 10) == 0
            server.kill()
            assert await limits.take("k", 10) == 0, "a bucket of our own"
            assert await limits.take("k", 10) > 0
            server.start()
            assert await limits.take("k", 10) > 0
            now = AWAY_S
            assert await limits.take("k", 10) == 0, "Redis again, which starts empty"
            await limits.close()

    asyncio.run(take())


def test_a_gateway_whose_redis_never_answers_takes_events(make_gateway):
    gateway = make_gateway(write_keys=KEYS, redis_url="redis://127.0.0.1:9/0", events_per_s=100)
    assert send(gateway, 5).status_code == 200


@pytest.mark.parametrize("events_per_s", [-1, "many"])
def test_a_rate_that_is_none_is_refused(events_per_s):
    with pytest.raises(ValueError, match="events_per_s"):
        Settings(events_per_s=events_per_s)
