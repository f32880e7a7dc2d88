"""The deliveries that one partition remembers, and what of them has changed. Pure: opened from records alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from scoring.follow_ups import FollowUp
from streams.delivery.lanes import Lanes
from streams.delivery.records import Delivery, Meta, Remembered, SinkState, State, encode

DONE_MAX: Final = 50_000
"""Finished deliveries that a partition remembers, beside the days that they are kept."""

NEVER: Final = 1 << 62


@dataclass
class Changes:
    """What is to be written together: records by key (None: forgotten), and follow-ups of our own."""

    records: dict[str, bytes | None] = field(default_factory=dict)
    follow_ups: list[FollowUp] = field(default_factory=list)

    def put(self, record: Remembered) -> None:
        """Note what is remembered from now on."""
        self.records[record.key] = encode(record)

    def forget(self, key: str) -> None:
        """Note what is not remembered any more."""
        self.records[key] = None

    def take(self) -> Changes:
        """Return what has been noted, and begin anew."""
        taken = Changes(self.records, self.follow_ups)
        self.records, self.follow_ups = {}, []
        return taken

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.records or self.follow_ups)


class Memory:
    """All deliveries of a partition, open and done, by key; what is put here is noted among the ``changes``."""

    def __init__(self, changes: Changes, now_ms: int) -> None:
        self.meta = Meta(began_ms=now_ms)
        self.lanes = Lanes()
        self.deliveries: dict[str, Delivery] = {}
        self.gone: dict[str, SinkState] = {}
        self.said: dict[tuple[str, str], int] = {}
        """Sink and subject → when something was last said (ms)."""
        self.quiet: dict[tuple[str, str], int] = {}
        """Sink and subject → how many a cooldown has kept back since."""
        self._changes = changes
        self._keys_of: dict[str, list[str]] = {}
        self._digests: list[tuple[int, str]] = []
        self._done: deque[tuple[int, str]] = deque()

    def open(self, remembered: Iterable[Remembered], targets: dict[str, str], now_ms: int) -> None:
        """Take in what the topic holds; ``targets`` are the sinks of the delivery file and where each leads."""
        deliveries: list[Delivery] = []
        for each in remembered:
            match each:
                case Meta():
                    self.meta = each
                case SinkState() if targets.get(each.sink) == each.target:
                    self.gone[each.sink] = each
                case SinkState():
                    self._changes.forget(each.key)  # it has another address by now
                case Delivery():
                    deliveries.append(each)
                case _:
                    pass  # clocks, and fields of CRMs: they have books of their own
        deliveries.sort(key=lambda each: each.number)
        for each in deliveries:
            self._take_in(each)
        self._done.extend(sorted((each.done_ms, each.key) for each in deliveries if not each.is_open))
        for each in deliveries:
            if each.is_open and each.sink not in targets:
                self.finish(each, "dead", now_ms, "the sink is not in the delivery file any more")

    def _take_in(self, delivery: Delivery) -> None:
        self.remember(delivery)
        lane = (delivery.sink, delivery.subject)
        if not delivery.is_open:
            delivery.body = ""
        if delivery.kind in ("entered", "signal") and delivery.state not in ("quiet", "dropped"):
            self.said[lane] = max(delivery.at_ms, self.said.get(lane, 0))
            self.quiet.pop(lane, None)
        elif delivery.state == "quiet":
            self.quiet[lane] = self.quiet.get(lane, 0) + 1

    def knows(self, message_id: str) -> bool:
        """Tell whether anything was planned for a message."""
        return message_id in self._keys_of

    def of(self, message_id: str) -> list[Delivery]:
        """Return the deliveries of a message, one for each sink."""
        return [self.deliveries[key] for key in self._keys_of.get(message_id, ())]

    def next_number(self) -> int:
        """Return the number of the next delivery."""
        number, self.meta.number = self.meta.number, self.meta.number + 1
        return number

    def remember(self, delivery: Delivery) -> None:
        """Keep a delivery, and put it on its way where it is open."""
        self.deliveries[delivery.key] = delivery
        keys = self._keys_of.setdefault(delivery.id, [])
        if delivery.key not in keys:
            keys.append(delivery.key)
        if delivery.is_open and delivery.state != "bundled":
            self.lanes.add(delivery)
            if delivery.in_digest and delivery.state == "held":
                heappush(self._digests, (delivery.due_ms, delivery.key))

    def put(self, delivery: Delivery) -> None:
        """Note a delivery as it is now."""
        self._changes.put(delivery)
        self._changes.put(self.meta)  # the number goes along

    def finish(self, delivery: Delivery, state: State, now_ms: int, reason: str) -> None:
        """End a delivery, and with it what it holds."""
        self.lanes.remove(delivery)
        delivery.state, delivery.reason, delivery.done_ms = state, reason, now_ms
        if state == "delivered":
            delivery.body = ""
        self.put(delivery)
        delivery.body = ""  # of what is not delivered the topic has it, for whoever wants it tried again
        self._done.append((now_ms, delivery.key))
        self.finish_members(delivery, now_ms)

    def finish_members(self, digest: Delivery, now_ms: int) -> None:
        """Let what was in a digest end as the digest did."""
        for key in digest.members:
            member = self.deliveries.get(key)
            if member is not None and member.state == "bundled":
                member.state, member.done_ms, member.ref = digest.state, now_ms, digest.ref
                self.put(member)
                self._done.append((now_ms, key))

    def part(self, sink: str, target: str, reason: str, now_ms: int) -> None:
        """Leave a sink alone that is gone: what waits for it is dead, visibly."""
        self.gone[sink] = gone = SinkState(sink=sink, target=target, reason=reason, at_ms=now_ms)
        self._changes.put(gone)
        for each in [each for each in self.deliveries.values() if each.sink == sink and each.is_open]:
            if each.state != "bundled":
                self.finish(each, "dead", now_ms, reason)

    def welcome(self, sink: str) -> None:
        """Speak to a sink again that was gone."""
        gone = self.gone.pop(sink, None)
        if gone is not None:
            self._changes.forget(gone.key)

    def take_digest(self, now_ms: int) -> list[Delivery]:
        """Return what one digest that is due is made of, in order; nothing where none is."""
        while self._digests and self._digests[0][0] <= now_ms:
            first = self.deliveries.get(heappop(self._digests)[1])
            if first is not None and _waits_for_digest(first, now_ms):
                together = (first.sink, first.owner)
                members = [
                    each
                    for each in self.deliveries.values()
                    if (each.sink, each.owner) == together and _waits_for_digest(each, now_ms)
                ]
                return sorted(members, key=lambda each: each.number)
        return []

    def next_ms(self) -> int | None:
        """Return when something is due next; None while nothing waits."""
        times = [self._digests[0][0]] if self._digests else []
        due_ms = self.lanes.next_due_ms()
        return min(times if due_ms is None else [*times, due_ms], default=None)

    def forget_before(self, time_ms: int) -> None:
        """Forget what was done before, and the oldest of what is too much."""
        while self._done and (self._done[0][0] <= time_ms or len(self._done) > DONE_MAX):
            done_ms, key = self._done.popleft()
            delivery = self.deliveries.get(key)
            if delivery is not None and not delivery.is_open and delivery.done_ms == done_ms:
                self._forget(delivery)

    def _forget(self, delivery: Delivery) -> None:
        key, lane = delivery.key, (delivery.sink, delivery.subject)
        del self.deliveries[key]
        self._changes.forget(key)
        keys = self._keys_of.get(delivery.id, [])
        if key in keys:
            keys.remove(key)
        if not keys:
            self._keys_of.pop(delivery.id, None)
        if self.said.get(lane, NEVER) <= delivery.done_ms:
            del self.said[lane]


def _waits_for_digest(delivery: Delivery, now_ms: int) -> bool:
    return delivery.state == "held" and delivery.in_digest and delivery.due_ms <= now_ms
