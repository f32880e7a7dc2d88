"""Workers beside the running ones share what they read and nothing that they write; what they leave is written once."""

from __future__ import annotations

from scoring.bands import ANSWER_WAIT_MS
from streams.runtime.inheritance import Inheritance
from streams.runtime.transactions import Work
from streams.settings import Settings
from streams.topics import SOURCES, TOPICS
from streams.tracks import INTERNAL, SHARED, WRITTEN, Track, beside


def test_a_track_of_its_own_shares_what_others_write_and_nothing_else() -> None:
    main, shadow = Track("p"), Track("p", beside="shadow-1")
    names = {topic.name: main.name(topic) == shadow.name(topic) for topic in (*SOURCES, *WRITTEN)}
    assert {name for name, is_shared in names.items() if is_shared} == {topic.name for topic in SHARED}
    assert all(shadow.name(topic) not in {each.full_name("p") for each in TOPICS} for topic in WRITTEN)


def test_rebuilt_states_lie_where_the_rebuild_has_put_them_and_are_told_where_everybody_reads() -> None:
    rebuild, after = Track("p", beside="replay-1"), Track("p", states="replay-1")
    for topic in WRITTEN:
        assert after.name(topic) == (rebuild if topic in INTERNAL else Track("p")).name(topic)


def test_a_worker_beside_is_another_group_with_other_transactions() -> None:
    settings = Settings(app_id="ours")
    own = beside(settings, "shadow-1")
    assert own.app_id != settings.app_id
    assert beside(own, "shadow-1") == own  # a worker that is started with them keeps to them


def test_a_worker_beside_lets_events_come_together_and_still_answers_before_a_crossing_gives_up() -> None:
    own, running = beside(Settings(), "shadow-1"), Settings()
    assert own.commit_interval_ms > 10 * running.commit_interval_ms
    assert own.fetch_min_bytes > running.fetch_min_bytes
    there_and_back = 2 * (own.fetch_wait_ms + own.commit_interval_ms)
    assert 2 * there_and_back < ANSWER_WAIT_MS


def test_what_a_shard_says_itself_goes_before_what_it_was_left_and_all_is_written_once() -> None:
    left = Inheritance({}, {"scores": {b"a": b"1", b"b": b"2", b"c": None}, "accounts": {b"x": b"9"}}, frozenset(), 0)
    left.give_way(Work(latest={"scores": {b"a": b"new"}}, records={"accounts": [(b"x", None)]}))
    taken = [left.take(1), left.take(1), left.take(1)]
    assert taken == [{"scores": {b"b": b"2"}}, {"scores": {b"c": None}}, {}]
