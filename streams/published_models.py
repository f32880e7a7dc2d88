"""Every model that was ever used: the topic models, from which workers learn what to score by.

A record a publication, keyed by its number, in partition 0. Whoever publishes holds one transactional id: of two at
the same time one is fenced, so that numbers are given once, and in the order of the topic.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Literal

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from scoring.errors import ModelError, StartError
from scoring.model import ScoringModel, load_model, parse_model
from streams.settings import Settings
from streams.topics import MODELS, RECORD_BYTES_MAX, Topic, find_topics, no_kafka
from streams.tracks import Track

PARTITION: Final = 0
CANDIDATE: Final = 0
"""The number of a model that was not published: a shadow's, or a rebuild's."""

PATIENCE_MS: Final = 10_000
FOLLOW_MS: Final = 500
_FILE_TRIES: Final = 5

Kind = Literal["file", "published", "rolled back", "replayed"]


class OvertakenError(StartError):
    """Somebody else was publishing at the same time."""


class Publication(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A record of the models topic: the ``text`` of a model file, and who made it the one in use, when and why.

    ``number`` counts publications from 1. ``kind`` is ``file`` where a worker was started with it, and ``rolled back``
    where it is the same as number ``of``. ``version`` is what the text calls itself. Where ``replayed``, shards go on
    with the states that were rebuilt on ``track``.
    """

    number: int
    kind: Kind
    version: str
    text: str
    at_ms: int
    by: str
    why: str = ""
    of: int = 0
    track: str = ""

    @property
    def name(self) -> str:
        """What messages about the model's text call it."""
        return f"model {self.number}"


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Publication).decode


class PublishedModels:
    """The publications that are known here, by number; what cannot be read is told to ``on_unusable``, and not used."""

    def __init__(
        self,
        publications: Iterable[Publication] = (),
        on_unusable: Callable[[Publication, ModelError], None] = lambda publication, error: None,
    ) -> None:
        self._by_number: dict[int, Publication] = {}
        self._models: dict[int, ScoringModel] = {}
        self._on_unusable = on_unusable
        self.latest = 0
        """The number of the newest one that can be used; 0: there is none."""
        self.rebuilt: Publication | None = None
        """The newest one with which rebuilt states were taken over."""
        self.add(publications)

    def add(self, publications: Iterable[Publication]) -> None:
        """Take in what was read of the topic."""
        for publication in sorted(publications, key=lambda each: each.number):
            if publication.number in self._by_number:
                continue
            self._by_number[publication.number] = publication
            if publication.track:
                self.rebuilt = publication
            try:
                self._models[publication.number] = parse_model(publication.text, publication.name)
            except ModelError as error:
                self._on_unusable(publication, error)
                continue
            self.latest = max(self.latest, publication.number)

    def model(self, number: int) -> ScoringModel:
        """Return the model of a number.

        Raises :class:`StartError` where this version of leadheat cannot read it, or it is not there.
        """
        found = self._models.get(number)
        if found is None:
            raise StartError(
                f"model {number} is in use, and this worker cannot read it; start a leadheat as new as the one that "
                "published it, or publish another with that one"
            )
        return found

    @property
    def states(self) -> str:
        """The track on which the running shards' states are; nothing for the main one."""
        return "" if self.rebuilt is None else self.rebuilt.track

    def __iter__(self) -> Any:
        """Iterate over the publications in order."""
        return iter(sorted(self._by_number.values(), key=lambda each: each.number))


def decode_publications(records: Iterable[Any]) -> list[Publication]:
    """Return what of some records is a publication; nobody else should write here, and what they do is passed over."""
    found = []
    for record in records:
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            if record.value is not None:
                found.append(_decode(record.value))
    return found


async def read_publications(settings: Settings) -> list[Publication]:
    """Return all publications, in order; raises :class:`StartError` where no broker answers."""
    return decode_publications(await read_small_topic(settings, MODELS, [PARTITION]))


async def read_small_topic(settings: Settings, topic: Topic, partitions: Iterable[int] | None = None) -> list[Any]:
    """Return the records of ``partitions`` (None: all) of a topic that is small enough to be read whole.

    Raises :class:`StartError` where no broker answers.
    """
    consumer = _consumer(settings)
    numbers = range(settings.partitions) if partitions is None else partitions
    tps = [TopicPartition(topic.full_name(settings.prefix), number) for number in numbers]
    try:
        await consumer.start()
        await _assign(consumer, tps)
        ends = await consumer.end_offsets(tps)
        found: list[Any] = []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return found
    except (KafkaError, OSError) as error:
        raise no_kafka(settings.brokers, error) from error
    finally:
        await consumer.stop()


async def write_small(settings: Settings, topic: Topic, key: bytes, value: bytes | None) -> None:
    """Write a record to partition 0 of a small topic; raises :class:`StartError` where the broker does not take it."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.brokers,
        acks="all",
        max_request_size=2 * RECORD_BYTES_MAX,
        request_timeout_ms=PATIENCE_MS,
    )
    try:
        await producer.start()
        await producer.send_and_wait(topic.full_name(settings.prefix), value, key, partition=PARTITION)
    except (KafkaError, OSError) as error:
        raise no_kafka(settings.brokers, error) from error
    finally:
        await producer.stop()


async def running_track(settings: Settings) -> Track:
    """Return where the running shards keep their states; raises :class:`StartError` where no broker answers."""
    if MODELS.full_name(settings.prefix) not in await find_topics(settings):
        return Track(settings.prefix)  # topics of an earlier version, which could not take over anything
    tracks = [publication.track for publication in await read_publications(settings) if publication.track]
    return Track(settings.prefix, states=tracks[-1] if tracks else "")


async def model_in_use(settings: Settings) -> ScoringModel:
    """Return the model that was published last, or the file of the settings where none was.

    Raises :class:`StartError` where no broker answers, :class:`ModelError` where the model cannot be read.
    """
    if MODELS.full_name(settings.prefix) in await find_topics(settings):
        known = await read_publications(settings)
        if known:
            return parse_model(known[-1].text, known[-1].name)
    return load_model(settings.model)


async def follow_publications(settings: Settings, on_news: Callable[[list[Publication]], None]) -> None:
    """Tell of publications as they come, for ever; those that are there come first."""
    consumer = _consumer(settings)
    await consumer.start()
    try:
        await _assign(consumer, [TopicPartition(MODELS.full_name(settings.prefix), PARTITION)])
        while True:
            for records in (await consumer.getmany(timeout_ms=FOLLOW_MS)).values():
                on_news(decode_publications(records))
    finally:
        await consumer.stop()


class Publisher:
    """The one who may publish, as long as nobody else begins to; made by :func:`open_publisher`."""

    def __init__(self, producer: Any, settings: Settings, publications: list[Publication]) -> None:
        self._producer, self._settings = producer, settings
        self.publications = publications
        """All that was published before."""

    async def publish(
        self,
        kind: Kind,
        text: str,
        version: str,
        *,
        at_ms: int,
        by: str,
        why: str = "",
        of: int = 0,
        track: str = "",
    ) -> Publication:
        """Make a model the one in use; raises :class:`OvertakenError` where somebody else has published meanwhile."""
        number = self.publications[-1].number + 1 if self.publications else 1
        made = Publication(
            number=number, kind=kind, version=version, text=text, at_ms=at_ms, by=by, why=why, of=of, track=track
        )
        try:
            async with self._producer.transaction():
                topic = MODELS.full_name(self._settings.prefix)
                await self._producer.send_and_wait(topic, _encode(made), str(number).encode(), partition=PARTITION)
        except KafkaError as error:
            raise OvertakenError(
                f"nothing was published: somebody else was publishing at the same time, or Kafka has gone ({error!r}); "
                "see `leadheat model history`, and try again"
            ) from error
        self.publications.append(made)
        return made


@asynccontextmanager
async def open_publisher(settings: Settings) -> AsyncIterator[Publisher]:
    """Become the one who may publish: whoever else was about to cannot any more.

    Raises :class:`StartError` where no broker answers.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.brokers,
        transactional_id=f"{settings.app_id}-models",
        acks="all",
        max_request_size=2 * RECORD_BYTES_MAX,
        request_timeout_ms=PATIENCE_MS,
        retry_backoff_ms=10,
    )
    try:
        try:
            await producer.start()
        except (KafkaError, OSError) as error:
            raise no_kafka(settings.brokers, error) from error
        yield Publisher(producer, settings, await read_publications(settings))
    finally:
        with suppress(KafkaError):
            await producer.stop()


async def ensure_file(
    settings: Settings, text: str, version: str, *, at_ms: int, by: str
) -> tuple[list[Publication], bool]:
    """Publish the file that a process was started with, if nobody has published yet and the last one is another.

    Returns all publications, and whether the last of them is this text. From the first ``leadheat model publish`` on
    the topic decides, and files do not. Workers that start together get in each other's way, and try again.
    """
    for _ in range(_FILE_TRIES - 1):
        with suppress(OvertakenError):
            return await _ensure_file(settings, text, version, at_ms, by)
        await asyncio.sleep(random.uniform(0, FOLLOW_MS / 1000))
    return await _ensure_file(settings, text, version, at_ms, by)


async def _ensure_file(
    settings: Settings, text: str, version: str, at_ms: int, by: str
) -> tuple[list[Publication], bool]:
    known = await read_publications(settings)
    if _is_wanted(text, known):
        async with open_publisher(settings) as publisher:
            known = publisher.publications
            if _is_wanted(text, known):
                await publisher.publish("file", text, version, at_ms=at_ms, by=by)
    return known, known[-1].text == text


def _is_wanted(text: str, known: list[Publication]) -> bool:
    """Whether a file is news, and files decide still."""
    return all(publication.kind == "file" for publication in known) and (not known or known[-1].text != text)


def _consumer(settings: Settings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=settings.brokers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2 * RECORD_BYTES_MAX,
    )


async def _assign(consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
    begins = await consumer.beginning_offsets(tps)
    consumer.assign(tps)
    for tp in tps:
        consumer.seek(tp, begins[tp])  # not seek_to_beginning: it races with the reset that assign has begun
