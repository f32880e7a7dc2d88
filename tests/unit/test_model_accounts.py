"""Profiles, exclusions and the levels of a fit: what these sections become, every refusal, and what is told of them."""

from __future__ import annotations

import pytest

from scoring.conditions import Condition
from scoring.conditions_file import Answer
from scoring.errors import ModelError
from scoring.model import (
    Accounts,
    Component,
    Exclusion,
    FitLevels,
    ScoringModel,
    describe_model,
    load_model,
    parse_model,
)
from scoring.model_diff import diff_models
from scoring.models import DEFAULT_MODEL

HEAD = """version: v1
rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}
bands: {warm: {enter: 1, leave: 0.5}}
"""


def with_section(section: str) -> ScoringModel:
    """Return a model with a section, which begins on line 4."""
    return parse_model(HEAD + section, "m.yaml")


def component_of(component: str, name: str = "c") -> Component:
    return with_section(f"profiles: {{p: {{{name}: {component}}}}}").profiles["p"][name]


def problems_of(section: str) -> list[str]:
    with pytest.raises(ModelError) as raised:
        with_section(section)
    return raised.value.problems


# ── as they are read ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_without_these_sections_has_no_profiles_and_the_usual_levels() -> None:
    model = with_section("")
    assert (model.profiles, model.exclusions) == ({}, {})
    assert model.accounts == Accounts(fit=FitLevels(strong=8.1, moderate=5, coverage_min=0.4))


def test_a_component_is_read_with_its_answers_in_their_order() -> None:
    component = component_of('{weight: 2.5, answers: {"*Soft*": 10, ">= 5": 2.5, true: 0}, from: [industry, branch]}')
    assert (component.weight, component.sources) == (2.5, ("industry", "branch"))
    assert [repr(answer) for answer in component.answers] == [
        repr(Answer(Condition("answer", "glob_any", ("*soft*",)), 10.0)),
        repr(Answer(Condition("answer", "compare", op=">=", number=5.0), 2.5)),
        repr(Answer(Condition("answer", "equals_any", (True,)), 0.0)),
    ]


def test_a_component_asks_for_the_fact_of_its_own_name_unless_told_otherwise() -> None:
    assert component_of("{weight: 1, answers: {a: 1}}", "growth").sources == ("growth",)
    assert component_of("{weight: 1, answers: {a: 1}, from: Annual growth}", "growth").sources == ("Annual growth",)


@pytest.mark.parametrize(("weight", "rating"), [(0.001, 0), (10, 10)])
def test_weights_and_ratings_go_up_to_ten(weight: float, rating: float) -> None:
    component = component_of(f"{{weight: {weight}, answers: {{a: {rating}}}}}")
    assert (component.weight, component.answers[0].points) == (weight, rating)


def test_an_exclusion_has_the_conditions_of_its_name_and_its_own() -> None:
    model = with_section(
        "names: {rivals: {email_domain: [rival.com]}}\n"
        "exclusions: {rival: {where: {is: rivals, country: NL}, reason: is a competitor}}"
    )
    assert model.exclusions["rival"] == Exclusion(
        where=(
            Condition("email_domain", "equals_any", ("rival.com",)),
            Condition("country", "equals_any", ("nl",)),
        ),
        reason="is a competitor",
    )


def test_an_exclusion_may_be_about_our_own_company() -> None:
    model = with_section(
        "names: {own_domains: [us.com]}\nexclusions: {ours: {where: {is: own_domains}, reason: is our own}}"
    )
    assert model.exclusions["ours"].where == model.names["own_domains"]


def test_levels_are_read_as_they_are_written_and_each_may_be_left_out() -> None:
    assert with_section("accounts: {fit: {strong: 10, moderate: 9.9, coverage_min: 0}}").accounts.fit == FitLevels(
        strong=10, moderate=9.9, coverage_min=0
    )
    assert with_section("accounts: {fit: {coverage_min: 1}}").accounts.fit == FitLevels(coverage_min=1)
    assert with_section("accounts: {}").accounts == Accounts()


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────

NOT_NAME = "is not a name: 1 to 64 of a-z, 0-9 and _, beginning with a letter"
WHOLE = "weight: 1, answers: {a: 1}"
COMPONENT_FAULTS = [
    ("{}", ["weight: is required", "answers: is required"]),
    ("3", [": 3 is not a mapping of keys to values"]),
    ("{weight: 0, answers: {a: 1}}", ["weight: 0 is not above 0"]),
    ("{weight: 10.1, answers: {a: 1}}", ["weight: 10.1 is above 10"]),
    ("{weight: x, answers: {a: 1}}", ["weight: 'x' is not a number"]),
    ("{weight: .nan, answers: {a: 1}}", ["weight: .nan is not a finite number"]),
    ("{weight:, answers: {a: 1}}", ["weight: has no value"]),
    ("{weight: 1, answers: {}}", ["answers: is empty; name at least one answer"]),
    ("{weight: 1, answers: [a]}", ["answers: a list is not a mapping of keys to values"]),
    ("{weight: 1, answers: {a: 10.5}}", ["answers.a: 10.5 is above 10"]),
    ("{weight: 1, answers: {a: -1}}", ["answers.a: -1 is below 0"]),
    ("{weight: 1, answers: {a: true}}", ["answers.a: true is not a number"]),
    (
        "{weight: 1, answers: {~: 1}}",
        ["answers.'~': is not an answer; one that is missing is unknown and has no rating"],
    ),
    (
        "{weight: 1, answers: {'>= 5 or unknown': 1}}",
        ["answers.'>= 5 or unknown': an unknown answer has no rating; leave 'or unknown' out"],
    ),
    (f"{{{WHOLE}, from: []}}", ["from: the list is empty; name at least one fact, or leave `from` out"]),
    (f"{{{WHOLE}, from: [a, a]}}", ["from: lists a fact twice"]),
    (f"{{{WHOLE}, from: ['']}}", ["from: the name of a fact has 1 to 64 characters that can be printed"]),
    (f"{{{WHOLE}, from: [3]}}", ["from: 3 is not text; put it in quotes if it is meant as text"]),
    (
        f"{{{WHOLE}, from: [{', '.join(f'f{number}' for number in range(11))}]}}",
        ["from: has 11 entries; at most 10 are allowed"],
    ),
    (f"{{{WHOLE}, form: [a]}}", ["form: unknown key 'form'; did you mean 'from'?"]),
    (f"{{{WHOLE}, points: 1}}", ["points: unknown key 'points'; allowed are weight, answers, from"]),
    (
        "{weight: 1, answers: {" + ", ".join(f"a{number}: 1" for number in range(101)) + "}}",
        ["answers: has 101 entries; at most 100 are allowed"],
    ),
]


@pytest.mark.parametrize(("component", "problems"), COMPONENT_FAULTS, ids=range(len(COMPONENT_FAULTS)))
def test_a_fault_in_a_component_is_told_at_its_line_and_key(component: str, problems: list[str]) -> None:
    assert problems_of(f"profiles:\n  p:\n    c: {component}") == [
        f"m.yaml:6: profiles.p.c{'' if problem.startswith(':') else '.'}{problem}" for problem in problems
    ]


REASON = "reason: is small"
FAULTS = [
    ("profiles: [a]", "profiles: a list is not a mapping of keys to values"),
    ("profiles: {p: {}}", "profiles.p: is empty; at least 1 is needed"),
    ("profiles: {p: 3}", "profiles.p: 3 is not a mapping of keys to values"),
    (f"profiles: {{P: {{c: {{{WHOLE}}}}}}}", f"profiles.P: 'P' {NOT_NAME}"),
    (f"profiles: {{p: {{C c: {{{WHOLE}}}}}}}", f"profiles.p.'C c': 'C c' {NOT_NAME}"),
    (
        "profiles: {p: {" + ", ".join(f"c{number}: {{{WHOLE}}}" for number in range(31)) + "}}",
        "profiles.p: has 31 entries; at most 30 are allowed",
    ),
    (
        "profiles: {" + ", ".join(f"p{number}: {{c: {{{WHOLE}}}}}" for number in range(21)) + "}",
        "profiles: has 21 entries; at most 20 are allowed",
    ),
    ("exclusions: {e: {where: {a: b}}}", "exclusions.e.reason: is required"),
    (f"exclusions: {{e: {{{REASON}}}}}", "exclusions.e.where: is required"),
    (
        f"exclusions: {{e: {{where: {{}}, {REASON}}}}}",
        "exclusions.e.where: is empty, so that every account would match; name at least one fact",
    ),
    (
        f"exclusions: {{e: {{where: {{is: x}}, {REASON}}}}}",
        "exclusions.e.where.is: 'x' is not one of the names; the model has no names",
    ),
    (
        f"exclusions: {{e: {{where: {{employees: '< ten'}}, {REASON}}}}}",
        "exclusions.e.where.employees: '< ten' is not a comparison; expected for example '>= 5' or '>= 5 or unknown'",
    ),
    ("exclusions: {e: {where: {a: b}, reason: ''}}", "exclusions.e.reason: is empty"),
    (
        f"exclusions: {{e: {{where: {{a: b}}, reason: {'x' * 201}}}}}",
        "exclusions.e.reason: has 201 characters; at most 200 are allowed",
    ),
    (
        'exclusions: {e: {where: {a: b}, reason: "a\\nb"}}',
        "exclusions.e.reason: 'a\\nb' holds characters that cannot be printed",
    ),
    (
        f"exclusions: {{e: {{were: {{a: b}}, where: {{a: b}}, {REASON}}}}}",
        "exclusions.e.were: unknown key 'were'; did you mean 'where'?",
    ),
    (
        "exclusions: {" + ", ".join(f"e{number}: {{where: {{a: b}}, {REASON}}}" for number in range(101)) + "}",
        "exclusions: has 101 entries; at most 100 are allowed",
    ),
    ("accounts: 3", "accounts: 3 is not a mapping of keys to values"),
    ("accounts: {fits: {}}", "accounts.fits: unknown key 'fits'; did you mean 'fit'?"),
    ("accounts: {fit: {strng: 9}}", "accounts.fit.strng: unknown key 'strng'; did you mean 'strong'?"),
    ("accounts: {fit: {strong: 10.1}}", "accounts.fit.strong: 10.1 is above 10"),
    ("accounts: {fit: {moderate: 0}}", "accounts.fit.moderate: 0 is not above 0"),
    ("accounts: {fit: {moderate: 8.1}}", "accounts.fit.moderate: 8.1 is not below strong (8.1)"),
    ("accounts: {fit: {strong: 4}}", "accounts.fit.moderate: 5 is not below strong (4)"),
    ("accounts: {fit: {coverage_min: 1.1}}", "accounts.fit.coverage_min: 1.1 is above 1"),
    ("accounts: {fit: {coverage_min: -0.1}}", "accounts.fit.coverage_min: -0.1 is below 0"),
    ("accounts: {fit: {coverage_min: 40%}}", "accounts.fit.coverage_min: '40%' is not a number"),
]


@pytest.mark.parametrize(("section", "problem"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_is_told_at_its_line_and_key(section: str, problem: str) -> None:
    assert problems_of(section) == [f"m.yaml:4: {problem}"]


def test_the_schema_for_editors_knows_the_bounds() -> None:
    schema = ScoringModel.json_schema()
    component, levels = schema["$defs"]["Component"], schema["$defs"]["FitLevels"]["properties"]
    assert set(component["required"]) == {"weight", "answers"}
    assert component["properties"]["answers"]["additionalProperties"] == {"type": "number", "minimum": 0, "maximum": 10}
    assert component["properties"]["from"]["anyOf"][1]["maxItems"] == 10
    (profile,) = schema["properties"]["profiles"]["patternProperties"].values()
    assert (profile["minProperties"], profile["maxProperties"], profile["additionalProperties"]) == (1, 30, False)
    assert (levels["strong"]["exclusiveMinimum"], levels["strong"]["maximum"], levels["strong"]["default"]) == (
        *(0, 10),
        8.1,
    )
    assert set(schema["$defs"]["Exclusion"]["required"]) == {"where", "reason"}


# ── the default model ────────────────────────────────────────────────────────────────────────────────────────


def test_the_default_model_weighs_nine_components() -> None:
    model = load_model(DEFAULT_MODEL)
    assert {name: component.weight for name, component in model.profiles["default"].items()} == {
        "industry": 10,
        "size": 7,
        "revenue": 7,
        "technology": 7,
        "intent": 7,
        "geography": 5,
        "growth": 5,
        "finances": 4,
        "stakeholders": 4,
    }
    assert all(
        max(answer.points for answer in component.answers) == 10 for component in model.profiles["default"].values()
    )
    assert (list(model.profiles), list(model.exclusions)) == (["default"], ["competitor"])
    assert model.accounts.fit == FitLevels()


# ── in plain words ───────────────────────────────────────────────────────────────────────────────────────────

FITTING = """profiles:
  big:
    industry: {weight: 10, answers: {"*soft*": 10, steel: 8, "*": 0}}
    size: {weight: 2.5, answers: {">= 50": 5}, from: [employees, staff]}
exclusions:
  rival: {where: {domain: [rival.com, rival.nl], country: nl}, reason: is a competitor}
accounts: {fit: {strong: 9, moderate: 5.5, coverage_min: 0.07}}
"""


def told(section: str) -> list[str]:
    return describe_model(with_section(section)).splitlines()[3:]


def test_profiles_exclusions_and_levels_are_told() -> None:
    assert told(FITTING) == [
        "profile big, industry: 10 where industry is like *soft*, else 8 where it is steel, else 0 where it is like *, "
        "else 0; weight 10 of 12.5",
        "profile big, size: 5 where the first known of employees / staff >= 50, else 0; weight 2.5 of 12.5",
        "exclusion rival: fit 0 where domain is rival.com or rival.nl and country is nl; is a competitor",
        "account fit: strong from 9, moderate from 5.5, else weak; "
        "unknown where less than 7% of a profile's weight is known",
    ]


def test_levels_alone_are_told_only_where_they_are_other_ones() -> None:
    assert told("accounts: {fit: {strong: 8.1}}") == []
    assert told("accounts: {fit: {coverage_min: 0}}") == [
        "account fit: strong from 8.1, moderate from 5, else weak; unknown where nothing of a profile is known"
    ]


# ── warnings ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_is_used_by_an_exclusion_too() -> None:
    text = "names: {rivals: {email_domain: [rival.com]}, pricing: {path: /pricing}}\n"
    text += "exclusions: {rival: {where: {is: rivals}, reason: is a competitor}}"
    assert with_section(text).warnings() == ["names.pricing: no rule or exclusion uses it"]


def test_a_rating_that_is_never_reached_is_a_warning() -> None:
    text = 'profiles: {p: {c: {weight: 1, answers: {"*": 10, "*soft*": 9}}}}'
    assert with_section(text).warnings() == [
        "profiles.p.c.answers: what is like *soft* is never reached, because what is like * stands before it"
    ]


@pytest.mark.parametrize(("rating", "warns"), [(8.1, False), (8, True)])
def test_a_profile_that_can_never_be_a_strong_fit_is_a_warning(rating: float, warns: bool) -> None:
    model = with_section(f"profiles: {{p: {{c: {{weight: 1, answers: {{a: {rating}, b: 1}}}}}}}}")
    assert (
        model.warnings()
        == ["profiles.p: rates nothing above 8, so that no account can have a strong fit, from 8.1"] * warns
    )


def test_an_exclusion_that_asks_for_the_kind_of_an_address_is_a_warning() -> None:
    model = with_section("exclusions: {free: {where: {email_kind: free}, reason: has no address of its own}}")
    assert model.warnings() == [
        "exclusions.free.where.email_kind: is known of leads and not of accounts; use it in a trait"
    ]


# ── what changes ─────────────────────────────────────────────────────────────────────────────────────────────

CHANGES = [
    ("weight: 10,", "weight: 8,", ["profile big, industry: weight 10 → 8"]),
    ("steel: 8", "steel: 0", ["profile big, industry: 8 → 0 of 10 where it is steel"]),
    ("steel: 8, ", "", ["profile big, industry: the answer that is steel is removed"]),
    ("steel: 8", "steel: 8, wood: 0", ["profile big, industry: 0 of 10 where it is wood, a new answer"]),
    ("[employees, staff]", "[staff]", ["profile big, size: asks employees / staff → staff"]),
    (
        "exclusions:",
        "    growth: {weight: 5, answers: {'>= 10': 8}}\nexclusions:",
        ["profile big, growth: new; weight 5; 8 where growth >= 10, else 0"],
    ),
    (
        '    size: {weight: 2.5, answers: {">= 50": 5}, from: [employees, staff]}\n',
        "",
        ["profile big, size: removed"],
    ),
    (
        "exclusions:",
        "  small: {size: {weight: 5, answers: {'< 10': 8}}}\nexclusions:",
        ["profile small: new; looks at size"],
    ),
    ("  big:", "  huge:", ["profile huge: new; looks at industry, size", "profile big: removed"]),
    (
        ", country: nl}",
        "}",
        [
            "exclusion rival: fit 0 where domain is rival.com or rival.nl and country is nl → "
            "domain is rival.com or rival.nl"
        ],
    ),
    ("is a competitor", "is a rival", ["exclusion rival: the reason is 'is a competitor' → 'is a rival'"]),
    (
        "accounts:",
        "  poor: {where: {finances: weak}, reason: cannot pay}\naccounts:",
        ["exclusion poor: new; fit 0 where finances is weak; cannot pay"],
    ),
    ("strong: 9", "strong: 9.5", ["account fit: strong from 9 → 9.5"]),
    ("moderate: 5.5", "moderate: 5", ["account fit: moderate from 5.5 → 5"]),
    (
        ", coverage_min: 0.07",
        "",
        [
            "account fit: unknown where less than 7% of a profile's weight is known → "
            "less than 40% of a profile's weight is known"
        ],
    ),
]


@pytest.mark.parametrize(("old", "new", "changes"), CHANGES, ids=range(len(CHANGES)))
def test_one_change_is_told_and_counts_at_once(old: str, new: str, changes: list[str]) -> None:
    assert FITTING.count(old) == 1, old
    found = diff_models(with_section(FITTING), with_section(FITTING.replace(old, new)))
    assert [(change.what, change.takes_effect) for change in found] == [(what, "at once") for what in changes]


def test_the_order_of_profiles_and_components_is_no_change() -> None:
    both = "profiles: {p: {a: {weight: 1, answers: {x: 9}}, b: {weight: 2, answers: {x: 9}}}, "
    both += "q: {a: {weight: 1, answers: {x: 9}}}}"
    other = "profiles: {q: {a: {weight: 1, answers: {x: 9}}}, "
    other += "p: {b: {weight: 2, answers: {x: 9}}, a: {weight: 1, answers: {x: 9}}}}"
    assert diff_models(with_section(both), with_section(other)) == []
