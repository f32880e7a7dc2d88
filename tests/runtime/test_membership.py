"""Members of a real group: who comes back reading something else, and who is dealt what nobody reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError

from streams.membership import member_name, watch_membership
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
    """Says what it is told to, once."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def check_errors(self) -> None:
        """Raise the next error, if there is one."""
        if self.errors:
            raise self.errors.pop(0)


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


async def assigned(settings: Settings, topics: Iterable[str], instance: str | None, timeout_s: float) -> set[str]:
    """Join, and return the topics that one has been given by then; static members do not leave when they stop."""
    consumer = consumer_of(settings, topics, instance)
    await consumer.start()
    try:
        async with asyncio.timeout(timeout_s):
            while not consumer.assignment():
                await asyncio.sleep(0.1)
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


def test_what_a_coordinator_can_get_over_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.membership._LOOK_S", 0.001)
    refused = GroupAuthorizationFailedError("leadheat")
    coordinator = Coordinator(GroupCoordinatorNotAvailableError(), GroupCoordinatorNotAvailableError(), refused)
    consumer: Any = type("Consumer", (), {"_coordinator": coordinator})
    ended: list[BaseException] = []
    asyncio.run(asyncio.wait_for(watch_membership(consumer, ended.append), 10))
    assert ended == [refused]
    assert coordinator.errors == []
