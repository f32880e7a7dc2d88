"""A lead lies in Redis packed, and comes out of it whole; its rules are found in a table whoever has filled it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from scoring.score_records import AdjustedLine, LeadScore, SalesNow, ScoreLine, TraitLine
from streams.read_model.entries import Brief, lead_listing, lead_texts, read_listing
from streams.read_model.packing import LeadCodec, UnknownKind, unpack_leads
from tests.topic_records import lead_score

FULL = LeadScore(
    lead="email:ann@acme.com",
    score=12.5,
    at_ms=1_790_000_000_000,
    band="warm",
    rules=[
        ScoreLine("view", 10.0, 14.0, 10.0, 12.3, "web"),
        ScoreLine("demo", 2.5, 90.0),
        ScoreLine("view", 1.0, 7.0),  # as another model had it
    ],
    model="2026-11-01",
    stage="converted",
    phase="decision",
    account="acme.com",
    company="Acme",
    fit=8.25,
    fit_level="strong",
    held_back="waits",
    contact={"name": "Ann", "employees": 12, "score": 1.5, "known": True},
    traits=[TraitLine("seniority", 10.0), TraitLine("size", 5.0, of_account=True)],
    channels={"web": 60.0},
    inactive_from_ms=1_790_000_000_001,
    inactive_points=-15.0,
    cools_at_ms=1_790_000_000_002,
    held_until_ms=1_790_000_000_003,
    seen_at_ms=1_789_999_999_999,
    adjusted=[AdjustedLine("met at the fair", 20.0, 1_790_000_000_004)],
    sales=SalesNow("contacted", 5, customer=True, suppressed="asked"),
)


def test_every_field_of_a_record_comes_out_as_it_went_in() -> None:
    for field in msgspec.structs.fields(LeadScore):
        is_set = field.required or getattr(FULL, field.name) != field.default
        assert is_set or field.name == "merged_into", field.name
    codec = LeadCodec()
    for account, brief in (("domain:acme.com", Brief()), ("account:42", Brief("Retail", "Jo"))):
        assert codec.unpack(codec.pack(FULL, account, brief)) == (FULL, account, brief)


def test_a_packed_record_takes_half_of_what_it_took() -> None:
    codec, records = LeadCodec(), [lead_score(number, 1_790_000_000_000) for number in range(100)]
    packed = sum(len(codec.pack(record, record.account, Brief())) for record in records)
    assert packed < sum(len(msgspec.json.encode(record)) for record in records) / 2


def test_kinds_have_the_same_numbers_whoever_meets_them_first() -> None:
    first, second = LeadCodec(), LeadCodec()
    second.pack(lead_score(2, 0), "", Brief())
    raw = first.pack(FULL, "", Brief())
    assert second.pack(FULL, "", Brief()) == raw
    with pytest.raises(UnknownKind):
        LeadCodec().unpack(raw)
    reader = LeadCodec()
    reader.learn({str(number).encode(): kind for number, kind in first.news.items()})
    assert reader.unpack(raw).record == FULL


class _Table:
    """A Redis that holds the table of kinds."""

    def __init__(self, table: dict[bytes, bytes]) -> None:
        self.table, self.asked = table, 0

    async def hgetall(self, key: str) -> dict[bytes, bytes]:
        self.asked += 1
        return self.table


def test_the_table_is_read_when_it_has_grown_and_who_is_not_in_it_is_gone() -> None:
    writer = LeadCodec()
    raws = [writer.pack(FULL, "", Brief()), None, writer.pack(lead_score(2, 0), "", Brief())]
    table = _Table({str(number).encode(): kind for number, kind in writer.news.items()})
    for known, expected in ((table, [True, False, True]), (_Table({}), [False, False, False])):
        found = asyncio.run(unpack_leads(known, "kinds", LeadCodec(), raws))
        assert [each is not None for each in found] == expected
        assert known.asked == 1


def test_a_lead_is_listed_under_its_own_words_and_its_company_s_once_for_all() -> None:
    listing = read_listing(lead_listing(lead_texts(FULL, "domain:acme.com", Brief())))
    assert (listing.words, listing.company) == ({"ann"}, {"acme", "com"})
