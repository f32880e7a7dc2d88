"""Customer value and segments: what one is worth, who is where, and what holds of every table."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scoring.customer_segments import Override, find_limits, place_all, place_one
from scoring.customer_value import CustomerWorth, Said, ValueBook
from scoring.customers import Customer, Segmentation, find_cuts, segment_customers
from scoring.decay import DAY_MS
from scoring.equal_parts import limits_of, split_equally
from scoring.errors import CustomerError
from scoring.model_customers import EXIT, UNKNOWN, Customers, Split
from scoring.pareto import find_pareto

NOW = 1_772_000_000_000
QUESTIONS = list(Customers().criteria)


def section(**keys: Any) -> Customers:
    return Customers.model_validate(keys)


def criteria(**kinds: Mapping[str, Any]) -> Customers:
    return section(criteria=kinds, exit={"enabled": False})


def answered(words: str) -> dict[str, str]:
    """Return answers to the four questions, a letter each: y, n, or - where nobody knows."""
    return {name: word for name, word in zip(QUESTIONS, words, strict=True) if word != "-"}


def table(*rows: Mapping[str, Any] | str, **more: Any) -> list[Customer]:
    return [
        Customer(customer=f"c{number}", facts=answered(row) if isinstance(row, str) else dict(row), **more)
        for number, row in enumerate(rows)
    ]


def segments_of(found: Segmentation) -> dict[str, str]:
    return {each.customer: each.segment for each in found.customers}


# ── what one customer is worth ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "value", "coverage"),
    [("yyyy", 4, 1), ("ynyn", 2, 1), ("nnnn", 0, 1), ("yyn-", 2.666667, 0.75), ("y---", None, 0.25), ("----", None, 0)],
)
def test_four_questions_give_0_to_4_and_what_is_unknown_is_left_out(
    words: str, value: float | None, coverage: float
) -> None:
    worth = ValueBook(Customers()).rate(answered(words), {}, NOW)
    assert (worth.value, worth.coverage) == (value, coverage)


def rating_of(criterion: Mapping[str, Any], cuts: Sequence[float] | None = None, **facts: Any) -> float | None:
    book = ValueBook(criteria(c=criterion), {} if cuts is None else {"c": cuts})
    return book.rate(facts, {}, NOW, strict=True).ratings[0].rating


@pytest.mark.parametrize(
    ("criterion", "ratings"),
    [
        ({"kind": "yes_no"}, {"yes": 1, "Nee": 0, True: 1, False: 0, "1": 1, "0": 0, "x": 1, "": None}),
        ({"kind": "yes_no", "yes": ">= 5"}, {5: 1, 4.9: 0, "yes": 1, "no": 0, 1: 0}),
        ({"kind": "yes_no", "yes": ["gold", "silver"]}, {"Gold": 1, "yes": 1, "bronze": 0}),
        ({"kind": "rating"}, {1: 1, 10: 10, "7.5": 7.5}),
        ({"kind": "answers", "answers": {"*late*": 1, "on time": 2, "*": 3}}, {"very late": 1, "On Time": 2, "x": 3}),
        ({"kind": "limits", "limits": [10.0, 20.0]}, {9.99: 1, 10: 2, 19.99: 2, 20: 3, -1e9: 1, "20": 3}),
        ({"kind": "limits", "limits": [30.0, 10.0]}, {31: 1, 30: 2, 10.01: 2, 10: 3, 0: 3}),
    ],
)
def test_an_answer_is_rated_by_the_kind_of_its_criterion(
    criterion: dict[str, Any], ratings: dict[Any, float | None]
) -> None:
    for answer, rating in ratings.items():
        assert rating_of(criterion, c=answer) == rating, answer


def test_criteria_by_quantiles_are_unknown_without_limits() -> None:
    assert rating_of({"kind": "quantiles", "quantiles": 3}, c=5) is None
    assert [rating_of({"kind": "quantiles", "quantiles": 3}, [2.0, 4.0], c=number) for number in (1, 2, 4)] == [1, 2, 3]
    less = {"kind": "quantiles", "quantiles": 3, "less_is_better": True}
    assert [rating_of(less, [4.0, 2.0], c=number) for number in (5, 4, 2)] == [1, 2, 3]


def test_the_first_known_source_counts_and_a_number_can_be_divided() -> None:
    assert rating_of({"kind": "rating", "from": ["a", "b"]}, b=3) == 3
    ratio = {"kind": "limits", "limits": [1.0, 3.0], "from": "ltv", "divided_by": "cac"}
    assert [rating_of(ratio, ltv=300, cac=cac) for cac in (100, 300, 301, 0, -1, "")] == [3, 2, 1, None, None, None]


@pytest.mark.parametrize(
    ("criterion", "answer", "problem"),
    [
        ({"kind": "yes_no"}, "perhaps", "c: 'perhaps' is neither yes nor no"),
        ({"kind": "yes_no", "yes": ">= 5"}, "perhaps", "c: 'perhaps' is neither yes nor no"),
        ({"kind": "rating"}, 11, "c: 11 is not between 1 and 10"),
        ({"kind": "rating"}, "lots", "c: 'lots' is not a number"),
        ({"kind": "answers", "answers": {"late": 1, "early": 2}}, "soon", "c: 'soon' is none of the model's answers"),
        ({"kind": "limits", "limits": [1.0]}, "lots", "c: 'lots' is not a number"),
    ],
)
def test_an_answer_that_cannot_be_read_is_told_or_else_unknown(
    criterion: dict[str, Any], answer: object, problem: str
) -> None:
    book = ValueBook(criteria(c=criterion))
    with pytest.raises(CustomerError, match=re.escape(problem)):
        book.rate({"c": answer}, {}, NOW, strict=True)  # type: ignore[dict-item]
    assert book.rate({"c": answer}, {}, NOW).unknown == 1  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("prefer", "both", "by"), [("manual", 2, "manual"), ("automatic", 8, "automatic"), ("mean", 5, "mean")]
)
def test_what_sales_says_goes_together_with_what_is_known_as_the_model_says(prefer: str, both: float, by: str) -> None:
    book = ValueBook(section(criteria={"c": {"kind": "rating"}}, exit={"enabled": False}, manual={"prefer": prefer}))
    said = {"c": Said(NOW - DAY_MS, 2, "olga")}
    rating = book.rate({"c": 8}, said, NOW).ratings[0]
    assert (rating.rating, rating.by) == (both, by)
    assert (rating.who, rating.at_ms) == (("", 0) if by == "automatic" else ("olga", NOW - DAY_MS))
    assert book.rate({}, said, NOW).ratings[0].rating == 2
    assert book.rate({"c": 8}, {}, NOW).ratings[0].rating == 8


def test_a_rating_by_hand_counts_until_it_is_too_old_and_only_if_it_means_something() -> None:
    book = ValueBook(section(criteria={"c": {"kind": "rating"}}, exit={"enabled": False}, manual={"valid_days": 10.0}))
    assert book.rate({}, {"c": Said(NOW - 10 * DAY_MS, 2)}, NOW).ratings[0].rating == 2
    assert book.rate({}, {"c": Said(NOW - 10 * DAY_MS - 1, 2)}, NOW).unknown == 1
    assert book.rate({"c": 8}, {"c": Said(NOW, "very")}, NOW).ratings[0].rating == 8


# ── who is where ─────────────────────────────────────────────────────────────────────────────────────────────


def test_who_is_worst_throughout_but_for_one_criterion_is_let_go_and_nobody_on_what_is_unknown() -> None:
    found = segment_customers(Customers(), table("nnnn", "ynnn", "yynn", "nnn-", "nn--", "n---"), NOW)
    assert segments_of(found) == {"c0": EXIT, "c1": EXIT, "c2": "A", "c3": "C", "c4": "C", "c5": UNKNOWN}


@pytest.mark.parametrize(
    ("words", "segments"),
    [
        (["yyyy"], ["B"]),
        (["yyyy"] * 3, ["B"] * 3),
        (["yyyy"] * 30, ["B"] * 30),
        (["yyyy", "yyyn", "yynn"], ["A", "B", "C"]),
        (["yyyy", "yynn"], ["A", "C"]),
        (["yyyy", *["yyyn"] * 29], ["A", *["B"] * 29]),
    ],
)
def test_equals_stay_together_where_their_middle_lies(words: list[str], segments: list[str]) -> None:
    assert list(segments_of(segment_customers(Customers(), table(*words), NOW)).values()) == segments


@pytest.mark.parametrize(
    ("words", "note"),
    [
        (["yyyy"] * 3, "all 3 customers that could be parted have the same value, so that nothing parts them"),
        (
            ["yyyy", "yyyn", "yynn"],
            "3 customers are few to part into 3 segments; look at each yourself",
        ),
        (["nnnn", "nn--"], "1 customer is few to part into 3 segments; look at each yourself"),
        (["nnnn"], "no customer is left to be parted: all are in exit or unknown"),
        (["n---", *["yyyy", "yynn"] * 4], "1 of 9 customers is unknown: too little is known for a value"),
    ],
)
def test_what_a_reader_should_know_first_is_noted(words: list[str], note: str) -> None:
    assert note in segment_customers(Customers(), table(*words), NOW).notes


def test_who_lacks_a_least_rating_for_the_best_segment_is_in_the_next_one_and_nobody_moves_up() -> None:
    asked = section(
        criteria={"a": {"kind": "rating", "best_min": 5.0}, "b": {"kind": "rating"}}, exit={"enabled": False}
    )
    rows = [{"a": 4, "b": 10}, {"b": 10}, {"a": 5, "b": 8}, {"a": 4, "b": 7}, {"a": 4, "b": 1}, {"a": 1, "b": 1}]
    found = {each.customer: each for each in segment_customers(asked, table(*rows), NOW).customers}
    assert [found[f"c{number}"].segment for number in range(6)] == ["B", "B", "B", "B", "C", "C"]
    assert found["c0"].why == "not A: a is 4, and at least 5 is needed"
    assert found["c1"].why == "not A: a is unknown, and at least 5 is needed"


def test_an_override_stands_until_it_ends_and_moves_nobody_else() -> None:
    customers = table("yyyy", "yyyn", "yynn")
    before = segments_of(segment_customers(Customers(), customers, NOW))
    customers[0].override = Override(0, EXIT, NOW + 1, "moves away", "olga")
    found = segment_customers(Customers(), customers, NOW)
    first = next(each for each in found.customers if each.customer == "c0")
    assert (first.segment, first.automatic, first.why) == (EXIT, "A", "by hand: moves away, by olga")
    assert (first.action, first.rank) == ("let go", 1)
    assert segments_of(found) == before | {"c0": EXIT}
    assert segments_of(segment_customers(Customers(), customers, NOW + 1)) == before


def test_by_group_each_group_is_rated_by_the_median_of_its_customers() -> None:
    rows = {"big": [9, 8, 1], "mid": [5, 6], "small": [2, 1, 9], "thin": [10, None, None]}
    customers = [
        Customer(customer=f"{group}{number}", group=group, facts={} if rating is None else {"c": rating})
        for group, ratings in rows.items()
        for number, rating in enumerate(ratings)
    ]
    found = segment_customers(criteria(c={"kind": "rating"}), customers, NOW, "group")
    assert {each.group: (each.segment, each.ratings[0].rating) for each in found.customers} == {
        "big": ("A", 8),
        "mid": ("B", 5),
        "small": ("C", 2),
        "thin": (UNKNOWN, None),
    }
    assert "with 11 customers, below 30, rate each by itself rather than by group" in found.notes


@pytest.mark.parametrize(
    ("customers", "problem"),
    [
        ([], "there are no customers"),
        ([Customer(customer="Acme", facts={}), Customer(customer="ACME", facts={})], "ACME: is there twice"),
        ([Customer(customer="Acme", facts={"fits_profile": "so so"})], "Acme: fits_profile: 'so so' is neither"),
    ],
)
def test_a_table_that_would_be_split_wrongly_is_refused(customers: list[Customer], problem: str) -> None:
    with pytest.raises(CustomerError, match=problem):
        segment_customers(Customers(), customers, NOW)


# ── what holds of every table ────────────────────────────────────────────────────────────────────────────────

RATINGS = st.one_of(st.none(), st.integers(1, 10))
LIMITED = section(
    criteria={
        "a": {"kind": "rating"},
        "b": {"kind": "rating", "weight": 2.5, "best_min": 4.0},
        "c": {"kind": "limits", "limits": [3.0, 7.0]},
    },
    coverage_min=0.4,
)
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys("abc", RATINGS)), min_size=1, max_size=40)


def known(row: Mapping[str, int | None]) -> dict[str, Any]:
    return {name: rating for name, rating in row.items() if rating is not None}


@given(ROWS)
def test_every_customer_is_in_one_segment_and_the_order_never_contradicts_the_values(
    rows: list[dict[str, int | None]],
) -> None:
    found = segment_customers(LIMITED, table(*map(known, rows)), NOW)
    assert Counter(each.customer for each in found.customers) == Counter(f"c{n}" for n in range(len(rows)))
    assert sum(each.customers for each in found.segments) == len(rows)
    order = ["A", "B", "C"]
    parted = [each for each in found.customers if each.automatic in order]
    # Without what holds somebody back from the best segment, more value is never a lower segment.
    plain = [each for each in parted if not each.why]
    assert sorted(plain, key=lambda each: (order.index(each.segment), -(each.value or 0))) == sorted(
        plain, key=lambda each: -(each.value or 0)
    )
    for each in found.customers:
        assert (each.automatic == UNKNOWN) == (each.value is None)
        if each.automatic == EXIT:
            assert each.coverage == 1


@given(st.lists(st.integers(-20, 20), max_size=60), st.integers(2, 7))
def test_a_split_never_parts_equals_and_is_in_order(values: list[int], parts: int) -> None:
    placed = list(zip(values, split_equally(values, parts), strict=True))
    assert len({value for value, _ in placed}) == len(set(placed))
    assert [part for _, part in sorted(placed, key=lambda each: -each[0])] == sorted(part for _, part in placed)
    assert all(0 <= part < parts for _, part in placed)


@given(st.sets(st.integers(), max_size=60), st.integers(2, 7))
def test_without_equals_the_parts_differ_in_size_by_one_at_most(values: set[int], parts: int) -> None:
    sizes = Counter(split_equally([*values], parts))
    assert max(sizes.values(), default=0) - min(sizes[part] for part in range(parts)) <= 1


@given(ROWS, st.data())
def test_more_value_never_lowers_a_segment(rows: list[dict[str, int | None]], data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from("abc"))
    old = rows[chosen][name]
    assume(old is not None and old < 10)
    more = [dict(row) for row in rows]
    more[chosen][name] = data.draw(st.integers((old or 0) + 1, 10))
    order = ["A", "B", "C", EXIT]
    before, after = (segments_of(segment_customers(LIMITED, table(*map(known, r)), NOW)) for r in (rows, more))
    if before[f"c{chosen}"] == UNKNOWN:
        assert after[f"c{chosen}"] == UNKNOWN
    else:
        assert order.index(after[f"c{chosen}"]) <= order.index(before[f"c{chosen}"])


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.integers(2, 6), st.booleans())
def test_quantiles_are_cut_so_that_each_number_is_rated_as_the_split_places_it(
    numbers: list[int], parts: int, less_is_better: bool
) -> None:
    asked = criteria(c={"kind": "quantiles", "quantiles": parts, "less_is_better": less_is_better})
    customers = table(*({"c": number} for number in numbers))
    book = ValueBook(asked, find_cuts(asked, customers))
    sign = -1 if less_is_better else 1
    placed = split_equally([sign * number for number in numbers], parts)
    assert [book.rate({"c": number}, {}, NOW).ratings[0].rating for number in numbers] == [
        parts - part for part in placed
    ]


@given(ROWS)
def test_by_the_limits_of_a_split_each_customer_is_where_the_split_placed_it(
    rows: list[dict[str, int | None]],
) -> None:
    book = ValueBook(LIMITED)
    worths = [book.rate(known(row), {}, NOW) for row in rows]
    split = Split(segments=find_limits(LIMITED, worths))
    with_split = LIMITED.model_copy(update={"split": split})
    placed = place_all(LIMITED, worths, [None] * len(worths), NOW)
    assert [place_one(with_split, worth, None, NOW) for worth in worths] == placed


def test_limits_of_a_split_leave_out_the_best_parts_where_nobody_is() -> None:
    assert limits_of([(5, 1), (5, 1), (1, 2)]) == {1: 5, 2: 1}


def test_without_a_split_of_the_model_one_customer_has_no_segment() -> None:
    worth = CustomerWorth(value=3.0, coverage=1.0, above=3, unknown=0, ratings=[])
    assert place_one(Customers(), worth, None, NOW).segment == UNKNOWN


@given(st.lists(st.one_of(st.none(), st.integers(-100, 1000)), max_size=40))
def test_no_fewer_customers_bring_the_share(amounts: list[int | None]) -> None:
    report = find_pareto("profit", amounts)
    ordered = sorted((amount for amount in amounts if amount is not None), reverse=True)
    assert (report.known, report.unknown, report.total) == (len(ordered), amounts.count(None), sum(ordered))
    if sum(ordered) <= 0:
        assert report.needed is None
    else:
        assert report.needed is not None
        assert sum(ordered[: report.needed]) >= 0.8 * sum(ordered) - 1e-6
        assert sum(ordered[: report.needed - 1]) < 0.8 * sum(ordered)
    assert report.lost == sum(amount for amount in ordered if amount < 0)


def test_the_work_grows_with_the_customers_and_no_faster() -> None:
    """Counted in calls, which no other load on this machine changes."""

    def calls_of(count: int) -> int:
        rows = [{"a": number % 10 + 1, "b": number % 7 + 1, "c": number % 11} for number in range(count)]
        return count_calls(lambda: segment_customers(LIMITED, table(*rows), NOW))

    assert calls_of(1_000) < 2.1 * calls_of(500)
    assert calls_of(500) < 500 * 60


def count_calls(work: Callable[[], object]) -> int:
    count = 0

    def note(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count
