"""What leads and accounts tell each other.

A lead's shard sends a :class:`Contact`, an absolute snapshot, to the account's partition whenever the lead has changed.
Since it is absolute, what an account has of a lead is right however often a snapshot comes, and goes without a trace
when the lead leaves. An account answers with its :class:`AccountFacts` where the lead does not know them yet.
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

    ``version`` counts the lead's snapshots from 1; ``account`` is the key by which the lead knows its account.
    ``score`` (points, at least 0) is as of ``at_ms``, the lead's latest event (ms since 1970). ``days`` is a memory of
    :mod:`scoring.activity`, ``sessions`` are when the latest visits began (ms, in order, at most 8), ``marks`` the
    latest matches of the rules that signals ask about (in order, at most 4 a rule). ``same`` are hashes (8 bytes each)
    of other identities that the lead has just been seen under: until all is known, they may still be contacts of their
    own. The rest is for people to read.
    """

    lead: str
    version: int
    account: str = ""
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
    same: bytes = b""


class AccountFacts(msgspec.Struct, array_like=True, gc=False, omit_defaults=True):
    """What a lead knows of its account.

    ``version`` is a hash of the rest, and not 0. ``fit`` (0 to 10) is None where it is unknown; ``level`` is
    strong, moderate, weak, unknown or excluded, for ``reason``. ``traits`` stand in for what nobody has told of the
    lead itself.
    """

    version: int
    level: str = "unknown"
    fit: float | None = None
    profile: str = ""
    coverage: float = 0.0
    reason: str = ""
    name: str = ""
    owner: str = ""
    traits: dict[str, str | int | float | bool] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known but that nothing is known."""
        return self == AccountFacts(self.version)
