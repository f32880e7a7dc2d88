"""What settles a dead letter: its original, for the topic that it came from, and a record that says what was done."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from scoring.errors import EventError
from streams.dead_letters import DeadLetter, encode_dead_letter, original_key, original_value
from streams.records import Record
from streams.topics import ACCOUNT_UPDATES, DEAD_LETTERS, EVENT_TOPICS, FOLLOW_UPS

REPLAYED: Final = (*EVENT_TOPICS, ACCOUNT_UPDATES, FOLLOW_UPS)
"""Topics into which an original is written again; what a shard told another one is the shards' own."""

Settled = Literal["replayed", "dropped"]


def is_replayable(letter: DeadLetter, prefix: str) -> bool:
    """Whether a letter's original came from a topic, to which it can go again.

    What the gateway refused went back to its sender with the fault, and is sent again from there.
    """
    return letter.value is not None and letter.topic in {topic.full_name(prefix) for topic in REPLAYED}


def replay_record(letter: DeadLetter, prefix: str) -> Record:
    """Return a letter's original as it lay in its topic.

    >>> letter = DeadLetter(id="d", reason="failed", message="", at=0, topic="lh.web-events.v1", value="e30=")
    >>> replay_record(letter, "lh")
    Record(topic='lh.web-events.v1', value=b'{}', key=None)

    Raises :class:`EventError` for one that did not come from a topic.
    """
    value = original_value(letter)
    if value is None or not is_replayable(letter, prefix):
        raise EventError(
            "wrong_type", "id", f"{letter.id} came from {letter.topic[:80]}: it can only be sent again from its source"
        )
    return Record(letter.topic, value, original_key(letter))


def settled_record(letter: DeadLetter, prefix: str, settled: Settled, by: str) -> Record:
    """Return the record that says that a letter was settled: of records with one id, the last counts."""
    last = msgspec.structs.replace(letter, key=None, value=None, settled=settled, by=by)
    return Record(DEAD_LETTERS.full_name(prefix), encode_dead_letter(last), original_key(letter))
