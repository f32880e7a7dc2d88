"""One chunk into Redis: what is known is read, what changes is written, and with it the offsets, in one transaction.

The offsets are watched while the chunk is made. If Redis is flushed or replaced meanwhile, or a second projector
writes, nothing of the chunk is written (:class:`Moved`), and the projector goes back to what Redis says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from redis.exceptions import WatchError

from scoring.account_records import AccountScore
from scoring.errors import LeadheatError
from scoring.score_records import LeadScore
from streams.projector.batch import Batch
from streams.projector.happened import TOPICS, Happened, leads_of
from streams.projector.scores import (
    NO_BRIEF,
    Chunk,
    Companies,
    LeadProjection,
    Listed,
    Record,
    accounts_named,
    project_accounts,
    read_brief,
    read_chunk,
)
from streams.read_model.entries import (
    account_key_of,
    account_listing,
    brief_of,
    decode_account,
    decode_lead,
    fit_rank,
    is_listed,
    lead_listing,
    lead_texts,
    term,
)
from streams.read_model.layout import ALERTS_KEPT, FOLLOW_UPS_KEPT, SNAPSHOTS_KEPT, Layout
from streams.read_model.packing import LeadCodec, Unpacked, unpack_leads
from streams.topics import ACCOUNT_SCORES, LEAD_SCORES, Topic

KEPT_MAX: Final = 200_000
"""Listings that are remembered: some 60 MB."""

Offsets = dict[tuple[str, int], int]
"""(topic's name, partition) → the next offset."""


class Moved(LeadheatError):  # noqa: N818 - a state of the world, not a mistake
    """Redis does not stand where we left it: start again from what it says."""


class Writer:
    """Writes chunks to one Redis; ``unreadable`` is told the topic of each record that holds something else."""

    def __init__(self, redis: Any, layout: Layout, unreadable: Callable[[Topic], None]) -> None:
        self._redis, self._layout, self._unreadable = redis, layout, unreadable
        # How leads are listed, and what is known of accounts, as of our last transaction. Nobody else writes, or we
        # hear of it.
        self._listed: dict[str, Listed] = {}
        self._contacts: dict[str, str] = {}
        self._companies = Companies()
        self._codec = LeadCodec()

    def start_over(self) -> None:
        """Forget what Redis held: it is another one now."""
        self._listed.clear()
        self._contacts.clear()
        self._companies = Companies()
        self._codec = LeadCodec()

    async def write(self, chunk: Mapping[Topic, Sequence[Any]], before: Offsets, after: Offsets, now_ms: int) -> None:
        """Write the records of a chunk, by topic; ``before`` is where Redis must stand for its partitions.

        Raises :class:`Moved`, with nothing written.
        """
        layout, batch = self._layout, Batch()
        fields = [offset_field(*place) for place in before]
        async with self._redis.pipeline(transaction=True) as pipe:
            await pipe.watch(layout.offsets)
            stored = await pipe.hmget(layout.offsets, fields)
            if [0 if each is None else int(each) for each in stored] != list(before.values()):
                raise Moved("the offsets in Redis are other ones")
            await self._fill(pipe, batch, chunk, now_ms)
            if self._codec.news:
                batch.fields(layout.leads.kinds).update(
                    (str(number), kind) for number, kind in self._codec.news.items()
                )
            pipe.multi()
            batch.queue(pipe, layout.feed)
            pipe.hset(layout.offsets, mapping={offset_field(*place): offset for place, offset in after.items()})
            pipe.incr(layout.version)
            try:
                await pipe.execute()
            except WatchError:
                raise Moved("somebody wrote to Redis meanwhile") from None
        self._codec.news.clear()

    async def _fill(self, pipe: Any, batch: Batch, chunk: Mapping[Topic, Sequence[Any]], now_ms: int) -> None:
        layout, companies = self._layout, self._companies
        accounts = self._read(ACCOUNT_SCORES, chunk, decode_account)
        leads = self._read(LEAD_SCORES, chunk, decode_lead)
        briefs = {name: NO_BRIEF if record is None else brief_of(record) for name, record in accounts.decoded.items()}
        self._make_room()
        await self._learn(pipe, [*accounts_named(leads.decoded.values()), *briefs])
        projection = LeadProjection(batch, layout, self._codec, self._listed, companies, now_ms)
        if accounts.raw:
            project_accounts(batch, layout, accounts, await self._accounts_listed(pipe, [*accounts.raw]), now_ms)
            changed = [name for name, brief in briefs.items() if companies.briefs[name] != brief]
            companies.briefs |= briefs
            aliases = accounts.merged | await self._find_aliases(pipe, accounts, leads)
            for told, key in aliases.items():
                batch.set_field(layout.accounts.merged, told, key)
            companies.aliases |= aliases
            await self._learn(pipe, list(aliases.values()))
            await self._relist_leads(pipe, projection, [*changed, *aliases], leads)
        if leads.raw:
            await self._remember(pipe, [lead for lead in leads.raw if lead not in self._listed and is_listed(lead)])
            projection.take(leads)
            for lead in leads.raw:
                self._contacts.pop(lead, None)
            await self._carry_along(pipe, batch, leads.merged)
        await self._fill_happened(pipe, batch, chunk, now_ms)

    async def _accounts_listed(self, pipe: Any, names: list[str]) -> dict[str, str]:
        """Return how accounts are listed, of those that are."""
        raws = await pipe.hmget(self._layout.accounts.records, names)
        return {
            name: account_listing(decode_account(raw)) for name, raw in zip(names, raws, strict=True) if raw is not None
        }

    async def _unpack(self, pipe: Any, members: list[bytes]) -> list[Unpacked]:
        """Return leads as they lie in Redis, of those that do."""
        if not members:
            return []
        leads = self._layout.leads
        found = await unpack_leads(pipe, leads.kinds, self._codec, await pipe.hmget(leads.records, members))
        return [unpacked for unpacked in found if unpacked is not None]

    async def _remember(self, pipe: Any, leads: list[str]) -> None:
        """Find out how leads are listed."""
        self._note(await self._unpack(pipe, list(map(self._layout.leads.member, leads))))

    def _note(self, found: Iterable[Unpacked]) -> None:
        for record, account, brief in found:
            texts = lead_texts(record, account, brief)
            self._listed[record.lead] = Listed(hash(texts), lead_listing(texts), fit_rank(record))

    async def _find_aliases(self, pipe: Any, accounts: Chunk[AccountScore], leads: Chunk[LeadScore]) -> dict[str, str]:
        """Return keys by which leads name these accounts, other than the accounts' own.

        A lead names the account that it was told of; which one that is, a domain's or an id's, the accounts decide. An
        account's record tells whose it is, by listing them.
        """
        contacts = {
            contact.lead: name
            for name, record in accounts.decoded.items()
            if record is not None
            for contact in record.contacts
            if self._contacts.get(contact.lead) != name
        }
        elsewhere = [lead for lead in contacts if lead not in leads.raw]
        unpacked = await self._unpack(pipe, list(map(self._layout.leads.member, elsewhere)))
        records = {each.record.lead: each.record for each in unpacked}
        records |= {lead: record for lead, record in leads.decoded.items() if lead in contacts and record is not None}
        found = {}
        for lead, record in records.items():
            self._contacts[lead] = name = contacts[lead]
            told = account_key_of(record.account)
            if told and told != name and self._companies.aliases.get(told) != name:
                found[told] = name
        return found

    async def _fill_happened(self, pipe: Any, batch: Batch, chunk: Mapping[Topic, Sequence[Any]], now_ms: int) -> None:
        found = [(topic, record) for topic in TOPICS for record in chunk.get(topic, ())]
        if not found:
            return
        leads = sorted({lead for topic, record in found for lead in leads_of(topic, record)})
        times = await _texts(pipe, self._layout.acted, leads)
        acted = {lead: int(time_ms) for lead, time_ms in times.items() if time_ms is not None}
        happened = Happened(batch, self._layout, acted, now_ms)
        for topic, record in found:
            try:
                happened.take(topic, record)
            except (msgspec.MsgspecError, LeadheatError, UnicodeDecodeError):
                self._unreadable(topic)

    async def _relist_leads(
        self, pipe: Any, projection: LeadProjection, accounts: list[str], chunk: Chunk[LeadScore]
    ) -> None:
        """List the leads of accounts anew whose owner or industry has changed, or that turned out to be others."""
        leads = self._layout.leads
        for account in accounts:
            members = await pipe.smembers(leads.has(term("account", account)))
            found = [each for each in await self._unpack(pipe, list(members)) if each.record.lead not in chunk.raw]
            self._note(each for each in found if each.record.lead not in self._listed)
            for record, _, _ in found:
                projection.put(record.lead, record)

    async def _carry_along(self, pipe: Any, batch: Batch, merged: Mapping[str, str]) -> None:
        """Give what was noted of a lead to the lead that it turned out to be."""
        layout = self._layout
        for lead, into in merged.items():
            if not is_listed(lead):
                continue
            lists = (
                (layout.alerts, ALERTS_KEPT),
                (layout.follow_ups, FOLLOW_UPS_KEPT),
                (layout.history, SNAPSHOTS_KEPT),
            )
            for of_lead, kept in lists:
                for raw in reversed(await pipe.lrange(of_lead(lead), 0, -1)):
                    batch.push(of_lead(into), raw, kept)
            for key in (layout.waiting, layout.raised_hands):
                since = await pipe.zscore(key, lead)
                if since is not None:
                    batch.set_rank(key, into, since)

    async def _learn(self, pipe: Any, accounts: list[str]) -> None:
        """Read what is not known yet of accounts: which they are, and what their leads are listed by."""
        layout, companies = self._layout, self._companies
        unknown = sorted({name for name in accounts if name not in companies.aliases})
        if unknown:
            found = await pipe.hmget(layout.accounts.merged, unknown)
            for name, raw in zip(unknown, found, strict=True):
                companies.aliases[name] = name if raw is None else raw.decode()
        keys = sorted({companies.aliases.get(name, name) for name in accounts} | set(accounts))
        unknown = [key for key in keys if key not in companies.briefs]
        if unknown:
            raws = await pipe.hmget(layout.briefs, unknown)
            companies.briefs.update(zip(unknown, map(read_brief, raws), strict=True))

    def _make_room(self) -> None:
        for known in (self._listed, self._contacts, self._companies.aliases, self._companies.briefs):
            if len(known) > KEPT_MAX:
                known.clear()

    def _read(
        self, topic: Topic, chunk: Mapping[Topic, Sequence[Any]], decode: Callable[[bytes], Record]
    ) -> Chunk[Record]:
        return read_chunk(chunk.get(topic, ()), decode, lambda: self._unreadable(topic))


def offset_field(topic: str, partition: int) -> str:
    """Return the field of the offsets hash.

    >>> offset_field("lead-scores", 3)
    'lead-scores:3'
    """
    return f"{topic}:{partition}"


async def _texts(pipe: Any, key: str, names: list[str]) -> dict[str, str | None]:
    """Return fields of a hash as texts."""
    if not names:
        return {}
    found = await pipe.hmget(key, names)
    return {name: None if raw is None else raw.decode() for name, raw in zip(names, found, strict=True)}
