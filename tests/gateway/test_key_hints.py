"""Keys that spare events under a weaker identity the detour, and that nothing depends on."""

from __future__ import annotations

import json

import pytest

from scoring.errors import EventError
from scoring.events import Event
from scoring.replay import FileRecord, Replay
from streams.gateway.key_hints import KeyHints
from tests.unit.builders import NOW, model_of

VIEW = {"view": {"on": "page_viewed", "points": 1, "half_life_days": 7}}


def seen(**identities: str) -> Event:
    return Event(id="e", type="page_viewed", time=0, **identities)


def test_an_event_goes_where_its_person_is_once_that_is_known() -> None:
    hints = KeyHints()
    assert hints.key_of(seen(anonymous_id="a")) == "anon:a"
    assert hints.key_of(seen(anonymous_id="a", user_id="7")) == "user:7"
    assert hints.key_of(seen(anonymous_id="a")) == "user:7"
    assert hints.key_of(seen(user_id="7", email="Ann@acme.com")) == "email:ann@acme.com"
    assert hints.key_of(seen(anonymous_id="a")) == "email:ann@acme.com"


def test_the_first_person_of_an_identity_stays() -> None:
    hints = KeyHints()
    hints.key_of(seen(anonymous_id="a", email="ann@acme.com"))
    assert hints.key_of(seen(anonymous_id="a", email="bob@acme.com")) == "email:bob@acme.com"
    assert hints.key_of(seen(anonymous_id="a")) == "email:ann@acme.com"


def test_identities_that_were_not_seen_for_longest_are_forgotten() -> None:
    hints = KeyHints(kept=2)
    for cookie in ("a", "b", "a", "c"):
        hints.key_of(seen(anonymous_id=cookie, user_id=f"u-{cookie}"))
    assert len(hints) == 2
    assert [hints.key_of(seen(anonymous_id=cookie)) for cookie in "abc"] == ["user:u-a", "anon:b", "user:u-c"]


def test_who_is_nobody_is_refused_as_ever() -> None:
    with pytest.raises(EventError, match="one of email, user_id and anonymous_id"):
        KeyHints().key_of(Event(id="e", type="page_viewed", time=0))


def test_a_wrong_hint_changes_no_score() -> None:
    replay = Replay(model_of(VIEW))
    for number, key in enumerate(("email:ann@acme.com", "user:7", "email:bob@acme.com")):
        value = json.dumps({"id": f"e-{number}", "type": "page_viewed", "time": NOW, "user_id": "7"}).encode()
        replay.take([FileRecord(number, NOW, value, key.encode())])
    assert {score.lead: score.score for score in replay.scores()} == {"user:7": 3}
