"""What people do here: say what came of a lead, and settle dead letters. Each carries who did it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from scoring.account_updates import AccountUpdate, check_account_update
from scoring.customer_events import RATING
from scoring.customer_value import ValueBook
from scoring.errors import EventError
from scoring.follow_ups import FollowUp, check_follow_up
from scoring.model_customers import Customers
from scoring.model_file import suggest
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

    async def send_account_updates(self, updates: Sequence[AccountUpdate]) -> None:
        """Write account updates."""

    async def send_records(self, records: Sequence[Record]) -> None:
        """Write records as they are."""


class RatingAsked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a person or program says of a customer: by criterion the answer, None to take one back."""

    ratings: dict[str, str | int | float | bool | None]


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


async def rate_customer(
    broker: Broker, account: str, asked: RatingAsked, section: Customers, who: Who, now_ms: int
) -> AccountUpdate:
    """Write what ``who`` says of a customer, by the criteria of the model's ``section``.

    Raises :class:`scoring.errors.EventError`, naming the criterion, and what the broker raises.
    """
    book = ValueBook(section)
    for name, answer in asked.ratings.items():
        if name not in section.criteria:
            known = suggest(name, list(section.criteria), "criteria are")
            raise EventError("wrong_type", f"ratings.{name[:80]}", f"is not a criterion of the model; {known}")
        for error in () if answer is None else book.find_faults_by_hand(name, answer, f"ratings.{name}"):
            raise EventError("wrong_type", error.field, error.message)
    kind, _, name = account.partition(":")
    told = AccountUpdate(
        id=secrets.token_hex(16),
        type=RATING,
        time=now_ms,
        account_id=name if kind == "account" else None,
        domain=name if kind == "domain" else None,
        source="api" if who.by_key else SOURCE,
        properties={"ratings": asked.ratings, "by": who.name},
    )
    check_account_update(told, now_ms)
    await broker.send_account_updates([told])
    return told


async def replay_letter(broker: Broker, letter: DeadLetter, who: Who, prefix: str) -> None:
    """Give a dead letter's original to whoever refused it once more, and note that it was.

    Raises :class:`scoring.errors.EventError` where it cannot be, and what the broker raises.
    """
    await broker.send_records([replay_record(letter, prefix), settled_record(letter, prefix, "replayed", who.name)])


async def drop_letter(broker: Broker, letter: DeadLetter, who: Who, prefix: str) -> None:
    """Note that nobody needs a dead letter."""
    await broker.send_records([settled_record(letter, prefix, "dropped", who.name)])
