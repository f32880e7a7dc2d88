"""What is told of a model: everything in plain words, and warnings of what is hardly meant."""

from __future__ import annotations

import pytest

from scoring.model import describe_model
from tests.unit.builders import model_of_text

VIEW = "view: {on: page_viewed, points: 1, half_life_days: 14}"
LOW = "\nbands: {warm: {enter: 1, leave: 0.5}}\n"


def told(text: str) -> list[str]:
    return describe_model(model_of_text(f"{text}{LOW}")).splitlines()


def warnings_of(text: str, bands: str = LOW) -> list[str]:
    return model_of_text(f"{text}{bands}").warnings()


# ── in plain words ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_with_every_section_is_told_whole() -> None:
    assert told("""names: {own_domains: [us.com, "*.us.com"]}
visits: {on: [page_viewed, tracked], gap_minutes: 1}
rules:
  back: {visits: {at_least: 3, within_days: 1}, points: 8, half_life_days: 14, points_max: 16, phase: consideration}
  form: {on: form_submitted, points: 5, half_life_days: 1, channel: chat, converts: true}
traits:
  budget: {answers: {">= 50": 15, ">= 10": 5, x: -1, "y*": -1}}
  seniority: {answers: {"*": 0}, from: [a, b.c]}
  student: {where: {title: [student, intern], email_kind: free}, points: -25}
channels: {chat: {points_max: 60}}
inactivity: {after_days: 90, points: -15}
contact: [name, email]
alerts: {max_age_h: 2, visitors: true}
accounts:
  contact_max: 50
  bands: {aware: {enter: 50, leave: 35}}
  company_events: {hiring: 5, layoffs: -30}
  waking: {quiet_days: 1}
signals:
  a: {kind: hand_raise, rules: form}
  b: {kind: count, sessions: 3, within_days: 1}
  c: {kind: distinct_contacts, people: 2, within_days: 14}
  d: {kind: distinct_contacts, people: 2, within_days: 14, or_rules: [form]}
  e: {kind: surge, factor: 1.5, events_min: 5}
  f: {kind: sequence, steps: [form, [form]], within_days: 14}
  g: {kind: reactivation, quiet_days: 60, events: 2, cooldown_h: 0}
  h: {kind: company_event, on: [layoffs, no_budget], negative: true, cooldown_h: 24}""") == [
        "back: +8 at each visit that is at least the 3rd within 1 day; halves every 14 days; at most 16; consideration",
        "form: +5 when form_submitted; halves every 1 day; a conversion; awareness; channel chat",
        "budget: +15 where budget >= 50, else +5 where it >= 10, else -1 where it is like x or y*, else 0; "
        "unknown without an answer",
        "seniority: 0 where the first known of a / b.c is like *, else 0; unknown without an answer",
        "student: -25 where title is student or intern and email_kind is free",
        "channel chat: at most 60 points from all its rules together",
        "inactivity: -15 from 90 days after the end of the last visit, until the next",
        "a visit: page_viewed or tracked, until 1 minute of silence",
        "own domains, which never alert: email_domain is like us.com or *.us.com",
        "alerts carry name and email",
        "cold: below the first band",
        "warm: from 1, left below 0.5",
        "a crossing more than 2 h old alerts nobody",
        "visitors alert too",
        "account engagement: at most 50 of each person; halves every 30 days",
        "account hiring: +5",
        "account layoffs: -30",
        "account aware: from 50, left below 35",
        "worth waking: account fit at least 8.1, and nothing for 1 day",
        "signal a: a match of form; once in 168 h",
        "signal b: 3 visits within 1 day; once in 168 h",
        "signal c: 2 people within 14 days; once in 168 h",
        "signal d: 2 people within 14 days, or as many with form about the same; once in 168 h",
        "signal e: at least 5 events in 7 days, and 1.5 times the mean of the 3 weeks before; once in 168 h",
        "signal f: form, then form, within 14 days; once in 168 h",
        "signal g: 2 events after 60 days without any; each time",
        "signal h: news: layoffs or no_budget; negative; once in 24 h",
    ]


def test_what_a_model_leaves_as_it_is_is_not_told() -> None:
    assert told(f"rules: {{{VIEW}}}") == [
        "view: +1 when page_viewed; halves every 14 days; awareness",
        "cold: below the first band",
        "warm: from 1, left below 0.5",
    ]


def test_an_alert_without_any_contact_is_told() -> None:
    assert "alerts carry nothing about the person" in told(f"rules: {{{VIEW}}}\ncontact: []")


# ── warnings ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_is_used_by_a_trait_too() -> None:
    text = "names: {rivals: {email_domain: [rival.com]}, pricing: {path: /pricing}}\n"
    text += f"rules: {{{VIEW}}}\ntraits: {{rival: {{where: {{is: rivals}}, points: -5}}}}"
    assert warnings_of(text) == ["names.pricing: no rule or trait uses it"]


@pytest.mark.parametrize(
    ("at_least", "within_days", "gap_minutes", "warns"),
    [(2, 0.5, 720, True), (2, 0.51, 720, False), (3, 0.51, 720, True), (3, 1, 720, True), (3, 1.01, 720, False)],
)
def test_visits_that_lie_too_close_to_be_several_are_a_warning(
    at_least: int, within_days: float, gap_minutes: float, warns: bool
) -> None:
    text = f"visits: {{gap_minutes: {gap_minutes}}}\n"
    text += (
        f"rules: {{r: {{visits: {{at_least: {at_least}, within_days: {within_days}}}, points: 1, half_life_days: 1}}}}"
    )
    span = "1 day" if within_days == 1 else f"{within_days} days"
    expected = (
        f"rules.r.visits.within_days: {at_least} visits do not fit into {span}, "
        "because what happens within 720 minutes is one visit"
    )
    assert warnings_of(text) == [expected] * warns


def test_a_rule_that_asks_an_event_for_what_only_leads_have_is_a_warning() -> None:
    text = "rules: {r: {on: page_viewed, where: {email_kind: free}, points: 1, half_life_days: 1}}"
    assert warnings_of(text) == ["rules.r.where.email_kind: is known of leads and not of events; use it in a trait"]


@pytest.mark.parametrize(
    ("answers", "unreached"),
    [
        ("{'*': 0, director: 1}", "is director"),
        ("{director: 1, '*': 0}", None),
        ("{'*': 0, '*chief*': 1}", "is like *chief*"),
        ("{'*chief*': 1, 'chief of *': 2}", "is like chief of *"),
        ("{'chief?': 1, 'chief*': 2}", None),
        ("{'chief*': 1, 'chief?': 2}", "is like chief?"),
        ("{Director: 1, director: 2}", "is director"),
        ("{'*': 0, '>= 5': 1}", None),  # numbers are no text
        ("{'*': 0, 5: 1}", None),
        ("{'>= 5': 1, '>= 10': 2}", ">= 10"),
        ("{'>= 10': 1, '>= 5': 2}", None),
        ("{'> 5': 1, '>= 5': 2}", None),
        ("{'>= 5': 1, '> 5': 2}", "> 5"),
        ("{'<= 5': 1, '< 5': 2}", "< 5"),
        ("{'< 5': 1, '<= 5': 2}", None),
        ("{'< 5': 1, '> 5': 2}", None),
        ("{'>= 5': 1, 7: 2}", "is 7"),
        ("{'> 7': 1, 7: 2}", None),
        ("{7: 1, '>= 7': 2}", None),
        ("{7: 1, 7.0: 2}", "is 7"),
        ("{true: 1, 'True': 2}", "is true"),
        ("{true: 1, 1: 2}", None),
    ],
)
def test_an_answer_that_is_never_reached_is_a_warning(answers: str, unreached: str | None) -> None:
    found = warnings_of(f"rules: {{{VIEW}}}\ntraits: {{t: {{answers: {answers}}}}}")
    assert len(found) == (unreached is not None)
    if unreached is not None:
        assert found[0].startswith(f"traits.t.answers: what {unreached} is never reached, because what ")


def test_a_channel_without_rules_and_one_below_a_single_match_are_warnings() -> None:
    text = "rules: {form: {on: form_submitted, points: 10, half_life_days: 1, channel: web}}\n"
    assert warnings_of(f"{text}channels: {{web: {{points_max: 9}}, email: {{points_max: 1}}}}") == [
        "channels.web.points_max: 9 is below the 10 of one match of form, which can never count whole",
        "channels.email: no rule is in it",
    ]
    assert warnings_of(f"{text}channels: {{web: {{points_max: 10}}}}") == []


@pytest.mark.parametrize("name", ["floor", "inactivity", "web"])
def test_a_rule_called_like_a_line_of_ledgers_is_a_warning(name: str) -> None:
    text = f"rules: {{{name}: {{on: page_viewed, points: 1, half_life_days: 1, channel: web}}}}\n"
    assert warnings_of(f"{text}channels: {{web: {{points_max: 10}}}}") == [
        f"rules.{name}: a ledger has a line of its own called so; another name is easier to read"
    ]


@pytest.mark.parametrize(
    ("signal", "warning"),
    [
        ("{kind: hand_raise, rules: [view, bad]}", "signals.s: is a reason to call, but bad counts against a lead"),
        (
            "{kind: sequence, steps: [view, bad], within_days: 1}",
            "signals.s: is a reason to call, but bad counts against a lead",
        ),
        ("{kind: company_event, on: layoffs}", "signals.s.on: layoffs is bad news, but the signal is positive"),
        (
            "{kind: company_event, on: [layoffs, hiring], negative: true}",
            "signals.s.on: hiring is good news, but the signal is negative",
        ),
        ("{kind: company_event, on: [layoffs], negative: true}", None),
        ("{kind: hand_raise, rules: [view]}", None),
    ],
)
def test_a_signal_that_contradicts_itself_is_a_warning(signal: str, warning: str | None) -> None:
    rules = f"rules: {{{VIEW}, bad: {{on: form_failed, points: -1, half_life_days: 1}}}}"
    assert warnings_of(f"{rules}\nsignals: {{s: {signal}}}") == [warning] * (warning is not None)


# Bands against all that adds up: 20 of the rule, 5 of the visits in a channel's stead, 15 of the best answer, 3.
FINITE = """rules:
  view: {on: page_viewed, points: 1, half_life_days: 14, points_max: 30, channel: web}
  reply: {on: email_replied, points: 5, half_life_days: 14, points_max: 5}
  bounce: {on: email_bounced, points: -50, half_life_days: 14, points_max: 50}
traits:
  budget: {answers: {">= 50": 15, ">= 10": 5, "*": -3}}
  free: {where: {email_kind: free}, points: -10}
  partner: {where: {partner: true}, points: 3}
channels: {web: {points_max: 20}}
"""


@pytest.mark.parametrize(("enter", "warns"), [(43, False), (43.5, True)])
def test_a_band_that_all_rules_and_traits_cannot_reach_is_a_warning(enter: float, warns: bool) -> None:
    found = warnings_of(FINITE, f"\nbands: {{warm: {{enter: 3, leave: 2}}, hot: {{enter: {enter}, leave: 20}}}}\n")
    assert (
        found
        == ["bands.hot.enter: 43.5 is out of reach: all rules and traits together come to 43 points at most"] * warns
    )


def test_a_band_is_in_reach_of_a_rule_without_ceiling_and_of_a_hold() -> None:
    high = "\nbands: {warm: {enter: 30, leave: 2}, hot: {enter: 1000, leave: 20}}\n"
    assert warnings_of(FINITE.replace(", points_max: 5", ""), high) == []
    held = FINITE.replace("points_max: 5}", "points_max: 5, hot: {hold_days: 1}}")
    assert warnings_of(held, high) == []
    between = "\nbands: {warm: {enter: 500, leave: 2}, hot: {enter: 1000, leave: 20}}\n"
    assert [warning.partition(":")[0] for warning in warnings_of(held, between)] == ["bands.warm.enter"]


def test_the_visits_that_are_remembered_bound_a_rule_about_visits() -> None:
    text = "rules: {r: {visits: {at_least: 2, within_days: 7}, points: 2, half_life_days: 14}}"
    assert warnings_of(text, "\nbands: {warm: {enter: 64, leave: 2}}\n") == []
    assert len(warnings_of(text, "\nbands: {warm: {enter: 64.1, leave: 2}}\n")) == 1
