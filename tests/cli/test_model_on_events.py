"""``leadheat model diff`` and ``check --events`` say what a model, and a change to it, does to one's own history."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AT = 1_767_268_800_000  # 2026-01-01T12:00:00Z
DAY = 86_400_000
OLD = """version: 1
rules:
  view: {on: page_viewed, where: {path: /pricing}, points: 10, half_life_days: 10}
  form: {on: form_submitted, where: {form: demo}, points: 30, half_life_days: 10}
  back: {visits: {at_least: 2, within_days: 7}, points: 5, half_life_days: 10}
traits:
  budget: {answers: {">= 1000": 5}}
  student: {where: {job_title: "*student*"}, points: -5}
bands: {warm: {enter: 10, leave: 5}, hot: {enter: 30, leave: 20, cooldown_h: 24}}
"""
NEW = OLD.replace("points: 10, half_life_days: 10", "points: 40, half_life_days: 10")


def event(number: int, kind: str, user: str, day: float = 0.0, **fields: Any) -> str:
    return json.dumps({"id": f"e-{number}", "type": kind, "time": AT + int(day * DAY), "user_id": user, **fields})


EVENTS = [
    event(1, "page_viewed", "ann", properties={"path": "/pricing"}),
    event(2, "form_submitted", "bob", properties={"form": "demo"}),
    event(3, "form_submitted", "eve", properties={"form": "survey"}),
    event(4, "form_submitted", "eve", properties={"form": "survey"}),
    event(5, "email_opened", "eve"),
    event(6, "identified", "eve", traits={"budget": 5}),
    event(7, "page_viewed", "bob", 20, properties={"path": "/about"}),
    "{",
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    old, new, events = tmp_path / "old.yaml", tmp_path / "new.yaml", tmp_path / "events.jsonl"
    old.write_text(OLD)
    new.write_text(NEW)
    events.write_text("\n".join(EVENTS))
    return old, new, events


def test_a_change_is_told_in_words_with_when_it_counts(run: Callable[..., Any], files: tuple[Path, ...]) -> None:
    old, new, _ = files
    ran = run("model", "diff", old, new, "--text")
    assert (ran.code, ran.lines) == (0, ["at once      view: 10 → 40 points"])
    assert run("model", "diff", old, old, "--text").lines == ["Nothing changes."]
    assert run("model", "diff", "default", "default").out == ""
    assert [json.loads(line) for line in run("model", "diff", old, new).lines] == [
        {"change": {"what": "view: 10 → 40 points", "takes_effect": "at once"}}
    ]


def test_with_events_it_is_told_whose_band_changes_and_how_many_alerts(
    run: Callable[..., Any], files: tuple[Path, ...]
) -> None:
    """At the end, 20 days after her view, ann has 2.5 points and is cold, or 10 and is warm."""
    old, new, events = files
    ran = run("model", "diff", old, new, "--events", events)
    assert ran.code == 0
    assert [json.loads(line) for line in ran.lines[1:]] == [
        {
            "moved": {
                "lead": "user:ann",
                "before": {"band": "cold", "score": 2.5},
                "after": {"band": "warm", "score": 10.0},
            }
        },
        {
            "events": {
                "count": 8,
                "leads": 3,
                "moved": 1,
                "alerts_before": {"cooled hot": 1, "entered hot": 1},
                "alerts_after": {"cooled hot": 2, "entered hot": 2},
            }
        },
    ]
    text = run("model", "diff", old, new, "--events", "-", "--text", stdin=gzip.compress(events.read_bytes()))
    assert "8 events, 3 leads: 1 are in another band at the time of the last event" in text.lines
    assert [" ".join(line.split()) for line in text.lines[3:]] == [
        "alerts before after",
        "cooled hot 1 2",
        "entered hot 1 2",
        "",
        "lead points band points now band now",
        "user:ann 2.5 cold → 10.0 warm",
    ]


def test_check_lists_what_never_matched_and_what_matches_nothing(
    run: Callable[..., Any], files: tuple[Path, ...]
) -> None:
    old, _, events = files
    ran = run("model", "check", old, "--events", events)
    assert ran.code == 0
    assert ran.lines[ran.lines.index("") + 1 :] == [
        "8 events, 1 of them refused; 3 match a rule or tell a trait",
        "rules that nothing matched: back",
        "traits that nobody told: student",
        "events that match nothing, the most frequent first:",
        "           2  form_submitted form=survey",
        "           1  email_opened",
        "           1  page_viewed path=/about",
    ]


def test_a_model_that_is_wrong_and_events_that_are_not_there_are_told(
    run: Callable[..., Any], files: tuple[Path, ...], tmp_path: Path
) -> None:
    old, new, _ = files
    missing = run("model", "diff", old, new, "--events", tmp_path / "no")
    assert (missing.code, missing.err) == (
        2,
        f"leadheat: {tmp_path / 'no'}: cannot be read: No such file or directory\n",
    )
    new.write_text("version: 1")
    assert run("model", "diff", old, new).code == 2
    assert run("model", "check", new, "--events", tmp_path / "no").code == 1
