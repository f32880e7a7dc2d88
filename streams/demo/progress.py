"""How far what was sent has come: each event counts as scored once, wherever it was passed on to.

An event of a visitor whom we know is passed on to the shard of that person by the transaction that took it in, as a
message between shards. So it is scored only when that message was taken in as well.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial


class Progress:
    """Compares what lies in Kafka with what committed transactions have taken in; both may be read in any order."""

    def __init__(self) -> None:
        self.sent = 0
        self.scored_of_others = 0
        self.passed_on = 0
        """Events that were passed on to somebody whom a weaker identity turned out to be."""
        self._taken = 0
        self._under_way: set[str] = set()
        self._passing = 0
        self._messages = 0
        self._taken_until: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._waiting: defaultdict[tuple[str, int], deque[tuple[int, Callable[[], None]]]] = defaultdict(deque)

    @property
    def scored(self) -> int:
        """How many of the events that were sent are scored."""
        return max(0, self._taken - self._passing)

    @property
    def under_way(self) -> int:
        """How many events were sent and are not scored yet."""
        return len(self._under_way) + self._passing

    @property
    def is_settled(self) -> bool:
        """Whether all events are scored, as far as has been read, and shards have no more to tell each other."""
        return not (self._under_way or self._messages)

    def begin(self, event_id: str) -> None:
        """Note an event that is sent."""
        self.sent += 1
        self._under_way.add(event_id)

    def note_event(self, topic: str, partition: int, offset: int, event_id: str) -> None:
        """Note an event that lies in Kafka."""
        self._await(topic, partition, offset, partial(self._take, event_id))

    def note_message(self, topic: str, partition: int, offset: int, *, is_event: bool) -> None:
        """Note a message between shards that lies in Kafka; with ``is_event`` it passes an event on."""
        self._messages += 1
        self.passed_on += is_event
        self._passing += is_event
        self._await(topic, partition, offset, partial(self._arrive, is_event))

    def note_scored(self, topic: str, partition: int, end: int) -> None:
        """Note that a transaction was committed that took in all records before offset ``end``."""
        self._taken_until[topic, partition] = max(end, self._taken_until[topic, partition])
        waiting = self._waiting[topic, partition]
        while waiting and waiting[0][0] < end:
            waiting.popleft()[1]()

    def _await(self, topic: str, partition: int, offset: int, done: Callable[[], None]) -> None:
        if offset < self._taken_until[topic, partition]:
            done()
        else:
            self._waiting[topic, partition].append((offset, done))

    def _take(self, event_id: str) -> None:
        if event_id in self._under_way:
            self._under_way.remove(event_id)
            self._taken += 1
        else:
            self.scored_of_others += 1

    def _arrive(self, is_event: bool) -> None:
        self._messages -= 1
        self._passing -= is_event
