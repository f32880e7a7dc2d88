"""How a lead lies in Redis: a third of the bytes of its record.

A model's rules are a few dozen, and each line of each lead would name one of them with its half-life and ceiling. So
these *kinds* of lines lie in a table of their own, under numbers that are hashes: the same in every Redis, whoever
fills it. Beside the record lies what the lead is listed by that is not in it, so that it can be taken out again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
import xxhash

from scoring.lead_state import Answer
from scoring.score_records import AdjustedLine, LeadScore, SalesNow, ScoreLine, TraitLine
from streams.read_model.entries import Brief, account_key_of

Kind = tuple[str, float, float | None, str]
"""What lines of one rule have in common: its name, its half-life (days), its ceiling (points), its channel."""

_NUMBERS: Final = 1 << 32


class _Packed(msgspec.Struct, array_like=True, gc=False):
    """A lead's record by place, not by name; ``kinds``, ``points`` and ``amounts`` are its rules' lines.

    ``listed`` is the key of its account, where that is another one than the record says, its industry and owner. From
    ``lead`` on the fields are the record's own.
    """

    listed: tuple[str | None, str, str]
    kinds: list[int]
    points: list[float]
    amounts: list[float | None]
    traits: list[tuple[str, float, bool]]
    lead: str
    score: float
    at_ms: int
    band: str
    model: str
    stage: str
    phase: str
    account: str
    company: str
    fit: float | None
    fit_level: str
    held_back: str
    contact: dict[str, Answer]
    channels: dict[str, float]
    inactive_from_ms: int | None
    inactive_points: float
    cools_at_ms: int | None
    held_until_ms: int | None
    seen_at_ms: int | None
    adjusted: list[AdjustedLine]
    sales: SalesNow | None


_FIELDS: Final = _Packed.__struct_fields__
# A record is packed once an update: these take its parts out without a step of Python for each of them.
_own_of = attrgetter(*_FIELDS[_FIELDS.index("lead") :])
_kind_of = attrgetter("rule", "half_life_days", "points_max", "channel")
_points_of = attrgetter("points")
_amount_of = attrgetter("amount")
_trait_of = attrgetter("trait", "points", "of_account")


class Unpacked(NamedTuple):
    """A lead's record, with the key of its account and what it was listed by from there."""

    record: LeadScore
    account: str
    brief: Brief


class UnknownKind(KeyError):  # noqa: N818 - a table that is to be read again, not a mistake
    """A line is of a kind that the table, as it was read last, does not have."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Packed).decode
_encode_kind = msgspec.msgpack.Encoder().encode
_decode_kind = msgspec.msgpack.Decoder(Kind).decode


class LeadCodec:
    """Packs leads and unpacks them; :attr:`news` are the kinds of lines that are not in the table yet."""

    def __init__(self) -> None:
        self._numbers: dict[Kind, int] = {}
        self._kinds: dict[int, Kind] = {}
        self.news: dict[int, bytes] = {}

    def pack(self, record: LeadScore, account: str, brief: Brief) -> bytes:
        """Return a lead as it lies in Redis, listed under its ``account`` and what its leads are listed by."""
        rules = record.rules
        try:
            kinds = list(map(self._numbers.__getitem__, map(_kind_of, rules)))
        except KeyError:
            kinds = list(map(self._number, map(_kind_of, rules)))
        amounts = list(map(_amount_of, rules))
        return _encode(
            (
                (None if account == account_key_of(record.account) else account, brief.industry, brief.owner),
                kinds,
                list(map(_points_of, rules)),
                amounts if amounts.count(None) < len(amounts) else (),
                list(map(_trait_of, record.traits)),
                *_own_of(record),
            )
        )

    def unpack(self, raw: bytes) -> Unpacked:
        """Return what was packed; raises :class:`UnknownKind`."""
        packed = _decode(raw)
        amounts = packed.amounts or [None] * len(packed.kinds)
        rules = []
        for number, points, amount in zip(packed.kinds, packed.points, amounts, strict=True):
            kind = self._kinds.get(number)
            if kind is None:
                raise UnknownKind(number)
            rule, half_life_days, points_max, channel = kind
            rules.append(ScoreLine(rule, points, half_life_days, points_max, amount, channel))
        account, industry, owner = packed.listed
        record = LeadScore(
            packed.lead,
            packed.score,
            packed.at_ms,
            packed.band,
            rules,
            packed.model,
            packed.stage,
            packed.phase,
            packed.account,
            packed.company,
            packed.fit,
            packed.fit_level,
            packed.held_back,
            packed.contact,
            [TraitLine(*trait) for trait in packed.traits],
            packed.channels,
            packed.inactive_from_ms,
            packed.inactive_points,
            packed.cools_at_ms,
            packed.held_until_ms,
            "",
            packed.seen_at_ms,
            packed.adjusted,
            packed.sales,
        )
        return Unpacked(record, account_key_of(record.account) if account is None else account, Brief(industry, owner))

    def learn(self, table: Mapping[bytes, bytes]) -> None:
        """Take the table as it lies in Redis."""
        for number, raw in table.items():
            kind = _decode_kind(raw)
            self._kinds[int(number)], self._numbers[kind] = kind, int(number)

    def _number(self, kind: Kind) -> int:
        """Return the number of a kind, which is given one if it has none."""
        number = self._numbers.get(kind)
        if number is not None:
            return number
        raw = _encode_kind(kind)
        number = xxhash.xxh32_intdigest(raw)
        while self._kinds.get(number, kind) != kind:
            number = (number + 1) % _NUMBERS
        self._kinds[number], self._numbers[kind] = kind, number
        self.news[number] = raw
        return number


async def unpack_leads(redis: Any, table: str, codec: LeadCodec, raws: Sequence[bytes | None]) -> list[Unpacked | None]:
    """Return leads as they lie in Redis, whose table of kinds is read where it has grown.

    One of a kind that is not in the table is None: Redis has been emptied between the two.
    """
    found: list[Unpacked | None] = []
    is_read = False
    for raw in raws:
        if raw is None:
            found.append(None)
            continue
        try:
            found.append(codec.unpack(raw))
            continue
        except UnknownKind:
            if not is_read:
                codec.learn(await redis.hgetall(table))
                is_read = True
        try:
            found.append(codec.unpack(raw))
        except UnknownKind:
            found.append(None)
    return found
