"""Scores → collections: what of a chunk's lead-scores and account-scores is kept, and how it is listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from scoring.account_records import AccountScore
from scoring.score_records import LeadScore
from streams.projector.batch import Batch
from streams.read_model.entries import (
    Brief,
    account_entry,
    account_key_of,
    brief_of,
    is_listed,
    lead_listing,
    lead_ranks,
    lead_texts,
    read_listing,
)
from streams.read_model.happenings import Happening, Reason
from streams.read_model.layout import Collection, Layout
from streams.read_model.packing import LeadCodec

RANKS: Final = ("score", "priority", "fit", "seen")
NEWS_MS: Final = 3_600_000
"""The feed tells what is as new as this: a rebuild does not tell of last year."""

REASONS_TOLD: Final = 3

encode = msgspec.json.Encoder().encode
NO_BRIEF: Final = Brief()
_decode_brief = msgspec.json.Decoder(Brief).decode


class Listed(NamedTuple):
    """How a lead is listed: a hash of its texts, 0 where it is not known; the listing, and its fit's rank."""

    texts_hash: int
    listing: str
    fit: float | None = None


_NOT_LISTED: Final = Listed(0, "")

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
        return key, self.briefs.get(key, NO_BRIEF)


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


class Shelf:
    """Where the records of a collection are put by a batch, and taken from."""

    def __init__(self, batch: Batch, collection: Collection) -> None:
        self._batch, self._collection = batch, collection
        self._records = batch.fields(collection.records)
        self._ranks = {rank: batch.ranks(collection.by(rank)) for rank in RANKS}

    def put(self, member: bytes, raw: bytes, ranks: Mapping[str, float]) -> None:
        """Write a record with its ranks, or those of them that are others than before."""
        self._records[member] = raw
        for rank, value in ranks.items():
            self._ranks[rank][member] = value

    def take_out(self, member: bytes, listed: str) -> None:
        """Take a record out, with all under which it is listed."""
        self._records[member] = None
        for ranked in self._ranks.values():
            ranked[member] = None
        self._batch.relist(self._collection, member, listed, "")


class LeadProjection:
    """Writes leads; ``listed`` is how they are listed, and is brought up to date."""

    def __init__(
        self,
        batch: Batch,
        layout: Layout,
        codec: LeadCodec,
        listed: dict[str, Listed],
        companies: Companies,
        now_ms: int,
    ) -> None:
        self._batch, self._layout, self._codec = batch, layout, codec
        self._listed, self._companies, self._now_ms = listed, companies, now_ms
        self._leads, self._shelf = layout.leads, Shelf(batch, layout.leads)

    def take(self, chunk: LeadChunk) -> None:
        """Write a chunk's leads."""
        visitors = self._layout.visitors
        for lead, record in chunk.decoded.items():
            if not is_listed(lead):
                packed = None if record is None else self._codec.pack(record, "", NO_BRIEF)
                self._batch.set_field(visitors.records, visitors.member(lead), packed)
            elif record is None:
                self._forget(lead)
            else:
                before = self._listed.get(lead)
                self.put(lead, record)
                if before is not None and self._now_ms - record.at_ms < NEWS_MS:
                    _tell_band(self._batch, record, before.listing)
        for lead, into in chunk.merged.items():
            if is_listed(lead):
                self._batch.set_field(self._leads.merged, lead, into)

    def put(self, lead: str, record: LeadScore) -> None:
        """Write a lead, and list it anew where that has changed."""
        account, brief = self._companies.of(record)
        texts = lead_texts(record, account, brief)
        known, leads = self._listed.get(lead, _NOT_LISTED), self._leads
        # Most records of a lead differ in their points only: to make the listing takes longer than all the rest.
        texts_hash, member = hash(texts), leads.member(lead)
        is_same = known.texts_hash == texts_hash
        listing = known.listing if is_same else lead_listing(texts)
        ranks = lead_ranks(record, self._now_ms)
        fit = ranks["fit"]
        if known.fit == fit:
            del ranks["fit"]
        self._shelf.put(member, self._codec.pack(record, account, brief), ranks)
        if listing != known.listing:
            self._batch.relist(leads, member, known.listing, listing)
            for word in read_listing(listing).company - read_listing(known.listing).company:
                self._batch.set_rank(leads.companies, f"{word}\0{account}", 0.0)
        if not (is_same and known.fit == fit):
            self._listed[lead] = Listed(texts_hash, listing, fit)

    def _forget(self, lead: str) -> None:
        layout = self._layout
        known = self._listed.pop(lead, _NOT_LISTED)
        self._shelf.take_out(self._leads.member(lead), known.listing)
        for key in (layout.alerts(lead), layout.follow_ups(lead), layout.history(lead)):
            self._batch.forget(key)
        for key in (layout.waiting, layout.raised_hands):
            self._batch.set_rank(key, lead, None)


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
        return {name: NO_BRIEF if record is None else brief_of(record) for name, record in self.decoded.items()}


def read_brief(raw: bytes | None) -> Brief:
    """Return what is kept of an account for its leads' listings."""
    return NO_BRIEF if raw is None else _decode_brief(raw)


def project_accounts(
    batch: Batch, layout: Layout, chunk: AccountChunk, listed: Mapping[str, str | None], now_ms: int
) -> None:
    """Write a chunk's accounts."""
    accounts = layout.accounts
    shelf = Shelf(batch, accounts)
    for name, record in chunk.decoded.items():
        raw, before, member = chunk.raw[name], listed.get(name), accounts.member(name)
        if record is None or raw is None:
            shelf.take_out(member, before or "")
            batch.set_field(layout.briefs, name, None)
            batch.forget(layout.signals(name))
            continue
        entry = account_entry(record, now_ms)
        shelf.put(member, raw, entry.ranks)
        if entry.listing != before:
            batch.relist(accounts, member, before or "", entry.listing)
        brief = brief_of(record)
        batch.set_field(layout.briefs, name, None if brief == NO_BRIEF else encode(brief))
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
