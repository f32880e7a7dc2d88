"""Who owns shards when a worker ends in the middle of a rebalance: nobody."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from streams.runtime.shards import Shards
from streams.settings import Settings


class Writers:
    """Counts writers that were started and stopped, in place of those that write to Kafka."""

    def __init__(self) -> None:
        self.started = self.stopped = 0

    def __call__(self, *_: Any, **__: Any) -> Writers:
        return self

    async def start(self) -> None:
        """Count a start."""
        self.started += 1

    async def stop(self) -> None:
        """Count a stop."""
        self.stopped += 1


def make_shards(closes_while_owning: bool) -> Shards:
    """Return shards that own nothing yet; preparing may close them, as the end of a worker does at any moment."""

    async def prepare(partitions: set[int]) -> None:
        if closes_while_owning:
            await shards.close()

    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("is not to be called")

    shards = Shards(
        Settings(),
        sources=["events"],
        changelog="changelog",
        journal="journal",
        open_logic=unused,
        prepare=prepare,
        inherit=unused,
        observer=SimpleNamespace(
            committed=unused, assigned=unused, restored=unused, out_of_order=unused, expired=unused
        ),
        on_failure=unused,
        consumer=unused,
        now_s=unused,
    )
    return shards


@pytest.mark.parametrize(("closes_while_owning", "started"), [(True, 2), (False, 0)])
def test_a_rebalance_gives_nothing_to_a_worker_that_has_ended(
    closes_while_owning: bool, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers = Writers()
    monkeypatch.setattr("streams.runtime.shards.Writer", writers)

    async def read_no_bounds(self: Shards, partitions: set[int]) -> None:
        return

    monkeypatch.setattr(Shards, "_read_bounds", read_no_bounds)

    async def rebalance() -> Shards:
        shards = make_shards(closes_while_owning)
        if not closes_while_owning:
            await shards.close()
        await shards.own({0, 1})
        return shards

    shards = asyncio.run(rebalance())
    assert (writers.started, writers.stopped) == (started, started)
    assert [shards.locate("events", partition) for partition in (0, 1)] == [None, None]
