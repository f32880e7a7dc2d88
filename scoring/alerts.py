"""Alerts: what is said when a lead crosses into a band, and what takes it back.

An alert's id depends only on the lead, the band and the event that caused it, so that re-running the same
events in the same order gives the same ids, and a receiver that keeps ids sees each alert once.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

import msgspec


class Evidence(msgspec.Struct, kw_only=True):
    """An event behind a ledger line: its time (ms), and the xxh3_64 hash of its id in hex."""

    time_ms: int
    hash: str


class LedgerLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of a score: what a rule, or something else of ``kind``, contributes at a moment.

    ``points`` (signed, after the ceiling) of all lines sum to the score. ``count`` is the decayed number of
    matches, ``last_ms`` the time of the latest, ``subject`` what that one was about; ``events`` are those of the
    last 64 that matched, the latest first, at most 10. A line of kind ``channel`` is what a channel's ceiling cuts
    off, ``adjusted`` is what a person has added for the reason in ``subject``, the line ``floor`` lifts a negative sum
    to 0.
    """

    rule: str
    points: float
    kind: Literal["rule", "trait", "channel", "inactivity", "adjusted", "floor"] = "rule"
    count: float = 0.0
    last_ms: int = 0
    half_life_days: float = 0.0
    points_max: float | None = None
    phase: str = ""
    subject: str = ""
    events: list[Evidence] = []


class Origin(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a lead came from at ``time_ms``, as :func:`scoring.touches.touch_of` reads it from an event."""

    time_ms: int
    source: str = ""
    medium: str = ""
    campaign: str = ""
    page: str = ""


class Cause(msgspec.Struct, kw_only=True):
    """The event that made a lead cross."""

    id: str
    type: str
    time_ms: int


class Alert(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A record of the hot-leads topic, complete in itself.

    ``kind`` is ``entered`` (with a fresh ``id``), or ``cooled`` or ``retracted``, whose ``alert_id`` names the alert
    that it ends: because the lead has become quiet, or because what the alert rested on was a machine's.
    ``time_ms`` is the time of the crossing; ``score`` (points) and ``ledger`` are as of then. ``contact`` says how to
    reach the lead; ``unknown`` names the traits that nobody has told, ``coverage`` (0 to 1) is the share of those told.
    Where the lead is a ``customer``, it is about expansion.
    """

    id: str
    kind: Literal["entered", "cooled", "retracted"]
    lead: str
    band: str
    from_band: str
    time_ms: int
    score: float
    ledger: list[LedgerLine]
    model: str
    phase: str = ""
    cause: Cause | None = None
    alert_id: str = ""
    cools_at_ms: int | None = None
    held_until_ms: int | None = None
    fit: float | None = None
    fit_level: str = ""
    stage: str = ""
    account: str = ""
    company: str = ""
    contact: dict[str, str | int | float | bool] = {}
    first_touch: Origin | None = None
    last_touch: Origin | None = None
    unknown: list[str] = []
    coverage: float | None = None
    customer: bool = False


def alert_id(lead: str, band: str, event_id: str) -> str:
    """Return the id of the alert that ``event_id`` causes by lifting ``lead`` into ``band``: 32 hex digits.

    >>> alert_id("email:ann@example.com", "hot", "e-1") == alert_id("email:ann@example.com", "hot", "e-1")
    True
    """
    return _digest(lead, band, event_id)


def signal_id(account: str, signal: str, cause: str) -> str:
    """Return the id of the buying signal that ``cause``, a record's id, completes at ``account``: 32 hex digits.

    >>> signal_id("domain:acme.com", "surge", "e-1") == signal_id("domain:acme.com", "surge", "e-2")
    False
    """
    return _digest(account, signal, cause)


def cooled_id(entered_id: str) -> str:
    """Return the id of the record that says an alert has cooled; it derives from the alert's."""
    return _digest(entered_id, "cooled")


def retracted_id(entered_id: str) -> str:
    """Return the id of the record that takes an alert back; it derives from the alert's."""
    return _digest(entered_id, "retracted")


def _digest(*parts: str) -> str:
    # A length before each part keeps ("ab", "c") and ("a", "bc") apart.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(text.encode(), digest_size=16).hexdigest()
