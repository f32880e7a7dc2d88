"""Seeded traffic of people with several identities, most of it under a weaker one, and of their companies."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streams.settings import Settings
from streams.topics import ACCOUNT_UPDATES, EMAIL_EVENTS, WEB_EVENTS
from tests.e2e.traffic import DAY_MS, Message

COMPANIES = 12
IDENTITIES = ("email", "user_id", "anonymous_id")


@dataclass(frozen=True)
class Seen:
    """An event as it is sent, with the address of whom it is about."""

    event: dict[str, Any]
    email: str

    @property
    def known(self) -> dict[str, Any]:
        """The event as it would be, had everybody known all along."""
        return {name: value for name, value in self.event.items() if name not in IDENTITIES} | {"email": self.email}

    def message(self, rng: random.Random, settings: Settings) -> Message:
        """Return its record: its key is its strongest identity, or now and then another one."""
        event = self.event
        kind, name = next((kind, event[kind]) for kind in IDENTITIES if kind in event)
        key = f"{kind.removesuffix('_id').replace('anonymous', 'anon')}:{name}"
        if rng.random() < 0.05:
            key = f"user:{rng.randrange(1_000)}"
        topic = EMAIL_EVENTS if event["type"].startswith("email") else WEB_EVENTS
        return Message(topic.full_name(settings.prefix), key.encode(), json.dumps(event).encode())


def generate(people: int, visits: int, last_ms: int, seed: int) -> Iterator[Seen]:
    """Yield what ``people`` do in ``visits`` visits: anonymous at first, then under a user id, now and then an address.

    One in 25 events comes twice. Everybody makes themselves known in the end.
    """
    rng = random.Random(seed)
    number = 0
    for visit in range(visits):
        who = visit % people
        email, user, cookie = f"p{who}@company{who % COMPANIES}.com", f"u{who}", f"c{who}-{rng.randrange(3)}"
        is_last = visit >= visits - people
        for step in range(rng.randrange(1, 5)):
            number += 1
            event = {
                "id": f"e{number}",
                "type": rng.choices(["page_viewed", "form_submitted", "link_clicked"], [70, 6, 18])[0],
                "time": last_ms - 30 * DAY_MS + number * 1_000 - rng.randrange(60_000),
                "anonymous_id": cookie,
                "properties": {"path": rng.choice(["/", "/blog", "/pricing"]), "form": rng.choice(["demo", "news"])},
            }
            if rng.random() < 0.2 or is_last:
                event["user_id"] = user
            if (rng.random() < 0.1 or is_last) and step == 0:
                event |= {"email": email, "user_id": user}
            yield Seen(event, email)
            if rng.random() < 0.04:
                yield Seen(event, email)
        if is_last:
            for cookie_number in range(3):
                number += 1
                bare = {"type": "email_clicked", "time": last_ms - 1_000, "properties": {"link": "l1"}}
                shown = {"id": f"e{number}", "email": email, "anonymous_id": f"c{who}-{cookie_number}"}
                yield Seen(bare | shown, email)


def company_updates(last_ms: int, settings: Settings) -> Iterator[Message]:
    """Yield what becomes known of the companies: some fit, some do not, and all are customers of ours."""
    industries = ("Software", "Farming", "Logistics")
    for number in range(COMPANIES):
        facts = {"industry": industries[number % 3], "employees": 40 * number, "revenue": 1_000_000 * number}
        update = {
            "id": f"u{number}",
            "type": "account_updated",
            "time": last_ms - 40 * DAY_MS,
            "domain": f"company{number}.com",
            "facts": facts if number % 4 else {"name": f"Company {number}"},
        }
        if number % 2:
            update["account_id"] = str(number)
        news = {
            "id": f"n{number}",
            "type": "funding",
            "time": last_ms - number * DAY_MS,
            "domain": f"company{number}.com",
        }
        # Customers are told of by the id, where there is one, and so twice over to one account.
        whose = {"account_id": str(number)} if number % 2 else {"domain": f"company{number}.com"}
        rated = {"ratings": {"offer_meets_need": number % 3 > 0, "revenue_potential": "yes"}, "by": "olga"}
        bought = [
            {"id": f"i{number}", "type": "invoice", "properties": {"amount": 100.5 * number}},
            {"id": f"r{number}", "type": "rating", "properties": rated},
        ]
        for each in (update, news, *(each | whose | {"time": news["time"]} for each in bought)):
            yield Message(ACCOUNT_UPDATES.full_name(settings.prefix), b"some key", json.dumps(each).encode())
