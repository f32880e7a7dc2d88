"""What a backtest says of a lead is what a record-by-record replay would have said, had the history ended there."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.backtest import in_chunks, run_backtest
from scoring.deals import Deal
from scoring.judged import Judged, Judgements
from scoring.model import ScoringModel, parse_model
from scoring.replay import FileRecord, Replay
from tests.known_truth import DAY_MS, HOUR_MS, START_MS

TEXT = """version: 1
rules:
  view: {on: page_viewed, points: 10, half_life_days: 10, points_max: 30}
  demo: {on: form_submitted, points: 60, half_life_days: 30}
  lost: {on: opportunity_lost, points: -50, half_life_days: 30}
traits:
  maker: {answers: {"*maker*": 8}, from: [industry]}
bands: {warm: {enter: 20, leave: 10}, hot: {enter: 50, leave: 30, fit_min: 5, cooldown_h: 24}}
profiles:
  good:
    industry: {weight: 10, answers: {"*maker*": 10, "*": 1}}
signals:
  hand_raise: {kind: hand_raise, rules: [demo]}
"""
OF_PEOPLE = """    busy: {weight: 3, from: [engagement], answers: {">= 120": 10, ">= 60": 5, ">= 0": 0}}
    known: {weight: 3, from: [stakeholders], answers: {">= 3": 10, ">= 2": 5, ">= 1": 0}}
"""
KINDS = ["page_viewed"] * 5 + ["form_submitted", "opportunity_lost"]


@pytest.fixture(scope="module")
def model() -> ScoringModel:
    return parse_model(TEXT, "m.yaml")


@pytest.fixture(scope="module")
def model_of_people() -> ScoringModel:
    """One whose fit is also about who else does something at the account."""
    return parse_model(TEXT.replace("signals:", OF_PEOPLE + "signals:"), "m.yaml")


def at(hour: float) -> int:
    return START_MS + int(hour * HOUR_MS)


def event(hour: float, who: str, kind: str = "page_viewed", **fields: Any) -> FileRecord:
    shown = {"email": who} if "@" in who else {"anonymous_id": who}
    value = {"id": f"{who} {kind} {hour}", "type": kind, "time": at(hour), **shown, **fields}
    return FileRecord(0, at(hour), json.dumps(value).encode())


def told(hour: float, domain: str, **facts: Any) -> FileRecord:
    value = {"id": f"{domain} {hour}", "type": "account_updated", "time": at(hour), "domain": domain, "facts": facts}
    return FileRecord(0, at(hour), json.dumps(value).encode())


def judge(model: ScoringModel, records: list[FileRecord], deals: list[Deal], size: int = 10_000) -> Judgements:
    ordered = sorted(records, key=lambda each: each.timestamp)
    (found,) = run_backtest([model], in_chunks(ordered, size), deals)
    return found


def of(found: Judgements, lead: str) -> Judged:
    return next(each for each in found.judged if each.lead == lead)


ANN, BOB = "ann@acme.com", "bob@acme.com"
WON = [Deal(f"email:{ANN}", True, at(100))]
PAST = [
    told(0, "acme.com", industry="maker"),
    event(1, ANN),
    event(2, ANN, "form_submitted"),
    event(3, BOB),
    event(4, "cookie", "form_submitted"),
]
"""Ann asks for a demo, at a company that fits."""

FUTURE = {
    "of the same lead": event(100, ANN, "form_submitted"),
    "of the same lead, against it": event(100, ANN, "opportunity_lost"),
    "of a colleague": event(100, BOB, "form_submitted"),
    "of a new colleague": event(100, "eve@acme.com", "form_submitted"),
    "who a visitor is": event(100, ANN, anonymous_id="cookie"),
    "of a user id that the lead turns out to have": event(100, ANN, user_id="7"),
    "where the lead works": event(100, ANN, account_id="42"),
    "what the company is": told(100, "acme.com", industry="baker"),
    "which account the company is": FileRecord(
        0, at(100), json.dumps({"id": "u", "type": "account_updated", "time": at(100), "domain": "acme.com",
                                "account_id": "42", "facts": {"industry": "baker"}}).encode(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("later", [0, 1, 50], ids=["in the same millisecond", "1 h later", "50 h later"])
@pytest.mark.parametrize("what", FUTURE)
def test_what_is_planted_in_the_same_chunk_after_the_outcome_changes_nothing(
    model_of_people: ScoringModel, what: str, later: int
) -> None:
    planted = FUTURE[what]
    value = {**json.loads(planted.value or b""), "time": at(100 + later)}
    records = [*PAST, FileRecord(0, at(100 + later), json.dumps(value).encode()), event(300, ANN)]
    without, with_it = judge(model_of_people, PAST, WON), judge(model_of_people, records, WON)
    assert with_it.judged == without.judged
    assert [alert for alert in with_it.alerts if alert[0] < at(100)] == without.alerts


def test_the_same_an_instant_earlier_is_read(model_of_people: ScoringModel) -> None:
    """Else the test above could not fail."""
    without = judge(model_of_people, PAST, WON).judged
    unseen = []
    for what, planted in FUTURE.items():
        value = {**json.loads(planted.value or b""), "time": at(100) - 1}
        records = [*PAST, FileRecord(0, at(100) - 1, json.dumps(value).encode()), event(300, ANN)]
        if judge(model_of_people, records, WON).judged == without:
            unseen.append(what)
    assert unseen == []


def test_a_crossing_waits_for_what_the_company_is_and_not_for_the_end_of_the_chunk(model: ScoringModel) -> None:
    """Many of a lead's events come in one chunk: the first of them asks, and the answer is there before the others."""
    poor = [told(0, "acme.com", industry="baker"), event(1, ANN), event(2, ANN, "form_submitted"), event(3, ANN)]
    assert judge(model, poor, []).alerts == []
    better = judge(model, [*poor, told(5, "acme.com", industry="maker")], [])
    assert len(better.alerts) == 1
    assert judge(model, PAST, WON).alerts == [(at(2), "")]


def messy_history(seed: int) -> tuple[list[FileRecord], list[Deal]]:
    """People of few companies under several identities, companies that change, and deals in between."""
    rng = Random(seed)
    people = [
        {"email": f"p{n}@company{n % 3}.com", "user_id": f"u{n}", "anonymous_id": f"c{n}", "account_id": f"{n % 4}"}
        for n in range(10)
    ]
    records = []
    for number in range(rng.randrange(20, 160)):
        time_ms = START_MS + rng.randrange(20 * DAY_MS) // HOUR_MS * HOUR_MS
        if rng.random() < 0.08:
            domain, industry = f"company{rng.randrange(3)}.com", rng.choice(["maker", "baker"])
            body = {"type": "account_updated", "domain": domain, "facts": {"industry": industry}}
            if rng.random() < 0.3:
                body["account_id"] = str(rng.randrange(4))
        else:
            person = rng.choice(people)
            names = rng.sample(["email", "user_id", "anonymous_id"], rng.choice([1, 1, 1, 2, 3]))
            names += ["account_id"] * (rng.random() < 0.1)
            body = {"type": rng.choice(KINDS), **{name: person[name] for name in names}}
        records.append(FileRecord(number, time_ms, json.dumps({"id": f"e{number}", "time": time_ms, **body}).encode()))
    records.sort(key=lambda each: (each.timestamp, each.offset))
    kinds = ["email:{email}", "user:{user_id}", "anon:{anonymous_id}"]
    deals = [
        Deal(rng.choice(kinds).format(**person), rng.random() < 0.5, START_MS + rng.randrange(21 * 24) * HOUR_MS)
        for person in rng.sample(people, 6)
    ]
    return records, sorted(deals, key=lambda deal: (deal.time_ms, deal.lead))


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=10, deadline=None)
def test_each_lead_is_judged_as_if_the_history_had_ended_there(model_of_people: ScoringModel, seed: int) -> None:
    records, deals = messy_history(seed)
    found = judge(model_of_people, records, deals)
    for each in found.judged:
        ended = judge(model_of_people, [r for r in records if r.timestamp < each.time_ms], deals)
        assert of(ended, each.lead) == each


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=10, deadline=None)
def test_large_chunks_find_what_a_replay_record_by_record_finds(model: ScoringModel, seed: int) -> None:
    records, deals = messy_history(seed)
    replay, hot = Replay(model), []
    for record in records:
        for outcome in (replay.tick(record.timestamp - 1), replay.take([record])):
            hot += [each.time_ms for each in outcome.alerts if (each.kind, each.band) == ("entered", "hot")]
    assert [time_ms for time_ms, _ in judge(model, records, []).alerts] == sorted(hot)

    one_by_one, at_once = (judge(model, records, deals, size) for size in (1, 10_000))
    assert [(each.lead, each.hot_ms) for each in at_once.judged] == [
        (each.lead, each.hot_ms) for each in one_by_one.judged
    ]
    assert [each.score for each in at_once.judged] == pytest.approx([each.score for each in one_by_one.judged])
    assert at_once.alerts == one_by_one.alerts
    assert (at_once.unknown, at_once.too_early, at_once.same) == (
        one_by_one.unknown, one_by_one.too_early, one_by_one.same,
    )  # fmt: skip
