"""The invented world: a cast, sixty days of history, and then life, which does not end.

Pure: the same seed and the same time give the same world.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Final

from scoring.events import Event
from streams.demo.cast import PEOPLE, Person, people
from streams.demo.history import QUIET_MS, History
from streams.demo.life import Life

HISTORY_IDS: Final = "history-"
"""Ids of the history's events begin with it."""


class World:
    """The cast of a seed, and what it does."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.people: tuple[Person, ...] = tuple(islice(people(Random(f"{seed} people")), PEOPLE))

    def history(self, now_ms: int) -> list[Event]:
        """Return the sixty days before ``now_ms``, in the order in which they happened."""
        history = History(Random(f"{self.seed} history"), now_ms)
        for person in self.people:
            history.live_through(person)
        history.send_newsletters(self.people)
        dated = sorted((int(event.time), number) for number, event in enumerate(history.events))
        events = [history.events[number] for time_ms, number in dated if time_ms <= now_ms - QUIET_MS]
        for number, event in enumerate(events, 1):
            event.id = f"{HISTORY_IDS}{number:05}"
        return events

    def life(self) -> Iterator[tuple[float, Event]]:
        """Yield what happens from now on, for ever: when, in seconds from now, and an event without its time."""
        newcomers = islice(people(Random(f"{self.seed} people")), PEOPLE, None)
        return iter(Life(Random(f"{self.seed} life"), self.people, newcomers))
