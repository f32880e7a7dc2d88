"""The section `customers`: what it becomes, every refusal, and what is told of it."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from scoring.errors import ModelError
from scoring.model import ScoringModel, describe_model, parse_model
from scoring.model_diff import diff_models

HEAD = """version: v1
rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}
bands: {warm: {enter: 1, leave: 0.5}}
"""


def with_section(section: str) -> ScoringModel:
    """Return a model with a section, which begins on line 4."""
    return parse_model(HEAD + section, "m.yaml")


def problems_of(section: str) -> list[str]:
    with pytest.raises(ModelError) as raised:
        with_section(section)
    return [problem.removeprefix("m.yaml:") for problem in raised.value.problems]


def test_a_model_without_the_section_asks_four_questions_and_has_three_segments() -> None:
    customers = with_section("").customers
    assert list(customers.criteria) == ["fits_profile", "offer_meets_need", "low_service_effort", "revenue_potential"]
    assert customers.value_max == 4
    assert {name: segment.action for name, segment in customers.segments.items()} == {
        "A": "fight for",
        "B": "keep",
        "C": "serve cheaply",
    }
    assert (customers.exit.criteria_above_max, customers.exit.action) == (1, "let go")
    assert "customer" not in describe_model(with_section(""))


@pytest.mark.parametrize(
    ("criterion", "lowest", "highest"),
    [
        ("{kind: yes_no}", 0, 1),
        ("{kind: rating}", 1, 10),
        ("{kind: rating, up_to: 4}", 1, 4),
        ("{kind: answers, answers: {late: 1, early: 3}}", 1, 3),
        ("{kind: limits, limits: [1, 2, 3]}", 1, 4),
        ("{kind: limits, limits: [30, 10]}", 1, 3),
        ("{kind: quantiles, quantiles: 4}", 1, 4),
    ],
)
def test_a_criterion_of_each_kind_has_its_worst_and_its_best_rating(
    criterion: str, lowest: float, highest: float
) -> None:
    found = with_section(f"customers: {{criteria: {{c: {criterion}, d: {{kind: yes_no}}}}}}").customers.criteria["c"]
    assert (found.lowest, found.highest, found.sources) == (lowest, highest, ("c",))


@pytest.mark.parametrize(
    ("criterion", "problem"),
    [
        ("{kind: yesno}", ".kind: 'yesno' is unknown; did you mean 'yes_no'?"),
        ("{weight: 2}", ".kind: is required; kinds are yes_no, rating, answers, limits, quantiles"),
        ("yes_no", ": 'yes_no' is not a mapping of keys to values"),
        ("{kind: rating, up_too: 4}", ".up_too: unknown key 'up_too'; did you mean 'up_to'?"),
        ("{kind: rating, up_to: 11}", ".up_to: 11 is above 10"),
        ("{kind: yes_no, weight: 0}", ".weight: 0 is not above 0"),
        ("{kind: answers, answers: {}}", ".answers: is empty; name at least one answer"),
        ("{kind: answers, answers: {late: 1}}", ".answers: all are the category 1; what is better should be 2 or more"),
        ("{kind: limits, limits: []}", ".limits: has 0 limits; 1 to 9 are allowed"),
        ("{kind: limits, limits: [1, 3, 2]}", ".limits: 1, 3, 2 neither rise nor fall from each to the next"),
        ("{kind: limits, limits: [1, 1]}", ".limits: 1, 1 neither rise nor fall from each to the next"),
        ("{kind: quantiles, quantiles: 1}", ".quantiles: 1 is below 2"),
        (
            "{kind: quantiles, quantiles: 4, best_min: 5}",
            ".best_min: 5 is not above 1 and at most 4, between which ratings lie",
        ),
    ],
)
def test_what_is_wrong_with_a_criterion_is_told_at_its_key(criterion: str, problem: str) -> None:
    assert problems_of(f"customers: {{criteria: {{c: {criterion}, d: {{kind: yes_no}}}}}}") == [
        f"4: customers.criteria.c{problem}"
    ]


@pytest.mark.parametrize(
    ("section", "problems"),
    [
        ("{criteria: {}}", ["4: customers.criteria: is empty; at least 1 is needed"]),
        (
            "{criteria: {a: {kind: yes_no}}}",
            [
                "4: customers.exit: 1 of 1 criterion above the worst would let everybody go; "
                "say fewer, or `enabled: false`"
            ],
        ),
        ("{segments: {A: {action: keep}}}", ["4: customers.segments: number 1; 2 to 10 are needed"]),
        (
            "{segments: {A: {action: hug}, B: {action: keep}}}",
            [
                "4: customers.segments.A.action: 'hug' is unknown; allowed are fight for, keep, grow, "
                "serve cheaply, let go"
            ],
        ),
        (
            "{segments: {A: {action: keep}, exit: {action: keep}}}",
            ["4: customers.segments.exit: exit is there by itself; it is not listed"],
        ),
        ("{split: {segments: {B: 1, A: 3}}}", ["4: customers.split.segments.A: 3 is not below the 1 of B"]),
        (
            "{split: {segments: {D: 1}, quantiles: {fits_profile: [1]}}}",
            [
                "4: customers.split.segments.D: 'D' is not one of the segments; segments are A, B, C",
                "4: customers.split.quantiles.fits_profile: is not one of the criteria by quantiles",
            ],
        ),
        ("{manual: {prefer: sales}}", None),
        ("{manual: {valid_days: 0}}", ["4: customers.manual.valid_days: 0 is not above 0"]),
        ("{coverage_min: 1.5}", ["4: customers.coverage_min: 1.5 is above 1"]),
    ],
)
def test_what_is_wrong_with_the_section_is_told_at_its_key(section: str, problems: list[str] | None) -> None:
    found = problems_of(f"customers: {section}")
    assert found == problems if problems is not None else len(found) == 1


def test_a_single_criterion_is_fine_where_nobody_is_let_go() -> None:
    customers = with_section("customers: {criteria: {a: {kind: yes_no}}, exit: {enabled: false}}").customers
    assert not customers.exit.enabled


def test_the_schema_takes_what_the_model_takes() -> None:
    section = {
        "criteria": {
            "a": {"kind": "limits", "limits": [1.0, 2.0], "from": "b"},
            "q": {"kind": "yes_no", "yes": ">= 5"},
        },
        "segments": {"Best ones": {"action": "grow"}, "B": {"action": "keep"}},
        "split": {"segments": {"Best ones": 1.5}},
    }
    model = {
        "version": "1",
        "rules": {"view": {"on": "page_viewed", "points": 1, "half_life_days": 14}},
        "bands": {"warm": {"enter": 1, "leave": 0.5}},
        "customers": section,
    }
    validator = Draft202012Validator(ScoringModel.json_schema())
    assert list(validator.iter_errors(model)) == []
    ScoringModel.model_validate(model)
    section["segments"] = {"1": {"action": "grow"}, "B": {"action": "keep"}}
    assert len(list(validator.iter_errors(model))) == 1


def test_criteria_by_quantiles_that_a_split_says_nothing_of_are_a_warning() -> None:
    model = with_section(
        "customers: {criteria: {a: {kind: quantiles, quantiles: 3}, b: {kind: yes_no}}, split: {segments: {A: 1}}}"
    )
    assert model.warnings() == [
        "customers.split.quantiles: says nothing of a, which stays unknown of customers that are placed one by one"
    ]


def test_what_changes_is_told_and_counts_at_once() -> None:
    old = with_section("customers: {criteria: {a: {kind: yes_no}, b: {kind: rating}}}")
    new = with_section(
        "customers: {criteria: {b: {kind: rating, weight: 2}, c: {kind: limits, limits: [5], divided_by: cac}}, "
        "coverage_min: 0.4, exit: {enabled: false}, manual: {prefer: mean}, split: {segments: {A: 2, B: 1}}, "
        "segments: {A: {action: grow}, B: {action: keep}, C: {action: let go}}}"
    )
    assert diff_models(old, old) == []
    assert [(change.what, change.takes_effect) for change in diff_models(old, new)] == [
        ("customer b: 1 to 10; weight 1 → 1 to 10; weight 2", "at once"),
        ("customer c: new; c divided by cac: category 2 from 5, else 1; weight 1", "at once"),
        ("customer a: removed", "at once"),
        ("customer value: unknown where less than 50 → 40% of the weight is known", "at once"),
        ("customers A: fight for; a contact of their own, answers the same day → grow", "at once"),
        ("customers B: keep; regular contact, answers within two days → keep", "at once"),
        ("customers C: serve cheaply; self-service → let go", "at once"),
        (
            "customers exit: let go; the worst rating throughout, but for at most 1 criterion → nobody",
            "at once",
        ),
        (
            "ratings by hand: count instead of automatic ones, for 365 days → and automatic ones count half each, "
            "for 365 days",
            "at once",
        ),
        ("customers' split: none → A from 2, B from 1, else C", "at once"),
    ]
