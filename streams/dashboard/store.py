"""Reads the read model: one by id, pages by filter and order, what belongs to one. Each is a few commands of Redis."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from scoring.account_records import AccountScore
from scoring.alerts import Alert
from scoring.errors import EventError
from scoring.identity import VISITOR_PREFIX, meant_lead
from scoring.score_records import LeadScore
from scoring.signal_records import BuyingSignal
from streams.dashboard.picture import Standing
from streams.dashboard.queries import Cursor, Query
from streams.dead_letters import DeadLetter, decode_dead_letter
from streams.read_model.entries import (
    WORD_LENGTH_MAX,
    Brief,
    account_key_of,
    account_words,
    decode_account,
    lead_words,
    term,
)
from streams.read_model.happenings import FollowUpRead, Happening, Health, Snapshot, Statistics, unpack_snapshot
from streams.read_model.layout import Collection, Layout
from streams.read_model.packing import LeadCodec, Unpacked, unpack_leads

MATCHES_MAX: Final = 2_000
"""Of a search: more than this means that the words say too little."""

LARGE: Final = 5_000
SMALL_KEPT_MS: Final = 1_000
LARGE_KEPT_MS: Final = 15_000
"""How long the answer to a filter is kept: one of many leads takes Redis up to 0.1 s to make."""

FILTERS_MAX: Final = 3
HOPS_MAX: Final = 8
COMPANIES_MAX: Final = 200
"""Companies whose leads a word finds: more than this have the word \"company\" in their names."""

_WORD: Final = re.compile(r"\w+")

_decode_brief = msgspec.json.Decoder(Brief).decode
_decode_alert = msgspec.json.Decoder(Alert).decode
_decode_signal = msgspec.json.Decoder(BuyingSignal).decode
_decode_follow_up = msgspec.json.Decoder(FollowUpRead).decode
_decode_happening = msgspec.json.Decoder(Happening).decode
_decode_health = msgspec.json.Decoder(Health).decode
_decode_statistics = msgspec.json.Decoder(Statistics).decode


class Page(msgspec.Struct, kw_only=True):
    """Members of a collection in order, how many there are in all, and where the next page begins.

    ``is_cut``: the search matched more than are looked at.
    """

    members: list[bytes]
    total: int
    next: Cursor | None
    is_cut: bool = False


class Past(msgspec.Struct, kw_only=True):
    """What has happened with a lead: alerts and follow-ups, the latest first; snapshots, the earliest first."""

    alerts: list[Alert]
    follow_ups: list[FollowUpRead]
    history: list[Snapshot]


class Store:
    """The read model of one prefix. Raises redis's errors while Redis is away."""

    def __init__(self, redis: Any, layout: Layout) -> None:
        self.redis, self.layout = redis, layout
        self._codec = LeadCodec()

    # ── one by id ─────────────────────────────────────────────────────────────────────────────────────────────

    async def lead(self, text: str) -> LeadScore | None:
        """Return the lead that a person means by an id or an address, also where it turned out to be another."""
        try:
            name = meant_lead(text)
        except EventError:
            return None
        if name.startswith(VISITOR_PREFIX):
            visitors = self.layout.visitors
            raw = await self.redis.hget(visitors.records, visitors.member(name))
        else:
            raw = await self._one(self.layout.leads, name)
        found = await self._unpack([raw])
        return found[0].record if found else None

    async def account(self, text: str) -> AccountScore | None:
        """Return the account that a person means by a key, a domain or an id of their own."""
        text = text.strip()
        known = ("domain:", "account:")
        names = [text] if text.startswith(known) else [account_key_of(text.casefold()), account_key_of(text)]
        for name in names:
            raw = await self._one(self.layout.accounts, name)
            if raw is not None:
                return decode_account(raw)
        return None

    async def _one(self, collection: Collection, name: str) -> bytes | None:
        for _ in range(HOPS_MAX):
            raw = await self.redis.hget(collection.records, collection.member(name))
            if raw is not None:
                return bytes(raw)
            into = await self.redis.hget(collection.merged, name)
            if into is None:
                return None
            name = into.decode()
        return None

    async def leads(self, members: Sequence[bytes]) -> list[Unpacked]:
        """Return leads by their members, in this order, with what they are listed by; those that are gone are left out.

        The owner among that is the account's, for leads that have none of their own.
        """
        return await self._unpack(await self._many(self.layout.leads, members))

    async def leads_named(self, names: Iterable[str]) -> list[Unpacked]:
        """Return leads by their ids, alike."""
        return await self.leads(list(map(self.layout.leads.member, names)))

    async def accounts(self, members: Sequence[bytes]) -> list[AccountScore]:
        """Return accounts by their members, in this order; those that are gone are left out."""
        return [decode_account(raw) for raw in await self._many(self.layout.accounts, members) if raw is not None]

    async def _many(self, collection: Collection, members: Sequence[bytes]) -> list[bytes | None]:
        return list(await self.redis.hmget(collection.records, members)) if members else []

    async def _unpack(self, raws: list[bytes | None]) -> list[Unpacked]:
        found = await unpack_leads(self.redis, self.layout.leads.kinds, self._codec, raws)
        return [unpacked for unpacked in found if unpacked is not None]

    # ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def page(self, query: Query) -> Page:
        """Return one page of a question."""
        collection = self.layout.leads if query.of == "leads" else self.layout.accounts
        key, is_cut = collection.by(query.sort), False
        if not query.is_plain:
            key = self.layout.scratch(query.digest)
        if query.after is not None:
            return await self._page_after(collection, key, query)
        total, found = await self._first(key, query.limit)
        if total == 0 and not query.is_plain:  # nobody has asked just now
            is_cut = await self._filter(collection, key, query)
            total, found = await self._first(key, query.limit)
        return _as_page(found, total, len(found), is_cut=is_cut)

    async def _first(self, key: str, limit: int) -> tuple[int, list[Any]]:
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zcard(key)
            pipe.zrevrange(key, 0, limit - 1, withscores=True)
            total, found = await pipe.execute()
        return total, found

    async def _page_after(self, collection: Collection, key: str, query: Query) -> Page:
        """Return the page after the row at which the one before ended.

        What a filter found is kept for a moment only: where that is over meanwhile, it is found once more.
        """
        assert query.after is not None
        is_cut, start, total, found = False, 0, 0, []
        for _ in range(1 if query.is_plain else FILTERS_MAX):
            async with self.redis.pipeline(transaction=False) as pipe:
                pipe.zcard(key)
                pipe.zrevrank(key, query.after.member)
                pipe.zcount(key, f"({query.after.value!r}", "+inf")
                total, place, above = await pipe.execute()
            # A row whose value has moved since is gone from its place; those of its old value come next.
            start = above if place is None else place + 1
            found = await self.redis.zrevrange(key, start, start + query.limit - 1, withscores=True)
            if found or start >= total > 0 or query.is_plain:
                break
            is_cut = await self._filter(collection, key, query)
        return _as_page(found, total, start + len(found), is_cut=is_cut)

    async def count(self, collection: Collection, term: str = "") -> int:
        """Return how many there are, or have a term."""
        key = collection.has(term) if term else collection.by("score")
        return int(await (self.redis.scard(key) if term else self.redis.zcard(key)))

    async def values(self, collection: Collection, facet: str) -> list[str]:
        """Return the values of a facet that some have, in the order of letters."""
        names = sorted(value.decode() for value in await self.redis.smembers(collection.values(facet)))
        async with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.exists(collection.has(f"{facet}={name}"))
            return [name for name, is_there in zip(names, await pipe.execute(), strict=True) if is_there]

    async def _filter(self, collection: Collection, key: str, query: Query) -> bool:
        """Keep the filtered ids by the order under ``key`` for a moment; return whether the words match more."""
        keys, is_cut = [collection.has(term) for term in query.terms], False
        scratch: list[str] = []
        async with self.redis.pipeline(transaction=True) as pipe:
            if query.text:
                found, is_cut = await self._search(collection, query.text)
                scratch.append(f"{key}:q")
                pipe.delete(scratch[-1])
                if found:
                    pipe.sadd(scratch[-1], *found)
            for rank, least in query.ranges.items():
                scratch.append(f"{key}:{rank}")
                pipe.zrangestore(scratch[-1], collection.by(rank), least, "+inf", byscore=True)
            by = collection.by(query.sort)
            pipe.zinterstore(key, {by: 1} | dict.fromkeys([*keys, *scratch], 0))
            if scratch:
                pipe.unlink(*scratch)
            pipe.pexpire(key, SMALL_KEPT_MS)
            pipe.zcard(key)
            size = (await pipe.execute())[-1]
        if size > LARGE:
            await self.redis.pexpire(key, LARGE_KEPT_MS)
        return is_cut

    async def _search(self, collection: Collection, text: str) -> tuple[list[bytes], bool]:
        """Return members that have, for each word, one that begins so, and whether there may be more.

        What the word with the fewest matches finds is looked at, :data:`MATCHES_MAX` at most.
        """
        words = sorted({word[:WORD_LENGTH_MAX] for word in _WORD.findall(text.casefold())})
        matches = [match for word in words if (match := await self._matches(collection, word))]
        if not matches:
            return [], False
        found = min(matches, key=len)
        is_cut = len(found) >= MATCHES_MAX
        if len(words) > 1:
            known = await self._words(collection, found)
            found = [member for member in found if _has_all(known.get(member, set()), words)]
        return found, is_cut

    async def _matches(self, collection: Collection, word: str) -> list[bytes]:
        """Return members with a word that begins so, or of a company with one."""
        begin, end = b"[" + word.encode(), b"[" + word.encode() + b"\xff"
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zrangebylex(collection.words, begin, end, start=0, num=MATCHES_MAX)
            pipe.zrangebylex(collection.companies, begin, end, start=0, num=COMPANIES_MAX)
            own, companies = await pipe.execute()
        found = dict.fromkeys(member.partition(b"\0")[2] for member in own)
        accounts = dict.fromkeys(member.partition(b"\0")[2].decode() for member in companies)
        if accounts and len(found) < MATCHES_MAX:
            keys = [collection.has(term("account", account)) for account in accounts]
            found |= dict.fromkeys(await self.redis.sunion(keys))
        return list(found)[:MATCHES_MAX]

    async def _words(self, collection: Collection, members: list[bytes]) -> dict[bytes, set[str]]:
        """Return the words of records."""
        if collection == self.layout.leads:
            unpacked = await self.leads(members)
            return {collection.member(record.lead): lead_words(record, account) for record, account, _ in unpacked}
        return {collection.member(record.account): account_words(record) for record in await self.accounts(members)}

    # ── what belongs to one ───────────────────────────────────────────────────────────────────────────────────

    async def past(self, lead: str) -> Past:
        """Return what has happened with a lead."""
        layout = self.layout
        async with self.redis.pipeline(transaction=False) as pipe:
            for key in (layout.alerts(lead), layout.follow_ups(lead), layout.history(lead)):
                pipe.lrange(key, 0, -1)
            alerts, done, history = await pipe.execute()
        return Past(
            alerts=sorted(map(_decode_alert, alerts), key=lambda alert: -alert.time_ms),
            follow_ups=sorted(map(_decode_follow_up, done), key=lambda done: -int(done.time)),
            history=sorted((unpack_snapshot(lead, raw) for raw in history), key=lambda snapshot: snapshot.at_ms),
        )

    async def signals(self, account: str) -> list[BuyingSignal]:
        """Return an account's buying signals, the latest first."""
        found = [_decode_signal(raw) for raw in await self.redis.lrange(self.layout.signals(account), 0, -1)]
        return sorted(found, key=lambda signal: -signal.time_ms)

    async def recent_signals(self, count: int) -> list[BuyingSignal]:
        """Return the last signals of all accounts, the latest first."""
        found = await self.redis.lrange(self.layout.recent_signals, 0, 2 * count)
        return sorted(map(_decode_signal, found), key=lambda signal: -signal.time_ms)[:count]

    async def last_follow_ups(self, leads: list[str]) -> list[FollowUpRead | None]:
        """Return what sales did last about each of these leads."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for lead in leads:
                pipe.lindex(self.layout.follow_ups(lead), 0)
            found = await pipe.execute() if leads else []
        return [None if raw is None else _decode_follow_up(raw) for raw in found]

    async def owners(self, accounts: list[str]) -> dict[str, str]:
        """Return who owns accounts, as leads name them, of those that have an owner."""
        told = sorted(set(filter(None, accounts)))
        if not told:
            return {}
        keys = list(map(account_key_of, told))
        into = await self.redis.hmget(self.layout.accounts.merged, keys)
        keys = [key if raw is None else raw.decode() for key, raw in zip(keys, into, strict=True)]
        raws = await self.redis.hmget(self.layout.briefs, keys)
        briefs = [(name, _decode_brief(raw)) for name, raw in zip(told, raws, strict=True) if raw is not None]
        return {name: brief.owner for name, brief in briefs if brief.owner}

    async def waiting(self, key: str, count: int, before_ms: float | str = "+inf") -> dict[str, int]:
        """Return leads that wait under ``key`` since a time (ms) up to ``before_ms``, the longest first."""
        found = await self.redis.zrangebyscore(key, "-inf", before_ms, start=0, num=count, withscores=True)
        return {name.decode(): int(since_ms) for name, since_ms in found}

    async def feed(self, count: int) -> list[Happening]:
        """Return what happened last, the latest first."""
        found = await self.redis.xrevrange(self.layout.feed, count=2 * count)
        told = [_decode_happening(fields[b"body"]) for _, fields in found]
        # Of a band that alerts, the alert says all.
        alerts = {(each.lead, each.band) for each in told if each.kind in ("alert", "cooled")}
        return [each for each in told if each.kind != "band" or (each.lead, each.band) not in alerts][:count]

    async def standing(self, accounts: Sequence[bytes]) -> list[Standing]:
        """Return where accounts stand by fit and engagement, as ranked."""
        if not accounts:
            return []
        collection = self.layout.accounts
        scores = await self.redis.zmscore(collection.by("score"), accounts)
        fits = await self.redis.zmscore(collection.by("fit"), accounts)
        return [
            Standing(member.decode(), score or 0.0, fit if fit is not None and fit >= 0 else None)
            for member, score, fit in zip(accounts, scores, fits, strict=True)
        ]

    # ── operations ────────────────────────────────────────────────────────────────────────────────────────────

    async def health(self) -> Health | None:
        """Return how far everybody is; None while no projector says so."""
        raw = await self.redis.get(self.layout.health)
        return None if raw is None else _decode_health(raw)

    async def statistics(self) -> Statistics | None:
        """Return what the last sweep found; None before the first."""
        raw = await self.redis.get(self.layout.statistics)
        return None if raw is None else _decode_statistics(raw)

    async def latencies_ms(self) -> list[int]:
        """Return how long the last alerts took from their event to their commit, in ascending order."""
        return sorted(int(raw) for raw in await self.redis.lrange(self.layout.latencies, 0, -1))

    async def rule_points(self, days: range) -> dict[str, float]:
        """Return the points that each rule gave alerts on these days."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for day in days:
                pipe.hgetall(self.layout.rule_points(day))
            found = await pipe.execute()
        sums: dict[str, float] = {}
        for of_day in found:
            for name, points in of_day.items():
                sums[name.decode()] = sums.get(name.decode(), 0.0) + float(points)
        return sums

    async def letters(self, count: int) -> tuple[list[DeadLetter], int]:
        """Return the last open dead letters, the latest first, and how many there are."""
        names = await self.redis.zrevrange(self.layout.letters_by_time, 0, count - 1)
        total = await self.redis.zcard(self.layout.letters_by_time)
        raws = await self.redis.hmget(self.layout.letters, names) if names else []
        return [decode_dead_letter(raw) for raw in raws if raw is not None], total

    async def letter(self, name: str) -> DeadLetter | None:
        """Return an open dead letter."""
        raw = await self.redis.hget(self.layout.letters, name)
        return None if raw is None else decode_dead_letter(raw)


def _as_page(found: list[Any], total: int, end: int, *, is_cut: bool) -> Page:
    """Return a page of the rows ``found``, with values, of which the last is the ``end``th of all."""
    members = [member for member, _ in found]
    after = None if end >= total or not found else Cursor(found[-1][1], members[-1])
    return Page(members=members, total=total, next=after, is_cut=is_cut)


def _has_all(known: set[str], words: list[str]) -> bool:
    return all(any(each.startswith(word) for each in known) for word in words)
