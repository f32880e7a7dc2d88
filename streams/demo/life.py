"""Life from now on, at a pace that can be watched: a visit of minutes takes seconds, and it never ends.

An agenda holds what happens next: events of people and of companies, and arrivals, each of which puts what somebody
will do and the next arrival of its kind on the agenda. Every few seconds somebody comes who is about to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import count, cycle
from random import Random
from typing import Any, Final

from scoring.account_updates import AccountUpdate
from scoring.events import Event
from streams.demo import visits
from streams.demo.cast import Habit, Person
from streams.demo.news import happening
from streams.demo.visits import Step, came_from, event_of, mail, shown_in

DECIDES_S: Final = (1.8, 3.2)
"""Between two who are about to decide, at least and at most."""

LOOKS_S: Final = 1.2
"""Between two others, on average."""

SUBSCRIBES_S: Final = 6.0
"""Between two visitors of whom we know nothing until they subscribe, on average."""

STEP_S: Final = (0.3, 1.0)
"""Between two steps of a visit."""

NEWS_S: Final = 12.0
"""Between two things that become known of companies, on average."""

CAMPAIGN_S: Final = 40.0
CAMPAIGN_PEOPLE: Final = 40

_OTHERS: Final[dict[Habit, Callable[[Random], list[Step]]]] = {
    Habit.PASSER_BY: visits.looks,
    Habit.REGULAR: visits.returns,
    Habit.READER: visits.looks,
    Habit.JOB_SEEKER: visits.looks_for_work,
}

Happening = Event | AccountUpdate
Arrival = Callable[[float], None]


class Life:
    """Iterates over seconds from the start (ascending) and events, whose time is for the player to fill in."""

    def __init__(self, rng: Random, people: Sequence[Person], newcomers: Iterator[Person]) -> None:
        self._rng = rng
        self._newcomers = newcomers
        self._researchers = iter(self._shuffled(people, {Habit.RESEARCHER}))
        self._buyers = iter(self._shuffled(people, {Habit.BUYER}))
        self._others = self._shuffled(people, set(_OTHERS))
        self._subscribers = [person for person in self._shuffled(people, set(Habit)) if person.known]
        self._deciders = cycle((self._buyer, self._researcher, self._researcher))
        self._campaigns = count(1)
        self._order = count()
        self._agenda: list[tuple[float, int, Happening | Arrival]] = []
        first: tuple[tuple[float, Arrival], ...] = (
            (0.0, self._begins),
            (0.3, self._decides),
            (0.9, self._decides),
            (0.4, self._looks),
            (4.0, self._gets_mail),
            (3.0, self._becomes_known),
            (2.0, self._subscribes),
        )
        for at_s, arrival in first:
            self._plan(at_s, arrival)

    def __iter__(self) -> Iterator[tuple[float, Happening]]:
        """Yield without end."""
        number = 0
        while True:
            at_s, _, what = heappop(self._agenda)
            if isinstance(what, Event | AccountUpdate):
                number += 1
                what.id = f"live-{number:06}"
                yield at_s, what
            else:
                what(at_s)

    def _shuffled(self, people: Iterable[Person], habits: set[Habit]) -> list[Person]:
        chosen = [person for person in people if person.habit in habits]
        self._rng.shuffle(chosen)
        return chosen

    def _plan(self, at_s: float, what: Happening | Arrival) -> None:
        heappush(self._agenda, (at_s, next(self._order), what))  # the order decides between equal times

    def _visit(self, at_s: float, person: Person, steps: Iterable[Step], context: dict[str, Any]) -> None:
        for done, shown in shown_in(person, steps):
            self._plan(at_s, event_of(person, done, 0, context, shown))
            at_s += self._rng.uniform(*STEP_S)

    def _begins(self, at_s: float) -> None:
        """Let a newcomer ask for us at once: whoever watches need not wait for the first to be hot."""
        person = next(self._newcomers)
        self._visit(at_s, person, visits.asks(self._rng), came_from("search"))

    def _decides(self, at_s: float) -> None:
        person, steps = next(self._deciders)()
        self._visit(at_s, person, steps, came_from(self._rng.choice(visits.SOURCES)))
        # Two such arrivals follow each other in turn.
        self._plan(at_s + 2 * self._rng.uniform(*DECIDES_S), self._decides)

    def _buyer(self) -> tuple[Person, Iterable[Step]]:
        """Choose somebody who asks for us: one who has been here before, or a newcomer."""
        return next(self._buyers, None) or next(self._newcomers), visits.asks(self._rng)

    def _researcher(self) -> tuple[Person, Iterable[Step]]:
        """Choose somebody who is nearly convinced, or a newcomer who makes up their mind in one long visit."""
        known = next(self._researchers, None)
        if known is not None:
            return known, visits.researches(self._rng)
        return next(self._newcomers), visits.evaluates(self._rng)

    def _looks(self, at_s: float) -> None:
        person = self._rng.choice(self._others)
        self._visit(at_s, person, _OTHERS[person.habit](self._rng), came_from(self._rng.choice(visits.SOURCES)))
        self._plan(at_s + self._rng.expovariate(1 / LOOKS_S), self._looks)

    def _subscribes(self, at_s: float) -> None:
        steps = [*visits.looks(self._rng), *visits.pages(visits.COMPARISONS[0]), visits.form("newsletter")]
        self._visit(at_s, next(self._newcomers), steps, came_from("social"))
        self._plan(at_s + self._rng.expovariate(1 / SUBSCRIBES_S), self._subscribes)

    def _becomes_known(self, at_s: float) -> None:
        """Let something become known of a company."""
        self._plan(at_s, happening(self._rng, 0))
        self._plan(at_s + self._rng.expovariate(1 / NEWS_S), self._becomes_known)

    def _gets_mail(self, at_s: float) -> None:
        """Send an e-mail to many; some open it, a few click."""
        rng, message = self._rng, f"campaign-{next(self._campaigns)}"
        for person in rng.sample(self._subscribers, CAMPAIGN_PEOPLE):
            sent_s = at_s + rng.uniform(0.0, 6.0)
            self._plan(sent_s, mail(person, "email_sent", message, 0))
            delivered_s = sent_s + rng.uniform(0.2, 2.0)
            self._plan(delivered_s, mail(person, "email_delivered", message, 0))
            if rng.random() < 0.3:
                self._opens(delivered_s + rng.uniform(1.0, 20.0), person, message)
        self._plan(at_s + CAMPAIGN_S, self._gets_mail)

    def _opens(self, at_s: float, person: Person, message: str) -> None:
        rng = self._rng
        self._plan(at_s, mail(person, "email_opened", message, 0))
        if person.habit is Habit.LEAVER:
            self._plan(at_s + 1.5, mail(person, "email_unsubscribed", message, 0))
        elif rng.random() < 0.3:
            article = rng.choice(visits.ARTICLES)
            self._plan(at_s + 1.0, mail(person, "email_clicked", message, 0, link=article))
            self._visit(at_s + 1.4, person, visits.pages(article), came_from("newsletter"))
