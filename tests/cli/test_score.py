"""``leadheat score`` says what a worker would have said of a file, and which lines it could not take."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.alerts import Alert
from scoring.model import load_model
from scoring.models import DEFAULT_MODEL
from scoring.replay import FileRecord, Replay
from scoring.score_records import LeadScore
from streams.cli.json_lines import LINE_BYTES_MAX

AT = 1_767_268_800_000  # 2026-01-01T12:00:00Z
MINUTE = 60_000


def event(number: int, kind: str, email: str, **properties: object) -> bytes:
    return json.dumps(
        {"id": f"e-{number}", "type": kind, "time": AT + number * MINUTE, "email": email, "properties": properties}
    ).encode()


EVENTS = [
    event(1, "page_viewed", "ann@example.com", path="/pricing"),
    event(2, "page_viewed", "bob@example.com", path="/"),
    event(3, "form_submitted", "ann@example.com", form="demo"),
]


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(EVENTS) + b"\n")
    return path


def expected() -> tuple[list[Alert], list[LeadScore]]:
    replay = Replay(load_model(DEFAULT_MODEL))
    records = [FileRecord(number, AT + (number + 1) * MINUTE, value) for number, value in enumerate(EVENTS)]
    return replay.take(records).alerts, list(replay.scores())


def tagged(ran: Any, tag: str) -> list[Any]:
    return [found[tag] for found in map(json.loads, ran.lines) if tag in found]


def test_a_pipe_gets_the_alerts_and_then_every_score_as_tagged_objects(run: Callable[..., Any], events: Path) -> None:
    ran = run("score", events)
    alerts, scores = expected()
    assert (ran.code, ran.err) == (0, "")
    assert [list(json.loads(line)) for line in ran.lines] == [["alert"], ["score"], ["score"]]
    assert msgspec.convert(tagged(ran, "alert"), list[Alert]) == alerts
    assert msgspec.convert(tagged(ran, "score"), list[LeadScore]) == scores


def test_files_hold_what_the_pipe_would_have_got(run: Callable[..., Any], events: Path, tmp_path: Path) -> None:
    ran = run("score", events, "--alerts", tmp_path / "alerts", "--scores", tmp_path / "scores")
    alerts, scores = expected()
    assert (ran.code, ran.out) == (0, "")
    lines = [msgspec.json.decode(line, type=Alert) for line in (tmp_path / "alerts").read_bytes().splitlines()]
    assert lines == alerts
    lines = [msgspec.json.decode(line, type=LeadScore) for line in (tmp_path / "scores").read_bytes().splitlines()]
    assert lines == scores


def test_a_person_gets_the_hottest_leads_and_the_alerts_in_words(run: Callable[..., Any], events: Path) -> None:
    ran = run("score", events, "--text", TZ="UTC")
    assert ran.lines[0].startswith(f"{events}: 3 lines, 2 leads, 0 duplicates, 0 refused, in ")
    assert "Hottest leads at the time of the last event" in ran.out
    ann, bob = (next(line for line in ran.lines if line.startswith(name)) for name in ("ann@", "bob@"))
    assert ann.split()[:3] == ["ann@example.com", "61.0", "hot"]
    assert bob.split()[:3] == ["bob@example.com", "1.0", "cold"]
    assert "Alerts: 1 entered" in ran.lines
    words = "(+50 demo request, +10 pricing page, +1 page view) because form_submitted e-3, cools "
    assert f" HOT ann@example.com 61.0 points {words}" in ran.lines[-1]


def test_received_now_the_crossings_of_last_year_alert_nobody_and_have_cooled(
    run: Callable[..., Any], events: Path
) -> None:
    ran = run("score", events, "--clock", "now")
    assert tagged(ran, "alert") == []
    assert [score["band"] for score in tagged(ran, "score")] == ["cold", "cold"]


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_and_gzip_are_read_whatever_the_name(
    run: Callable[..., Any], tmp_path: Path, packed: bool
) -> None:
    raw = b"\r\n".join(EVENTS)
    raw = gzip.compress(raw) if packed else raw
    (tmp_path / "events").write_bytes(raw)
    assert len(tagged(run("score", "-", stdin=raw), "score")) == 2
    assert len(tagged(run("score", tmp_path / "events"), "score")) == 2


REFUSED = [b"{", b'{"id": 5}', b"", b"a" * (3 * LINE_BYTES_MAX), event(9, "page_veiwed", "ann@example.com"), b"\xff"]


def test_refused_lines_are_listed_by_file_and_line_and_the_rest_is_scored(
    run: Callable[..., Any], events: Path
) -> None:
    events.write_bytes(b"\xef\xbb\xbf" + b"\n".join([EVENTS[0], *REFUSED, EVENTS[1]]))
    ran = run("score", events)
    assert ran.code == 0
    assert [(line["line"], line["reason"], line["field"]) for line in tagged(ran, "refused")] == [
        (2, "malformed", ""),
        (3, "wrong_type", "id"),
        (5, "too_large", ""),
        (6, "unknown_type", "type"),
        (7, "malformed", ""),
    ]
    assert ran.err == "leadheat: 5 of 7 lines were refused\n"
    assert len(tagged(ran, "score")) == 2

    text = run("score", events, "--text")
    assert "Refused lines: 2 malformed, 1 wrong_type, 1 too_large, 1 unknown_type" in text.lines
    assert f"{events}:6: unknown_type type: 'page_veiwed' is not in the vocabulary" in text.lines


def test_strict_ends_with_1_when_a_line_was_refused_and_only_then(run: Callable[..., Any], events: Path) -> None:
    assert run("score", "--strict", events).code == 0
    events.write_bytes(b"{\n")
    assert run("score", "--strict", events).code == 1
    assert run("score", events).code == 0


def test_a_json_array_is_recognised_and_the_remedy_named(run: Callable[..., Any], events: Path) -> None:
    events.write_text(json.dumps([json.loads(line) for line in EVENTS], indent=1))
    assert run("score", "--text", events).lines[-1].endswith("Make it one object a line: jq -c '.[]' FILE")


def test_no_input_is_no_error(run: Callable[..., Any]) -> None:
    ran = run("score", "-", "--text")
    assert (ran.code, len(ran.lines)) == (0, 1)
    assert ran.lines[0].startswith("standard input: 0 lines, 0 leads")


def test_what_cannot_be_read_or_written_is_named_with_the_reason(
    run: Callable[..., Any], events: Path, tmp_path: Path
) -> None:
    cut, bad = tmp_path / "cut.gz", tmp_path / "bad.gz"
    cut.write_bytes(gzip.compress(b"\n".join(EVENTS))[:-12])
    bad.write_bytes(b"\x1f\x8b" + b"no gzip" * 9)
    model = tmp_path / "model.yaml"
    model.write_text("version: 1")
    for arguments, message in [
        ((tmp_path / "no",), f"{tmp_path / 'no'}: cannot be read: No such file or directory"),
        ((tmp_path,), f"{tmp_path}: cannot be read: is a directory; name a file of it"),
        ((cut,), f"{cut}: ends in the middle of its gzip data; was it copied whole?"),
        ((bad,), f"{bad}: is damaged gzip data: "),
        ((events, "--model", model), f"{model}:1: rules: is required"),
        ((events, "--alerts", tmp_path), f"--alerts {tmp_path}: cannot be written: Is a directory"),
        ((events, "--scores", events), f"--scores {events}: is the file that is read, and would be lost"),
        ((events, "--alerts", "x", "--scores", "x"), "--scores x: is where --alerts writes too; name another"),
    ]:
        ran = run("score", *arguments)
        assert ran.code == 2
        assert f"leadheat: {message}" in ran.err
    assert events.read_bytes().splitlines() == EVENTS


def test_a_line_without_end_takes_no_memory(run: Callable[..., Any], tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(b" " * (1 << 20))
    run("score", bomb)  # imports what it needs
    tracemalloc.start()
    try:
        ran = run("score", bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ran.code == 0
    assert peak < 16 << 20


def test_the_default_model_is_the_one_we_ship(run: Callable[..., Any], events: Path) -> None:
    assert run("score", events).out == run("score", events, "--model", DEFAULT_MODEL).out


def test_a_stage_chooses_among_what_is_told(run: Callable[..., Any], tmp_path: Path) -> None:
    visitor = {"id": "v", "type": "form_submitted", "time": AT, "anonymous_id": "1", "properties": {"form": "demo"}}
    (tmp_path / "events").write_bytes(b"\n".join([*EVENTS, json.dumps(visitor).encode()]))

    def told(*options: str) -> list[str]:
        ran = run("score", tmp_path / "events", *options)
        return [found["lead"].partition(":")[2][:3] for tag in ("alert", "score") for found in tagged(ran, tag)]

    assert told() == ["ann", "ann", "bob", "1"]
    assert told("--stage", "converted") == ["ann", "ann"]
    assert told("--stage", "inactive") == ["bob"]
    assert told("--stage", "visitor") == ["1"]
