"""Accounts and signals: what the sections of a model become, every refusal with its line, and what editors know."""

from __future__ import annotations

import json

import pytest

from scoring.company_events import COMPANY_EVENTS, NEGATIVE_EVENTS, POSITIVE_EVENTS
from scoring.errors import ModelError
from scoring.model import AccountBand, Accounts, ScoringModel, Signal, Waking, parse_model
from scoring.model_signals import (
    KINDS,
    CompanyEvent,
    Count,
    DistinctContacts,
    HandRaise,
    Reactivation,
    StepSequence,
    Surge,
)
from scoring.scenarios import parse_scenarios

RULES = ", ".join(
    [
        "view: {on: page_viewed, points: 1, half_life_days: 14}",
        "form: {on: form_submitted, points: 5, half_life_days: 9}",
        "back: {visits: {at_least: 2, within_days: 7}, points: 8, half_life_days: 14}",
    ]
)
HEAD = f"version: v1\nrules: {{{RULES}}}\nbands: {{warm: {{enter: 30, leave: 20}}}}\n"


def with_section(section: str) -> ScoringModel:
    """Return a model with a section, which begins on line 4."""
    return parse_model(HEAD + section, "m.yaml")


def signal_of(signal: str) -> Signal:
    return with_section(f"signals: {{s: {signal}}}").signals["s"]


def problems_of(section: str) -> list[str]:
    with pytest.raises(ModelError) as raised:
        with_section(section)
    return raised.value.problems


# ── accounts ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_accounts_are_read_as_they_are_written() -> None:
    model = with_section(
        "accounts:\n"
        "  contact_max: 50\n"
        "  half_life_days: 10.5\n"
        "  bands: {aware: {enter: 50, leave: 35}, engaged: {enter: 150, leave: 110}}\n"
        "  company_events: {funding: 20, layoffs: -30}\n"
        "  waking: {fit_min: 7, quiet_days: 14}\n"
    )
    assert model.accounts == Accounts(
        contact_max=50,
        half_life_days=10.5,
        bands={
            "aware": AccountBand(name="aware", enter=50, leave=35),
            "engaged": AccountBand(name="engaged", enter=150, leave=110),
        },
        company_events={"funding": 20, "layoffs": -30},
        waking=Waking(fit_min=7, quiet_days=14),
    )


def test_what_a_model_says_nothing_of_accounts_has_a_default() -> None:
    model = with_section("")
    assert (model.accounts.contact_max, model.accounts.half_life_days) == (100, 30)
    assert (model.accounts.bands, model.accounts.company_events, model.signals) == ({}, {}, {})
    assert (model.accounts.waking.fit_min, model.accounts.waking.quiet_days) == (8.1, 30)
    assert model.signal_rules == ()


def test_the_vocabulary_of_company_events_is_good_and_bad_news() -> None:
    assert len(POSITIVE_EVENTS) + len(NEGATIVE_EVENTS) == len(COMPANY_EVENTS) == 10


ACCOUNT_FAULTS = [
    ("3", ": 3 is not a mapping of keys to values"),
    ("{contact_max: 0}", ".contact_max: 0 is not above 0"),
    ("{contact_max: 10001}", ".contact_max: 10001 is above 10000"),
    ("{half_life_days: 0}", ".half_life_days: 0 is not above 0"),
    ("{half_life_day: 1}", ".half_life_day: unknown key 'half_life_day'; did you mean 'half_life_days'?"),
    ("{bands: {a: {enter: 3, leave: 3}}}", ".bands.a.leave: 3 is not below enter (3)"),
    ("{bands: {a: {enter: 3}}}", ".bands.a.leave: is required"),
    ("{bands: {cold: {enter: 3, leave: 2}}}", ".bands.cold: cold is what lies below the first band; it is not listed"),
    (
        "{bands: {a: {enter: 3, leave: 2, fit_min: 5}}}",
        ".bands.a.fit_min: unknown key 'fit_min'; allowed are enter, leave",
    ),
    (
        "{bands: {a: {enter: 3, leave: 2, cooldown_h: 5}}}",
        ".bands.a.cooldown_h: unknown key 'cooldown_h'; allowed are enter, leave",
    ),
    ("{bands: {a: {enter: 3, leave: 2, name: a}}}", ".bands.a.name: unknown key 'name'; allowed are enter, leave"),
    (
        "{bands: {a: {enter: 3, leave: 2}, b: {enter: 2, leave: 1}}}",
        ".bands.b.enter: 2 is below the 3 of a; list low to high",
    ),
    (
        f"{{bands: {{{', '.join(f'b{n}: {{enter: {n + 2}, leave: 1}}' for n in range(11))}}}}}",
        ".bands: has 11 entries; at most 10 are allowed",
    ),
    (
        "{company_events: {fundin: 1}}",
        ".company_events.fundin: 'fundin' is not a company event; did you mean 'funding'?",
    ),
    (
        "{company_events: {zzz: 1}}",
        f".company_events.zzz: 'zzz' is not a company event; there are {', '.join(sorted(COMPANY_EVENTS))}",
    ),
    ("{company_events: {funding: 0}}", ".company_events.funding: 0 has no effect; leave the event out"),
    ("{company_events: {funding: -10001}}", ".company_events.funding: -10001 is below -10000"),
    ("{company_events: {funding: much}}", ".company_events.funding: 'much' is not a number"),
    ("{waking: {fit_min: 10.1}}", ".waking.fit_min: 10.1 is above 10"),
    ("{waking: {quiet_days: 0}}", ".waking.quiet_days: 0 is not above 0"),
    ("{waking: {quiet_day: 3}}", ".waking.quiet_day: unknown key 'quiet_day'; did you mean 'quiet_days'?"),
]


@pytest.mark.parametrize(("accounts", "problem"), ACCOUNT_FAULTS, ids=range(len(ACCOUNT_FAULTS)))
def test_a_fault_in_accounts_is_told_at_its_line_and_key(accounts: str, problem: str) -> None:
    assert problems_of(f"accounts: {accounts}") == [f"m.yaml:4: accounts{problem}"]


# ── signals ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("{kind: hand_raise, rules: form}", HandRaise(kind="hand_raise", rules=("form",))),
        ("{kind: hand_raise, rules: [form, view]}", HandRaise(kind="hand_raise", rules=("form", "view"))),
        (
            "{kind: count, sessions: 3, within_days: 7, cooldown_h: 0}",
            Count(kind="count", sessions=3, within_days=7, cooldown_h=0),
        ),
        (
            "{kind: distinct_contacts, people: 2, within_days: 0.5}",
            DistinctContacts(kind="distinct_contacts", people=2, within_days=0.5),
        ),
        (
            "{kind: distinct_contacts, people: 2, within_days: 14, or_rules: view}",
            DistinctContacts(kind="distinct_contacts", people=2, within_days=14, or_rules=("view",)),
        ),
        ("{kind: surge, factor: 2, events_min: 5}", Surge(kind="surge", factor=2, events_min=5)),
        (
            "{kind: sequence, steps: [view, [form, view]], within_days: 14}",
            StepSequence(kind="sequence", steps=(("view",), ("form", "view")), within_days=14),
        ),
        ("{kind: reactivation, quiet_days: 60, events: 2}", Reactivation(kind="reactivation", quiet_days=60, events=2)),
        (
            "{kind: company_event, on: [layoffs, no_budget], negative: true}",
            CompanyEvent(kind="company_event", on=("layoffs", "no_budget"), negative=True),
        ),
    ],
)
def test_a_signal_is_read_by_its_kind(written: str, read: Signal) -> None:
    signal = signal_of(written)
    assert signal == read
    assert type(signal) is type(read) is KINDS[read.kind]


def test_a_signal_is_said_once_a_week_and_positive_unless_told_otherwise() -> None:
    signal = signal_of("{kind: company_event, on: funding}")
    assert (signal.cooldown_h, signal.polarity) == (168, "positive")
    assert signal_of("{kind: company_event, on: layoffs, negative: true}").polarity == "negative"


def test_contacts_tell_of_the_rules_that_signals_ask_about() -> None:
    model = with_section("""signals:
  a: {kind: sequence, steps: [view, form], within_days: 1}
  b: {kind: hand_raise, rules: form}
  c: {kind: surge, factor: 2, events_min: 5}
""")
    assert model.signal_rules == ("form", "view")
    only = with_section("signals: {a: {kind: distinct_contacts, people: 2, within_days: 1, or_rules: [view]}}")
    assert only.signal_rules == ("view",)


RULE_LIST = "rules are view, form, back"
KIND_LIST = "kinds are hand_raise, count, distinct_contacts, surge, sequence, reactivation, company_event"
SIGNAL_FAULTS = [
    ("3", ": 3 is not a mapping of keys to values"),
    ("{rules: form}", f".kind: is required; {KIND_LIST}"),
    ("{kind:, rules: form}", ".kind: has no value"),
    ("{kind: hand_rise, rules: form}", ".kind: 'hand_rise' is unknown; did you mean 'hand_raise'?"),
    ("{kind: 3, rules: form}", f".kind: 3 is unknown; {KIND_LIST}"),
    ("{kind: [count]}", ".kind: a list is unknown; did you mean 'count'?"),
    ("{kind: hand_raise}", ".rules: is required"),
    ("{kind: hand_raise, rules: []}", ".rules: the list is empty; name at least one rule"),
    ("{kind: hand_raise, rules: {a: b}}", ".rules: a mapping is not a list"),
    ("{kind: hand_raise, rules: [form, form]}", ".rules: lists a rule twice"),
    ("{kind: hand_raise, rules: [3]}", ".rules: 3 is not text; put it in quotes if it is meant as text"),
    ("{kind: hand_raise, rules: [fom]}", ".rules: 'fom' is not one of the rules; did you mean 'form'?"),
    ("{kind: hand_raise, rules: zz}", f".rules: 'zz' is not one of the rules; {RULE_LIST}"),
    (
        "{kind: hand_raise, rules: back}",
        ".rules: back is about visits; a signal of the kind count asks for these",
    ),
    (
        "{kind: hand_raise, rules: form, sessions: 3}",
        ".sessions: unknown key 'sessions'; allowed are kind, cooldown_h, rules",
    ),
    ("{kind: hand_raise, rules: form, cooldown: 3}", ".cooldown: unknown key 'cooldown'; did you mean 'cooldown_h'?"),
    ("{kind: hand_raise, rules: form, cooldown_h: -1}", ".cooldown_h: -1 is below 0"),
    (
        "{kind: hand_raise, rules: form, negative: true}",
        ".negative: unknown key 'negative'; allowed are kind, cooldown_h, rules",
    ),
    ("{kind: count, sessions: 1, within_days: 7}", ".sessions: 1 is below 2"),
    ("{kind: count, sessions: 2.5, within_days: 7}", ".sessions: 2.5 is not a whole number"),
    ("{kind: count, sessions: 3, within_days: 0}", ".within_days: 0 is not above 0"),
    ("{kind: count, sessions: 3, within_days: 401}", ".within_days: 401 is above 400"),
    ("{kind: distinct_contacts, people: 1, within_days: 7}", ".people: 1 is below 2"),
    (
        "{kind: distinct_contacts, people: 2, within_days: 7, or_rules: vew}",
        ".or_rules: 'vew' is not one of the rules; did you mean 'view'?",
    ),
    ("{kind: surge, factor: 0.9, events_min: 5}", ".factor: 0.9 is below 1"),
    ("{kind: surge, factor: 2, events_min: 0}", ".events_min: 0 is below 1"),
    ("{kind: sequence, steps: view, within_days: 7}", ".steps: 'view' is not a list"),
    (
        "{kind: sequence, steps: [view], within_days: 7}",
        ".steps: the number of steps is 1; a sequence has 2 to 10",
    ),
    (
        f"{{kind: sequence, steps: [{', '.join(['view'] * 11)}], within_days: 7}}",
        ".steps: the number of steps is 11; a sequence has 2 to 10",
    ),
    (
        "{kind: sequence, steps: [view, [form, viw]], within_days: 7}",
        ".steps: 'viw' is not one of the rules; did you mean 'view'?",
    ),
    ("{kind: sequence, steps: [view, []], within_days: 7}", ".steps: the list is empty; name at least one rule"),
    ("{kind: reactivation, quiet_days: 0, events: 2}", ".quiet_days: 0 is below 1"),
    ("{kind: reactivation, quiet_days: 60, events: 0}", ".events: 0 is below 1"),
    ("{kind: company_event, on: []}", ".on: the list is empty; name at least one company event"),
    ("{kind: company_event, on: [hiring, hiring]}", ".on: lists a company event twice"),
    ("{kind: company_event, on: fundng}", ".on: 'fundng' is not a company event; did you mean 'funding'?"),
    ("{kind: company_event, on: hiring, negative: 1}", ".negative: 1 is neither true nor false"),
]


@pytest.mark.parametrize(("signal", "problem"), SIGNAL_FAULTS, ids=range(len(SIGNAL_FAULTS)))
def test_a_fault_in_a_signal_is_told_at_its_line_and_key(signal: str, problem: str) -> None:
    assert problems_of(f"signals:\n  s: {signal}") == [f"m.yaml:5: signals.s{problem}"]


def test_all_faults_of_signals_are_told_at_once_each_at_its_own_line() -> None:
    assert problems_of("""signals:
  Upper: {kind: hand_raise, rules: form}
  a:
    kind: sequence
    steps:
      - viw
      - [form,
         fom]
    within_days: 0
    cooldown: 1
  b: {kind: cont}
""") == [
        "m.yaml:5: signals.Upper: 'Upper' is not a name: 1 to 64 of a-z, 0-9 and _, beginning with a letter",
        "m.yaml:9: signals.a.steps: 'viw' is not one of the rules; did you mean 'view'?",
        "m.yaml:11: signals.a.steps: 'fom' is not one of the rules; did you mean 'form'?",
        "m.yaml:12: signals.a.within_days: 0 is not above 0",
        "m.yaml:13: signals.a.cooldown: unknown key 'cooldown'; did you mean 'cooldown_h'?",
        "m.yaml:14: signals.b.kind: 'cont' is unknown; did you mean 'count'?",
    ]


def test_signals_and_the_rules_of_one_are_bounded() -> None:
    many = ", ".join(f"s{number}: {{kind: company_event, on: funding}}" for number in range(31))
    assert problems_of(f"signals: {{{many}}}") == ["m.yaml:4: signals: has 31 entries; at most 30 are allowed"]
    rules = "".join(f"  r{number}: {{on: tracked, points: 1, half_life_days: 1}}\n" for number in range(21))
    named = ", ".join(f"r{number}" for number in range(21))
    with pytest.raises(ModelError) as raised:
        parse_model(
            f"version: v1\nsignals: {{s: {{kind: hand_raise, rules: [{named}]}}}}\n"
            f"bands: {{warm: {{enter: 30, leave: 20}}}}\nrules:\n{rules}",
            "m.yaml",
        )
    assert raised.value.problems == ["m.yaml:2: signals.s.rules: has 21 entries; at most 20 are allowed"]


def test_a_faulty_rule_may_be_named_by_a_signal_without_a_second_fault() -> None:
    text = "version: v1\nrules: {r: {on: page_viewed, points: 0, half_life_days: 1}}\n"
    text += "bands: {warm: {enter: 30, leave: 20}}\nsignals: {s: {kind: hand_raise, rules: r}}\n"
    with pytest.raises(ModelError) as raised:
        parse_model(text, "m.yaml")
    assert raised.value.problems == ["m.yaml:2: rules.r.points: 0 has no effect; leave the rule out"]


def test_signals_of_a_model_without_rules_have_no_faults_of_their_own() -> None:
    with pytest.raises(ModelError) as raised:
        parse_model(
            "version: v1\nbands: {a: {enter: 3, leave: 2}}\nsignals: {s: {kind: hand_raise, rules: r}}", "m.yaml"
        )
    assert raised.value.problems == ["m.yaml:1: rules: is required"]


def test_a_signal_that_counts_visits_has_leads_remember_them() -> None:
    text = f"version: v1\nrules: {{{RULES.partition(', back')[0]}}}\nbands: {{warm: {{enter: 30, leave: 20}}}}\n"
    surge, count = "{kind: surge, factor: 2, events_min: 5}", "{kind: count, sessions: 3, within_days: 7}"
    assert not parse_model(f"{text}signals: {{s: {surge}}}", "m.yaml").asks_for_visits
    assert parse_model(f"{text}signals: {{s: {count}}}", "m.yaml").asks_for_visits


def test_a_model_inside_a_scenario_knows_the_keys_of_a_signal_too() -> None:
    with pytest.raises(ModelError) as raised:
        parse_scenarios(
            "model:\n  version: v1\n  rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}\n"
            "  bands: {warm: {enter: 30, leave: 20}}\n"
            "  signals: {s: {kind: count, sessions: 3, within_days: 7, rules: view}}\n"
            "start: 2026-01-05T09:00:00Z\nscenarios: [{name: a, events: [{tick: 1d}], alerts: []}]\n",
            "s.yaml",
            lambda name: with_section(""),
        )
    assert raised.value.problems == [
        "s.yaml:5: model.signals.s.rules: unknown key 'rules'; allowed are kind, cooldown_h, sessions, within_days"
    ]


# ── for editors ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_schema_for_editors_tells_the_kinds_of_signals_apart() -> None:
    schema = ScoringModel.json_schema()
    (entry,) = schema["properties"]["signals"]["patternProperties"].values()
    assert schema["properties"]["signals"]["additionalProperties"] is False
    assert set(entry["discriminator"]["mapping"]) == set(KINDS)
    for kind, section in KINDS.items():
        form = schema["$defs"][section.__name__]
        assert form["properties"]["kind"]["const"] == kind
        assert (list(form["properties"]), form["additionalProperties"]) == (section.file_keys(), False)
    assert "null" not in json.dumps(schema)


def test_the_schema_for_editors_knows_the_bounds_of_accounts() -> None:
    sections = ScoringModel.json_schema()["$defs"]
    accounts = sections["Accounts"]["properties"]
    assert accounts["bands"]["additionalProperties"] is False
    assert set(sections["AccountBand"]["properties"]) == {"enter", "leave"}
    assert accounts["company_events"]["propertyNames"]["enum"] == sorted(COMPANY_EVENTS)
    points = accounts["company_events"]["additionalProperties"]
    assert (points["minimum"], points["maximum"], points["not"]) == (-10_000, 10_000, {"const": 0})
    assert (accounts["contact_max"]["exclusiveMinimum"], accounts["contact_max"]["maximum"]) == (0, 10_000)
