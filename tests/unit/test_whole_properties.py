"""What holds of every lead under every model: order, repetition, ledgers, published records, changed models."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.lead_state import decode_state, encode_state
from scoring.model import ScoringModel
from scoring.score_records import score_later
from tests.oracle import DAY_MS, Tick, expect
from tests.share import share
from tests.unit.agreement import NOTHING
from tests.unit.builders import NOW, Run, Timeline, days, event, live, model_of, reopen, run
from tests.unit.histories import WHOLE, random_timeline, timelines, whole_models

FAR = NOW + days(4_000)
"""After all events of any history."""


def different_events(timeline: Timeline, limit: int = 30) -> list[dict[str, Any]]:
    """Return the events of a timeline with different ids: repetitions with other contents are another matter.

    Fewer than the lead remembers visits, keys and events: what is forgotten depends on the order.
    """
    by_id = {item[0]["id"]: dict(item[0]) for item in timeline if not isinstance(item, Tick)}
    return list(by_id.values())[:limit]


def assert_same_in_any_order(model: ScoringModel, happened: list[dict[str, Any]], random: Random) -> None:
    one, other = (
        run(model, [(each, FAR) for each in order]).scores
        for order in (happened, random.sample(happened, len(happened)))
    )
    assert one.keys() == other.keys()
    for lead, record in one.items():
        twin = other[lead]
        # Coolings of a lead that was in a band on the way move its time, but never past its last event.
        assert (record.at_ms, record.stage, record.account, record.contact) == (
            *(twin.at_ms, twin.stage, twin.account, twin.contact),
        )
        assert (record.traits, record.channels, record.inactive_from_ms) == (
            *(twin.traits, twin.channels, twin.inactive_from_ms),
        )
        for later in (0, 1, days(1), days(7), days(100)):
            at = record.at_ms + later
            assert score_later(record, at) == pytest.approx(score_later(twin, at), abs=2e-6)


@given(whole_models(), timelines(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_score(model: ScoringModel, timeline: Timeline, random: Random) -> None:
    assert_same_in_any_order(model, different_events(timeline), random)


@pytest.mark.share
@pytest.mark.parametrize("name", WHOLE)
def test_any_order_of_arrival_gives_the_same_score_in_realistic_histories(name: str) -> None:
    rng = Random(name)
    for _ in range(share(60)):
        assert_same_in_any_order(WHOLE[name], different_events(random_timeline(rng, 30, ticks=False)), rng)


@given(whole_models(), timelines())
def test_replaying_changes_nothing(model: ScoringModel, timeline: Timeline) -> None:
    first = run(model, timeline)
    states = dict(first.shard.leads)
    events = [item for item in timeline if not isinstance(item, Tick)]
    again = run(model, events, shard=first.shard)
    assert again.outcome.duplicates == again.outcome.events == len(events)
    assert again.outcome.alerts == []
    assert first.shard.leads == states


@given(whole_models(), timelines(), st.lists(st.integers(1, 6)))
def test_the_size_of_the_chunks_makes_no_difference(model: ScoringModel, timeline: Timeline, sizes: list[int]) -> None:
    one, other = run(model, timeline, [1] * len(timeline)), run(model, timeline, sizes)
    assert [said[:5] for said in one.said] == [said[:5] for said in other.said]
    assert one.scores.keys() == other.scores.keys()
    for lead, record in one.scores.items():
        assert msgspec.structs.asdict(record).keys() == msgspec.structs.asdict(other.scores[lead]).keys()
        assert (record.band, record.at_ms) == (other.scores[lead].band, other.scores[lead].at_ms)
        assert record.score == pytest.approx(other.scores[lead].score, abs=1e-9)


@given(whole_models(), timelines(), st.integers(0, 400 * DAY_MS))
def test_the_ledger_sums_to_the_score_at_any_later_time(model: ScoringModel, timeline: Timeline, later_ms: int) -> None:
    done = run(model, timeline)
    scorer = done.shard.scorer
    for lead, raw in done.shard.leads.items():
        state = decode_state(raw)
        at = state.last + later_ms
        ledger = scorer.ledger(state, at)
        total = sum(line.points for line in ledger)
        assert total == pytest.approx(scorer.score(state, at), abs=1.1e-6)
        assert total == pytest.approx(score_later(done.scores[lead.decode()], at), abs=1.1e-6)
        order = [(line.kind == "floor", -abs(line.points), line.kind, line.rule) for line in ledger]
        assert order == sorted(order)
        assert all(line.points for line in ledger if line.kind == "trait")
        assert all(line.points < 0 for line in ledger if line.kind in ("channel", "inactivity"))
        assert sum(line.kind == "floor" for line in ledger) == (
            sum(line.points for line in ledger if line.kind != "floor") < 0
        )


def test_the_ledger_of_an_alert_sums_to_its_score() -> None:
    seen = dict.fromkeys(("rule", "trait", "channel", "inactivity", "floor"), 0)
    for name, model in WHOLE.items():
        rng = Random(name)
        for _ in range(100):
            for alert in run(model, random_timeline(rng, 40)).outcome.alerts:
                assert sum(line.points for line in alert.ledger) == pytest.approx(alert.score, abs=1e-6)
                for line in alert.ledger:
                    seen[line.kind] += 1
    assert all(count > 20 for count in seen.values()), seen


@given(whole_models(), timelines(), st.lists(st.integers(0, 400 * DAY_MS), max_size=5))
def test_a_published_record_tells_the_score_at_any_later_time(
    model: ScoringModel, timeline: Timeline, waits_ms: list[int]
) -> None:
    done, leads = run(model, timeline), expect(model, timeline).leads
    for name, record in done.scores.items():
        state = decode_state(done.shard.leads[name.encode()])
        step = record.inactive_from_ms
        steps = [step - 1, step] if step is not None and step > record.at_ms else []
        for at in (*(record.at_ms + wait_ms for wait_ms in waits_ms), *steps):
            later = score_later(record, at)
            assert later == pytest.approx(done.shard.scorer.score(state, at), abs=1e-6)
            assert later == pytest.approx(leads[name].score_at(at), abs=2e-6)


@given(whole_models(), timelines())
def test_a_lead_keeps_its_band_until_it_cools_and_not_a_ms_longer(model: ScoringModel, timeline: Timeline) -> None:
    for record in run(model, timeline).scores.values():
        if record.band == "cold":
            assert record.cools_at_ms is None
            continue
        leave = model.bands[record.band].leave
        held_until = record.held_until_ms or 0 if record.band == list(model.bands)[-1] else 0
        start = max(record.at_ms, held_until)
        end = record.cools_at_ms if record.cools_at_ms is not None else start + days(20_000)
        if record.cools_at_ms is not None:
            assert score_later(record, end) < leave + NOTHING
        around = [at for at in (record.inactive_from_ms or 0, (record.inactive_from_ms or 0) - 1) if start <= at < end]
        scan = [start + (end - 1 - start) * step // 300 for step in range(301)] if end > start else []
        assert all(score_later(record, at) >= leave - 2 * NOTHING for at in (*scan, *around))


@given(whole_models(), timelines())
def test_a_state_survives_its_bytes(model: ScoringModel, timeline: Timeline) -> None:
    for raw in run(model, timeline).shard.leads.values():
        state = decode_state(raw)
        assert encode_state(state) == raw
        header = 1 if raw[0] >> 4 == 0x9 else 3
        assert raw[header] == 0xCF
        assert int.from_bytes(raw[header + 1 : header + 9]) == state.cools_at


@given(whole_models(), timelines(), st.integers(0, 20))
def test_a_restart_makes_no_difference(model: ScoringModel, timeline: Timeline, at: int) -> None:
    first = run(model, timeline[:at])
    rest = run(model, timeline[at:], shard=reopen(first.shard))
    whole = run(model, timeline, [1] * len(timeline))
    assert [said[:5] for said in (*first.said, *rest.said)] == [said[:5] for said in whole.said]
    for lead, record in whole.scores.items():
        latest = rest.scores.get(lead) or first.scores[lead]
        assert (latest.band, latest.stage, latest.account) == (record.band, record.stage, record.account)
        assert latest.score == pytest.approx(record.score, abs=1e-9)


# ── a changed model ──────────────────────────────────────────────────────────────────────────────────────────


def changed_points(model: ScoringModel, random: Random) -> ScoringModel:
    """Return a model with the same rules' half-lives and conditions, but other points, ceilings, traits and bands."""
    rules = {
        name: rule.model_copy(update={"points": rule.points * random.choice((0.5, 1, 2)), "points_max": float("inf")})
        for name, rule in model.rules.items()
    }
    traits = {
        name: trait if trait.is_question else trait.model_copy(update={"points": trait.points + 3})
        for name, trait in model.traits.items()
        if random.random() < 0.8
    }
    channels = {
        name: channel.model_copy(update={"points_max": channel.points_max * 1.5})
        for name, channel in model.channels.items()
        if random.random() < 0.8
    }
    return model.model_copy(update={"rules": rules, "traits": traits, "channels": channels, "version": "v2"})


def settled(done: Run, model: ScoringModel) -> Run:
    """Return what a shard says under another model of every lead, after an event that nothing counts."""
    ends = [
        (event("end", FAR, "form_failed", **_identity(lead)), FAR)
        for lead in (raw.decode() for raw in done.shard.leads)
    ]
    return run(model, ends, shard=reopen(done.shard, model))


def _identity(lead: str) -> dict[str, str]:
    kind, _, name = lead.partition(":")
    return {{"email": "email", "user": "user_id", "anon": "anonymous_id"}[kind]: name}


@pytest.mark.parametrize("name", WHOLE)
def test_other_points_ceilings_and_traits_apply_to_what_was_counted_before(name: str) -> None:
    rng = Random(name)
    for _ in range(40):
        timeline = random_timeline(rng, 25, ticks=False)
        after = changed_points(WHOLE[name], rng)
        found = settled(run(WHOLE[name], timeline), after)
        for lead, oracle in expect(after, timeline).leads.items():
            assert found.scores[lead].score == pytest.approx(oracle.score_at(FAR), abs=2e-6)
            assert {line.trait: line.points for line in found.scores[lead].traits if line.points} == oracle.trait_points


def test_a_channel_that_is_new_in_the_model_cuts_what_was_counted_before() -> None:
    rule = {"view": {"on": "page_viewed", "points": 10, "half_life_days": 36_500, "channel": "web"}}
    before, after = model_of(rule), model_of(rule, channels={"web": {"points_max": 15}})
    first = run(before, live([event("a"), event("b")]))
    assert first.score() == 20.0
    done = run(after, live([event("c", NOW, "email_opened")]), shard=reopen(first.shard, after))
    assert done.score() == 15.0
