"""A crossing waits for what the account is, and not for ever."""

from __future__ import annotations

from typing import Any

import msgspec

from scoring.bands import ANSWER_WAIT_MS
from scoring.resolution import Place
from scoring.score_records import LeadScore
from scoring.shard import Outcome, Shard
from tests.unit.builders import NOW, event, model_of, to_record

MODEL = model_of(
    {"ask": {"on": "form_submitted", "points": 120, "half_life_days": 30}},
    {"hot": {"enter": 100, "leave": 80, "fit_min": 5, "cooldown_h": 24}},
    profiles={"default": {"industry": {"weight": 1, "answers": {"software": 9}}}},
)
HERE = Place(0, lambda identity: 0)


def ask(shard: Shard, **fields: Any) -> Outcome:
    return shard.take([to_record(event("e-1", event_type="form_submitted", email="ann@acme.com", **fields))])


def record_of(outcome: Outcome) -> LeadScore:
    return msgspec.json.decode(outcome.scores[b"email:ann@acme.com"], type=LeadScore)


def test_a_crossing_says_nothing_before_the_account_has_answered() -> None:
    shard = Shard(MODEL, {}, place=HERE)
    outcome = ask(shard)
    assert outcome.alerts == []
    assert record_of(outcome).held_back == "waits for what is known of the account"
    assert shard.due_ms <= NOW


def test_without_an_answer_the_fit_is_unknown_after_a_while_by_the_clock() -> None:
    shard = Shard(MODEL, {}, place=HERE)
    ask(shard)
    long_after = NOW + 3_600_000  # what is read behind a backlog gets its time, too
    assert shard.tick(long_after).alerts == []
    assert shard.tick(long_after + ANSWER_WAIT_MS - 1).alerts == []
    (alert,) = shard.tick(long_after + ANSWER_WAIT_MS).alerts
    assert (alert.kind, alert.band, alert.fit, alert.fit_level) == ("entered", "hot", None, "unknown")
    assert alert.cause is not None
    assert alert.cause.id == "e-1"


def test_a_wait_outlives_a_restart() -> None:
    shard = Shard(MODEL, {}, place=HERE)
    ask(shard)
    shard.tick(NOW)
    again = Shard(MODEL, dict(shard.leads), shard.memo, HERE)
    assert len(again.tick(NOW + ANSWER_WAIT_MS).alerts) == 1


def test_without_a_company_nobody_waits() -> None:
    shard = Shard(MODEL, {}, place=HERE)
    outcome = shard.take([to_record(event("e-1", event_type="form_submitted", email="ann@gmail.com"))])
    assert len(outcome.alerts) == 1
