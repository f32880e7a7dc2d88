"""The scoring model: every refusal with its line, the default model by example, and the numbers of docs/model.md."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from scoring.company_events import COMPANY_EVENTS, NEGATIVE_EVENTS, POSITIVE_EVENTS
from scoring.conditions import Condition, holds
from scoring.conditions_compared import covers
from scoring.errors import ModelError
from scoring.events import EVENT_TYPES
from scoring.model import (
    Accounts,
    Alerts,
    Band,
    Channel,
    Component,
    Exclusion,
    FitLevels,
    FollowUpTimes,
    Hot,
    Inactivity,
    Rule,
    ScoringModel,
    Trait,
    VisitCount,
    Visits,
    Waking,
    describe_model,
    load_model,
    parse_model,
)
from scoring.model_customers import CRITERION_KINDS, Customers, Exit, Manual, Segment, Split
from scoring.model_diff import diff_models
from scoring.model_file import DEPTH_MAX, FILE_BYTES_MAX
from scoring.model_signals import KINDS, CompanyEvent
from scoring.scenarios import parse_scenarios, run_scenario

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "scoring" / "models" / "default.yaml"
GUIDE = ROOT / "docs" / "model.md"

RULES = "rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}\n"
BANDS = "bands: {warm: {enter: 30, leave: 20}}\n"


def problems_of(text: str) -> list[str]:
    with pytest.raises(ModelError) as raised:
        parse_model(text, "m.yaml")
    return raised.value.problems


def with_rule(rule: str, names: str = "") -> str:
    """Return a model whose rule ``r`` stands on line 3, after an optional line of names."""
    return f"version: v1\n{names or '# no names'}\nrules: {{r: {rule}}}\n{BANDS}"


def rule_of(rule: str, names: str = "") -> Rule:
    return parse_model(with_rule(rule, names), "m.yaml").rules["r"]


def conditions_of(where: str, names: str = "") -> tuple[Condition, ...]:
    return rule_of(f"{{on: page_viewed, where: {where}, points: 1, half_life_days: 14}}", names).where


# ── what a good file becomes ─────────────────────────────────────────────────────────────────────────────────


def test_a_full_model_is_read_as_it_is_written() -> None:
    model = parse_model(
        """
version: 2026-11-01
names:
  pricing: {path: ["/Pricing*", "/prijzen/"]}
rules:
  pricing_page: {on: page_viewed, where: {is: pricing, seconds: ">= 5"}, points: 10, half_life_days: 14,
                 points_max: 20, once_per: asset, phase: consideration, channel: web}
  demo: {on: [form_submitted, tracked], points: 50, half_life_days: 90.5, hot: {hold_days: 14}}
  bounce: {on: email_bounced, points: -50, half_life_days: 365, points_max: 50}
bands:
  warm: {enter: 30, leave: 20}
  hot: {enter: 100, leave: 80, fit_min: 5, cooldown_h: 24}
alerts: {max_age_h: 48}
""",
        "m.yaml",
    )
    assert model.version == "2026-11-01"
    assert model.names == {"pricing": (Condition("path", "glob_any", ("/pricing*", "/prijzen")),)}
    page, demo, bounce = model.rules.values()
    assert page.on == ("page_viewed",)
    assert page.where == (
        Condition("path", "glob_any", ("/pricing*", "/prijzen")),
        Condition("seconds", "compare", op=">=", number=5.0, or_unknown=True),
    )
    assert (page.points, page.half_life_days, page.points_max) == (10.0, 14.0, 20.0)
    assert (page.once_per, page.phase, page.channel, page.hold_days) == ("asset", "consideration", "web", None)
    assert (demo.on, demo.where, demo.points_max) == (("form_submitted", "tracked"), (), math.inf)
    assert (demo.once_per, demo.phase, demo.channel, demo.hold_days) == (None, "awareness", None, 14.0)
    assert (demo.visits, demo.converts) == (None, False)
    assert (bounce.points, bounce.points_max) == (-50.0, 50.0)
    assert [(b.name, b.enter, b.leave, b.fit_min, b.cooldown_h) for b in model.bands.values()] == [
        ("warm", 30.0, 20.0, None, None),
        ("hot", 100.0, 80.0, 5.0, 24.0),
    ]
    assert model.alerts.max_age_h == 48.0
    assert model.warnings() == []


def test_what_a_model_leaves_out_has_a_default() -> None:
    model = parse_model(f"version: v1\n{RULES}{BANDS}", "m.yaml")
    assert (model.alerts.max_age_h, model.alerts.visitors) == (24.0, False)
    assert model.visits.gap_minutes == 30.0
    assert model.visits.on == (
        *("page_viewed", "screen_viewed", "link_clicked", "file_downloaded", "form_submitted", "video_watched"),
    )
    assert (model.traits, model.channels, model.inactivity) == ({}, {}, None)
    assert model.contact == ("name", "email", "phone", "title", "owner", "crm_url")


def test_a_model_cannot_be_changed() -> None:
    model = parse_model(f"version: v1\n{RULES}{BANDS}", "m.yaml")
    with pytest.raises(ValidationError):
        model.version = "v2"


@pytest.mark.parametrize(
    ("written", "read"),
    [("2026-11-01", "2026-11-01"), ("1.10", "1.10"), ("'007'", "007"), ("true", "true"), ("x" * 64, "x" * 64)],
)
def test_a_version_stays_the_text_it_is(written: str, read: str) -> None:
    assert parse_model(f"version: {written}\n{RULES}{BANDS}", "m.yaml").version == read


def test_words_that_yaml_1_1_takes_for_truth_stay_text() -> None:
    assert conditions_of("{consent: [yes, No], on: off}") == (
        Condition("consent", "equals_any", ("yes", "no")),
        Condition("on", "equals_any", ("off",)),
    )


def test_a_name_that_no_rule_uses_is_a_warning() -> None:
    names = "names: {pricing: {path: /pricing}, careers: {path: /jobs}}"
    rule = "{on: page_viewed, where: {is: careers, seconds: '> 1'}, points: 1, half_life_days: 14}"
    assert parse_model(with_rule(rule, names), "m.yaml").warnings() == ["names.pricing: no rule uses it"]


# ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("{form: Demo}", Condition("form", "equals_any", ("demo",))),
        ("{form: [Demo, quote]}", Condition("form", "equals_any", ("demo", "quote"))),
        ("{form: [demo, 'q*', 7, true]}", Condition("form", "glob_any", ("demo", "q*", 7.0, True))),
        ("{code: 'a?c'}", Condition("code", "glob_any", ("a?c",))),
        ("{path: /}", Condition("path", "equals_any", ("/",))),
        ("{path: /Plans/}", Condition("path", "equals_any", ("/plans",))),
        ("{seats: 5}", Condition("seats", "equals_any", (5.0,))),
        ("{seats: '5'}", Condition("seats", "equals_any", ("5",))),
        ("{paid: true}", Condition("paid", "equals_any", (True,))),
        ("{seats: '>= 5'}", Condition("seats", "compare", op=">=", number=5.0)),
        ("{seats: '<-2.5 or unknown'}", Condition("seats", "compare", op="<", number=-2.5, or_unknown=True)),
        ("{seconds: '>5'}", Condition("seconds", "compare", op=">", number=5.0, or_unknown=True)),
        ("{seconds: 5}", Condition("seconds", "equals_any", (5.0,))),
    ],
)
def test_a_condition_is_read(where: str, expected: Condition) -> None:
    (condition,) = conditions_of(where)
    assert repr(condition) == repr(expected)  # (True,) == (1.0,), so equality would not tell


@pytest.mark.parametrize(
    ("where", "properties", "expected"),
    [
        # Text: whole, whatever the case; never a part, never a number's text.
        ("{form: demo}", {"form": "DEMO"}, True),
        ("{form: demo}", {"form": "demo-2"}, False),
        ("{form: demo}", {"form": None}, False),
        ("{form: demo}", {}, False),
        ("{form: demo}", {"form": ["demo"]}, False),
        ("{form: '7'}", {"form": 7}, False),
        # Globs: * is anything (also nothing, also slashes), ? one character, [ only itself.
        ("{form: 'demo*'}", {"form": "demo"}, True),
        ("{form: '*demo*'}", {"form": "My Demo\nform"}, True),
        ("{form: 'demo?'}", {"form": "demo"}, False),
        ("{form: 'demo?'}", {"form": "demo2"}, True),
        ("{form: 'a[bc]*'}", {"form": "ab"}, False),
        ("{form: 'a[bc]*'}", {"form": "a[bc]d"}, True),
        ("{form: ['x*', 7]}", {"form": 7}, True),
        ("{form: ['x*', y]}", {"form": "y"}, True),
        # Paths: the last slash does not count.
        ("{path: /pricing}", {"path": "/Pricing/"}, True),
        ("{path: /}", {"path": "/"}, True),
        ("{path: /}", {"path": "//"}, True),
        ("{path: /}", {"path": ""}, False),
        ("{path: '/pricing*'}", {"path": "/pricing/enterprise/"}, True),
        ("{path: '/pricing/*'}", {"path": "/pricing/"}, False),
        ("{url: /pricing}", {"url": "/pricing/"}, False),
        # Numbers: by value, also as text.
        ("{seats: 5}", {"seats": 5.0}, True),
        ("{seats: 5}", {"seats": "5.0"}, True),
        ("{seats: 1}", {"seats": True}, False),
        ("{seats: 5}", {"seats": "five"}, False),
        # true and false: only themselves.
        ("{paid: true}", {"paid": True}, True),
        ("{paid: true}", {"paid": "true"}, False),
        ("{paid: true}", {"paid": 1}, False),
        ("{paid: 'true'}", {"paid": True}, False),
        # Comparisons, at and around the limit.
        ("{seats: '>= 5'}", {"seats": 5}, True),
        ("{seats: '>= 5'}", {"seats": 4.999}, False),
        ("{seats: '> 5'}", {"seats": 5}, False),
        ("{seats: '> 5'}", {"seats": "5.001"}, True),
        ("{seats: '<= 5'}", {"seats": 5}, True),
        ("{seats: '<= 5'}", {"seats": 6}, False),
        ("{seats: '< 5'}", {"seats": 5}, False),
        ("{seats: '< 5'}", {"seats": -1}, True),
        ("{seats: '> 0'}", {"seats": True}, False),
        ("{seats: '> 0'}", {"seats": "1_0"}, False),
        ("{seats: '> 0'}", {"seats": "inf"}, False),
        ("{seats: '> 0'}", {"seats": 10**400}, False),
        ("{seats: '> 0'}", {"seats": math.nan}, False),
        # What is not known.
        ("{seats: '> 0'}", {}, False),
        ("{seats: '> 0 or unknown'}", {}, True),
        ("{seats: '> 0 or unknown'}", {"seats": None}, True),
        ("{seats: '> 0 or unknown'}", {"seats": "many"}, False),
        ("{seconds: '>= 5'}", {}, True),
        ("{seconds: '>= 5'}", {"seconds": 4}, False),
        ("{seconds: 5}", {}, False),
    ],
)
def test_a_condition_holds_or_not(where: str, properties: Mapping[str, object], expected: bool) -> None:
    assert all(holds(condition, properties) for condition in conditions_of(where)) is expected


@given(
    where=st.sampled_from(["{p: a}", "{p: 'a*'}", "{p: [1, true, 'b?']}", "{p: '> 1'}", "{path: ['/a/', '/b*']}"]),
    value=st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2),
)
def test_any_property_meets_a_condition_or_does_not(where: str, value: object) -> None:
    for condition in conditions_of(where):
        assert holds(condition, {"p": value, "path": value}) in (True, False)


# ── refusals: each with its line, its key and its text ───────────────────────────────────────────────────────

KEYS_ALLOWED = (
    "version, names, visits, rules, traits, channels, inactivity, contact, bands, alerts, follow_up, "
    "profiles, exclusions, accounts, signals, customers"
)
NOT_NAME = "is not a name: 1 to 64 of a-z, 0-9 and _, beginning with a letter"
FILE_FAULTS = [
    ("", "m.yaml:1: is empty; a model has at least version, rules and bands"),
    ("# nothing\n---\n", "m.yaml:1: is empty; a model has at least version, rules and bands"),
    ("\n- a\n", "m.yaml:2: is not a mapping; a model has at least version, rules and bands"),
    ("text", "m.yaml:1: is not a mapping; a model has at least version, rules and bands"),
    ("version: a\n\trules: b", "m.yaml:2: is not YAML: a tab where only spaces may be; indent with spaces"),
    ("version:\ta", "m.yaml:1: is not YAML: a tab where only spaces may be; indent with spaces"),
    ("a: b: c", "m.yaml:1: is not YAML: mapping values are not allowed here"),
    (
        "version: v1\nrules: [a,\nb: 3",
        "m.yaml:3: is not YAML: expected ',' or ']', but got '<stream end>' "
        "while parsing a flow sequence that began on line 2",
    ),
    ('a: 1\nb: "\\UFFFFFFFF"', "m.yaml:2: is not YAML: Python int too large to convert to C int"),
    ("a: 1\nb: \x00", "m.yaml:2: holds U+0000, which YAML does not allow"),
    ("a: 1\n---\nb: 2\n", "m.yaml:2: holds a second document (---); one file is one model"),
    ("a: " + "[" * 500_000, f"m.yaml:1: is nested more than {DEPTH_MAX} deep"),
    ("#" * (FILE_BYTES_MAX + 1), "m.yaml:1: has 1000001 bytes; at most 1000000 are read"),
]
KEY_FAULTS = [
    # The file's own keys.
    (f"{RULES}{BANDS}", "m.yaml:1: version: is required"),
    (f"\n\nversion: v1\n{BANDS}", "m.yaml:3: rules: is required"),
    (f"version: v1\n{RULES}", "m.yaml:1: bands: is required"),
    (f"version:\n{RULES}{BANDS}", "m.yaml:1: version: has no value"),
    (f"version: ''\n{RULES}{BANDS}", "m.yaml:1: version: is empty"),
    (f"version: {'x' * 65}\n{RULES}{BANDS}", "m.yaml:1: version: has 65 characters; at most 64 are allowed"),
    (
        f"version: [1]\n{RULES}{BANDS}",
        "m.yaml:1: version: a list is not text; put it in quotes if it is meant as text",
    ),
    (f'version: "a\\nb"\n{RULES}{BANDS}', "m.yaml:1: version: 'a\\nb' holds characters that cannot be printed"),
    (f"version: v1\n{RULES}{BANDS}rule: {{}}", "m.yaml:4: rule: unknown key 'rule'; did you mean 'rules'?"),
    (
        f"version: v1\n{RULES}{BANDS}zzz: 1",
        f"m.yaml:4: zzz: unknown key 'zzz'; allowed are {KEYS_ALLOWED}",
    ),
    (f"version: v1\n{RULES}{BANDS}version: v2", "m.yaml:4: version: is given twice; the first is on line 1"),
    (f"version: v1\nrules: {{}}\n{BANDS}", "m.yaml:2: rules: is empty; at least 1 is needed"),
    (f"version: v1\nrules: [a]\n{BANDS}", "m.yaml:2: rules: a list is not a mapping of keys to values"),
    (f"version: v1\nrules:\n  r: 3\n{BANDS}", "m.yaml:3: rules.r: 3 is not a mapping of keys to values"),
    (f"version: v1\n{RULES}{BANDS}alerts: {{max_age_h: 0}}", "m.yaml:4: alerts.max_age_h: 0 is not above 0"),
    (
        f"version: v1\n{RULES}{BANDS}alerts: {{max_age: 1}}",
        "m.yaml:4: alerts.max_age: unknown key 'max_age'; did you mean 'max_age_h'?",
    ),
    # What YAML can do and a model may not.
    (f"version: &a v1\n{RULES}{BANDS}", "m.yaml:1: version: the anchor &a is not allowed; write each value out"),
    (f"version: *a\n{RULES}{BANDS}", "m.yaml:1: version: the alias *a is not allowed; write the value out"),
    (
        f"version: !!str v1\n{RULES}{BANDS}",
        "m.yaml:1: version: the tag 'tag:yaml.org,2002:str' is not allowed; put text in quotes instead",
    ),
    (f"version: v1\n? [a]\n: 1\n{RULES}{BANDS}", "m.yaml:2: a key is plain text, without anchor, alias or tag"),
    (f"version: v1\n&k x: 1\n{RULES}{BANDS}", "m.yaml:2: a key is plain text, without anchor, alias or tag"),
    (f'version: "\\ud800"\n{RULES}{BANDS}', "m.yaml:1: version: is not valid Unicode: half of a surrogate pair"),
    (f'version: v1\n"\\ud800": 1\n{RULES}{BANDS}', "m.yaml:2: a key is not valid Unicode: half of a surrogate pair"),
    # Names.
    (f"version: v1\nnames: {{A b: {{x: y}}}}\n{RULES}{BANDS}", f"m.yaml:2: names.'A b': 'A b' {NOT_NAME}"),
    (f"version: v1\nnames: {{a: {{}}}}\n{RULES}{BANDS}", "m.yaml:2: names.a: is empty; name at least one property"),
    (
        f"version: v1\nnames:\n  competitors: [example.com]\n{RULES}{BANDS}",
        "m.yaml:3: names.competitors: a list is not a mapping of properties to what they must be",
    ),
    (
        f"version: v1\nnames:\n  a: {{is: b}}\n{RULES}{BANDS}",
        "m.yaml:3: names.a.is: a name cannot be made of other names; list its pages or forms here",
    ),
    # Bands.
    (f"version: v1\n{RULES}bands: {{}}", "m.yaml:3: bands: is empty; at least 1 is needed"),
    (f"version: v1\n{RULES}bands: {{warm: {{leave: 3}}}}", "m.yaml:3: bands.warm.enter: is required"),
    (
        f"version: v1\n{RULES}bands:\n  cold: {{enter: 3, leave: 2}}",
        "m.yaml:4: bands.cold: cold is what lies below the first band; it is not listed",
    ),
    (f"version: v1\n{RULES}bands: {{Hot: {{enter: 3, leave: 2}}}}", f"m.yaml:3: bands.Hot: 'Hot' {NOT_NAME}"),
    (
        f"version: v1\n{RULES}bands: {{hot: {{enter: -1, leave: -2}}}}",
        "m.yaml:3: bands.hot.enter: -1 is not above 0\nm.yaml:3: bands.hot.leave: -2 is not above 0",
    ),
    (
        f"version: v1\n{RULES}bands: {{hot: {{enter: 3, leave: 3}}}}",
        "m.yaml:3: bands.hot.leave: 3 is not below enter (3)",
    ),
    (
        f"version: v1\n{RULES}bands: {{hot: {{enter: 3, leave: 0}}}}",
        "m.yaml:3: bands.hot.leave: 0 is not above 0",
    ),
    (
        f"version: v1\n{RULES}bands: {{hot: {{enter: 3, leave: 2, fit_min: 10.1}}}}",
        "m.yaml:3: bands.hot.fit_min: 10.1 is above 10",
    ),
    (
        f"version: v1\n{RULES}bands: {{hot: {{enter: 3, leave: 2, cooldown_h: -1}}}}",
        "m.yaml:3: bands.hot.cooldown_h: -1 is below 0",
    ),
    (
        f"version: v1\n{RULES}bands: {{hot: {{enter: 3, leave: 2, name: hot}}}}",
        "m.yaml:3: bands.hot.name: unknown key 'name'; allowed are enter, leave, fit_min, cooldown_h",
    ),
    (
        f"version: v1\n{RULES}bands:\n  warm: {{enter: 30, leave: 20}}\n  hot: {{enter: 30, leave: 25}}",
        "m.yaml:5: bands.hot.enter: 30 is where warm is entered too",
    ),
    (
        f"version: v1\n{RULES}bands:\n  hot: {{enter: 30, leave: 20}}\n  warm: {{enter: 10, leave: 5}}",
        "m.yaml:5: bands.warm.enter: 10 is below the 30 of hot; list low to high",
    ),
    (
        f"version: v1\n{RULES}bands:\n  warm: {{enter: 30, leave: 20}}\n  hot: {{enter: 100, leave: 19}}",
        "m.yaml:5: bands.hot.leave: 19 is below the 20 at which warm is left",
    ),
    (
        f"version: v1\n{RULES}bands: {{{', '.join(f'b{n}: {{enter: {n + 2}, leave: 1}}' for n in range(11))}}}",
        "m.yaml:3: bands: has 11 entries; at most 10 are allowed",
    ),
]


@pytest.mark.parametrize(("text", "problem"), FILE_FAULTS, ids=range(len(FILE_FAULTS)))
def test_a_file_that_cannot_be_read_is_refused(text: str, problem: str) -> None:
    assert problems_of(text) == [problem]


@pytest.mark.parametrize(("text", "problems"), KEY_FAULTS, ids=range(len(KEY_FAULTS)))
def test_a_fault_is_told_at_its_line_and_key(text: str, problems: str) -> None:
    assert problems_of(text) == problems.splitlines()


RULE_FAULTS = [  # a rule on line 3, what is wrong with it
    ("{points: 1, half_life_days: 14}", "r.on: is required; or `visits`, for a rule about visits"),
    ("{on: page_viewed, half_life_days: 14}", "r.points: is required"),
    ("{on: page_viewed, points: 1}", "r.half_life_days: is required"),
    (
        "{on: page_viewed, points: 1, half_life_days: 14, half_live_days: 3}",
        "r.half_live_days: unknown key 'half_live_days'; did you mean 'half_life_days'?",
    ),
    (
        "{on: page_viewed, points: 1, half_life_days: 14, zzz: 3}",
        "r.zzz: unknown key 'zzz'; allowed are visits, on, where, points, half_life_days, points_max, once_per, phase, "
        "channel, hot, converts",
    ),
    (
        "{on: page_viewed, points: 1, half_life_days: 14, points: 2}",
        "r.points: is given twice; the first is on line 3",
    ),
    (
        "{on: page_viewd, points: 1, half_life_days: 14}",
        "r.on: 'page_viewd' is not an event type; did you mean 'page_viewed'?",
    ),
    (
        "{on: '#', points: 1, half_life_days: 14}",
        f"r.on: '#' is not an event type; there are {', '.join(sorted(EVENT_TYPES))}",
    ),
    ("{on: [], points: 1, half_life_days: 14}", "r.on: the list is empty; name at least one event type"),
    ("{on: [tracked, tracked], points: 1, half_life_days: 14}", "r.on: lists an event type twice"),
    ("{on: 3, points: 1, half_life_days: 14}", "r.on: 3 is not a list"),
    ("{on: [3], points: 1, half_life_days: 14}", "r.on: 3 is not text; put it in quotes if it is meant as text"),
    ("{on: tracked, points: 0, half_life_days: 14}", "r.points: 0 has no effect; leave the rule out"),
    ("{on: tracked, points: '1', half_life_days: 14}", "r.points: '1' is not a number"),
    ("{on: tracked, points: true, half_life_days: 14}", "r.points: true is not a number"),
    ("{on: tracked, points: .nan, half_life_days: 14}", "r.points: .nan is not a finite number"),
    ("{on: tracked, points: -.inf, half_life_days: 14}", "r.points: -.inf is not a finite number"),
    ("{on: tracked, points: 10000.5, half_life_days: 14}", "r.points: 10000.5 is above 10000"),
    ("{on: tracked, points: -10000.5, half_life_days: 14}", "r.points: -10000.5 is below -10000"),
    ("{on: tracked, points: 1, half_life_days: 0}", "r.half_life_days: 0 is not above 0"),
    ("{on: tracked, points: 1, half_life_days: -3}", "r.half_life_days: -3 is not above 0"),
    ("{on: tracked, points: 1, half_life_days: 36501}", "r.half_life_days: 36501 is above 36500"),
    (f"{{on: tracked, points: 1, half_life_days: {'9' * 5000}}}", "r.half_life_days: .inf is not a finite number"),
    (
        "{on: tracked, points: 10, half_life_days: 1, points_max: 9.5}",
        "r.points_max: 9.5 is below the 10 of one match, which could never count whole",
    ),
    (
        "{on: tracked, points: -10, half_life_days: 1, points_max: 9}",
        "r.points_max: 9 is below the 10 of one match, which could never count whole",
    ),
    ("{on: tracked, points: -10, half_life_days: 1, points_max: -10}", "r.points_max: -10 is not above 0"),
    ("{on: tracked, points: 1, half_life_days: 1, points_max: .inf}", "r.points_max: .inf is not a finite number"),
    (
        "{on: tracked, points: 1, half_life_days: 1, once_per: [asset]}",
        "r.once_per: a list is not text; put it in quotes if it is meant as text",
    ),
    ("{on: tracked, points: 1, half_life_days: 1, once_per: ''}", "r.once_per: is empty"),
    ("{on: tracked, points: 1, half_life_days: 1, once_per:}", "r.once_per: has no value"),
    (
        "{on: tracked, points: 1, half_life_days: 1, phase: decisive}",
        "r.phase: 'decisive' is unknown; did you mean 'decision'?",
    ),
    (
        "{on: tracked, points: 1, half_life_days: 1, channel: fax}",
        "r.channel: 'fax' is unknown; allowed are web, email",
    ),
    (
        "{on: tracked, points: 1, half_life_days: 1, channel: [web]}",
        "r.channel: a list is not text; put it in quotes if it is meant as text",
    ),
    (
        "{on: tracked, points: -1, half_life_days: 1, channel: web}",
        "r.channel: a rule with negative points is in no channel: a ceiling is for what adds up",
    ),
    ("{on: tracked, points: 1, half_life_days: 1, converts: 1}", "r.converts: 1 is neither true nor false"),
    ("{on: tracked, points: 1, half_life_days: 1, converts: 'yes'}", "r.converts: 'yes' is neither true nor false"),
    ("{on: tracked, points: 1, half_life_days: 1, hot: {}}", "r.hot.hold_days: is required"),
    ("{on: tracked, points: 1, half_life_days: 1, hot: true}", "r.hot: true is not a mapping of keys to values"),
    ("{on: tracked, points: 1, half_life_days: 1, hot: {hold_days: 0}}", "r.hot.hold_days: 0 is not above 0"),
    ("{on: tracked, points: 1, half_life_days: 1, hot: {hold_days: 366}}", "r.hot.hold_days: 366 is above 365"),
    (
        "{on: tracked, points: 1, half_life_days: 1, hot: {hold_day: 1, hold_days: 1}}",
        "r.hot.hold_day: unknown key 'hold_day'; did you mean 'hold_days'?",
    ),
    (
        "{on: tracked, points: -1, half_life_days: 1, hot: {hold_days: 1}}",
        "r.hot: a rule with negative points cannot hold a lead hot",
    ),
]


@pytest.mark.parametrize(("rule", "problem"), RULE_FAULTS, ids=range(len(RULE_FAULTS)))
def test_a_fault_in_a_rule_is_told_at_its_line_and_key(rule: str, problem: str) -> None:
    assert problems_of(with_rule(rule)) == [f"m.yaml:3: rules.{problem}"]


CONDITION_FAULTS = [
    ("{}", ": is empty, so that every event would match; leave `where` out"),
    ("a", ": 'a' is not a mapping of properties to what they must be"),
    ("[a]", ": a list is not a mapping of properties to what they must be"),
    ("{form: []}", ".form: the list is empty, so that nothing could match; leave the condition out"),
    ("{form: ''}", ".form: the text is empty"),
    ("{form: [a, [b]]}", ".form: a list is not a text, a number, true, false or a list of these"),
    ("{form: {a: b}}", ".form: a mapping is not a text, a number, true, false or a list of these"),
    ("{form: [a, null]}", ".form: has no value"),
    ("{form: .nan}", ".form: .nan is not a finite number"),
    ("{form: 1e999}", ".form: .inf is not a finite number"),
    ("{form: '>= five'}", ".form: '>= five' is not a comparison; expected for example '>= 5' or '>= 5 or unknown'"),
    ("{form: '=> 5'}", ".form: '=> 5' is not a comparison; expected for example '>= 5' or '>= 5 or unknown'"),
    ("{form: '> 5 or'}", ".form: '> 5 or' is not a comparison; expected for example '>= 5' or '>= 5 or unknown'"),
    ("{form: '> 1e999'}", ".form: '> 1e999' does not compare with a finite number"),
    ("{form: ['> 5', a]}", ".form: '> 5' is a comparison, which stands alone and not in a list"),
    ("{'': a}", ".'': the name of a property has 1 to 64 characters that can be printed"),
    (f"{{form: [{', '.join(['a'] * 1001)}]}}", ".form: the list has 1001 entries; at most 1000 are allowed"),
    ("{is: pricng}", ".is: 'pricng' is not one of the names; did you mean 'pricing'?"),
    ("{is: xyz}", ".is: 'xyz' is not one of the names; names are pricing"),
    ("{is: [pricing]}", ".is: a list is not one of the names; `is` takes a single name"),
]


@pytest.mark.parametrize(("where", "problem"), CONDITION_FAULTS, ids=range(len(CONDITION_FAULTS)))
def test_a_fault_in_a_condition_is_told_at_its_line_and_key(where: str, problem: str) -> None:
    rule = f"{{on: page_viewed, points: 1, half_life_days: 14, where: {where}}}"
    problems = problems_of(with_rule(rule, "names: {pricing: {path: /pricing}}"))
    assert problems == [f"m.yaml:3: rules.r.where{problem}"]


def test_a_rule_cannot_use_names_where_there_are_none() -> None:
    assert problems_of(with_rule("{on: tracked, points: 1, half_life_days: 14, where: {is: a}}")) == [
        "m.yaml:3: rules.r.where.is: 'a' is not one of the names; the model has no names"
    ]


def test_a_fault_in_a_name_is_told_once_and_not_again_where_it_is_used() -> None:
    rule = "{on: tracked, points: 1, half_life_days: 14, where: {is: a}}"
    assert problems_of(with_rule(rule, "names: {a: {form: []}}")) == [
        "m.yaml:2: names.a.form: the list is empty, so that nothing could match; leave the condition out"
    ]


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = """\
bands:
  hot: {enter: 100, leave: 120}
rules:
  pricing_page:
    on: page_viewed
    where:
      is: pricing
      seconds: ">= soon"
    points: 10
    half_live_days: 14
  pricing_page: {a: {b: 1}, a: {b: 2}}
  pricing_page: {a: {b: 1}}
  demo:
    on: [page_viewed,
      form_submited]
    points: .inf
    half_life_days: -3
names: *somewhere
"""
    assert problems_of(text) == [
        "m.yaml:1: version: is required",
        "m.yaml:2: bands.hot.leave: 120 is not below enter (100)",
        "m.yaml:4: rules.pricing_page.half_life_days: is required",
        "m.yaml:7: rules.pricing_page.where.is: 'pricing' is not one of the names; the model has no names",
        "m.yaml:8: rules.pricing_page.where.seconds: '>= soon' is not a comparison; expected for example '>= 5' or "
        "'>= 5 or unknown'",
        "m.yaml:10: rules.pricing_page.half_live_days: unknown key 'half_live_days'; did you mean 'half_life_days'?",
        "m.yaml:11: rules.pricing_page: is given twice; the first is on line 4",
        "m.yaml:11: rules.pricing_page.a: is given twice; the first is on line 11",
        "m.yaml:12: rules.pricing_page: is given twice; the first is on line 4",
        "m.yaml:15: rules.demo.on: 'form_submited' is not an event type; did you mean 'form_submitted'?",
        "m.yaml:16: rules.demo.points: .inf is not a finite number",
        "m.yaml:17: rules.demo.half_life_days: -3 is not above 0",
        "m.yaml:18: names: the alias *somewhere is not allowed; write the value out",
    ]


def test_of_very_many_faults_the_first_are_told_and_the_rest_counted() -> None:
    problems = problems_of("".join(f"key{number}: 1\n" for number in range(1000)))
    assert len(problems) == 201
    assert problems[3] == (f"m.yaml:1: key0: unknown key 'key0'; allowed are {KEYS_ALLOWED}")
    assert problems[-1] == "m.yaml:198: and 803 more faults from here on"


@pytest.mark.parametrize(
    ("key", "entry"), [("rules", "{on: tracked, points: 1, half_life_days: 1}"), ("names", "{a: b}")]
)
def test_rules_and_names_are_bounded(key: str, entry: str) -> None:
    entries = "".join(f"  n{number}: {entry}\n" for number in range(1001))
    text = f"{key}:\n{entries}version: v1\n{BANDS}{RULES if key == 'names' else ''}"
    assert problems_of(text) == [f"m.yaml:1: {key}: has 1001 entries; at most 1000 are allowed"]


def test_a_message_stays_short_and_on_one_line() -> None:
    text = "q" * 10_000
    (problem,) = problems_of(f'version: v1\n{RULES}{BANDS}"a\\n{text}": 1')
    assert "\n" not in problem
    assert len(problem) < 300


@given(st.text() | st.text(alphabet="{}[]:,-&*!|>'\"%@?#\\ \n\tab1.<~"))
@example("%YAML 1." + "9" * 5000 + "\n--- a")
@example('"\\U00110000"')
@example("\ud800")
@example("a: &a [*a]")
def test_no_text_raises_anything_but_a_model_error(text: str) -> None:
    with pytest.raises(ModelError) as raised:
        parse_model(text, "m.yaml")
    assert all(re.match(r"m\.yaml:[0-9]+: .", problem) for problem in raised.value.problems)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["view", *KINDS])
)
SECTIONS = list(ScoringModel.model_fields)
KEYS = st.sampled_from(
    [
        *(key for section in (Rule, Trait, VisitCount, Component, Exclusion) for key in section.file_keys()),
        *(*SECTIONS, "is", "enter", "leave", "name", "fit"),
    ]
) | st.text(max_size=4)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(SECTIONS, VALUES)))
def test_no_values_raise_anything_but_a_model_error(data: dict[str, object]) -> None:
    with contextlib.suppress(ModelError):
        parse_model(yaml.safe_dump(data, allow_unicode=True), "m.yaml")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys({*SECTIONS} - {"version", "rules", "bands"}, VALUES)))
def test_whatever_is_accepted_can_be_told_compared_and_warned_of(data: dict[str, object]) -> None:
    text = yaml.safe_dump(data, allow_unicode=True) if data else ""
    with contextlib.suppress(ModelError):
        model = parse_model(f"version: v1\n{RULES}{BANDS}{text}", "m.yaml")
        assert describe_model(model)
        assert isinstance(model.warnings(), list)
        assert diff_models(model, model) == []


ANSWERS = st.dictionaries(
    st.sampled_from(["a", "A*", "*", "a?", "5", "5.0", "true", ">= 5", "> 5", "<= 4", "< 1"]) | st.text(max_size=3),
    st.floats(-5, 5),
    min_size=1,
    max_size=6,
)


@given(
    answers=ANSWERS,
    value=st.sampled_from(["a", "ab", "", "5", "7"]) | st.text(max_size=3) | st.floats() | st.booleans(),
)
def test_an_answer_that_is_warned_of_is_the_first_for_no_value(answers: dict[str, float], value: object) -> None:
    text = yaml.safe_dump({"traits": {"t": {"answers": answers}}}, allow_unicode=True)
    with contextlib.suppress(ModelError):
        model = parse_model(f"version: v1\n{RULES}{BANDS}{text}", "m.yaml")
        tried = [answer.condition for answer in model.traits["t"].answers]
        first = next((number for number, one in enumerate(tried) if holds(one, {"answer": value})), 0)
        assert not any(covers(earlier, tried[first]) for earlier in tried[:first])


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_is_loaded_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + f"version: é\n{RULES}{BANDS}".encode())
    assert load_model(path).version == "é"


def test_a_file_that_is_missing_too_large_or_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    with pytest.raises(ModelError, match=r"model\.yaml: cannot be read: No such file or directory$"):
        load_model(path)
    path.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(ModelError, match=r"model\.yaml:1: is larger than 1000000 bytes$"):
        load_model(path)
    path.write_bytes(b"version: 1\nnames: \xff")
    with pytest.raises(ModelError, match=r"model\.yaml:2: is not UTF-8 text: byte 0xff$"):
        load_model(path)


# ── the default model ────────────────────────────────────────────────────────────────────────────────────────

Example = tuple[str, dict[str, object]]
NO_EVENT: Example = ("", {})
DEFAULT_EXAMPLES: dict[str, tuple[Example, Example]] = {  # an event that the rule counts, and one it does not
    "demo_request": (("form_submitted", {"form": "Quote"}), ("form_submitted", {"form": "brochure"})),
    "other_form": (("form_submitted", {"form": "brochure-2026"}), ("form_submitted", {"form": "demo"})),
    "premium_download": (
        ("file_downloaded", {"asset": "Whitepaper-Heat"}),
        ("file_downloaded", {"asset": "terms.pdf"}),
    ),
    "webinar_registration": (("webinar_registered", {"webinar": "w1"}), ("webinar_attended", {"webinar": "w1"})),
    "webinar_attendance": (("webinar_attended", {"webinar": "w1"}), ("webinar_registered", {"webinar": "w1"})),
    "pricing_page": (("page_viewed", {"path": "/pricing/"}), ("page_viewed", {"path": "/pricing", "seconds": 4.9})),
    "comparison_page": (("page_viewed", {"path": "/case-studies/acme"}), ("page_viewed", {"path": "/"})),
    "page_view": (("page_viewed", {}), ("screen_viewed", {})),
    "second_visit": (NO_EVENT, NO_EVENT),
    "file_or_link_click": (("link_clicked", {}), ("email_clicked", {})),
    "social_follow": (("social_followed", {}), ("social_unfollowed", {})),
    "email_click": (("email_clicked", {"link": "l1"}), ("email_opened", {})),
    "email_reply": (("email_replied", {}), ("email_delivered", {})),
    "email_open": (
        ("email_opened", {"consent": True, "human": True, "message": "m1"}),
        ("email_opened", {"human": True, "message": "m1"}),
    ),
    "unsubscribe": (("email_unsubscribed", {}), ("email_bounced", {})),
    "hard_bounce": (("email_bounced", {"kind": "Hard"}), ("email_bounced", {"kind": "soft"})),
    "spam_complaint": (("email_complained", {}), ("email_unsubscribed", {})),
    "careers_page": (("page_viewed", {"path": "/careers/engineer"}), ("page_viewed", {"path": "/pricing"})),
    "lost_opportunity": (("opportunity_lost", {}), ("form_failed", {})),
    "form_error": (("form_failed", {}), ("form_submitted", {})),
    "social_unfollow": (("social_unfollowed", {}), ("social_followed", {})),
}


def counts(rule: Rule, event: Example) -> bool:
    event_type, properties = event
    return event_type in rule.on and all(holds(condition, properties) for condition in rule.where)


def test_each_rule_of_the_default_model_counts_what_it_should() -> None:
    model = load_model(DEFAULT)
    assert list(DEFAULT_EXAMPLES) == list(model.rules)
    for name, (positive, negative) in DEFAULT_EXAMPLES.items():
        assert counts(model.rules[name], positive) or positive == NO_EVENT, name
        assert not counts(model.rules[name], negative), name


def test_a_pricing_view_counts_from_five_seconds_on_and_when_nobody_knows() -> None:
    rule = load_model(DEFAULT).rules["pricing_page"]
    seen = [counts(rule, ("page_viewed", {"path": "/pricing", "seconds": s})) for s in (5, "5", 4.99, None)]
    assert seen == [True, True, False, True]


def test_the_default_model_says_what_its_table_says() -> None:
    model = load_model(DEFAULT)
    assert model.version == "2026-11-01"
    assert model.warnings() == []
    assert {
        name: (rule.points, rule.half_life_days, rule.points_max, rule.once_per) for name, rule in model.rules.items()
    } == {
        "demo_request": (50, 90, 50, None),
        "other_form": (20, 60, 60, "asset"),
        "premium_download": (10, 60, 40, "asset"),
        "webinar_registration": (10, 30, 30, "webinar"),
        "webinar_attendance": (15, 30, 30, "webinar"),
        "pricing_page": (10, 14, 20, None),
        "comparison_page": (10, 14, 20, None),
        "page_view": (1, 14, 10, None),
        "second_visit": (8, 14, 8, None),
        "file_or_link_click": (3, 30, 9, None),
        "social_follow": (2, 30, 2, None),
        "email_click": (3, 30, 9, "link"),
        "email_reply": (15, 45, 15, None),
        "email_open": (1, 7, 5, "message"),
        "unsubscribe": (-20, 30, 20, None),
        "hard_bounce": (-50, 365, 50, None),
        "spam_complaint": (-100, 365, 100, None),
        "careers_page": (-10, 30, 10, None),
        "lost_opportunity": (-100, 30, 100, None),
        "form_error": (-5, 30, 5, None),
        "social_unfollow": (-3, 30, 3, None),
    }
    assert model.rules["demo_request"].hold_days == 14
    assert [name for name, rule in model.rules.items() if rule.hold_days is not None] == ["demo_request"]
    assert model.rules["second_visit"].visits == VisitCount(at_least=2, within_days=7)
    assert [name for name, rule in model.rules.items() if rule.converts] == [
        *("demo_request", "other_form", "premium_download", "webinar_registration", "webinar_attendance"),
    ]
    assert {name: trait.points for name, trait in model.traits.items() if not trait.is_question} == {
        "competitor": -50,
        "student": -25,
        "free_mail": -10,
    }
    assert {name: channel.points_max for name, channel in model.channels.items()} == {"web": 60, "email": 40}
    assert model.inactivity is None


def test_the_default_model_says_what_the_table_of_accounts_and_signals_says() -> None:
    model = load_model(DEFAULT)
    assert (model.accounts.contact_max, model.accounts.half_life_days) == (100, 30)
    assert [(band.name, band.enter, band.leave) for band in model.accounts.bands.values()] == [
        ("aware", 50, 35),
        ("engaged", 150, 110),
    ]
    points = model.accounts.company_events
    assert {event for event, worth in points.items() if worth > 0} == POSITIVE_EVENTS
    assert {event for event, worth in points.items() if worth < 0} == NEGATIVE_EVENTS
    assert model.accounts.waking == Waking(fit_min=8.1, quiet_days=30)
    news = model.signals["company_news"]
    assert isinstance(news, CompanyEvent)
    assert set(news.on) == POSITIVE_EVENTS
    assert {name: signal.model_dump(exclude={"kind", "cooldown_h"}) for name, signal in model.signals.items()} == {
        "hand_raise": {"rules": ("demo_request",)},
        "repeat_visits": {"sessions": 3, "within_days": 7},
        "buying_group": {"people": 2, "within_days": 14, "or_rules": ("demo_request",)},
        "surge": {"factor": 2, "events_min": 5},
        "evaluation": {
            "steps": (("comparison_page",), ("pricing_page",), ("demo_request", "other_form")),
            "within_days": 14,
        },
        "back_again": {"quiet_days": 60, "events": 2},
        "company_news": {"on": news.on, "negative": False},
        "company_trouble": {"on": ("layoffs", "market_retreat", "no_budget"), "negative": True},
    }
    assert {signal.kind for signal in model.signals.values()} == set(KINDS)
    assert {signal.cooldown_h for signal in model.signals.values()} == {168}


def test_the_inactivity_of_the_default_model_is_switched_on_by_removing_a_hash() -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    model = parse_model(text.replace("# inactivity:", "inactivity:"), "m.yaml")
    assert model.inactivity == Inactivity(after_days=90, points=-15)


def test_what_the_default_model_shows_as_left_out_is_what_counts() -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    block = re.search(r"^# visits:\n# .*\n# .*\n", text, re.MULTILINE)
    contact = re.search(r"^# contact: .*\n", text, re.MULTILINE)
    assert block is not None
    assert contact is not None
    written = f"{block[0]}{contact[0]}".replace("# ", "").replace("#", "")
    model = parse_model(f"version: v1\n{written}{RULES}{BANDS}", "m.yaml")
    assert (model.visits, model.contact) == (load_model(DEFAULT).visits, load_model(DEFAULT).contact)


def points_for(model: ScoringModel, trait: str, answer: object) -> float:
    answers = model.traits[trait].answers
    return next((each.points for each in answers if holds(each.condition, {"answer": answer})), 0.0)


@pytest.mark.parametrize(
    ("trait", "answer", "points"),
    [
        ("decision_role", "Decision maker", 15),
        ("decision_role", "End user", 5),
        ("decision_role", "bystander", 0),
        ("seniority", "Chief of Staff", 15),
        ("seniority", "CFO", 15),
        ("seniority", "Head of Sales", 10),
        ("seniority", "Director", 10),
        ("seniority", "Product Manager", 5),
        ("seniority", "Engineer", 0),
        ("experience_years", 10, 5),
        ("experience_years", 9.9, 3),
        ("experience_years", "4", 0),
        ("company_size", 1000, 10),
        ("company_size", 999, 8),
        ("company_size", 9, 0),
        ("budget", 50_000, 15),
        ("budget", 49_999, 5),
        ("budget", 9_999, 0),
        ("timeframe", "now", 15),
        ("timeframe", 3, 15),
        ("timeframe", 12, 5),
        ("timeframe", 13, 0),
        ("timeframe", "later this year", 5),
    ],
)
def test_an_answer_is_worth_what_the_default_model_says(trait: str, answer: object, points: float) -> None:
    assert points_for(load_model(DEFAULT), trait, answer) == points


@pytest.mark.parametrize(
    ("title", "is_student"),
    [
        *((title, True) for title in ("Student", "PhD student", "Intern", "Sales intern", "Internship", "trainee")),
        *((title, False) for title in ("International sales manager", "Internal auditor", "Director")),
    ],
)
def test_the_default_model_tells_interns_from_international_managers(title: str, is_student: bool) -> None:
    where = load_model(DEFAULT).traits["student"].where
    assert all(holds(condition, {"job_title": title}) for condition in where) is is_student


def test_nobody_is_hot_by_the_default_model_for_a_good_profile_alone() -> None:
    model = load_model(DEFAULT)
    most = sum(max(answer.points for answer in trait.answers) for trait in model.traits.values() if trait.is_question)
    assert most == 90
    assert most < model.bands["hot"].enter


def test_the_default_model_says_the_same_to_a_plain_yaml_reader() -> None:
    ours = load_model(DEFAULT)
    theirs = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))  # YAML 1.1: `on` becomes true, dates become dates
    assert list(theirs["rules"]) == list(ours.rules)
    assert {name: rule[True] for name, rule in theirs["rules"].items() if True in rule} == {
        name: list(rule.on) if len(rule.on) > 1 else rule.on[0] for name, rule in ours.rules.items() if rule.on
    }


# ── in words, and for editors ────────────────────────────────────────────────────────────────────────────────


def test_a_model_is_told_in_plain_words() -> None:
    names = 'names: {demo: {form: [demo, Quote, "contact*"]}}'
    rule = (
        "{on: [form_submitted, tracked], where: {is: demo, paid: true, n: '<2 or unknown', t: \"a\\nb\"}, points: 5.5,"
    )
    rule += " half_life_days: 1, points_max: 20, once_per: form, phase: decision, channel: web, hot: {hold_days: 14}}"
    assert describe_model(parse_model(with_rule(rule, names), "m.yaml")).splitlines() == [
        "r: +5.5 when form_submitted or tracked where form is like demo, quote or contact* and paid is true and "
        "n < 2 or unknown and t is 'a\\nb'; halves every 1 day; at most 20; once per form; hot at once for 14 days; "
        "decision; channel web",
        "cold: below the first band",
        "warm: from 30, left below 20",
    ]


def test_the_default_model_is_told_in_plain_words() -> None:
    lines = describe_model(load_model(DEFAULT)).splitlines()
    assert "hard_bounce: -50 when email_bounced where kind is hard; halves every 365 days; never below -50" in lines
    assert any(
        line.startswith("second_visit: +8 at each visit that is at least the 2nd within 7 days") for line in lines
    )
    assert (
        "hot: from 100, left below 80; account fit at least 5 or unknown; alerts, at most one per lead in 24 h" in lines
    )


def test_the_schema_for_editors_is_of_the_file_and_not_of_what_it_becomes() -> None:
    schema = ScoringModel.json_schema()
    json.dumps(schema, allow_nan=False)
    assert set(schema["required"]) == {"version", "rules", "bands"}
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == list(ScoringModel.model_fields)
    for key in ("names", "rules", "traits", "channels", "bands", "profiles", "exclusions"):
        assert schema["properties"][key]["additionalProperties"] is False, key
    rule = schema["$defs"]["Rule"]
    assert list(rule["properties"]) == list(Rule.model_fields)
    assert rule["properties"]["hot"]["$ref"] == "#/$defs/Hot"
    assert rule["properties"]["visits"]["$ref"] == "#/$defs/VisitCount"
    assert rule["properties"]["where"]["type"] == "object"
    assert rule["properties"]["channel"]["type"] == "string"
    assert rule["properties"]["converts"]["type"] == "boolean"
    assert set(rule["required"]) == {"points", "half_life_days"}
    assert set(schema["$defs"]["Band"]["properties"]) == {"enter", "leave", "fit_min", "cooldown_h"}
    assert "null" not in json.dumps(schema)


def test_the_schema_for_editors_wants_either_events_or_visits_of_a_rule() -> None:
    about_events, about_visits = ScoringModel.json_schema()["$defs"]["Rule"]["oneOf"]
    assert about_events["required"] == ["on"]
    assert about_visits["required"] == ["visits"]
    assert {key for key, allowed in about_visits["properties"].items() if allowed is False} == {
        *("where", "once_per", "hot", "channel", "converts"),
    }


def test_the_schema_for_editors_knows_the_bounds_of_every_number() -> None:
    sections = ScoringModel.json_schema()["$defs"]
    assert sections["VisitCount"]["properties"]["at_least"] | {"description": ""} == {
        "type": "integer",
        "minimum": 2,
        "maximum": 32,
        "description": "",
    }
    gap = sections["Visits"]["properties"]["gap_minutes"]
    assert (gap["exclusiveMinimum"], gap["maximum"], gap["default"]) == (0, 1440, 30)
    assert sections["Channel"]["properties"]["points_max"]["exclusiveMinimum"] == 0
    inactivity = sections["Inactivity"]["properties"]
    assert (inactivity["after_days"]["exclusiveMinimum"], inactivity["after_days"]["maximum"]) == (0, 3650)
    assert (inactivity["points"]["minimum"], inactivity["points"]["exclusiveMaximum"]) == (-10_000, 0)
    for name, keys in {
        "Visits": {"on", "gap_minutes"},
        "VisitCount": {"at_least", "within_days"},
        "Trait": {"where", "points", "answers", "from"},
        "Channel": {"points_max"},
        "Inactivity": {"after_days", "points"},
        "Alerts": {"max_age_h", "visitors"},
    }.items():
        assert set(sections[name]["properties"]) == keys
        assert sections[name]["additionalProperties"] is False


def test_the_schema_for_editors_takes_own_domains_for_a_list_and_other_names_for_conditions() -> None:
    names = ScoringModel.json_schema()["properties"]["names"]
    (pattern,) = names["patternProperties"]
    assert [bool(re.search(pattern, name)) for name in ("own_domains", "own_domains2", "pricing")] == [
        False,
        True,
        True,
    ]
    assert names["properties"]["own_domains"]["type"] == "array"


def test_the_schema_for_editors_tells_questions_from_flags() -> None:
    trait = ScoringModel.json_schema()["$defs"]["Trait"]
    question, flag = trait["oneOf"]
    assert (question["required"], flag["required"]) == (["answers"], ["where", "points"])
    assert trait["properties"]["answers"]["additionalProperties"] == {
        "type": "number",
        "minimum": -10_000,
        "maximum": 10_000,
    }
    assert trait["properties"]["from"]["anyOf"][1]["type"] == "array"
    assert ScoringModel.json_schema()["properties"]["contact"]["maxItems"] == 20


# ── docs/model.md keeps its word ─────────────────────────────────────────────────────────────────────────────


def blocks_of(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found, f"docs/model.md shows no {language}"
    return found


@pytest.mark.parametrize("block", blocks_of("yaml"))
def test_each_yaml_in_the_guide_is_accepted(block: str) -> None:
    missing = {"version:": "version: v1\n", "rules:": RULES, "bands:": "bands: {warm: {enter: 5, leave: 2}}\n"}
    text = block + "".join(line for key, line in missing.items() if not re.search(f"^{key}", block, re.MULTILINE))
    assert parse_model(text, "model.md").warnings() == []


@pytest.mark.parametrize("line", [line for block in blocks_of("numbers") for line in block.splitlines()])
def test_each_number_in_the_guide_is_right(line: str) -> None:
    sum_, _, result = line.partition(" = ")
    assert re.fullmatch(r"(min|[0-9 ·^()+,/-])+", sum_), "only arithmetic is evaluated"
    value = eval(sum_.replace("·", "*").replace("^", "**"), {"__builtins__": {}, "min": min})
    assert f"{value:.3f}".rstrip("0").rstrip(".") == result


def test_the_faults_in_the_guide_are_told_in_these_words() -> None:
    text = (
        "version: v1\nrules:\n  pricing_page: {on: page_viewed, points: 10, half_life_days: 14,\n"
        "    half_live_days: 14}\n\nbands:\n  warm: {enter: 30, leave: 40}\n"
    )
    with pytest.raises(ModelError) as raised:
        parse_model(text, "my-model.yaml")
    assert raised.value.problems == blocks_of("faults")[0].splitlines()


def test_the_guide_names_every_key_and_every_event_type() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    sections = [ScoringModel, Rule, Hot, VisitCount, Visits, Trait, Channel, Inactivity, Band, Alerts, FollowUpTimes]
    sections += [Component, Exclusion, Accounts, FitLevels]
    sections += [Customers, Segment, Exit, Manual, Split, *CRITERION_KINDS.values()]
    keys = [key for section in sections for key in section.file_keys()] + list(CRITERION_KINDS)
    words = [*keys, *KINDS, *sorted(EVENT_TYPES | COMPANY_EVENTS)]
    assert [word for word in words if f"`{word}`" not in guide] == []


def test_the_scenario_in_the_guide_holds() -> None:
    for block in blocks_of("yaml scenario"):
        for scenario in parse_scenarios(block, "model.md", lambda name: load_model(DEFAULT)):
            assert run_scenario(scenario).differences == []
