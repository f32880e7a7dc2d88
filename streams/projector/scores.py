"""Scores → collections: what of a chunk's lead-scores and account-scores is kept, and how it is listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from scoring.account_records import AccountScore
from scoring.score_records import LeadScore
from streams.projector.batch import Batch
from streams.read_model.entries import (
    Brief,
    LeadTexts,
    Ranks,
    account_key_of,
    account_listing,
    account_ranks,
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

Record = TypeVar("Record", LeadScore, AccountScore)


class Chunk(Generic[Record]):
    """The scores of one chunk: the last record of each lead or account, and which turned out to be which."""

    def __init__(self) -> None:
        self.raw: dict[str, bytes | None] = {}
        self.decoded: dict[str, Record | None] = {}
        self.merged: dict[str, str] = {}


def read_chunk(
    records: Iterable[Any], decode: Callable[[bytes], Record], unreadable: Callable[[], None]
) -> Chunk[Record]:
    """Return what the records of a topic hold; of one that holds something else, ``unreadable`` is told."""
    chunk: Chunk[Record] = Chunk()
    for record in records:
        value = record.value
        try:
            name, decoded = record.key.decode(), None if value is None else decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, AttributeError):
            unreadable()
            continue
        if decoded is not None and decoded.merged_into:
            # The last word on one that is no more; the record without value may come in the next chunk.
            chunk.merged[name] = decoded.merged_into
            decoded = None
        chunk.raw[name], chunk.decoded[name] = value, decoded
    return chunk


def accounts_named(leads: Iterable[LeadScore | None]) -> list[str]:
    """Return the keys of leads' accounts, as the leads name them."""
    named = {record.account for record in leads if record is not None and record.account}
    return sorted(map(account_key_of, named))


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


class Shelf:
    """Where the records of a collection are put by a batch, and taken from."""

    def __init__(self, batch: Batch, collection: Collection) -> None:
        self._batch, self._collection = batch, collection
        self._records = batch.fields(collection.records)
        self._ranked = Ranks(*(batch.ranks(collection.by(rank)) for rank in Ranks._fields))

    def put(self, member: bytes, raw: bytes, ranks: Ranks[float], known_fit: float | None = None) -> None:
        """Write a record with its ranks; that by fit, which seldom changes, where it is another one than is known."""
        ranked = self._ranked
        self._records[member] = raw
        ranked.score[member] = ranks.score
        ranked.priority[member] = ranks.priority
        ranked.seen[member] = ranks.seen
        if ranks.fit != known_fit:
            ranked.fit[member] = ranks.fit

    def take_out(self, member: bytes, listed: str) -> None:
        """Take a record out, with all under which it is listed."""
        self._records[member] = None
        for ranked in self._ranked:
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

    def take(self, chunk: Chunk[LeadScore]) -> None:
        """Write a chunk's leads."""
        visitors = self._layout.visitors
        for lead, record in chunk.decoded.items():
            if not is_listed(lead):
                packed = None if record is None else self._codec.pack(record, "", NO_BRIEF)
                self._batch.set_field(visitors.records, visitors.member(lead), packed)
            elif record is None:
                self._forget(lead)
            else:
                self.put(lead, record)
        for lead, into in chunk.merged.items():
            if is_listed(lead):
                self._batch.set_field(self._leads.merged, lead, into)

    def put(self, lead: str, record: LeadScore) -> None:
        """Write a lead, and list it anew where that has changed."""
        account, brief = self._companies.of(record)
        known, member = self._listed.get(lead, _NOT_LISTED), self._leads.member(lead)
        ranks = lead_ranks(record, self._now_ms)
        self._shelf.put(member, self._codec.pack(record, account, brief), ranks, known.fit)
        texts = lead_texts(record, account, brief)
        texts_hash = hash(texts)
        if known.texts_hash != texts_hash:
            # Most records of a lead differ in their points only: to make the listing takes longer than all the rest.
            self._listed[lead] = Listed(
                texts_hash, self._relist(member, known.listing, record, account, texts), ranks.fit
            )
        elif known.fit != ranks.fit:
            self._listed[lead] = known._replace(fit=ranks.fit)

    def _relist(self, member: bytes, before: str, record: LeadScore, account: str, texts: LeadTexts) -> str:
        """List a lead anew, and tell of it if its band is another one; return the listing."""
        leads, listing = self._leads, lead_listing(texts)
        if listing != before:
            self._batch.relist(leads, member, before, listing)
            for word in read_listing(listing).company - read_listing(before).company:
                self._batch.set_rank(leads.companies, f"{word}\0{account}", 0.0)
            if self._now_ms - record.at_ms < NEWS_MS:
                _tell_band(self._batch, record, before)
        return listing

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


def read_brief(raw: bytes | None) -> Brief:
    """Return what is kept of an account for its leads' listings."""
    return NO_BRIEF if raw is None else _decode_brief(raw)


def project_accounts(
    batch: Batch, layout: Layout, chunk: Chunk[AccountScore], listed: Mapping[str, str | None], now_ms: int
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
        shelf.put(member, raw, account_ranks(record, now_ms))
        listing = account_listing(record)
        if listing != before:
            batch.relist(accounts, member, before or "", listing)
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
