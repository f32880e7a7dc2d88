"""The keys of the read model: what each holds, and for which question it is there.

Designed from the questions: *one by id*, *the first n by a rank*, *those that have a term, by a rank*, *those with a
word that begins so*. A collection of 100,000 answers each from an index, never by looking at all of them:

========================  =========  ====================================================================
``<c>:records``           hash       member → the record
``<c>:by:<rank>``         sorted set members by score, priority, fit or the time they were seen
``<c>:has:<term>``        set        members, for example of ``band=hot``
``<c>:values:<facet>``    set        the values of a facet, for example the owners
``<c>:words``             sorted set ``word NUL member``, in the order of letters: a prefix is a range
``leads:companies``       sorted set ``word NUL account``: what leads are found by that all of an account share
``leads:kinds``           hash       number → what lines of one rule have in common (:mod:`streams.read_model.packing`)
========================  =========  ====================================================================

An id stands in about fifteen places. So a *member* of the leads is a hash of the id, of eight bytes; the id itself is
in the record. Of accounts, which are few, it is the id.

Scores fade, and a sorted set does not: what a rank holds is the value when the record came or the sweep last went over
it. A page computes the exact score of each row; how far a row can be off its place is bounded in :mod:`ranks`.

Core commands only (Redis 6.2): no modules, no scripts.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

VERSION: Final = 3
"""Of this layout: a Redis that holds another one is filled anew."""

MEMBER_BYTES: Final = 8

ALERTS_KEPT: Final = 50
SIGNALS_KEPT: Final = 50
FOLLOW_UPS_KEPT: Final = 50
SNAPSHOTS_KEPT: Final = 450
"""Of one lead or account."""

RECENT_KEPT: Final = 1_000
LETTERS_KEPT: Final = 2_000
FEED_KEPT: Final = 10_000


@dataclass(frozen=True)
class Collection:
    """The keys of leads or accounts; ``is_hashed`` where a member is a hash of the id.

    >>> Collection("lh:leads").has("band=hot")
    'lh:leads:has:band=hot'
    """

    name: str
    is_hashed: bool = False

    def member(self, name: str) -> bytes:
        """Return what stands for an id. Nobody can find a second id for the hash of a first one.

        >>> Collection("lh:accounts").member("domain:acme.com"), len(Collection("lh:leads", True).member("user:7"))
        (b'domain:acme.com', 8)
        """
        raw = name.encode()
        return blake2b(raw, digest_size=MEMBER_BYTES).digest() if self.is_hashed else raw

    @property
    def records(self) -> str:
        """Hash: member → record."""
        return f"{self.name}:records"

    @property
    def words(self) -> str:
        """Sorted set of ``word NUL member``."""
        return f"{self.name}:words"

    @property
    def companies(self) -> str:
        """Sorted set of ``word NUL account``, of leads only; an account may have no leads any more."""
        return f"{self.name}:companies"

    @property
    def kinds(self) -> str:
        """Hash: number → a kind of line, of leads and visitors."""
        return f"{self.name}:kinds"

    @property
    def merged(self) -> str:
        """Hash: an id that turned out to be another → that one."""
        return f"{self.name}:merged"

    def by(self, rank: str) -> str:
        """Sorted set of members by ``rank``."""
        return f"{self.name}:by:{rank}"

    def has(self, term: str) -> str:
        """Set of members with a term."""
        return f"{self.name}:has:{term}"

    def values(self, facet: str) -> str:
        """Set of the values of a facet."""
        return f"{self.name}:values:{facet}"


@dataclass(frozen=True)
class Layout:
    """All keys of one installation: topics of another prefix may share the Redis."""

    prefix: str

    @property
    def leads(self) -> Collection:
        """The identified leads."""
        return Collection(f"{self.prefix}:leads", is_hashed=True)

    @property
    def accounts(self) -> Collection:
        """The accounts."""
        return Collection(f"{self.prefix}:accounts")

    @property
    def visitors(self) -> Collection:
        """Visitors: their records only."""
        return Collection(f"{self.prefix}:visitors", is_hashed=True)

    @property
    def briefs(self) -> str:
        """Hash: account → what its leads are listed by (:class:`streams.read_model.entries.Brief`)."""
        return self._key("briefs")

    def _key(self, *parts: str) -> str:
        return ":".join((self.prefix, *parts))

    @property
    def offsets(self) -> str:
        """Hash: ``topic:partition`` → the next offset; written along with the data, and so what the data stand for."""
        return self._key("offsets")

    @property
    def version(self) -> str:
        """A number: how many transactions the projector has written; who looks on sees that something changed."""
        return self._key("version")

    @property
    def feed(self) -> str:
        """Stream: what happens, for people who look on."""
        return self._key("feed")

    @property
    def waiting(self) -> str:
        """Sorted set: leads with an alert that nobody has acted on, by its time (ms)."""
        return self._key("waiting")

    @property
    def raised_hands(self) -> str:
        """Sorted set: those of them who have asked for a call themselves, by the time (ms)."""
        return self._key("raised-hands")

    @property
    def acted(self) -> str:
        """Hash: lead → when sales last acted on it (ms): an alert up to then does not wait."""
        return self._key("acted")

    @property
    def breached(self) -> str:
        """Set: leads whose time to be contacted has run out, as delivery says."""
        return self._key("breached")

    @property
    def recent_signals(self) -> str:
        """List: the last signals of all accounts, the latest first."""
        return self._key("recent-signals")

    @property
    def latencies(self) -> str:
        """List: from event to committed alert (ms), of the last ones."""
        return self._key("latencies")

    @property
    def letters(self) -> str:
        """Hash: id → dead letter."""
        return self._key("letters")

    @property
    def letters_by_time(self) -> str:
        """Sorted set: ids of dead letters by time (ms)."""
        return self._key("letters-by-time")

    @property
    def health(self) -> str:
        """A JSON object: how far everybody has come."""
        return self._key("health")

    @property
    def statistics(self) -> str:
        """A JSON object: what each rule and trait comes to over all leads, as of the last sweep."""
        return self._key("statistics")

    def rule_points(self, day: int) -> str:
        """Hash: rule → the points that it gave alerts on a day (days since 1970)."""
        return self._key("rule-points", str(day))

    def alerts(self, lead: str) -> str:
        """List: a lead's alerts, the latest first."""
        return self._key("alerts", lead)

    def signals(self, account: str) -> str:
        """List: an account's buying signals, the latest first."""
        return self._key("signals", account)

    def follow_ups(self, lead: str) -> str:
        """List: what sales did about a lead, the latest first."""
        return self._key("follow-ups", lead)

    def history(self, lead: str) -> str:
        """List: snapshots of a lead's score, packed, the latest first."""
        return self._key("history", lead)

    def scratch(self, name: str) -> str:
        """A key of a reader's own, which expires."""
        return self._key("scratch", name)
