"""Visits, traits, channels, inactivity, contact: what each section of a model becomes, and every refusal."""

from __future__ import annotations

import pytest

from scoring.conditions import Condition
from scoring.conditions_file import Answer
from scoring.errors import ModelError
from scoring.model import Channel, Inactivity, ScoringModel, Trait, VisitCount, Visits, parse_model

HEAD = """version: v1
rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}
bands: {warm: {enter: 30, leave: 20}}
"""


def with_section(section: str) -> ScoringModel:
    """Return a model with a section, which begins on line 4."""
    return parse_model(HEAD + section, "m.yaml")


def with_rule(rule: str, section: str = "") -> ScoringModel:
    """Return a model whose rule ``r`` stands on line 2."""
    return parse_model(
        f"version: v1\nrules: {{r: {rule}}}\nbands: {{warm: {{enter: 30, leave: 20}}}}\n{section}", "m.yaml"
    )


def trait_of(trait: str, name: str = "t") -> Trait:
    return with_section(f"traits: {{{name}: {trait}}}").traits[name]


def problems_of(text: str) -> list[str]:
    with pytest.raises(ModelError) as raised:
        parse_model(text, "m.yaml")
    return raised.value.problems


# ── visits ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_visits_are_read_as_they_are_written() -> None:
    model = with_section("visits: {on: page_viewed, gap_minutes: 1440}")
    assert model.visits == Visits(on=("page_viewed",), gap_minutes=1440)


def test_a_rule_about_visits_has_no_event_types() -> None:
    rule = with_rule("{visits: {at_least: 2, within_days: 7}, points: 8, half_life_days: 14, points_max: 8}").rules["r"]
    assert (rule.visits, rule.on) == (VisitCount(at_least=2, within_days=7), ())
    assert (rule.points, rule.points_max, rule.phase, rule.converts) == (8, 8, "awareness", False)


@pytest.mark.parametrize("at_least", [2, 32])
def test_a_rule_may_ask_for_as_many_visits_as_are_remembered(at_least: int) -> None:
    rule = with_rule(f"{{visits: {{at_least: {at_least}, within_days: 400}}, points: 1, half_life_days: 1}}").rules["r"]
    assert rule.visits == VisitCount(at_least=at_least, within_days=400)


VISITS = "visits: {at_least: 2, within_days: 7}"
ABOUT_EVENTS = "is about single events; a rule about visits has none"
VISIT_RULE_FAULTS = [
    (
        f"{{{VISITS}, on: page_viewed, points: 1, half_life_days: 1}}",
        ["on: a rule is about events (`on`) or about visits (`visits`), not both"],
    ),
    (f"{{{VISITS}, where: {{path: /}}, points: 1, half_life_days: 1}}", [f"where: {ABOUT_EVENTS}"]),
    (f"{{{VISITS}, once_per: asset, points: 1, half_life_days: 1}}", [f"once_per: {ABOUT_EVENTS}"]),
    (f"{{{VISITS}, hot: {{hold_days: 1}}, points: 1, half_life_days: 1}}", [f"hot: {ABOUT_EVENTS}"]),
    (f"{{{VISITS}, channel: web, points: 1, half_life_days: 1}}", [f"channel: {ABOUT_EVENTS}"]),
    (f"{{{VISITS}, converts: true, points: 1, half_life_days: 1}}", [f"converts: {ABOUT_EVENTS}"]),
    (
        f"{{{VISITS}, points: -1, half_life_days: 1}}",
        ["points: -1 is not above 0; visits do not count against anybody"],
    ),
    (f"{{{VISITS}, points: 0, half_life_days: 1}}", ["points: 0 has no effect; leave the rule out"]),
    ("{visits: {at_least: 1, within_days: 7}, points: 1, half_life_days: 1}", ["visits.at_least: 1 is below 2"]),
    ("{visits: {at_least: 33, within_days: 7}, points: 1, half_life_days: 1}", ["visits.at_least: 33 is above 32"]),
    (
        "{visits: {at_least: 2.5, within_days: 7}, points: 1, half_life_days: 1}",
        ["visits.at_least: 2.5 is not a whole number"],
    ),
    (
        "{visits: {at_least: true, within_days: 7}, points: 1, half_life_days: 1}",
        ["visits.at_least: true is not a whole number"],
    ),
    ("{visits: {at_least: 2, within_days: 0}, points: 1, half_life_days: 1}", ["visits.within_days: 0 is not above 0"]),
    (
        "{visits: {at_least: 2, within_days: 400.1}, points: 1, half_life_days: 1}",
        ["visits.within_days: 400.1 is above 400"],
    ),
    ("{visits: {at_least: 2}, points: 1, half_life_days: 1}", ["visits.within_days: is required"]),
    ("{visits: 2, points: 1, half_life_days: 1}", ["visits: 2 is not a mapping of keys to values"]),
    (
        "{visits:, points: 1, half_life_days: 1}",
        ["on: is required; or `visits`, for a rule about visits", "visits: has no value"],
    ),
    ("{on:, points: 1, half_life_days: 1}", ["on: has no value"]),
    (
        "{visits: {at_lest: 2, at_least: 2, within_days: 7}, points: 1, half_life_days: 1}",
        ["visits.at_lest: unknown key 'at_lest'; did you mean 'at_least'?"],
    ),
]


@pytest.mark.parametrize(("rule", "problems"), VISIT_RULE_FAULTS, ids=range(len(VISIT_RULE_FAULTS)))
def test_a_fault_in_a_rule_about_visits_is_told_at_its_key(rule: str, problems: list[str]) -> None:
    text = f"version: v1\nrules: {{r: {rule}}}\nbands: {{warm: {{enter: 30, leave: 20}}}}\n"
    assert problems_of(text) == [f"m.yaml:2: rules.r.{problem}" for problem in problems]


# ── traits ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_question_is_read_with_its_answers_in_their_order() -> None:
    trait = trait_of(
        '{answers: {"*Chief*": 15, ">= 5": 2.5, 50: 3, "7": -1, true: 4, Director: 0}, from: [seniority, job_title]}'
    )
    assert [repr(answer) for answer in trait.answers] == [
        repr(Answer(Condition("answer", "glob_any", ("*chief*",)), 15.0)),
        repr(Answer(Condition("answer", "compare", op=">=", number=5.0), 2.5)),
        repr(Answer(Condition("answer", "equals_any", (50.0,)), 3.0)),
        repr(Answer(Condition("answer", "equals_any", (7.0,)), -1.0)),
        repr(Answer(Condition("answer", "equals_any", (True,)), 4.0)),
        repr(Answer(Condition("answer", "equals_any", ("director",)), 0.0)),
    ]
    assert (trait.sources, trait.where, trait.points, trait.is_question) == (("seniority", "job_title"), (), 0.0, True)


def test_a_question_asks_for_the_trait_of_its_own_name_unless_told_otherwise() -> None:
    assert trait_of("{answers: {a: 1}}", "budget").sources == ("budget",)
    assert trait_of("{answers: {a: 1}, from: company.size}", "budget").sources == ("company.size",)


def test_a_flag_is_read_with_its_conditions_and_points() -> None:
    model = with_section(
        "names: {competitors: {email_domain: [rival.com]}}\n"
        "traits: {competitor: {where: {is: competitors, country: NL}, points: -50}}"
    )
    flag = model.traits["competitor"]
    assert flag.where == (
        Condition("email_domain", "equals_any", ("rival.com",)),
        Condition("country", "equals_any", ("nl",)),
    )
    assert (flag.points, flag.answers, flag.sources, flag.is_question) == (-50.0, (), (), False)


def test_a_flag_may_be_about_our_own_people() -> None:
    model = with_section("names: {own_domains: [us.com]}\ntraits: {ours: {where: {is: own_domains}, points: -100}}")
    assert model.traits["ours"].where == model.names["own_domains"]


@pytest.mark.parametrize("points", [-10_000, 10_000])
def test_answers_and_flags_have_points_up_to_ten_thousand(points: int) -> None:
    assert trait_of(f"{{answers: {{a: {points}}}}}").answers[0].points == points
    assert trait_of(f"{{where: {{a: b}}, points: {points}}}").points == points


TRAIT_FAULTS = [
    ("{}", ["t.answers: is required; or `where` and `points`, for a flag"]),
    ("3", ["t: 3 is not a mapping of keys to values"]),
    ("{where: {a: b}}", ["t.points: is required"]),
    ("{where: {a: b}, points: 0}", ["t.points: 0 has no effect; leave the trait out"]),
    ("{where: {a: b}, points: 10001}", ["t.points: 10001 is above 10000"]),
    ("{where: {a: b}, points: x}", ["t.points: 'x' is not a number"]),
    ("{where: {}, points: 1}", ["t.where: is empty, so that every lead would match; name at least one trait"]),
    (
        "{points: 1, answers: {a: 1}}",
        ["t.points: belongs to a flag, which has `where`; each answer has points of its own"],
    ),
    (
        "{where: {a: b}, points: 1, answers: {a: 1}}",
        ["t.answers: a trait is a question (`answers`) or a flag (`where` and `points`), not both"],
    ),
    (
        "{where: {a: b}, points: 1, from: [a]}",
        ["t.from: is for a question; the conditions of a flag name their traits themselves"],
    ),
    ("{where: {is: x}, points: 1}", ["t.where.is: 'x' is not one of the names; the model has no names"]),
    (
        "{where: {company..size: 1}, points: 1}",
        [
            "t.where.'company..size': 'company..size' has a dot that leads nowhere; "
            "'company.industry' is the industry in company"
        ],
    ),
    ("{answers: {}}", ["t.answers: is empty; name at least one answer"]),
    ("{answers: [a]}", ["t.answers: a list is not a mapping of keys to values"]),
    ("{answers: {a: x}}", ["t.answers.a: 'x' is not a number"]),
    (
        "{answers: {a: .nan, b: true}}",
        ["t.answers.a: .nan is not a finite number", "t.answers.b: true is not a number"],
    ),
    ("{answers: {a: -10001}}", ["t.answers.a: -10001 is below -10000"]),
    ("{answers: {a:}}", ["t.answers.a: has no value"]),
    ("{answers: {a: 1, a: 2}}", ["t.answers.a: is given twice; the first is on line 4"]),
    ("{answers: {~: 1}}", ["t.answers.'~': is not an answer; one that is missing is unknown and has no points"]),
    (
        "{answers: {'>= 5 or unknown': 1}}",
        ["t.answers.'>= 5 or unknown': an unknown answer has no points; leave 'or unknown' out"],
    ),
    (
        "{answers: {'>= five': 1}}",
        ["t.answers.'>= five': '>= five' is not a comparison; expected for example '>= 5' or '>= 5 or unknown'"],
    ),
    ("{answers: {.inf: 1}}", ["t.answers.'.inf': .inf is not a finite number"]),
    ("{answers: {a: 1}, from: []}", ["t.from: the list is empty; name at least one trait, or leave `from` out"]),
    ("{answers: {a: 1}, from: [a, a]}", ["t.from: lists a trait twice"]),
    ("{answers: {a: 1}, from: [3]}", ["t.from: 3 is not text; put it in quotes if it is meant as text"]),
    (
        "{answers: {a: 1}, from: [a.]}",
        ["t.from: 'a.' has a dot that leads nowhere; 'company.industry' is the industry in company"],
    ),
    (
        "{answers: {a: 1}, from: email_kind}",
        ["t.from: email_kind follows from the address and is not told by events; a flag's `where` may use it"],
    ),
    ("{answers: {a: 1}, from: ['']}", ["t.from: the name of a trait has 1 to 64 characters that can be printed"]),
    ("{answers: {a: 1}, form: [a]}", ["t.form: unknown key 'form'; did you mean 'from'?"]),
    ("{answers: {a: 1}, zzz: 1}", ["t.zzz: unknown key 'zzz'; allowed are where, points, answers, from"]),
]


@pytest.mark.parametrize(("trait", "problems"), TRAIT_FAULTS, ids=range(len(TRAIT_FAULTS)))
def test_a_fault_in_a_trait_is_told_at_its_line_and_key(trait: str, problems: list[str]) -> None:
    assert problems_of(f"{HEAD}traits: {{t: {trait}}}") == [f"m.yaml:4: traits.{problem}" for problem in problems]


def test_a_question_called_like_what_the_address_tells_needs_another_source() -> None:
    (problem,) = problems_of(f"{HEAD}traits: {{email_domain: {{answers: {{a: 1}}}}}}")
    assert problem.startswith("m.yaml:4: traits.email_domain.answers: email_domain follows from the address")
    assert trait_of("{answers: {a: 1}, from: domain}", "email_domain").sources == ("domain",)


def test_a_trait_has_no_name_of_a_rule() -> None:
    assert problems_of(f"{HEAD}traits: {{view: {{answers: {{a: 1}}}}}}") == [
        "m.yaml:4: traits.view: is the name of a rule too; a ledger could not tell them apart"
    ]


def test_answers_sources_and_traits_are_bounded() -> None:
    answers = ", ".join(f"a{number}: 1" for number in range(101))
    sources = ", ".join(f"s{number}" for number in range(11))
    assert problems_of(f"{HEAD}traits: {{t: {{answers: {{{answers}}}, from: [{sources}]}}}}") == [
        "m.yaml:4: traits.t.answers: has 101 entries; at most 100 are allowed",
        "m.yaml:4: traits.t.from: has 11 entries; at most 10 are allowed",
    ]
    traits = ", ".join(f"t{number}: {{answers: {{a: 1}}}}" for number in range(101))
    assert problems_of(f"{HEAD}traits: {{{traits}}}") == ["m.yaml:4: traits: has 101 entries; at most 100 are allowed"]
    traits = ", ".join(f"t{number}: {{answers: {{a: 1}}}}" for number in range(100))
    assert problems_of(f"{HEAD}traits: {{{traits}}}") == [
        "m.yaml:4: traits: ask about 106 properties in all; at most 100 are remembered"
    ]


def test_a_lead_remembers_what_questions_flags_and_the_contact_ask_for() -> None:
    model = with_section(
        "contact: [phone, name]\n"
        "traits:\n"
        "  size: {answers: {'> 5': 1}, from: [company.size, name]}\n"
        "  student: {where: {job_title: student, country: nl}, points: -1}\n"
    )
    assert model.trait_properties == ("company.size", "country", "job_title", "name", "phone")


def test_a_flag_about_the_address_has_leads_remember_the_one_they_told() -> None:
    model = with_section("contact: []\ntraits: {free: {where: {email_kind: free}, points: -1}}")
    assert model.trait_properties == ("email",)


def test_without_traits_a_lead_remembers_the_contact_alone() -> None:
    assert with_section("").trait_properties == ("crm_url", "email", "name", "owner", "phone", "title")
    assert with_section("contact: []").trait_properties == ()


# ── conditions that exclude each other ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "where", "is_refused"),
    [
        ("{seconds: '< 5'}", "{seconds: '>= 10 or unknown'}", False),  # both hold where nobody knows
        ("{n: '< 5'}", "{n: '>= 5'}", True),
        ("{n: '<= 5'}", "{n: '>= 5'}", False),
        ("{n: '< 5'}", "{n: '<= 3'}", False),
        ("{n: 5}", "{n: '> 5'}", True),
        ("{n: [5, 6]}", "{n: '> 5'}", False),
        ("{path: ['/a', '/b']}", "{path: /c}", True),
        ("{path: ['/a', '/b']}", "{path: /B/}", False),
        ("{path: '/pricing*'}", "{path: /careers}", True),
        ("{path: '/pricing*'}", "{path: /pricing/eu}", False),
        ("{path: '/a*'}", "{path: '/b*'}", False),  # patterns are not compared with each other
        ("{n: 7}", "{n: '7'}", False),
        ("{n: 7}", "{n: '8'}", True),
        ("{n: true}", "{n: false}", True),
        ("{n: true}", "{n: 1}", True),
        ("{m: a}", "{n: b}", False),
    ],
)
def test_a_condition_that_can_never_hold_beside_a_name_is_refused(name: str, where: str, is_refused: bool) -> None:
    where = where.replace("{", "{is: x, ", 1)
    text = f"names: {{x: {name}}}\nversion: v1\nbands: {{warm: {{enter: 30, leave: 20}}}}\n"
    text += f"rules: {{r: {{on: page_viewed, where: {where}, points: 1, half_life_days: 14}}}}\n"
    if not is_refused:
        parse_model(text, "m.yaml")
        return
    (problem,) = problems_of(text)
    assert problem.startswith("m.yaml:4: rules.r.where.")
    assert "can never hold beside" in problem


# ── channels ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("channel", ["web", "email", "chat"])
def test_a_rule_is_in_a_channel_that_is_listed_or_known(channel: str) -> None:
    model = with_rule(
        f"{{on: tracked, points: 1, half_life_days: 1, channel: {channel}}}", "channels: {chat: {points_max: 0.5}}"
    )
    assert model.rules["r"].channel == channel
    assert model.channels == {"chat": Channel(points_max=0.5)}


def test_a_channel_that_nobody_knows_is_refused_with_a_suggestion() -> None:
    text = "version: v1\nrules: {r: {on: tracked, points: 1, half_life_days: 1, channel: caht}}\n"
    text += "bands: {warm: {enter: 30, leave: 20}}\nchannels: {chat: {points_max: 5}}\n"
    assert problems_of(text) == ["m.yaml:2: rules.r.channel: 'caht' is unknown; did you mean 'chat'?"]
    assert problems_of(text.replace("caht", "fax")) == [
        "m.yaml:2: rules.r.channel: 'fax' is unknown; allowed are chat, web, email"
    ]


OTHER_FAULTS = [
    ("channels: {web: {points_max: 0}}", "channels.web.points_max: 0 is not above 0"),
    ("channels: {web: {}}", "channels.web.points_max: is required"),
    ("channels: {web: 60}", "channels.web: 60 is not a mapping of keys to values"),
    ("channels: [web]", "channels: a list is not a mapping of keys to values"),
    (
        "channels: {Web: {points_max: 6}}",
        "channels.Web: 'Web' is not a name: 1 to 64 of a-z, 0-9 and _, beginning with a letter",
    ),
    (
        "channels: {web: {point_max: 6, points_max: 6}}",
        "channels.web.point_max: unknown key 'point_max'; did you mean 'points_max'?",
    ),
    (
        "channels: {" + ", ".join(f"c{number}: {{points_max: 1}}" for number in range(51)) + "}",
        "channels: has 51 entries; at most 50 are allowed",
    ),
    ("inactivity: {after_days: 0, points: -1}", "inactivity.after_days: 0 is not above 0"),
    ("inactivity: {after_days: 3650.1, points: -1}", "inactivity.after_days: 3650.1 is above 3650"),
    ("inactivity: {after_days: 90, points: 0}", "inactivity.points: 0 is not below 0"),
    ("inactivity: {after_days: 90, points: -10001}", "inactivity.points: -10001 is below -10000"),
    ("inactivity: {after_days: 90}", "inactivity.points: is required"),
    (
        "inactivity: {after_day: 90, after_days: 90, points: -1}",
        "inactivity.after_day: unknown key 'after_day'; did you mean 'after_days'?",
    ),
    ("visits: {gap_minutes: 0}", "visits.gap_minutes: 0 is not above 0"),
    ("visits: {gap_minutes: 1441}", "visits.gap_minutes: 1441 is above 1440"),
    ("visits: {on: []}", "visits.on: the list is empty; name at least one event type"),
    ("visits: {on: page_viewd}", "visits.on: 'page_viewd' is not an event type; did you mean 'page_viewed'?"),
    ("visits: {gap_minute: 30}", "visits.gap_minute: unknown key 'gap_minute'; did you mean 'gap_minutes'?"),
    ("contact: [name, name]", "contact: lists a trait twice"),
    ("contact: {name: 1}", "contact: a mapping is not a list"),
    (
        "contact: [email_kind]",
        "contact: email_kind follows from the address and is not told by events; a flag's `where` may use it",
    ),
    (
        f"contact: [{', '.join(f'c{number}' for number in range(21))}]",
        "contact: has 21 entries; at most 20 are allowed",
    ),
    ("alerts: {visitors: 1}", "alerts.visitors: 1 is neither true nor false"),
    ("alerts: {visitor: true}", "alerts.visitor: unknown key 'visitor'; did you mean 'visitors'?"),
]


@pytest.mark.parametrize(("section", "problem"), OTHER_FAULTS, ids=range(len(OTHER_FAULTS)))
def test_a_fault_in_another_section_is_told_at_its_line_and_key(section: str, problem: str) -> None:
    assert problems_of(HEAD + section) == [f"m.yaml:4: {problem}"]


def test_inactivity_contact_and_visitors_are_read_as_they_are_written() -> None:
    model = with_section(
        "inactivity: {after_days: 0.5, points: -0.5}\ncontact: [name, company.phone]\nalerts: {visitors: true}\n"
    )
    assert model.inactivity == Inactivity(after_days=0.5, points=-0.5)
    assert model.contact == ("name", "company.phone")
    assert (model.alerts.visitors, model.alerts.max_age_h) == (True, 24)
