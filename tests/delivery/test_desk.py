"""What a desk promises: order, one body, nothing lost over any restart, and clocks that fire once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.follow_ups import FollowUp
from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config import DeliveryConfig
from streams.delivery.desk import Desk
from streams.delivery.memory import Changes
from streams.delivery.messages import Message
from streams.delivery.planning import Plan
from streams.delivery.records import Delivery, Order, SinkState, decode_remembered
from streams.delivery.sinks.webhook import render
from tests.delivery.builders import HOUR, MONDAY_9H, config, cooled, entered, retracted
from tests.share import share

NOW = MONDAY_9H
ARRIVED = Sent("ref")
OFFICE = {"office": {"timezone": "UTC", "from": "09:00", "to": "17:00"}}
TEAM = {"ann": {"name": "Ann", "digest_at": "08:30"}, "bob": {"name": "Bob"}}


def render_all(_: str, message: Message) -> str:
    return render(message)


class Office:
    """A desk, the topic that it is written to, and what was sent: it can be closed and opened again at any time."""

    def __init__(self, file: DeliveryConfig) -> None:
        self.plan = Plan(file, render_all)
        self.topic: dict[str, bytes] = {}
        self.follow_ups: list[FollowUp] = []
        self.sent: list[tuple[str, str, str]] = []
        self.open(NOW)

    def open(self, now: int) -> None:
        self.desk = Desk(self.plan, [decode_remembered(value) for value in self.topic.values()], now)

    def commit(self) -> Changes:
        changes = self.desk.drain()
        for key, value in changes.records.items():
            if value is None:
                self.topic.pop(key, None)
            else:
                self.topic[key] = value
        self.follow_ups += changes.follow_ups
        return changes

    def go(self, now: int, answer: Attempt = ARRIVED, room: int = 100) -> list[Delivery]:
        """Do a round as the runner does; every try comes to ``answer``. Returns what was tried."""
        self.desk.tick(now)
        self.commit()
        tried = list(self.desk.take_due(now, lambda _: room))
        for each in tried:
            self.sent.append((each.sink, each.id, each.body))
            self.desk.settle(each, answer, now)
        self.commit()
        return tried

    @property
    def last_body(self) -> str:
        return self.sent[-1][2]

    @property
    def states(self) -> dict[tuple[str, str], str]:
        return {(each.sink, each.kind): each.state for each in self.desk.deliveries.values()}


def test_an_alert_goes_to_every_sink_of_its_routes_once() -> None:
    office = Office(config())
    for _ in range(2):
        office.desk.take_alert(entered(), NOW)
    assert [each.sink for each in office.go(NOW)] == ["hook", "chat"]
    assert office.go(NOW + 1) == []
    assert set(office.states.values()) == {"delivered"}


def test_a_cooling_follows_to_those_who_heard_of_the_alert_and_knows_their_message() -> None:
    office = Office(config())
    office.desk.take_alert(entered(), NOW)
    office.go(NOW)
    office.desk.take_alert(cooled(entered(), NOW + 1), NOW + 1)
    office.commit()
    following = list(office.desk.take_due(NOW + 1, lambda _: 9))
    assert [(each.kind, office.desk.earlier_ref(each)) for each in following] == [("cooled", "ref")] * 2


def test_a_retraction_follows_to_those_who_heard_and_says_what_it_is() -> None:
    office = Office(CLOCK)
    office.desk.take_alert(entered(), NOW)
    office.go(NOW)
    office.desk.take_alert(retracted(entered(), NOW + 1), NOW + 1)
    office.commit()
    office.open(NOW + 1)
    (told,) = office.go(NOW + 1)
    assert (told.kind, told.about) == ("retracted", entered().id)
    assert "was not hot after all" in office.last_body
    assert office.go(NOW + HOUR) == []  # and its clock has stopped
    assert office.follow_ups == []


def test_what_is_retracted_before_anybody_was_told_is_not_told_to_people_and_is_to_programs() -> None:
    routes = [{"name": "all", "to": ["chat", "hook"], "quiet": "hold", "owners": ["ann"]}]
    office = Office(config(routes=routes, owners=TEAM, hours=OFFICE, default_hours="office"))
    night = NOW + 13 * HOUR
    office.desk.take_alert(entered(time_ms=night), night)
    office.desk.take_alert(retracted(entered(), night + 1), night + 1)
    assert [(each.sink, each.kind) for each in (*office.go(night + 1), *office.go(night + 1))] == [
        ("hook", "entered"),
        ("hook", "retracted"),
    ]
    assert office.go(night + 24 * HOUR) == []
    (unsaid,) = (each for each in office.desk.deliveries.values() if each.sink == "chat")
    assert (unsaid.state, unsaid.reason) == ("dropped", "retracted before anybody was told")


ANSWERED = config(
    routes=[{"name": "all", "to": ["chat", "hook"], "owners": ["ann", "bob"], "quiet": "hold"}],
    owners=TEAM,
    hours=OFFICE,
    default_hours="office",
)


def answer(action: str, time_ms: int, alert_id: str = "") -> FollowUp:
    return FollowUp(
        id=f"f-{action}", lead="email:ann@example.com", action=action, time=time_ms, by="bob", alert_id=alert_id
    )


@pytest.mark.parametrize("action", ["accepted", "rejected", "contacted", "won", "suppressed"])
@pytest.mark.parametrize("names_the_alert", [True, False])
def test_who_has_been_answered_is_not_told_to_people_any_more(action: str, names_the_alert: bool) -> None:
    office = Office(ANSWERED)
    night = NOW + 13 * HOUR
    office.desk.take_alert(entered(time_ms=night), night)
    office.desk.take_alert(entered("email:zoe@example.com", time_ms=night), night)
    assert [each.sink for each in office.go(night, Failed("answered 500"))] == ["hook", "hook"]
    office.desk.take_follow_up(answer(action, night + 1, entered().id if names_the_alert else ""), night + 1)
    office.commit()
    office.open(night + 2)
    told = office.go(night + 24 * HOUR)
    # Whoever accepts a lead is still to contact it in time, so that a breach may follow.
    assert {(each.sink, each.subject) for each in told if each.kind == "entered"} == {
        ("hook", "email:ann@example.com"),  # programs are told of every alert
        ("hook", "email:zoe@example.com"),
        ("chat", "email:zoe@example.com"),
    }
    (unsaid,) = (each for each in office.desk.deliveries.values() if each.state == "dropped")
    assert unsaid.reason == f"{action} by bob before it was told"


def test_an_answer_stops_what_is_being_tried_for_people_unless_it_arrives() -> None:
    office = Office(config(routes=[{"name": "all", "to": ["chat"]}]))
    office.desk.take_alert(entered(), NOW)
    office.commit()
    (tried,) = office.desk.take_due(NOW, lambda _: 9)
    office.desk.take_follow_up(answer("accepted", NOW + 1), NOW + 1)
    office.desk.settle(tried, Failed("answered 500"), NOW + 2)
    assert (tried.state, tried.reason) == ("dropped", "accepted by bob before it was told")


@pytest.mark.parametrize(("action", "alert_id"), [("accepted", "another"), ("adjusted", ""), ("released", "")])
def test_an_answer_to_something_else_keeps_nothing_back(action: str, alert_id: str) -> None:
    office = Office(config(routes=[{"name": "all", "to": ["chat"]}]))
    office.desk.take_alert(entered(), NOW)
    office.desk.take_follow_up(answer(action, NOW + 1, alert_id), NOW + 1)
    assert len(office.go(NOW + 2)) == 1


def test_an_answer_from_before_an_alert_keeps_nothing_back() -> None:
    office = Office(config(routes=[{"name": "all", "to": ["chat"]}]))
    office.desk.take_alert(entered(), NOW)
    office.desk.take_follow_up(answer("accepted", NOW - 1), NOW)
    assert len(office.go(NOW)) == 1


def test_what_is_said_of_a_lead_waits_for_what_was_said_before() -> None:
    office = Office(config(routes=[{"name": "all", "to": ["hook"]}]))
    office.desk.take_alert(entered(), NOW)
    office.go(NOW, Failed("answered 500"))
    office.desk.take_alert(cooled(entered(), NOW + 1), NOW + 1)
    office.desk.take_alert(entered("email:bob@example.com"), NOW + 1)
    assert [each.subject for each in office.go(NOW + 2)] == ["email:bob@example.com"]
    assert [each.kind for each in office.go(NOW + HOUR)] == ["entered"]
    assert [each.kind for each in office.go(NOW + HOUR)] == ["cooled"]


def test_what_no_route_matches_is_seen_and_goes_nowhere() -> None:
    office = Office(config(routes=[{"name": "warm", "to": ["hook"], "when": {"bands": ["warm"]}}]))
    office.desk.take_alert(entered(), NOW)
    assert office.go(NOW) == []
    (only,) = office.desk.deliveries.values()
    assert (only.sink, only.state, only.reason) == ("-", "dropped", "no route matches")


def test_after_a_day_of_failures_a_delivery_is_dead_and_can_be_retried_with_its_body() -> None:
    office = Office(config(routes=[{"name": "all", "to": ["hook"]}]))
    office.desk.take_alert(entered(), NOW)
    now, tries = NOW, 0
    while office.go(now, Failed("answered 500")):
        tries += 1
        next_ms = office.desk.next_ms()
        now = now if next_ms is None else next_ms
    assert 10 < tries < 25
    assert NOW + 24 * HOUR <= now < NOW + 25 * HOUR
    (key,) = (key for key in office.topic if key.startswith("delivery"))
    dead = decode_remembered(office.topic[key])
    assert isinstance(dead, Delivery)
    assert (dead.state, dead.reason) == ("dead", "gave up: answered 500")
    office.open(now)
    office.desk.take_order(Order(action="retry", delivery=dead, by="ann"), now)
    office.go(now)
    assert office.states == {("hook", "entered"): "delivered"}
    assert len({body for _, _, body in office.sent}) == 1


def test_a_receiver_that_is_gone_is_left_alone_also_after_a_restart_until_somebody_retries() -> None:
    office = Office(config(routes=[{"name": "all", "to": ["hook"]}]))
    office.desk.take_alert(entered(), NOW)
    office.desk.take_alert(entered("user:2", 2), NOW)
    office.go(NOW, Failed("answered 410 Gone", is_gone=True), room=1)
    assert [each.state for each in office.desk.deliveries.values()] == ["dead", "dead"]
    office.open(NOW)
    office.desk.take_alert(entered("user:3", 3), NOW)
    assert office.go(NOW) == []
    last = decode_remembered(office.topic[next(reversed(office.topic))])
    dead = next(e for e in map(decode_remembered, office.topic.values()) if isinstance(e, Delivery) and e.body)
    assert not isinstance(last, SinkState)
    office.desk.take_order(Order(action="retry", delivery=dead), NOW)
    assert [each.id for each in office.go(NOW)] == [dead.id]
    assert not any(key.startswith("sink|") for key in office.topic)


def test_what_comes_at_night_is_held_until_the_owner_works_and_says_so() -> None:
    routes = [{"name": "all", "to": ["chat", "hook"], "quiet": "hold", "owners": ["ann"]}]
    office = Office(config(routes=routes, owners=TEAM, hours=OFFICE, default_hours="office"))
    night = NOW + 13 * HOUR  # 22:00
    office.desk.take_alert(entered(time_ms=night), night)
    assert [each.sink for each in office.go(night)] == ["hook"]  # a program has no night
    office.open(night + 1)
    assert office.go(NOW + 24 * HOUR - 1) == []
    office.go(NOW + 24 * HOUR)
    assert "Held back for working hours until 6 Jan 2026 09:00 UTC" in office.last_body


def test_a_digest_gathers_what_an_owner_is_told_and_all_of_it_is_delivered_with_it() -> None:
    routes = [{"name": "all", "to": ["chat"], "digest": True, "owners": ["ann"]}]
    office = Office(config(routes=routes, owners=TEAM))
    for number in range(3):
        office.desk.take_alert(entered(f"user:{number}", number), NOW)
    office.desk.take_alert(cooled(entered("user:1", 1), NOW + 1), NOW + 1)
    assert office.go(NOW + 23 * HOUR) == []
    office.open(NOW + 23 * HOUR)
    (digest,) = office.go(NOW + 24 * HOUR)  # 08:30 of the next day has passed
    assert digest.kind == "digest"
    assert office.last_body.count("is hot") == 3
    assert office.last_body.count("has cooled") == 1
    assert {each.state for each in office.desk.deliveries.values()} == {"delivered"}


def test_a_cooldown_keeps_messages_back_visibly_and_the_next_one_says_how_many() -> None:
    office = Office(config(routes=[{"name": "all", "to": ["hook"], "cooldown_h": 24}]))
    for number in range(3):
        office.desk.take_alert(entered(number=number), NOW + number)
        office.go(NOW + number)
    states = [each.state for each in office.desk.deliveries.values()]
    assert states == ["delivered", "quiet", "quiet"]
    assert "cooldown of route 'all' until 6 Jan 2026" in next(
        each.reason for each in office.desk.deliveries.values() if each.state == "quiet"
    )
    office.commit()
    office.open(NOW)
    office.desk.take_alert(entered(number=9), NOW + 25 * HOUR)
    office.go(NOW + 25 * HOUR)
    assert "2 more were kept back by the cooldown" in office.last_body


CLOCK = config(
    routes=[{"name": "all", "to": ["hook"], "owners": ["ann", "bob"]}],
    owners=TEAM,
    hours=OFFICE,
    default_hours="office",
)


def test_nobody_contacts_a_lead_and_the_next_person_is_told_at_the_time_and_once() -> None:
    office = Office(CLOCK)
    office.desk.take_alert(entered(), NOW)
    office.go(NOW)
    assert office.go(NOW + HOUR - 1) == []
    office.open(NOW + HOUR - 1)
    (breach,) = office.go(NOW + HOUR)
    first, second = breach.owner, {"ann": "bob", "bob": "ann"}[breach.owner]
    assert breach.kind == "breached"
    assert "Not contacted in time: Ann Lee is hot" in office.last_body
    assert [(each.action, each.by, each.time) for each in office.follow_ups] == [("breached", second, NOW + HOUR)]
    office.open(NOW + HOUR)
    assert office.go(NOW + 2 * HOUR - 1) == []
    (last,) = office.go(NOW + 2 * HOUR)
    assert last.owner == first
    assert office.go(NOW + 99 * HOUR) == []
    assert len(office.follow_ups) == 2


@pytest.mark.parametrize(
    ("action", "stops"),
    [("contacted", True), ("meeting", True), ("rejected", True), ("suppressed", True), ("accepted", False)],
)
def test_the_clock_stops_when_the_lead_is_contacted_or_nobody_is_to(action: str, stops: bool) -> None:
    office = Office(CLOCK)
    office.desk.take_alert(entered(), NOW)
    office.go(NOW)
    office.desk.take_follow_up(FollowUp(id="f", lead="email:ann@example.com", action=action, time=NOW), NOW)
    office.commit()
    office.open(NOW)
    assert bool(office.go(NOW + HOUR)) is not stops


def test_a_contact_that_is_read_before_its_alert_stops_the_clock_and_an_earlier_one_does_not() -> None:
    for time_ms, breaches in ((NOW, False), (NOW - 1, True)):
        office = Office(CLOCK)
        contacted = FollowUp(id="f", lead="email:ann@example.com", action="contacted", time=time_ms)
        office.desk.take_follow_up(contacted, NOW)
        office.commit()
        office.open(NOW)
        office.desk.take_alert(entered(), NOW)
        office.go(NOW)
        assert bool(office.go(NOW + HOUR)) is breaches


def test_the_clock_runs_in_working_hours_only() -> None:
    office = Office(CLOCK)
    friday_1630 = NOW + 4 * 24 * HOUR + 7 * HOUR + HOUR // 2
    office.desk.take_alert(entered(time_ms=friday_1630), friday_1630)
    (handoff,) = office.desk.handoffs.values()
    assert handoff.due_ms == NOW + 7 * 24 * HOUR + HOUR // 2  # half an hour is left on Monday


def test_what_is_done_is_forgotten_after_the_days_that_it_is_kept() -> None:
    office = Office(config(kept_days=1))
    office.desk.take_alert(entered(), NOW)
    office.go(NOW)
    office.go(NOW + 25 * HOUR)
    assert list(office.topic) == ["meta"]
    assert office.desk.deliveries == {}


def test_a_drop_ends_what_waits_and_what_is_being_tried_unless_it_arrives() -> None:
    office = Office(config())
    office.desk.take_alert(entered(), NOW)
    office.commit()
    hook, chat = office.desk.take_due(NOW, lambda _: 9)
    for each in (hook, chat):
        office.desk.take_order(Order(action="drop", delivery=each, by="bob"), NOW)
    office.desk.settle(hook, Failed("answered 500"), NOW)
    office.desk.settle(chat, Sent(), NOW)
    assert (hook.state, hook.reason, chat.state) == ("dropped", "dropped by bob", "delivered")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "cool", "crash", "go", "fail", "take"]), st.integers(0, 3), st.integers(0, HOUR)
    ),
    max_size=40,
)


@settings(max_examples=share(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_happens_everything_arrives_in_order_with_one_body(steps: list[tuple[str, int, int]]) -> None:
    office = Office(config(routes=[{"name": "all", "to": ["hook", "chat"]}]))
    now, said, alerts = NOW, [], {}
    for number, (step, lead, wait) in enumerate(steps):
        match step:
            case "enter" if lead not in alerts:
                alerts[lead] = entered(f"user:{lead}", number)
                office.desk.take_alert(alerts[lead], now)
                said.append(alerts[lead].id)
                office.commit()
            case "cool" if lead in alerts:
                ended = cooled(alerts.pop(lead), now)
                office.desk.take_alert(ended, now)
                said.append(ended.id)
                office.commit()
            case "take":  # tried, and nobody will know what came of it
                office.sent += [(e.sink, e.id, e.body) for e in office.desk.take_due(now, lambda _: 1)]
                office.open(now)
            case "crash":
                office.open(now)
            case "go":
                office.go(now)
            case "fail":
                office.go(now, Failed("answered 500"))
        now += wait
    while (next_ms := office.desk.next_ms()) is not None:
        now = max(now, next_ms)
        office.go(now)
    arrived: dict[str, list[str]] = {"hook": [], "chat": []}
    bodies: dict[str, set[str]] = {}
    for sink, what, body in office.sent:
        bodies.setdefault(what, set()).add(body)
        arrived[sink].append(what)
    assert all(set(found) == set(said) for found in arrived.values())
    assert all(len(found) == 1 for found in bodies.values())
    assert {each.state for each in office.desk.deliveries.values()} <= {"delivered"}


def test_a_sink_that_has_left_the_file_leaves_nothing_that_waits_for_ever() -> None:
    office = Office(config())
    office.desk.take_alert(entered(), NOW)
    office.commit()
    smaller: dict[str, Any] = {"sinks": {"chat": {"kind": "slack", "token": {"env": "T"}, "channel": "C1"}}}
    office.plan = replace(office.plan, config=config(**smaller, routes=[{"name": "all", "to": ["chat"]}]))
    office.open(NOW)
    office.go(NOW)
    assert office.states == {("hook", "entered"): "dead", ("chat", "entered"): "delivered"}
