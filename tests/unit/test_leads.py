"""What holds of every lead: order, duplicates, ledgers, published records and coolings."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scoring.alerts import alert_id, cooled_id
from scoring.conditions import Condition, holds
from scoring.cooling import ROUNDING
from scoring.lead_state import decode_state, encode_state
from scoring.model import ScoringModel, parse_model
from scoring.replay import FileRecord
from scoring.rules import compile_condition
from scoring.score_records import score_later
from scoring.shard import Shard
from tests.oracle import DAY_MS
from tests.unit.builders import NOW, History, days, event, hours, live, model_of, reopen, run
from tests.unit.histories import REALISTIC, histories, models, random_history

# ── order and duplicates ─────────────────────────────────────────────────────────────────────────────────────


def of_one_lead(history: History) -> list[dict[str, Any]]:
    """Return the events with different ids, all of one lead: duplicates with other contents are another matter."""
    return [dict(happened, user_id="7") for happened in {one["id"]: one for one, _ in history}.values()]


@given(models(), histories(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_score(model: ScoringModel, history: History, random: Random) -> None:
    happened = of_one_lead(history)
    assume(happened)
    shuffled = random.sample(happened, len(happened))
    one, other = (run(model, [(e, NOW + 300 * DAY_MS) for e in order]) for order in (happened, shuffled))
    assert one.scores["user:7"].at_ms == other.scores["user:7"].at_ms
    for later in (0, days(1), days(100)):
        at = one.scores["user:7"].at_ms + later
        ours, theirs = score_later(one.scores["user:7"], at), score_later(other.scores["user:7"], at)
        assert ours == pytest.approx(theirs, abs=2e-6)


@given(models(), histories())
def test_a_second_pass_over_a_file_changes_nothing(model: ScoringModel, history: History) -> None:
    first = run(model, history)
    states = dict(first.shard.leads)
    second = run(model, history, shard=first.shard)
    assert second.outcome.duplicates == second.outcome.events == len(history)
    assert second.outcome.alerts == []
    assert first.shard.leads == states
    assert second.scores == first.scores


def test_an_event_is_known_again_among_the_last_64_and_not_beyond() -> None:
    model = model_of({"view": {"on": "page_viewed", "points": 1, "half_life_days": 36_500}})
    first = [event("again"), *(event(f"e-{number}") for number in range(63))]
    assert run(model, live([*first, event("again")])).outcome.duplicates == 1
    assert run(model, live([*first, event("again")])).score() == 64.0
    beyond = [*first, event("e-63"), event("again")]
    assert run(model, live(beyond)).outcome.duplicates == 0
    assert run(model, live(beyond)).score() == 66.0


def test_a_repeated_id_of_another_lead_is_no_duplicate() -> None:
    model = model_of({"view": {"on": "page_viewed", "points": 1, "half_life_days": 1}})
    done = run(model, live([event("same", user_id="1"), event("same", user_id="2"), event("same", email="1@x.org")]))
    assert done.outcome.duplicates == 0
    assert {lead: score.score for lead, score in done.scores.items()} == {"user:1": 1, "user:2": 1, "email:1@x.org": 1}


def test_once_per_keys_are_known_again_among_the_last_64_and_not_beyond() -> None:
    model = model_of({"view": {"on": "page_viewed", "points": 1, "half_life_days": 36_500, "once_per": "asset"}})
    keyed = [event(f"e-{key}", properties={"asset": key}) for key in range(64)]
    again = event("again", properties={"asset": 0})
    assert run(model, live([*keyed, again])).score() == 64.0
    assert run(model, live([*keyed, event("e-64", properties={"asset": 64}), again])).score() == 66.0


def test_once_per_keys_of_two_rules_are_kept_apart_and_a_missing_one_counts_once() -> None:
    rule = {"on": "page_viewed", "half_life_days": 36_500, "once_per": "asset"}
    model = model_of({"one": {**rule, "points": 1}, "ten": {**rule, "points": 10}})
    unknown = [event("a"), event("b"), event("c", properties={"asset": None}), event("d", properties={"other": 1})]
    assert run(model, live(unknown)).score() == 11.0
    assert run(model, live([*unknown, event("e", properties={"asset": "x"})])).score() == 22.0


def test_an_earlier_event_of_a_once_per_key_moves_the_match_back() -> None:
    model = model_of({"view": {"on": "page_viewed", "points": 8, "half_life_days": 1, "once_per": "asset"}})
    same = {"properties": {"asset": "x"}}
    done = run(model, live([event("late", NOW + days(1), **same), event("early", NOW, **same)]))
    assert done.score() == 4.0
    later = event("later", NOW + days(2), **same)
    assert run(model, live([later]), shard=done.shard).score() == 2.0


# ── ledgers and published records ────────────────────────────────────────────────────────────────────────────


@given(models(), histories(), st.integers(0, 400 * DAY_MS))
def test_the_ledger_sums_to_the_score_at_any_later_time(model: ScoringModel, history: History, later_ms: int) -> None:
    done = run(model, history)
    scorer = done.shard.scorer
    for raw in done.shard.leads.values():
        state = decode_state(raw)
        at = state.last + later_ms
        ledger = scorer.ledger(state, at)
        assert round(sum(line.points for line in ledger), 6) == pytest.approx(scorer.score(state, at), abs=1.1e-6)
        lines = [line for line in ledger if line.rule != "floor"]
        assert [abs(line.points) for line in lines] == sorted((abs(line.points) for line in lines), reverse=True)
        assert all(line.points_max is None or abs(line.points) <= line.points_max for line in lines)
        assert (len(lines) < len(ledger)) == (sum(line.points for line in lines) < 0)


def test_the_ledger_of_an_alert_sums_to_its_score() -> None:
    seen = 0
    for name, model in REALISTIC.items():
        rng = Random(name)
        for _ in range(60):
            for alert in run(model, random_history(rng, 40)).outcome.alerts:
                assert sum(line.points for line in alert.ledger) == pytest.approx(alert.score, abs=1e-6)
                seen += 1
    assert seen > 100


def test_a_sum_below_zero_is_lifted_by_a_floor_line() -> None:
    model = model_of({"bounce": {"on": "email_bounced", "points": -50, "half_life_days": 30}})
    done = run(model, live([event("a", event_type="email_bounced")]))
    ledger = done.shard.scorer.ledger(decode_state(done.shard.leads[b"user:7"]), NOW)
    assert [(line.rule, line.points) for line in ledger] == [("bounce", -50.0), ("floor", 50.0)]
    assert done.score() == 0.0


@given(models(), histories(), st.integers(0, 400 * DAY_MS))
def test_a_published_record_tells_the_score_at_any_later_time(
    model: ScoringModel, history: History, later_ms: int
) -> None:
    done = run(model, history)
    for lead, record in done.scores.items():
        state = decode_state(done.shard.leads[lead.encode()])
        at = record.at_ms + later_ms
        assert score_later(record, at) == pytest.approx(done.shard.scorer.score(state, at), abs=1e-6)
        assert record.score == done.shard.scorer.score(state, record.at_ms)
        assert record.band == ["cold", *model.bands][state.band]


@given(models(), histories())
def test_a_lead_keeps_its_band_until_it_cools_and_not_a_ms_longer(model: ScoringModel, history: History) -> None:
    done = run(model, history)
    for record in done.scores.values():
        if record.cools_at_ms is None:
            continue
        leave = model.bands[record.band].leave
        totals = unrounded(record.rules, record.at_ms)
        held_until = record.held_until_ms or 0 if record.band == list(model.bands)[-1] else 0
        assert totals(record.cools_at_ms) < leave - ROUNDING + 1e-9
        start = max(record.at_ms, held_until)
        span = record.cools_at_ms - 1 - start
        if span < 0:
            assert record.cools_at_ms == start
            continue
        scan = {start + span * step // 500 for step in range(501)} | {record.cools_at_ms - 1}
        assert min(map(totals, scan)) >= leave - ROUNDING - 1e-9


def unrounded(lines: list[Any], at_ms: int) -> Any:
    """Return the sum of a record's lines as a function of time, neither rounded nor floored."""

    def total(time_ms: int) -> float:
        total = 0.0
        for line in lines:
            amount = line.points if line.amount is None else line.amount
            faded = amount * 2.0 ** ((at_ms - time_ms) / (line.half_life_days * DAY_MS))
            total += faded if line.points_max is None else max(-line.points_max, min(line.points_max, faded))
        return total

    return total


# ── bands and alerts, by example ─────────────────────────────────────────────────────────────────────────────

HOT = {"warm": {"enter": 30, "leave": 20}, "hot": {"enter": 100, "leave": 80, "cooldown_h": 24}}


def test_a_band_is_entered_exactly_at_enter_and_kept_exactly_at_leave() -> None:
    model = model_of(
        {
            "view": {"on": "page_viewed", "points": 25, "half_life_days": 36_500},
            "bounce": {"on": "email_bounced", "points": -20, "half_life_days": 36_500},
            "slip": {"on": "form_failed", "points": -0.00001, "half_life_days": 36_500},
        },
        HOT,
    )
    four = [event(name) for name in "abcd"]
    assert [alert.kind for alert in run(model, live(four)).outcome.alerts] == ["entered"]
    assert run(model, live(four[:3])).outcome.alerts == []
    at_leave = [*four, event("e", event_type="email_bounced")]
    assert run(model, live(at_leave)).scores["user:7"].band == "hot"
    below = run(model, live([*at_leave, event("f", event_type="form_failed")]))
    assert below.scores["user:7"].band == "warm"
    assert [alert.kind for alert in below.outcome.alerts] == ["entered", "cooled"]


def test_an_alert_names_what_caused_it_and_when_it_will_cool() -> None:
    model = model_of({"demo": {"on": "form_submitted", "points": 100, "half_life_days": 7, "phase": "decision"}}, HOT)
    done = run(model, live([event("first", event_type="email_opened"), event("second", NOW + 5, "form_submitted")]))
    (alert,) = done.outcome.alerts
    assert alert.cause is not None
    assert (alert.cause.id, alert.cause.type, alert.cause.time_ms) == ("second", "form_submitted", NOW + 5)
    assert (alert.kind, alert.lead, alert.band, alert.from_band) == ("entered", "user:7", "hot", "cold")
    assert (alert.time_ms, alert.score, alert.model, alert.phase) == (NOW + 5, 100.0, "v1", "decision")
    assert alert.cools_at_ms == done.scores["user:7"].cools_at_ms
    assert alert.held_until_ms is None


def test_a_cooled_record_names_the_alert_that_it_ends() -> None:
    model = model_of({"demo": {"on": "form_submitted", "points": 100, "half_life_days": 7}}, HOT)
    entered, cooled = run(
        model, live([event("a", NOW, "form_submitted"), event("b", NOW + days(90), "email_opened")])
    ).outcome.alerts
    assert cooled.alert_id == entered.id
    assert cooled.id not in ("", entered.id)
    assert cooled.cause is None
    assert cooled.time_ms == entered.cools_at_ms


def test_an_alert_id_depends_on_lead_band_and_event_and_on_nothing_else() -> None:
    model = model_of({"view": {"on": "page_viewed", "points": 100, "half_life_days": 7}}, HOT)
    other = model_of({"view": {"on": "page_viewed", "points": 120, "half_life_days": 3}}, HOT, version="v2")
    (first,) = run(model, live([event("a")])).said
    (again,) = run(other, live([event("a", NOW + 5, properties={"path": "/"})])).said
    assert first.id == again.id == alert_id("user:7", "hot", "a")
    ids = {first.id, alert_id("user:7", "hot", "b"), alert_id("user:7", "warm", "a"), alert_id("user:8", "hot", "a")}
    ids |= {cooled_id(first.id), alert_id("user:7h", "ot", "a"), alert_id("user:7", "hota", "")}
    assert len(ids) == 7
    assert all(len(one) == 32 for one in ids)


def test_the_cooldown_ends_exactly_when_it_says() -> None:
    model = model_of({"view": {"on": "page_viewed", "points": 100, "half_life_days": 0.01}}, HOT)
    for wait_ms, alerts in ((hours(24) - 1, 1), (hours(24), 2)):
        done = run(model, live([event("a"), event("b", NOW + wait_ms)]))
        assert [alert.kind for alert in done.outcome.alerts].count("entered") == alerts


def test_a_crossing_alerts_up_to_its_max_age_and_not_a_ms_longer() -> None:
    model = model_of({"view": {"on": "page_viewed", "points": 100, "half_life_days": 7}}, HOT, max_age_h=2)
    for age_ms, alerts in ((hours(2), 1), (hours(2) + 1, 0)):
        done = run(model, [(event("a"), NOW + age_ms)])
        assert len(done.outcome.alerts) == alerts
        assert done.scores["user:7"].band == "hot"


def test_an_event_at_the_moment_of_the_cooling_finds_it_done() -> None:
    model = model_of(
        {"view": {"on": "page_viewed", "points": 100, "half_life_days": 7}},
        {"hot": {"enter": 100, "leave": 80, "cooldown_h": 0}},
    )
    cools_at = run(model, live([event("a")])).scores["user:7"].cools_at_ms
    assert cools_at is not None
    for at, kinds in ((cools_at - 1, ["entered"]), (cools_at, ["entered", "cooled", "entered"])):
        assert [alert.kind for alert in run(model, live([event("a"), event("b", at)])).outcome.alerts] == kinds


def test_a_hold_ends_exactly_when_it_says() -> None:
    model = model_of({"demo": {"on": "form_submitted", "points": 1, "half_life_days": 7, "hot": {"hold_days": 2}}}, HOT)
    demo = event("a", NOW, "form_submitted")
    assert run(model, live([demo])).scores["user:7"].held_until_ms == NOW + days(2)
    for at, band in ((NOW + days(2) - 1, "hot"), (NOW + days(2), "cold")):
        assert run(model, live([demo, event("b", at, "email_opened")])).scores["user:7"].band == band


def test_a_hold_ends_exactly_when_it_says_however_a_history_is_cut_into_chunks() -> None:
    model = model_of(
        {
            "demo": {"on": "form_submitted", "points": 5, "half_life_days": 2, "hot": {"hold_days": 0.25}},
            "view": {"on": "page_viewed", "points": 1, "half_life_days": 2},
            "left": {"on": "email_unsubscribed", "points": -1, "half_life_days": 2},
        },
        HOT,
    )
    history = live(
        [
            event("a", NOW, "form_submitted"),
            event("b", NOW + hours(1), "email_unsubscribed"),
            event("c", NOW + hours(2)),
            event("d", NOW + hours(6)),
        ]
    )
    for sizes in ([4], [1, 1, 1, 1]):
        said = run(model, history, sizes).outcome.alerts
        assert [(alert.kind, alert.time_ms) for alert in said] == [("entered", NOW), ("cooled", NOW + hours(6))]


def test_a_hold_that_is_over_when_its_event_arrives_lifts_nobody() -> None:
    model = model_of(
        {
            "demo": {"on": "form_submitted", "points": 1, "half_life_days": 7, "hot": {"hold_days": 2}},
            "view": {"on": "page_viewed", "points": 1, "half_life_days": 7},
        },
        HOT,
    )
    done = run(model, [(event("a", NOW + days(2)), NOW), (event("b", NOW, "form_submitted"), NOW + days(2))], [2])
    assert (done.outcome.refusals[0].error.reason, done.scores["user:7"].band) == ("future_time", "hot")
    late = run(model, live([event("a", NOW + days(2)), event("b", NOW, "form_submitted")]))
    assert late.outcome.refusals == []
    assert late.scores["user:7"].band == "cold"


# ── states and compiled conditions ───────────────────────────────────────────────────────────────────────────


@given(models(), histories())
def test_a_state_survives_its_bytes(model: ScoringModel, history: History) -> None:
    done = run(model, history)
    for raw in done.shard.leads.values():
        state = decode_state(raw)
        assert encode_state(state) == raw
        # cools_at lies at a fixed place: after the array's header, as an unsigned integer of eight bytes.
        header = 1 if raw[0] >> 4 == 0x9 else 3
        assert raw[header] == 0xCF
        assert int.from_bytes(raw[header + 1 : header + 9]) == state.cools_at


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-20, 20)
    | st.integers()
    | st.floats()
    | st.sampled_from(("", "/", "a", "A", "/Pricing", "/pricing/", "/pricing/eu/", "12", " 12.0 ", "1e3", "nan", "[x]"))
    | st.text(max_size=8)
)
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=2), scalars, max_size=2)
wanted = st.one_of(
    st.booleans(),
    st.sampled_from((0.0, 1.0, 12.0, -3.5)),
    st.sampled_from(("/", "a", "/pricing", "/pricing*", "?", "*", "[x]", "12")),
)
conditions = st.builds(
    Condition,
    property=st.sampled_from(("path", "form")),
    kind=st.sampled_from(("equals_any", "glob_any", "compare")),
    values=st.lists(wanted, min_size=1, max_size=3).map(tuple),
    op=st.sampled_from((">=", ">", "<=", "<")),
    number=st.sampled_from((0.0, 1.0, 12.0, 1000.0)),
    or_unknown=st.booleans(),
)


@given(conditions, st.lists(st.dictionaries(st.sampled_from(("path", "form", "other")), values), max_size=6))
def test_a_compiled_condition_equals_the_reference(condition: Condition, seen: list[dict[str, object]]) -> None:
    test = compile_condition(condition)
    for properties in (*seen, *seen):  # the second time from memory
        assert test(properties) is holds(condition, properties)


def test_a_rule_with_several_conditions_needs_them_all() -> None:
    model = model_of(
        {
            "r": {
                "on": "page_viewed",
                "where": {"path": "/pricing*", "seconds": ">= 5", "plan": True},
                "points": 1,
                "half_life_days": 1,
            }
        }
    )
    whole = {"path": "/Pricing/eu", "seconds": "5", "plan": True}
    assert run(model, live([event("a", properties=whole)])).score() == 1.0
    for change in ({"path": "/prices"}, {"seconds": 4.9}, {"plan": 1}, {"plan": None}):
        assert run(model, live([event("a", properties=whole | change)])).score() == 0.0


# ── a changed model ──────────────────────────────────────────────────────────────────────────────────────────

SLOW = {"on": "page_viewed", "half_life_days": 36_500}


def test_a_restart_makes_no_difference() -> None:
    for name, model in REALISTIC.items():
        rng = Random(name)
        for _ in range(20):
            history = random_history(rng, 40)
            whole = run(model, history)
            first = run(model, history[:17])
            rest = run(model, history[17:], shard=reopen(first.shard))
            assert first.said + rest.said == run(model, history, [17]).said
            assert rest.shard.leads.keys() == whole.shard.leads.keys()
            assert rest.shard.leads == run(model, history, [17]).shard.leads


def test_rule_numbers_stay_with_their_names_whatever_happens_to_the_file() -> None:
    a, b, c = ({**SLOW, "points": points} for points in (1, 10, 100))
    shard = run(model_of({"a": a, "b": b}), live([event("e-1")])).shard
    for number, rules in enumerate(({"c": c, "b": b}, {"b": b, "a": a}, {"c": c, "a": a, "b": b}), 2):
        changed = model_of(rules)
        shard = run(changed, live([event(f"e-{number}", NOW + number)]), shard=reopen(shard, changed)).shard
    score = shard.scorer.settle(decode_state(shard.leads[b"user:7"]), "user:7")
    points = {line.rule: round(line.points, 3) for line in score.rules}
    assert points == {"a": 3.0, "b": 40.0, "c": 200.0}


def test_changed_points_take_effect_at_once_and_a_removed_rule_counts_nothing() -> None:
    before = model_of({"a": {**SLOW, "points": 1}, "b": {**SLOW, "points": 2}})
    after = model_of({"c": {**SLOW, "points": 40}, "b": {**SLOW, "points": 20}})
    again = reopen(run(before, live([event("e-1")])).shard, after)
    done = run(after, live([event("e-2", NOW + 1, "email_opened")]), shard=again)
    assert done.score() == pytest.approx(20, abs=1e-5)
    assert score_later(done.scores["user:7"], NOW + days(1)) == pytest.approx(20, abs=1e-3)
    assert run(after, live([event("e-3", NOW + 2)]), shard=again).score() == pytest.approx(80, abs=1e-5)


def test_a_changed_model_changes_bands_at_the_next_event_and_alerts_nobody() -> None:
    cold = model_of({"a": {**SLOW, "points": 1}, "b": {**SLOW, "on": "link_clicked", "points": 1}})
    hot = model_of({"a": {**SLOW, "points": 110}, "b": {**SLOW, "on": "link_clicked", "points": 1}})
    for before, after, band in ((cold, hot, "hot"), (hot, cold, "cold")):
        again = reopen(run(before, live([event("e-1")])).shard, after)
        done = run(after, live([event("e-2", NOW + 1, "email_opened")]), shard=again)
        assert done.outcome.alerts == []
        assert done.scores["user:7"].band == band


def test_a_lead_in_a_band_that_the_model_no_longer_has_goes_on() -> None:
    rules = {"a": {**SLOW, "points": 90}}
    three = model_of(rules, {f"b{n}": {"enter": n * 10, "leave": n} for n in (1, 2, 3)})
    one = model_of(rules, {"b": {"enter": 10, "leave": 1}})
    again = reopen(run(three, live([event("e-1")])).shard, one)
    done = run(one, live([event("e-2", NOW + 1)]), shard=again)
    assert done.outcome.refusals == []
    assert done.scores["user:7"].band == "b"


def test_a_cooling_leaves_its_band_even_where_the_last_bit_disagrees() -> None:
    """The search joins rules that fade alike, so it sums in another order than the score does."""
    types = ["page_viewed", "link_clicked", "email_opened", "email_clicked", "form_submitted"]
    for seed in range(60):
        rng = Random(seed)
        halves = {f"r{n}": {"on": t, "points": 7 + n, "half_life_days": (30, 14)[n % 2]} for n, t in enumerate(types)}
        history = [event(f"e{n}", NOW + rng.randrange(days(3)), rng.choice(types)) for n in range(15)]
        loose = run(model_of(halves, {"warm": {"enter": 2, "leave": 1}}), live(history))
        state = decode_state(loose.shard.leads[b"user:7"])
        leave = loose.shard.scorer.total(state, state.last + days(5)) + ROUNDING
        exact = model_of(halves, {"warm": {"enter": leave * 1.1, "leave": leave}})
        later = event("later", state.last + days(25), "email_replied")
        assert run(exact, live([*history, later])).scores["user:7"].band == "cold"


def test_our_own_people_are_scored_and_never_alerted() -> None:
    model = parse_model(
        "version: '1'\n"
        "names: {own_domains: [ours.example, '*.ours.example']}\n"
        "rules: {demo: {on: form_submitted, points: 50, half_life_days: 7}}\n"
        "bands: {hot: {enter: 40, leave: 30, cooldown_h: 0}}\n",
        "own.yaml",
    )
    shard = Shard(model, {})
    for email in ("ann@ours.example", "bob@eu.ours.example", "eve@theirs.example"):
        event = {"id": email, "type": "form_submitted", "time": NOW, "email": email}
        alerts = shard.take([FileRecord(0, NOW, msgspec.json.encode(event))]).alerts
        assert [alert.lead for alert in alerts] == (["email:eve@theirs.example"] if "theirs" in email else [])
        assert shard.scorer.score(decode_state(shard.leads[f"email:{email}".encode()]), NOW) == 50.0
