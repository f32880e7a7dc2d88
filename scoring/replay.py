"""The same shard over a file: what a run of the worker would have said, without a broker.

Used by ``leadheat score``, by backtests, and by tests as the expectation that the running worker must meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec

from scoring.account_records import AccountScore
from scoring.account_updates import ACCOUNT_TYPES
from scoring.errors import EventError
from scoring.events import parse_time
from scoring.model import ScoringModel
from scoring.pointers import HOPS_MAX, decode_pointer, is_pointer
from scoring.routed import encode_message
from scoring.score_records import LeadScore
from scoring.shard import Outcome, Shard


class FileRecord(msgspec.Struct, frozen=True, gc=False):
    """A line of a file as a record: ``offset`` is the line's number from 0, ``timestamp`` its receipt (ms)."""

    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None = None


class Replay:
    """Scores records as one shard does, chunk by chunk.

    >>> from scoring.model import load_model
    >>> from scoring.models import DEFAULT_MODEL
    >>> event = b'{"id":"e-1","type":"page_viewed","time":1767225600000,"user_id":"7","properties":{"path":"/"}}'
    >>> replay = Replay(load_model(DEFAULT_MODEL))
    >>> outcome = replay.take([FileRecord(0, 1767225600000, event)])
    >>> [(score.lead, score.score, score.band) for score in replay.scores()]
    [('user:7', 1.0, 'cold')]
    """

    def __init__(self, model: ScoringModel) -> None:
        self.shard = Shard(model, {})
        self._scores: dict[bytes, bytes] = {}
        self._accounts: dict[bytes, bytes] = {}
        self._decode_account = msgspec.json.Decoder(AccountScore).decode
        self._decode_score = msgspec.json.Decoder(LeadScore).decode

    def take(self, records: list[FileRecord]) -> Outcome:
        """Score one chunk of records, in order, and then what this tells of who is who, and of accounts.

        Records of companies are told from those of people by their type, follow-ups by their action.
        """
        outcome, first = Outcome(), 0
        takes = {"event": self.shard.take, "account": self.shard.take_updates, "follow-up": self.shard.take_follow_ups}
        for kind, run in groupby(records, _kind_of):
            chunk = list(run)
            done = takes[kind](chunk)
            for refusal in done.refusals:
                refusal.index += first
            first += len(chunk)
            outcome.extend(done)
        return self._settle(outcome, records[-1].timestamp if records else 0)

    def tick(self, clock_ms: int) -> Outcome:
        """Let time pass: apply every cooling that is due at or before ``clock_ms`` (ms since 1970)."""
        return self._settle(self.shard.tick(clock_ms), clock_ms)

    def forget(self, keys: list[bytes], clock_ms: int) -> Outcome:
        """Forget what is kept under ``keys``, at ``clock_ms``."""
        for key in keys:
            self._scores.pop(key, None)
        return self._settle(self.shard.forget(keys), clock_ms)

    def _settle(self, outcome: Outcome, received_ms: int) -> Outcome:
        """Take what the shard has told itself, until it has no more to tell, and remember the latest records."""
        while outcome.messages:
            messages, outcome.messages = outcome.messages, []
            told = [FileRecord(number, received_ms, encode_message(each)) for number, each in enumerate(messages)]
            done = self.shard.take_routed(told)
            done.events = 0  # what it tells itself is no line of the file
            outcome.extend(done)
        for gone, _ in outcome.merged:
            for records in (outcome.scores, outcome.account_scores, self._scores, self._accounts):
                records.pop(gone.encode(), None)
        self._scores.update(outcome.scores)
        self._accounts.update(outcome.account_scores)
        return outcome

    @property
    def due_ms(self) -> int:
        """When the next lead may cool (ms); see :attr:`Shard.due_ms`."""
        return self.shard.due_ms

    def find(self, identity: str) -> LeadScore | None:
        """Return the latest score record of the lead that an identity is known to be by now; None: nobody."""
        for _ in range(HOPS_MAX):
            state = self.shard.leads.get(identity.encode())
            if state is None or not is_pointer(state):
                break
            identity = decode_pointer(state).target
        value = self._scores.get(identity.encode())
        return None if value is None else self._decode_score(value)

    def accounts(self) -> Iterator[AccountScore]:
        """Yield the latest record of every account, in the order in which they were first heard of."""
        for value in self._accounts.values():
            yield self._decode_account(value)

    def scores(self) -> Iterator[LeadScore]:
        """Yield the latest score record of every lead, in the order of their first events."""
        for value in self._scores.values():
            yield self._decode_score(value)


def read_records(lines: Iterable[bytes], now_ms: int, *, live: bool) -> Iterator[FileRecord]:
    """Yield the lines of a JSONL file as records; blank lines are passed over.

    With ``live``, each event is taken as received when it happened (or, where it lies before an earlier line,
    when that one did), as a live stream would have been, but never after ``now_ms``. Without, all are received
    at ``now_ms``, as when the file is loaded into Kafka at that time: what is old alerts nobody.
    """
    clock = 0
    for number, line in enumerate(lines):
        value = line.strip()
        if not value:
            continue
        clock = max(clock, min(_event_time(value), now_ms)) if live else now_ms
        yield FileRecord(number, clock, value)


class _Typed(msgspec.Struct):
    type: str = ""
    action: str = ""


_decode_typed = msgspec.json.Decoder(_Typed).decode


def _kind_of(record: FileRecord) -> str:
    """Tell what a record is about: ``account``, ``follow-up`` or ``event``; what is neither is refused as an event."""
    try:
        typed = _decode_typed(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "event"
    if typed.type in ACCOUNT_TYPES:
        return "account"
    return "follow-up" if typed.action and not typed.type else "event"


class _Timed(msgspec.Struct):
    time: int | str = 0


_decode_timed = msgspec.json.Decoder(_Timed).decode


def _event_time(value: bytes) -> int:
    """Return the time of an event, or 0 where it has none that can be read: it will be refused anyway."""

    try:
        time = _decode_timed(value).time
        return parse_time(time) if isinstance(time, str) else time
    except (msgspec.DecodeError, EventError, UnicodeDecodeError):
        return 0
