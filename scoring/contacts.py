"""A lead as its account sees it: an absolute snapshot, the newest of which counts.

A lead's shard sends one to the account's partition whenever the lead has changed. Since it is absolute, what an
account has of a lead is right however often a snapshot comes, and goes without a trace when the lead leaves.
"""

from __future__ import annotations

from typing import Final

import msgspec

SESSIONS_TOLD: Final = 8
MARKS_TOLD: Final = 4
"""Latest matches of a rule that a contact tells."""


class Mark(msgspec.Struct, array_like=True, gc=False, frozen=True, order=True):
    """A match of a rule that a signal asks about, at ``time_ms`` (ms since 1970)."""

    time_ms: int
    rule: str
    subject: str = ""


class Contact(msgspec.Struct, array_like=True, gc=False, omit_defaults=True):
    """What an account knows of a lead.

    ``version`` counts the lead's snapshots from 1. ``score`` (points, at least 0) is as of ``at_ms``, the lead's latest
    event (ms since 1970). ``days`` is a memory of :mod:`scoring.activity`, ``sessions`` are when the latest visits
    began (ms, in order, at most 8), ``marks`` the latest matches of the rules that signals ask about (in order, at most
    4 a rule). The rest is for people to read.
    """

    lead: str
    version: int
    score: float = 0.0
    at_ms: int = 0
    days: bytes = b""
    sessions: list[int] = []
    marks: list[Mark] = []
    band: str = "cold"
    phase: str = ""
    stage: str = ""
    name: str = ""
    role: str = ""
