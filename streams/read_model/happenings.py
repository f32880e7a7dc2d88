"""What the live feed tells: one line a happening, small enough for a phone."""

from __future__ import annotations

from typing import Final

import msgspec

REASONS_TOLD: Final = 3


class Reason(msgspec.Struct, frozen=True):
    """What contributed how many points."""

    name: str
    points: float


class Happening(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Something that somebody who looks on should see; ``time_ms`` is when it was so.

    ``kind`` is ``alert`` (a lead entered a band that alerts), ``cooled``, ``band`` (a lead changed its band quietly),
    ``signal`` (of an account), ``account`` (one changed its band), ``follow-up`` (sales did something).
    """

    kind: str
    time_ms: int
    lead: str = ""
    account: str = ""
    name: str = ""
    band: str = ""
    from_band: str = ""
    score: float = 0.0
    owner: str = ""
    what: str = ""
    by: str = ""
    polarity: str = ""
    reasons: list[Reason] = []


class Snapshot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A record of lead-history, as far as it is read here: a lead's score at a moment, and what made it."""

    lead: str
    at_ms: int
    score: float
    band: str
    from_band: str = ""
    phase: str = ""
    rules: dict[str, float] = {}


_PackedSnapshot = tuple[int, float, str, str, str, dict[str, float]]
_decode_packed = msgspec.msgpack.Decoder(_PackedSnapshot).decode


def pack_snapshot(snapshot: Snapshot) -> bytes:
    """Return a snapshot as it lies in its lead's list: half as long as its record."""
    each = snapshot
    return msgspec.msgpack.encode((each.at_ms, each.score, each.band, each.from_band, each.phase, each.rules))


def unpack_snapshot(lead: str, raw: bytes) -> Snapshot:
    """Return what was packed of a lead.

    >>> snapshot = Snapshot(lead="user:7", at_ms=5, score=1.5, band="warm", rules={"visit": 1.5})
    >>> unpack_snapshot("user:7", pack_snapshot(snapshot)) == snapshot
    True
    """
    at_ms, score, band, from_band, phase, rules = _decode_packed(raw)
    return Snapshot(lead=lead, at_ms=at_ms, score=score, band=band, from_band=from_band, phase=phase, rules=rules)


class FollowUpRead(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A record of follow-ups, as far as it is read here."""

    id: str
    lead: str
    action: str
    time: int | str
    reason: str = ""
    note: str = ""
    points: float | None = None
    until: int | str | None = None
    by: str = ""
    source: str = ""


class Health(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How far everybody has come, as of ``at_ms``: records that lie ahead, per topic.

    ``filling`` is the share (0 to 1) of what there was to read when the projector began, None once it has caught up.
    """

    at_ms: int
    worker_lag: dict[str, int] = {}
    projector_lag: dict[str, int] = {}
    filling: float | None = None


class RuleStatistics(msgspec.Struct, kw_only=True):
    """Over how many leads a rule or trait has a say now, and the points that it comes to there."""

    leads: int = 0
    points: float = 0.0


class Statistics(msgspec.Struct, kw_only=True):
    """What the last sweep over all leads found, as of ``at_ms``."""

    at_ms: int
    leads: int = 0
    rules: dict[str, RuleStatistics] = {}
    traits: dict[str, RuleStatistics] = {}
    with_fit: int = 0
    with_account: int = 0
