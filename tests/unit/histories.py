"""Models and histories for tests that hold for all of them: by chance with a seed, and as Hypothesis strategies."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from hypothesis import strategies as st

from scoring.model import ScoringModel
from tests.oracle import DAY_MS, HOUR_MS, Tick
from tests.unit.builders import NOW, Timed, Timeline, event, model_of, model_of_text

# ── by chance ────────────────────────────────────────────────────────────────────────────────────────────────

REALISTIC = {
    "two bands": model_of_text("""
rules:
  demo: {on: form_submitted, where: {form: demo}, points: 50, half_life_days: 90, points_max: 50, hot: {hold_days: 14}}
  form: {on: form_submitted, points: 20, half_life_days: 60, points_max: 60, once_per: form}
  download: {on: file_downloaded, points: 10, half_life_days: 60, points_max: 40, once_per: asset}
  click: {on: [file_downloaded, link_clicked], points: 3, half_life_days: 30, points_max: 9}
  pricing: {on: page_viewed, where: {path: /pricing*, seconds: ">= 5"}, points: 10, half_life_days: 14, points_max: 20}
  view: {on: page_viewed, points: 1, half_life_days: 14, points_max: 10}
  reply: {on: email_replied, points: 15, half_life_days: 45}
  unsubscribe: {on: email_unsubscribed, points: -20, half_life_days: 30, points_max: 20}
  bounce: {on: email_bounced, points: -50, half_life_days: 365, points_max: 50}
  careers: {on: page_viewed, where: {path: /careers*}, points: -10, half_life_days: 21, points_max: 10}
"""),
    "three bands, all alerting, quick to fade": model_of_text("""
rules:
  view: {on: page_viewed, points: 7, half_life_days: 1}
  download: {on: file_downloaded, points: 25, half_life_days: 5, points_max: 70, once_per: asset}
  reply: {on: email_replied, points: 40, half_life_days: 0.25, points_max: 60}
  demo: {on: form_submitted, where: {form: demo}, points: 5, half_life_days: 2, once_per: form, hot: {hold_days: 1.5}}
  bounce: {on: [email_bounced, email_unsubscribed], points: -30, half_life_days: 3}
bands:
  warm: {enter: 20, leave: 10, cooldown_h: 1}
  hot: {enter: 60, leave: 45, cooldown_h: 6}
  burning: {enter: 100, leave: 50, cooldown_h: 0}
alerts: {max_age_h: 2}
"""),
    "a lower band alerts, the highest does not": model_of_text("""
rules:
  view: {on: page_viewed, points: 10, half_life_days: 30, points_max: 55}
  click: {on: link_clicked, points: 4.5, half_life_days: 3}
  reply: {on: email_replied, points: 80, half_life_days: 10, points_max: 80, once_per: asset}
  bounce: {on: email_bounced, points: -100, half_life_days: 10, points_max: 100, once_per: asset}
  unsubscribe: {on: email_unsubscribed, points: -15, half_life_days: 0.5}
bands:
  warm: {enter: 30, leave: 30.0e-1, cooldown_h: 48}
  hot: {enter: 90, leave: 70}
alerts: {max_age_h: 72}
"""),
}
"""Rules of every kind: ceilings, penalties, once per, holds, several types, conditions, one to three bands."""

_TYPES = (
    *("page_viewed",) * 5,
    *("link_clicked", "file_downloaded", "form_submitted", "email_replied") * 2,
    "email_bounced",
    "email_unsubscribed",
    "email_opened",  # no rule wants it
)
_PROPERTIES: tuple[dict[str, Any], ...] = (
    {},
    {"path": "/pricing/eu", "form": "demo", "asset": "guide"},
    {"path": "/Pricing", "seconds": 4, "form": "contact", "asset": "report"},
    {"path": "/careers", "form": "demo", "asset": 7},
    {"path": "/pricing", "seconds": "5", "form": None, "asset": ["a", 1]},
)
_GAPS_MS = (0, 0, 1, 1_000, 60_000, HOUR_MS, 6 * HOUR_MS, DAY_MS, 3 * DAY_MS, 14 * DAY_MS, 120 * DAY_MS)


def random_history(rng: Random, length: int, leads: int = 2) -> list[tuple[Mapping[str, Any], int]]:
    """Return a history with late, out-of-order, equal-time and repeated events, backfills and long silences."""
    history: list[tuple[Mapping[str, Any], int]] = []
    clock = NOW
    pace = rng.choice((3, 6, 8, len(_GAPS_MS)))  # some histories are bursts, others take years
    for number in range(length):
        clock += rng.choice(_GAPS_MS[:pace]) * rng.randint(1, 3)
        if history and rng.random() < 0.08:
            history.append((rng.choice(history)[0], clock))  # the same again
            continue
        late_ms = rng.choice((0, 0, 0, 0, 1, HOUR_MS, DAY_MS, 30 * DAY_MS))
        happened = event(
            f"e-{number}" if rng.random() < 0.97 else f"e-{rng.randrange(length)}",
            clock - late_ms + (rng.randint(0, 300_000) if rng.random() < 0.05 else 0),
            rng.choice(_TYPES),
            user_id=str(rng.randrange(leads)),
            properties=rng.choice(_PROPERTIES),
        )
        history.append((happened, clock + (rng.choice((HOUR_MS, 5 * DAY_MS)) if rng.random() < 0.1 else 0)))
    return history


# ── by chance, with everything that a model can have ─────────────────────────────────────────────────────────

WHOLE = {
    "the usual": model_of_text("""
names:
  own_domains: [ours.example]
  competitors: {email_domain: [rival.com, "*.rival.com"]}
visits: {gap_minutes: 30}
rules:
  demo:
    {on: form_submitted, where: {form: demo}, points: 50, half_life_days: 90, points_max: 50, phase: decision,
     hot: {hold_days: 14}, converts: true}
  download:
    {on: file_downloaded, points: 10, half_life_days: 60, points_max: 40, once_per: asset, phase: consideration,
     converts: true}
  pricing:
    {on: page_viewed, where: {path: /pricing*, seconds: ">= 5"}, points: 10, half_life_days: 14, points_max: 20,
     phase: consideration, channel: web}
  view: {on: [page_viewed, screen_viewed], points: 2, half_life_days: 14, points_max: 20, channel: web}
  link: {on: link_clicked, points: 3, half_life_days: 30, points_max: 9, channel: web}
  click: {on: email_clicked, points: 3, half_life_days: 30, points_max: 9, once_per: link, channel: email}
  reply: {on: email_replied, points: 15, half_life_days: 45, phase: consideration, channel: email}
  second_visit: {visits: {at_least: 2, within_days: 7}, points: 8, half_life_days: 14, points_max: 8}
  regular: {visits: {at_least: 4, within_days: 30}, points: 5, half_life_days: 30, phase: consideration}
  unsubscribe: {on: email_unsubscribed, points: -20, half_life_days: 30, points_max: 20}
  careers: {on: page_viewed, where: {path: /careers*}, points: -10, half_life_days: 21, points_max: 10}
traits:
  seniority: {answers: {"*chief*": 15, "*director*": 10, "*": 0}, from: [seniority, job_title]}
  budget: {answers: {">= 50000": 15, ">= 10000": 5}}
  industry: {answers: {software: 5, "*bank*": -5}, from: company.industry}
  competitor: {where: {is: competitors}, points: -50}
  student: {where: {job_title: ["*student*", "*intern*"]}, points: -25}
  free_mail: {where: {email_kind: free}, points: -10}
channels: {web: {points_max: 24}, email: {points_max: 20}}
inactivity: {after_days: 90, points: -15}
bands:
  warm: {enter: 15, leave: 10, cooldown_h: 1}
  hot: {enter: 60, leave: 45, cooldown_h: 24}
"""),
    "quick: visitors alert, every step counts": model_of_text("""
visits: {on: [page_viewed, link_clicked, email_clicked], gap_minutes: 5}
rules:
  view: {on: page_viewed, points: 4, half_life_days: 0.5, channel: shared}
  link: {on: [link_clicked, email_clicked], points: 6, half_life_days: 3, points_max: 30, channel: shared}
  reply: {on: email_replied, points: 30, half_life_days: 1, once_per: asset, channel: email, converts: true}
  form: {on: form_submitted, points: 5, half_life_days: 2, phase: decision, hot: {hold_days: 0.25}}
  bounce: {on: [email_bounced, email_unsubscribed], points: -12, half_life_days: 4}
  again: {visits: {at_least: 3, within_days: 1}, points: 3, half_life_days: 0.25}
traits:
  title: {answers: {"*chief*": 8, "*intern*": -6}, from: job_title}
  consent: {answers: {true: 3, false: -8}}
  works_for_us: {where: {email: "*@rival.com", seniority: "*"}, points: 6}
channels: {shared: {points_max: 20}, unused: {points_max: 5}}
inactivity: {after_days: 0.25, points: -4}
contact: [name, email, budget]
bands:
  warm: {enter: 4, leave: 3, cooldown_h: 0}
  hot: {enter: 12, leave: 9, cooldown_h: 0}
  burning: {enter: 24, leave: 12}
alerts: {max_age_h: 48, visitors: true}
"""),
    "slow: visits and traits alone": model_of_text("""
visits: {on: [page_viewed, form_submitted], gap_minutes: 1440}
rules:
  second: {visits: {at_least: 2, within_days: 7}, points: 20, half_life_days: 365}
  tenth: {visits: {at_least: 10, within_days: 60}, points: 15, half_life_days: 30, points_max: 60, phase: decision}
  lost: {on: email_bounced, points: -30, half_life_days: 20}
traits:
  budget: {answers: {">= 10000": 30, "< 100": -30}, from: [budget, company.budget]}
inactivity: {after_days: 7, points: -25}
contact: []
bands:
  warm: {enter: 20, leave: 15, cooldown_h: 0}
  hot: {enter: 70, leave: 50, cooldown_h: 1}
alerts: {max_age_h: 200, visitors: true}
"""),
}
"""Models with every section: visits, channels, questions, flags, inactivity, conversions, stages, visitors."""

PEOPLE: tuple[dict[str, str], ...] = (
    {"email": "ann@acme.com"},
    {"email": "Bob@Gmail.com"},
    {"email": "eve@eu.rival.com"},
    {"email": "own@ours.example"},
    {"user_id": "7"},
    {"anonymous_id": "v-1"},
)
_SHOWN_TOO: tuple[dict[str, str], ...] = ({}, {}, {"anonymous_id": "v-1"})
_TOLD: tuple[dict[str, Any] | None, ...] = (
    *(None,) * 6,
    {"seniority": "Chief Officer", "name": "Ann"},
    {"job_title": "Managing Director", "seniority": None},
    {"job_title": "Summer intern", "budget": 9_999.5, "phone": "+1 555"},
    {"seniority": ["chief"], "budget": "50000", "company": {"industry": "Software", "budget": 12_000}},
    {"budget": 50_000, "company": {"industry": "A Bank"}, "email": "Eve@Rival.com"},
    {"budget": 50, "company": "none", "consent": True, "email": "Ed@gmail.com", "name": "B" * 300},
    {"consent": False, "title": "Head", "owner": 12, "email": "no address"},
)
"""Traits as events tell them; None: nothing."""
_CONTEXTS: tuple[dict[str, Any] | None, ...] = (
    *(None,) * 4,
    {"campaign": {"source": "google", "medium": "cpc", "name": "spring"}},
    {"campaign": {"source": 5, "name": "summer"}, "page": {"path": "/landing"}},
    {"page": {"referrer": "https://News.Example.org:8080/a?b=c", "url": "https://us.example/from?x=1"}},
    {"referrer": {"url": "https://search.example/"}, "campaign": "none"},
)
_WHOLE_PROPERTIES: tuple[dict[str, Any], ...] = (
    *_PROPERTIES,
    {"path": "/pricing", "seconds": 60, "asset": "guide"},
    {"path": "/careers/now", "link": "unsubscribe me", "asset": "other"},
    {"url": "https://us.example/pricing?utm_source=x", "campaign": "newsletter", "link": "a"},
    {"utm_source": "linkedin", "utm_medium": "social", "utm_campaign": "c" * 120, "name": "clicked"},
    {"referrer": "https://blog.example/post", "webinar": "w", "link": "b"},
    {"referrer": "not a url", "path": "/" + "long/" * 40},
)
_WHOLE_TYPES = (*_TYPES, "email_clicked", "email_clicked", "screen_viewed", "identified", "identified", "video_watched")
_MINUTE_MS = 60_000
_STEPS_MS = (
    *(0, 1, _MINUTE_MS, 5 * _MINUTE_MS, 5 * _MINUTE_MS + 1, 30 * _MINUTE_MS - 1, 30 * _MINUTE_MS, 30 * _MINUTE_MS + 1),
    *(HOUR_MS, 6 * HOUR_MS, DAY_MS - 1, DAY_MS, DAY_MS + 1),
    *(3 * DAY_MS, 7 * DAY_MS - 1, 7 * DAY_MS, 7 * DAY_MS + 1, 30 * DAY_MS, 90 * DAY_MS - 1, 90 * DAY_MS),
)
"""Pauses at and around the bounds of the models: gaps, days of visits and of inactivity."""


def random_timeline(rng: Random, length: int, people_max: int = 3, ticks: bool = True) -> Timeline:
    """Return a history of people of all kinds who say who they are and where they came from, and of ticks.

    Late, repeated and backfilled events are among them, and series of more visits than are remembered.
    """
    timeline: list[Timed] = []
    happened: list[Mapping[str, Any]] = []
    clock = NOW
    people = rng.sample(PEOPLE, rng.randint(1, people_max))
    pace = rng.choice((_STEPS_MS[:8], _STEPS_MS[8:13], _STEPS_MS[:16], _STEPS_MS, (31 * _MINUTE_MS,)))
    for number in range(length):
        clock += rng.choice(pace)
        if ticks and rng.random() < 0.2:
            timeline.append(Tick(clock + rng.choice((-HOUR_MS, 0, 0, 0, DAY_MS))))
        if happened and rng.random() < 0.06:
            timeline.append((rng.choice(happened), clock))
            continue
        late_ms = rng.choice((0,) * 7 + _STEPS_MS[::3])
        happened.append(_random_event(rng, f"e-{number}", clock - late_ms, rng.choice(people)))
        timeline.append((happened[-1], clock + (rng.choice((HOUR_MS, 9 * DAY_MS)) if rng.random() < 0.1 else 0)))
    if ticks:
        timeline.append(Tick(clock + rng.choice((0, DAY_MS, 100 * DAY_MS, 4000 * DAY_MS))))
    return timeline


def _random_event(rng: Random, event_id: str, time_ms: int, person: dict[str, str]) -> dict[str, Any]:
    happened = event(event_id, time_ms, rng.choice(_WHOLE_TYPES), **{**rng.choice(_SHOWN_TOO), **person})
    happened["properties"] = rng.choice(_WHOLE_PROPERTIES)
    for name, value in (("traits", rng.choice(_TOLD)), ("context", rng.choice(_CONTEXTS))):
        if value is not None:
            happened[name] = value
    if rng.random() < 0.1:
        happened["account_id"] = rng.choice(("acme-1", "beta-2"))
    return happened


# ── as strategies ────────────────────────────────────────────────────────────────────────────────────────────

TYPES = ("page_viewed", "link_clicked", "form_submitted")

_half_lives = st.sampled_from((0.01, 0.5, 1, 7, 14.5, 30, 365))
_amounts = st.sampled_from((1, 2.5, 10, 30, 50, 100)) | st.floats(0.1, 500).map(lambda points: round(points, 3))


@st.composite
def rules(draw: st.DrawFn, *, penalties: bool = True) -> dict[str, Any]:
    """Draw one rule of a model file."""
    points = draw(_amounts)
    rule: dict[str, Any] = {"on": draw(st.sampled_from(TYPES)), "half_life_days": draw(_half_lives)}
    if draw(st.booleans()):
        rule["points_max"] = round(points * draw(st.sampled_from((1, 1.5, 2, 4))), 6)
    if draw(st.integers(0, 3)) == 0:
        rule["once_per"] = "asset"
    if draw(st.integers(0, 3)) == 0:
        rule["where"] = {"asset": ["a", "b"]}
    penalty = penalties and draw(st.integers(0, 3)) == 0
    if not penalty and draw(st.integers(0, 5)) == 0:
        rule["hot"] = {"hold_days": draw(st.sampled_from((0.25, 1, 14)))}
    return rule | {"points": -points if penalty else points}


@st.composite
def bands(draw: st.DrawFn) -> dict[str, Any]:
    """Draw one to three bands, each alerting or not."""
    enters = sorted(draw(st.sets(st.sampled_from((5, 20, 30, 50, 100, 180)), min_size=1, max_size=3)))
    drawn: dict[str, Any] = {}
    leave = 0.5
    for number, enter in enumerate(enters):
        leave = max(leave, round(enter * draw(st.sampled_from((0.2, 0.5, 0.75, 0.95))), 6))
        drawn[f"band_{number}"] = {"enter": enter, "leave": leave}
        cooldown_h = draw(st.sampled_from((None, 0, 1, 24)))
        if cooldown_h is not None:
            drawn[f"band_{number}"]["cooldown_h"] = cooldown_h
    return drawn


@st.composite
def models(draw: st.DrawFn, *, penalties: bool = True) -> ScoringModel:
    """Draw a model of one to five rules."""
    drawn = draw(st.lists(rules(penalties=penalties), min_size=1, max_size=5))
    return model_of(
        {f"rule_{number}": rule for number, rule in enumerate(drawn)},
        draw(bands()),
        max_age_h=draw(st.sampled_from((1, 24))),
    )


_moments = st.sampled_from((0, 1, 1_000, HOUR_MS, DAY_MS, 7 * DAY_MS, 200 * DAY_MS)) | st.integers(0, 30 * DAY_MS)


@st.composite
def events(draw: st.DrawFn, numbers: int = 40) -> dict[str, Any]:
    """Draw an event of one of two leads; few ids, moments and assets, so that they meet."""
    return event(
        f"e-{draw(st.integers(0, numbers))}",
        NOW + draw(_moments),
        draw(st.sampled_from((*TYPES, "email_opened"))),
        user_id=draw(st.sampled_from("117")),
        properties=draw(st.sampled_from(({}, {"asset": "a"}, {"asset": "b"}, {"asset": "c"}))),
    )


@st.composite
def histories(draw: st.DrawFn, max_size: int = 25) -> list[tuple[Mapping[str, Any], int]]:
    """Draw events in any order of their times, each received at once or later."""
    drawn = draw(st.lists(st.tuples(events(), st.sampled_from((0, 0, HOUR_MS, 2 * DAY_MS))), max_size=max_size))
    return [(happened, happened["time"] + wait_ms) for happened, wait_ms in drawn]


# ── as strategies, with everything that a model can have ─────────────────────────────────────────────────────

_questions = st.sampled_from(
    (
        {"answers": {"*chief*": 15, "*director*": 10, "*": 0}, "from": ["seniority", "job_title"]},
        {"answers": {">= 50000": 15, ">= 10000": 5, "9999.5": -7}, "from": "budget"},
        {"answers": {"*a*": 40, "software": 5}, "from": ["company.industry", "name"]},
        {"answers": {"true": 8, "false": -8}, "from": "consent"},
        {"answers": {"*@gmail.com": -3, "*": 3}, "from": "email"},
    )
)
_flags = st.sampled_from(
    (
        {"where": {"is": "competitors"}, "points": -50},
        {"where": {"email_kind": "free"}, "points": -10},
        {"where": {"email_kind": "company", "job_title": ["*intern*", "*director*"]}, "points": 12},
        {"where": {"budget": ">= 100 or unknown"}, "points": 4},
    )
)
_whole_types = ("page_viewed", "link_clicked", "form_submitted", "email_clicked", "identified")


@st.composite
def whole_rules(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a rule that may count visits, belong to a channel, convert, and tell a phase."""
    phase = {"phase": draw(st.sampled_from(("awareness", "consideration", "decision")))}
    if draw(st.integers(0, 3)) == 0:
        points = draw(_amounts)
        wanted = {"at_least": draw(st.sampled_from((2, 2, 3, 5))), "within_days": draw(st.sampled_from((1, 7, 30)))}
        return {"visits": wanted, "points": points, "half_life_days": draw(_half_lives), **phase}
    rule = draw(rules()) | phase
    if rule["points"] > 0 and draw(st.booleans()):
        rule["channel"] = draw(st.sampled_from(("web", "email")))
    if draw(st.integers(0, 3)) == 0:
        rule["converts"] = True
    return rule


@st.composite
def whole_models(draw: st.DrawFn) -> ScoringModel:
    """Draw a model that has all sections, some, or only rules and bands."""
    sections: dict[str, Any] = {}
    if draw(st.booleans()):
        visited = draw(st.sets(st.sampled_from(_whole_types), min_size=1))
        sections["visits"] = {"on": sorted(visited), "gap_minutes": draw(st.sampled_from((1, 30, 1440)))}
    if draw(st.booleans()):
        drawn = draw(st.lists(_questions | _flags, min_size=1, max_size=4))
        sections["traits"] = {f"trait_{number}": trait for number, trait in enumerate(drawn)}
    if draw(st.booleans()):
        limits = st.sampled_from((5, 20, 60))
        sections["channels"] = {
            name: {"points_max": draw(limits)} for name in draw(st.sets(st.sampled_from(("web", "email"))))
        }
    if draw(st.booleans()):
        after = st.sampled_from((0.25, 1, 7, 90))
        sections["inactivity"] = {"after_days": draw(after), "points": -draw(st.sampled_from((1, 15, 60)))}
    if draw(st.integers(0, 3)) == 0:
        sections["contact"] = draw(st.sampled_from(([], ["name"], ["budget", "email", "company.industry"])))
    names: dict[str, Any] = {"competitors": {"email_domain": ["rival.com", "*.rival.com"]}}
    if draw(st.booleans()):
        names["own_domains"] = ["ours.example"]
    drawn_rules = draw(st.lists(whole_rules(), min_size=1, max_size=5))
    return model_of(
        {f"rule_{number}": rule for number, rule in enumerate(drawn_rules)},
        draw(bands()),
        max_age_h=draw(st.sampled_from((1, 24, 2_000))),
        visitors=draw(st.booleans()),
        names=names,
        **sections,
    )


_pauses = st.sampled_from(_STEPS_MS)
_whole_moments = st.builds(lambda *pauses: sum(pauses), _pauses, _pauses, _pauses)


@st.composite
def whole_events(draw: st.DrawFn, numbers: int = 60) -> dict[str, Any]:
    """Draw an event of somebody identified in any way, with what it tells of the person and of where they came from."""
    optional = {
        "traits": draw(st.sampled_from(_TOLD)),
        "context": draw(st.sampled_from(_CONTEXTS)),
        "account_id": draw(st.sampled_from((None, None, None, "acme-1", "beta-2"))),
    }
    return event(
        f"e-{draw(st.integers(0, numbers))}",
        NOW + draw(_whole_moments),
        draw(st.sampled_from((*_whole_types, "email_opened"))),
        **draw(st.sampled_from(PEOPLE)),
        properties=draw(st.sampled_from(({}, {"asset": "a"}, {"asset": "b"}, *_WHOLE_PROPERTIES))),
        **{name: value for name, value in optional.items() if value is not None},
    )


@st.composite
def timelines(draw: st.DrawFn, max_size: int = 20) -> Timeline:
    """Draw events in any order of their times, received at once or later, and ticks between them."""
    waits = st.sampled_from((0, 0, HOUR_MS, 2 * DAY_MS))
    drawn: list[dict[str, Any] | Tick] = draw(
        st.lists(whole_events() | _whole_moments.map(lambda after_ms: Tick(NOW + after_ms)), max_size=max_size)
    )
    return [item if isinstance(item, Tick) else (item, item["time"] + draw(waits)) for item in drawn]
