"""``leadheat leads show`` explains a lead from what the workers published, faded to now."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from scoring.alerts import Alert, Cause, LedgerLine
from scoring.score_records import LeadScore, ScoreLine, TraitLine, score_later
from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import HOT_LEADS, LEAD_SCORES

ANN = b"email:ann@example.com"
DAY = 86_400_000
HALF_LIVES = (14, 90, 30, 60)
encode = msgspec.json.encode


def published(at_ms: int, **changes: Any) -> LeadScore:
    """A lead with a rule far above its ceiling, one just below, a penalty, and one without a ceiling."""
    lines = [
        ScoreLine(rule="pricing_page", points=20.0, half_life_days=14.0, points_max=20.0, amount=300.0),
        ScoreLine(rule="demo_request", points=49.5, half_life_days=90.0, points_max=50.0),
        ScoreLine(rule="unsubscribe", points=-20.0, half_life_days=30.0, points_max=20.0, amount=-25.0),
        ScoreLine(rule="donation", points=60.0, half_life_days=60.0),
    ]
    known: dict[str, Any] = {
        "lead": ANN.decode(),
        "score": 109.5,
        "at_ms": at_ms,
        "band": "hot",
        "rules": lines,
        "model": "7",
        "cools_at_ms": at_ms + 40 * DAY,
    }
    return LeadScore(**(known | changes))


def show(run: Callable[..., Any], settings: Settings, lead: str = "ann@example.com") -> Any:
    return json.loads(run("leads", "show", lead, settings=settings).out)


@pytest.mark.kafka
def test_the_score_now_and_every_line_are_faded_as_the_record_says(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    record = published(now_ms() - 10 * DAY)
    produce(topics, LEAD_SCORES, [(ANN, encode(published(0))), (b"user:1", b"{}"), (ANN, encode(record))])
    shown = show(run, topics, "Ann@Example.com")
    assert shown["lead"] == "email:ann@example.com"
    assert shown["score_now"] == score_later(record, shown["now_ms"])
    assert shown["score_now"] == pytest.approx(sum(line["points_now"] for line in shown["rules"]), abs=1e-6)
    assert msgspec.convert(shown["record"], LeadScore) == record
    points = {line["rule"]: (line["points"], line["points_now"], line["at_ceiling"]) for line in shown["rules"]}
    assert points == {
        "pricing_page": (20.0, 20.0, True),
        "demo_request": (49.5, pytest.approx(49.5 * 2 ** (-10 / 90), abs=1e-3), False),
        "unsubscribe": (-20.0, pytest.approx(-25 * 2 ** (-10 / 30), abs=1e-3), False),
        "donation": (60.0, pytest.approx(60 * 2 ** (-10 / 60), abs=1e-3), False),
    }
    sizes = [abs(line["points_now"]) for line in shown["rules"]]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.kafka
def test_a_person_reads_the_same_numbers(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    at_ms = now_ms() - 10 * DAY
    record = published(at_ms, held_until_ms=at_ms + 12 * DAY)
    alert = Alert(
        id="a-1",
        kind="entered",
        lead=ANN.decode(),
        band="hot",
        from_band="cold",
        time_ms=at_ms,
        score=109.5,
        ledger=[LedgerLine(rule="demo_request", points=49.5, count=1.0)],
        model="7",
        cause=Cause(id="e-1", type="form_submitted", time_ms=at_ms),
    )
    produce(topics, LEAD_SCORES, [(ANN, encode(record))])
    produce(topics, HOT_LEADS, [(ANN, encode(alert)), (b"user:1", encode(alert))])
    ran = run("leads", "show", "ann@example.com", "--text", settings=topics)
    title, then, _, heading, *lines = ran.lines
    assert title.startswith(f"ann@example.com {score_later(record, at_ms + 10 * DAY):.2f} points now, hot, held until ")
    assert "(in 48 hours), cools " in title or "(in 2 days), cools " in title
    assert title.endswith("(in 30 days)")
    assert then.startswith("109.50 points after its last event, ")
    assert then.endswith("(10 days ago); model 7")
    assert heading.split() == ["rule", "points", "then", "now", "halves", "every"]
    assert [" ".join(line.split()) for line in lines[:4]] == [
        "donation +60 +53.45 60 days",
        "demo request +49.5 +45.83 90 days at most 50",
        "pricing page +20 +20 14 days at most 20, reached",
        "unsubscribe −20 −19.84 30 days at most 20",
    ]
    assert lines[5] == "Alerts"
    assert "HOT ann@example.com 109.5 points (+49.5 demo request) because form_submitted e-1, never cools" in lines[6]
    assert len(lines) == 7


@pytest.mark.kafka
def test_a_lead_that_has_cooled_since_and_one_from_the_future_are_shown_as_what_they_are(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    ahead = now_ms() + 3_600_000
    produce(topics, LEAD_SCORES, [(ANN, encode(published(now_ms() - 41 * DAY)))])
    produce(topics, LEAD_SCORES, [(b"user:42", encode(published(ahead, lead="user:42")))])
    assert show(run, topics)["has_cooled"] is True
    text = run("leads", "show", "ann@example.com", "--text", settings=topics).lines[0]
    assert ", was hot until " in text
    assert text.endswith("(24 hours ago)")
    shown = show(run, topics, "user:42")
    assert (shown["now_ms"], shown["score_now"], shown["has_cooled"]) == (ahead, 109.5, False)


@pytest.mark.kafka
def test_a_rule_that_has_left_the_model_gives_nothing(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    gone = ScoreLine(rule="gone", points=0.0, half_life_days=0.0)
    record = published(now_ms(), rules=[gone, ScoreLine(rule="view", points=5.0, half_life_days=1.0)])
    produce(topics, LEAD_SCORES, [(ANN, encode(record))])
    assert [line["rule"] for line in show(run, topics)["rules"]] == ["view"]


@pytest.mark.kafka
def test_a_lead_that_is_not_there_is_answered_with_those_that_are_nearly_it(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    keys = [b"user:Ann", b"anon:ann", b"user:annabel", b"user:bob", b"user:gone"]
    produce(topics, LEAD_SCORES, [(key, encode(published(0, lead=key.decode()))) for key in keys])
    produce(topics, LEAD_SCORES, [(b"user:gone", None)])
    ran = run("leads", "show", "user:ann", settings=topics)
    assert (ran.code, ran.out) == (1, "")
    message, _, near = ran.err.partition(": did you mean ")
    assert message == "leadheat: no lead user:ann"
    assert set(near.strip("?\n").split(", ")[:2]) == {"user:Ann", "anon:ann"}
    assert near.strip("?\n").split(", ")[2:] == ["user:annabel"]
    ran = run("leads", "show", "eve@example.com", settings=topics)
    assert (ran.code, ran.out) == (1, "")
    assert "`leadheat tail lead-scores` shows them" in ran.err
    assert run("leads", "show", "user:gone", settings=topics).code == 1


@pytest.mark.parametrize(
    ("text", "hint"),
    [("42", " (did you mean user:42?)"), ("ann@", ""), ("user:", ""), ("email:", ""), ("", ""), ("a@b@c.de", "")],
)
def test_what_is_no_id_is_refused_with_what_one_looks_like(run: Callable[..., Any], text: str, hint: str) -> None:
    ran = run("leads", "show", text)
    assert ran.code == 2
    assert ran.err == f"leadheat: {text!r} is no lead's id: expected an e-mail address, user:… or anon:…{hint}\n"


@pytest.mark.kafka
def test_traits_ceilings_inactivity_and_whom_to_call_are_shown(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    """20 days after the record: 100 points of the web have become 25, below their ceiling, and inactivity counts."""
    at_ms = now_ms() - 20 * DAY
    record = published(
        at_ms,
        score=70.0,
        cools_at_ms=None,
        rules=[ScoreLine(rule="view", points=100.0, half_life_days=10.0, channel="web")],
        channels={"web": 60.0},
        traits=[TraitLine(trait="budget", points=15.0), TraitLine(trait="free_mail", points=-5.0)],
        inactive_from_ms=at_ms + 10 * DAY,
        inactive_points=-15.0,
        stage="converted",
        phase="decision",
        account="acme.com",
        contact={"name": "Ann Lee", "phone": "+31 20 123 4567"},
    )
    produce(topics, LEAD_SCORES, [(ANN, encode(record))])
    shown = show(run, topics)
    assert {
        other["name"]: (other["kind"], other["points"], round(other["points_now"], 3)) for other in shown["others"]
    } == {
        "budget": ("trait", 15.0, 15.0),
        "free_mail": ("trait", -5.0, -5.0),
        "web": ("channel", -40.0, 0.0),
        "inactivity": ("inactivity", 0.0, -15.0),
    }
    points_now = [line["points_now"] for line in (*shown["rules"], *shown["others"])]
    assert shown["score_now"] == pytest.approx(sum(points_now), abs=1e-5)
    assert shown["score_now"] == score_later(record, shown["now_ms"])

    lines = run("leads", "show", "ann@example.com", "--text", settings=topics).lines
    assert lines[2:4] == ["converted, account acme.com, in decision", "reach Ann Lee, +31 20 123 4567"]
    assert [" ".join(line.split()) for line in lines[5:]] == [
        "rule points then now halves every",
        "view +100 +25 10 days",
        "budget +15 +15 trait",
        "free mail −5 −5 trait",
        "web ceiling −40 0 channel",
        "inactivity 0 −15 inactivity",
    ]


@pytest.mark.kafka
def test_inactivity_to_come_is_foretold_and_a_negative_sum_is_lifted(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    record = published(
        now_ms(),
        score=0.0,
        rules=[ScoreLine(rule="complaint", points=-100.0, half_life_days=365.0)],
        cools_at_ms=None,
        inactive_from_ms=now_ms() + 90 * DAY,
        inactive_points=-15.0,
    )
    produce(topics, LEAD_SCORES, [(ANN, encode(record))])
    shown = show(run, topics)
    assert [(other["kind"], round(other["points_now"])) for other in shown["others"]] == [("floor", 100)]
    lines = run("leads", "show", "ann@example.com", "--text", settings=topics).lines
    assert lines[2].startswith("−15 points for inactivity ")
    assert lines[2].endswith(" (in 90 days), without another visit")
