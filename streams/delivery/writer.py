"""One partition's pen: what is remembered and how far the sources were read, in one transaction after the other.

Starting fences every earlier owner of the partition, as the worker's writers do: nobody else can commit from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaProducer, TopicPartition

from scoring.follow_ups import encode_follow_up
from streams.dead_letters import DeadLetter, encode_dead_letter, original_key
from streams.delivery.memory import Changes
from streams.delivery.records import Remembered, decode_remembered
from streams.reading import open_topic
from streams.settings import Settings
from streams.topics import DEAD_LETTERS, DELIVERIES, FOLLOW_UPS, RECORD_BYTES_MAX


def group_of(settings: Settings) -> str:
    """Return the consumer group of the delivery processes."""
    return f"{settings.app_id}-delivery"


class DeskWriter:
    """Writes for one partition; :meth:`open` first."""

    def __init__(self, partition: int, settings: Settings) -> None:
        self._partition = partition
        self._settings = settings
        self._topic = DELIVERIES.full_name(settings.prefix)
        self._follow_ups = FOLLOW_UPS.full_name(settings.prefix)
        self._dead_letters = DEAD_LETTERS.full_name(settings.prefix)
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.brokers,
            transactional_id=f"{group_of(settings)}-{partition}",
            transaction_timeout_ms=int(settings.transaction_timeout_s * 1000),
            acks="all",
            max_batch_size=1 << 20,
            max_request_size=RECORD_BYTES_MAX,
            linger_ms=0,
            retry_backoff_ms=10,  # the default of 100 shows after each commit, see streams/runtime/transactions.py
        )

    async def open(self) -> list[Remembered]:
        """Fence earlier owners, and return what is remembered."""
        await self._producer.start()
        latest: dict[bytes, bytes] = {}
        async with open_topic(self._settings.brokers, self._topic) as reader:
            async for record in reader.read_to_end([self._partition]):
                if record.value is None:
                    latest.pop(record.key, None)
                else:
                    latest[record.key] = record.value
        return [decode_remembered(value) for value in latest.values()]

    async def commit(
        self, changes: Changes, letters: Sequence[DeadLetter] = (), offsets: Mapping[str, int] | None = None
    ) -> None:
        """Write all of it, or nothing. ``offsets`` (by topic) are for lag tools: a desk goes by what it remembers."""
        producer, here = self._producer, self._partition
        async with producer.transaction():
            sent = [
                await producer.send(self._topic, value, key.encode(), partition=here)
                for key, value in changes.records.items()
            ]
            sent += [
                await producer.send(self._follow_ups, encode_follow_up(each), each.lead.encode())
                for each in changes.follow_ups
            ]
            sent += [
                await producer.send(self._dead_letters, encode_dead_letter(each), original_key(each))
                for each in letters
            ]
            if offsets:
                at = {TopicPartition(topic, here): offset for topic, offset in offsets.items()}
                await producer.send_offsets_to_transaction(at, group_of(self._settings))
            for each in sent:
                await each

    async def stop(self) -> None:
        """Let go of the broker."""
        await self._producer.stop()
