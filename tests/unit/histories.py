"""Models and histories for tests that hold for all of them: by chance with a seed, and as Hypothesis strategies."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from hypothesis import strategies as st

from scoring.model import ScoringModel
from tests.oracle import DAY_MS, HOUR_MS
from tests.unit.builders import NOW, event, model_of, model_of_text

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
