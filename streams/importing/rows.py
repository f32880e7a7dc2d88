"""Rows on their way to Kafka: each is checked as a worker would check it, and named the same every time.

A row without an id of its own is named by a hash of what it becomes. So the same file, imported again, makes the same
records, which change nothing; and a row that has changed since makes another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from scoring.account_updates import AccountUpdate, decode_account_update
from scoring.errors import EventError
from scoring.events import Event, decode_event_of_somebody
from streams.importing.table import Row
from streams.records import encode

Read = Callable[[list[str]], Event | AccountUpdate]
"""Makes of a row's cells what is written, its id empty where the row has none; raises :class:`EventError`."""

_encode_in_order = msgspec.json.Encoder(order="deterministic").encode


class Ready(NamedTuple):
    """A row that can be written."""

    line: int
    item: Event | AccountUpdate


class Refused(NamedTuple):
    """A row that cannot: as it was, and why."""

    line: int
    cells: list[str]
    error: EventError


def prepare(rows: Iterable[Row], read: Read, *, source: str, received_ms: int) -> Iterator[Ready | Refused]:
    """Make of each row what is written, or say why it cannot be; ``source`` is for rows that name none."""
    for row in rows:
        try:
            if row.error is not None:
                raise row.error
            item = read(row.cells)
            if not item.id:
                item.id = _id_of(item)
            if item.source is None:
                item.source = source
            yield Ready(row.line, _check(item, received_ms))
        except EventError as error:
            yield Refused(row.line, row.cells, error)


def _id_of(item: Event | AccountUpdate) -> str:
    """Return an id that says what the item says, wherever it came from."""
    return "import-" + hashlib.blake2b(_encode_in_order(item), digest_size=16).hexdigest()


def _check(item: Event | AccountUpdate, received_ms: int) -> Event | AccountUpdate:
    """Read the item as a worker will, since a dead letter of tomorrow is better refused now."""
    raw = encode(item)
    if isinstance(item, AccountUpdate):
        return decode_account_update(raw, received_ms)
    return decode_event_of_somebody(raw, received_ms)
