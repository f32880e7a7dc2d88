"""How much goes to a sink at once, over all partitions of this process; and nothing while it rests."""

from __future__ import annotations

from collections.abc import Callable

from streams.delivery.attempts import Attempt, Failed
from streams.delivery.retries import Breaker


class Gate:
    """The way to one sink: ``slots`` at once, behind its breaker. ``on_room`` is called when somebody may go on."""

    def __init__(self, slots: int, breaker: Breaker, on_room: Callable[[], None]) -> None:
        self.breaker = breaker
        self._slots = slots
        self._in_flight = 0
        self._on_room = on_room

    def room(self, now_ms: int) -> int:
        """Return how many deliveries may be begun now."""
        return self.breaker.room(now_ms, self._in_flight, self._slots)

    def enter(self) -> None:
        """Note that a delivery is being tried."""
        self._in_flight += 1

    def leave(self, attempt: Attempt | None, now_ms: int) -> None:
        """Note what came of it; None where nobody knows, because we stop."""
        self._in_flight -= 1
        match attempt:
            case Failed(is_down=True, retry_after_ms=wait_ms):
                self.breaker.fail(now_ms)
                if wait_ms:
                    self.breaker.pause(now_ms + wait_ms)
            case None:
                pass
            case _:
                self.breaker.succeed()
        self._on_room()
