"""``leadheat model publish``, ``history`` and ``rollback``: nothing is published that was not seen, and all is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.adoption import Adoption, Move
from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import MODEL_REPORTS, WEB_EVENTS

pytestmark = pytest.mark.kafka

DAY = 86_400_000
OLD = """version: one
rules:
  view: {on: page_viewed, where: {path: /pricing}, points: 10, half_life_days: 100}
  form: {on: form_submitted, where: {form: demo}, points: 30, half_life_days: 100}
bands: {warm: {enter: 25, leave: 15}, hot: {enter: 60, leave: 40, cooldown_h: 24}}
"""
NEW = OLD.replace("version: one", "version: two").replace("points: 10", "points: 30")
WITH_RULE = NEW.replace("version: two", "version: three").replace(
    "bands:", "  blog: {on: page_viewed, where: {path: /blog}, points: 3, half_life_days: 9}\nbands:"
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.fixture
def used(topics: Settings, write: Callable[[str, str], Path], produce: Callable[..., None]) -> dict[str, Any]:
    """Options of a command run: on a Kafka where ann saw the prices three times, bob once, and both two weeks ago."""
    at = now_ms() - 14 * DAY
    views = [("ann", 1), ("ann", 2), ("ann", 3), ("bob", 4)]
    events = [
        {"id": f"e{n}", "type": "page_viewed", "time": at + n, "user_id": user, "properties": {"path": "/pricing"}}
        for user, n in views
    ]
    produce(topics, WEB_EVENTS, [(f"user:{each['user_id']}".encode(), json.dumps(each).encode()) for each in events])
    return {"settings": topics, "LEADHEAT_MODEL": str(write("old.yaml", OLD)), "LEADHEAT_APP_ID": topics.app_id}


def rows(ran: Any) -> dict[str, Any]:
    return {name: value for line in ran.lines for name, value in json.loads(line).items()}


def test_a_model_is_shown_on_the_stored_events_before_it_is_published_and_can_be_taken_back(
    run: Callable[..., Any], write: Callable[[str, str], Path], used: dict[str, Any], produce: Callable[..., None]
) -> None:
    options = ("--yes", "--why", "prices tell more", "--by", "olga", "--wait", "0")
    ran = run("model", "publish", write("new.yaml", NEW), *options, **used)
    assert ran.code == 0, ran.err
    said = rows(ran)
    assert said["change"] == {"what": "view: 10 → 30 points", "takes_effect": "at once"}
    preview = said["preview"]
    assert (preview["events"], preview["leads"], preview["never_matched"]) == (4, 2, ["form"])
    assert (preview["before"], preview["after"]) == ({}, {"hot": 1})
    assert preview["adoption"]["moves"] == [
        {"from_band": "warm", "to_band": "hot", "leads": 1, "examples": ["user:ann"]},
        {"from_band": "cold", "to_band": "warm", "leads": 1, "examples": ["user:bob"]},
    ]
    assert (said["published"]["number"], said["published"]["by"]) == (2, "olga")

    report = Adoption(
        model="two", number=2, leads=2, moves=[Move(from_band="warm", to_band="hot", leads=1)], is_finished=True
    )
    produce(used["settings"], MODEL_REPORTS, [(None, msgspec.json.encode(report))])
    assert run("model", "rollback", 1, "--yes", "--by", "tom", "--wait", "0", **used).code == 0
    history = [json.loads(line) for line in run("model", "history", **used).lines]
    assert [(row["number"], row["kind"], row["version"], row["by"], row["why"]) for row in history] == [
        (1, "file", "one", "leadheat model", ""),
        (2, "published", "two", "olga", "prices tell more"),
        (3, "rolled back", "one", "tom", ""),
    ]
    assert history[1]["adopted"]["moves"][0]["leads"] == 1
    assert run("model", "history", 2, **used).out == NEW


def test_a_person_sees_who_changes_bands_and_may_say_no(
    run: Callable[..., Any], write: Callable[[str, str], Path], used: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.cli.model_publish._can_ask", lambda yes, why: True)
    ran = run("model", "publish", write("new.yaml", NEW), "--text", stdin=b"n\n", **used)
    assert ran.code == 1
    assert "at once      view: 10 → 30 points" in ran.out
    assert "1 of 2 leads go from warm to hot: user:ann" in ran.out
    assert "rules that nothing matched: form" in ran.out
    assert [json.loads(line)["number"] for line in run("model", "history", **used).lines] == [1]


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        (WITH_RULE, ("--yes", "--why", "x"), "first: blog: new"),
        (OLD.replace("points: 10", "points: 11"), ("--yes", "--why", "x"), "version: 'one' is number 1 already"),
        (NEW, ("--yes",), "--why: with --yes nobody is asked"),
        (NEW, (), "--yes: nobody can be asked here"),
        ("version: x", ("--yes", "--why", "x"), "rules: is required"),
    ],
    ids=["counts from now on", "its version is another model", "no reason", "nobody to ask", "not a model"],
)
def test_what_should_not_be_published_is_refused_with_the_next_step(
    run: Callable[..., Any],
    write: Callable[[str, str], Path],
    used: dict[str, Any],
    text: str,
    options: tuple[str, ...],
    says: str,
) -> None:
    ran = run("model", "publish", write("new.yaml", text), "--no-preview", "--wait", "0", *options, **used)
    assert ran.code != 0
    assert says in ran.err
    history = [json.loads(line) for line in run("model", "history", **used).lines]
    assert all(row["number"] == 1 for row in history)
