"""The board: counts that are exact in any order of reading, latency, and leads as of now."""

from __future__ import annotations

import pytest

from scoring.account_records import AccountScore, merged_account
from scoring.alerts import Alert, Cause, LedgerLine
from scoring.model import ScoringModel
from scoring.score_records import LeadScore, ScoreLine, merged_record
from scoring.signal_records import BuyingSignal
from streams.demo import board as boards
from streams.demo.board import Board
from streams.demo.history import DAY_MS
from streams.demo.status import Pacemaker, faults_of, loss_of
from tests.demo.worlds import NOW


@pytest.fixture
def board(model: ScoringModel) -> Board:
    return Board(model)


def alert(cause: str, points: float = 50.0, score: float = 50.0, kind: str = "entered") -> Alert:
    line = LedgerLine(rule="demo_request", points=points, count=1.0)
    because = Cause(id=cause, type="form_submitted", time_ms=NOW)
    return Alert(
        id=cause,
        kind=kind,  # type: ignore[arg-type]
        lead="email:ada.lind@northwind.example",
        band="hot",
        from_band="cold",
        time_ms=NOW,
        score=score,
        ledger=[line],
        model="1",
        cause=because,
    )


def record(lead: str, points: float, band: str, cools_in_days: float | None = None, days_ago: float = 0) -> LeadScore:
    line = ScoreLine(rule="demo_request", points=points, half_life_days=90)
    at_ms = NOW - int(days_ago * DAY_MS)
    cools_at_ms = None if cools_in_days is None else NOW + int(cools_in_days * DAY_MS)
    return LeadScore(lead, points, at_ms, band, [line], "1", cools_at_ms)


def test_an_event_counts_as_scored_once_it_lies_before_a_committed_offset(board: Board) -> None:
    for name in ("a", "b", "c"):
        board.hand(name, 0.0)
    board.note_event("web", 0, 0, "a")
    board.note_event("web", 0, 1, "b")
    assert (board.scored, board.under_way) == (0, 3)
    board.note_scored("web", 0, 1)
    assert (board.scored, board.under_way) == (1, 2)
    board.note_scored("web", 1, 9)
    board.note_scored("mail", 0, 9)
    assert board.scored == 1, "other partitions and topics say nothing about this one"
    board.note_scored("web", 0, 3)
    board.note_event("web", 0, 2, "c")
    assert (board.scored, board.under_way) == (3, 0), "the journal may be read before the event is"


def test_an_event_that_is_passed_on_counts_once_and_only_when_it_has_arrived(board: Board) -> None:
    board.hand("a", 0.0)
    board.note_event("web", 0, 0, "a")
    board.note_message("routed", 1, 4, is_event=True)
    board.note_scored("web", 0, 1)
    assert (board.scored, board.under_way, board.is_settled) == (0, 1, False)
    board.note_scored("routed", 1, 5)
    board.note_message("routed", 1, 5, is_event=False)
    assert (board.scored, board.under_way, board.passed_on) == (1, 0, 1)
    assert not board.is_settled, "what shards still tell each other may change a lead"
    board.note_scored("routed", 1, 6)
    assert (board.scored, board.under_way, board.is_settled) == (1, 0, True)


def test_an_event_that_never_arrives_where_it_was_passed_on_to_is_a_fault(board: Board) -> None:
    board.hand("a", 0.0)
    board.note_event("web", 0, 0, "a")
    board.note_scored("web", 0, 1)
    board.note_message("routed", 1, 4, is_event=True)
    assert faults_of(board, must_turn_hot=False) == ["1 of 1 events that were sent were not scored"]


def test_what_others_send_and_what_is_sent_twice_hides_no_loss(board: Board) -> None:
    board.hand("a", 0.0)
    board.hand("b", 0.0)
    for offset, name in enumerate(("a", "a", "yours")):
        board.note_event("web", 0, offset, name)
    board.note_scored("web", 0, 3)
    assert (board.scored, board.scored_of_others, board.under_way) == (1, 2, 1)
    assert faults_of(board, must_turn_hot=False) == ["1 of 2 events that were sent were not scored"]


def test_latency_is_from_handing_over_to_reading_the_alert(board: Board) -> None:
    assert board.latency_ms(50) is None
    for number in range(100):
        board.hand(f"live-{number}", 10.0)
        board.note_alert(alert(f"live-{number}"), 10.0 + (number + 1) / 1000)
    board.note_alert(alert("yours"), 99.0)
    assert board.latency_ms(50) == pytest.approx(50)
    assert board.latency_ms(99) == pytest.approx(99)
    assert board.alert_count == board.turned_hot == 101


def test_a_loss_a_dead_letter_an_old_alert_and_a_wrong_sum_are_faults(board: Board) -> None:
    board.note_alert(alert("live-1"), 0.0)
    assert faults_of(board, must_turn_hot=True) == []
    board.lose(3, "the gateway is gone")
    board.note_refusal("bad_time: 7 lies before 1973")
    board.note_alert(alert("history-00001"), 0.0)
    board.note_alert(alert("live-2", points=49.0), 0.0)
    assert faults_of(board, must_turn_hot=True) == [
        "3 events were given up (the gateway is gone)",
        "1 events became dead letters (bad_time: 7 lies before 1973)",
        "1 alerts came of the history, which should be too old for them: the model's alerts.max_age_h is 24",
        "1 alerts had a ledger that does not sum to the score",
    ]
    assert loss_of(board).startswith("3 events were given up")


def test_it_is_a_fault_when_nothing_turns_hot_unless_it_was_cut_short(board: Board) -> None:
    board.note_alert(alert("live-1", kind="cooled"), 0.0)
    assert faults_of(board, must_turn_hot=True) == [
        "nothing turned hot: does the model know the demo's pages and forms?"
    ]
    assert faults_of(board, must_turn_hot=False) == []


def test_leads_are_shown_in_the_band_that_was_published_and_with_what_is_left_of_their_points(board: Board) -> None:
    board.note_score(record("email:hot@a.example", 50, "hot", cools_in_days=14))
    board.note_score(record("email:warmer@a.example", 99, "warm", cools_in_days=90, days_ago=90))
    board.note_score(record("email:cold@a.example", 5, "cold"))
    assert board.band_counts() == {"hot": 1, "warm": 1, "cold": 1}
    assert [(lead.record.lead, lead.band, round(lead.score, 1)) for lead in board.hottest(NOW, 9)] == [
        ("email:hot@a.example", "hot", 50.0),
        ("email:warmer@a.example", "warm", 49.5),
    ]


def test_a_visitor_who_turns_out_to_be_somebody_is_no_lead_any_more(board: Board) -> None:
    board.note_score(record("anon:visitor-1", 12, "cold"))
    board.note_score(record("email:ada@a.example", 40, "warm"))
    board.note_score(merged_record("anon:visitor-1", "email:ada@a.example", "1"))
    assert board.band_counts() == {"hot": 0, "warm": 1, "cold": 0}
    assert (board.known_count, board.last_known) == (1, ("anon:visitor-1", "email:ada@a.example"))


def account(key: str, points: float, level: str = "unknown", days_ago: float = 0) -> AccountScore:
    at_ms = NOW - int(days_ago * DAY_MS)
    return AccountScore(account=key, score=points, at_ms=at_ms, band="cold", half_life_days=30, model="1", level=level)


def test_companies_are_ranked_by_what_is_left_of_their_points_and_counted_by_their_fit(board: Board) -> None:
    board.note_account(account("domain:old.example", 150, "strong", days_ago=30))
    board.note_account(account("domain:new.example", 80, "weak"))
    board.note_account(account("account:7", 500))
    board.note_account(merged_account("account:7", "domain:old.example", "1"))
    ranked = [(company.record.account, company.score) for company in board.most_engaged(NOW, 9)]
    assert ranked == [("domain:new.example", 80.0), ("domain:old.example", 75.0)]
    assert board.fit_counts() == {"strong": 1, "moderate": 0, "weak": 1, "unknown": 0}


def test_signals_are_counted_by_name_and_stand_among_the_alerts_as_they_came(board: Board) -> None:
    board.note_alert(alert("live-1"), 0.0)
    for number, name in enumerate(("surge", "evaluation", "surge")):
        board.note_signal(
            BuyingSignal(
                id=f"s-{number}",
                account="domain:a.example",
                signal=name,
                kind=name,
                polarity="positive",
                time_ms=NOW,
                summary="It is there",
                model="1",
            )
        )
    board.note_alert(alert("live-2"), 0.0)
    assert board.signal_counts == {"surge": 2, "evaluation": 1}
    assert [getattr(each, "signal", "alert") for each in board.told] == [
        "alert",
        "surge",
        "evaluation",
        "surge",
        "alert",
    ]


def test_nothing_on_the_board_grows_without_end(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "LEADS_KEPT", 3)
    monkeypatch.setattr(boards, "ACCOUNTS_KEPT", 3)
    monkeypatch.setattr(boards, "HANDED_KEPT", 3)
    for number in range(5):
        board.note_score(record(f"user:{number}", 1, "cold"))
        board.note_account(account(f"account:{number}", 1))
        board.hand(f"live-{number}", 0.0)
    board.note_score(record("user:2", 1, "cold"))
    assert list(board._accounts) == ["account:2", "account:3", "account:4"]
    assert list(board._leads) == ["user:3", "user:4", "user:2"]
    assert list(board._handed) == ["live-2", "live-3", "live-4"]


def test_the_pace_is_that_of_the_last_five_seconds(board: Board) -> None:
    pacemaker = Pacemaker(board, 100.0)
    for second in range(1, 21):
        for number in range(2 if second <= 10 else 8):
            board.hand(f"{second}-{number}", 0.0)
        pace = pacemaker.measure(100.0 + second)
    assert pace.live_s == 20.0
    assert pace.sent_per_s == pytest.approx(8.0)
    assert pace.scored_per_s == 0.0
