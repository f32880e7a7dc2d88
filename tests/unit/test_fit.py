"""How well an account fits: the mean over what is known, its coverage, the best profile, and exclusions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.conditions import holds
from scoring.fit import FACT_LENGTH_MAX, ComponentFit, Fact, Fit, FitBook, ProfileFit
from scoring.model import ScoringModel, load_model
from scoring.models import DEFAULT_MODEL
from tests.unit.builders import model_of

RULES = {"view": {"on": "page_viewed", "points": 1, "half_life_days": 14}}
MID_MARKET = {
    "industry": {"weight": 10, "answers": {"*software*": 10, "*": 2}},
    "size": {"weight": 7, "from": ["employees", "staff"], "answers": {">= 200": 10, ">= 50": 5}},
    "growth": {"weight": 3, "answers": {">= 10": 10}},
}


def fitting(**sections: Any) -> ScoringModel:
    return model_of(RULES, **sections)


def rate(facts: Mapping[str, Fact], **sections: Any) -> Fit:
    return FitBook(fitting(**sections)).rate(facts)


def rate_one(component: Mapping[str, Any], facts: Mapping[str, Fact]) -> ComponentFit:
    """Return what a profile's only component ``c`` makes of an account."""
    return rate(facts, profiles={"p": {"c": {"weight": 1, **component}}}).profiles[0].components[0]


# ── one profile ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fit_is_the_mean_of_the_ratings_by_weight_over_what_is_known() -> None:
    fit = rate({"industry": "Business Software", "employees": 120}, profiles={"mid": MID_MARKET})
    assert fit == Fit(
        level="moderate",
        value=7.941176,
        coverage=0.85,
        profile="mid",
        profiles=[
            ProfileFit(
                "mid",
                7.941176,
                0.85,
                [
                    ComponentFit("industry", 10.0, 10.0, "Business Software"),
                    ComponentFit("size", 5.0, 7.0, "120"),
                    ComponentFit("growth", None, 3.0),
                ],
            )
        ],
    )


def test_an_answer_that_nothing_fits_is_known_and_rated_0() -> None:
    fit = rate({"industry": "Software", "employees": 7}, profiles={"mid": MID_MARKET})
    assert (fit.value, fit.coverage) == (round(100 / 17, 6), 0.85)
    assert fit.profiles[0].components[1] == ComponentFit("size", 0.0, 7.0, "7")


def test_answers_are_tried_in_their_order() -> None:
    assert rate_one({"answers": {"*": 2, "*software*": 10}}, {"c": "Software"}).rating == 2
    assert rate_one({"answers": {"*software*": 10, "*": 2}}, {"c": "Software"}).rating == 10


@pytest.mark.parametrize(
    ("facts", "rating", "fact"),
    [
        ({"employees": 300, "staff": 5}, 10, "300"),
        ({"staff": 60}, 5, "60"),
        ({"employees": "", "staff": 60}, 5, "60"),
        ({"employees": 0, "staff": 60}, 0, "0"),
        ({"employees": False, "staff": 60}, 0, "false"),
        ({"employees": "many", "staff": 60}, 0, "many"),
        ({}, None, ""),
    ],
)
def test_the_first_known_fact_counts_even_if_no_answer_fits_it(
    facts: Mapping[str, Fact], rating: float | None, fact: str
) -> None:
    assert rate_one(MID_MARKET["size"], facts) == ComponentFit("c", rating, 7.0, fact)


@pytest.mark.parametrize("value", [1, 1.0, True, "1"])
def test_equal_values_of_other_kinds_are_told_apart(value: Fact) -> None:
    book = FitBook(fitting(profiles={"p": {"c": {"weight": 1, "answers": {"true": 3, "1": 7}}}}))
    rated = {repr(other): book.rate({"c": other}).value for other in (1.0, True, 1, "1")}  # all seen before
    assert book.rate({"c": value}).value == rated[repr(value)] == (3 if value is True else 7)


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────

TECHNOLOGY = {"answers": {"*kafka*": 10, "sap": 6, "*": 1}}


@pytest.mark.parametrize(
    ("items", "rating", "fact"),
    [
        (["Excel", "SAP", "Apache Kafka"], 10, "Apache Kafka, Excel, SAP"),
        (["Excel", "SAP"], 6, "SAP, Excel"),
        (["SAP"], 6, "SAP"),
        (["Excel", "Word"], 1, "Excel, Word"),
        (["SAP", "SAP"], 6, "SAP"),
        ([], None, ""),
    ],
)
def test_of_a_list_the_best_rated_item_counts_and_is_told_first(
    items: list[str], rating: float | None, fact: str
) -> None:
    assert rate_one(TECHNOLOGY, {"c": items}) == ComponentFit("c", rating, 1.0, fact)


def test_a_list_in_which_nothing_fits_is_known_and_rated_0() -> None:
    assert rate_one({"answers": {"*kafka*": 10}}, {"c": ["Excel", "Word"]}).rating == 0


@pytest.mark.parametrize("value", ["x" * 10_000, ["y" * 40, "z" * 40, "w" * 40]])
def test_the_text_of_a_fact_stays_short(value: Fact) -> None:
    fact = rate_one(TECHNOLOGY, {"c": value}).fact
    assert len(fact) == FACT_LENGTH_MAX
    assert fact.endswith("…")


# ── coverage and levels ──────────────────────────────────────────────────────────────────────────────────────

PARTS = {name: {"weight": 1, "answers": {">= 0": 10}} for name in "abcde"}


@pytest.mark.parametrize(
    ("known", "coverage_min", "value"),
    [("ab", 0.4, 10), ("a", 0.4, None), ("abc", 0.600001, None), ("abc", 0.6, 10), ("abcde", 1, 10), ("abcd", 1, None)],
)
def test_a_fit_is_unknown_below_the_least_coverage_and_known_at_it(
    known: str, coverage_min: float, value: float | None
) -> None:
    fit = rate(dict.fromkeys(known, 1), profiles={"p": PARTS}, accounts={"fit": {"coverage_min": coverage_min}})
    assert (fit.value, fit.coverage) == (value, len(known) / 5)
    assert fit.level == ("strong" if value else "unknown")


def test_a_fit_of_which_nothing_is_known_is_unknown_even_where_no_coverage_is_asked_for() -> None:
    fit = rate({}, profiles={"p": PARTS}, accounts={"fit": {"coverage_min": 0}})
    assert (fit.level, fit.value, fit.coverage, fit.profile) == ("unknown", None, 0.0, "p")


def test_a_coverage_that_binary_fractions_miss_by_a_hair_is_enough() -> None:
    parts = {name: {"weight": weight, "answers": {"*": 9}} for name, weight in (("a", 0.1), ("b", 0.2), ("c", 0.7))}
    assert 0.1 + 0.2 != 0.3
    fit = rate({"a": "x", "b": "x"}, profiles={"p": parts}, accounts={"fit": {"coverage_min": 0.3}})
    assert (fit.coverage, fit.value) == (0.3, 9)


@pytest.mark.parametrize(
    ("rating", "level"),
    [(10, "strong"), (8.1, "strong"), (8.09, "moderate"), (5, "moderate"), (4.999999, "weak"), (0, "weak")],
)
def test_a_level_begins_exactly_at_its_value(rating: float, level: str) -> None:
    fit = rate({"a": "x"}, profiles={"p": {"a": {"weight": 7, "answers": {"x": rating}}}})
    assert (fit.value, fit.level) == (rating, level)


def test_a_mean_that_is_strong_but_for_a_hair_of_binary_fractions_is_strong() -> None:
    parts = {name: {"weight": weight, "answers": {"*": 8.1}} for name, weight in (("a", 0.1), ("b", 0.3), ("c", 0.7))}
    assert (0.1 * 8.1 + 0.3 * 8.1 + 0.7 * 8.1) / (0.1 + 0.3 + 0.7) < 8.1
    fit = rate(dict.fromkeys("abc", "x"), profiles={"p": parts})
    assert (fit.value, fit.level) == (8.1, "strong")


# ── several profiles ─────────────────────────────────────────────────────────────────────────────────────────


def one(fact: str, rating: float, weight: float = 1, unknown: float = 0) -> dict[str, Any]:
    """Return a profile that rates ``fact``, with so much weight that nobody knows anything of."""
    missing = {"missing": {"weight": unknown, "answers": {"*": 10}}} if unknown else {}
    return {"c": {"weight": weight, "from": [fact], "answers": {"*": rating}}, **missing}


@pytest.mark.parametrize(
    ("profiles", "order"),
    [
        ({"a": one("x", 5), "b": one("x", 6)}, ["b", "a"]),
        ({"a": one("x", 10, 1, 9), "b": one("x", 0)}, ["b", "a"]),  # the known one, though it is the worst
        ({"a": one("x", 6, 1, 1), "b": one("x", 6)}, ["b", "a"]),  # more is known of it
        ({"b": one("x", 6), "a": one("x", 6)}, ["a", "b"]),
        ({"a": one("x", 6, 1, 9), "b": one("x", 6, 1, 4)}, ["b", "a"]),  # both unknown
    ],
)
def test_the_best_profile_is_known_then_fits_then_is_covered_then_comes_by_name(
    profiles: Mapping[str, Any], order: list[str]
) -> None:
    fit = rate({"x": "y"}, profiles=profiles)
    assert [profile.name for profile in fit.profiles] == order
    best = fit.profiles[0]
    assert (fit.profile, fit.value, fit.coverage) == (best.name, best.value, best.coverage)


def test_without_profiles_a_fit_is_unknown() -> None:
    assert rate({"industry": "Software"}) == Fit(level="unknown")


# ── exclusions ───────────────────────────────────────────────────────────────────────────────────────────────

RIVALS = {"where": {"domain": ["rival.example", "*.rival.example"]}, "reason": "is a competitor"}
SMALL = {"where": {"employees": "< 10", "country": "nl"}, "reason": "is small"}


def test_an_excluded_account_has_a_fit_of_0_with_the_reason_whatever_its_profiles_say() -> None:
    facts: dict[str, Fact] = {"industry": "Software", "employees": 500, "growth": 12, "domain": "rival.example"}
    fit = rate(facts, profiles={"mid": MID_MARKET}, exclusions={"small": SMALL, "rival": RIVALS})
    assert (fit.level, fit.value, fit.exclusion, fit.reason) == ("excluded", 0.0, "rival", "is a competitor")
    assert (fit.profile, fit.coverage, fit.profiles[0].value) == ("mid", 1.0, 10.0)


def test_an_account_of_which_nothing_else_is_known_is_excluded_too() -> None:
    fit = rate({"domain": "eu.rival.example"}, profiles={"mid": MID_MARKET}, exclusions={"rival": RIVALS})
    assert (fit.level, fit.value, fit.coverage) == ("excluded", 0.0, 0.0)
    assert rate({"domain": "rival.example"}, exclusions={"rival": RIVALS}) == Fit(
        level="excluded", value=0.0, exclusion="rival", reason="is a competitor"
    )


@pytest.mark.parametrize(
    ("facts", "excluded"),
    [
        ({"employees": 9, "country": "NL"}, True),
        ({"employees": 10, "country": "NL"}, False),
        ({"employees": 9}, False),
        ({"employees": "", "country": "NL"}, False),
        ({}, False),
    ],
)
def test_all_conditions_of_an_exclusion_must_hold(facts: Mapping[str, Fact], excluded: bool) -> None:
    assert (rate(facts, exclusions={"small": SMALL}).level == "excluded") is excluded


def test_the_first_exclusion_that_holds_gives_the_reason() -> None:
    facts: dict[str, Fact] = {"domain": "rival.example", "employees": 2, "country": "nl"}
    assert rate(facts, exclusions={"small": SMALL, "rival": RIVALS}).exclusion == "small"
    assert rate(facts, exclusions={"rival": RIVALS, "small": SMALL}).exclusion == "rival"


@pytest.mark.parametrize(
    ("technologies", "excluded"), [(["Excel", "Rival CRM"], True), (["Excel"], False), ([], False), ("rival crm", True)]
)
def test_of_a_list_one_item_meets_a_condition(technologies: Fact, excluded: bool) -> None:
    exclusions = {"locked_in": {"where": {"technologies": "*rival*"}, "reason": "uses a rival"}}
    assert (rate({"technologies": technologies}, exclusions=exclusions).level == "excluded") is excluded


@pytest.mark.parametrize("facts", [{}, {"employees": []}, {"employees": ""}, {"employees": 3}])
def test_a_condition_may_hold_where_nobody_knows(facts: Mapping[str, Fact]) -> None:
    exclusions = {"small": {"where": {"employees": "< 10 or unknown"}, "reason": "is small"}}
    assert rate(facts, exclusions=exclusions).level == "excluded"


def test_a_name_about_the_domains_of_addresses_is_about_the_domain_of_an_account() -> None:
    names = {"rivals": {"email_domain": ["rival.example"]}, "own_domains": ["us.example"]}
    exclusions = {
        "rival": {"where": {"is": "rivals"}, "reason": "is a competitor"},
        "ours": {"where": {"is": "own_domains"}, "reason": "is our own company"},
    }
    book = FitBook(fitting(names=names, exclusions=exclusions))
    found = [book.rate({"domain": name}).exclusion for name in ("rival.example", "us.example", "acme.example")]
    assert found == ["rival", "ours", ""]


# ── the default model ────────────────────────────────────────────────────────────────────────────────────────


def test_the_default_model_rates_an_account_of_which_all_is_known() -> None:
    facts: dict[str, Fact] = {
        "industry": "Software",
        "employees": 1000,
        "revenue": 100_000_000,
        "country": "NL",
        "growth": 20,
        "technologies": ["Salesforce"],
        "engagement": 200,
        "finances": "strong",
        "stakeholders": 5,
        "domain": "acme.example",
    }
    book = FitBook(load_model(DEFAULT_MODEL))
    fit = book.rate(facts)
    assert (fit.level, fit.value, fit.coverage, fit.profile) == ("strong", 10.0, 1.0, "default")
    assert book.rate(facts | {"domain": "competitor.example"}).reason == "is a competitor"


def test_by_the_default_model_an_account_known_by_its_engagement_alone_has_an_unknown_fit() -> None:
    fit = FitBook(load_model(DEFAULT_MODEL)).rate({"engagement": 300.0, "domain": "acme.example"})
    assert (fit.level, fit.value, fit.coverage) == ("unknown", None, 0.125)


def test_a_fit_goes_into_a_record_and_back() -> None:
    fit = rate({"industry": "Software", "domain": "rival.example"}, profiles={"mid": MID_MARKET})
    assert msgspec.json.decode(msgspec.json.encode(fit), type=Fit) == fit


# ── whatever is known ────────────────────────────────────────────────────────────────────────────────────────

NAMES = ["a", "b", "c", "d", "e"]
ANSWERS = st.dictionaries(
    st.sampled_from(["x", "*x*", "*", "true", "5", ">= 5", "< 2"]), st.floats(0, 10), min_size=1, max_size=4
)
COMPONENTS = st.fixed_dictionaries(
    {"weight": st.floats(0.001, 10), "answers": ANSWERS},
    optional={"from": st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)},
)
PROFILES = st.dictionaries(
    st.sampled_from(["p", "q", "r"]),
    st.dictionaries(st.sampled_from(NAMES), COMPONENTS, min_size=1, max_size=4),
    max_size=3,
)
TEXTS = st.sampled_from(["x", "ax", "5", "true", "", "?"]) | st.text(max_size=3)
SCALARS = TEXTS | st.booleans() | st.integers(-10, 10) | st.floats(allow_nan=False)
FACTS = st.dictionaries(st.sampled_from(NAMES), SCALARS | st.lists(TEXTS, max_size=4), max_size=5)
COVERAGES = st.sampled_from([0.0, 0.25, 0.5, 1.0])


def plain_rating(component: Mapping[str, Any], name: str, facts: Mapping[str, Fact], model: ScoringModel) -> Any:
    """Return a rating as the guide words it."""
    known = [facts[fact] for fact in component.get("from", [name]) if facts.get(fact, "") not in ("", [])]
    if not known:
        return None
    (asked,) = (part[name] for part in model.profiles.values())
    items = known[0] if isinstance(known[0], list) else known[:1]
    return max(
        next((answer.points for answer in asked.answers if holds(answer.condition, {"answer": item})), 0.0)
        for item in items
    )


@given(profile=st.dictionaries(st.sampled_from(NAMES), COMPONENTS, min_size=1), facts=FACTS)
def test_a_fit_is_what_the_guide_says(profile: dict[str, Any], facts: dict[str, Fact]) -> None:
    model = fitting(profiles={"p": profile}, accounts={"fit": {"coverage_min": 0}})
    rated = {name: plain_rating(component, name, facts, model) for name, component in profile.items()}
    known = sum(profile[name]["weight"] for name, rating in rated.items() if rating is not None)
    value = sum(profile[name]["weight"] * (rating or 0) for name, rating in rated.items()) / known if known else None
    fit = FitBook(model).rate(facts)
    assert {component.name: component.rating for component in fit.profiles[0].components} == rated
    assert fit.value == (value if value is None else pytest.approx(value, abs=1e-6))
    assert fit.coverage == pytest.approx(known / sum(part["weight"] for part in profile.values()), abs=1e-6)


@given(profiles=PROFILES, facts=FACTS, coverage_min=COVERAGES)
def test_fits_and_coverages_stay_within_their_bounds(
    profiles: dict[str, Any], facts: dict[str, Fact], coverage_min: float
) -> None:
    fit = rate(facts, profiles=profiles, accounts={"fit": {"coverage_min": coverage_min}})
    for found in (fit, *fit.profiles):
        assert 0 <= found.coverage <= 1
        assert found.value is None or (0 <= found.value <= 10 and found.coverage >= coverage_min)
    assert (fit.level == "unknown") == (fit.value is None)


@given(profile=st.dictionaries(st.sampled_from(NAMES), COMPONENTS, min_size=1), facts=FACTS, weight=st.floats(0.1, 10))
def test_an_unknown_component_never_changes_the_value(
    profile: dict[str, Any], facts: dict[str, Fact], weight: float
) -> None:
    more = {**profile, "nobody_knows": {"weight": weight, "answers": {"*": 10}}}
    levels = {"fit": {"coverage_min": 0}}
    before, after = (rate(facts, profiles={"p": parts}, accounts=levels) for parts in (profile, more))
    assert after.value == before.value
    assert after.coverage <= before.coverage


@given(profiles=PROFILES, facts=FACTS, data=st.data())
def test_the_order_of_profiles_makes_no_difference(profiles: dict[str, Any], facts: dict[str, Fact], data: Any) -> None:
    shuffled = dict(data.draw(st.permutations(list(profiles.items()))))
    assert rate(facts, profiles=shuffled) == rate(facts, profiles=profiles)


@given(facts=st.lists(FACTS, max_size=5), profiles=PROFILES)
def test_what_was_rated_before_makes_no_difference(facts: list[dict[str, Fact]], profiles: dict[str, Any]) -> None:
    model = fitting(profiles=profiles)
    book = FitBook(model)
    assert json.dumps([msgspec.to_builtins(book.rate(one)) for one in facts]) == json.dumps(
        [msgspec.to_builtins(FitBook(model).rate(one)) for one in facts]
    )
