"""Where in Kafka an event or an account update goes: its topic, its key, its bytes."""

from __future__ import annotations

from typing import NamedTuple

from scoring.account_updates import AccountUpdate, encode_account_update
from scoring.events import EMAIL_TYPES, Event, encode_event
from streams.topics import ACCOUNT_UPDATES, EMAIL_EVENTS, WEB_EVENTS, Topic


class Record(NamedTuple):
    """What a producer is given; ``topic`` is the full name."""

    topic: str
    value: bytes
    key: bytes | None


def encode(item: Event | AccountUpdate) -> bytes:
    """Encode an event or an account update as it is written to Kafka."""
    return encode_event(item) if isinstance(item, Event) else encode_account_update(item)


def to_record(item: Event | AccountUpdate, prefix: str, key: str | None = None) -> Record:
    """Return the record of an event, keyed by lead, or of an account update, keyed by account; or by ``key``.

    >>> to_record(Event(id="e", type="email_clicked", time=0, user_id="7"), "leadheat")[0::2]
    ('leadheat.email-events.v1', b'user:7')

    Raises :class:`scoring.errors.EventError` where an event says nobody that we could name.
    """
    if key is None:
        key = item.lead_id if isinstance(item, Event) else item.key
    return Record(_topic_of(item).full_name(prefix), encode(item), key.encode())


def _topic_of(item: Event | AccountUpdate) -> Topic:
    if isinstance(item, AccountUpdate):
        return ACCOUNT_UPDATES
    return EMAIL_EVENTS if item.type in EMAIL_TYPES else WEB_EVENTS
