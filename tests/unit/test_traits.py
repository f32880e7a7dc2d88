"""What is known of a person: questions and their answers, flags, what is unknown, and how to reach somebody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.alerts import Alert
from scoring.model import ScoringModel
from tests.unit.agreement import agreed, assert_agrees
from tests.unit.builders import NOW, Run, days, event, live, model_of, run

RULES = {"form": {"on": "form_submitted", "points": 100, "half_life_days": 36_500}}
BANDS = {"warm": {"enter": 20, "leave": 10, "cooldown_h": 0}, "hot": {"enter": 95, "leave": 90}}


def model_with(**sections: Any) -> ScoringModel:
    return model_of(RULES, BANDS, visitors=True, **sections)


def told(*traits: dict[str, Any] | None, model: ScoringModel, **who: str) -> Run:
    """Score events a day apart that tell these traits; None tells nothing."""
    events = [
        event(f"t-{number}", NOW + days(number), "identified", **who, **({} if said is None else {"traits": said}))
        for number, said in enumerate(traits)
    ]
    return agreed(model, live(events))


def points(*traits: dict[str, Any] | None, model: ScoringModel, lead: str = "user:7", **who: str) -> dict[str, float]:
    """Return what the traits of a lead are worth."""
    return {line.trait: line.points for line in told(*traits, model=model, **who).scores[lead].traits if line.points}


def asking(answers: Mapping[str, float], **source: Any) -> ScoringModel:
    return model_with(traits={"asked": {"answers": answers, **source}})


# ── questions ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "worth"),
    [
        ("Chief Financial Officer", 15),
        ("CHIEF DIRECTOR", 15),  # the first that holds
        ("Sales director", 10),
        ("Clerk", 0),
        (12, 0),
    ],
)
def test_the_first_entry_that_an_answer_meets_gives_the_points(answer: object, worth: float) -> None:
    model = asking({"*chief*": 15, "*director*": 10, "*": -3 if answer == 12 else 0})
    assert points({"asked": answer}, model=model) == ({"asked": worth} if worth else {})


@pytest.mark.parametrize(
    ("answer", "worth"),
    [(50_000, 15), ("50000", 15), (49_999.99, 5), (10_000, 5), (9_999, 0), ("plenty", 0), (True, 0)],
)
def test_an_answer_can_be_compared(answer: object, worth: float) -> None:
    model = asking({">= 50000": 15, ">= 10000": 5})
    assert points({"asked": answer}, model=model) == ({"asked": worth} if worth else {})


@pytest.mark.parametrize(("answer", "worth"), [(True, 3), (False, -4), ("true", 0), (1, 0), (50, 5), ("50", 5)])
def test_true_false_and_numbers_are_answers_of_their_own(answer: object, worth: float) -> None:
    model = asking({"true": 3, "false": -4, "50": 5})
    assert points({"asked": answer}, model=model) == ({"asked": worth} if worth else {})


def test_the_first_source_that_is_known_is_the_answer() -> None:
    model = asking({"*director*": 10, "*": 1}, **{"from": ["seniority", "job_title"]})
    assert points({"job_title": "Director"}, model=model) == {"asked": 10}
    assert points({"job_title": "Director"}, {"seniority": "junior"}, model=model) == {"asked": 1}
    assert points({"asked": "Director"}, model=model) == {}


def test_a_dot_reaches_into_an_object() -> None:
    model = asking({"software": 5}, **{"from": "company.industry"})
    assert points({"company": {"industry": "Software"}}, model=model) == {"asked": 5}
    assert points({"company": "software"}, model=model) == {}
    assert points({"company": {"name": "Software"}}, model=model) == {}


def test_points_of_traits_do_not_fade() -> None:
    record = told({"asked": "yes"}, None, model=asking({"yes": 30})).scores["user:7"]
    assert (record.score, record.cools_at_ms) == (30.0, None)


# ── the newest answer ────────────────────────────────────────────────────────────────────────────────────────

YES = {"yes": 30, "no": -5, "*": 1}


def test_a_newer_answer_replaces_an_older_one() -> None:
    assert points({"asked": "yes"}, {"asked": "no"}, model=asking(YES)) == {"asked": -5}


def test_a_late_answer_does_not_replace_a_newer_one() -> None:
    model = asking(YES)
    events = [
        event("a", NOW + days(1), "identified", traits={"asked": "no"}),
        event("b", NOW, "identified", traits={"asked": "yes"}),
    ]
    record = agreed(model, live(events)).scores["user:7"]
    assert [(line.trait, line.points) for line in record.traits] == [("asked", -5)]


def test_a_late_answer_counts_where_the_newer_event_told_none() -> None:
    model = asking(YES)
    events = [event("a", NOW + days(1)), event("b", NOW, "identified", traits={"asked": "yes"})]
    assert agreed(model, live(events)).score() == 30.0


@pytest.mark.parametrize("nothing", [None, [], ["no"], {}, {"no": "no"}, "", "  "])
def test_what_is_no_answer_leaves_the_last_one_standing(nothing: object) -> None:
    assert points({"asked": "yes"}, {"asked": nothing}, model=asking(YES)) == {"asked": 30}


def test_an_event_that_tells_other_traits_leaves_an_answer_standing() -> None:
    assert points({"asked": "yes"}, {"other": "no"}, None, model=asking(YES)) == {"asked": 30}


@pytest.mark.parametrize(
    ("one", "other", "stands"),
    [
        ("a", "b", "b"),
        (1, 2, 2),
        (9, 10, 10),
        ("9", "10", "9"),
        (True, False, True),
        (5, "1", "1"),
        (True, -1, -1),
        (1.5, 1, 1),
    ],
)
def test_of_answers_at_the_same_ms_the_larger_stands_by_type_and_then_by_value(
    one: object, other: object, stands: object
) -> None:
    model = model_with(contact=["asked"])
    for order in ((one, other), (other, one)):
        events = [event(str(n), NOW, "identified", traits={"asked": answer}) for n, answer in enumerate(order)]
        contact = agreed(model, live(events)).scores["user:7"].contact
        assert repr(contact) == repr({"asked": stands})


def test_a_repeated_event_with_another_answer_tells_nothing() -> None:
    events = [event("same", NOW, traits={"asked": "yes"}), event("same", NOW + 5, traits={"asked": "no"})]
    assert agreed(asking(YES), live(events)).score() == 30.0


def test_a_text_is_kept_to_200_characters() -> None:
    model = model_with(traits={"asked": {"answers": {"*end": 10, "*": 1}}}, contact=["asked"])
    assert points({"asked": "x" * 197 + "end"}, model=model) == {"asked": 10}
    assert points({"asked": "x" * 198 + "end"}, model=model) == {"asked": 1}
    long = told({"asked": "x" * 1_000}, model=model).scores["user:7"].contact["asked"]
    assert long == "x" * 200


@pytest.mark.parametrize("number", [10**18, 10**19, -(10**19), 10**30, 10**300, 1e300, -0.0, 5e-324])
def test_numbers_of_any_size_do_no_harm(number: float) -> None:
    model = asking({">= 1": 5})
    done = told({"asked": number}, None, model=model)
    assert done.outcome.refusals == []
    assert done.outcome.events == 2


# ── known, unknown, coverage ─────────────────────────────────────────────────────────────────────────────────

THREE = {
    "role": {"answers": {"*chief*": 15, "clerk": 0}},
    "budget": {"answers": {">= 50000": 15}},
    "time": {"answers": {"*": 1}, "from": ["timeframe", "deadline"]},
}


def alert_after(*traits: dict[str, Any], model: ScoringModel, **who: str) -> Alert:
    """Return the alert of a form that is sent after these traits were told."""
    events = [
        *(event(f"t-{number}", NOW, "identified", **who, traits=said) for number, said in enumerate(traits)),
        event("form", NOW, "form_submitted", **who),
    ]
    return agreed(model, live(events)).outcome.alerts[-1]


def test_nothing_told_is_unknown_and_not_zero() -> None:
    alert = alert_after(model=model_with(traits=THREE))
    assert (alert.unknown, alert.coverage) == (["role", "budget", "time"], 0.0)


def test_an_answer_worth_nothing_is_known() -> None:
    alert = alert_after({"role": "clerk"}, model=model_with(traits=THREE))
    assert alert.unknown == ["budget", "time"]
    assert alert.coverage == pytest.approx(1 / 3)
    assert [line.kind for line in alert.ledger] == ["rule"]


def test_an_answer_that_no_entry_knows_is_known() -> None:
    assert alert_after({"role": "pilot"}, model=model_with(traits=THREE)).unknown == ["budget", "time"]


def test_any_source_makes_a_question_known() -> None:
    assert alert_after({"deadline": "May"}, model=model_with(traits=THREE)).unknown == ["role", "budget"]


def test_all_answered_is_covered_and_without_questions_there_is_no_coverage() -> None:
    alert = alert_after({"role": "Chief", "budget": 1}, {"timeframe": 3}, model=model_with(traits=THREE))
    assert (alert.unknown, alert.coverage) == ([], 1.0)
    flag = {"flag": {"where": {"role": "*"}, "points": 1}}
    assert alert_after(model=model_with(traits=flag)).coverage is None
    assert alert_after(model=model_with()).coverage is None


def test_a_trait_is_a_line_of_the_ledger_and_can_lift_into_a_band() -> None:
    (alert,) = told({"role": "Chief", "budget": 60_000}, model=model_with(traits=THREE)).outcome.alerts
    assert [(line.kind, line.rule, line.points) for line in alert.ledger] == [
        ("trait", "budget", 15.0),
        ("trait", "role", 15.0),
    ]
    assert alert.cause is not None
    assert (alert.cause.type, alert.phase, alert.cools_at_ms) == ("identified", "", None)


def test_a_worse_answer_drops_out_of_a_band_at_its_event() -> None:
    entered, cooled = told({"asked": "yes"}, {"asked": "no"}, model=asking(YES)).outcome.alerts
    assert (cooled.alert_id, cooled.time_ms, cooled.score) == (entered.id, NOW + days(1), 0.0)
    assert [(line.kind, line.points) for line in cooled.ledger] == [("trait", -5.0), ("floor", 5.0)]


def test_an_answer_that_is_worth_as_much_as_the_last_one_moves_no_band() -> None:
    """A lead whose penalties have faded rises only when something that counts has happened."""
    model = model_of(
        {"bounce": {"on": "email_bounced", "points": -20, "half_life_days": 1}},
        BANDS,
        traits={"asked": {"answers": {"yes": 30, "sure": 30, "certainly": 31}}},
    )
    history = [event("b", NOW, "email_bounced"), event("a", NOW, "identified", traits={"asked": "yes"})]
    for answer, band in (("yes", "cold"), ("sure", "cold"), ("certainly", "warm")):
        again = event("c", NOW + days(9), "identified", traits={"asked": answer, "name": "Ann"})
        assert agreed(model, live([*history, again])).scores["user:7"].band == band


# ── flags ────────────────────────────────────────────────────────────────────────────────────────────────────

FLAGS = model_with(
    names={"competitors": {"email_domain": ["rival.com", "*.rival.com"]}},
    traits={
        "competitor": {"where": {"is": "competitors"}, "points": -50},
        "free_mail": {"where": {"email_kind": "free"}, "points": -10},
        "student": {"where": {"job_title": ["*student*", "*intern*"], "email_kind": "company"}, "points": -25},
    },
)


@pytest.mark.parametrize(
    ("email", "flags"),
    [
        ("eve@rival.com", {"competitor": -50}),
        ("Eve@EU.Rival.Com", {"competitor": -50}),
        ("eve@notrival.com", {}),
        ("bob@gmail.com", {"free_mail": -10}),
        ("bob@mail.gmail.com.example", {}),
    ],
)
def test_the_domain_of_an_address_can_be_a_flag(email: str, flags: dict[str, float]) -> None:
    assert points(None, model=FLAGS, email=email, lead=f"email:{email.lower()}") == flags


def test_a_lead_without_an_address_is_flagged_by_the_one_that_it_tells() -> None:
    assert points(None, model=FLAGS) == {}
    assert points({"email": " Eve@Rival.com "}, model=FLAGS) == {"competitor": -50}
    assert points({"email": "bob@gmail.com"}, model=FLAGS) == {"free_mail": -10}
    assert points({"email": "rival.com"}, model=FLAGS) == {}
    assert points({"email": 7}, model=FLAGS) == {}


def test_the_address_of_a_lead_stands_above_the_one_that_it_tells() -> None:
    who = {"email": "ann@acme.com"}
    assert points({"email": "bob@gmail.com"}, model=FLAGS, **who, lead="email:ann@acme.com") == {}


def test_what_is_derived_from_an_address_cannot_be_told() -> None:
    assert points({"email_domain": "rival.com", "email_kind": "free"}, model=FLAGS) == {}


def test_all_conditions_of_a_flag_must_hold() -> None:
    assert points({"job_title": "Intern"}, model=FLAGS, email="a@acme.com", lead="email:a@acme.com") == {"student": -25}
    assert points({"job_title": "Intern"}, model=FLAGS) == {}
    assert points({"job_title": "Manager"}, model=FLAGS, email="a@acme.com", lead="email:a@acme.com") == {}


def test_a_flag_falls_when_its_conditions_no_longer_hold() -> None:
    who = {"email": "a@acme.com", "lead": "email:a@acme.com"}
    assert points({"job_title": "Intern"}, {"job_title": "Manager"}, model=FLAGS, **who) == {}


def test_a_flag_may_hold_of_what_is_unknown() -> None:
    poor = model_with(traits={"poor": {"where": {"budget": "< 100 or unknown"}, "points": -5}})
    assert points(None, model=poor) == {"poor": -5}
    assert points({"budget": 100}, model=poor) == {}


# ── contact and account ──────────────────────────────────────────────────────────────────────────────────────


def test_the_contact_holds_what_is_known_of_what_the_model_names() -> None:
    alert = alert_after({"name": "Ann", "owner": 12, "shoe_size": 38, "phone": None}, model=model_with())
    assert alert.contact == {"name": "Ann", "owner": 12}


def test_the_address_of_a_lead_is_its_contact_unless_it_tells_another() -> None:
    who = {"email": "Ann@Acme.com"}
    assert alert_after(model=model_with(), **who).contact == {"email": "ann@acme.com"}
    assert alert_after({"email": "Ann@home.org"}, model=model_with(), **who).contact == {"email": "Ann@home.org"}
    assert alert_after(model=model_with(contact=["name"]), **who).contact == {}


def test_a_published_score_carries_the_contact_of_a_lead_that_told_nothing() -> None:
    record = told(None, model=model_with(), email="ann@acme.com").scores["email:ann@acme.com"]
    assert record.contact == {"email": "ann@acme.com"}


@pytest.mark.parametrize(
    ("who", "traits", "account"),
    [
        ({"email": "ann@acme.com"}, {}, "acme.com"),
        ({"email": "ann@gmail.com"}, {}, ""),
        ({"user_id": "7"}, {}, ""),
        ({"user_id": "7"}, {"email": "ann@acme.com"}, "acme.com"),
        ({"user_id": "7"}, {"email": "ann@gmail.com"}, ""),
    ],
)
def test_an_account_follows_from_the_address(who: dict[str, str], traits: dict[str, str], account: str) -> None:
    assert alert_after(traits, model=model_with(), **who).account == account


@pytest.mark.parametrize(
    ("named", "account"),
    [
        ([(0, "a")], "a"),
        ([(0, "a"), (1, "b")], "b"),
        ([(1, "b"), (0, "z")], "b"),
        ([(0, "a"), (0, "b")], "b"),
        ([(0, "b"), (0, "a")], "b"),
        ([(0, "a"), (5, None)], "a"),
    ],
)
def test_an_account_is_the_one_that_was_named_last(named: list[tuple[int, str | None]], account: str) -> None:
    events = [
        event(f"e-{n}", NOW + time, email="x@acme.com", **({} if name is None else {"account_id": name}))
        for n, (time, name) in enumerate(named)
    ]
    assert agreed(model_with(), live(events)).scores["email:x@acme.com"].account == account


# ── whatever is told ─────────────────────────────────────────────────────────────────────────────────────────

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = (
    scalars | st.text(max_size=6) | st.sampled_from(("yes", "5", "a@b.co", "x" * 250)) | st.lists(scalars, max_size=2)
)
names = st.sampled_from(("asked", "email", "name", "company", "company.size"))
traits_told = st.dictionaries(names, values | st.dictionaries(st.sampled_from(("size", "name")), values), max_size=3)

CURIOUS = model_with(
    traits={
        "asked": {"answers": {"yes": 12, ">= 5": 7, "true": 3, "*": 1}},
        "size": {"answers": {"*": 2, "< 0": -8, "false": 25}, "from": ["company.size", "name"]},
        "given": {"where": {"email_kind": ["free", "company"]}, "points": 11},
    },
    contact=["name", "company.size", "email"],
)


@given(st.lists(st.tuples(st.integers(0, 3), traits_told), max_size=8), st.lists(st.integers(1, 4)))
def test_whatever_is_told_is_understood_as_the_oracle_does(
    said: list[tuple[int, dict[str, Any]]], sizes: list[int]
) -> None:
    history = live([event(f"e-{n}", NOW + time, "identified", traits=traits) for n, (time, traits) in enumerate(said)])
    assert_agrees(run(CURIOUS, history, sizes), CURIOUS, history)
