"""What is published of an account: the score, why, how well it fits, and who its people are."""

from __future__ import annotations

from math import exp2
from typing import Literal

import msgspec

from scoring.account_state import Value
from scoring.customer_records import CustomerValue
from scoring.decay import DAY_MS
from scoring.fit import ProfileFit


class AccountLine(msgspec.Struct, omit_defaults=True, gc=False):
    """What one person, the other people together, or one event of the company contributes (points) to its account.

    A line ``floor`` lifts a negative sum to 0. ``last_ms`` is when the person was last active, or when the event was.
    """

    kind: Literal["person", "others", "event", "floor"]
    name: str
    points: float
    last_ms: int = 0


class AccountContact(msgspec.Struct, omit_defaults=True, gc=False):
    """One of an account's people: a lead, with its score (points) as of its latest event at ``at_ms``."""

    lead: str
    score: float
    at_ms: int
    band: str = "cold"
    name: str = ""
    role: str = ""
    phase: str = ""


class AccountScore(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A record of the account-scores topic: the account as of ``at_ms``, and how it goes on.

    ``score`` is its engagement (points, at least 0): the ``ledger`` sums to it. If nothing happens it halves every
    ``half_life_days``; :func:`account_score_later` is the formula. ``fit`` (0 to 10) is that of the best ``profile``,
    None where it is unknown; ``coverage`` (0 to 1) says how much of it is known; ``reason`` why an account is excluded.
    ``contacts`` are the most engaged people, of ``people`` in all. ``signals`` tells when each was last given (ms).
    ``customer`` is what it is worth as a customer; left out while it is none.
    """

    account: str
    score: float
    at_ms: int
    band: str
    half_life_days: float
    model: str
    name: str = ""
    fit: float | None = None
    level: str = "unknown"
    profile: str = ""
    coverage: float = 0.0
    reason: str = ""
    profiles: list[ProfileFit] = []
    ledger: list[AccountLine] = []
    people: int = 0
    contacts: list[AccountContact] = []
    facts: dict[str, Value] = {}
    signals: dict[str, int] = {}
    owner: str = ""
    cools_at_ms: int | None = None
    merged_into: str = ""
    customer: CustomerValue | None = None


def merged_account(account: str, into: str, model: str) -> AccountScore:
    """Return the last record of an account that turned out to be ``into``."""
    return AccountScore(
        account=account, score=0.0, at_ms=0, band="cold", half_life_days=1.0, model=model, merged_into=into
    )


def account_score_later(record: AccountScore, time_ms: int) -> float:
    """Return what a published account comes to (points) at ``time_ms``, not before ``record.at_ms``.

    >>> record = AccountScore(account="domain:acme.com", score=80.0, at_ms=0, band="cold", half_life_days=30, model="1")
    >>> account_score_later(record, 30 * 86_400_000)
    40.0
    """
    return round(record.score * exp2((record.at_ms - time_ms) / (record.half_life_days * DAY_MS)), 6)
