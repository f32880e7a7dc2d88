"""The delivery process: a group consumer over alerts, signals, follow-ups and orders, and a runner per partition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Set
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError

from streams.delivery.desk import state_counts
from streams.delivery.gates import Gate
from streams.delivery.metrics import DeliveryMetrics
from streams.delivery.planning import Plan
from streams.delivery.retries import Breaker
from streams.delivery.runner import Runner, sources_of
from streams.delivery.sinks.base import Sink
from streams.delivery.writer import group_of
from streams.membership import member_name
from streams.settings import Settings

COUNT_S: Final = 5.0
"""How often deliveries are counted for the metrics."""

log = structlog.get_logger(__name__)


class DeliveryProcess:
    """All partitions that this process was given; :meth:`run` until cancelled."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        sinks: Mapping[str, Sink],
        metrics: DeliveryMetrics,
        clock: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._sinks = sinks
        self._metrics = metrics
        self._clock = clock
        retry = plan.config.retry
        self._gates = {
            name: Gate(
                sink.concurrency, Breaker(retry.breaker_failures, round(retry.breaker_rest_s * 1000)), self._wake_all
            )
            for name, sink in plan.config.sinks.items()
        }
        self._topics = [topic.full_name(settings.prefix) for topic in sources_of(plan.config)]
        self._runners: dict[int, Runner] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._full: set[TopicPartition] = set()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.brokers,
            group_id=group_of(settings),
            group_instance_id=member_name(settings.instance, self._topics),
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            session_timeout_ms=int(settings.session_timeout_s * 1000),
            heartbeat_interval_ms=max(100, int(settings.session_timeout_s * 250)),
            fetch_max_wait_ms=100,
            # All of a partition's topics have to come to one process.
            partition_assignment_strategy=(RangePartitionAssignor,),
        )

    async def run(self) -> None:
        """Deliver until cancelled; raises what ended it otherwise, for the process to end with it."""
        self._consumer.subscribe(self._topics, listener=_Listener(self))
        await self._consumer.start()
        try:
            parts = [asyncio.create_task(self._read()), asyncio.create_task(self._count()), self._failure]
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        finally:
            for part in parts:
                part.cancel()
            await self.revoke()
            await self._consumer.stop()

    async def revoke(self) -> None:
        """Stop all runners: what they were trying is tried again by whoever comes next."""
        tasks, self._tasks = self._tasks, {}
        runners, self._runners = self._runners, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        for runner in runners.values():
            await runner.stop()
        self._full.clear()
        self._metrics.partitions.set(0)

    def assign(self, given: Set[TopicPartition]) -> None:
        """Begin with partitions, each once it is open; none is read before.

        One of which not all topics are ``given`` is begun at the next deal: somebody who has gone is still counted on.
        """
        self._consumer.pause(*given)
        for partition in sorted({place.partition for place in given}):
            if not given >= set(self._places(partition)):
                continue
            runner = Runner(partition, self._settings, self._plan, self._sinks, self._gates, self._metrics, self._clock)
            self._tasks[partition] = asyncio.create_task(self._drive(runner), name=f"delivery-{partition}")

    async def _drive(self, runner: Runner) -> None:
        """Open a partition, let it be read, and run it; a failure ends the process."""
        self._runners[runner.partition] = runner
        try:
            offsets = await runner.open()
            places = self._places(runner.partition)
            for place in places:
                self._consumer.seek(place, offsets[place.topic])
            self._consumer.resume(*places)
            self._metrics.partitions.inc()
            await runner.run()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.error("a partition failed; the process ends", partition=runner.partition, exc_info=error)
            if not self._failure.done():
                self._failure.set_exception(error)

    async def _read(self) -> None:
        while True:
            try:
                fetched = await self._consumer.getmany(timeout_ms=200)
            except KafkaError as error:
                if not error.retriable:
                    raise
                log.warning("Kafka cannot be read for now", error=repr(error))
                await asyncio.sleep(1)
                continue
            for place, records in fetched.items():
                runner = self._runners.get(place.partition)
                if runner is not None:
                    runner.feed(records)
            self._hold_back()

    def _hold_back(self) -> None:
        """Do not read places that have enough, until they have room."""
        for partition, runner in self._runners.items():
            full = {TopicPartition(topic, partition) for topic in runner.full_topics()}
            held = {place for place in self._full if place.partition == partition}
            self._consumer.pause(*(full - held))
            self._consumer.resume(*(held - full))
            self._full = (self._full - held) | full

    async def _count(self) -> None:
        while True:
            counts: dict[tuple[str, str], int] = {}
            for runner in self._runners.values():
                for place, number in state_counts(runner.desk.deliveries).items():
                    counts[place] = counts.get(place, 0) + number
            self._metrics.deliveries.clear()
            for (sink, state), number in counts.items():
                self._metrics.deliveries.labels(sink, state).set(number)
            await asyncio.sleep(COUNT_S)

    def _wake_all(self) -> None:
        for runner in self._runners.values():
            runner.wake.set()

    def _places(self, partition: int) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for topic in self._topics]


class _Listener(ConsumerRebalanceListener):
    def __init__(self, process: DeliveryProcess) -> None:
        self._process = process

    async def on_partitions_revoked(self, revoked: Any) -> None:
        await self._process.revoke()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        await self._process.revoke()
        self._process.assign(set(assigned))
