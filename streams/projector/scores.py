"""Scores → collections: what of a chunk's lead-scores and account-scores is kept, and how it is listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from scoring.account_records import AccountScore
from scoring.score_records import LeadScore
from streams.projector.batch import Batch
from streams.read_model.entries import (
    Brief,
    Entry,
    account_entry,
    account_key_of,
    brief_of,
    is_listed,
    lead_listing,
    lead_ranks,
    lead_texts,
)
from streams.read_model.happenings import Happening, Reason
from streams.read_model.layout import Layout

RANKS: Final = ("score", "priority", "fit", "seen")
NEWS_MS: Final = 3_600_000
"""The feed tells what is as new as this: a rebuild does not tell of last year."""

REASONS_TOLD: Final = 3

encode = msgspec.json.Encoder().encode
_decode_brief = msgspec.json.Decoder(Brief).decode


Listed = tuple[int, str | None]
"""A hash of what a lead is listed by, 0 where it is not known, and the listing, None where there is none."""

NOT_LISTED: Final[Listed] = (0, None)

Decoded = tuple[str, bytes | None, Any]
"""Key, value, and what the value holds; of a record without value, None twice."""


class Companies:
    """What is known of accounts: which one a key stands for, and what its leads are listed by."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}
        """Key as told → key; the same where it stands for itself."""
        self.briefs: dict[str, Brief] = {}

    def of(self, record: LeadScore) -> tuple[str, Brief]:
        """Return the key of a lead's account, and what it is listed by."""
        told = account_key_of(record.account)
        key = self.aliases.get(told, told)
        return key, self.briefs.get(key, _NO_BRIEF)


class LeadChunk:
    """The lead-scores of one chunk: the last record of each lead, and who turned out to be whom."""

    def __init__(self, records: Iterable[Decoded]) -> None:
        self.raw: dict[str, bytes | None] = {}
        self.decoded: dict[str, LeadScore | None] = {}
        self.merged: dict[str, str] = {}
        for lead, value, record in records:
            self.raw[lead], self.decoded[lead] = value, record
            if record is not None and record.merged_into:
                # The last word on a lead that is no more; the record without value may come in the next chunk.
                self.merged[lead] = record.merged_into
                self.decoded[lead] = None

    @property
    def accounts(self) -> list[str]:
        """The keys of its leads' accounts, as the leads name them."""
        named = {record.account for record in self.decoded.values() if record is not None and record.account}
        return sorted(map(account_key_of, named))


def project_leads(
    batch: Batch,
    layout: Layout,
    chunk: LeadChunk,
    listed: dict[str, Listed],
    companies: Companies,
    now_ms: int,
) -> None:
    """Write a chunk's leads; ``companies`` is what is known of their accounts.

    ``listed`` is how leads are listed, and is brought up to date.
    """
    leads, visitors = layout.leads, layout.visitors
    for lead, record in chunk.decoded.items():
        raw = chunk.raw[lead]
        if not is_listed(lead):
            batch.set_field(visitors.records, lead, None if record is None else raw)
            continue
        if record is None or raw is None:
            batch.unlist(leads, lead, RANKS, listed.get(lead, NOT_LISTED)[1])
            listed[lead] = NOT_LISTED
            for key in (layout.alerts(lead), layout.follow_ups(lead), layout.history(lead)):
                batch.forget(key)
            for key in (layout.waiting, layout.raised_hands):
                batch.set_rank(key, lead, None)
            continue
        texts = lead_texts(record, *companies.of(record))
        known, before = listed.get(lead, NOT_LISTED)
        # Most records of a lead differ in their points only: to make the listing takes longer than all the rest.
        texts_hash = hash(texts)
        listing = before if before is not None and known == texts_hash else lead_listing(texts)
        batch.list_entry(leads, lead, raw, Entry(lead_ranks(record, now_ms), listing), before)
        listed[lead] = (texts_hash, listing)
        if before is not None and now_ms - record.at_ms < NEWS_MS:
            _tell_band(batch, record, before)
    for lead, into in chunk.merged.items():
        if is_listed(lead):
            batch.set_field(leads.merged, lead, into)


_NO_BRIEF: Final = Brief()


def _tell_band(batch: Batch, record: LeadScore, before: str) -> None:
    from_band = _band_of(before)
    if from_band in ("", record.band):
        return
    happening = Happening(
        kind="band",
        time_ms=record.at_ms,
        lead=record.lead,
        account=record.account,
        name=str(record.contact.get("name", "")),
        band=record.band,
        from_band=from_band,
        score=record.score,
        owner=str(record.contact.get("owner", "")),
        reasons=reasons_of(record),
    )
    batch.tell(happening.kind, encode(happening))


def reasons_of(record: LeadScore) -> list[Reason]:
    """Return what contributes most to a published score."""
    lines = [Reason(line.rule, line.points) for line in record.rules]
    lines += [Reason(line.trait, line.points) for line in record.traits]
    return sorted(lines, key=lambda line: -abs(line.points))[:REASONS_TOLD]


def _band_of(listing: str) -> str:
    """Return the band under which something is listed.

    >>> _band_of("band=hot\\x1fphase=decision\\x1eann")
    'hot'
    """
    first = listing.partition("\x1e")[0].partition("\x1f")[0]
    return first.removeprefix("band=") if first.startswith("band=") else ""


class AccountChunk:
    """The account-scores of one chunk: the last record of each account, and which turned out to be which."""

    def __init__(self, records: Iterable[Decoded]) -> None:
        self.raw: dict[str, bytes | None] = {}
        self.decoded: dict[str, AccountScore | None] = {}
        self.merged: dict[str, str] = {}
        for account, value, record in records:
            self.raw[account], self.decoded[account] = value, record
            if record is not None and record.merged_into:
                self.merged[account] = record.merged_into
                self.decoded[account] = None

    @property
    def briefs(self) -> dict[str, Brief]:
        """What leads are listed by of these accounts."""
        return {name: _NO_BRIEF if record is None else brief_of(record) for name, record in self.decoded.items()}


def read_brief(raw: bytes | None) -> Brief:
    """Return what is kept of an account for its leads' listings."""
    return _NO_BRIEF if raw is None else _decode_brief(raw)


def project_accounts(
    batch: Batch, layout: Layout, chunk: AccountChunk, listed: Mapping[str, str | None], now_ms: int
) -> None:
    """Write a chunk's accounts."""
    accounts = layout.accounts
    for name, record in chunk.decoded.items():
        raw, before = chunk.raw[name], listed.get(name)
        if record is None or raw is None:
            batch.unlist(accounts, name, RANKS, before)
            batch.set_field(layout.briefs, name, None)
            batch.forget(layout.signals(name))
            continue
        batch.list_entry(accounts, name, raw, account_entry(record, now_ms), before)
        brief = brief_of(record)
        batch.set_field(layout.briefs, name, None if brief == _NO_BRIEF else encode(brief))
        from_band = "" if before is None else _band_of(before)
        if from_band not in ("", record.band) and now_ms - record.at_ms < NEWS_MS:
            happening = Happening(
                kind="account",
                time_ms=record.at_ms,
                account=name,
                name=record.name,
                band=record.band,
                from_band=from_band,
                score=record.score,
                owner=record.owner,
            )
            batch.tell(happening.kind, encode(happening))
    for name, into in chunk.merged.items():
        batch.set_field(accounts.merged, name, into)
