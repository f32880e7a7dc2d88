"""What happened with a lead is told once, in order, as far as any topic has it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scoring.alerts import Alert, Evidence, LedgerLine, Origin
from scoring.score_records import AdjustedLine, LeadScore, ScoreLine
from scoring.signal_records import BuyingSignal
from streams.dashboard.rows import lead_view
from streams.dashboard.store import Past
from streams.dashboard.timeline import Moment, make_timeline
from streams.lead_now import explain
from streams.read_model.happenings import FollowUpRead, Snapshot
from tests.topic_records import alert

DAY = 86_400_000
ANN = "email:ann@acme.example"


def told(
    *alerts: Alert,
    follow_ups: tuple[FollowUpRead, ...] = (),
    history: tuple[Snapshot, ...] = (),
    signals: tuple[BuyingSignal, ...] = (),
    **record: Any,
) -> list[Moment]:
    lead = msgspec.structs.replace(LeadScore(ANN, 0.0, 0, "cold", [], "1"), **record)
    view = lead_view(lead, Past(alerts=list(alerts), follow_ups=list(follow_ups), history=list(history)), lead.at_ms)
    return make_timeline(view, lead, signals)


def line(rule: str, *events: tuple[int, str], subject: str = "") -> LedgerLine:
    evidence = [Evidence(time_ms=time_ms, hash=name) for time_ms, name in events]
    return LedgerLine(rule=rule, points=5.0, last_ms=events[0][0], subject=subject, events=evidence)


def test_an_event_behind_alerts_is_told_once_with_all_that_it_counted_for() -> None:
    first = [line("page_view", (8, "b"), (5, "a"), subject="/blog"), line("pricing_page", (8, "b"), subject="/pricing")]
    second = [line("page_view", (20, "c"), (8, "b"), (5, "a"), subject="/docs")]
    events = [each for each in told(alert(ANN, 9, ledger=first), alert(ANN, 21, ledger=second)) if each.kind == "event"]
    assert events == [
        Moment(20, "event", "Page view", "/docs"),
        Moment(8, "event", "Page view, pricing page", "/blog · /pricing"),
        Moment(5, "event", "Page view"),
    ]


def test_an_alert_that_was_taken_back_says_so_and_its_events_are_not_the_lead_s() -> None:
    hot = alert(ANN, 9, id="x", ledger=[line("email_click", (8, "b"))])
    back = alert(ANN, 12, id="y", kind="retracted", alert_id="x", score=3.0, ledger=[line("page_view", (2, "a"))])
    assert [(each.time_ms, each.title) for each in told(hot, back)] == [
        (12, "Alert taken back, at 3.0 points"),
        (9, "Turned hot at 120.0 points"),
        (2, "Page view"),
    ]


def test_where_a_lead_came_from_first_and_last_is_told() -> None:
    first = Origin(time_ms=1, source="google", medium="cpc", campaign="spring", page="/")
    last = Origin(time_ms=7, page="/pricing")
    found = told(alert(ANN, 9, first_touch=first, last_touch=last), alert(ANN, 5, first_touch=first, last_touch=first))
    assert [each for each in found if each.kind == "origin"] == [
        Moment(7, "origin", "Came again directly", "/pricing"),
        Moment(1, "origin", "First came from google / cpc", "campaign spring · /"),
    ]


def test_a_day_tells_what_has_given_points_since_the_one_before_and_not_what_has_faded() -> None:
    rose = {"demo": 30.0, "view": 5.0}
    history = (
        Snapshot(lead=ANN, at_ms=0, score=10.0, band="cold", phase="awareness", rules={"view": 10.0}),
        Snapshot(lead=ANN, at_ms=7 * DAY, score=35.0, band="warm", from_band="cold", phase="decision", rules=rose),
        Snapshot(lead=ANN, at_ms=14 * DAY, score=17.5, band="warm", rules={"demo": 15.0, "view": 2.5}),
    )
    rules = [ScoreLine("view", 3.5, 7.0), ScoreLine("demo", 15.0, 7.0)]
    assert told(history=history, rules=rules, at_ms=14 * DAY + 1, score=18.5) == [
        Moment(14 * DAY + 1, "active", "Active, now 18.5 points", "+1 view"),
        Moment(7 * DAY, "band", "From cold to warm at 35.0 points", "+30 demo, now in decision"),
        Moment(0, "active", "Active, at 10.0 points", "+10 view"),
    ]


def test_a_line_that_a_full_snapshot_does_not_name_counts_as_its_smallest() -> None:
    before = Snapshot(lead=ANN, at_ms=0, score=21.0, band="cold", rules=dict.fromkeys("abcde", 4.0))
    after = Snapshot(lead=ANN, at_ms=1, score=30.0, band="cold", rules={"f": 7.0, "g": 4.0})
    assert told(history=(before, after), at_ms=1)[0].detail == "+3 f"


def test_what_an_alert_tells_its_change_of_band_does_not_tell_again() -> None:
    change = Snapshot(lead=ANN, at_ms=9, score=120.0, band="hot", from_band="warm", rules={"demo": 50.0})
    assert [each.kind for each in told(alert(ANN, 9), history=(change,))] == ["alert"]
    assert [each.kind for each in told(history=(change,))] == ["band"]


def test_follow_ups_tell_points_and_until_when_and_signals_of_the_account_stand_between() -> None:
    done = FollowUpRead(
        id="f", lead=ANN, action="adjusted", time=9, reason="met", points=20.0, until=DAY, by="jo", note="fair"
    )
    surge = BuyingSignal(
        id="s", account="acme", signal="surge", kind="surge", polarity="positive", time_ms=4, summary="3 people",
        model="1",
    )  # fmt: skip
    assert told(follow_ups=(done,), signals=(surge,)) == [
        Moment(9, "follow-up", "Adjusted the score", "+20 points until 1970-01-02 · met · fair", "jo"),
        Moment(4, "signal", "At the account: surge", "3 people"),
    ]


def test_points_by_hand_are_a_line_of_the_explanation_until_they_end() -> None:
    adjusted = [AdjustedLine("met at the fair", 20.0, DAY)]
    lead = LeadScore(ANN, 30.0, 0, "warm", [ScoreLine("demo", 10.0, 1.0)], "1", adjusted=adjusted)
    for now_ms, points in ((0, 20.0), (DAY - 1, 20.0), (DAY, 0.0)):
        now = explain(lead, [], now_ms)
        assert [(line.kind, line.name, line.points_now) for line in now.others] == [
            ("adjusted", "met at the fair", points)
        ]
        assert now.score_now == pytest.approx(sum(line.points_now for line in (*now.rules, *now.others)), abs=1e-5)
