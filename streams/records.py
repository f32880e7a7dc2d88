"""Where in Kafka an event, an account update or a follow-up goes: its topic, its key, its bytes."""

from __future__ import annotations

from typing import NamedTuple

from scoring.account_updates import AccountUpdate, encode_account_update
from scoring.events import EMAIL_TYPES, Event, encode_event
from scoring.follow_ups import FollowUp, encode_follow_up
from streams.topics import ACCOUNT_UPDATES, EMAIL_EVENTS, FOLLOW_UPS, WEB_EVENTS, Topic

Item = Event | AccountUpdate | FollowUp
"""What others write to our topics."""


class Record(NamedTuple):
    """What a producer is given; ``topic`` is the full name."""

    topic: str
    value: bytes
    key: bytes | None


def encode(item: Item) -> bytes:
    """Encode what is written to Kafka."""
    match item:
        case Event():
            return encode_event(item)
        case FollowUp():
            return encode_follow_up(item)
        case _:
            return encode_account_update(item)


def to_record(item: Item, prefix: str, key: str | None = None) -> Record:
    """Return the record of an event or a follow-up, keyed by lead, or of an account update, by account; or by ``key``.

    >>> to_record(Event(id="e", type="email_clicked", time=0, user_id="7"), "leadheat")[0::2]
    ('leadheat.email-events.v1', b'user:7')

    Raises :class:`scoring.errors.EventError` where an event says nobody that we could name.
    """
    if key is None:
        key = _key_of(item)
    return Record(_topic_of(item).full_name(prefix), encode(item), key.encode())


def _key_of(item: Item) -> str:
    match item:
        case Event():
            return item.lead_id
        case FollowUp():
            return item.lead
        case _:
            return item.key


def _topic_of(item: Item) -> Topic:
    match item:
        case Event():
            return EMAIL_EVENTS if item.type in EMAIL_TYPES else WEB_EVENTS
        case FollowUp():
            return FOLLOW_UPS
        case _:
            return ACCOUNT_UPDATES
