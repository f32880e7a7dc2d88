"""What sales does, against the oracle: whatever is answered when, scores, bands and alerts are what they have to be."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.follow_ups import FollowUp
from scoring.lead_state import LeadState, decode_state, encode_state
from scoring.sales import STATUSES, Sales, adjust, merge_sales, note
from tests.oracle import DAY_MS, lead_of
from tests.share import share
from tests.unit.agreement import assert_agrees
from tests.unit.builders import NOW, Tick, Timeline, reopen, run
from tests.unit.histories import WHOLE, random_timeline

ACTIONS = (*STATUSES[1:], "suppressed", "released", "released", *["rejected"] * 4, *["adjusted"] * 6)
REASONS = {"rejected": "not_ready", "suppressed": "competitor", "adjusted": "met at the fair"}


def random_follow_up(rng: Random, lead: str, time_ms: int, number: int) -> dict[str, Any]:
    action = rng.choice(ACTIONS)
    done: dict[str, Any] = {
        "id": f"f-{number}",
        "lead": lead,
        "action": action,
        "time": time_ms - rng.choice((0, 0, 0, DAY_MS)),
        "reason": REASONS.get(action, ""),
    }
    if action == "adjusted":
        done["points"] = float(rng.choice((-60, -20, -5, 5, 15, 40, 80)))
        done["until"] = time_ms + rng.choice((1, 3_600_000, DAY_MS, 9 * DAY_MS, 60 * DAY_MS))
    return done


def with_sales(rng: Random, timeline: Timeline, share: float = 0.3) -> Timeline:
    """Return a timeline in which sales answers now and then, about people who are there and some who are not."""
    found: list[Any] = []
    for number, item in enumerate(timeline):
        found.append(item)
        if isinstance(item, Tick) or rng.random() > share:
            continue
        event, received_ms = item
        lead = lead_of(event) if rng.random() < 0.95 else "user:unseen"
        done = random_follow_up(rng, lead, received_ms, number)
        found += [(done, received_ms)] * rng.choice((1, 1, 1, 2))
    return found


@pytest.mark.share
@pytest.mark.parametrize("name", WHOLE)
def test_hundreds_of_timelines_with_sales_are_scored_as_the_oracle_does(name: str) -> None:
    model, rng = WHOLE[name], Random(f"{name} sales")
    for _ in range(share(50)):
        timeline = with_sales(rng, random_timeline(rng, rng.randint(1, 40), people_max=2))
        sizes = rng.choice(([1] * len(timeline), [], [rng.randint(1, 9) for _ in timeline]))
        assert_agrees(run(model, timeline, sizes), model, timeline)


@settings(max_examples=share(25))
@given(st.randoms(use_true_random=False), st.sampled_from(sorted(WHOLE)), st.integers(0, 30))
def test_a_restart_between_any_two_chunks_changes_nothing(rng: Any, name: str, cut: int) -> None:
    model, timeline = WHOLE[name], with_sales(rng, random_timeline(rng, 30, people_max=1))
    whole = run(model, timeline, [1] * len(timeline))
    first = run(model, timeline[:cut], [1] * cut)
    second = run(model, timeline[cut:], [1] * len(timeline), reopen(first.shard))
    first.outcome.extend(second.outcome)
    assert [alert.id for alert in first.outcome.alerts] == [alert.id for alert in whole.outcome.alerts]
    assert second.shard.leads == whole.shard.leads


@pytest.mark.thorough
@pytest.mark.thorough
def test_the_random_answers_meet_every_case_that_matters() -> None:
    met = dict.fromkeys(("customer", "adjusted", "re-alerted", "quiet", "suppressed"), 0)
    for name, model in WHOLE.items():
        rng = Random(name)
        for _ in range(60):
            timeline = with_sales(rng, random_timeline(rng, 40, people_max=1))
            done = run(model, timeline)
            silent = run(model, [each for each in timeline if isinstance(each, Tick) or "action" not in each[0]])
            for alert in done.outcome.alerts:
                met["customer"] += alert.customer
                met["adjusted"] += any(line.kind == "adjusted" for line in alert.ledger)
                met["re-alerted"] += alert.kind == "entered" and alert.band == alert.from_band
            met["quiet"] += len(silent.outcome.alerts) > len(done.outcome.alerts)
            met["suppressed"] += any(each.sales is not None and each.sales.suppressed for each in done.scores.values())
    assert all(count > 1 for count in met.values()), met


def test_what_sales_did_is_the_same_in_whatever_order_two_leads_merge() -> None:
    def sales(*follow_ups: FollowUp) -> Sales:
        made = Sales()
        for each in follow_ups:
            adjust(made, each, NOW) if each.action == "adjusted" else note(made, each)
        return made

    def sides() -> tuple[Sales, Sales]:
        points = FollowUp(id="p", lead="user:7", action="adjusted", time=NOW, points=5.0, until=NOW + 9, reason="r")
        won = FollowUp(id="a", lead="user:7", action="won", time=NOW)
        lost = FollowUp(id="b", lead="anon:7", action="lost", time=NOW + 1)
        return sales(points, won), sales(points, lost)

    (one, other), (again, before) = sides(), sides()
    assert merge_sales(one, other) == merge_sales(before, again)
    assert one is not None
    assert (STATUSES[one.status], one.is_customer, one.points) == ("lost", True, [5.0])


def test_a_lead_of_whom_sales_did_nothing_takes_one_byte_for_it() -> None:
    with_it = encode_state(LeadState(sales=Sales(status=1, status_at=NOW)))
    assert len(with_it) < len(encode_state(LeadState())) + 30
    assert encode_state(LeadState())[-1:] == b"\xc0"
    assert decode_state(with_it).sales == Sales(status=1, status_at=NOW)
