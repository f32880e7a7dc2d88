"""People with several identities: what is known of one counts for all, whatever comes when and where."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.identity import is_stronger, strongest_identity
from scoring.links import LINKS_KEPT, add_link, is_confirmed, is_linked
from scoring.model import ScoringModel
from scoring.pointers import decode_pointer, is_pointer
from scoring.replay import FileRecord, Replay
from scoring.routed import Forward, encode_message
from scoring.score_records import score_later
from scoring.shard import Shard
from tests.unit.builders import NOW, days, event, model_of, run, to_record
from tests.unit.cluster import Cluster
from tests.unit.histories import WHOLE, random_timeline, whole_models

FAR = NOW + days(4_000)
Person = list[dict[str, str]]
"""The combinations of identities under which somebody is seen."""

VIEW = {"view": {"on": "page_viewed", "points": 1, "half_life_days": 7}}
ASK = {"ask": {"on": "form_submitted", "points": 60, "half_life_days": 7}}
ANN, BOB = "email:ann@acme.com", "email:bob@acme.com"


def person(rng: Random, number: int) -> Person:
    """Return the faces of somebody: each weaker identity is seen together with a stronger one at least once."""
    email = {"email": f"p{number}@{rng.choice(('acme.com', 'gmail.com'))}"} if rng.random() < 0.8 else {}
    users = [{"user_id": f"u{number}-{n}"} for n in range(rng.randrange(3) if email else 1)]
    cookies = [{"anonymous_id": f"a{number}-{n}"} for n in range(rng.randrange(4))]
    faces: Person = [{**email, **user} for user in users]
    faces += [{**rng.choice(faces or [email]), **cookie} for cookie in cookies]
    return [*faces, *users, *cookies, *([email] if email else [])]


def lead_of(faces: Person) -> str:
    found = [strongest_identity(face.get("email"), face.get("user_id"), face.get("anonymous_id")) for face in faces]
    best = found[0]
    for identity in found[1:]:
        best = identity if is_stronger(identity, best) else best
    return best


def history(rng: Random, people: list[Person], length: int) -> list[tuple[dict[str, Any], str]]:
    """Return events with the lead that each is about; each face is seen, some events come twice, or with more said."""
    happened: list[tuple[dict[str, Any], str]] = []
    bare = [dict(item[0]) for item in random_timeline(rng, length, ticks=False)]
    for number, each in enumerate(bare):
        faces = people[number % len(people)]
        for name in ("email", "user_id", "anonymous_id"):
            each.pop(name, None)
        round_ = number // len(people)
        face = faces[round_] if round_ < len(faces) else rng.choice(faces)
        each["id"] = f"e-{number}"
        happened.append((each | face, lead_of(faces)))
        if rng.random() < 0.2:
            again = rng.choice([other for other in faces if other.items() >= face.items()])
            happened.append((each | again, lead_of(faces)))
    return happened


def named(event: dict[str, Any], lead: str) -> dict[str, Any]:
    """Return an event that shows nothing but the identity of its lead."""
    kind, _, text = lead.partition(":")
    bare = {name: value for name, value in event.items() if name not in ("email", "user_id", "anonymous_id")}
    return bare | {{"email": "email", "user": "user_id", "anon": "anonymous_id"}[kind]: text}


def assert_as_if_known(model: ScoringModel, rng: Random, partitions: int) -> Cluster:
    """Hold a cluster that learns who is who on the way against one shard that is told so from the start."""
    people = [person(rng, number) for number in range(rng.randrange(1, 4))]
    happened = history(rng, people, max(24, sum(map(len, people)) * 3))
    cluster = Cluster(model, partitions, rng)
    for each, _ in rng.sample(happened, len(happened)):
        own = strongest_identity(each.get("email"), each.get("user_id"), each.get("anonymous_id"))
        key = rng.choice((own, own, own, "user:somebody-else", None))
        place = cluster.partition_of(own) if rng.random() < 0.8 else rng.randrange(partitions)
        cluster.send(each, FAR, None if key is None else key.encode(), place)
    cluster.run()

    known = [(named(each, lead), FAR) for each, lead in happened]
    expected = run(model, known).scores
    assert cluster.done.refusals == []
    assert cluster.done.conflicts == []
    assert cluster.leads.keys() == expected.keys()
    for lead, record in cluster.leads.items():
        twin = expected[lead]
        assert (record.stage, record.account, record.contact) == (twin.stage, twin.account, twin.contact)
        assert record.traits == twin.traits
        assert record.inactive_from_ms == twin.inactive_from_ms
        for later in (0, days(1), days(30)):
            at = max(record.at_ms, twin.at_ms) + later
            assert score_later(record, at) == pytest.approx(score_later(twin, at), abs=3e-6)
    return cluster


@pytest.mark.parametrize("name", WHOLE)
def test_scores_are_those_of_people_known_from_the_start_in_realistic_histories(name: str) -> None:
    rng, absorbed = Random(name), 0
    for number in range(60):
        absorbed += len(assert_as_if_known(WHOLE[name], rng, 1 + number % 5).done.merged)
    assert absorbed > 20


@given(whole_models(), st.integers(0, 1 << 30), st.integers(1, 6))
def test_scores_are_those_of_people_known_from_the_start(model: ScoringModel, seed: int, partitions: int) -> None:
    assert_as_if_known(model, Random(seed), partitions)


def take(replay: Replay, *happened: dict[str, Any]) -> list[Any]:
    return [replay.take([to_record(each)]) for each in happened]


def scores(replay: Replay) -> dict[str, float]:
    return {record.lead: record.score for record in replay.scores()}


def test_what_a_visitor_did_counts_for_the_person_that_it_turns_out_to_be() -> None:
    replay = Replay(model_of(VIEW | ASK))
    take(replay, event("e-1", anonymous_id="a"), event("e-2", anonymous_id="a"))
    assert scores(replay) == {"anon:a": 2}
    *_, linked = take(replay, event("e-3", anonymous_id="a", email="ann@acme.com"))
    assert scores(replay) == {ANN: 3}
    assert linked.merged == [("anon:a", ANN)]
    take(replay, event("e-4", anonymous_id="a"))
    assert scores(replay) == {ANN: 4}


def test_a_visitor_that_turns_out_to_be_somebody_can_make_them_hot() -> None:
    replay = Replay(model_of(VIEW | ASK))
    take(replay, event("e-1", event_type="form_submitted", anonymous_id="a"))
    take(replay, event("e-2", event_type="form_submitted", email="ann@acme.com"))
    (outcome,) = take(replay, event("e-3", email="ann@acme.com", anonymous_id="a"))
    (alert,) = outcome.alerts
    assert (alert.lead, alert.band, alert.score) == (ANN, "hot", 121)
    assert alert.cause is not None
    assert alert.cause.id == "e-3"


def test_an_event_that_came_to_both_sides_counts_once() -> None:
    replay = Replay(model_of(VIEW))
    take(replay, event("e-1", anonymous_id="a"), event("e-1", anonymous_id="a", email="ann@acme.com"))
    assert scores(replay) == {ANN: 1}


def test_a_chain_of_identities_ends_at_the_strongest() -> None:
    replay = Replay(model_of(VIEW))
    take(
        replay,
        event("e-1", anonymous_id="a"),
        event("e-2", anonymous_id="a", user_id="7"),
        event("e-3", user_id="7", email="ann@acme.com"),
        event("e-4", anonymous_id="a"),
    )
    assert scores(replay) == {ANN: 4}


def test_a_shared_laptop_stays_with_whom_it_was_seen_first_and_is_told() -> None:
    replay = Replay(model_of(VIEW))
    outcomes = take(
        replay,
        event("e-1", anonymous_id="a", email="ann@acme.com"),
        event("e-2", anonymous_id="a", email="bob@acme.com"),
        event("e-3", anonymous_id="a"),
    )
    assert scores(replay) == {ANN: 2, BOB: 1}
    (conflict,) = outcomes[1].conflicts
    assert (conflict.identity, conflict.lead, conflict.other, conflict.cause.id) == ("anon:a", ANN, BOB, "e-2")


def test_two_ways_to_the_same_person_are_no_conflict() -> None:
    replay = Replay(model_of(VIEW))
    outcomes = take(
        replay,
        event("e-1", anonymous_id="a", user_id="7"),
        event("e-2", user_id="7", email="ann@acme.com"),
        event("e-3", anonymous_id="a", email="ann@acme.com"),
    )
    assert [conflict for outcome in outcomes for conflict in outcome.conflicts] == []
    assert scores(replay) == {ANN: 3}


def test_a_person_with_two_addresses_is_two_leads() -> None:
    replay = Replay(model_of(VIEW))
    outcomes = take(
        replay,
        event("e-1", user_id="7", email="ann@acme.com"),
        event("e-2", user_id="7", email="bob@acme.com"),
        event("e-3", user_id="7"),
    )
    assert scores(replay) == {ANN: 2, BOB: 1}
    assert len(outcomes[1].conflicts) == 1


def test_an_open_alert_travels_along_and_is_ended_once() -> None:
    model = model_of(VIEW | ASK, {"hot": {"enter": 50, "leave": 40, "cooldown_h": 0}}, visitors=True)
    replay = Replay(model)
    (hot,) = take(replay, event("e-1", event_type="form_submitted", anonymous_id="a"))
    take(replay, event("e-2", NOW + 1, anonymous_id="a", email="ann@acme.com"))
    (cooled,) = replay.tick(NOW + days(30)).alerts
    assert (cooled.kind, cooled.lead, cooled.alert_id) == ("cooled", ANN, hot.alerts[0].id)


def test_an_event_passed_on_without_end_becomes_a_dead_letter() -> None:
    shard = Shard(model_of(VIEW), {})
    shard.take([to_record(event("e-1", anonymous_id="a", email="ann@acme.com"))])
    link = shard.take([to_record(event("e-2", anonymous_id="a", email="ann@acme.com"))])
    assert link.messages == []  # each identity is told once
    pointed = Replay(model_of(VIEW))
    take(pointed, event("e-1", anonymous_id="a", email="ann@acme.com"))
    message = Forward("anon:a", 8, NOW, msgspec.json.encode(event("e-9", anonymous_id="a")), "web", 3, 17)
    (refusal,) = pointed.shard.take_routed([FileRecord(0, NOW, encode_message(message))]).refusals
    assert refusal.error.reason == "too_many_hops"
    assert refusal.event is not None
    assert (refusal.event.topic, refusal.event.partition, refusal.event.offset) == ("web", 3, 17)


def test_what_is_not_a_message_is_refused() -> None:
    (refusal,) = Shard(model_of(VIEW), {}).take_routed([FileRecord(0, NOW, b"nonsense")]).refusals
    assert refusal.error.reason == "malformed"


def test_a_pointer_is_kept_in_the_place_of_the_visitor() -> None:
    replay = Replay(model_of(VIEW))
    take(replay, event("e-1", anonymous_id="a"), event("e-2", NOW + 5, anonymous_id="a", email="ann@acme.com"))
    value = replay.shard.leads[b"anon:a"]
    assert is_pointer(value)
    assert (decode_pointer(value).target, decode_pointer(value).used_ms) == (ANN, NOW + 5)
    take(replay, event("e-3", NOW + days(40), anonymous_id="a"))
    assert decode_pointer(replay.shard.leads[b"anon:a"]).used_ms == NOW + days(40)


def test_an_event_under_a_confirmed_identity_is_taken_without_a_detour_where_the_key_hints_at_the_lead() -> None:
    replay = Replay(model_of(VIEW))
    take(replay, event("e-1", user_id="7", email="ann@acme.com"), event("e-1b", user_id="7"))
    record = FileRecord(0, NOW, msgspec.json.encode(event("e-2", user_id="7")), ANN.encode())
    outcome = replay.shard.take([record])
    assert outcome.messages == []
    assert list(outcome.scores) == [ANN.encode()]
    unknown = FileRecord(0, NOW, msgspec.json.encode(event("e-3", user_id="8")), ANN.encode())
    assert list(replay.shard.take([unknown]).scores) == [b"user:8"]


@given(st.lists(st.integers(0, 60), max_size=80))
def test_the_latest_links_are_remembered(numbers: list[int]) -> None:
    memory = b""
    for number in numbers:
        memory = add_link(memory, f"anon:{number}", confirmed=number % 2 == 0)
    latest = list(dict.fromkeys(reversed(numbers)))[: LINKS_KEPT // 2]
    assert len(memory) <= 9 * LINKS_KEPT
    if len(set(numbers)) <= LINKS_KEPT:
        assert all(is_linked(memory, f"anon:{number}") for number in numbers)
        assert all(is_confirmed(memory, f"anon:{number}") == (number % 2 == 0) for number in latest)
