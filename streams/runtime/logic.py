"""What a shard does with what it is given: the runtime's side of the contract with :mod:`streams.agents`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

from streams.runtime.transactions import Work


class Logic(Protocol):
    """What a shard does with a chunk's records, with pauses, in which nothing else of the shard may be begun.

    ``memo`` is given to the next logic on the same table. ``publication`` is the number of the model that it goes by;
    ``renew`` goes over to the newest one, if that is another.
    Something is due, in silence, at ``due_ms`` by the shard's clock: then it wants a tick. While ``is_adopting``, what
    an earlier logic left in the table is brought up to date, some keys at a time. What may be forgotten is looked for
    in the same way, again and again; ``forget`` says which keys it was, and whether it has come to the end.
    """

    @property
    def memo(self) -> bytes: ...

    @property
    def publication(self) -> int: ...

    @property
    def due_ms(self) -> int: ...

    @property
    def is_adopting(self) -> bool: ...

    def take(self, topic: str, partition: int, records: Sequence[Any]) -> Generator[None, None, Work]: ...

    def renew(self) -> Work | None: ...

    def tick(self, clock_ms: int, leads_max: int) -> tuple[Work, int]: ...

    def adopt(self, leads_max: int) -> tuple[Work, str]: ...

    def forget(self, clock_ms: int, keys_max: int) -> tuple[Work, list[str], bool]: ...


OpenLogic = Callable[[int, dict[bytes, bytes], bytes, frozenset[str]], Logic]
"""A partition, its table (key → value), and the memo that an earlier logic left (or nothing) → the logic on it.

It is also given the ids of what has been said already, and is not to be said again."""
