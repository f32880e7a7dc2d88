"""What shards tell each other about people and companies: the records of the routed topic, as MessagePack.

- A :class:`Forward` is an event on its way to the lead that it counts for.
- A :class:`Link` tells the partition of a weaker identity who that is. There a pointer is written, once.
- An :class:`Absorb` answers a link: all that was known under the weaker identity, to be merged into the lead.
- A :class:`Check` follows where a second, different link leads: to the same lead in the end, or to a conflict.
- A :class:`FollowedUp` is a follow-up on its way to the lead that it is about.
- A :class:`Tell` tells an account of one of its leads, a :class:`Reply` a lead of its account.

Each goes to the partition of one identity (:attr:`to`), and is passed on from there where that one is a pointer.
"""

from __future__ import annotations

import msgspec

from scoring.alerts import Cause
from scoring.contacts import AccountFacts, Contact


class Forward(msgspec.Struct, array_like=True, tag="forward", gc=False):
    """An event for the lead ``to``: its ``value`` as it lies at ``offset`` of a topic's partition.

    ``received_ms`` is when it was received there (ms since 1970), ``hops`` how often it has been passed on.
    """

    to: str
    hops: int
    received_ms: int
    value: bytes
    topic: str
    partition: int
    offset: int
    key: bytes | None = None


class Link(msgspec.Struct, array_like=True, tag="link", gc=False):
    """The identity ``to`` is the lead ``lead``; ``cause`` is the event that showed both."""

    to: str
    hops: int
    lead: str
    cause: Cause


class Absorb(msgspec.Struct, array_like=True, tag="absorb", gc=False):
    """What was known of ``weak``, for the lead or account ``to``: an encoded state.

    ``rules``, ``properties`` and ``bands`` say what the numbers in the state mean where it comes from: numbers are
    given per shard.
    """

    to: str
    hops: int
    weak: str
    cause: Cause
    state: bytes
    rules: dict[int, str] = {}
    properties: dict[int, str] = {}
    bands: list[str] = []


class Check(msgspec.Struct, array_like=True, tag="check", gc=False):
    """The identity ``to``, to which ``weak`` points, should be the lead ``lead``, by the event of ``cause``."""

    to: str
    hops: int
    weak: str
    lead: str
    cause: Cause


class Unlink(msgspec.Struct, array_like=True, tag="unlink", gc=False):
    """The pointer of ``weak`` to the lead ``to`` has been forgotten: it has to be told again when it is seen again."""

    to: str
    hops: int
    weak: str


class Tell(msgspec.Struct, array_like=True, tag="tell", gc=False):
    """A lead's snapshot for its account ``to``; where it ``is_gone``, it is a contact of this account no more.

    ``before`` is what this account was told last: a score (points) and its time (ms); None where it was told nothing.
    ``facts`` is the version of the account's facts that the lead knows; 0 for none.
    """

    to: str
    hops: int
    contact: Contact
    is_gone: bool = False
    before: tuple[float, int] | None = None
    facts: int = 0


class Reply(msgspec.Struct, array_like=True, tag="reply", gc=False):
    """What a lead's ``account``, by the key that the lead has told, is; for the lead ``to``."""

    to: str
    hops: int
    account: str
    facts: AccountFacts


class FollowedUp(msgspec.Struct, array_like=True, tag="follow-up", gc=False):
    """A follow-up for the lead ``to``: its ``value`` as it lies in Kafka, received at ``received_ms``."""

    to: str
    hops: int
    received_ms: int
    value: bytes


Message = FollowedUp | Forward | Link | Absorb | Check | Unlink | Tell | Reply


class Told(msgspec.Struct, gc=False):
    """A message that a shard has for itself, so that it need not be encoded; received at ``timestamp`` (ms)."""

    message: Message
    timestamp: int


encode_message = msgspec.msgpack.Encoder().encode
decode_message = msgspec.msgpack.Decoder(Message).decode


class Conflict(msgspec.Struct, kw_only=True):
    """A record of the identity-conflicts topic: ``identity`` is known as ``lead``, and was seen with ``other`` too.

    A shared laptop, or a person with two addresses: the first one stands, and the event of ``cause`` counts where its
    own strongest identity says.
    """

    identity: str
    lead: str
    other: str
    cause: Cause
