"""Dead letters are listed, shown, given to their topic again once, and dropped, on the real Kafka."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from scoring.errors import EventError
from streams.dead_letters import DeadLetter, encode_dead_letter, make_dead_letter
from streams.settings import Settings
from streams.topics import DEAD_LETTERS, WEB_EVENTS

Run = Callable[..., Any]


def letter(settings: Settings, reason: str, offset: int) -> DeadLetter:
    error = EventError(reason, "time", f"\x1b[2J is {reason}")
    topic = WEB_EVENTS.full_name(settings.prefix) if offset >= 0 else "http:/v1/batch"
    value = b'{"id": "e%d"}' % offset
    return make_dead_letter(error, at_ms=1_000 + offset, topic=topic, value=value, key=b"user:7", offset=offset)


@pytest.fixture
def letters(topics: Settings, produce: Callable[..., None]) -> list[DeadLetter]:
    made = [letter(topics, "bad_time", 1), letter(topics, "malformed", 2), letter(topics, "malformed", -1)]
    produce(topics, DEAD_LETTERS, [(b"user:7", encode_dead_letter(each)) for each in made])
    return made


def listed(run: Run, settings: Settings, *options: str) -> list[Any]:
    return [json.loads(line) for line in run("dead-letters", "list", *options, settings=settings).lines]


def test_letters_are_listed_the_latest_first_and_by_reason(
    run: Run, topics: Settings, letters: list[DeadLetter]
) -> None:
    assert [each["id"] for each in listed(run, topics)] == [letters[1].id, letters[0].id, letters[2].id]
    assert [each["id"] for each in listed(run, topics, "--reason", "bad_time")] == [letters[0].id]
    text = run("dead-letters", "list", "--text", settings=topics)
    assert "3 in all: 2 malformed, 1 bad_time" in text.out
    assert "\x1b" not in text.out
    unknown = run("dead-letters", "list", "--reason", "boring", settings=topics)
    assert (unknown.code, unknown.err) == (
        2,
        "leadheat: no open dead letter has the reason 'boring'; there are bad_time, malformed\n",
    )


def test_a_letter_is_shown_with_its_original(run: Run, topics: Settings, letters: list[DeadLetter]) -> None:
    shown = run("dead-letters", "show", letters[0].id[:10], "--text", settings=topics)
    assert '{"id": "e1"}' in shown.out
    assert "\x1b" not in shown.out
    assert json.loads(run("dead-letters", "show", letters[0].id, settings=topics).out)["value"] == '{"id": "e1"}'
    assert run("dead-letters", "show", "zzz", settings=topics).code == 2


def test_a_replayed_letter_is_in_its_topic_again_and_open_no_more(
    run: Run, topics: Settings, letters: list[DeadLetter]
) -> None:
    dry = run("dead-letters", "replay", "--all", "--dry-run", settings=topics)
    assert "Would replay 2 of 3" in dry.out
    assert len(listed(run, topics)) == 3
    ran = run("dead-letters", "replay", "--all", settings=topics)
    assert (ran.code, ran.lines[0]) == (1, "Replayed 2 of 3 dead letters.")
    assert [each["id"] for each in listed(run, topics)] == [letters[2].id]
    again = [
        json.loads(line) for line in run("tail", "web-events", "--no-follow", "--last", "9", settings=topics).lines
    ]
    assert [each["value"]["id"] for each in again] == ["e1", "e2"]
    assert {each["key"] for each in again} == {"user:7"}


def test_dropped_letters_are_listed_no_more(run: Run, topics: Settings, letters: list[DeadLetter]) -> None:
    assert run("dead-letters", "drop", settings=topics).code == 2
    ran = run("dead-letters", "drop", "--reason", "malformed", "--all", settings=topics)
    assert ran.out == "Dropped 2 dead letters.\n"
    assert [each["id"] for each in listed(run, topics)] == [letters[0].id]
