"""A worker's consumer returns what the parser has read, and nothing else than a plain consumer would."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchError, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord

from streams.runtime.bare_records import read_bare

EVENTS, OTHER = TopicPartition("events", 0), TopicPartition("other", 0)
RECORDS = [
    (1_700_000_000_000, b"user:1", b'{"id": 1}', []),
    (1_700_000_000_001, None, b"no key", [("traceparent", b"00-1"), ("empty", None)]),
    (1_700_000_000_002, b"user:2", None, []),
]


def fetch(tp: TopicPartition, position: int = 0) -> FetchResult:
    """Return a fetched batch that is read from a position on."""
    batch = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 16)
    for offset, (timestamp, key, value, headers) in enumerate(RECORDS):
        batch.append(offset, timestamp, key, value, headers)
    found = PartitionRecords(tp, MemoryRecords(bytes(batch.build())), [], position, None, None, True, 1)
    state = SimpleNamespace(paused=False, position=position, consumed_to=lambda offset: None)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    return FetchResult(tp, assignment=assignment, partition_records=found, backoff=0)


def consumer_of(*topics: str) -> Any:
    """Return what stands for a consumer that has been started, and reads these topics bare."""
    consumer: Any = SimpleNamespace(_fetcher=SimpleNamespace(_records=OrderedDict()))
    read_bare(consumer, topics)
    return consumer


def test_bare_records_say_what_a_plain_consumer_says() -> None:
    results = consumer_of("events")._fetcher._records
    results[EVENTS], results[OTHER] = fetch(EVENTS), fetch(OTHER)
    bare, plain = results[EVENTS].getall(), results[OTHER].getall()
    assert [isinstance(record, ConsumerRecord) for record in (*bare, *plain)] == [False] * 3 + [True] * 3

    def told(record: Any) -> tuple[Any, ...]:
        return record.offset, record.timestamp, record.timestamp_type, record.key, record.value, tuple(record.headers)

    assert [told(record) for record in bare] == [told(record) for record in plain]
    assert not results[EVENTS].has_more()


def test_a_fetch_that_is_read_in_parts_goes_on_where_it_stopped() -> None:
    results = consumer_of("events")._fetcher._records
    results[EVENTS] = fetch(EVENTS, position=1)
    first = results[EVENTS].getall(max_records=1)
    results[EVENTS]._assignment.state_value(EVENTS).position = 2
    assert [record.offset for record in (*first, *results[EVENTS].getall())] == [1, 2]


def test_errors_and_what_had_been_fetched_before_stay_as_they_are() -> None:
    consumer = consumer_of("events")
    error, before = FetchError(error=OSError("gone"), backoff=0), consumer._fetcher._records
    before[EVENTS] = error
    read_bare(consumer, ["events"])
    assert consumer._fetcher._records is before
    assert before[EVENTS] is error
