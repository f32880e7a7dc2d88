"""Sixty days in the life of a site: who came when, and did what. Each habit is a method.

All of it lies at least :data:`QUIET_MS` before now, so that no crossing in it is young enough to alert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from random import Random
from typing import Final

from scoring.events import Event
from streams.demo import visits
from streams.demo.cast import Habit, Person
from streams.demo.visits import Shown, Step, came_from, event_of, introduction, mail, shown_in

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
HISTORY_DAYS: Final = 60
LAST_DAY: Final = 2
"""Days ago. The office hours of that day have ended more than a day ago, whatever time it is now."""

QUIET_MS: Final = 26 * HOUR_MS
"""Nothing in the history is younger: more than the default model's ``alerts.max_age_h``, which is 24."""

_OPENS: Final = {Habit.READER: 0.6, Habit.RESEARCHER: 0.45, Habit.LEAVER: 0.4, Habit.BUYER: 0.3, Habit.REGULAR: 0.2}
"""Shares of our subscribers who open a newsletter. Others get none."""

_CLICKS: Final = {Habit.READER: 0.3, Habit.RESEARCHER: 0.3, Habit.BUYER: 0.2, Habit.LEAVER: 0.1, Habit.REGULAR: 0.1}
"""Shares of those who opened it."""


class History:
    """Gathers ``events``, in no order and without ids, by who did them."""

    def __init__(self, rng: Random, now_ms: int) -> None:
        self.events: list[Event] = []
        self._rng = rng
        self._today_ms = now_ms // DAY_MS * DAY_MS

    def live_through(self, person: Person) -> None:
        """Note all that somebody did on our site."""
        _LIVES[person.habit](self, person, self._rng.randint(LAST_DAY, HISTORY_DAYS))

    def send_newsletters(self, people: Iterable[Person]) -> None:
        """Note a newsletter a week, and what its readers did with it."""
        subscribers = [person for person in people if person.known and person.habit in _OPENS]
        gone: set[Person] = set()
        for week, day in enumerate(range(HISTORY_DAYS - 4, LAST_DAY, -7), 1):
            sent_ms = self._today_ms - day * DAY_MS + 8 * HOUR_MS
            for person in subscribers:
                at_ms = sent_ms + self._rng.randint(0, 60_000)
                if person not in gone and not self._gets(person, f"newsletter-{week}", at_ms):
                    gone.add(person)

    def pass_by(self, person: Person, first_day: int) -> None:
        """Look once; some log in to do it."""
        self._visit(person, first_day, [*introduction(person), *visits.looks(self._rng)])

    def come_back(self, person: Person, first_day: int) -> None:
        """Look now and then; at the first time until they log in, which stays the only time."""
        first_day = max(first_day, 20)
        first, *later = self._days(first_day, self._rng.randint(4, 7))
        self._visit(person, first, [*visits.returns(self._rng), *introduction(person)])
        for day in later:
            self._visit(person, day, visits.returns(self._rng))

    def read(self, person: Person, first_day: int) -> None:
        """Subscribe to the newsletter; what they do with it is noted where it is sent."""
        first_day = max(first_day, 40)
        self._visit(person, first_day, [*visits.looks(self._rng), visits.form("newsletter")], "social")

    def research(self, person: Person, first_day: int) -> None:
        """Compare, download, attend a webinar and look at prices, over weeks."""
        rng, first_day = self._rng, 18 + first_day // 2
        self._visit(person, first_day, visits.returns(rng))
        self._visit(person, first_day - 3, [*visits.looks(rng), visits.form("brochure", "product-brochure")])
        for asset in rng.sample(visits.ASSETS, rng.choice((1, 2, 2, 2))):
            self._visit(person, rng.randint(3, first_day), [*visits.looks(rng), visits.download(asset)], "newsletter")
        if rng.random() < 0.8:
            self._attend_webinar(person, rng.randint(3, first_day - 4))
        for day in self._days(first_day - 2, rng.choice((1, 1, 1, 2))):
            self._visit(person, day, visits.compares(rng))

    def buy(self, person: Person, first_day: int) -> None:
        """Look at prices; some have asked for us before now, and of the others we know no more than a cookie."""
        rng, first_day = self._rng, max(first_day, 5)
        self._visit(person, first_day, visits.returns(rng))
        choice = rng.random()
        if choice < 0.3:
            self._visit(person, rng.randint(LAST_DAY, first_day), visits.asks(rng))
        elif choice < 0.65:
            self._visit(person, rng.randint(LAST_DAY, first_day), visits.pages("/", *visits.PRICES[:1]))

    def look_for_work(self, person: Person, first_day: int) -> None:
        """Look at vacancies, and some leave their address."""
        for day in self._days(first_day, self._rng.choice((1, 1, 2))):
            self._visit(person, day, [*visits.looks_for_work(self._rng), *introduction(person)])

    def _visit(self, person: Person, days_ago: int, steps: list[Step], source: str | None = None) -> None:
        """Note one visit on about that day. A page is read for half a minute; some for seconds, some for minutes."""
        at_ms = self._office_time(days_ago)
        context = came_from(source or self._rng.choice(visits.SOURCES))
        for done, shown in shown_in(person, steps):
            seconds = round(self._rng.lognormvariate(3.5, 0.9), 1)
            if done.type == "page_viewed":
                done.properties["seconds"] = seconds
            self.events.append(event_of(person, done, at_ms, context, shown))
            at_ms += int(seconds * 1000)

    def _attend_webinar(self, person: Person, day: int) -> None:
        webinar = self._rng.choice(visits.WEBINARS)
        registers = Step("webinar_registered", {"webinar": webinar})
        self._visit(person, day + 3, [visits.page(f"/webinars/{webinar}"), registers], "newsletter")
        if self._rng.random() < 0.8:
            at_ms = self._today_ms - day * DAY_MS + 14 * HOUR_MS
            attends = Step("webinar_attended", {"webinar": webinar})  # by the link that they were sent
            self.events.append(event_of(person, attends, at_ms, shown=Shown.ALL))

    def _gets(self, person: Person, message: str, sent_ms: int) -> bool:
        """Note what somebody did with a newsletter; says whether they want another."""
        rng, opens, clicks = self._rng, _OPENS[person.habit], _CLICKS[person.habit]
        self.events.append(mail(person, "email_sent", message, sent_ms))
        if rng.random() < 0.004:
            self.events.append(mail(person, "email_bounced", message, sent_ms + 3_000, kind="hard"))
            return False
        self.events.append(mail(person, "email_delivered", message, sent_ms + rng.randint(1_000, 20_000)))
        if rng.random() >= opens:
            return True
        opened_ms = sent_ms + 60_000 + int(rng.expovariate(1 / (5 * HOUR_MS)))
        self.events.append(mail(person, "email_opened", message, opened_ms))
        if person.habit is Habit.LEAVER and rng.random() < 0.5:
            self.events.append(mail(person, "email_unsubscribed", message, opened_ms + 20_000))
            return False
        if rng.random() < clicks:
            article = rng.choice(visits.ARTICLES)
            self.events.append(mail(person, "email_clicked", message, opened_ms + 15_000, link=article))
            view = event_of(person, visits.page(article), opened_ms + 17_000, came_from("newsletter"))
            self.events.append(view)
        return True

    def _days(self, oldest: int, number: int) -> list[int]:
        """Return days (ago) from ``oldest`` on, the earliest first."""
        return sorted((self._rng.randint(LAST_DAY, oldest) for _ in range(number)), reverse=True)

    def _office_time(self, days_ago: int) -> int:
        """Return a time (ms) in office hours of that day; most avoid weekends."""
        day_ms = self._today_ms - days_ago * DAY_MS
        if datetime.fromtimestamp(day_ms / 1000, UTC).weekday() >= 5 and self._rng.random() < 0.9:
            day_ms -= 2 * DAY_MS
        return day_ms + int(self._rng.triangular(8.0, 18.5, 10.5) * HOUR_MS)


_LIVES: Final[dict[Habit, Callable[[History, Person, int], None]]] = {
    Habit.PASSER_BY: History.pass_by,
    Habit.REGULAR: History.come_back,
    Habit.READER: History.read,
    Habit.RESEARCHER: History.research,
    Habit.BUYER: History.buy,
    Habit.LEAVER: History.read,
    Habit.JOB_SEEKER: History.look_for_work,
}
