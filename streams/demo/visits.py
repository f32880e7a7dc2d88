"""What there is to do on our invented site and in our e-mails, as events; and a visit as a run of them.

Paths, forms and assets bear names that the default model knows. A visit comes by the browser's cookie until a form or a
login tells who it is, and under our own id from then on; the next one comes by cookie again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from random import Random
from typing import Any, Final, NamedTuple

from scoring.events import Event
from streams.demo.cast import Person

SITE: Final = "https://www.yourcompany.example"

ARTICLES: Final = ("/blog/seven-signs-of-a-full-warehouse", "/blog/forecasting-for-beginners", "/blog/counting-stock")
LANDING: Final = ("/", "/features", *ARTICLES)
PRODUCT: Final = ("/features", "/features/forecasting", "/integrations", "/security", "/docs/getting-started", "/about")
COMPARISONS: Final = ("/compare/spreadsheets", "/vs/doing-nothing", "/case-studies/bakery", "/customers/port-of-call")
PRICES: Final = ("/pricing", "/pricing/enterprise")
CAREERS: Final = ("/careers", "/careers/engineering", "/jobs/account-manager")
ASSETS: Final = ("buyers-guide", "security-whitepaper", "benchmark-report", "roi-calculator")
WEBINARS: Final = ("forecasting-live", "warehouse-tour", "ask-an-expert")
HAND_RAISES: Final = ("demo", "quote", "contact")
SOURCES: Final = ("search", "search", "search", "social", "partner", "advert")


TELLING: Final = frozenset({"form_submitted", "webinar_registered"})
"""Types of what one puts one's address into."""


class Shown(Enum):
    """How somebody shows who they are."""

    COOKIE = auto()
    USER = auto()  # our own id, and the cookie
    ALL = auto()  # the address, too
    ADDRESS = auto()  # and nothing else, as in e-mail


class Step(NamedTuple):
    """Something that one does on the site: an event's type and properties."""

    type: str
    properties: dict[str, Any]


def page(path: str) -> Step:
    """Look at a page.

    >>> page("/case-studies/bakery").properties["name"]
    'Case studies: bakery'
    """
    name = ": ".join(path.strip("/").split("/")).replace("-", " ") or "home"
    return Step("page_viewed", {"name": name.capitalize(), "path": path, "url": SITE + path})


def pages(*paths: str) -> list[Step]:
    """Look at several pages."""
    return [page(path) for path in paths]


def download(asset: str) -> Step:
    """Download something."""
    return Step("file_downloaded", {"asset": asset, "path": f"/files/{asset}.pdf"})


def form(name: str, asset: str | None = None) -> Step:
    """Fill in a form and send it."""
    return Step("form_submitted", {"form": name} if asset is None else {"form": name, "asset": asset})


def introduction(person: Person) -> list[Step]:
    """Return what is told about somebody and their company when they become known."""
    company = person.company
    traits = {"email": person.email, "name": person.name, "title": person.title, "company": company.name}
    return [Step("identified", traits), Step("grouped", {"name": company.name})] if person.known else []


def shown_in(person: Person, steps: Iterable[Step], shown: Shown = Shown.COOKIE) -> Iterator[tuple[Step, Shown]]:
    """Yield the steps of a visit, and how each shows who it is; whoever fills in a form is introduced by it."""
    for done in steps:
        if done.type in TELLING and person.known:
            for told in introduction(person):
                yield told, Shown.ALL
            yield done, Shown.ALL
            shown = Shown.USER
        elif done.type in ("identified", "grouped"):
            yield done, Shown.ALL
            shown = Shown.USER
        else:
            yield done, shown


def event_of(
    person: Person, done: Step, time_ms: int, context: dict[str, Any] | None = None, shown: Shown = Shown.COOKIE
) -> Event:
    """Return a step of somebody as an event, whose id is still to be given. The unknown have nothing but a cookie."""
    properties, traits = ({}, done.properties) if done.type == "identified" else (done.properties, None)
    event = Event(id="", type=done.type, time=time_ms, properties=properties, traits=traits, context=context)
    if shown is not Shown.ADDRESS:
        event.anonymous_id = person.anonymous_id
    if person.known and shown in (Shown.USER, Shown.ALL):
        event.user_id, event.account_id = person.user_id, person.company.account_id
    if person.known and shown in (Shown.ALL, Shown.ADDRESS):
        event.email = person.email
    return event


def came_from(source: str) -> dict[str, Any]:
    """Return an event's context for a visit that began at ``source``."""
    return {"campaign": {"source": source}}


def looks(rng: Random) -> list[Step]:
    """Look around once: a page or two."""
    return pages(rng.choice(LANDING), *rng.sample(PRODUCT, rng.choice((0, 0, 0, 1))))


def returns(rng: Random) -> list[Step]:
    """Come back now and then: some pages, seldom a price or a case study."""
    chosen = rng.sample(PRODUCT, rng.choice((1, 1, 2, 3)))
    if rng.random() < 0.12:
        chosen.append(rng.choice((*COMPARISONS, PRICES[0])))
    return pages(rng.choice(LANDING), *chosen)


def looks_for_work(rng: Random) -> list[Step]:
    """Look at vacancies."""
    return pages("/", "/about", *rng.sample(CAREERS, rng.choice((1, 2, 3))))


def compares(rng: Random) -> list[Step]:
    """Study us: product, a comparison, perhaps a price."""
    steps = pages(*rng.sample(PRODUCT, 2), rng.choice(COMPARISONS))
    return steps + pages(PRICES[0]) if rng.random() < 0.5 else steps


def researches(rng: Random) -> list[Step]:
    """Study us in earnest: comparisons, prices, and something to take away."""
    first, second = rng.sample(COMPARISONS, 2)
    steps = [*pages(rng.choice(PRODUCT), first, PRICES[0], second, PRICES[1]), download(rng.choice(ASSETS))]
    return steps if rng.random() < 0.5 else [*steps, page(rng.choice(COMPARISONS))]


def evaluates(rng: Random) -> list[Step]:
    """Decide within one long visit."""
    guide, other = rng.sample(ASSETS, 2)
    return [
        *pages("/", "/features", *rng.sample(COMPARISONS, 2)),
        download(guide),
        *pages("/security", PRICES[0]),
        form("brochure", "product-brochure"),
        download(other),
        *pages("/integrations", rng.choice(COMPARISONS), PRICES[1]),
        Step("link_clicked", {"link": "book-a-call"}),
        form("newsletter"),
    ]


def asks(rng: Random) -> list[Step]:
    """Know what one wants: prices, and a form."""
    return [*pages("/", *rng.sample(PRODUCT, 1), rng.choice(PRICES)), form(rng.choice(HAND_RAISES))]


def mail(person: Person, type_: str, campaign: str, time_ms: int, **properties: str) -> Event:
    """Return what somebody, or their mail server, did with a message of a campaign.

    A click opens the browser, and so shows its cookie as well as the address that the link was sent to.
    """
    what = {"message": f"{campaign}-{person.number}", "campaign": campaign} | properties
    event = event_of(person, Step(type_, what), time_ms, shown=Shown.ADDRESS)
    if type_ == "email_clicked":
        event.anonymous_id = person.anonymous_id
    return event
