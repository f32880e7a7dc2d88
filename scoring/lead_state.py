"""What is kept of one lead, and its bytes.

The state is columnar: parallel lists for the rules' decayed counts and byte strings for the memory of recent
events (encoding lists of numbers and byte strings is three times faster than dictionaries of tuples, and the
result is 40 % smaller). The encoded bytes are the table's value and the changelog's record.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from scoring.alerts import Cause
from scoring.contacts import AccountFacts
from scoring.sales import Sales
from scoring.timers import NEVER
from scoring.touches import Touch

EVENTS_KEPT: Final = 64
"""Events that a lead remembers: a duplicate within them is recognised."""

ONCE_KEPT: Final = 64
"""Keys of once-per rules that a lead remembers."""

TIME_BYTES: Final = 6
ID_BYTES: Final = 8
EVENT_BYTES: Final = ID_BYTES + TIME_BYTES
ONCE_BYTES: Final = 10
"""Of a once-per key: the rule's number (2) and a hash of the key (8)."""

ACTIVITY_MARK: Final = 0x80
"""Set in a remembered event's length byte where the event is something that a person did."""

_COOLS_AT: Final = slice(4, 12)  # after the array's header (3 bytes) and the integer's (1)
_FIRST_BYTE: Final = 0xDC
"""An array of more than 15: a pointer is a shorter one, and so is an account's state."""
_NEVER_BYTES: Final = NEVER.to_bytes(8)

HELD: Final = -1
"""As the margin of an alert: it rests on no points."""

NOTHING_TOLD: Final = -1.0

Answer = str | int | float | bool
"""A trait's value."""

Remembered = tuple[bytes, int, bytes]
"""A remembered event: the hash of its id, its time (ms), and its mark (a length byte, and 2 bytes a matched rule)."""


class Person(msgspec.Struct, array_like=True, gc=False):
    """What a lead has told, and what that is worth.

    ``properties``, ``answers`` and ``answered`` are the traits that the model reads, by number, with the time of each
    answer (ms). ``traits`` and ``points`` are what they come to under the model of the state's generation.
    """

    properties: list[int] = msgspec.field(default_factory=list)
    answers: list[Answer] = msgspec.field(default_factory=list)
    answered: list[int] = msgspec.field(default_factory=list)
    traits: list[int] = msgspec.field(default_factory=list)
    points: list[float] = msgspec.field(default_factory=list)


class Waiting(msgspec.Struct, array_like=True, gc=False):
    """A crossing that waits for the account's answer: what caused it, and when that was received (ms).

    ``key`` is what the alert's id is made of. ``until_ms`` is set by the first tick that finds it waiting, since what
    was received long ago may have been read just now.
    """

    cause: Cause
    key: str
    received_ms: int
    until_ms: int = 0


class Doubts(msgspec.Struct, array_like=True, gc=False):
    """What may yet take back what a lead was counted for; most leads have none.

    ``clicks`` are traces of the last ones (see :mod:`scoring.retraction`); ``margin`` is by how much the open alert's
    crossing was clear (in thousandths of a point; ``HELD`` where it rests on a hold); opens up to ``withdrawn_at`` (ms)
    do not count, because the lead has withdrawn its consent.
    """

    clicks: bytes = b""
    margin: int = 0
    withdrawn_at: int = 0


class LeadState(msgspec.Struct, array_like=True, gc=False):
    """What is kept of one lead. Times are in ms since 1970; ``band`` is an index into the model's bands.

    ``last`` is the lead's now: the time of its latest event (:attr:`seen_at`), or of a cooling ``cooled_ms`` later.
    ``rules``, ``counts`` and ``times`` are the decayed counts by rule number, ``subjects`` what each rule's latest
    match was about. ``events`` (an 8-byte hash of the id and a 6-byte time each) and ``event_rules`` (a length byte,
    with ``ACTIVITY_MARK``, then 2 bytes per matched rule) describe the last events, oldest first; ``once_keys`` (10
    bytes each) and ``once_times`` (6) the earliest match of each key. ``visits`` see :mod:`scoring.visits`, ``days``
    :mod:`scoring.activity`, ``linked`` :mod:`scoring.links`.

    ``person`` is what the lead's traits tell, if anything, and ``fixed`` the sum of the points that they are worth.
    ``first_touch`` and ``later_touch`` say where the lead came from first and last; there is no later one where the
    first is the last, as it often is (:attr:`last_touch`). ``account`` is the one that the event at ``account_at``
    named; while that is 0, the domain of the lead's company.

    ``told`` counts what the account was told, ``told_score`` is the score that it was told last (points; below 0 where
    the account of now was told nothing). ``facts_version`` and ``facts`` (None where nothing is known) are what it has
    answered; ``waiting`` is a crossing that is held until it has. ``sales`` is what people did about the lead, if any;
    ``fixed`` holds the points that they have added, too.

    Two fields are bounds that spare most sums. ``gains`` (points) is at least the sum of the positive contributions
    under the model of ``generation`` (see :class:`scoring.rules.Numbering`), now and later, since gains fade. While
    a chunk is worked on, and between chunks where nothing is published, a negative ``cools_at`` is a time before which
    the lead surely keeps its band.
    """

    cools_at: int = NEVER
    last: int = 0
    band: int = 0
    alerted_at: int = 0
    held_until: int = 0
    alert_id: str = ""
    rules: list[int] = msgspec.field(default_factory=list)
    counts: list[float] = msgspec.field(default_factory=list)
    times: list[int] = msgspec.field(default_factory=list)
    subjects: list[str] = msgspec.field(default_factory=list)
    events: bytearray = msgspec.field(default_factory=bytearray)
    event_rules: bytearray = msgspec.field(default_factory=bytearray)
    once_keys: bytes = b""
    once_times: bytes = b""
    visits: bytearray = msgspec.field(default_factory=bytearray)
    days: bytearray = msgspec.field(default_factory=bytearray)
    linked: bytes = b""
    gains: float = 0.0
    fixed: float = 0.0
    generation: int = 0
    converted_at: int = 0
    account: str = ""
    account_at: int = 0
    first_touch: Touch | None = None
    later_touch: Touch | None = None
    person: Person | None = None
    cooled_ms: int = 0
    told: int = 0
    told_score: float = NOTHING_TOLD
    facts_version: int = 0
    facts: AccountFacts | None = None
    waiting: Waiting | None = None
    sales: Sales | None = None
    doubts: Doubts | None = None

    @property
    def last_touch(self) -> Touch | None:
        """Where the lead came from last, of what was told with a source or a campaign."""
        if self.later_touch is not None:
            return self.later_touch
        first = self.first_touch
        return first if first is not None and first.is_attributed else None

    def note_touches(self, first: Touch | None, last: Touch | None) -> None:
        """Keep the earlier one of first touches, and the later one of last touches."""
        known = self.last_touch
        if last is None or (known is not None and known > last):
            last = known
        if first is not None and (self.first_touch is None or first < self.first_touch):
            self.first_touch = first
        self.later_touch = None
        if last != self.last_touch:  # as the first one tells it
            self.later_touch = last

    @property
    def clicks(self) -> bytes:
        """Traces of the last clicks."""
        return b"" if self.doubts is None else self.doubts.clicks

    @property
    def margin(self) -> int:
        """By how much the open alert's crossing was clear."""
        return 0 if self.doubts is None else self.doubts.margin

    @property
    def withdrawn_at(self) -> int:
        """When the lead has withdrawn its consent (ms)."""
        return 0 if self.doubts is None else self.doubts.withdrawn_at

    def doubt(self) -> Doubts:
        """Return what may change the verdict on the lead's events, to be changed in place."""
        if self.doubts is None:
            self.doubts = Doubts()
        return self.doubts

    @property
    def seen_at(self) -> int:
        """The time of the latest event (ms)."""
        return self.last - self.cooled_ms


decode_state = msgspec.msgpack.Decoder(LeadState).decode
encode_state = msgspec.msgpack.Encoder().encode


def cools_at_of(state: bytes) -> int:
    """Return when an encoded state cools (ms), without decoding the rest.

    >>> cools_at_of(encode_state(LeadState(cools_at=1767225600000)))
    1767225600000
    """
    return int.from_bytes(state[_COOLS_AT])


def never_cools(value: bytes) -> bool:
    """Tell whether what is kept under a key is the state of a lead that does not cool: most are.

    >>> never_cools(encode_state(LeadState())), never_cools(encode_state(LeadState(cools_at=1767225600000)))
    (True, False)
    """
    return value[_COOLS_AT] == _NEVER_BYTES and value[0] == _FIRST_BYTE


def read_events(state: LeadState) -> Iterator[Remembered]:
    """Yield the events that a lead remembers, as they lie in its memory."""
    position = 0
    for start in range(0, len(state.events), EVENT_BYTES):
        end = position + 1 + 2 * (state.event_rules[position] & ~ACTIVITY_MARK)
        time_ms = int.from_bytes(state.events[start + ID_BYTES : start + EVENT_BYTES])
        yield bytes(state.events[start : start + ID_BYTES]), time_ms, bytes(state.event_rules[position:end])
        position = end


def rank_answer(answer: Answer) -> tuple[str, Answer]:
    """Return what decides between two answers of the same time: the larger stands."""
    return type(answer).__name__, answer
