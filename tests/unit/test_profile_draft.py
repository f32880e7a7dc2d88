"""Drafting a profile: ranges and shared values with their counts, weights, and YAML that a model takes."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.errors import DraftError
from scoring.fit import Fact, FitBook
from scoring.model import ScoringModel, load_model, parse_model
from scoring.model_accounts import COMPONENTS_MAX
from scoring.models import DEFAULT_MODEL
from scoring.profile_draft import COMPONENTS, draft_profile

Account = dict[str, Fact]
HEAD = """version: v1
rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}
bands: {warm: {enter: 1, leave: 0.5}}
"""


def pasted(draft: str) -> ScoringModel:
    """Return a model into which a draft was pasted."""
    return parse_model(HEAD + draft, "m.yaml")


def answers_of(draft: str, component: str) -> dict[str, tuple[float, str]]:
    """Return the answers of a component as they are written, each with its rating and its comment."""
    block = re.search(
        rf"^    {component}:.*\n(?:      .*\n)*?      answers:\n((?:        .*\n?)+)", draft, re.MULTILINE
    )
    assert block is not None, draft
    lines = re.findall(r'^ +"(.*)": (\d+) # (.*)$', block[1], re.MULTILINE)
    return {answer: (float(rating), counted) for answer, rating, counted in lines}


def weight_of(draft: str, component: str) -> float:
    return pasted(draft).profiles["drafted"][component].weight


def accounts_with(fact: str, *values: Fact | None) -> list[Account]:
    """Return accounts of which one fact is known, or not (None), and another one that they share."""
    return [{"crm": "x"} if value is None else {"crm": "x", fact: value} for value in values]


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_values_that_several_accounts_share_are_rated_by_how_many_have_them() -> None:
    values = ["Software"] * 6 + ["software"] + ["Steel"] * 2 + ["Toys"]
    draft = draft_profile(accounts_with("industry", *values))
    assert answers_of(draft, "industry") == {"Software": (10, "7 of 10"), "Steel": (3, "2 of 10")}
    assert weight_of(draft, "industry") == 9  # of 10, since 9 of 10 are in one of the two
    assert "    industry: # known of 10 of 10\n" in draft


def test_a_value_of_fewer_than_a_fifth_of_the_accounts_is_not_shared() -> None:
    values = ["Software"] * 9 + ["Steel"] * 2
    assert answers_of(draft_profile(accounts_with("industry", *values)), "industry").keys() == {"Software"}
    assert answers_of(draft_profile(accounts_with("industry", *values[1:])), "industry").keys() == {"Software", "Steel"}


def test_at_most_ten_values_of_a_list_are_asked_for() -> None:
    items = [f"tool {letter}" for letter in "abcdefghijkl"]
    draft = draft_profile(accounts_with("technologies", *([items] * 3)))
    assert list(answers_of(draft, "technology")) == items[:10]


def test_of_lists_each_item_is_counted_once_an_account() -> None:
    draft = draft_profile(accounts_with("technologies", ["SAP", "Kafka", "kafka"], ["Kafka"], ["SAP", "Kafka"]))
    assert answers_of(draft, "technology") == {"Kafka": (10, "3 of 3"), "SAP": (7, "2 of 3")}
    assert pasted(draft).profiles["drafted"]["technology"].sources == ("technologies",)


def test_true_and_false_are_values_too() -> None:
    draft = draft_profile(accounts_with("is_public", True, True, True, False))
    assert answers_of(draft, "is_public") == {"true": (10, "3 of 4")}
    assert FitBook(pasted(draft)).rate({"is_public": True, "crm": "x"}).value == 10


@pytest.mark.parametrize("text", ["> 1 bn", "<50", "=", "true", "null", "~", ".inf", "1e999", 'say "hi"', "a\\b", "#1"])
def test_a_text_that_looks_like_something_else_is_still_met(text: str) -> None:
    draft = draft_profile(accounts_with("range", text, text, text))
    fit = FitBook(pasted(draft)).rate({"range": text, "crm": "x"})
    assert {component.name: component.rating for component in fit.profiles[0].components} == {"range": 10, "crm": 10}


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_number_has_a_range_with_counts() -> None:
    draft = draft_profile(accounts_with("employees", 500, 50, 120, "80"))
    assert "    size: # known of 4 of 4, 50 to 500\n" in draft
    assert answers_of(draft, "size") == {
        "> 500": (5, "0 of 4"),
        ">= 50": (10, "4 of 4"),
        "< 50": (2, "0 of 4"),
    }
    assert weight_of(draft, "size") == 7


def test_one_of_ten_numbers_at_each_end_does_not_widen_the_range() -> None:
    nine = [60, 70, 80, 90, 100, 110, 120, 130, 140]
    assert list(answers_of(draft_profile(accounts_with("employees", *nine)), "size")) == ["> 140", ">= 60", "< 60"]
    draft = draft_profile(accounts_with("employees", *nine, 100_000))
    assert answers_of(draft, "size") == {
        "> 140": (5, "1 of 10"),
        ">= 70": (10, "8 of 10"),
        "< 70": (2, "1 of 10"),
    }
    assert weight_of(draft, "size") == 5.6


def test_numbers_are_written_to_the_last_digit() -> None:
    draft = draft_profile(accounts_with("growth", -0.1, 1 / 3, 123_456_789_012.5))
    assert list(answers_of(draft, "growth")) == ["> 123456789012.5", ">= -0.1", "< -0.1"]


# ── what is left out ─────────────────────────────────────────────────────────────────────────────────────────


def left_out(draft: str) -> list[str]:
    return (
        draft.partition("    # Left out:\n")[2].removeprefix("    # ").split("\n    # ")
        if "# Left out:" in draft
        else []
    )


def test_what_fewer_than_half_of_the_accounts_have_is_mentioned_only() -> None:
    draft = draft_profile(accounts_with("founded", 1990, 1991, None, None, None))
    assert left_out(draft) == ["founded: known of 2 of 5"]
    assert list(pasted(draft).profiles["drafted"]) == ["crm"]
    assert left_out(draft_profile(accounts_with("founded", 1990, 1991, None, None))) == []


def test_blanks_are_not_known_and_0_and_false_are() -> None:
    accounts = accounts_with("size", "", "", 3) + accounts_with("growth", 0, 0, False)
    assert left_out(draft_profile(accounts)) == ["size: known of 1 of 6"]


def test_what_tells_accounts_apart_and_what_hardly_two_share_is_mentioned_only() -> None:
    accounts: list[Account] = [
        {"crm": "x", "name": "Acme", "domain": "acme.example", "Account ID": 7, "town": town}
        for town in ("A", "B", "C")
    ]
    assert left_out(draft_profile(accounts)) == [
        "Account ID: tells accounts apart",
        "domain: tells accounts apart",
        "name: tells accounts apart",
        "town: hardly two are alike",
    ]


def test_a_draft_has_no_more_components_than_a_profile_may() -> None:
    account: Account = {f"f{number:02}": "x" for number in range(COMPONENTS_MAX + 1)}
    draft = draft_profile([account] * 3)
    assert len(pasted(draft).profiles["drafted"]) == COMPONENTS_MAX
    assert left_out(draft) == ["f30: a profile has at most 30 components"]


@pytest.mark.parametrize("count", [0, 2])
def test_fewer_than_three_accounts_are_refused(count: int) -> None:
    with pytest.raises(
        DraftError, match=rf"^a profile needs at least 3 accounts, to tell what they share; got {count}$"
    ):
        draft_profile([{"industry": "Software"}] * count)


@pytest.mark.parametrize("account", [{}, {"name": "Acme"}, {"a\nb": "x"}, {"x" * 65: "x"}, {"a": "b\nc"}])
def test_accounts_that_share_nothing_a_model_could_ask_for_are_refused(account: Account) -> None:
    with pytest.raises(DraftError, match=r"^the 3 accounts share nothing that a profile could ask for$"):
        draft_profile([account] * 3)


# ── as a section of a model ──────────────────────────────────────────────────────────────────────────────────


def test_components_are_called_and_weighed_as_in_the_default_model() -> None:
    profile = load_model(DEFAULT_MODEL).profiles["default"]
    assert {fact: (name, profile[name].weight) for name in profile for fact in profile[name].sources} == dict(
        COMPONENTS
    )


def test_names_that_are_no_names_of_a_model_are_made_ones_and_told_apart() -> None:
    account: Account = {"Industry": "Software", "industry": "Software", "2024 growth": "x", "Größe": "x", "größe": "x"}
    profile = pasted(draft_profile([account] * 3)).profiles["drafted"]
    assert {name: component.sources for name, component in profile.items()} == {
        "industry": ("Industry",),
        "industry_2": ("industry",),
        "fact_2024_growth": ("2024 growth",),
        "gr_e": ("Größe",),
        "gr_e_2": ("größe",),
    }


FACT_NAMES = st.sampled_from(["industry", "Industry", "employees", "name", "x y"]) | st.text(max_size=5)
TEXTS = st.sampled_from(["Software", "software", ">5", "<5", "true", "5", "a*", "a?", "İ", "~"]) | st.text(max_size=4)
VALUES = TEXTS | st.booleans() | st.integers() | st.floats() | st.lists(TEXTS, max_size=4)
ACCOUNTS = st.lists(st.dictionaries(FACT_NAMES, VALUES, max_size=5), min_size=3, max_size=12)


@given(accounts=ACCOUNTS, data=st.data())
@example(accounts=[{"a": 10**400}, {"a": math.inf}, {"a": [""]}, {"a": "x"}, {"a": "x"}], data=None)
@example(accounts=[{"a": [">b", "<b"]}] * 3, data=None)
def test_whatever_accounts_are_drafted_is_a_profile_in_any_order_of_theirs(accounts: list[Account], data: Any) -> None:
    try:
        draft = draft_profile(accounts)
    except DraftError:
        return
    model = pasted(draft)
    for account in accounts:
        assert FitBook(model).rate(account).profile == "drafted"
    if data is not None:
        assert draft_profile(data.draw(st.permutations(accounts))) == draft


@given(st.lists(st.fixed_dictionaries({"industry": st.just("Software"), "employees": st.integers(0, 9)}), min_size=3))
def test_accounts_that_agree_fit_their_own_profile_best(accounts: list[Account]) -> None:
    book = FitBook(pasted(draft_profile(accounts)))
    best = max(book.rate(account).value or 0 for account in accounts)
    assert best == 10
    assert (book.rate({"industry": "Steel", "employees": 10}).value or 0) < best
