"""What a shard is left by a rebuild whose states it takes over: records still to be written, and what has been said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from streams.runtime.transactions import Work


@dataclass(slots=True)
class Inheritance:
    """Records to be written, by topic and key, bit by bit; what the shard itself writes meanwhile goes before.

    ``ends`` is where these topics ended at the takeover, at ``at_ms``. ``said`` are the ids of what had been said by
    then and may be found anew: once the shard's clock has passed ``at_ms``, it will not be.
    """

    ends: dict[str, int]
    records: dict[str, dict[bytes, bytes | None]]
    said: frozenset[str]
    at_ms: int

    def give_way(self, work: Work) -> None:
        """Leave out what is written anew."""
        for topic, left in self.records.items():
            for key in work.latest.get(topic, ()):
                left.pop(key, None)
            for written, _ in work.records.get(topic, ()):
                left.pop(written or b"", None)

    def take(self, records_max: int) -> Mapping[str, dict[bytes, bytes | None]]:
        """Remove and return the next records, at most so many of each topic; nothing once all are written."""
        taken = {}
        for topic, left in self.records.items():
            some = dict(islice(left.items(), records_max))
            if some:
                for key in some:
                    del left[key]
                taken[topic] = some
        return taken
