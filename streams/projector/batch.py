"""What one chunk changes in Redis, gathered so that a few long commands write it: one per key, not one per record."""

from __future__ import annotations

from itertools import chain
from typing import Any

from streams.read_model.entries import read_listing
from streams.read_model.layout import FEED_KEPT, Collection

Value = bytes | str | int | float


class Batch:
    """The changes of a chunk; of two to one field, the later counts."""

    def __init__(self) -> None:
        self._fields: dict[str, dict[bytes | str, Value | None]] = {}
        self._members: dict[str, dict[bytes | str, bool]] = {}
        self._ranked: dict[str, dict[bytes | str, float | None]] = {}
        self._lists: dict[str, tuple[int, list[bytes]]] = {}
        self._sums: dict[str, tuple[int, dict[str, float]]] = {}
        self._gone: set[str] = set()
        self._feed: list[dict[str, bytes | str]] = []

    def fields(self, key: str) -> dict[bytes | str, Value | None]:
        """Return the changes to a hash, to be added to; None deletes a field."""
        return self._fields.setdefault(key, {})

    def set_field(self, key: str, name: bytes | str, value: Value | None) -> None:
        """Set a field of a hash; None deletes it."""
        self.fields(key)[name] = value

    def set_member(self, key: str, member: bytes | str, is_in: bool) -> None:
        """Put something into a set, or take it out."""
        self._members.setdefault(key, {})[member] = is_in

    def ranks(self, key: str) -> dict[bytes | str, float | None]:
        """Return the changes to a sorted set, to be added to; None takes a member out.

        What is written is rounded to a thousandth.
        """
        return self._ranked.setdefault(key, {})

    def set_rank(self, key: str, member: bytes | str, value: float | None) -> None:
        """Put something into a sorted set at ``value``; None takes it out."""
        self.ranks(key)[member] = value

    def push(self, key: str, value: bytes, kept: int) -> None:
        """Put something at the head of a list, of which the first ``kept`` are kept."""
        self._lists.setdefault(key, (kept, []))[1].append(value)

    def add(self, key: str, name: str, value: float, expire_s: int) -> None:
        """Add to a number in a hash that is forgotten after so many seconds."""
        sums = self._sums.setdefault(key, (expire_s, {}))[1]
        sums[name] = sums.get(name, 0.0) + value

    def forget(self, key: str) -> None:
        """Delete a key."""
        self._gone.add(key)

    def tell(self, kind: str, body: bytes) -> None:
        """Append to the live feed."""
        self._feed.append({"kind": kind, "body": body})

    def relist(self, collection: Collection, member: bytes, before: str, after: str) -> None:
        """List something under other terms and words than ``before``; both are listings, "" for none."""
        old, new = read_listing(before), read_listing(after)
        for term in old.terms - new.terms:
            self.set_member(collection.has(term), member, False)
        for term in new.terms - old.terms:
            self.set_member(collection.has(term), member, True)
            facet, _, value = term.partition("=")
            if facet != "account":
                self.set_member(collection.values(facet), value, True)
        for word in old.words - new.words:
            self.set_rank(collection.words, word.encode() + b"\0" + member, None)
        for word in new.words - old.words:
            self.set_rank(collection.words, word.encode() + b"\0" + member, 0.0)

    def queue(self, pipe: Any, feed: str) -> None:
        """Queue the commands that write all of it; ``feed`` is the key of the live feed."""
        for key, fields in self._fields.items():
            kept, gone = _parted(fields)
            if kept:
                pipe.execute_command("HSET", key, *chain.from_iterable(kept.items()))
            if gone:
                pipe.hdel(key, *gone)
        for key, members in self._members.items():
            if found := [member for member, is_in in members.items() if is_in]:
                pipe.sadd(key, *found)
            if found := [member for member, is_in in members.items() if not is_in]:
                pipe.srem(key, *found)
        for key, ranked in self._ranked.items():
            ranks, gone = _parted(ranked)
            if ranks:
                values = map(b"%.3f".__mod__, ranks.values())
                pipe.execute_command("ZADD", key, *chain.from_iterable(zip(values, ranks, strict=True)))
            if gone:
                pipe.zrem(key, *gone)
        for key, (length, pushed) in self._lists.items():
            pipe.lpush(key, *pushed)
            pipe.ltrim(key, 0, length - 1)
        for key, (expire_s, sums) in self._sums.items():
            for name, value in sums.items():
                pipe.hincrbyfloat(key, name, value)
            pipe.expire(key, expire_s)
        if self._gone:
            pipe.unlink(*self._gone)
        for entry in self._feed:
            pipe.xadd(feed, entry, maxlen=FEED_KEPT, approximate=True)


def _parted(changes: dict[bytes | str, Any]) -> tuple[dict[bytes | str, Any], list[bytes | str]]:
    """Return what is set, and what is taken out."""
    gone = [name for name, value in changes.items() if value is None]
    kept = {name: value for name, value in changes.items() if value is not None} if gone else changes
    return kept, gone
