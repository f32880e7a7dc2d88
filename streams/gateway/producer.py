"""The way to Kafka: a write returns when the broker has every record, or fails so that the sender tries again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from scoring.account_updates import AccountUpdate
from scoring.errors import LeadheatError
from scoring.events import Event
from scoring.follow_ups import FollowUp
from streams.dead_letters import DeadLetter, encode_dead_letter, original_key
from streams.gateway.key_hints import KeyHints
from streams.reading import partition_of
from streams.records import Record, to_record
from streams.settings import Settings
from streams.topics import ACCOUNT_UPDATES, DEAD_LETTERS, EVENT_TOPICS, FOLLOW_UPS

CHECK_TIMEOUT_S: Final = 2.0
"""Patience of :meth:`KafkaEventProducer.check`; orchestrators give a readiness probe little more."""

RECONNECT_S: Final = 1.0
BATCH_BYTES: Final = 128 * 1024
"""Per partition and request: a full batch makes writers wait, and aiokafka's 16 KB hold half an event."""

TOGETHER_MIN: Final = 8
"""From so many records on, batches made by hand are cheaper than what aiokafka does for each record."""

REQUEST_BYTES_MAX: Final = 2 * 1024 * 1024
"""The largest record: a dead letter around 1 MB of original bytes, in base64."""

_log = structlog.get_logger(__name__)


class BrokerUnavailable(LeadheatError):  # noqa: N818 - a state of the world, not a mistake
    """The broker did not take the records (in time); the sender should try again."""


class EventProducer(Protocol):
    """What the gateway needs of Kafka. Each method raises :class:`BrokerUnavailable`."""

    async def start(self) -> None:
        """Begin to connect; returns at once, and an absent broker is no error."""

    async def stop(self) -> None:
        """Write what is under way, and let go of the broker."""

    async def check(self) -> None:
        """Return if events can be written now."""

    async def send(self, events: Sequence[Event]) -> None:
        """Write events; returns once the broker has acknowledged every one."""

    async def send_account_updates(self, updates: Sequence[AccountUpdate]) -> None:
        """Write account updates; returns once the broker has acknowledged every one."""

    async def send_follow_ups(self, follow_ups: Sequence[FollowUp]) -> None:
        """Write follow-ups; returns once the broker has acknowledged every one."""

    async def send_records(self, records: Sequence[Record]) -> None:
        """Write records as they are; returns once the broker has acknowledged every one."""

    async def send_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Write dead letters; returns once the broker has acknowledged every one."""


class KafkaEventProducer:
    """An :class:`EventProducer` over aiokafka: idempotent, all in-sync replicas, bounded in events and time.

    It connects in the background and connects anew after an error that aiokafka cannot get over, so the
    gateway may start before the broker, and outlives it.
    """

    def __init__(self, settings: Settings) -> None:
        self._brokers = settings.brokers
        self._timeout_s = settings.produce_timeout_s
        self._waiting_max = settings.in_flight_events
        self._waiting = 0
        self._prefix = settings.prefix
        self._hints = KeyHints()
        self._dead_letters = DEAD_LETTERS.full_name(settings.prefix)
        self._client: Any = None
        self._state = "is not connected yet"
        self._broken = asyncio.Event()
        self._connection: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect; returns at once."""
        self._connection = asyncio.create_task(self._stay_connected())

    async def stop(self) -> None:
        """Flush and disconnect, within the time that a write may take."""
        if self._connection is not None:
            self._state = "is being left: the gateway stops"
            self._connection.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connection

    async def check(self) -> None:
        """Ask the broker for its metadata; raises :class:`BrokerUnavailable` where it does not answer."""
        client = self._connected()
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                answered = await client.client.force_metadata_update()
        except TimeoutError:
            answered = False
        if not answered:
            raise BrokerUnavailable(f"Kafka at {self._brokers} does not answer")

    async def send(self, events: Sequence[Event]) -> None:
        """Write events to their topics, keyed by lead, so that a lead's events share a partition."""
        with self._room_for(len(events)):
            await self._write([to_record(event, self._prefix, self._hints.key_of(event)) for event in events])

    async def send_account_updates(self, updates: Sequence[AccountUpdate]) -> None:
        """Write account updates, keyed by account, so that an account's updates share a partition."""
        with self._room_for(len(updates)):
            await self._write([to_record(update, self._prefix) for update in updates])

    async def send_follow_ups(self, follow_ups: Sequence[FollowUp]) -> None:
        """Write follow-ups, keyed by lead, so that they come to whoever holds the lead."""
        with self._room_for(len(follow_ups)):
            await self._write([to_record(follow_up, self._prefix) for follow_up in follow_ups])

    async def send_records(self, records: Sequence[Record]) -> None:
        """Write records as they are."""
        with self._room_for(len(records)):
            await self._write(records)

    async def send_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Write dead letters under the key of the record that they are about."""
        with self._room_for(len(letters)):
            await self._write(
                [Record(self._dead_letters, encode_dead_letter(letter), original_key(letter)) for letter in letters]
            )

    @contextlib.contextmanager
    def _room_for(self, count: int) -> Iterator[None]:
        # An idle producer takes any request, else one larger than the bound would be sent in vain for ever.
        if self._waiting and self._waiting + count > self._waiting_max:
            raise BrokerUnavailable(
                f"{self._waiting} events wait for Kafka already; LEADHEAT_IN_FLIGHT_EVENTS is {self._waiting_max}"
            )
        self._waiting += count
        try:
            yield
        finally:
            self._waiting -= count

    async def _write(self, records: Sequence[Record]) -> None:
        client = self._connected()
        acknowledgements: list[asyncio.Future[object]] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                if len(records) < TOGETHER_MIN:
                    for record in records:
                        acknowledgements.append(await client.send(record.topic, record.value, record.key))  # noqa: PERF401
                else:
                    await self._send_together(client, records, acknowledgements)
                await asyncio.gather(*acknowledgements)
        except TimeoutError:
            raise BrokerUnavailable(
                f"Kafka at {self._brokers} did not acknowledge within LEADHEAT_PRODUCE_TIMEOUT_S={self._timeout_s:g}"
            ) from None
        except KafkaError as error:
            # What was under way on a connection that has been given up fails too, and says nothing of the new one.
            if not error.retriable and client is self._client:
                self._broken.set()
            raise BrokerUnavailable(f"Kafka at {self._brokers} refused: {error!r}") from error
        finally:
            for acknowledgement in acknowledgements:
                acknowledgement.cancel()  # of those still open, nobody will ask how they ended

    @staticmethod
    async def _send_together(
        client: Any, records: Sequence[Record], acknowledgements: list[asyncio.Future[object]]
    ) -> None:
        """Hand over many records as batches of their partitions, in order: half the work of one after the other."""
        places: dict[tuple[str, int], list[Record]] = {}
        counts: dict[str, int] = {}
        for record in records:
            if record.topic not in counts:
                counts[record.topic] = len(await client.partitions_for(record.topic))
            partition = partition_of(record.key or b"", counts[record.topic])
            places.setdefault((record.topic, partition), []).append(record)
        for (topic, partition), those in places.items():
            batch = client.create_batch()
            for record in those:
                if batch.append(key=record.key, value=record.value, timestamp=None) is None:
                    acknowledgements.append(await client.send_batch(batch, topic, partition=partition))
                    batch = client.create_batch()
                    batch.append(key=record.key, value=record.value, timestamp=None)
            acknowledgements.append(await client.send_batch(batch, topic, partition=partition))

    def _connected(self) -> Any:
        if self._connection is not None and self._connection.done() and not self._connection.cancelled():
            self._connection.result()  # it never returns: a bug in it must not look like an absent broker
        if self._client is None:
            raise BrokerUnavailable(f"Kafka at {self._brokers} {self._state}")
        return self._client

    async def _stay_connected(self) -> None:
        """Hold a connection until cancelled; after a fatal error (a lost sequence number, say), a new one."""
        while True:
            client = AIOKafkaProducer(
                bootstrap_servers=self._brokers,
                acks="all",
                enable_idempotence=True,
                max_batch_size=BATCH_BYTES,
                max_request_size=REQUEST_BYTES_MAX,
                request_timeout_ms=int(self._timeout_s * 1000),
            )
            try:
                await client.start()
                await self._await_topics(client)
                self._client = client
                _log.info("connected to Kafka", brokers=self._brokers)
                await self._broken.wait()
                self._state = "is being connected to anew"
                _log.warning("connecting to Kafka anew", brokers=self._brokers)
            except (KafkaError, OSError) as error:
                self._state = f"cannot be reached: {error!r}"
                _log.warning("Kafka cannot be reached", brokers=self._brokers, error=repr(error))
            finally:
                self._client = None
                self._broken.clear()
                await self._let_go(client)
            await asyncio.sleep(RECONNECT_S)

    async def _await_topics(self, client: Any) -> None:
        """Wait until the broker has our topics: to write to an absent one could create it with wrong settings."""
        names = {topic.full_name(self._prefix) for topic in (*EVENT_TOPICS, ACCOUNT_UPDATES, FOLLOW_UPS, DEAD_LETTERS)}
        while True:
            answered = await client.client.force_metadata_update()
            absent = sorted(names - client.client.cluster.topics())
            if answered and not absent:
                return
            self._state = f"lacks the topics {', '.join(absent)}" if answered else "does not answer"
            await asyncio.sleep(RECONNECT_S)

    async def _let_go(self, client: Any) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.stop()
        except (TimeoutError, KafkaError, OSError) as error:
            _log.warning("the connection to Kafka did not end well", brokers=self._brokers, error=repr(error))
