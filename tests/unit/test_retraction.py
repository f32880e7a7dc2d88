"""What a machine did counts nothing, however late it is found out; what rested on it is taken back, and no more."""

from __future__ import annotations

from itertools import permutations, repeat
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.activity import read_activity
from scoring.alerts import retracted_id
from scoring.lead_state import decode_state
from scoring.model import load_model
from scoring.models import DEFAULT_MODEL
from scoring.replay import Replay
from scoring.score_records import score_later
from scoring.shard import Shard
from tests.share import share
from tests.unit.builders import NOW, days, event, live, model_of, run, to_record

FAR = NOW + days(30)
ANN = {"email": "ann@acme.com"}
CLICK = {"on": "email_clicked", "points": 10, "half_life_days": 7}
RULES = {
    "click": {**CLICK, "points_max": 25},
    "link": {**CLICK, "once_per": "link"},
    "message": {**CLICK, "once_per": "message", "converts": True},
    "view": {"on": "page_viewed", "points": 3, "half_life_days": 3},
}
MODEL = model_of(RULES)
BURSTY = model_of({"click": {**CLICK, "points": 40}, "view": {"on": "page_viewed", "points": 30, "half_life_days": 30}})


def click(event_id: str, at: int, link: str = "a", message: str = "m", **fields: Any) -> dict[str, Any]:
    return event(event_id, NOW + at, "email_clicked", properties={"message": message, "link": link}, **(ANN | fields))


def burst(at: int = 0, message: str = "m") -> list[dict[str, Any]]:
    return [click(f"b-{message}-{at}-{n}", at + 300 * n, link, message) for n, link in enumerate("abc")]


def score_at_last(model, history, time_ms=FAR):
    """Return the score at a later time, of whoever there is; 0 of nobody."""
    scores = run(model, history).scores
    return sum(score_later(record, time_ms) for record in scores.values())


def alerts(model, history):
    return run(model, live(history), repeat(1)).outcome.alerts


# ── bursts ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("history", "counts"),
    [
        (burst(), 0),
        ([click("1", 0, "a"), click("2", 500, "b"), click("3", 1000, "c")], 0),
        ([click("1", 0, "a"), click("2", 500, "b"), click("3", 1001, "c")], 3),
        ([click("1", 0, "a"), click("2", 500, "b"), click("3", 900, "b")], 3),
        ([click("1", 0, "a"), click("2", 500, "b"), click("3", 900, "c", "other message")], 3),
        ([*burst(), click("4", 600 + 10_000, "d")], 0),
        ([*burst(), click("4", 600 + 10_001, "d")], 1),
        ([click("4", 0, "d"), *burst(10_000)], 0),
        ([click("4", 0, "d"), *burst(10_001)], 1),
        ([*burst(), click("4", 5_000, "d", "other message")], 1),
    ],
)
def test_three_links_of_a_message_in_a_second_void_its_clicks_ten_seconds_around(history, counts):
    only = model_of({"click": {**CLICK, "half_life_days": 36_000}})
    for order in (history, history[::-1]):
        assert round(score_at_last(only, [(each, FAR) for each in order], FAR)) == 10 * counts


def test_clicks_without_a_message_are_no_burst():
    history = [click(str(n), n, link) for n, link in enumerate("abc")]
    for each in history:
        del each["properties"]["message"]
    assert score_at_last(BURSTY, live(history), NOW + 2) > 100


@pytest.mark.parametrize("honeypot", [{"reasons": ["honeypot"], "verdict": "machine"}, {}])
def test_a_link_that_no_person_sees_voids_the_clicks_around(honeypot):
    link = "a" if honeypot else "https://acme.com/leadheat-honeypot"
    history = [click("1", 0), click("2", 10_000, link, **honeypot), click("3", 20_001, "c")]
    assert score_at_last(BURSTY, live(history), NOW + 20_001) == pytest.approx(40)


@pytest.mark.parametrize(
    ("first", "second", "at", "is_suspect"),
    [
        ("2572-windows", "9999-ios", 60_000, True),
        ("2572-windows", "9999-ios", 60_001, False),
        ("2572-windows", "2572-ios", 1_000, False),
        ("2572-windows", "9999-windows", 1_000, False),
        (None, "9999-ios", 1_000, False),
        ("no trace", "9999-ios", 1_000, False),
    ],
)
def test_a_message_clicked_again_from_another_network_and_system_counts_once(first, second, at, is_suspect):
    history = [click("1", 0, seen_from=first), click("2", at, "b", seen_from=second)]
    for order in (history, history[::-1]):
        score = score_at_last(BURSTY, [(each, FAR) for each in order], NOW + at)
        assert score == pytest.approx(40 if is_suspect else 80, abs=0.1)


def test_a_click_of_a_known_machine_makes_a_persons_no_suspect():
    history = [click("1", 0, seen_from="2572-linux", verdict="machine"), click("2", 5_000, seen_from="9999-ios")]
    assert score_at_last(BURSTY, live(history), NOW + 5_000) == pytest.approx(40)


# ── verdicts and consent ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("verdict", "points"), [("machine", 0), ("suspect", 0), ("human", 30), (None, 30)])
def test_only_what_a_person_did_counts(verdict, points):
    view = event("1", verdict=verdict) if verdict else event("1")
    assert score_at_last(BURSTY, live([view]), NOW) == points


def test_what_a_machine_did_comes_twice_and_is_still_known():
    view = event("1", verdict="machine")
    assert run(BURSTY, live([view, view]), [1]).outcome.duplicates == 1


OPENS = model_of(
    {
        "open": {"on": "email_opened", "where": {"consent": True}, "points": 5, "half_life_days": 30},
        "once": {"on": "email_opened", "points": 7, "half_life_days": 30, "once_per": "message"},
        "view": {"on": "page_viewed", "points": 30, "half_life_days": 30},
    }
)


def opened(event_id: str, at: int, message: str = "m", **properties: Any) -> dict[str, Any]:
    return event(event_id, NOW + at, "email_opened", properties={"message": message, **properties}, **ANN)


def withdrawn(at: int) -> dict[str, Any]:
    return event(f"w-{at}", NOW + at, "consent_withdrawn", **ANN)


@given(st.permutations(range(7)))
def test_withdrawing_consent_takes_back_exactly_what_opens_before_it_have_counted(order):
    history = [
        opened("1", 0, consent=True),
        opened("2", 1_000, "m-2", consent=True),
        opened("3", 1_500, "m-2", consent=True),
        withdrawn(2_000),
        opened("4", 3_000, "m-4", consent=True),
        opened("5", 3_000, "m-3", consent=False),
        event("6", NOW + 500, **ANN),
    ]
    expected = score_at_last(OPENS, live([history[4], history[6]]))
    assert score_at_last(OPENS, [(history[place], FAR) for place in order]) == pytest.approx(expected, abs=1e-6)


# ── alerts ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_alert_that_rested_on_a_burst_is_retracted_with_its_id():
    entered, retracted = alerts(BURSTY, [event("v", NOW - 5, **ANN), *burst()])
    assert (entered.kind, entered.band, entered.score) == ("entered", "hot", pytest.approx(110, abs=0.1))
    assert (retracted.kind, retracted.alert_id) == ("retracted", entered.id)
    assert retracted.id == retracted_id(entered.id)
    assert (retracted.band, retracted.from_band) == ("warm", "hot")
    assert retracted.score == pytest.approx(30, abs=0.01)
    assert [line.rule for line in retracted.ledger] == ["view"]


def test_an_alert_that_would_have_been_without_the_burst_stands():
    views = [event(f"v-{n}", NOW - 50 + n, **ANN) for n in range(4)]
    assert [alert.kind for alert in alerts(BURSTY, [*views, *burst()])] == ["entered"]


def test_an_alert_that_has_more_behind_it_by_now_stands():
    views = [event(f"v-{n}", NOW + 400 + n, **ANN) for n in range(4)]
    early, late = burst()[:2], burst()[2:]
    assert [alert.kind for alert in alerts(BURSTY, [event("v", NOW - 5, **ANN), *early, *views, *late])] == ["entered"]


def test_after_a_retraction_a_person_is_alerted_at_once():
    views = [event(f"v-{n}", NOW + 60_000 + n, **ANN) for n in range(3)]
    kinds = [alert.kind for alert in alerts(BURSTY, [event("v", NOW - 5, **ANN), *burst(), *views])]
    assert kinds == ["entered", "retracted", "entered"]


def test_a_hold_that_a_machine_set_off_is_taken_back():
    held = model_of({"click": {**CLICK, "hot": {"hold_days": 7}}})
    entered, retracted = alerts(held, burst())
    assert (entered.kind, entered.held_until_ms) == ("entered", NOW + days(7))
    assert (retracted.kind, retracted.band, retracted.score) == ("retracted", "cold", 0)
    assert [alert.kind for alert in alerts(held, [click("h", -60_000), *burst()])] == ["entered"]


def test_the_trace_of_clicks_is_small_and_bounded():
    history = [click(f"c-{n}", n * 20_000, f"l-{n}") for n in range(200)]
    shard = run(MODEL, live(history)).shard
    assert len(decode_state(shard.leads[b"email:ann@acme.com"]).clicks) <= 16 * 13


# ── any order ────────────────────────────────────────────────────────────────────────────────────────────────


def random_history(rng: Random) -> list[dict[str, Any]]:
    """Return events of one lead within some minutes: clicks in clusters, page views, some of them judged before."""
    history: list[dict[str, Any]] = []
    for number in range(rng.randrange(3, 16)):
        at = rng.choice((0, 11_000, 30_000, 300_000)) + rng.choice((0, 1, 250, 500, 1000, 1001, 9_000))
        judged = {"verdict": "machine"} if rng.random() < 0.1 else {}
        if rng.random() < 0.8:
            history.append(click(f"e-{number}", at, rng.choice("abcd"), rng.choice("mn"), **judged))
        else:
            history.append(event(f"e-{number}", NOW + at, **(ANN | judged)))
    return history


def voided(history: list[dict[str, Any]]) -> set[str]:
    """Return the ids of what does not count: found by looking at every three clicks."""
    void = {each["id"] for each in history if each.get("verdict") == "machine"}
    clicks = [each for each in history if each["type"] == "email_clicked"]
    for one in clicks:
        for two in clicks:
            for three in clicks:
                those = (one, two, three)
                if len({each["properties"]["message"] for each in those}) > 1:
                    continue
                if len({each["properties"]["link"] for each in those}) < 3:
                    continue
                times = sorted(each["time"] for each in those)
                if times[-1] - times[0] <= 1_000:
                    void |= {
                        each["id"]
                        for each in clicks
                        if each["properties"]["message"] == one["properties"]["message"]
                        and times[0] - 10_000 <= each["time"] <= times[-1] + 10_000
                    }
    return void


@given(st.randoms(use_true_random=False), st.integers(1, 5))
@settings(max_examples=share(150))
def test_in_any_order_and_any_chunks_the_score_is_that_of_what_people_did(rng, chunk):
    history = random_history(rng)
    void = voided(history)
    people = [each for each in history if each["id"] not in void]
    expected = score_at_last(MODEL, live(sorted(people, key=lambda each: each["time"])))
    rng.shuffle(history)
    again = [*history, *(rng.choice(history) for _ in range(3))]
    ran = run(MODEL, [(each, FAR) for each in again], repeat(chunk))
    assert sum(score_later(record, FAR) for record in ran.scores.values()) == pytest.approx(expected, abs=1e-6)


@given(st.randoms(use_true_random=False))
@settings(max_examples=share(60))
def test_every_retraction_takes_back_an_open_alert_once(rng):
    history = sorted(random_history(rng), key=lambda each: each["time"])
    strong = model_of({name: {**rule, "points": 60} for name, rule in RULES.items() if name != "click"})
    is_open: str | None = None
    for alert in alerts(strong, history):
        if alert.kind == "entered":
            assert is_open is None
            is_open = alert.id
        else:
            assert alert.alert_id == is_open
            is_open = None


# ── people with several identities ───────────────────────────────────────────────────────────────────────────


def test_a_burst_that_a_visitor_and_the_person_made_together_is_retracted_in_any_order() -> None:
    visitor = {"message": "m", "link": "c"}
    happened = [
        *burst()[:2],
        event("view", NOW + 350, **ANN),
        event("third", NOW + 600, "email_clicked", properties=visitor, anonymous_id="v"),
        event("who", NOW + 2_000, "form_submitted", anonymous_id="v", **ANN),
    ]
    for order in permutations(happened):
        replay = Replay(BURSTY)
        raised = [alert for each in order for alert in replay.take([to_record(each)]).alerts]
        assert [(record.lead, round(record.score)) for record in replay.scores()] == [("email:ann@acme.com", 30)]
        assert [alert.kind for alert in raised] in ([], ["entered", "retracted"])
        assert all(alert.id == retracted_id(raised[0].id) for alert in raised[1:])


def test_an_alert_that_did_not_rest_on_what_a_visitor_clicked_is_not_retracted_with_it() -> None:
    replay = Replay(BURSTY)
    views = [event(f"view-{number}", NOW, **ANN) for number in range(4)]
    clicks = [each | {"anonymous_id": "v"} for each in burst()[:2]]
    for each in clicks:
        del each["email"]
    third = event("third", NOW + 600, "email_clicked", properties={"message": "m", "link": "c"}, **ANN)
    happened = [*views, *clicks, third, event("who", NOW + 2_000, "form_submitted", anonymous_id="v", **ANN)]
    raised = [alert for each in happened for alert in replay.take([to_record(each)]).alerts]
    assert [alert.kind for alert in raised] == ["entered"]
    assert [round(record.score) for record in replay.scores()] == [120]


# ── what accounts are told ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("chunk", [1, 9])
def test_a_day_on_which_only_a_machine_was_active_is_no_day_of_activity_in_any_chunk(chunk):
    views = [
        event(name, NOW + at, **ANN, properties={"path": "/"}) for name, at in (("v1", 0), ("v2", days(1) + 5_000))
    ]
    records = [to_record(each) for each in [views[0], *burst(days(1)), views[1]]]
    shard = Shard(load_model(DEFAULT_MODEL), {})
    for first in range(0, len(records), chunk):
        shard.take(records[first : first + chunk])
    (state,) = (decode_state(value) for key, value in shard.leads.items() if key.startswith(b"email:"))
    assert [events for _, events in read_activity(state.days)] == [1, 1]
