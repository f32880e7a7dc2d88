"""Accounts hold against a plain recomputation: whoever belongs to which company, and comes when and where.

What is expected is worked out here from the events themselves and from who is who, without the engine's help; only a
lead's own record, which other tests hold against the oracle, says what it adds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.account_records import AccountScore
from scoring.accounts import CONTACTS_SHOWN
from scoring.score_records import LeadScore
from scoring.shard import CONTACTS_MAX
from tests.unit.builders import NOW, days, event, hours, model_of
from tests.unit.cluster import Cluster

CONTACT_MAX: Final = 50.0
HALF_LIFE_DAYS: Final = 10.0
EVENT_POINTS: Final = {"funding": 20.0, "hiring": 10.0, "layoffs": -30.0}
FAR: Final = NOW + days(200)
LATEST: Final = NOW + days(40)

MODEL = model_of(
    {
        "view": {"on": "page_viewed", "points": 3, "half_life_days": 7, "points_max": 25},
        "ask": {"on": "form_submitted", "points": 60, "half_life_days": 30, "points_max": 130},
        "leave": {"on": "email_unsubscribed", "points": -20, "half_life_days": 30},
    },
    {"warm": {"enter": 30, "leave": 20}, "hot": {"enter": 100, "leave": 80, "fit_min": 5, "cooldown_h": 24}},
    max_age_h=8_760,
    names={"own_domains": ["ours.example"]},
    traits={"size": {"answers": {">= 100": 7, ">= 10": 3}, "from": "employees"}},
    profiles={
        "default": {
            "industry": {"weight": 5, "answers": {"software": 10, "*": 3}},
            "employees": {"weight": 5, "answers": {">= 100": 10, ">= 10": 6}},
            "engagement": {"weight": 3, "answers": {">= 100": 10, ">= 20": 5}},
            "stakeholders": {"weight": 2, "answers": {">= 3": 10, ">= 2": 5}},
        }
    },
    exclusions={"farms": {"where": {"industry": "farming"}, "reason": "is a farm"}},
    accounts={
        "contact_max": CONTACT_MAX,
        "half_life_days": HALF_LIFE_DAYS,
        "bands": {"aware": {"enter": 20, "leave": 10}, "engaged": {"enter": 60, "leave": 40}},
        "company_events": EVENT_POINTS,
    },
    signals={"group": {"kind": "distinct_contacts", "people": 2, "within_days": 400, "cooldown_h": 0}},
)

DOMAINS: Final = ("acme.com", "beta.com", "gamma.org")
DOMAIN_OF: Final = {"1": "acme.com", "2": "acme.com", "3": "beta.com"}
"""Ids whose domain somebody tells; of the others nobody does."""

IDS: Final = (*DOMAIN_OF, "8", "9")
MAILBOXES: Final = (*DOMAINS, *DOMAINS, "mail.acme.com", "gmail.com", "ours.example")

Face = dict[str, str]


@dataclass
class Person:
    """Somebody: the combinations of identities under which they are seen, and what they do."""

    lead: str
    faces: list[Face]
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The account whose person this is in the end; nothing for visitors, our own people and those of no company."""
        if self.lead.startswith("anon:") or self.lead.endswith("@ours.example"):
            return ""
        named = [(each["time"], each["account_id"]) for each in self.events if "account_id" in each]
        if named:
            return account_of_id(max(named)[1])
        domain = self.lead.rpartition("@")[2].removeprefix("mail.")
        return f"domain:{domain}" if domain in DOMAINS else ""

    @property
    def seen_ms(self) -> int:
        return max(each["time"] for each in self.events)


def account_of_id(account_id: str) -> str:
    domain = DOMAIN_OF.get(account_id)
    return f"account:{account_id}" if domain is None else f"domain:{domain}"


def random_person(rng: Random, number: int) -> Person:
    """Return somebody whose weaker identities are each seen with a stronger one at least once."""
    kind = rng.random()
    if kind < 0.1:
        return Person(f"anon:a{number}", [{"anonymous_id": f"a{number}"}])
    email = {"email": f"p{number}@{rng.choice(MAILBOXES)}"} if kind < 0.85 else {}
    users = [{"user_id": f"u{number}-{n}"} for n in range(rng.randrange(3) if email else 1)]
    known = [{**email, **user} for user in users]
    cookies = [{"anonymous_id": f"a{number}-{n}"} for n in range(rng.randrange(3))]
    known += [{**rng.choice(known or [email]), **cookie} for cookie in cookies]
    lead = f"email:{email['email']}" if email else f"user:{users[0]['user_id']}"
    return Person(lead, [*known, *users, *cookies, *([email] if email else [])])


def act(rng: Random, person: Person, number: int) -> None:
    """Let somebody do something more, under one of their faces, perhaps at a company that they name."""
    round_ = len(person.events)
    face = person.faces[round_] if round_ < len(person.faces) else rng.choice(person.faces)
    kind = rng.choice(("page_viewed", "page_viewed", "form_submitted", "email_unsubscribed", "identified"))
    named = {"account_id": rng.choice(IDS)} if rng.random() < 0.3 else {}
    person.events.append(event(f"e-{number}", random_time(rng), kind, **face, **named))


def random_time(rng: Random) -> int:
    """Return a time of the first 40 days; some are the same."""
    return NOW + days(rng.choice((0, 1, 1, 5, 20, 39))) + hours(rng.choice((0, 0, 1, 7)))


def random_updates(rng: Random) -> list[dict[str, Any]]:
    """Return what becomes known of companies: each id that has a domain is told at least once to be that one's."""
    updates = []
    for number in range(rng.randrange(12)):
        update: dict[str, Any] = {"time": random_time(rng)}
        account_id = rng.choice(IDS)
        known_by = rng.choice(("id", "domain", "both"))
        if known_by != "domain":
            update["account_id"] = account_id
        if known_by != "id":
            domain = DOMAIN_OF.get(account_id) if known_by == "both" else rng.choice(DOMAINS)
            update |= {"domain": rng.choice(("", "www.")) + domain} if domain else {"account_id": account_id}
        kind = rng.choice(("account_updated", "account_updated", "account_updated", *EVENT_POINTS, "new_office"))
        facts = {
            "industry": rng.choice(("software", "banking", "farming", None)),
            "employees": rng.choice((5, 50, 500)),
            "name": rng.choice(("One", "Two")),
        }
        some = {name: value for name, value in facts.items() if rng.random() < 0.6}
        updates.append(update | {"id": f"u-{number}", "type": kind, "facts": some})
    for account_id, domain in DOMAIN_OF.items():
        known = {"account_id": account_id, "domain": domain, "time": random_time(rng)}
        updates.append(known | {"id": f"u-id-{account_id}", "type": "account_updated"})
    return updates


def account_of_update(update: Mapping[str, Any]) -> str:
    if "domain" in update:
        return f"domain:{update['domain'].removeprefix('www.')}"
    return account_of_id(update["account_id"])


@dataclass
class World:
    """People and what becomes known of companies."""

    people: list[Person]
    updates: list[dict[str, Any]]

    def members(self, account: str) -> list[Person]:
        return [person for person in self.people if person.account == account]

    def news(self, account: str) -> list[dict[str, Any]]:
        return [update for update in self.updates if account_of_update(update) == account]

    @property
    def accounts(self) -> set[str]:
        """The accounts that are known to have people, or of which something is known."""
        return {person.account for person in self.people} - {""} | {account_of_update(each) for each in self.updates}

    def facts(self, account: str) -> dict[str, Any]:
        """What is known of a company in the end: of each fact the newest, of two at one time the larger in words."""
        told: dict[str, tuple[int, str, Any]] = {}
        for update in self.news(account):
            for name, value in update.get("facts", {}).items():
                told[name] = max(
                    told.get(name, (0, "", None)), (update["time"], repr(value), value), key=lambda t: t[:2]
                )
        return {name: value for name, (_, _, value) in told.items() if value is not None}


def random_world(rng: Random) -> World:
    people = [random_person(rng, number) for number in range(rng.randrange(1, 9))]
    number = 0
    for person in people:
        for _ in range(len(person.faces) + rng.randrange(5)):
            act(rng, person, number)
            number += 1
    return World(people, random_updates(rng))


def played(world: World, rng: Random, partitions: int, contacts_max: int = CONTACTS_MAX) -> Cluster:
    """Let all happen in any order, some of it twice, with ticks in between; return the cluster when all is done."""
    cluster = Cluster(MODEL, partitions, rng, contacts_max)
    happened: list[tuple[str, dict[str, Any]]] = [("update", update) for update in world.updates]
    for person in world.people:
        for each in person.events:
            happened.append(("event", each))
            if rng.random() < 0.2:
                shown = {name: each[name] for name in ("email", "user_id", "anonymous_id") if name in each}
                more = rng.choice([face for face in person.faces if face.items() >= shown.items()])
                happened.append(("event", each | more))
    happened += [each for each in happened if rng.random() < 0.1]
    rng.shuffle(happened)
    tick_at = rng.sample(range(len(happened)), min(len(happened), rng.randrange(3)))
    for number, (kind, each) in enumerate(happened):
        place = rng.randrange(partitions)
        if kind == "update":
            cluster.send_update(each, FAR, place)
        else:
            cluster.send(each, FAR, None, place)
        if rng.random() < 0.3:
            cluster.run(rng.randrange(30))
        if number in tick_at:
            cluster.tick(random_time(rng) + days(rng.randrange(60)))
    cluster.run()
    assert cluster.done.refusals == []
    assert cluster.done.conflicts == []
    assert cluster.done.failures == []
    return cluster


def score_when_seen(record: LeadScore, seen_ms: int) -> float:
    """Return what a record came to (points) at the lead's latest event, of which it may be later, by its formula."""
    total = sum(line.points for line in record.traits)
    for line in record.rules:
        amount = line.points if line.amount is None else line.amount
        amount *= 2.0 ** ((record.at_ms - seen_ms) / days(line.half_life_days))
        ceiling = float("inf") if line.points_max is None else line.points_max
        total += max(-ceiling, min(ceiling, amount))
    return max(0.0, total)


def assert_right(cluster: Cluster, world: World, *, lists_everybody: bool) -> None:
    """Hold every account and every lead of a cluster that is done against what must have come of a world."""
    leads, accounts = cluster.leads, cluster.account_scores
    assert leads.keys() == {person.lead for person in world.people}
    assert accounts.keys() >= world.accounts
    for account, record in accounts.items():
        members = world.members(account)
        people = {person.lead for person in members}
        listed = {contact.lead for contact in record.contacts}
        assert record.people == len(people), account
        assert listed <= people
        if lists_everybody:
            assert listed == people
            assert len(people) < 2 or "group" in record.signals
        _assert_sums(record, leads, members, world.news(account))
        known = world.facts(account)
        assert record.facts == known
        for lead in listed:
            told = leads[lead]
            assert (told.fit, told.fit_level, told.company) == (record.fit, record.level, known.get("name", ""))
            inherited = sum(line.points for line in told.traits)
            assert inherited == next((points for least, points in ((100, 7), (10, 3)) if _size(known) >= least), 0)
    for signal in cluster.signals:
        assert len({person.lead for person in signal.people}) == len(signal.people) >= 2
    for person in world.people:
        if not person.account:
            lead = leads[person.lead]
            assert (lead.fit, lead.fit_level, lead.company) == (None, "", "")


def _size(facts: Mapping[str, Any]) -> int:
    return int(facts.get("employees", 0))


def _assert_sums(
    record: AccountScore, leads: Mapping[str, LeadScore], members: list[Person], news: list[dict[str, Any]]
) -> None:
    """Hold an account's engagement, and the lines that it is made of, against its people's records and its news."""
    at_ms = record.at_ms
    assert at_ms >= max([person.seen_ms for person in members] + [each["time"] for each in news], default=0)

    def faded(points: float, since_ms: int) -> float:
        return points * 2.0 ** ((since_ms - at_ms) / days(HALF_LIFE_DAYS))

    shares = {
        person.lead: faded(min(CONTACT_MAX, score_when_seen(leads[person.lead], person.seen_ms)), person.seen_ms)
        for person in members
    }
    of_news = sum(faded(EVENT_POINTS.get(each["type"], 0.0), each["time"]) for each in news)
    assert record.score == pytest.approx(max(0.0, sum(shares.values()) + of_news), abs=2e-6)
    lines: defaultdict[str, float] = defaultdict(float)
    for line in record.ledger:
        lines[line.kind] += line.points
        if line.kind == "person":
            assert line.points == pytest.approx(shares[line.name], abs=2e-6)
    assert lines["person"] + lines["others"] == pytest.approx(sum(shares.values()), abs=2e-6)
    assert lines["event"] == pytest.approx(of_news, abs=2e-6)


@given(st.integers(0, 1 << 30), st.integers(1, 6))
def test_an_account_is_its_people_and_its_news_in_any_order_of_arrival(seed: int, partitions: int) -> None:
    rng = Random(seed)
    world = random_world(rng)
    assert len(world.people) < CONTACTS_SHOWN
    assert_right(played(world, rng, partitions), world, lists_everybody=True)


@given(st.integers(0, 1 << 30), st.integers(1, 6), st.integers(1, 3))
def test_people_who_are_not_listed_add_to_their_account_all_the_same(seed: int, partitions: int, most: int) -> None:
    rng = Random(seed)
    world = random_world(rng)
    assert_right(played(world, rng, partitions, most), world, lists_everybody=False)
