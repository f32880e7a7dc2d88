"""The events that Kafka still holds, as one history in the order of their times: to try a model on."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import Final

import xxhash

from scoring.errors import EventError
from scoring.replay import FileRecord, read_records
from streams.cloudevents import read_record
from streams.reading import open_topic
from streams.settings import Settings
from streams.topics import ACCOUNT_UPDATES, EMAIL_EVENTS, FOLLOW_UPS, WEB_EVENTS

CHUNK_RECORDS: Final = 4000

OF_LEADS: Final = (WEB_EVENTS, EMAIL_EVENTS, FOLLOW_UPS)


class StoredEvents:
    """A history in memory: the records of all leads, or of one in ``sampled_one_in`` of them, and of all accounts."""

    def __init__(self, values: list[bytes], received: array[int], sampled_one_in: int) -> None:
        self._values, self._received = values, received
        self.sampled_one_in = sampled_one_in

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self._values)

    def chunks(self, now_ms: int) -> Iterator[list[FileRecord]]:
        """Yield the records in the order of their times, each as received when it happened, or soon after."""
        timed = sorted(
            (next(read_records([value], received, live=True)).timestamp, number)
            for number, (value, received) in enumerate(zip(self._values, self._received, strict=True))
            if value.strip()
        )
        chunk: list[FileRecord] = []
        for time_ms, number in timed:
            chunk.append(FileRecord(number, time_ms, self._values[number]))
            if len(chunk) == CHUNK_RECORDS:
                yield chunk
                chunk = []
        if chunk:
            yield chunk


async def read_stored_events(
    settings: Settings, events_max: int, on_progress: Callable[[int, int], None]
) -> StoredEvents:
    """Read what the event topics hold; of more than ``events_max`` records, those of every n-th lead (by its key).

    ``on_progress`` is told how many records have been read, and of how many.
    """
    total = 0
    for topic in OF_LEADS:
        async with open_topic(settings.brokers, topic.full_name(settings.prefix)) as reader:
            total += await reader.count()
    one_in = max(1, -(-total // events_max))
    values: list[bytes] = []
    received = array("Q")
    seen = 0
    for topic in (*OF_LEADS, ACCOUNT_UPDATES):
        async with open_topic(settings.brokers, topic.full_name(settings.prefix)) as reader:
            async for record in reader.read_to_end():
                seen += topic is not ACCOUNT_UPDATES
                if seen % CHUNK_RECORDS == 0:
                    on_progress(seen, total)
                if topic is not ACCOUNT_UPDATES and xxhash.xxh3_64_intdigest(record.key or b"") % one_in:
                    continue
                try:
                    value = read_record(record).value if record.headers else record.value
                except EventError:
                    continue  # a dead letter for workers, too
                if value:
                    values.append(value)
                    received.append(record.timestamp)
    return StoredEvents(values, received, one_in)
