"""Answers that are kept for a second: a hundred people who look at the same list are one question to Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from streams.dashboard.queries import Query

KEPT_S: Final = 1.0
"""As long as a filter's ids are kept at least, so that a list is not older for it."""

KEPT_MAX: Final = 200
Make = Callable[[], Coroutine[Any, Any, bytes]]


class Recent:
    """Keeps answers by question; whoever asks while one is made waits for that one."""

    def __init__(self) -> None:
        self._kept: dict[Query, tuple[float, asyncio.Task[bytes]]] = {}

    async def get(self, query: Query, make: Make) -> bytes:
        """Return the answer to a question: the one that is kept, else what ``make`` makes. Raises what that raises."""
        now_s = asyncio.get_running_loop().time()
        kept = self._kept.get(query)
        if kept is None or now_s >= kept[0] or (kept[1].done() and kept[1].exception() is not None):
            self._make_room(now_s)
            kept = self._kept[query] = (now_s + KEPT_S, asyncio.create_task(make()))
        return await asyncio.shield(kept[1])

    def _make_room(self, now_s: float) -> None:
        if len(self._kept) >= KEPT_MAX:
            self._kept = {query: kept for query, kept in self._kept.items() if now_s < kept[0]}
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
