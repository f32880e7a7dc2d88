"""Chunks with bad records, failing rules and extreme histories: a shard goes on, and stays exact."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from scoring.errors import EventError
from scoring.events import REASONS, decode_event
from scoring.lead_state import decode_state
from scoring.leads import LeadScorer
from scoring.model import ScoringModel
from scoring.replay import FileRecord, Replay, read_records
from scoring.shard import Outcome, Shard
from tests.oracle import expect
from tests.unit.builders import NOW, days, event, live, model_of, run, to_record
from tests.unit.histories import REALISTIC, histories

MODEL = model_of(
    {
        "view": {"on": "page_viewed", "points": 10, "half_life_days": 7},
        "bounce": {"on": "email_bounced", "points": -5, "half_life_days": 7},
    },
    {"warm": {"enter": 20, "leave": 10, "cooldown_h": 1}},
)

# ── bad records ──────────────────────────────────────────────────────────────────────────────────────────────


def records_of(values: list[bytes | None]) -> list[FileRecord]:
    return [to_record(value, NOW, offset) for offset, value in enumerate(values)]


def is_good(value: bytes | None) -> bool:
    try:
        return value is not None and bool(decode_event(value, NOW).lead_id)
    except EventError:
        return False


good_values = st.builds(
    lambda number, lead: json.dumps(event(f"e-{number}", NOW, user_id=lead)).encode(),
    st.integers(0, 9),
    st.sampled_from("12"),
)


@given(st.lists(st.one_of(good_values, st.binary(max_size=40), st.none()), max_size=12))
def test_garbage_is_refused_one_by_one_and_the_rest_is_scored_as_if_alone(values: list[bytes | None]) -> None:
    outcome = Shard(MODEL, {}).take(records_of(values))
    assert [refusal.index for refusal in outcome.refusals] == [
        index for index, value in enumerate(values) if not is_good(value)
    ]
    assert {refusal.error.reason for refusal in outcome.refusals} <= set(REASONS) - {"failed"}
    alone = Shard(MODEL, {}).take(records_of([value for value in values if is_good(value)]))
    assert outcome.events == len(values)
    assert (outcome.states, outcome.scores, outcome.alerts) == (alone.states, alone.scores, alone.alerts)
    assert outcome.duplicates == alone.duplicates


def test_a_record_without_a_value_is_malformed() -> None:
    (refusal,) = Shard(MODEL, {}).take([to_record(None)]).refusals
    assert (refusal.index, refusal.error.reason) == (0, "malformed")


def test_an_event_without_an_identity_is_refused_and_leaves_no_lead() -> None:
    nobody = json.dumps({"id": "e", "type": "page_viewed", "time": NOW}).encode()
    shard = Shard(MODEL, {})
    outcome = shard.take([to_record(nobody)])
    assert [refusal.error.reason for refusal in outcome.refusals] == ["missing_field"]
    assert shard.leads == {}


def test_an_empty_chunk_causes_nothing() -> None:
    assert Shard(MODEL, {}).take([]) == Outcome()


# ── scoring that fails ───────────────────────────────────────────────────────────────────────────────────────


class BoomError(Exception):
    """Raised by a test of a rule."""


def failing_shard(model: ScoringModel, poison: str) -> Shard:
    """Return a shard whose first rule for page views raises where the property ``poison`` is given."""
    shard = Shard(model, {})
    selection = shard.book.by_type["page_viewed"]
    first, *others = selection.all

    def test(properties: Mapping[str, Any]) -> bool:
        if poison in properties:
            raise BoomError("out of luck")
        return True if first.test is None else first.test(properties)

    selection.all, selection.key = [*others, replace(first, test=test)], None
    shard.scorer = LeadScorer(shard.book)
    return shard


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_record_that_scoring_fails_on_is_refused_alone(size: int) -> None:
    history = live([event(f"e-{n}", NOW + n, user_id=str(n % 2)) for n in range(8)])
    poisoned = [*history]
    poisoned.insert(3, (event("bad", NOW + 3, properties={"poison": 1}, user_id="1"), NOW + 3))
    done = run(MODEL, poisoned, [size] * 9, shard=failing_shard(MODEL, "poison"))
    without = run(MODEL, history, shard=failing_shard(MODEL, "poison"))
    (refusal,) = done.outcome.refusals
    assert refusal.error.reason == "failed"
    assert str(refusal.error) == "scoring failed: BoomError: out of luck"
    assert refusal.index == 3 % size
    assert done.outcome.events == 9
    assert done.said == without.said
    assert done.scores == without.scores
    assert done.shard.leads == without.shard.leads


def test_a_failed_record_leaves_its_lead_as_it_was_and_may_come_again() -> None:
    shard = failing_shard(MODEL, "poison")
    run(MODEL, live([event("a")]), shard=shard)
    before = dict(shard.leads)
    bad = event("b", properties={"poison": 1})
    assert [refusal.error.reason for refusal in run(MODEL, live([bad]), shard=shard).outcome.refusals] == ["failed"]
    assert shard.leads == before
    assert run(MODEL, live([event("b")]), shard=shard).score() == 20.0


def test_several_failing_records_are_refused_at_their_places_among_the_malformed() -> None:
    bad = json.dumps(event("bad", properties={"poison": 1})).encode()
    good = json.dumps(event("good")).encode()
    outcome = failing_shard(MODEL, "poison").take(records_of([bad, b"{", good, bad, None, good]))
    assert [(refusal.index, refusal.error.reason) for refusal in outcome.refusals] == [
        (0, "failed"),
        (1, "malformed"),
        (3, "failed"),
        (4, "malformed"),
    ]
    assert (outcome.events, outcome.duplicates, len(outcome.states)) == (6, 1, 1)


# ── extremes ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_ten_thousand_events_of_one_lead_within_a_second_are_scored_within_seconds() -> None:
    model = REALISTIC["two bands"]
    kinds = ("page_viewed", "file_downloaded", "link_clicked", "email_replied", "email_bounced")
    history = live(
        [
            event(f"e-{n}", NOW + n // 10, kinds[n % 5], properties={"asset": n, "path": "/pricing"})
            for n in range(10_000)
        ]
    )
    start = perf_counter()
    done = run(model, history, [500] * 20)
    assert perf_counter() - start < 10
    # 2,000 of each kind: 40 − 50 of downloads and bounces, 9 of clicks, 20 + 10 of views, 15 of each reply.
    replies = sum(15 * 2.0 ** ((happened["time"] - NOW - 999) / days(45)) for happened, _ in history[3::5])
    assert done.score() == pytest.approx(40 - 50 + 9 + 20 + 10 + replies, abs=1e-5)
    assert done.outcome.refusals == []
    assert len(next(iter(done.shard.leads.values()))) < 3_000


def test_twenty_years_of_silence_leave_a_finite_score_near_zero() -> None:
    model = REALISTIC["three bands, all alerting, quick to fade"]
    there = NOW + days(20 * 365)
    history = live([event("a"), event("b", event_type="email_bounced"), event("c", event_type="email_replied")])
    done = run(model, [*history, *live([event("d", there)])])
    assert done.score() == 7.0
    back = run(model, [*history, *live([event("z", there, "email_opened"), event("late", NOW + 5)])])
    assert 0.0 <= back.score() < 1e-6
    assert all(math.isfinite(count) for raw in back.shard.leads.values() for count in decode_state(raw).counts)


def test_the_largest_points_and_the_longest_half_life_stay_exact() -> None:
    model = model_of({"view": {"on": "page_viewed", "points": 10_000, "half_life_days": 36_500}})
    history = live([event(f"e-{n}", NOW + days(n)) for n in range(200)])
    assert run(model, history).score() == pytest.approx(
        expect(model, history).leads["user:7"].score_at(NOW + days(199)), abs=1e-5
    )


def test_the_memory_of_a_lead_is_bounded() -> None:
    model = REALISTIC["two bands"]

    def size(count: int) -> int:
        downloads = [
            event(f"e-{n}", NOW + n, "file_downloaded", properties={"asset": f"asset {n}"}) for n in range(count)
        ]
        return len(run(model, live(downloads)).shard.leads[b"user:7"])

    assert size(64) < size(65) + 64
    assert size(65) == size(99) == size(500) - 2  # what the latest match was about is a text


def test_a_lead_that_cools_and_rises_again_and_again_does_not_slow_a_shard() -> None:
    """With penalties and three bands this is the dearest thing that a lead can do."""
    model = REALISTIC["three bands, all alerting, quick to fade"]
    kinds = ("email_replied", "page_viewed", "file_downloaded", "email_bounced")
    history = live(
        [event(f"e-{n}", NOW + n * 3_600_000, kinds[n % 4], properties={"asset": n % 7}) for n in range(5_000)]
    )
    start = perf_counter()
    done = run(model, history, [100] * 50)
    assert perf_counter() - start < 10
    assert done.outcome.alerts


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────


KEYS = {"right": None, "none": None, "foreign": b"order-7", "not UTF-8": b"\xff"}


@given(histories(max_size=12), st.lists(st.sampled_from(list(KEYS)), min_size=12) | st.just(["right"] * 12))
def test_a_records_key_changes_nothing(history: list[tuple[dict[str, Any], int]], kinds: list[str]) -> None:
    plain = [to_record(happened, received, offset) for offset, (happened, received) in enumerate(history)]
    plain.append(to_record(b"not an event", NOW, len(plain)))
    leads = [decode_event(record.value or b"", 1 << 60).lead_id.encode() for record in plain[:-1]]
    keys = [lead if kind == "right" else KEYS[kind] for lead, kind in zip(leads, kinds, strict=False)]
    keyed = [structs.replace(record, key=key) for record, key in zip(plain, [*keys, b"user:7"], strict=True)]
    expected, outcome = (Shard(REALISTIC["two bands"], {}).take(records) for records in (plain, keyed))
    assert (outcome.states, outcome.scores, outcome.alerts) == (expected.states, expected.scores, expected.alerts)
    assert outcome.duplicates == expected.duplicates
    assert [refusal.index for refusal in outcome.refusals] == [len(history)]


def test_keys_that_only_look_alike_are_told_apart() -> None:
    record = to_record(event("a", user_id="\ufffd"))
    again = to_record(event("b", user_id="\ufffd"), offset=1)
    keyed = [structs.replace(record, key=b"user:\xff"), structs.replace(again, key="user:\ufffd".encode())]
    assert Shard(MODEL, {}).take(keyed).scores == Shard(MODEL, {}).take([record, again]).scores


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────


@given(histories(max_size=12), st.booleans())
def test_a_file_is_scored_as_its_records_are(history: list[tuple[dict[str, Any], int]], is_live: bool) -> None:
    model, now_ms = REALISTIC["two bands"], NOW + days(400)
    lines = [json.dumps(happened).encode() + b"\n" for happened, _ in history]
    records = list(read_records([*lines, b"\n", b"  \n"], now_ms, live=is_live))
    assert [record.offset for record in records] == list(range(len(lines)))
    received = [record.timestamp for record in records]
    if is_live:
        latest = 0
        for timestamp, (happened, _) in zip(received, history, strict=True):
            latest = max(latest, happened["time"])
            assert timestamp == latest
    else:
        assert received == [now_ms] * len(lines)
    replay = Replay(model)
    outcome = replay.take(records)
    done = run(model, [(happened, timestamp) for (happened, _), timestamp in zip(history, received, strict=True)])
    assert [alert.id for alert in outcome.alerts] == [alert.id for alert in done.outcome.alerts]
    assert {score.lead: score for score in replay.scores()} == done.scores


def test_a_line_of_a_file_that_is_no_event_is_refused_and_moves_no_clock() -> None:
    lines = [b"nonsense", json.dumps(event("a")).encode(), b'{"time": "soon"}', b'{"time": 1e99}', b"\xff"]
    records = list(read_records(lines, NOW + 1, live=True))
    assert [record.timestamp for record in records] == [0, NOW, NOW, NOW, NOW]
    outcome = Replay(MODEL).take(records)
    assert [refusal.index for refusal in outcome.refusals] == [0, 2, 3, 4]
