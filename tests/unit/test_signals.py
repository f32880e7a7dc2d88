"""Buying signals of an account: each kind where it is there, where it is not, and exactly at its border."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.activity import DAY_MS, note_activity
from scoring.alerts import alert_id, signal_id
from scoring.contacts import Contact, Mark
from scoring.signal_history import CompanyNews
from scoring.signal_records import BuyingSignal, Finding, SignalEvidence, SignalPerson
from scoring.signals import SignalBook
from tests.unit.builders import days, hours, model_of

TODAY = 20_000
NOW = TODAY * DAY_MS + hours(12)
WEEK = hours(168)

VIEW = {"on": "page_viewed", "points": 1, "half_life_days": 14}
RULES = dict.fromkeys(("demo", "form", "pricing", "comparison"), VIEW)


def book_of(**signals: Mapping[str, object]) -> SignalBook:
    return SignalBook(model_of(RULES, signals=signals))


def person(
    lead: str = "ann",
    at_ms: int = 0,
    active: Mapping[int, int] | None = None,
    sessions: Iterable[int] = (),
    marks: Iterable[tuple[int, str] | tuple[int, str, str]] = (),
    name: str = "",
) -> Contact:
    """Return a contact; ``active`` says how many events each day saw, counted back from today."""
    memory = bytearray()
    for ago, events in (active or {}).items():
        note_activity(memory, (TODAY - ago) * DAY_MS, events)
    return Contact(
        f"email:{lead}@acme.com",
        1,
        at_ms=at_ms,
        days=bytes(memory),
        sessions=sorted(sessions),
        marks=sorted(Mark(*mark) for mark in marks),
        name=name,
    )


def found(
    signal: Mapping[str, object], contacts: Sequence[Contact], news: Sequence[CompanyNews] = (), now_ms: int = NOW
) -> Finding | None:
    """Return what is found of a signal that has never been said."""
    findings = book_of(s=signal).detect(contacts, news, now_ms, {})
    assert len(findings) <= 1
    return findings[0] if findings else None


def expect(
    finding: Finding | None, at_ms: int, people: Sequence[str], evidence: Sequence[SignalEvidence], summary: str
) -> None:
    """Hold a finding against what is expected of the whole of it."""
    assert finding is not None
    assert finding == Finding(
        signal="s",
        kind=finding.kind,
        polarity=finding.polarity,
        at_ms=at_ms,
        people=[f"email:{lead}@acme.com" for lead in people],
        evidence=list(evidence),
        summary=summary,
    )


def seen(time_ms: int, what: str, lead: str = "ann", subject: str = "") -> SignalEvidence:
    return SignalEvidence(time_ms, what, f"email:{lead}@acme.com" if lead else "", subject)


# ── hand-raise ───────────────────────────────────────────────────────────────────────────────────────────────

HAND_RAISE = {"kind": "hand_raise", "rules": ["demo", "form"]}


def test_a_hand_raise_is_the_latest_match_of_any_of_its_rules() -> None:
    ann = person(marks=[(NOW - 9, "demo", "/demo"), (NOW - 5, "form", "quote")], name="Ann Ito")
    ben = person("ben", marks=[(NOW - 7, "demo"), (NOW, "pricing")])
    finding = found(HAND_RAISE, [ann, ben])
    expect(finding, NOW - 5, ["ann"], [seen(NOW - 5, "form", subject="quote")], "Form (quote) by Ann Ito")
    assert finding is not None
    assert (finding.kind, finding.polarity) == ("hand_raise", "positive")


def test_a_match_of_another_rule_raises_no_hand() -> None:
    assert found(HAND_RAISE, [person(marks=[(NOW, "pricing")])]) is None


def test_somebody_without_a_name_is_called_by_the_address() -> None:
    finding = found(HAND_RAISE, [person(marks=[(NOW, "demo")])])
    assert finding is not None
    assert finding.summary == "Demo by ann@acme.com"


# ── count ────────────────────────────────────────────────────────────────────────────────────────────────────

COUNT = {"kind": "count", "sessions": 3, "within_days": 7}


def test_visits_of_different_people_are_counted_together() -> None:
    ann = person(sessions=[NOW - days(6), NOW])
    ben = person("ben", sessions=[NOW - days(20), NOW - days(2)])
    expect(
        found(COUNT, [ann, ben]),
        NOW,
        ["ann", "ben"],
        [seen(NOW - days(6), "session"), seen(NOW - days(2), "session", "ben"), seen(NOW, "session")],
        "3 visits within 7 days by 2 people",
    )


@pytest.mark.parametrize(("span", "is_there"), [(days(7) - 1, True), (days(7), True), (days(7) + 1, False)])
def test_visits_exactly_seven_days_apart_count_and_one_ms_more_does_not(span: int, is_there: bool) -> None:
    assert (found(COUNT, [person(sessions=[NOW - span, NOW - 5, NOW])]) is not None) is is_there


@pytest.mark.parametrize("visits", [0, 1, 2])
def test_fewer_visits_than_asked_for_are_no_signal(visits: int) -> None:
    assert found(COUNT | {"sessions": 4}, [person(sessions=[NOW - n for n in range(visits)])]) is None
    assert found(COUNT, [person(sessions=[NOW - n for n in range(visits)])]) is None


def test_a_later_lone_visit_does_not_hide_visits_that_were_enough() -> None:
    ann = person(sessions=[NOW - days(30) - 2, NOW - days(30) - 1, NOW - days(30)])
    finding = found(COUNT, [ann, person("ben", sessions=[NOW])])
    assert finding is not None
    assert (finding.at_ms, finding.people) == (NOW - days(30), ["email:ann@acme.com"])


def test_of_many_visits_the_latest_twenty_are_told_and_all_are_counted() -> None:
    crowd = [person(f"p{number}", sessions=[NOW - number]) for number in range(30)]
    finding = found(COUNT, crowd)
    assert finding is not None
    assert finding.summary == "30 visits within 7 days by 30 people"
    assert [evidence.time_ms for evidence in finding.evidence] == [NOW - number for number in range(19, -1, -1)]
    assert finding.people == [f"email:p{number}@acme.com" for number in range(20)]


# ── distinct contacts ────────────────────────────────────────────────────────────────────────────────────────

PEOPLE = {"kind": "distinct_contacts", "people": 2, "within_days": 14}
SAME = PEOPLE | {"or_rules": ["demo"]}


def test_two_people_within_two_weeks_are_a_group() -> None:
    expect(
        found(PEOPLE, [person(at_ms=NOW - days(3)), person("ben", at_ms=NOW)]),
        NOW,
        ["ben", "ann"],
        [seen(NOW - days(3), "activity"), seen(NOW, "activity", "ben")],
        "2 people active within 14 days",
    )


@pytest.mark.parametrize(("apart", "is_there"), [(days(14), True), (days(14) + 1, False)])
def test_two_people_exactly_two_weeks_apart_are_a_group_and_one_ms_more_is_not(apart: int, is_there: bool) -> None:
    assert (found(PEOPLE, [person(at_ms=NOW - apart), person("ben", at_ms=NOW)]) is not None) is is_there


@pytest.mark.parametrize(("people", "is_there"), [(2, True), (3, False)])
def test_exactly_as_many_people_as_asked_for_are_enough(people: int, is_there: bool) -> None:
    contacts = [person(at_ms=NOW), person("ben", at_ms=NOW - 1)]
    assert (found(PEOPLE | {"people": people}, contacts) is not None) is is_there


def test_somebody_who_has_done_nothing_is_nobody() -> None:
    assert found(PEOPLE, [person(at_ms=NOW), person("ben")]) is None
    assert found(PEOPLE, [person(), person("ben")]) is None
    assert found(PEOPLE, []) is None


def test_one_page_seen_by_two_people_is_a_group_although_somebody_else_came_long_after() -> None:
    seen_ms = NOW - days(40)
    ann = person(at_ms=seen_ms - 5, marks=[(seen_ms - 5, "demo", "/demo")])
    ben = person("ben", at_ms=NOW, marks=[(seen_ms, "demo", "/demo")])
    expect(
        found(SAME, [ann, ben]),
        seen_ms,
        ["ben", "ann"],
        [seen(seen_ms - 5, "demo", subject="/demo"), seen(seen_ms, "demo", "ben", "/demo")],
        "2 people with the same within 14 days: demo (/demo)",
    )
    assert found(PEOPLE, [ann, ben]) is None


@pytest.mark.parametrize(
    ("first", "second", "is_there"),
    [
        ((NOW - days(14), "demo", "/a"), (NOW, "demo", "/a"), True),
        ((NOW - days(14) - 1, "demo", "/a"), (NOW, "demo", "/a"), False),
        ((NOW - 1, "demo", "/a"), (NOW, "demo", "/b"), False),
        ((NOW - 1, "demo"), (NOW, "demo"), False),  # nobody knows what these were about
        ((NOW - 1, "pricing", "/a"), (NOW, "pricing", "/a"), False),
    ],
)
def test_two_people_have_seen_the_same_or_not(
    first: tuple[int, str, str], second: tuple[int, str, str], is_there: bool
) -> None:
    contacts = [person(marks=[first]), person("ben", marks=[second])]
    assert (found(SAME, contacts) is not None) is is_there


def test_the_same_person_twice_is_one_person() -> None:
    assert found(SAME, [person(at_ms=NOW, marks=[(NOW - 1, "demo", "/a"), (NOW, "demo", "/a")])]) is None


def test_where_two_people_have_just_seen_the_same_that_is_what_is_said() -> None:
    ann = person(at_ms=NOW - 1, marks=[(NOW - 1, "demo", "/demo")])
    finding = found(SAME, [ann, person("ben", NOW, marks=[(NOW, "demo", "/demo")])])
    assert finding is not None
    assert finding.summary == "2 people with the same within 14 days: demo (/demo)"


# ── surge ────────────────────────────────────────────────────────────────────────────────────────────────────

SURGE = {"kind": "surge", "factor": 2, "events_min": 5}


def test_twice_the_usual_in_a_week_is_a_surge() -> None:
    ann = person(at_ms=NOW - 9, active={0: 3, 6: 2, 7: 3, 14: 4, 27: 1})
    ben = person("ben", at_ms=NOW - days(2), active={2: 2, 28: 99})
    expect(
        found(SURGE, [ann, ben]),
        NOW - 9,
        ["ann", "ben"],
        [seen(NOW - days(2), "activity", "ben", "2 events"), seen(NOW - 9, "activity", "ann", "5 events")],
        "7 events in 7 days against 2.7 a week before by 2 people",
    )


@pytest.mark.parametrize(("before", "is_there"), [(8, True), (9, True), (10, False)])
def test_exactly_the_factor_is_a_surge_and_one_event_more_before_is_none(before: int, is_there: bool) -> None:
    # 6 events are twice the mean of three weeks with 9.
    assert (found(SURGE, [person(at_ms=NOW, active={1: 6, 10: before})]) is not None) is is_there


@pytest.mark.parametrize(("events", "is_there"), [(4, False), (5, True)])
def test_after_three_weeks_of_nothing_the_least_number_of_events_decides(events: int, is_there: bool) -> None:
    assert (found(SURGE, [person(at_ms=NOW, active={6: events})]) is not None) is is_there


@pytest.mark.parametrize(("ago", "is_there"), [(6, True), (7, False)])
def test_the_week_is_today_and_the_six_days_before(ago: int, is_there: bool) -> None:
    assert (found(SURGE, [person(at_ms=NOW, active={ago: 5})]) is not None) is is_there


@pytest.mark.parametrize(("ago", "is_there"), [(7, False), (27, False), (28, True)])
def test_the_three_weeks_before_end_with_the_week_and_begin_four_weeks_ago(ago: int, is_there: bool) -> None:
    assert (found(SURGE, [person(at_ms=NOW, active={0: 5, ago: 50})]) is not None) is is_there


# ── sequence ─────────────────────────────────────────────────────────────────────────────────────────────────

STEPS = {"kind": "sequence", "steps": ["comparison", "pricing", ["demo", "form"]], "within_days": 14}


def test_steps_of_different_people_in_order_are_a_sequence() -> None:
    ann = person(marks=[(NOW - 30, "comparison"), (NOW, "form", "quote")])
    ben = person("ben", marks=[(NOW - 40, "pricing"), (NOW - 20, "pricing", "/p"), (NOW - 10, "comparison")])
    expect(
        found(STEPS, [ann, ben]),
        NOW,
        ["ann", "ben"],
        [
            seen(NOW - 30, "comparison"),
            seen(NOW - 20, "pricing", "ben", "/p"),
            seen(NOW, "form", subject="quote"),
        ],
        "Comparison, pricing and form within 14 days by 2 people",
    )


@pytest.mark.parametrize(
    ("times", "is_there"),
    [
        ((NOW - 2, NOW - 1, NOW), True),
        ((NOW - 1, NOW - 1, NOW), False),  # at one time is not one after the other
        ((NOW - 2, NOW, NOW), False),
        ((NOW - 1, NOW - 2, NOW), False),
        ((NOW - 2, NOW, NOW - 1), False),
        ((NOW - days(14), NOW - 1, NOW), True),
        ((NOW - days(14) - 1, NOW - 1, NOW), False),
    ],
)
def test_steps_are_strictly_one_after_the_other_and_within_two_weeks(
    times: tuple[int, int, int], is_there: bool
) -> None:
    marks = [*zip(times, ("comparison", "pricing", "demo"), strict=True)]
    assert (found(STEPS, [person(marks=marks)]) is not None) is is_there


def test_a_sequence_is_found_by_its_latest_completion_and_its_latest_steps() -> None:
    steps = {"kind": "sequence", "steps": ["pricing", "demo"], "within_days": 1}
    marks = [
        *((NOW - days(9), "pricing"), (NOW - days(9) + 5, "demo"), (NOW - days(5) - 3, "pricing")),
        *((NOW - days(5) - 2, "pricing"), (NOW - days(5), "demo"), (NOW, "demo")),
    ]
    finding = found(steps, [person(marks=marks)])
    assert finding is not None
    assert [evidence.time_ms for evidence in finding.evidence] == [NOW - days(5) - 2, NOW - days(5)]


def test_a_rule_that_stands_in_two_steps_must_match_twice() -> None:
    steps = {"kind": "sequence", "steps": ["demo", "demo"], "within_days": 1}
    assert found(steps, [person(marks=[(NOW, "demo")])]) is None
    assert found(steps, [person(marks=[(NOW - 1, "demo"), (NOW, "demo")])]) is not None


# ── reactivation ─────────────────────────────────────────────────────────────────────────────────────────────

BACK = {"kind": "reactivation", "quiet_days": 60, "events": 2}


def test_events_after_a_long_silence_are_a_reactivation() -> None:
    ann = person(at_ms=NOW - days(71), active={71: 9})
    ben = person("ben", at_ms=NOW, active={0: 1, 1: 1})
    expect(
        found(BACK, [ann, ben]),
        NOW,
        ["ben"],
        [seen(NOW, "activity", "ben", "2 events")],
        "Back after 69 days of silence: 2 events by ben@acme.com",
    )


@pytest.mark.parametrize(("ago", "is_there"), [(61, True), (60, False)])
def test_exactly_sixty_quiet_days_are_a_silence_and_fifty_nine_are_not(ago: int, is_there: bool) -> None:
    assert (found(BACK, [person(at_ms=NOW, active={0: 2, ago: 1})]) is not None) is is_there


def test_one_event_after_a_silence_is_too_few_and_without_a_silence_nobody_is_back() -> None:
    assert found(BACK, [person(at_ms=NOW, active={0: 1, 90: 5})]) is None
    assert found(BACK, [person(at_ms=NOW, active={0: 9})]) is None


def test_only_what_follows_the_latest_silence_counts() -> None:
    assert found(BACK, [person(at_ms=NOW, active={0: 1, 100: 1, 200: 1})]) is None


def test_a_reactivation_is_completed_on_the_day_on_which_the_events_are_enough() -> None:
    finding = found(BACK, [person(at_ms=NOW, active={0: 1, 3: 1, 5: 1, 90: 1})])
    assert finding is not None
    assert finding.at_ms == (TODAY - 3) * DAY_MS


def test_what_a_full_memory_has_forgotten_is_no_silence() -> None:
    busy = person(at_ms=NOW, active=dict.fromkeys(range(28), 1))
    old = person("ben", at_ms=NOW - days(100), active={100: 1})
    assert found(BACK, [busy, old]) is None
    less_busy = person(at_ms=NOW, active=dict.fromkeys(range(27), 1))
    assert found(BACK, [less_busy, old]) is not None


# ── company events ───────────────────────────────────────────────────────────────────────────────────────────

NEWS = {"kind": "company_event", "on": ["funding", "new_sales_head"]}
TROUBLE = {"kind": "company_event", "on": ["layoffs"], "negative": True}


def test_a_company_event_is_a_signal_without_anybody() -> None:
    news = [("funding", NOW - 5, "u-1"), ("new_sales_head", NOW - 2, "u-2"), ("layoffs", NOW, "u-3")]
    expect(
        found(NEWS, [], news),
        NOW - 2,
        [],
        [seen(NOW - 2, "new_sales_head", "", "u-2")],
        "News of the company: new sales head",
    )
    bad = found(TROUBLE, [person(at_ms=NOW)], news)
    assert bad is not None
    assert (bad.at_ms, bad.people, bad.kind, bad.polarity) == (NOW, [], "company_event", "negative")


def test_other_company_events_are_no_signal() -> None:
    assert found(NEWS, [], [("layoffs", NOW, "u-1")]) is None
    assert found(NEWS, [], []) is None


# ── cooldown ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("after", "is_said"), [(0, False), (WEEK - 1, False), (WEEK, True)])
def test_a_signal_is_said_again_from_exactly_its_cooldown_on(after: int, is_said: bool) -> None:
    findings = book_of(s=HAND_RAISE).detect([person(marks=[(NOW, "demo")])], [], NOW, {"s": NOW - after})
    assert [finding.at_ms for finding in findings] == [NOW] * is_said


def test_the_cooldown_goes_by_when_it_happened_and_not_by_when_it_is_looked_for() -> None:
    ann = person(marks=[(NOW - days(3), "demo")])
    assert book_of(s=HAND_RAISE).detect([ann], [], NOW, {"s": NOW - days(8)}) == []


@pytest.mark.parametrize(("fired", "is_said"), [(NOW - 1, True), (NOW, False), (NOW + 1, False)])
def test_without_a_cooldown_a_signal_is_said_whenever_it_is_completed_anew(fired: int, is_said: bool) -> None:
    book = book_of(s=HAND_RAISE | {"cooldown_h": 0})
    assert len(book.detect([person(marks=[(NOW, "demo")])], [], NOW, {"s": fired})) == is_said


def test_each_signal_cools_by_itself_and_all_are_told_in_the_order_of_the_model() -> None:
    book = book_of(c=COUNT, b=HAND_RAISE, a=NEWS)
    ann = person(sessions=[NOW - 2, NOW - 1, NOW], marks=[(NOW, "demo")])
    news = [("funding", NOW, "u-1")]
    assert [finding.signal for finding in book.detect([ann], news, NOW, {})] == ["c", "b", "a"]
    assert [finding.signal for finding in book.detect([ann], news, NOW, {"b": NOW, "gone": NOW})] == ["c", "a"]


def test_a_model_without_signals_finds_none() -> None:
    assert book_of().detect([person(marks=[(NOW, "demo")])], [], NOW, {}) == []


# ── whatever an account knows ────────────────────────────────────────────────────────────────────────────────

EVERY_KIND = {
    "raised": HAND_RAISE,
    "visits": COUNT,
    "people": SAME,
    "surge": SURGE,
    "steps": STEPS,
    "back": BACK,
    "news": NEWS,
}
TIMES = st.sampled_from([0, 1, days(1), days(7), days(7) + 1, days(14), days(20)]).map(lambda ago: NOW - ago)
PEOPLE_KNOWN = st.lists(
    st.builds(
        person,
        lead=st.sampled_from("abcdefghijklmnop"),
        at_ms=TIMES | st.just(0),
        active=st.dictionaries(st.integers(0, 120), st.integers(1, 9), max_size=30),
        sessions=st.lists(TIMES, max_size=8),
        marks=st.lists(
            st.tuples(TIMES, st.sampled_from(list(RULES)), st.sampled_from(["", "/a"])),
            max_size=6,
        ),
    ),
    max_size=6,
    unique_by=lambda contact: contact.lead,
)
NEWS_KNOWN = st.lists(st.tuples(st.sampled_from(["funding", "layoffs"]), TIMES, st.sampled_from("xyz")), max_size=4)


@given(contacts=PEOPLE_KNOWN, news=NEWS_KNOWN, data=st.data())
def test_the_order_of_contacts_and_news_makes_no_difference(
    contacts: list[Contact], news: list[CompanyNews], data: st.DataObject
) -> None:
    book = book_of(**EVERY_KIND)
    other = data.draw(st.permutations(contacts)), data.draw(st.permutations(news))
    assert book.detect(contacts, news, NOW, {}) == book.detect(*other, NOW, {})


@given(contacts=PEOPLE_KNOWN, more=PEOPLE_KNOWN)
def test_more_people_take_no_hand_raise_count_or_sequence_away(contacts: list[Contact], more: list[Contact]) -> None:
    book = book_of(raised=HAND_RAISE, visits=COUNT, steps=STEPS)
    others = [contact for contact in more if contact.lead not in {each.lead for each in contacts}]
    before = {finding.signal: finding.at_ms for finding in book.detect(contacts, [], NOW, {})}
    after = {finding.signal: finding.at_ms for finding in book.detect([*contacts, *others], [], NOW, {})}
    assert all(after.get(signal, 0) >= at_ms for signal, at_ms in before.items())


@given(contacts=PEOPLE_KNOWN, news=NEWS_KNOWN)
def test_what_is_found_is_bounded_in_order_and_not_found_twice(
    contacts: list[Contact], news: list[CompanyNews]
) -> None:
    book = book_of(**EVERY_KIND)
    findings = book.detect(contacts, news, NOW, {})
    for finding in findings:
        times = [evidence.time_ms for evidence in finding.evidence]
        assert times == sorted(times)
        assert set(finding.people) <= {contact.lead for contact in contacts}
        assert {evidence.lead for evidence in finding.evidence} - {""} == set(finding.people)
    assert book.detect(contacts, news, NOW, {finding.signal: finding.at_ms for finding in findings}) == []


# ── ids and the record ───────────────────────────────────────────────────────────────────────────────────────


def test_the_id_of_a_signal_depends_on_account_signal_and_cause() -> None:
    ids = {signal_id(*parts) for parts in [("a", "b", "c"), ("ab", "", "c"), ("a", "b", "d"), ("a", "c", "b")]}
    assert len(ids) == 4
    assert all(len(each) == 32 and int(each, 16) for each in ids)
    assert signal_id("a", "b", "c") == signal_id("a", "b", "c") == alert_id("a", "b", "c")


def test_a_record_is_json_without_what_is_not_known_and_reads_back() -> None:
    lone = BuyingSignal(
        id="1f",
        account="domain:acme.com",
        signal="news",
        kind="company_event",
        polarity="positive",
        time_ms=NOW,
        summary="News of the company: funding",
        model="v1",
        without_contact=True,
    )
    assert msgspec.json.decode(msgspec.json.encode(lone)) == {
        "id": "1f",
        "account": "domain:acme.com",
        "signal": "news",
        "kind": "company_event",
        "polarity": "positive",
        "time_ms": NOW,
        "summary": "News of the company: funding",
        "model": "v1",
        "without_contact": True,
    }
    whole = BuyingSignal(
        id="2f",
        account="domain:acme.com",
        name="Acme",
        signal="raised",
        kind="hand_raise",
        polarity="positive",
        time_ms=NOW,
        summary="Demo by Ann",
        evidence=[seen(NOW, "demo", subject="/demo")],
        people=[SignalPerson(lead="email:ann@acme.com", name="Ann", role="CFO", score=50.0)],
        score=120.5,
        band="aware",
        fit=8.4,
        fit_level="strong",
        owner="bo@us.com",
        model="v1",
    )
    assert msgspec.json.decode(msgspec.json.encode(whole), type=BuyingSignal) == whole
