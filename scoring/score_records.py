"""What is published of a lead's score, with all that is needed to compute it at any later time."""

from __future__ import annotations

from math import exp2
from typing import Final

import msgspec

from scoring.decay import DAY_MS
from scoring.lead_state import Answer


class ScoreLine(msgspec.Struct, omit_defaults=True, gc=False):
    """What one rule contributes to a published score.

    ``amount`` is what the rule would contribute without its ceiling; left out where it equals ``points``. ``channel``
    is named where the channel has a ceiling.
    """

    rule: str
    points: float
    half_life_days: float
    points_max: float | None = None
    amount: float | None = None
    channel: str = ""


class TraitLine(msgspec.Struct, omit_defaults=True, gc=False):
    """What one trait contributes; it does not fade. ``of_account``: nobody has told it but the account."""

    trait: str
    points: float
    of_account: bool = False


class AdjustedLine(msgspec.Struct, omit_defaults=True, gc=False):
    """Points that a person has added, or taken away, for a reason; they count until ``until_ms``."""

    reason: str
    points: float
    until_ms: int


class SalesNow(msgspec.Struct, omit_defaults=True, gc=False):
    """Where a lead stands with sales: the latest of their answers, at ``at_ms``; why it is suppressed, if it is."""

    status: str = ""
    at_ms: int = 0
    customer: bool = False
    suppressed: str = ""


class LeadScore(msgspec.Struct, omit_defaults=True, gc=False):
    """A record of the lead-scores topic: the score as of ``at_ms``, and how it goes on.

    At a later time t, if nothing else happens, a rule contributes::

        sign(points)·min(points_max, |amount|·2^(−(t − at_ms)/half_life))

    and the score is the sum of all rules, where those of one of ``channels`` count at most its ceiling together, and of
    all ``traits``, of what is ``adjusted`` until that ends, and of ``inactive_points``
    from ``inactive_from_ms`` on; it is not below 0. :func:`score_later` is
    this formula.

    ``seen_at_ms`` is when the lead did something last, where that was before ``at_ms``: a cooling since has moved this.
    ``fit`` (0 to 10) and ``fit_level`` are the account's, ``company`` is its name. ``held_back`` says why the lead is
    not in the band that its points are for: what its account's fit has to do with it.

    ``stage`` is ``visitor`` (not identified), ``inactive`` (no conversion yet) or ``converted``. Where ``merged_into``
    is given, the lead is no more: it turned out to be that one. A record without value follows.
    """

    lead: str
    score: float
    at_ms: int
    band: str
    rules: list[ScoreLine]
    model: str
    stage: str = ""
    phase: str = ""
    account: str = ""
    company: str = ""
    fit: float | None = None
    fit_level: str = ""
    held_back: str = ""
    contact: dict[str, Answer] = {}
    traits: list[TraitLine] = []
    channels: dict[str, float] = {}
    inactive_from_ms: int | None = None
    inactive_points: float = 0.0
    cools_at_ms: int | None = None
    held_until_ms: int | None = None
    merged_into: str = ""
    seen_at_ms: int | None = None
    adjusted: list[AdjustedLine] = []
    sales: SalesNow | None = None

    @property
    def seen_ms(self) -> int:
        """When the lead did something last (ms since 1970)."""
        return self.at_ms if self.seen_at_ms is None else self.seen_at_ms


class LeadSnapshot(msgspec.Struct, omit_defaults=True, gc=False):
    """A record of the lead-history topic: a lead's score (points) as of its time ``at_ms``, and what it was made of.

    One is written when the lead changes its band, and with the first event of each day (UTC). ``rules`` are the points
    of the rules and traits that contribute most, at most :data:`REASONS_KEPT`.
    """

    lead: str
    at_ms: int
    score: float
    band: str
    from_band: str = ""
    phase: str = ""
    rules: dict[str, float] = {}
    model: str = ""


REASONS_KEPT: Final = 5

_TO_WHOLE: Final = 1.5 * 2**52
"""Added and taken away again it rounds to a whole number, a half to the even one, as round() does in ten times as long;
up to 2 to the power of 51, which no points reach."""


def snapshot_of(record: LeadScore, from_band: str) -> LeadSnapshot:
    """Return what is kept of a published score; ``from_band`` is the band before, where it was another.

    >>> record = LeadScore("user:7", 10.0, 0, "warm", [ScoreLine("visit", 10.0, 7)], "1")
    >>> snapshot_of(record, "cold").rules
    {'visit': 10.0}
    """
    points: dict[str, float] = {}
    for line in record.rules:
        points[line.rule] = line.points
    for trait in record.traits:
        points[trait.trait] = trait.points
    if len(points) > REASONS_KEPT:
        points = dict(sorted(points.items(), key=_magnitude, reverse=True)[:REASONS_KEPT])
    for name, amount in points.items():
        points[name] = (amount * 100.0 + _TO_WHOLE - _TO_WHOLE) / 100.0
    return LeadSnapshot(
        record.lead, record.at_ms, record.score, record.band, from_band, record.phase, points, record.model
    )


def to_millionths(points: float) -> float:
    """Return what ``round(points, 6)`` returns, nearly always in a third of the time.

    The whole number of millionths is that of the exact product, unless this lies so near a half that its own rounding
    may decide; divided by a million, it is the number that is nearest to those six places.

    >>> to_millionths(2 / 3), to_millionths(0.1234565), to_millionths(-1e20)
    (0.666667, 0.123456, -1e+20)
    """
    millionths = points * 1e6
    whole = millionths + _TO_WHOLE - _TO_WHOLE
    if -0.499 < millionths - whole < 0.499 and -1e12 < whole < 1e12:
        return whole / 1e6
    return round(points, 6)


def _magnitude(line: tuple[str, float]) -> float:
    return abs(line[1])


def merged_record(lead: str, into: str, model: str) -> LeadScore:
    """Return the last record of a lead that turned out to be ``into``."""
    return LeadScore(lead, 0.0, 0, "cold", [], model, merged_into=into)


def line_later(line: ScoreLine, wait_ms: float) -> float:
    """Return what a line contributes (points) ``wait_ms`` after its record, before any channel's ceiling."""
    amount = line.points if line.amount is None else line.amount
    faded = amount * exp2(-wait_ms / (line.half_life_days * DAY_MS))
    ceiling = abs(faded) if line.points_max is None else line.points_max
    return max(-ceiling, min(ceiling, faded))


def score_later(record: LeadScore, time_ms: int) -> float:
    """Return the score (points) of a published record at ``time_ms``, not before ``record.at_ms``.

    >>> line = ScoreLine(rule="visit", points=10.0, half_life_days=7)
    >>> record = LeadScore(lead="user:7", score=10.0, at_ms=0, band="cold", rules=[line], model="1")
    >>> score_later(record, 7 * 86_400_000)
    5.0
    """
    sums: dict[str, float] = {}
    for line in record.rules:
        sums[line.channel] = sums.get(line.channel, 0.0) + line_later(line, time_ms - record.at_ms)
    total = sum(min(points, record.channels.get(channel, points)) for channel, points in sums.items())
    total += sum(line.points for line in record.traits)
    total += sum(line.points for line in record.adjusted if time_ms < line.until_ms)
    if record.inactive_from_ms is not None and time_ms >= record.inactive_from_ms:
        total += record.inactive_points
    return round(max(0.0, total), 6)
