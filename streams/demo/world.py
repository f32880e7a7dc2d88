"""The invented world: companies and people, sixty days of history, and then life, which does not end.

Pure: the same seed and the same time give the same world.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Final

from scoring.account_updates import AccountUpdate
from scoring.events import Event
from streams.demo.cast import PEOPLE, Person, people
from streams.demo.companies import COMPANIES
from streams.demo.history import DAY_MS, HISTORY_DAYS, QUIET_MS, History
from streams.demo.life import Happening, Life
from streams.demo.news import facts_of, happening

HISTORY_IDS: Final = "history-"
"""Ids of the history's events and account updates begin with it."""

NEWS: Final = 14
"""Things that have happened at companies within the history."""


class World:
    """The cast of a seed, and what it does."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.people: tuple[Person, ...] = tuple(islice(people(Random(f"{seed} people")), PEOPLE))

    def companies(self, now_ms: int) -> list[AccountUpdate]:
        """Return what has become known of companies until ``now_ms``: their facts, and what happened there."""
        rng = Random(f"{self.seed} companies")
        began_ms = now_ms - HISTORY_DAYS * DAY_MS
        updates = [facts_of(company, began_ms) for company in COMPANIES]
        updates += [happening(rng, rng.randint(began_ms, now_ms - QUIET_MS)) for _ in range(NEWS)]
        for number, update in enumerate(updates, 1):
            update.id = f"{HISTORY_IDS}company-{number:03}"
        return updates

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

    def life(self) -> Iterator[tuple[float, Happening]]:
        """Yield what happens from now on, for ever: when, in seconds from now, and an event without its time.

        Now and then it is an account update: something has happened at a company.
        """
        newcomers = islice(people(Random(f"{self.seed} people")), PEOPLE, None)
        return iter(Life(Random(f"{self.seed} life"), self.people, newcomers))
