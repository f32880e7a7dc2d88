"""What people do here: say what came of a lead, and settle dead letters. Each carries who did it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from scoring.follow_ups import FollowUp, check_follow_up
from streams.dashboard.access import Who
from streams.dead_letters import DeadLetter
from streams.letter_replay import replay_record, settled_record
from streams.records import Record

SOURCE: Final = "dashboard"
OFFERED: Final = ("accepted", "rejected", "contacted", "meeting", "opportunity", "won", "lost")
"""What can be said of a lead here."""


class Broker(Protocol):
    """What is needed of Kafka; each raises :class:`scoring.errors.LeadheatError` where it does not take the records."""

    async def send_follow_ups(self, follow_ups: Sequence[FollowUp]) -> None:
        """Write follow-ups."""

    async def send_records(self, records: Sequence[Record]) -> None:
        """Write records as they are."""


class FollowUpAsked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a person or program says about a lead; who says it is known otherwise."""

    action: str
    reason: str = ""
    note: str = ""
    alert_id: str = ""


async def follow_up(broker: Broker, lead: str, asked: FollowUpAsked, who: Who, now_ms: int) -> FollowUp:
    """Write that ``who`` did something about a lead.

    Raises :class:`scoring.errors.EventError`, naming the field, and what the broker raises.
    """
    done = FollowUp(
        id=secrets.token_hex(16),
        lead=lead,
        action=asked.action,
        time=now_ms,
        alert_id=asked.alert_id,
        reason=asked.reason,
        note=asked.note,
        by=who.name,
        source="api" if who.by_key else SOURCE,
    )
    check_follow_up(done, now_ms)
    await broker.send_follow_ups([done])
    return done


async def replay_letter(broker: Broker, letter: DeadLetter, who: Who, prefix: str) -> None:
    """Give a dead letter's original to whoever refused it once more, and note that it was.

    Raises :class:`scoring.errors.EventError` where it cannot be, and what the broker raises.
    """
    await broker.send_records([replay_record(letter, prefix), settled_record(letter, prefix, "replayed", who.name)])


async def drop_letter(broker: Broker, letter: DeadLetter, who: Who, prefix: str) -> None:
    """Note that nobody needs a dead letter."""
    await broker.send_records([settled_record(letter, prefix, "dropped", who.name)])
