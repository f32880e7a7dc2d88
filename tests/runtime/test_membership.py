"""Members of a real group: who comes back reading something else, and who is dealt what nobody reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupAuthorizationFailedError

from streams.membership import leave_group, member_name, watch_membership
from streams.settings import Settings
from streams.topics import FOLLOW_UPS, LEAD_SCORES, create_topics

SESSION_MS = 6_000  # the least that a broker allows


class Careless(RoundRobinPartitionAssignor):
    """Deals everybody a topic that nobody reads, as the leader of a mixed group does."""

    @classmethod
    def assign(cls, cluster: Any, members: Mapping[str, Any]) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Return the same for all."""
        dealt = ConsumerProtocolMemberAssignment(cls.version, [("nobody-reads-this", [0])], b"")
        return dict.fromkeys(members, dealt)


class Coordinator:
    """Goes on, but has an error to say at each of its first looks."""

    group_id, member_id, coordinator_id = "leadheat", "member", 0

    def __init__(self, failures: int, looks: int) -> None:
        self._coordination_task = SimpleNamespace(done=lambda: False)
        self._failures, self._looks = failures, looks
        self.seen = asyncio.Event()

    def check_errors(self) -> None:
        """Raise, or not."""
        self._failures, self._looks = self._failures - 1, self._looks - 1
        if not self._looks:
            self.seen.set()
        if self._failures >= 0:
            raise GroupAuthorizationFailedError("leadheat")


def consumer_of(settings: Settings, topics: Iterable[str], instance: str | None, **more: Any) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=settings.brokers,
        group_id=settings.app_id,
        group_instance_id=instance,
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=500,
        enable_auto_commit=False,
        **more,
    )


async def wait_until_assigned(consumer: AIOKafkaConsumer, timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while not consumer.assignment():
            await asyncio.sleep(0.1)


async def assigned(settings: Settings, topics: Iterable[str], instance: str | None, timeout_s: float) -> set[str]:
    """Join, and return the topics that one has been given by then; static members do not leave when they stop."""
    consumer = consumer_of(settings, topics, instance)
    await consumer.start()
    try:
        await wait_until_assigned(consumer, timeout_s)
        return {tp.topic for tp in consumer.assignment()}
    finally:
        await consumer.stop()


@pytest.mark.kafka
def test_a_static_member_who_reads_more_when_it_comes_back_is_given_it(settings: Callable[..., Settings]) -> None:
    chosen = settings()
    less = [LEAD_SCORES.full_name(chosen.prefix)]
    more = [*less, FOLLOW_UPS.full_name(chosen.prefix)]

    async def come_back() -> tuple[set[str], set[str]]:
        await create_topics(chosen)
        first = await assigned(chosen, less, member_name("w", less), 30)
        return first, await assigned(chosen, more, member_name("w", more), 30)

    assert asyncio.run(come_back()) == (set(less), set(more))


@pytest.mark.kafka
def test_a_static_member_who_reads_the_same_has_its_partitions_back_at_once(settings: Callable[..., Settings]) -> None:
    chosen = settings()
    topics = [LEAD_SCORES.full_name(chosen.prefix)]

    async def come_back() -> set[str]:
        await create_topics(chosen)
        await assigned(chosen, topics, member_name("w", topics), 30)
        return await assigned(chosen, topics, member_name("w", topics), SESSION_MS / 2_000)

    assert asyncio.run(come_back()) == set(topics)


@pytest.mark.kafka
def test_a_consumer_that_is_dealt_what_it_does_not_read_is_noticed(settings: Callable[..., Settings]) -> None:
    chosen = settings()

    async def be_dealt() -> BaseException:
        await create_topics(chosen)
        topics = [LEAD_SCORES.full_name(chosen.prefix)]
        consumer = consumer_of(chosen, topics, None, partition_assignment_strategy=(Careless,))
        found: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        starting = asyncio.create_task(consumer.start())  # waits for what it is dealt
        while consumer._coordinator is None:
            await asyncio.sleep(0.01)
        watching = asyncio.create_task(watch_membership(consumer, found.set_result))
        try:
            return await asyncio.wait_for(found, 30)
        finally:
            starting.cancel()
            watching.cancel()
            await asyncio.gather(starting, watching, return_exceptions=True)
            await consumer.stop()

    error = asyncio.run(be_dealt())
    assert "unsubscribed topic" in str(error)
    assert "nobody-reads-this" in str(error)


@pytest.mark.kafka
def test_nobody_waits_for_a_static_member_that_has_left(settings: Callable[..., Settings]) -> None:
    chosen = settings()
    topics = [LEAD_SCORES.full_name(chosen.prefix)]

    async def take_over() -> set[str]:
        await create_topics(chosen)
        first = consumer_of(chosen, topics, "one")
        await first.start()
        await wait_until_assigned(first, 30)
        await leave_group(first)
        await first.stop()
        return await assigned(chosen, topics, "another", SESSION_MS / 2_000)

    assert asyncio.run(take_over()) == set(topics)


@pytest.mark.parametrize("failures", [1, 9])
def test_what_a_coordinator_gets_over_ends_nobody(monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
    assert watched(monkeypatch, Coordinator(failures=failures, looks=30)) == []


def test_what_a_coordinator_does_not_get_over_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    (error,) = watched(monkeypatch, Coordinator(failures=10, looks=30))
    assert isinstance(error, GroupAuthorizationFailedError)


def watched(monkeypatch: pytest.MonkeyPatch, coordinator: Coordinator) -> list[BaseException]:
    """Watch until the coordinator has been looked at as often as it wants; return what was said to be the end."""
    monkeypatch.setattr("streams.membership._LOOK_S", 0.0)
    ended: list[BaseException] = []

    async def watch() -> None:
        consumer: Any = SimpleNamespace(_coordinator=coordinator)
        watching = asyncio.create_task(watch_membership(consumer, ended.append))
        await asyncio.wait([watching, asyncio.create_task(coordinator.seen.wait())], return_when="FIRST_COMPLETED")
        watching.cancel()

    asyncio.run(watch())
    return ended
