"""Reads back what becomes of the events, as any subscriber would: committed records only, in no group.

Whether everything was scored is told exactly, by offsets: the topics say where each event lies, and where it was passed
on to; and the journal, which is written in the same transactions as the scores, up to which offset a shard has come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from scoring.account_records import AccountScore
from scoring.alerts import Alert
from scoring.routed import Forward, decode_message
from scoring.score_records import LeadScore
from scoring.signal_records import BuyingSignal
from streams.dead_letters import decode_dead_letter
from streams.demo.board import Board
from streams.reading import open_topic
from streams.runtime.journal import decode_entry
from streams.settings import Settings
from streams.topics import (
    ACCOUNT_SCORES,
    ACCOUNT_UPDATES,
    BUYING_SIGNALS,
    DEAD_LETTERS,
    EMAIL_EVENTS,
    HOT_LEADS,
    JOURNAL,
    LEAD_SCORES,
    ROUTED,
    WEB_EVENTS,
    Topic,
)


class _Named(msgspec.Struct):
    """What is read of an event or an account update: its id."""

    id: str


_decode_named = msgspec.json.Decoder(_Named).decode
_decode_score = msgspec.json.Decoder(LeadScore).decode
_decode_alert = msgspec.json.Decoder(Alert).decode
_decode_account = msgspec.json.Decoder(AccountScore).decode
_decode_signal = msgspec.json.Decoder(BuyingSignal).decode

Take = Callable[[Board, Any], None]


def _take_event(board: Board, record: Any) -> None:
    board.note_event(record.topic, record.partition, record.offset, _decode_named(record.value).id)


def _take_message(board: Board, record: Any) -> None:
    is_event = isinstance(decode_message(record.value), Forward)
    board.note_message(record.topic, record.partition, record.offset, is_event=is_event)


def _take_entry(board: Board, record: Any) -> None:
    for chunk in decode_entry(record.value).chunks:
        board.note_scored(chunk.topic, record.partition, chunk.end)


def _take_score(board: Board, record: Any) -> None:
    if record.value is not None:  # a lead that turned out to be another has been told to be
        board.note_score(_decode_score(record.value))


def _take_alert(board: Board, record: Any) -> None:
    board.note_alert(_decode_alert(record.value), time.monotonic())


def _take_account(board: Board, record: Any) -> None:
    if record.value is not None:  # as with leads
        board.note_account(_decode_account(record.value))


def _take_signal(board: Board, record: Any) -> None:
    board.note_signal(_decode_signal(record.value))


def _take_letter(board: Board, record: Any) -> None:
    letter = decode_dead_letter(record.value)
    is_of_the_gateway = letter.offset < 0  # an item that is then missing among the scored
    if not (is_of_the_gateway or letter.settled):
        board.note_refusal(f"{letter.reason}: {letter.message}")


_TAKES: Sequence[tuple[Topic, Take]] = (
    (HOT_LEADS, _take_alert),
    (BUYING_SIGNALS, _take_signal),
    (LEAD_SCORES, _take_score),
    (ACCOUNT_SCORES, _take_account),
    (JOURNAL, _take_entry),
    (ROUTED, _take_message),
    (WEB_EVENTS, _take_event),
    (EMAIL_EVENTS, _take_event),
    (ACCOUNT_UPDATES, _take_event),
    (DEAD_LETTERS, _take_letter),
)


def watchers(settings: Settings, board: Board) -> list[Coroutine[Any, Any, None]]:
    """Return what notes on ``board`` all that is committed, from the beginning and for ever: one per topic.

    Each raises :class:`scoring.errors.StartError` when the broker has gone.
    """
    return [_follow(settings, topic, take, board) for topic, take in _TAKES]


async def _follow(settings: Settings, topic: Topic, take: Take, board: Board) -> None:
    async with open_topic(settings.brokers, topic.full_name(settings.prefix)) as reader:
        async for record in reader.read_to_end():
            take(board, record)
        async for records in reader.follow():
            for record in records:
                take(board, record)
