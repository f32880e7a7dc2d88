"""What the topics say: committed records, all of them or what is new, and whether everything has been scored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from streams.runtime.journal import META_KEY, decode_meta
from streams.settings import Settings
from streams.topics import CHANGELOG, SOURCES, Topic
from streams.tracks import Track

Records = dict[int, list[ConsumerRecord]]
"""The records of a topic, by partition."""

STILL_S = 0.3
STILL_LOOKS = 60
READ_TIMEOUT_S = 120


def track_of(settings: Settings, states_of: str = "") -> Track:
    """Return where the shards of these settings have their topics."""
    return Track(settings.prefix, settings.track, states_of)


def latest(records: list[ConsumerRecord]) -> dict[bytes, bytes]:
    """Return the last value of each key, but for those that are gone."""
    values = {record.key: record.value for record in records}
    return {key: value for key, value in values.items() if value is not None}


async def read(settings: Settings, topic: Topic, states_of: str = "") -> Records:
    """Return every committed record of a topic, by partition."""
    return (await Reader(settings, [topic], states_of=states_of).read_new())[topic]


@dataclass
class Reader:
    """Reads topics from where it stopped the last time, each where the shards of the settings' track have it.

    ``states_of`` is the track of the rebuild whose states they have taken over, if they have.
    """

    settings: Settings
    topics: Iterable[Topic]
    isolation: str = "read_committed"
    states_of: str = ""
    _next: dict[TopicPartition, int] = field(default_factory=dict)

    async def read_new(self, *, still: bool = False) -> dict[Topic, Records]:
        """Return what has been written since, to the ends as of now.

        With ``still``, read on until nothing is written any more: then what is read of all topics belongs together,
        since a transaction writes to all at once.
        """
        settings, topics = self.settings, list(self.topics)
        track = track_of(settings, self.states_of)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.brokers,
            isolation_level=self.isolation,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 << 20,
            fetch_max_wait_ms=50,
        )
        await consumer.start()
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                places = {
                    TopicPartition(track.name(topic), partition): (topic, partition)
                    for topic in topics
                    for partition in range(settings.partitions)
                }
                found: dict[Topic, Records] = {topic: {n: [] for n in range(settings.partitions)} for topic in topics}
                consumer.assign(list(places))
                for place in places:
                    consumer.seek(place, self._next.get(place, 0))
                ends = await self._read_to_ends(consumer, places, found)
                for _ in range(STILL_LOOKS if still else 0):
                    await asyncio.sleep(STILL_S)
                    before, ends = ends, await self._read_to_ends(consumer, places, found)
                    if before == ends:
                        break
                self._next = {place: await consumer.position(place) for place in places}
                return found
        finally:
            await consumer.stop()

    async def _read_to_ends(
        self,
        consumer: AIOKafkaConsumer,
        places: dict[TopicPartition, tuple[Topic, int]],
        found: dict[Topic, Records],
    ) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(list(places))
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                topic, partition = places[place]
                found[topic][partition] += records
        return ends


class Progress:
    """Follows how far workers have come, by what their shards' meta records say."""

    def __init__(self, settings: Settings, states_of: str = "") -> None:
        self._track = track_of(settings, states_of)
        self._reader = Reader(settings, [CHANGELOG, *SOURCES], states_of=states_of)
        self._ends: dict[tuple[str, int], int] = {}
        self._done: dict[tuple[str, int], int] = {}

    async def count_waiting(self) -> int:
        """Return how many offsets of the sources are still to be taken; marks of transactions aside."""
        for topic, records in (await self._reader.read_new()).items():
            for partition, new in records.items():
                self._note(topic, partition, new)
        return sum(max(0, end - self._done.get(place, 0)) for place, end in self._ends.items())

    async def wait(self, timeout_s: float) -> bool:
        """Wait until everything is scored, and all that shards have told each other of it."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        idle_looks = 0  # two: what a transaction told other shards may be visible a moment after its meta record
        while asyncio.get_running_loop().time() < deadline:
            try:
                idle_looks = idle_looks + 1 if await self.count_waiting() == 0 else 0
                if idle_looks == 2:
                    return True
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(0.5)  # the broker is away
            await asyncio.sleep(0.2)
        return False

    def _note(self, topic: Topic, partition: int, records: list[ConsumerRecord]) -> None:
        if topic is not CHANGELOG:
            if records:
                self._ends[self._track.name(topic), partition] = records[-1].offset + 1
            return
        for record in records:
            if record.key == META_KEY and record.value is not None:
                for name, following in decode_meta(record.value).next.items():
                    self._done[name, partition] = following


async def wait_until_scored(settings: Settings, timeout_s: float, states_of: str = "") -> bool:
    """Wait until all events are scored, and all that shards have told each other of them."""
    return await Progress(settings, states_of).wait(timeout_s)
