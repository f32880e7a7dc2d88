"""What changes between two models: each change in a sentence, and from when it counts."""

from __future__ import annotations

import pytest

from scoring.model import ScoringModel, load_model, parse_model
from scoring.model_diff import Change, diff_models
from scoring.models import DEFAULT_MODEL

BASE = """version: v1
names: {own_domains: [us.com]}
visits: {on: page_viewed, gap_minutes: 30}
rules:
  pricing_page: {on: page_viewed, where: {path: /pricing}, points: 10, half_life_days: 14, points_max: 20}
  second_visit: {visits: {at_least: 2, within_days: 7}, points: 8, half_life_days: 14}
  form: {on: form_submitted, points: 5, half_life_days: 14, once_per: form, hot: {hold_days: 14}, channel: web}
traits:
  budget: {answers: {">= 50": 15, ">= 10": 5}, from: [budget, plan]}
  free_mail: {where: {email_kind: free}, points: -10}
channels: {web: {points_max: 60}}
inactivity: {after_days: 90, points: -15}
contact: [name, email]
bands:
  warm: {enter: 30, leave: 20}
  hot: {enter: 100, leave: 80, fit_min: 5, cooldown_h: 24}
alerts: {max_age_h: 24}
accounts:
  contact_max: 90
  bands: {aware: {enter: 50, leave: 35}}
  company_events: {hiring: 5}
signals:
  raised: {kind: hand_raise, rules: form}
  seen: {kind: count, sessions: 3, within_days: 6}
"""
AT_ONCE, FROM_NOW_ON = "at once", "from now on"


def base_with(old: str, new: str) -> ScoringModel:
    assert BASE.count(old) == 1, old
    return parse_model(BASE.replace(old, new), "new.yaml")


def changes_of(old: str, new: str) -> list[tuple[str, str]]:
    """Return what changes when a part of the base is written otherwise."""
    before = parse_model(BASE, "old.yaml")
    return [(change.what, change.takes_effect) for change in diff_models(before, base_with(old, new))]


ONE_CHANGE = [
    # Rules about events.
    ("points: 10,", "points: 15,", "pricing_page: 10 → 15 points", AT_ONCE),
    ("points_max: 20}", "points_max: 30}", "pricing_page: at most 20 points → 30 points", AT_ONCE),
    (", points_max: 20}", "}", "pricing_page: at most 20 points → no ceiling", AT_ONCE),
    ("points_max: 20}", "points_max: 20, phase: decision}", "pricing_page: phase awareness → decision", AT_ONCE),
    ("points_max: 20}", "points_max: 20, channel: web}", "pricing_page: channel none → web", AT_ONCE),
    (", channel: web}", "}", "form: channel web → none", AT_ONCE),
    (
        "half_life_days: 14, points_max: 20",
        "half_life_days: 1, points_max: 20",
        "pricing_page: halves every 14 days → 1 day",
        FROM_NOW_ON,
    ),
    ("{path: /pricing}", "{path: /prices}", "pricing_page: where path is /pricing → path is /prices", FROM_NOW_ON),
    ("where: {path: /pricing}, ", "", "pricing_page: where path is /pricing → always", FROM_NOW_ON),
    (
        "on: page_viewed, where",
        "on: [page_viewed, tracked], where",
        "pricing_page: when page_viewed → when page_viewed or tracked",
        FROM_NOW_ON,
    ),
    ("once_per: form, ", "", "form: once per form → each time", FROM_NOW_ON),
    ("hold_days: 14", "hold_days: 7", "form: hot at once for 14 days → for 7 days", FROM_NOW_ON),
    (", hot: {hold_days: 14}", "", "form: hot at once for 14 days → never", FROM_NOW_ON),
    (", channel: web}", ", channel: web, converts: true}", "form: a match is a conversion now", FROM_NOW_ON),
    # Rules about visits.
    (
        "within_days: 7",
        "within_days: 14",
        "second_visit: counts each visit that is at least the 2nd within 7 days → each visit that is at least the 2nd "
        "within 14 days",
        AT_ONCE,
    ),
    (
        "points: 8, half_life_days: 14",
        "points: 8, half_life_days: 7",
        "second_visit: halves every 14 days → 7 days",
        AT_ONCE,
    ),
    (
        "{visits: {at_least: 2, within_days: 7}, points: 8",
        "{on: signed_up, points: 8",
        "second_visit: about single events now; +8 when signed_up; halves every 14 days; awareness",
        FROM_NOW_ON,
    ),
    # Rules that come and go.
    (
        "traits:\n",
        "  reply: {on: email_replied, points: 15, half_life_days: 45}\ntraits:\n",
        "reply: new; +15 when email_replied; halves every 45 days; awareness",
        FROM_NOW_ON,
    ),
    (
        "traits:\n",
        "  third: {visits: {at_least: 3, within_days: 7}, points: 1, half_life_days: 7}\ntraits:\n",
        "third: new; +1 at each visit that is at least the 3rd within 7 days; halves every 7 days; awareness",
        AT_ONCE,
    ),
    (
        "  second_visit: {visits: {at_least: 2, within_days: 7}, points: 8, half_life_days: 14}\n",
        "",
        "second_visit: removed",
        AT_ONCE,
    ),
    # Traits.
    ('">= 50": 15', '">= 50": 20', "budget: 15 → 20 points where it >= 50", AT_ONCE),
    ('">= 10": 5', '">= 10": 5, x: 0', "budget: 0 points where it is x, a new answer", AT_ONCE),
    (', ">= 10": 5', "", "budget: the answer that >= 10 is removed", AT_ONCE),
    (
        '">= 50": 15, ">= 10": 5',
        '">= 10": 5, ">= 50": 15',
        "budget: its answers are tried in another order",
        AT_ONCE,
    ),
    ("from: [budget, plan]", "from: [plan]", "budget: asks budget / plan → plan", AT_ONCE),
    ("from: [budget, plan]", "from: [budget, sum]", "budget: asks budget / plan → budget / sum", FROM_NOW_ON),
    ("points: -10}", "points: -5}", "free_mail: -10 → -5 points", AT_ONCE),
    (
        "{email_kind: free}",
        "{email_domain: gmail.com}",
        "free_mail: -10 where email_kind is free → -10 where email_domain is gmail.com",
        AT_ONCE,
    ),
    ("  free_mail: {where: {email_kind: free}, points: -10}\n", "", "free_mail: removed", AT_ONCE),
    (
        "channels:",
        "  student: {where: {title: student}, points: -25}\nchannels:",
        "student: new; -25 where title is student",
        FROM_NOW_ON,  # nobody has remembered titles
    ),
    (
        "channels:",
        "  named: {where: {name: ann}, points: 1}\nchannels:",
        "named: new; +1 where name is ann",
        AT_ONCE,  # the contact has
    ),
    # The rest.
    ("web: {points_max: 60}", "web: {points_max: 50}", "channel web: at most 60 → 50 points together", AT_ONCE),
    ("channels: {web: {points_max: 60}}", "", "channel web: removed", AT_ONCE),
    (
        "web: {points_max: 60}",
        "web: {points_max: 60}, email: {points_max: 40}",
        "channel email: new; at most 40 points from all its rules together",
        AT_ONCE,
    ),
    (
        "inactivity: {after_days: 90, points: -15}",
        "",
        "inactivity: -15 from 90 days after the end of the last visit, until the next → none",
        AT_ONCE,
    ),
    ("gap_minutes: 30", "gap_minutes: 60", "visits: end after 30 minutes → 60 minutes of silence", FROM_NOW_ON),
    (
        "{on: page_viewed, gap",
        "{on: [page_viewed, tracked], gap",
        "visits: made of page_viewed → page_viewed or tracked",
        FROM_NOW_ON,
    ),
    ("contact: [name, email]", "contact: [name, email, phone]", "contact: alerts carry phone too", FROM_NOW_ON),
    ("contact: [name, email]", "contact: [name, email, plan]", "contact: alerts carry plan too", AT_ONCE),
    ("contact: [name, email]", "contact: [email]", "contact: alerts carry name no more", AT_ONCE),
    ("enter: 30,", "enter: 40,", "warm: entered from 30 → 40 points", AT_ONCE),
    ("leave: 80", "leave: 70", "hot: left below 80 → 70 points", AT_ONCE),
    ("fit_min: 5, ", "", "hot: account fit at least 5 → any", AT_ONCE),
    (
        ", cooldown_h: 24}",
        "}",
        "hot: alerts, at most one per lead in 24 h → no alerts",
        AT_ONCE,
    ),
    (
        "alerts:",
        "  top: {enter: 200, leave: 150}\nalerts:",
        "top: new; a band from 200, left below 150",
        AT_ONCE,
    ),
    ("  warm: {enter: 30, leave: 20}\n", "", "warm: removed", AT_ONCE),
    ("max_age_h: 24", "max_age_h: 48", "alerts: only crossings at most 24 → 48 h old", AT_ONCE),
    ("max_age_h: 24", "visitors: true", "alerts: visitors alert too", AT_ONCE),
    # Accounts and their signals.
    ("contact_max: 90", "contact_max: 80", "account engagement: at most 90 → 80 points of each person", AT_ONCE),
    (
        "contact_max: 90",
        "contact_max: 90\n  half_life_days: 1",
        "account engagement: halves every 30 days → 1 day",
        AT_ONCE,
    ),
    ("enter: 50,", "enter: 60,", "account aware: entered from 50 → 60 points", AT_ONCE),
    ("{enter: 50, leave: 35}", "{enter: 50, leave: 30}", "account aware: left below 35 → 30 points", AT_ONCE),
    ("  bands: {aware: {enter: 50, leave: 35}}\n", "", "account aware: removed", AT_ONCE),
    (
        "leave: 35}}",
        "leave: 35}, engaged: {enter: 150, leave: 110}}",
        "account engaged: new; a band from 150, left below 110",
        AT_ONCE,
    ),
    ("{hiring: 5}", "{hiring: 6}", "account hiring: 5 → 6 points", AT_ONCE),
    ("{hiring: 5}", "{hiring: 5, layoffs: -9}", "account layoffs: new; -9 points", AT_ONCE),
    (
        "{hiring: 5}",
        "{hiring: 5}\n  waking: {fit_min: 7}",
        "worth waking: account fit at least 8.1, and nothing for 30 days → account fit at least 7, and nothing for "
        "30 days",
        AT_ONCE,
    ),
    (
        "sessions: 3",
        "cooldown_h: 0, sessions: 3",
        "signal seen: 3 visits within 6 days; once in 168 h → 3 visits within 6 days; each time",
        AT_ONCE,
    ),
    (
        "rules: form}",
        "rules: [form, pricing_page]}",
        "signal raised: a match of form; once in 168 h → a match of form or pricing_page; once in 168 h",
        FROM_NOW_ON,  # nobody has told of the pricing page
    ),
    ("  raised: {kind: hand_raise, rules: form}\n", "", "signal raised: removed", AT_ONCE),
    (
        "signals:\n",
        "signals:\n  back: {kind: reactivation, quiet_days: 60, events: 1}\n",
        "signal back: new; 1 event after 60 days without any; once in 168 h",
        AT_ONCE,
    ),
    (
        "signals:\n",
        "signals:\n  steps: {kind: sequence, steps: [pricing_page, form], within_days: 14}\n",
        "signal steps: new; pricing_page, then form, within 14 days; once in 168 h",
        FROM_NOW_ON,
    ),
    (
        "[us.com]",
        "[us.com, eu.com]",
        "own domains, which never alert: email_domain is us.com → email_domain is us.com or eu.com",
        AT_ONCE,
    ),
]


@pytest.mark.parametrize(("old", "new", "what", "takes_effect"), ONE_CHANGE, ids=[what for *_, what, _ in ONE_CHANGE])
def test_one_change_is_told_in_one_sentence_with_its_effect(old: str, new: str, what: str, takes_effect: str) -> None:
    assert changes_of(old, new) == [(what, takes_effect)]


def test_a_model_does_not_differ_from_itself_in_other_words() -> None:
    other = BASE.replace("version: v1", "version: v2").replace("where: {path: /pricing}", "where: {is: pricing}")
    other = other.replace("names: {", "names: {pricing: {path: /Pricing/}, ")
    assert diff_models(parse_model(BASE, "old.yaml"), parse_model(other, "new.yaml")) == []


def test_the_order_of_rules_and_types_is_no_change() -> None:
    first, second = BASE.splitlines()[4:6]
    swapped = BASE.replace(f"{first}\n{second}", f"{second}\n{first}")
    assert diff_models(parse_model(BASE, "old.yaml"), parse_model(swapped, "new.yaml")) == []


def test_true_is_another_condition_than_1() -> None:
    before = base_with("{path: /pricing}", "{paid: true}")
    assert diff_models(before, base_with("{path: /pricing}", "{paid: 1}")) == [
        Change("pricing_page: where paid is true → paid is 1", "from now on")
    ]


def test_several_changes_are_told_in_the_order_of_the_file() -> None:
    assert changes_of(
        "points: 10, half_life_days: 14, points_max: 20}",
        "points: 15, half_life_days: 7, points_max: 30, phase: decision}",
    ) == [
        ("pricing_page: 10 → 15 points", AT_ONCE),
        ("pricing_page: halves every 14 days → 7 days", FROM_NOW_ON),
        ("pricing_page: at most 20 points → 30 points", AT_ONCE),
        ("pricing_page: phase awareness → decision", AT_ONCE),
    ]


def test_a_change_told_backwards_is_a_change_again() -> None:
    default, base = load_model(DEFAULT_MODEL), parse_model(BASE, "old.yaml")
    assert diff_models(default, default) == []
    assert {change.what.split(":")[0] for change in diff_models(base, default)} >= {
        "demo_request",
        "competitor",
        "form",
    }
    assert diff_models(default, base) != []
