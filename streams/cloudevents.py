"""CloudEvents in Kafka: records in structured or binary mode, as the events that they mean.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from scoring.cloudevents import STRUCTURED, from_binary, from_structured
from scoring.errors import EventError
from scoring.events import encode_event
from scoring.grouping import Record
from scoring.shard import Shard, Steps

HEADER: Final = "ce_"


class PlainRecord(NamedTuple):
    """A record whose value is an event in our own form."""

    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None


def steps_with_cloudevents(shard: Shard, records: Sequence[Any], topic: str) -> Steps:
    """Score a chunk of events, CloudEvents among them, with pauses; what cannot be read is refused for what it is."""
    if not any(record.headers for record in records):
        return (yield from shard.steps(records, topic))  # nearly always
    errors: dict[int, EventError] = {}
    plain: list[Record] = []
    for index, record in enumerate(records):
        try:
            plain.append(read_record(record))
        except EventError as error:
            errors[index] = error
            plain.append(PlainRecord(record.offset, record.timestamp, None, record.key))
    outcome = yield from shard.steps(plain, topic)
    for refusal in outcome.refusals:
        refusal.error = errors.get(refusal.index, refusal.error)
    return outcome


def read_record(record: Any) -> Record:
    """Return a record as it is, or, where its headers say that it is a CloudEvent, with the event that it means.

    Raises :class:`EventError`.
    """
    headers = {name.lower(): value.decode(errors="replace") for name, value in record.headers if value is not None}
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    value = record.value or b""
    if media_type == STRUCTURED:
        event = from_structured(value, record.timestamp)
    elif f"{HEADER}specversion" in headers:
        attributes = {name.removeprefix(HEADER): text for name, text in headers.items() if name.startswith(HEADER)}
        event = from_binary(attributes, value, record.timestamp)
    else:
        plain: Record = record
        return plain
    return PlainRecord(record.offset, record.timestamp, encode_event(event), record.key)
