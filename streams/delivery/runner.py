"""Moves one partition's deliveries: reads, asks its desk, commits, tries, and tells the desk what came of it.

Nothing is tried before what has planned it is committed, and what came of a try is committed after it: a process that
is killed in between tries again, so that everything arrives at least once, and under the same id.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import msgspec
import structlog

from scoring.alerts import Alert
from scoring.errors import EventError
from scoring.follow_ups import decode_follow_up
from scoring.score_records import LeadScore
from scoring.signal_records import BuyingSignal
from streams.dead_letters import DeadLetter, make_dead_letter
from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config import DeliveryConfig
from streams.delivery.crm_fields import FieldBook, row_of
from streams.delivery.desk import Desk
from streams.delivery.gates import Gate
from streams.delivery.metrics import DeliveryMetrics
from streams.delivery.planning import Plan
from streams.delivery.records import Delivery, LeadFields, decode_order
from streams.delivery.sinks.base import Sink
from streams.delivery.sinks.crm import CrmSink, Row
from streams.delivery.writer import DeskWriter
from streams.settings import Settings
from streams.topics import BUYING_SIGNALS, DELIVERY_ORDERS, FOLLOW_UPS, HOT_LEADS, LEAD_SCORES, Topic

_SOURCES: Final = (HOT_LEADS, BUYING_SIGNALS, FOLLOW_UPS, DELIVERY_ORDERS)
TAKEN_MAX: Final = 500
"""Records taken in one go: a transaction holds a record for each and every sink."""

WAITING_MAX: Final = 2_000
"""Records that wait to be taken before the partition is not read any more."""

LOOK_S: Final = 0.25
"""How soon a runner looks again whether a sink that rests, or is busy, has room; clocks are due at their time."""

FIRST_LOOK_BACK_MS: Final = 3_600_000
"""What delivery says of alerts from before its very first start: those of the last hour."""

_decode_score = msgspec.json.Decoder(LeadScore).decode
_decode_alert = msgspec.json.Decoder(Alert).decode
_decode_signal = msgspec.json.Decoder(BuyingSignal).decode

log = structlog.get_logger(__name__)


def sources_of(config: DeliveryConfig) -> tuple[Topic, ...]:
    """Return what delivery reads: all scores, too, where a CRM keeps them as fields."""
    return (*_SOURCES, LEAD_SCORES) if FieldBook.is_asked_for(config) else _SOURCES


class Runner:
    """One partition of this process: :meth:`open`, then :meth:`run` until cancelled, then :meth:`stop`."""

    def __init__(
        self,
        partition: int,
        settings: Settings,
        plan: Plan,
        sinks: Mapping[str, Sink],
        gates: Mapping[str, Gate],
        metrics: DeliveryMetrics,
        clock: Callable[[], int],
    ) -> None:
        self.partition = partition
        self.wake = asyncio.Event()
        self._plan = plan
        self._sinks = sinks
        self._gates = gates
        self._metrics = metrics
        self._clock = clock
        self._topics: dict[str, Topic] = {topic.full_name(settings.prefix): topic for topic in sources_of(plan.config)}
        self._writer = DeskWriter(partition, settings)
        self._waiting: deque[Any] = deque()
        self._settled: deque[tuple[Delivery, Attempt]] = deque()
        self._tries: set[asyncio.Task[None]] = set()
        self._written: deque[tuple[list[LeadFields], dict[str, tuple[Row, Attempt]]]] = deque()
        self.desk = Desk(plan, [], 0)
        self.fields = FieldBook(plan.config, [])

    async def open(self) -> Mapping[str, int]:
        """Fence earlier owners and open the desk; returns the next offset of every source."""
        remembered = await self._writer.open()
        self.desk = Desk(self._plan, remembered, self._clock())
        self.fields = FieldBook(self._plan.config, [each for each in remembered if isinstance(each, LeadFields)])
        return {topic: self.desk.meta.next.get(topic, 0) for topic in self._topics}

    def feed(self, records: list[Any]) -> None:
        """Hand over what was read of the partition."""
        self._waiting.extend(records)
        self.wake.set()

    def full_topics(self) -> set[str]:
        """Return what is not to be read for now: everything, or only scores while a CRM does not take them."""
        if len(self._waiting) > WAITING_MAX or self.desk.is_full:
            return set(self._topics)
        return {name for name, topic in self._topics.items() if topic is LEAD_SCORES and self.fields.is_full}

    async def run(self) -> None:
        """Go round until cancelled; raises where a transaction fails."""
        while True:
            self.wake.clear()
            await self._go_round()
            await self._wait()

    async def stop(self) -> None:
        """End what is being tried, and let go of the broker: the next owner tries it again."""
        for task in list(self._tries):
            task.cancel()
        await asyncio.gather(*self._tries, return_exceptions=True)
        await self._writer.stop()

    async def _go_round(self) -> None:
        """Take what has come, commit what it caused, and only then try what is due."""
        now_ms = self._clock()
        letters, offsets = self._take(now_ms)
        while self._settled:
            delivery, attempt = self._settled.popleft()
            self.desk.settle(delivery, attempt, now_ms)
        while self._written:
            self._settle_fields(*self._written.popleft(), now_ms)
        self.desk.tick(now_ms)
        changes = self.desk.drain()
        changes.records |= self.fields.drain()
        if changes or letters:
            await self._writer.commit(changes, letters, offsets)
            self._metrics.breaches.inc(len(changes.follow_ups))
        for delivery in self.desk.take_due(now_ms, lambda sink: self._gates[sink].room(now_ms)):
            self._gates[delivery.sink].enter()
            self._begin(self._try(delivery, self.desk.earlier_ref(delivery)))
        for name in self.fields.sinks:
            crm = self._sinks[name]
            if isinstance(crm, CrmSink) and self._gates[name].room(now_ms) > 0:
                due = self.fields.take_due(name, now_ms, crm.crm.batch_max)
                if due:
                    self._gates[name].enter()
                    self._begin(self._write_fields(name, crm, due))

    def _begin(self, trying: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(trying)
        self._tries.add(task)
        task.add_done_callback(self._tries.discard)

    async def _write_fields(self, name: str, sink: CrmSink, due: list[LeadFields]) -> None:
        """Write a batch of leads' fields; what comes of it waits for the next round."""
        rows = [row_of(each) for each in due]
        done: dict[str, Attempt] = {}
        worst: Attempt | None = None
        try:
            async with asyncio.timeout(self._plan.config.sinks[name].timeout_s):
                done = await sink.crm.write(rows, self._clock())
        except TimeoutError:
            done = dict.fromkeys((row.email for row in rows), Failed("did not answer in time"))
        except Exception as error:
            log.exception("a CRM failed", sink=name)
            failed = Failed(f"failed: {type(error).__name__}", is_down=False)
            done = dict.fromkeys((row.email for row in rows), failed)
        finally:
            attempts = {row.email: (row, done.get(row.email, Sent())) for row in rows} if done else {}
            worst = next((each for each in done.values() if isinstance(each, Failed) and each.is_down), None)
            self._gates[name].leave(worst or (Sent() if done else None), self._clock())
            self._metrics.note_fields(name, done.values())
            self._written.append((due, attempts))
            self.wake.set()

    def _settle_fields(self, due: list[LeadFields], attempts: dict[str, tuple[Row, Attempt]], now_ms: int) -> None:
        for each in due:
            if each.email in attempts:
                self.fields.settle(each, *attempts[each.email], now_ms)

    async def _wait(self) -> None:
        if self._waiting and not self.desk.is_full:
            return
        times = [each for each in (self.desk.next_ms(), self.fields.next_ms()) if each is not None]
        next_ms = min(times, default=None)
        wait_s = 1.0 if next_ms is None else (next_ms - self._clock()) / 1000
        try:
            async with asyncio.timeout(max(0.001, min(1.0, wait_s)) if wait_s > 0 else LOOK_S):
                await self.wake.wait()
        except TimeoutError:
            pass

    def _take(self, now_ms: int) -> tuple[list[DeadLetter], dict[str, int]]:
        """Give the desk what was read; returns dead letters about what cannot be, and how far each topic is taken."""
        letters: list[DeadLetter] = []
        offsets: dict[str, int] = {}
        for _ in range(min(TAKEN_MAX, len(self._waiting))):
            if self.desk.is_full:
                break
            record = self._waiting.popleft()
            if record.offset < self.desk.meta.next.get(record.topic, 0):
                continue  # handed over before, by a fetch from before a seek
            try:
                self._take_record(record, now_ms)
            except EventError as error:
                letters.append(_letter(record, error, now_ms))
            except msgspec.DecodeError as error:
                letters.append(_letter(record, EventError("malformed", "", str(error)), now_ms))
            self.desk.advance(record.topic, record.offset + 1)
            offsets[record.topic] = record.offset + 1
            self._metrics.records.labels(self._topics[record.topic].name).inc()
        return letters, offsets

    def _take_record(self, record: Any, now_ms: int) -> None:
        topic = self._topics[record.topic]
        is_old = record.timestamp < self.desk.meta.began_ms - FIRST_LOOK_BACK_MS
        value = record.value or b""
        if topic is FOLLOW_UPS:
            try:
                follow_up = decode_follow_up(value, record.timestamp)
            except EventError:
                return  # the worker, who reads them too, writes the dead letter
            self.desk.take_follow_up(follow_up, now_ms)
        elif topic is DELIVERY_ORDERS:
            self.desk.take_order(decode_order(value), now_ms)
        elif topic is LEAD_SCORES:
            if record.value is not None:
                self.fields.take(_decode_score(value), now_ms)
        elif is_old:
            return
        elif topic is HOT_LEADS:
            self.desk.take_alert(_decode_alert(value), now_ms)
        else:
            self.desk.take_signal(_decode_signal(value), now_ms)

    async def _try(self, delivery: Delivery, earlier: str) -> None:
        """Try once; what comes of it waits for the next round."""
        sink, started = delivery.sink, time.perf_counter()
        attempt: Attempt | None = None
        try:
            attempt = await self._send(delivery, earlier)
            seconds = time.perf_counter() - started
            self._metrics.note_try(sink, attempt, seconds)
            if isinstance(attempt, Sent):
                self._metrics.seconds.labels(sink).observe((self._clock() - delivery.at_ms) / 1000)
            else:
                log.warning("not delivered", sink=sink, id=delivery.id, tries=delivery.tries + 1, reason=attempt.reason)
            self._settled.append((delivery, attempt))
        finally:
            self._gates[sink].leave(attempt, self._clock())
            self._metrics.note_circuit(sink, self._gates[sink].breaker.circuit)
            self.wake.set()

    async def _send(self, delivery: Delivery, earlier: str) -> Attempt:
        try:
            # A receiver that answers drop by drop keeps within a client's timeouts for ever.
            async with asyncio.timeout(self._plan.config.sinks[delivery.sink].timeout_s):
                return await self._sinks[delivery.sink].send(delivery, earlier, self._clock())
        except TimeoutError:
            return Failed("did not answer in time")
        except Exception as error:  # a sink's fault must not end the others; it is tried again, and seen
            log.exception("a sink failed", sink=delivery.sink, id=delivery.id)
            return Failed(f"failed: {type(error).__name__}", is_down=False)


def _letter(record: Any, error: EventError, now_ms: int) -> DeadLetter:
    return make_dead_letter(
        error,
        at_ms=now_ms,
        topic=record.topic,
        value=record.value,
        key=record.key,
        partition=record.partition,
        offset=record.offset,
    )
