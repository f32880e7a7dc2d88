"""Ticks: the clock passes, and everything that is due has cooled, at its own time."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.model import ScoringModel
from scoring.replay import Replay
from scoring.shard import Outcome, Shard
from scoring.timers import NEVER
from tests.oracle import Said, Tick, expect
from tests.share import share
from tests.unit.agreement import TINY_MS, agreed, assert_same_alerts
from tests.unit.builders import NOW, Timed, Timeline, days, event, live, model_of, reopen, run, said_of, to_record
from tests.unit.histories import WHOLE, random_timeline, timelines, whole_models

BANDS = {
    "warm": {"enter": 30, "leave": 20, "cooldown_h": 0},
    "hot": {"enter": 60, "leave": 50, "cooldown_h": 0},
}
MODEL = model_of({"view": {"on": "page_viewed", "points": 40, "half_life_days": 10}}, BANDS)
LATE = days(999)


def kinds(timeline: Timeline, model: ScoringModel = MODEL) -> list[str]:
    return [alert.kind for alert in agreed(model, timeline).outcome.alerts]


def cools_at(*names: str, model: ScoringModel = MODEL) -> int:
    """Return when a lead with these events, all at once, cools."""
    time_ms = run(model, live([event(name) for name in names])).scores["user:7"].cools_at_ms
    assert time_ms is not None
    return time_ms


# ── one lead ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tick_cools_a_lead_exactly_when_it_is_due() -> None:
    due = cools_at("a")
    assert kinds([*live([event("a")]), Tick(due - 1)]) == ["entered"]
    assert kinds([*live([event("a")]), Tick(due)]) == ["entered", "cooled"]


def test_a_late_tick_tells_the_exact_time_and_the_score_of_then() -> None:
    _, cooled = agreed(MODEL, [*live([event("a")]), Tick(NOW + LATE)]).outcome.alerts
    assert (cooled.time_ms, cooled.cause) == (cools_at("a"), None)
    assert cooled.score == pytest.approx(20, abs=1e-5)
    assert cooled.score < 20


def test_a_tick_says_what_an_event_at_its_time_would_have_said_before_its_own() -> None:
    due = cools_at("a")
    by_tick = agreed(MODEL, [*live([event("a")]), Tick(due)]).said
    by_event = agreed(MODEL, live([event("a"), event("b", due, "email_opened")])).said
    assert_same_alerts(by_tick, by_event)


def test_a_second_tick_has_nothing_to_say() -> None:
    again = [Tick(NOW + LATE), Tick(NOW + LATE), Tick(NOW + 2 * LATE)]
    assert kinds([*live([event("a")]), *again]) == ["entered", "cooled"]


def test_a_tick_in_the_past_has_nothing_to_say() -> None:
    assert kinds([*live([event("a", NOW)]), Tick(NOW - days(1))]) == ["entered"]
    assert kinds([Tick(NOW), Tick(0)]) == []


def test_a_lead_may_fall_twice_in_one_tick_and_ends_its_alert_once() -> None:
    done = agreed(MODEL, [*live([event("a"), event("b")]), Tick(NOW + LATE)])
    assert [(alert.kind, alert.from_band, alert.band) for alert in done.outcome.alerts] == [
        ("entered", "cold", "warm"),
        ("entered", "warm", "hot"),
        ("cooled", "hot", "warm"),
    ]
    assert done.scores["user:7"].band == "cold"


def test_a_tick_between_two_falls_leaves_the_second_to_come() -> None:
    first = cools_at("a", "b")
    done = agreed(MODEL, [*live([event("a"), event("b")]), Tick(first)])
    record = done.scores["user:7"]
    assert (record.band, record.at_ms) == ("warm", first)
    assert record.cools_at_ms == pytest.approx(NOW + days(20), abs=60_000)


def test_a_cooled_lead_lives_at_the_time_of_its_cooling() -> None:
    due = cools_at("a")
    done = agreed(MODEL, [*live([event("a")]), Tick(NOW + LATE)])
    record = done.scores["user:7"]
    assert (record.at_ms, record.band, record.cools_at_ms) == (due, "cold", None)
    assert record.score == pytest.approx(20, abs=1e-5)


def test_a_cooled_lead_tells_when_it_did_something_last() -> None:
    replay = Replay(MODEL)
    replay.take([to_record(event("e-1"))])
    (before,) = replay.scores()
    assert (before.at_ms, before.seen_at_ms, before.seen_ms) == (NOW, None, NOW)
    replay.tick(NOW + LATE)
    (cooled,) = replay.scores()
    assert cooled.at_ms > NOW
    assert (cooled.seen_at_ms, cooled.seen_ms) == (NOW, NOW)


def test_a_lead_that_did_not_cool_keeps_its_time() -> None:
    assert agreed(MODEL, [*live([event("a")]), Tick(NOW + 1)]).scores["user:7"].at_ms == NOW


def test_an_event_that_comes_after_the_cooling_it_precedes_counts_as_late() -> None:
    due = cools_at("a")
    late = event("b", due - days(1))
    entered, cooled, again = agreed(MODEL, [*live([event("a")]), Tick(due), (late, due)]).outcome.alerts
    assert (entered.time_ms, cooled.time_ms, again.time_ms) == (NOW, due, due)
    assert again.cause is not None
    assert again.cause.time_ms == due - days(1)
    assert again.score == pytest.approx(20 + 40 * 2**-0.1, abs=1e-5)


def test_a_hold_is_due_at_its_end() -> None:
    held = model_of(
        {"form": {"on": "form_submitted", "points": 1, "half_life_days": 10, "hot": {"hold_days": 3}}}, BANDS
    )
    form = live([event("a", event_type="form_submitted")])
    assert kinds([*form, Tick(NOW + days(3) - 1)], held) == ["entered"]
    assert kinds([*form, Tick(NOW + days(3))], held) == ["entered", "cooled"]


def test_who_was_not_told_of_is_not_told_of_cooling() -> None:
    old: Timeline = [(event("a"), NOW + days(9)), Tick(NOW + LATE)]
    assert kinds(old) == []
    assert agreed(MODEL, old).scores["user:7"].band == "cold"


# ── several leads ────────────────────────────────────────────────────────────────────────────────────────────


def test_leads_cool_in_the_order_of_time_and_then_of_name() -> None:
    people = [("c", 0), ("a", 5), ("b", 0), ("d", -5), ("é", 0), ("Z", 0)]
    events = [event(name, NOW + after_ms, user_id=name) for name, after_ms in people]
    done = agreed(MODEL, [*((each, NOW + 5) for each in events), Tick(NOW + LATE)])
    cooled = [alert.lead for alert in done.outcome.alerts if alert.kind == "cooled"]
    assert cooled == [f"user:{name}" for name in ("d", "Z", "b", "c", "é", "a")]


def test_a_tick_touches_only_who_is_due() -> None:
    events = live([event("a", user_id="early"), event("b", NOW + days(5), user_id="late")])
    shard = run(MODEL, events).shard
    outcome = shard.tick(cools_at("a"))
    assert list(outcome.states) == list(outcome.scores) == [b"user:early"]
    assert (outcome.events, outcome.duplicates, outcome.refusals) == (0, 0, [])
    assert shard.tick(cools_at("a")) == Outcome(clock_ms=cools_at("a"))


def test_due_is_when_the_next_lead_may_cool() -> None:
    assert Shard(MODEL, {}).due_ms == NEVER == 1 << 62
    cold = run(MODEL, live([event("a", event_type="email_opened")])).shard
    assert cold.due_ms == NEVER
    shard = run(MODEL, live([event("a", user_id="1"), event("b", NOW + days(5), user_id="2")])).shard
    assert shard.due_ms == cools_at("a")
    shard.tick(shard.due_ms)
    assert shard.due_ms == pytest.approx(cools_at("a") + days(5), abs=TINY_MS)
    shard.tick(shard.due_ms)
    assert shard.due_ms == NEVER


def test_a_reopened_shard_knows_what_is_due() -> None:
    shard = run(MODEL, live([event("a")])).shard
    again = reopen(shard)
    assert again.due_ms == shard.due_ms == cools_at("a")
    assert [alert.kind for alert in again.tick(again.due_ms).alerts] == ["cooled"]


def test_a_replay_ticks_as_a_shard_does() -> None:
    replay = Replay(MODEL)
    replay.take([to_record(event("a"))])
    assert [alert.kind for alert in replay.tick(NOW + LATE).alerts] == ["cooled"]
    assert [(score.band, score.at_ms) for score in replay.scores()] == [("cold", cools_at("a"))]


# ── any history ──────────────────────────────────────────────────────────────────────────────────────────────


def in_time(timeline: Timeline) -> Timeline:
    """Return the events of a timeline without ticks, none of them late, each received at once."""
    events = [dict(item[0]) for item in timeline if not isinstance(item, Tick)]
    return live(sorted(events, key=lambda happened: happened["time"]))


def ticking(history: Timeline, rng: Random) -> Timeline:
    """Return a history with ticks between its events, none of them after an event that is to come."""
    timeline: list[Timed] = []
    clock = NOW - days(200)
    for item in history:
        assert not isinstance(item, Tick)
        timeline += [Tick(rng.randint(clock, item[0]["time"])) for _ in range(rng.choice((0, 0, 1, 3)))]
        clock = item[0]["time"]
        timeline.append(item)
    return timeline


def by_lead(done: Outcome) -> list[Said]:
    return sorted(
        (said_of(alert) for alert in done.alerts), key=lambda said: (said.lead, said.time_ms, said.kind != "cooled")
    )


def assert_ticks_make_no_difference(model: ScoringModel, history: Timeline, rng: Random) -> None:
    end = Tick(NOW + days(20_000))
    often, never = (run(model, [*each, end]) for each in (ticking(history, rng), history))
    assert_same_alerts(by_lead(often.outcome), by_lead(never.outcome))
    assert {lead: score.band for lead, score in often.scores.items()} == {
        lead: score.band for lead, score in never.scores.items()
    }


@given(whole_models(), timelines(), st.randoms(use_true_random=False))
def test_ticking_often_or_never_gives_the_same_alerts(model: ScoringModel, timeline: Timeline, random: Random) -> None:
    assert_ticks_make_no_difference(model, in_time(timeline), random)


@pytest.mark.share
@pytest.mark.parametrize("name", WHOLE)
def test_ticking_often_or_never_gives_the_same_alerts_in_realistic_histories(name: str) -> None:
    rng = Random(name)
    for _ in range(share(40)):
        assert_ticks_make_no_difference(WHOLE[name], in_time(random_timeline(rng, 30)), rng)


@given(whole_models(), timelines(), st.integers(-days(10), days(200)))
def test_a_tick_says_exactly_what_is_due(model: ScoringModel, timeline: Timeline, after_ms: int) -> None:
    done, clock = run(model, timeline), NOW + after_ms
    due = {
        lead for lead, record in done.scores.items() if record.cools_at_ms is not None and record.cools_at_ms <= clock
    }
    outcome = done.shard.tick(clock)
    assert {lead.decode() for lead in outcome.scores} == due
    assert {alert.lead for alert in outcome.alerts} <= due
    assert [(a.time_ms, a.lead) for a in outcome.alerts] == sorted((a.time_ms, a.lead) for a in outcome.alerts)
    assert done.shard.due_ms > clock
    assert_same_alerts([*done.said, *map(said_of, outcome.alerts)], expect(model, [*timeline, Tick(clock)]).said)


@given(whole_models(), timelines())
def test_ticking_whenever_something_is_due_ends_with_everybody_cold_or_steady(
    model: ScoringModel, timeline: Timeline
) -> None:
    done = run(model, timeline)
    for _ in range(200):
        if done.shard.due_ms == NEVER:
            break
        done.shard.tick(done.shard.due_ms)
    assert done.shard.due_ms == NEVER


@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 1_000), st.integers(1, 3), st.booleans())
def test_ticks_of_some_leads_at_a_time_say_what_one_tick_says(
    name: str, seed: int, leads_max: int, is_reopened: bool
) -> None:
    rng = Random(seed)
    events = [item for item in random_timeline(rng, 40) if not isinstance(item, Tick)]
    whole, some = run(WHOLE[name], events).shard, run(WHOLE[name], events).shard
    if is_reopened:
        some = reopen(some)  # its timers are exact now; those that were put off are not
    clock_ms = NOW + LATE
    expected, alerts, reached = whole.tick(clock_ms), [], 0
    while reached < clock_ms:
        outcome = some.tick(clock_ms, leads_max)
        assert outcome.clock_ms > reached
        reached = outcome.clock_ms
        alerts += outcome.alerts
    alerts.sort(key=lambda alert: (alert.time_ms, alert.lead))
    assert (alerts, some.leads) == (expected.alerts, whole.leads)
