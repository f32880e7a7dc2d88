"""Customers as they come: wins, invoices, churn and ratings on account-updates, to a value and a segment at once."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.account_state import AccountState, decode_account, encode_account
from scoring.account_updates import decode_account_update
from scoring.customer_events import CUSTOMER_EVENTS
from scoring.customer_records import CustomerValue
from scoring.customer_state import (
    HISTORY_KEPT,
    MONTHS_KEPT,
    CustomerState,
    changes_at,
    customer_facts,
    merge_customers,
    take_customer_event,
)
from scoring.customers import segment_customers
from scoring.decay import DAY_MS
from scoring.errors import EventError
from scoring.model import ScoringModel, parse_model
from scoring.models import DEFAULT_MODEL
from scoring.outcomes import Outcome
from scoring.replay import Replay
from scoring.shard import Shard
from scoring.timers import NEVER
from streams.cli.customer_values import to_customers
from streams.cli.customers_split import write_split
from tests.unit.builders import NOW, to_record
from tests.unit.test_companies import take, update

ACME = "domain:acme.com"
HEAD = """version: v1
rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}
bands: {warm: {enter: 1, leave: 0.5}}
profiles: {p: {industry: {weight: 10, answers: {Software: 10, "*": 1}}}}
"""
SECTION = """customers:
  criteria:
    revenue: {kind: limits, limits: [100, 1000], weight: 2}
    fits: {kind: yes_no, from: [by_hand, fit], yes: ">= 5"}
    upsell: {kind: rating}
  split: {segments: {A: 3, B: 2}}
"""


def model(section: str = SECTION) -> ScoringModel:
    return parse_model(HEAD + section, "m.yaml")


def told(number: int, kind: str, days: float = 0, **properties: Any) -> dict[str, Any]:
    return update(f"u-{number}", kind, domain="acme.com", properties=properties) | {"time": NOW + int(days * DAY_MS)}


def value_of(done: Outcome, account: str = ACME) -> CustomerValue:
    return msgspec.json.decode(done.customer_values[account.encode()], type=CustomerValue)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "properties", "field"),
    [
        ("invoice", {}, "amount"),
        ("invoice", {"amount": "12"}, "amount"),
        ("invoice", {"amount": True}, "amount"),
        ("invoice", {"amount": 1e16}, "amount"),
        ("invoice", {"amount": 1, "profit": "much"}, "profit"),
        ("invoice", {"amount": 1, "days_late": []}, "days_late"),
        ("won", {"amount": {}}, "amount"),
        ("rating", {"by": "olga"}, "ratings"),
        ("rating", {"ratings": {}, "by": "olga"}, "ratings"),
        ("rating", {"ratings": {"upsell": 7}}, "by"),
        ("rating", {"ratings": {"upsell": []}, "by": "olga"}, "ratings.upsell"),
        ("rating", {"ratings": {"": 1}, "by": "olga"}, "ratings"),
        ("rating", {"ratings": {str(n): 1 for n in range(51)}, "by": "olga"}, "ratings"),
        ("override", {"reason": "x", "until": NOW, "by": "olga"}, "segment"),
        ("override", {"segment": "A", "until": NOW, "by": "olga"}, "reason"),
        ("override", {"segment": "A", "reason": "x", "by": "olga"}, "until"),
        ("override", {"segment": "A", "reason": "x", "until": "soon", "by": "olga"}, "until"),
        ("override", {"segment": None}, "by"),
    ],
)
def test_what_is_wrong_with_a_customer_event_is_told_at_its_property(
    kind: str, properties: dict[str, Any], field: str
) -> None:
    raw = {"id": "u", "type": kind, "time": NOW, "domain": "acme.com", "properties": properties}
    with pytest.raises(EventError) as raised:
        decode_account_update(json.dumps(raw).encode(), NOW)
    assert raised.value.field == f"properties.{field}"
    assert take(Replay(model()), raw).refusals[0].error.field == f"properties.{field}"


# ── value and segment ────────────────────────────────────────────────────────────────────────────────────────


def test_an_invoice_makes_a_customer_with_a_value_a_segment_and_a_history() -> None:
    replay = Replay(model())
    take(replay, update("f-1", domain="acme.com", facts={"industry": "Software", "name": "Acme", "revenue": 9e9}))
    done = take(replay, told(1, "won", amount=500), told(2, "invoice", amount=500, profit=50, days_late=4))
    record = value_of(done)
    assert (record.segment, record.value, record.coverage, record.name) == ("B", 2.666667, 0.75, "Acme")
    assert (record.action, record.since_ms, record.model) == ("keep", NOW, "v1")
    # The revenue is what it brings us, and not the company's own.
    assert record.facts == {"fit": 10, "profit": 50, "revenue": 500}
    record = value_of(take(replay, told(3, "invoice", days=1, amount=600)))
    assert (record.segment, record.value) == ("A", 4)
    assert [(each.segment, each.at_ms) for each in record.history] == [
        ("unknown", NOW),
        ("B", NOW),
        ("A", NOW + DAY_MS),
    ]


def test_a_rating_by_hand_counts_with_who_and_when_until_it_is_taken_back() -> None:
    replay = Replay(model())
    done = take(
        replay,
        told(1, "invoice", amount=2_000),
        told(2, "rating", days=1, ratings={"upsell": 10, "fits": "yes", "else": 3}, by="olga"),
    )
    record = value_of(done)
    assert (record.value, record.segment) == (4, "A")
    assert [(each.criterion, each.answer, each.by, each.at_ms) for each in record.by_hand] == [
        ("else", 3, "olga", NOW + DAY_MS),
        ("fits", "yes", "olga", NOW + DAY_MS),
        ("upsell", 10, "olga", NOW + DAY_MS),
    ]
    assert [(each.criterion, each.rating, each.by, each.who) for each in record.ratings] == [
        ("revenue", 3, "automatic", ""),
        ("fits", 1, "manual", "olga"),
        ("upsell", 10, "manual", "olga"),
    ]
    # What was told before, and comes later, changes nothing.
    done = take(replay, told(3, "rating", ratings={"upsell": 1}, by="jan"))
    assert done.customer_values == {}
    record = value_of(take(replay, told(4, "rating", days=2, ratings={"upsell": None}, by="jan")))
    assert [each.criterion for each in record.by_hand] == ["else", "fits"]


def test_an_override_stands_until_it_ends_or_is_taken_back() -> None:
    replay = Replay(model())
    until = NOW + 10 * DAY_MS
    done = take(
        replay,
        told(1, "invoice", amount=2_000),
        told(2, "rating", ratings={"fits": "yes", "upsell": 9}, by="olga"),
        told(3, "override", segment="C", reason="moves away", until=until, by="olga"),
    )
    record = value_of(done)
    assert (record.segment, record.automatic, record.why) == ("C", "A", "by hand: moves away, by olga")
    assert record.manual is not None
    assert (record.manual.by, record.manual.until_ms) == ("olga", until)
    assert value_of(take(replay, told(4, "invoice", days=10, amount=1))).segment == "A"
    done = take(
        replay,
        told(5, "override", days=11, segment="C", reason="x", until=until * 2, by="olga"),
        told(6, "override", days=12, segment=None, by="olga"),
    )
    assert (value_of(done).segment, value_of(done).manual) == ("A", None)


def test_an_override_to_a_segment_that_the_model_does_not_have_says_so() -> None:
    replay = Replay(model())
    take(replay, told(1, "invoice", amount=2_000))
    record = value_of(take(replay, told(2, "override", segment="D", reason="x", until=NOW * 2, by="olga")))
    assert (record.segment, record.why) == ("A", "by hand: 'D' is not a segment of the model")


def test_a_customer_that_churns_is_none_until_it_buys_again() -> None:
    replay = Replay(model())
    take(replay, told(1, "invoice", amount=2_000), told(2, "rating", ratings={"fits": "y", "upsell": 9}, by="olga"))
    record = value_of(take(replay, told(3, "churn", days=5, reason="price")))
    assert (record.segment, record.churned_at_ms, record.action) == ("churned", NOW + 5 * DAY_MS, "")
    record = value_of(take(replay, told(4, "won", days=6)))
    assert (record.segment, record.churned_at_ms) == ("A", None)


def test_the_account_carries_its_value_and_what_is_not_new_is_not_published() -> None:
    replay = Replay(model())
    take(replay, told(1, "invoice", amount=2_000))
    assert take(replay, told(1, "invoice", amount=2_000)).duplicates == 1
    done = take(replay, update("f-2", domain="acme.com", facts={"city": "Delft"}))
    assert done.customer_values == {}
    (account,) = replay.accounts()
    assert account.customer is not None
    assert (account.customer.segment, account.customer.value, account.customer.coverage) == ("A", 4, 0.5)
    assert take(Replay(model("")), told(1, "invoice", amount=1)).customer_values == {}


def test_what_was_known_under_an_id_is_part_of_the_domain_s_customer() -> None:
    replay = Replay(model())
    by_id = told(1, "invoice", amount=600)
    by_id["account_id"] = "42"
    del by_id["domain"]
    done = take(replay, by_id, told(2, "invoice", amount=700), update("l", account_id="42", domain="acme.com"))
    assert value_of(done).facts["revenue"] == 1_300


def test_the_default_model_places_by_its_four_questions() -> None:
    replay = Replay(parse_model(DEFAULT_MODEL.read_text(), "default.yaml"))
    answers = dict.fromkeys(("fits_profile", "offer_meets_need", "low_service_effort", "revenue_potential"), "yes")
    assert value_of(take(replay, told(1, "rating", ratings=answers, by="olga"))).segment == "A"
    answers["low_service_effort"] = "no"
    assert value_of(take(replay, told(2, "rating", days=1, ratings=answers, by="olga"))).segment == "B"


def test_by_the_limits_of_a_split_of_all_workers_each_customer_is_where_it_put_them() -> None:
    without = SECTION.partition("  split:")[0].replace(
        "kind: limits, limits: [100, 1000]", "kind: quantiles, quantiles: 3"
    )
    happened = [
        update(f"i-{n}", "invoice", domain=f"c{n}.com", properties={"amount": 10 * (n % 7) + n % 2}) for n in range(25)
    ] + [
        update(f"r-{n}", "rating", domain=f"c{n}.com", properties={"ratings": {"upsell": n % 10 + 1}, "by": "olga"})
        for n in range(0, 25, 2)
    ]
    replay = Replay(model(without))
    take(replay, *happened)
    published = [account.customer for account in replay.accounts() if account.customer is not None]
    section = model(without).customers
    found = segment_customers(section, to_customers(published), NOW)
    assert {each.segment for each in found.customers} == {"A", "B", "C"}
    again = Replay(model(without + "".join(f"  {line}\n" for line in write_split(found.limits).splitlines())))
    take(again, *happened)
    assert {
        account.account.removeprefix("domain:"): account.customer.segment
        for account in again.accounts()
        if account.customer is not None
    } == {each.customer: each.segment for each in found.customers}


def test_a_model_with_another_split_places_all_customers_anew_without_anything_happening() -> None:
    before = Shard(model(), {})
    happened = [told(1, "invoice", amount=2_000), update("i-2", "invoice", domain="b.com", properties={"amount": 1})]
    for each in happened:
        before.take_updates([to_record(each)])
    after = Shard(model(SECTION.replace("{A: 3, B: 2}", "{A: 5, B: 4}")), dict(before.leads), before.memo)
    assert after.is_adopting
    done = after.adopt(99)
    assert value_of(done).segment == "B"
    assert done.customer_values.keys() == {ACME.encode()}  # the other one is where it was
    assert [(each.segment, each.at_ms) for each in value_of(done).history] == [("A", NOW), ("B", NOW)]


# ── what time alone changes ──────────────────────────────────────────────────────────────────────────────────


def test_the_year_of_a_customer_that_is_silent_rolls_on() -> None:
    shard = Shard(model(), {})
    for each in (told(1, "invoice", amount=2_000), told(2, "rating", ratings={"fits": "yes", "upsell": 9}, by="olga")):
        done = shard.take_updates([to_record(each)])
    assert (value_of(done).segment, value_of(done).facts["revenue"]) == ("A", 2_000)
    due_ms = shard.due_ms
    assert datetime.fromtimestamp(due_ms / 1000, UTC).isoformat() == "2027-01-01T00:00:00+00:00"
    assert not shard.tick(due_ms - 1).customer_values
    rolled = value_of(shard.tick(due_ms))
    assert (rolled.segment, rolled.facts["revenue"], rolled.at_ms) == ("C", 0, due_ms)
    assert rolled.history[-1].at_ms == due_ms
    shard.tick(shard.due_ms)  # a year later it has left the year before, too
    assert shard.due_ms == NEVER


def test_an_override_ends_on_its_day_though_nothing_happens() -> None:
    shard = Shard(model(), {})
    until = NOW + 10 * DAY_MS
    shard.take_updates([to_record(told(1, "invoice", amount=2_000))])
    shard.take_updates(
        [to_record(told(2, "override", segment="C", reason="moves away", until=until, by="olga"))],
    )
    assert shard.due_ms == until
    assert value_of(shard.tick(until)).segment == "A"


@given(days=st.lists(st.integers(0, 900), min_size=1, max_size=8), later=st.integers(0, 2000))
def test_between_the_times_at_which_a_customer_changes_its_amounts_are_the_same(days: list[int], later: int) -> None:
    state = CustomerState()
    for day in days:
        take_customer_event(state, "invoice", NOW + day * DAY_MS, {"amount": day + 1.0})
    now = NOW + (max(days) + later) * DAY_MS
    until = changes_at(state, now)
    last = min(until - 1, now + 3_000 * DAY_MS)
    amounts = {"revenue", "revenue_before", "revenue_growth", "invoices"}
    at_first, at_last = ({k: v for k, v in customer_facts(state, at).items() if k in amounts} for at in (now, last))
    assert at_first == at_last
    assert until == NEVER or customer_facts(state, until) != at_last


# ── what an account keeps ────────────────────────────────────────────────────────────────────────────────────


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_a_year_is_this_month_and_the_eleven_before() -> None:
    state = CustomerState()
    for day, amount in (("2024-12-31", 9), ("2025-01-01", 40), ("2025-12-31", 60), ("2026-01-01", 110)):
        take_customer_event(state, "invoice", moment(day), {"amount": amount, "days_late": amount / 10})
    facts = customer_facts(state, moment("2026-12-31T23:59"))
    assert (facts["revenue"], facts["revenue_before"], facts["revenue_growth"]) == (110, 100, 10)
    assert (facts["invoices"], facts["days_late"]) == (1, 11)
    assert customer_facts(state, moment("2027-01-01"))["revenue"] == 0
    assert "profit" not in facts


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("won"), st.integers(0, 1500), st.fixed_dictionaries({"amount": st.integers(0, 99)})),
        st.tuples(st.just("invoice"), st.integers(0, 1500), st.fixed_dictionaries({"amount": st.integers(-9, 99)})),
        st.tuples(st.just("churn"), st.integers(0, 1500), st.just({})),
        st.tuples(
            st.just("rating"),
            st.integers(0, 1500),
            st.fixed_dictionaries(
                {
                    "by": st.sampled_from(["olga", "jan"]),
                    "ratings": st.dictionaries(st.sampled_from("abc"), st.integers(1, 9) | st.none(), min_size=1),
                }
            ),
        ),
    ),
    max_size=25,
)


@given(EVENTS, st.randoms(use_true_random=False), st.integers(0, 25))
def test_any_order_of_arrival_and_any_merge_give_the_same(
    events: list[tuple[str, int, dict[str, Any]]], rng: random.Random, cut: int
) -> None:
    def fold(some: list[tuple[str, int, dict[str, Any]]]) -> CustomerState:
        state = CustomerState()
        for kind, day, properties in some:
            # Each at a time of its own: of two at once, who is named as the author is by chance.
            take_customer_event(state, kind, NOW + day * DAY_MS, properties)
        return state

    times = {(kind, day) for kind, day, _ in events}
    events = [next(each for each in events if each[:2] == key) for key in sorted(times)]
    shuffled = rng.sample(events, len(events))
    whole, other, merged = fold(events), fold(shuffled), fold(shuffled[:cut])
    merge_customers(merged, fold(shuffled[cut:]))
    assert whole == other == merged
    assert len(whole.months) <= MONTHS_KEPT


def test_a_customer_s_memory_is_bounded_and_one_that_is_none_takes_a_byte() -> None:
    replay = Replay(model())
    for number in range(150):
        rated = {f"c{number}": 1, "fits": ("yes", "no")[number % 2], "upsell": 9}
        take(
            replay,
            told(2 * number, "invoice", days=30 * number, amount=1 + number / 3, profit=0.1, days_late=2.5),
            told(2 * number + 1, "rating", days=30 * number + 1, ratings=rated, by="o" * 200),
        )
    (account,) = replay.accounts()
    assert account.customer is not None
    assert len(account.customer.history) <= HISTORY_KEPT
    assert len(account.customer.by_hand) <= 50
    empty = encode_account(AccountState())
    assert len(empty) == len(encode_account(AccountState(customer=None)))
    # A state of before there were customers is one without.
    old = msgspec.msgpack.encode(msgspec.msgpack.decode(empty)[:-1])
    assert len(empty) == len(old) + 1
    assert decode_account(old) == AccountState()


def test_every_customer_event_has_a_case_above() -> None:
    assert {"won", "invoice", "churn", "rating", "override"} == CUSTOMER_EVENTS
