"""When to try again: backoff with jitter over a day, and a breaker for a sink that is down. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import xxhash

HOUR_MS: Final = 3_600_000
JITTER: Final = 0.2
"""Share by which a wait varies: those who failed together do not come back together."""


@dataclass(frozen=True)
class Backoff:
    """Waits that grow from ``first_ms`` by ``factor`` up to ``longest_ms``, until ``give_up_ms`` after the first try.

    >>> backoff = Backoff()
    >>> [round(backoff.wait_ms("a", tries) / 1000) for tries in (1, 2, 3, 12)]
    [5, 15, 52, 13924]
    """

    first_ms: int = 5_000
    factor: float = 3.0
    longest_ms: int = 4 * HOUR_MS
    give_up_ms: int = 24 * HOUR_MS

    def wait_ms(self, key: str, tries: int) -> int:
        """Return how long to wait after so many tries (≥ 1); the jitter depends on ``key`` and ``tries`` alone."""
        steps = min(tries - 1, 64)
        grown = min(float(self.longest_ms), self.first_ms * self.factor**steps)
        share = xxhash.xxh3_64_intdigest(f"{key}|{tries}".encode()) / 2**64
        return round(grown * (1 - JITTER + 2 * JITTER * share))

    def next_try(
        self, key: str, tries: int, first_try_ms: int, now_ms: int, retry_after_ms: int | None = None
    ) -> int | None:
        """Return when to try again (ms), None to give up. A wait that the receiver asked for is kept."""
        end_ms = first_try_ms + self.give_up_ms
        if now_ms >= end_ms:
            return None
        return min(end_ms, now_ms + max(self.wait_ms(key, tries), retry_after_ms or 0))


class Circuit(Enum):
    """Whether a sink is spoken to: as usual, not at all, or once to see."""

    CLOSED = "closed"
    OPEN = "open"
    TRYING = "trying"


@dataclass
class Breaker:
    """Keeps a sink that fails from being asked by everybody: after ``failures_max`` in a row it rests ``rest_ms``.

    Then one delivery is tried: if it fails, it rests twice as long, up to ``rest_max_ms``.
    """

    failures_max: int = 5
    rest_ms: int = 5_000
    rest_max_ms: int = 300_000
    circuit: Circuit = field(default=Circuit.CLOSED, init=False)
    opens_ms: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)
    _rests: int = field(default=0, init=False)

    def room(self, now_ms: int, in_flight: int, slots: int) -> int:
        """Return how many deliveries may be begun now, while ``in_flight`` of ``slots`` are under way."""
        if now_ms < self.opens_ms:
            return 0
        if self.circuit is Circuit.CLOSED:
            return max(0, slots - in_flight)
        self.circuit = Circuit.TRYING
        return 0 if in_flight else 1

    def succeed(self) -> None:
        """Note that the sink has answered."""
        self.circuit, self._failures, self._rests = Circuit.CLOSED, 0, 0

    def fail(self, now_ms: int) -> None:
        """Note that it has failed, or has not answered."""
        self._failures += 1
        if self.circuit is Circuit.OPEN:
            return  # what was under way when it broke
        if self.circuit is Circuit.TRYING or self._failures >= self.failures_max:
            self.circuit = Circuit.OPEN
            self.opens_ms = now_ms + min(self.rest_max_ms, self.rest_ms * 2 ** min(self._rests, 30))
            self._rests += 1

    def pause(self, until_ms: int) -> None:
        """Leave the sink alone until then, as it has asked."""
        self.opens_ms = max(self.opens_ms, until_ms)
