"""What is kept of one account, and its bytes.

An account is a fold over its contacts' snapshots, with what is known of the company itself. Its numbers are worked out
from these whenever something changes; what is kept beside them is what has been said, so that it is said once.
"""

from __future__ import annotations

from typing import Final

import msgspec

from scoring.contacts import Contact
from scoring.customer_state import CustomerState
from scoring.timers import NEVER

EVENTS_KEPT: Final = 32
"""Events of a company that its account remembers."""

UPDATES_KEPT: Final = 64
"""Ids of account updates by which one that comes twice is recognised."""

_COOLS_AT: Final = slice(2, 10)  # after the array's header and the integer's

_KINDS: Final = (b"domain:", b"account:")

Value = str | int | float | bool | list[str]
"""What is known of an account by one name."""


class Known(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A fact as told at ``time_ms`` (ms since 1970); None tells that it is not known any more."""

    time_ms: int
    value: Value | None


class CompanyEvent(msgspec.Struct, array_like=True, gc=False, frozen=True, order=True):
    """Something that happened to the company at ``time_ms`` (ms since 1970); ``id`` is the update's."""

    time_ms: int
    type: str
    id: str


class Others(msgspec.Struct, array_like=True, gc=False):
    """The contacts that are not listed one by one: how many, and what they come to (points) as of ``at_ms``."""

    count: int = 0
    points: float = 0.0
    at_ms: int = 0


class AccountState(msgspec.Struct, array_like=True, gc=False):
    """What is kept of one account. Times are in ms since 1970; ``band`` is an index into the account bands.

    ``cools_at`` is when it is to be worked out again though nothing happens: it leaves its band, or what it is worth as
    a customer changes. ``last`` is the account's now: the latest time of anything it knows, or of such a moment since.
    ``contacts`` are the most engaged ones, ``others`` the rest. ``told`` is the version of the facts that leads were
    told last, ``fired`` when each signal was given last, by what it was about. ``updates`` are hashes (8 bytes each) of
    the latest updates' ids. ``customer`` is what is known of it as a customer, None while it is none.
    """

    cools_at: int = NEVER
    last: int = 0
    band: int = 0
    generation: int = 0
    facts: dict[str, Known] = msgspec.field(default_factory=dict)
    events: list[CompanyEvent] = msgspec.field(default_factory=list)
    contacts: list[Contact] = msgspec.field(default_factory=list)
    others: Others = msgspec.field(default_factory=Others)
    told: int = 0
    fired: dict[str, int] = msgspec.field(default_factory=dict)
    updates: bytes = b""
    customer: CustomerState | None = None


decode_account = msgspec.msgpack.Decoder(AccountState).decode
encode_account = msgspec.msgpack.Encoder().encode


def account_cools_at(state: bytes) -> int:
    """Return when an encoded account cools (ms), without decoding the rest.

    >>> account_cools_at(encode_account(AccountState(cools_at=1767225600000)))
    1767225600000
    """
    return int.from_bytes(state[_COOLS_AT])


def is_account(key: bytes) -> bool:
    """Tell the key of an account from a lead's id.

    >>> is_account(b"domain:acme.com"), is_account(b"email:ann@acme.com")
    (True, False)
    """
    return key.startswith(_KINDS)
