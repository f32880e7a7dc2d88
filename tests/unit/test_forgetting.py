"""What has been silent for long is forgotten, and known again when it comes back."""

from __future__ import annotations

from scoring.replay import Replay
from tests.unit.builders import NOW, days, event, model_of, to_record

MODEL = model_of({"view": {"on": "page_viewed", "points": 1, "half_life_days": 7}})
SILENCE_MS = days(180)


def shard_of(*happened: dict[str, object]) -> Replay:
    replay = Replay(MODEL)
    for each in happened:
        replay.take([to_record(each)])
    return replay


def silent(replay: Replay, clock_ms: int, keys_max: int = 100) -> list[bytes]:
    return sorted(replay.shard.silent(clock_ms, SILENCE_MS, keys_max)[0])


def test_visitors_and_pointers_are_forgotten_and_people_are_not() -> None:
    replay = shard_of(
        event("e-1", anonymous_id="a"),
        event("e-2", anonymous_id="b", email="ann@acme.com"),
        event("e-3", user_id="7"),
        event("e-4", NOW + days(2), anonymous_id="c"),
    )
    clock = NOW + SILENCE_MS + days(1)
    keys = silent(replay, clock)
    assert keys == [b"anon:a", b"anon:b"]
    outcome = replay.shard.forget(keys)
    assert outcome.forgotten == keys
    assert sorted(replay.shard.leads) == [b"anon:c", b"email:ann@acme.com", b"user:7"]


def test_nothing_is_forgotten_before_its_time() -> None:
    replay = shard_of(event("e-1", anonymous_id="a"))
    assert silent(replay, NOW + SILENCE_MS) == []
    assert silent(replay, NOW + SILENCE_MS + 1) == [b"anon:a"]


def test_a_forgotten_identity_is_told_again_when_it_is_seen_again() -> None:
    replay = shard_of(event("e-1", anonymous_id="a", email="ann@acme.com"))
    later = NOW + SILENCE_MS + days(1)
    assert replay.forget(silent(replay, later), later).forgotten == [b"anon:a"]
    replay.take([to_record(event("e-2", later, anonymous_id="a"))])
    assert b"anon:a" in replay.shard.leads
    replay.take([to_record(event("e-3", later, anonymous_id="a", email="ann@acme.com"))])
    (score,) = replay.scores()
    assert score.score == 2  # the visit in between counts for her again


def test_a_pointer_that_is_used_is_kept() -> None:
    replay = shard_of(
        event("e-1", anonymous_id="a", email="ann@acme.com"), event("e-2", NOW + days(100), anonymous_id="a")
    )
    assert silent(replay, NOW + SILENCE_MS + days(1)) == []


def test_accounts_are_not_forgotten() -> None:
    replay = Replay(model_of({"view": {"on": "page_viewed", "points": 1, "half_life_days": 7}}, accounts={}))
    replay.take([to_record(event("e-1", email="ann@acme.com"))])
    assert b"domain:acme.com" in replay.shard.leads
    assert silent(replay, NOW + days(10_000)) == []


def test_the_table_is_gone_over_bit_by_bit_and_then_anew() -> None:
    replay = shard_of(*(event(f"e-{n}", anonymous_id=str(n)) for n in range(5)))
    later = NOW + SILENCE_MS + 1
    found = [replay.shard.silent(later, SILENCE_MS, 2) for _ in range(3)]
    assert sorted(key for keys, _ in found for key in keys) == [f"anon:{n}".encode() for n in range(5)]
    assert [is_over for _, is_over in found] == [False, False, True]
    assert len(replay.shard.silent(later, SILENCE_MS, 100)[0]) == 5
