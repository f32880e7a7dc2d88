"""Past events in the order in which they happened: of a file, or of the topics."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter

import msgspec

from scoring.backtest import in_chunks
from scoring.errors import EventError
from scoring.events import TIME_MIN_MS, parse_time
from scoring.replay import FileRecord
from streams.cli.json_lines import open_lines
from streams.settings import Settings


class _Head(msgspec.Struct):
    time: int | str = 0
    type: str = ""
    action: str = ""


_decode_head = msgspec.json.Decoder(_Head).decode


@dataclass(slots=True)
class Past:
    """What has happened: ``records`` of people and companies by event time, and follow-ups (with their receipt, ms).

    Follow-ups are what sales answered to the alerts of the model of that time. Another model would have alerted of
    others, so they are no part of what a model is judged on: won and lost among them are its outcomes.
    """

    records: list[FileRecord] = field(default_factory=list)
    follow_ups: list[tuple[bytes, int]] = field(default_factory=list)
    unreadable: int = 0
    """Records of no time that can be read, which no worker would score either."""

    def add(self, offset: int, value: bytes, received_ms: int, key: bytes | None, from_ms: int = 0) -> None:
        """Take in one record; an event counts as received when it happened, if it was received by then."""
        try:
            head = _decode_head(value)
            time_ms = parse_time(head.time) if isinstance(head.time, str) else head.time
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, EventError):
            time_ms, head = 0, _Head()
        if head.action and not head.type:
            self.follow_ups.append((value, received_ms))
        elif time_ms < TIME_MIN_MS:
            self.unreadable += 1
        elif time_ms >= from_ms:
            self.records.append(FileRecord(offset, min(time_ms, received_ms), value, key))

    def sort(self) -> None:
        """Bring the records into the order of their times; those of one time stay in the order of their offsets."""
        self.records.sort(key=attrgetter("timestamp", "offset"))

    def chunks(self) -> Iterator[list[FileRecord]]:
        """Yield all records, chunk by chunk, with progress on a terminal."""
        chunks = in_chunks(self.records)
        return _with_progress(chunks, len(self.records)) if sys.stderr.isatty() else chunks


def read_past_file(file: str, now_ms: int) -> Past:
    """Return the events and follow-ups of a JSONL file; gzip too, ``-`` is standard input.

    Raises :class:`SettingsError` where it cannot be read.
    """
    past = Past()
    with open_lines(file, show_progress=sys.stderr.isatty()) as lines, rare_collections():
        for number, line in enumerate(lines):
            if value := line.strip():
                past.add(number, value, now_ms, None)
    past.sort()
    return past


def read_past_topics(settings: Settings, from_ms: int) -> Past:
    """Return the events since then that are stored in the topics, and all follow-ups.

    Raises :class:`scoring.errors.StartError` where no broker answers.
    """
    with rare_collections():
        past = asyncio.run(_read_topics(settings, from_ms))
    past.sort()
    return past


async def _read_topics(settings: Settings, from_ms: int) -> Past:
    from streams.cloudevents import read_record
    from streams.reading import open_topic
    from streams.topics import ACCOUNT_UPDATES, EMAIL_EVENTS, FOLLOW_UPS, WEB_EVENTS

    past, first = Past(), 0
    for topic in (WEB_EVENTS, EMAIL_EVENTS, ACCOUNT_UPDATES, FOLLOW_UPS):
        async with open_topic(settings.brokers, topic.full_name(settings.prefix)) as reader:
            found = [record async for record in reader.read_to_end()]
        # Partitions come by chance, and the same history must give the same numbers.
        found.sort(key=lambda record: (record.partition, record.offset))
        for number, record in enumerate(found, first):
            try:
                value = read_record(record).value if record.headers else record.value
            except EventError:
                value = None  # a dead letter for workers, too
            past.add(number, value or b"", record.timestamp, record.key, from_ms)
        first += len(found)
    return past


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage rarely meanwhile: millions of records live to the end, and looking at them finds nothing."""
    before = gc.get_threshold()
    gc.set_threshold(1_000_000, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _with_progress(chunks: Iterable[list[FileRecord]], total: int) -> Iterator[list[FileRecord]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replaying", total=total)
        for chunk in chunks:
            yield chunk
            progress.advance(task, len(chunk))
