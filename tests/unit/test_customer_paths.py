"""Which paths bring the good customers: first and last touch before the win, and the days between."""

from __future__ import annotations

from typing import Any

from scoring.customer_paths import Trail, find_paths, sum_paths
from scoring.customer_records import CustomerValue
from scoring.decay import DAY_MS
from scoring.touches import Touch


def customer(name: str, segment: str, value: float | None, won_day: float | None, **facts: Any) -> CustomerValue:
    return CustomerValue(
        account=name,
        at_ms=0,
        segment=segment,
        automatic=segment,
        value=value,
        value_max=4.0,
        coverage=1.0,
        model="v1",
        since_ms=None if won_day is None else int(won_day * DAY_MS),
        facts=facts,
    )


def touch(day: float, source: str, campaign: str = "") -> Touch:
    return Touch(int(day * DAY_MS), source, "", campaign)


def test_what_came_after_the_win_is_no_part_of_the_path() -> None:
    trail = Trail([touch(9, "docs"), touch(5, "email"), touch(1, "google")], [7 * DAY_MS, 8 * DAY_MS, 30 * DAY_MS])
    (path,) = find_paths([customer("a", "A", 4, 8)], {"a": trail})
    assert (path.first, path.last) == (touch(1, "google"), touch(5, "email"))
    assert (path.days_to_hot, path.days_hot_to_won, path.days_to_won) == (6, 1, 7)


def test_what_is_not_known_of_a_path_stays_unknown() -> None:
    never_won, unseen = find_paths(
        [customer("a", "C", None, None), customer("b", "A", 4, 8)], {"a": Trail([touch(1, "google")], [3 * DAY_MS])}
    )
    assert (never_won.days_to_hot, never_won.days_hot_to_won, never_won.days_to_won) == (2, None, None)
    assert (unseen.first, unseen.last, unseen.days_to_won) == (None, None, None)


def test_paths_are_summed_up_and_that_with_the_most_of_the_best_comes_first() -> None:
    sources = zip("abcd", "xxyy", strict=True)
    trails = {name: Trail([touch(0, source), touch(2, "email", "may")]) for name, source in sources}
    customers = [
        customer("a", "A", 4, 10, revenue=100.5),
        customer("b", "C", 1, 20),
        customer("c", "A", 3, 30, revenue=1),
        customer("d", "A", None, 50),
        customer("e", "exit", 0, 1),
    ]
    paths = find_paths(customers, trails)
    first = sum_paths(paths, "first", "source", "A")
    assert [(each.path, each.customers, each.segments, each.best_share) for each in first] == [
        ("y", 2, {"A": 2}, 1),
        ("x", 2, {"A": 1, "C": 1}, 0.5),
        ("unknown", 1, {"exit": 1}, 0),
    ]
    assert [(each.value, each.revenue, each.days_to_won) for each in first] == [
        (3, 1, 40),
        (2.5, 100.5, 15),
        (0, None, None),
    ]
    last = sum_paths(paths, "last", "campaign", "A")
    assert [(each.path, each.customers) for each in last] == [("may", 4), ("unknown", 1)]
