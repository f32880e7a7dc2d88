"""Traffic for the default model: people who look, read mail, download and ask; a seeded stream."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import msgspec

from scoring.replay import FileRecord
from tests.benchmarks.traffic import FIRST_MS

COMPANIES = 977
LARGEST = "largest.com"
SPAN_MS = 60 * 86_400_000
PATHS = ["/", "/product", "/blog/{n}", "/pricing", "/compare/others", "/customers/acme", "/careers", "/docs/{n}"]
PATH_WEIGHTS = [20, 15, 30, 6, 3, 4, 2, 20]
KINDS = ["page", "opened", "clicked", "delivered", "download", "webinar", "form", "demo", "identify", "unsubscribe"]
KIND_WEIGHTS = [40, 20, 7, 20, 4, 1.5, 2, 0.4, 4, 1.1]
CAMPAIGN = {"campaign": {"source": "newsletter", "medium": "email", "name": "autumn"}}


def address(lead: int) -> str:
    """Return the address of one of the people: one in five has a private one."""
    return f"person{lead}@{'gmail.com' if lead % 5 == 0 else f'company{lead % COMPANIES}.com'}"


def realistic_records(count: int, leads: int, seed: int = 7) -> Iterator[FileRecord]:
    """Yield records as a shard takes them: a few leads are busy, most are seen now and then (Zipf, exponent 0.8).

    A visit is some pages, a minute apart. Everybody is known by an address.
    """
    encode = msgspec.json.Encoder().encode
    for number, (lead, event) in enumerate(_events(count, leads, random.Random(seed))):
        email = address(lead)
        yield FileRecord(number, event["time"], encode(event | {"email": email}), b"email:" + email.encode())


def mixed_events(count: int, leads: int, seed: int = 7) -> Iterator[tuple[str, bytes]]:
    """Yield (key, event as JSON) of the same people as they are in life: three in ten events by a weaker identity.

    Who is seen for the first time shows all of theirs, and so does one event in twenty. The last fifth of the leads, a
    twentieth of the traffic, work at one company.
    """
    rng = random.Random(seed + 1)
    encode = msgspec.json.Encoder().encode
    known: set[int] = set()
    for lead, event in _events(count, leads, random.Random(seed)):
        domain = (
            LARGEST if lead >= leads * 4 // 5 else "gmail.com" if lead % 5 == 0 else f"company{lead % COMPANIES}.com"
        )
        email, user, cookie = f"person{lead}@{domain}", f"u{lead}", f"a{lead}"
        draw = rng.random()
        if lead not in known or draw < 0.05:
            known.add(lead)
            key, shown = f"email:{email}", {"email": email, "user_id": user, "anonymous_id": cookie}
        elif draw < 0.25:
            key, shown = f"user:{user}", {"user_id": user}
        elif draw < 0.35:
            key, shown = f"anon:{cookie}", {"anonymous_id": cookie}
        else:
            key, shown = f"email:{email}", {"email": email}
        yield key, encode(event | shown)


def company_updates() -> Iterator[tuple[str, bytes]]:
    """Yield (key, account update as JSON) of the companies: some fit, some do not, of some little is known."""
    rng = random.Random(3)
    for number in range(COMPANIES):
        known = {"industry": rng.choice(["Software", "Farming"]), "employees": rng.randrange(5_000), "country": "NL"}
        facts = {**known, "revenue": rng.randrange(10**8)} if number % 3 else {"name": f"Company {number}"}
        domain = f"company{number}.com"
        update = {"id": f"u{number}", "type": "account_updated", "time": FIRST_MS, "domain": domain, "facts": facts}
        yield f"domain:{domain}", msgspec.json.encode(update)


def _events(count: int, leads: int, rng: random.Random) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield who does what, without any identity."""
    weights = list(accumulate(1 / (rank + 1) ** 0.8 for rank in range(leads)))
    happenings: list[tuple[int, int, str]] = []
    while len(happenings) < count:
        lead, kind = rng.choices(range(leads), cum_weights=weights)[0], rng.choices(KINDS, KIND_WEIGHTS)[0]
        time_ms = rng.randrange(SPAN_MS)
        for _ in range(min(12, 1 + int(rng.expovariate(0.4))) if kind == "page" else 1):
            happenings.append((time_ms, lead, kind))
            time_ms += rng.randrange(120_000)
    for number, (time_ms, lead, kind) in enumerate(sorted(happenings[:count])):
        yield (
            lead,
            {
                "id": f"{rng.getrandbits(64):016x}-{number:08x}",
                "time": FIRST_MS + time_ms,
                "source": "website",
                **_happening(rng, kind, number),
            },
        )


def _happening(rng: random.Random, kind: str, number: int) -> dict[str, Any]:
    if kind == "page":
        path = rng.choices(PATHS, PATH_WEIGHTS)[0].format(n=rng.randrange(200))
        context = {"context": CAMPAIGN} if rng.random() < 0.1 else {}
        return {"type": "page_viewed", "properties": {"path": path, "seconds": rng.randrange(120)}, **context}
    if kind in ("opened", "clicked", "delivered"):
        message = {"message": f"m{number % 40}", "campaign": "autumn"}
        link = {"link": f"/l/{rng.randrange(5)}"} if kind == "clicked" else {}
        return {"type": f"email_{kind}", "properties": {**message, **link}}
    if kind == "identify":
        traits = {
            "name": "Ann Lee",
            "job_title": rng.choice(["CEO", "Engineer", "Sales director"]),
            "company_size": 120,
        }
        return {"type": "identified", "traits": traits}
    return {
        "download": {"type": "file_downloaded", "properties": {"asset": f"guide-{rng.randrange(9)}"}},
        "webinar": {"type": "webinar_registered", "properties": {"webinar": f"w{rng.randrange(9)}"}},
        "form": {"type": "form_submitted", "properties": {"form": "brochure", "asset": "b1"}},
        "demo": {"type": "form_submitted", "properties": {"form": "demo"}},
        "unsubscribe": {"type": "email_unsubscribed"},
    }[kind]
