"""``leadheat backtest`` and ``model fit`` say how a model did, and of bad input what to do about it."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scoring.model import parse_model
from streams.topics import ACCOUNT_UPDATES, FOLLOW_UPS, WEB_EVENTS
from tests.known_truth import START_MS, History, generate_history
from tests.unit.test_fitting import TEXT

LEADS = 120


@pytest.fixture(scope="module")
def history() -> History:
    return generate_history(LEADS, seed=1)


@pytest.fixture
def events(tmp_path: Path, history: History) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(reversed(history.events)))  # in any order
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def outcomes(tmp_path: Path, history: History) -> Path:
    path = tmp_path / "won.csv"
    path.write_text(history.outcomes_csv())
    return path


def judgement(ran: Any) -> dict[str, Any]:
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.lines[0])["judgement"]
    return found


def notes(ran: Any) -> list[str]:
    return [found["note"] for found in map(json.loads, ran.lines) if "note" in found]


def test_two_runs_of_a_backtest_give_identical_numbers(
    run: Callable[..., Any], events: Path, model: Path, outcomes: Path, history: History
) -> None:
    first, second = (run("backtest", events, "--outcomes", outcomes, "--model", model) for _ in range(2))
    assert first == second
    found = judgement(first)
    won = sum(deal.is_won for deal in history.deals)
    assert (found["won"]["leads"], found["lost"]["leads"]) == (won, LEADS - won)
    assert found["events"] == len(history.events)
    assert 0.5 < found["auc"]["low"] < found["auc"]["value"] < found["auc"]["high"] < 1
    assert [note for note in notes(first) if not note.startswith("Fewer than 30")] == []
    told = {each["name"]: each for each in found["evidence"]}
    assert told["webinar_attendance"]["ratio"] > 2 > told["pricing_page"]["ratio"]


def test_a_person_a_spreadsheet_and_a_browser_are_told_the_same(
    run: Callable[..., Any], events: Path, model: Path, outcomes: Path, tmp_path: Path
) -> None:
    hostile = tmp_path / "<b>=1&.yaml"
    hostile.write_text(TEXT.replace("points: 15", "points: 80").replace("points_max: 30", "points_max: 80"))
    shared = ("backtest", events, "--outcomes", outcomes, "--model", model, "--model", hostile, "--reps", "2")
    page, leads = tmp_path / "page.html", tmp_path / "leads.csv"
    ran = run(*shared, "--html", page, "--leads", leads)
    found = [json.loads(line)["judgement"] for line in ran.lines[:2]]
    gain = json.loads(ran.lines[2])
    assert found[1]["alerts_per_rep"] == {"each of 2": found[1]["load"]["per_week"] / 2}

    table = run(*shared, "--format", "table").out
    rows = list(csv.DictReader(run(*shared, "--format", "csv").out.splitlines()))
    html = page.read_text()
    for each in found:
        shown = f"{each['auc']['value']:.3f} ({each['auc']['low']:.3f} to {each['auc']['high']:.3f})"
        assert shown in table
        assert shown in html
        assert [float(row["value"]) for row in rows if row["measure"] == "auc"].count(each["auc"]["value"])
    assert f"{gain['gain']['value']:+.3f}".replace("-", "−") in table
    assert html.count("<polyline") == 2
    assert "&lt;b&gt;=1&amp;.yaml" in html
    assert not re.search(r"(src|href)=|<script|https?:|<b>=", html)  # it needs nothing, and believes no name
    lines = list(csv.DictReader(leads.read_text().splitlines()))
    assert len(lines) == 2 * LEADS
    assert sum(line["hot_at"] != "" for line in lines if line["model"] == "my.yaml") == sum(
        found[0][group]["hot"] for group in ("won", "lost")
    )


def test_follow_ups_among_the_events_are_outcomes_and_change_no_score(
    run: Callable[..., Any], events: Path, model: Path, outcomes: Path, history: History
) -> None:
    told = judgement(run("backtest", events, "--outcomes", outcomes, "--model", model))
    lines = [
        {"id": f"f-{number}", "lead": deal.lead, "action": "won" if deal.is_won else "lost", "time": deal.time_ms}
        for number, deal in enumerate(history.deals)
    ]
    accepted = {"id": "f", "lead": history.deals[0].lead, "action": "accepted", "time": START_MS}
    with events.open("ab") as file:
        file.write(b"".join(b"\n" + json.dumps(line).encode() for line in [accepted, *lines]))
    assert judgement(run("backtest", events, "--model", model)) == told


ROWS = "Email,Outcome,Close date\n"


def test_rows_that_cannot_be_judged_are_counted_with_what_to_do(
    run: Callable[..., Any], events: Path, model: Path, outcomes: Path, history: History
) -> None:
    first = history.outcomes_csv().splitlines()[1]
    email, is_won = first.split(",")[0], ",won," in first
    extra = [
        first,  # twice
        f"{email},{'lost' if is_won else 'won'},2026-12-01 00:00Z" if is_won else first,
        "nobody@example.com,won,2026-03-01 00:00Z",
        "person3@company3.com,maybe,2026-03-01 00:00Z",
        "no address,won,2026-03-01 00:00Z",
        "person4@company4.com,,2026-03-01 00:00Z",
        "person5@company5.com,won,2099-01-01 00:00Z",
    ]
    early = f"{history.deals[-1].lead.removeprefix('email:')},won,2025-01-01 00:00Z"
    text = history.outcomes_csv() + "\n".join([*extra, early]) + "\n"
    outcomes.write_text(text)
    told = "\n".join(notes(run("backtest", events, "--outcomes", outcomes, "--model", model)))
    for words in (
        "3 of 128 rows of outcomes cannot be used:",
        "won.csv:125: outcome: 'maybe' is neither won nor lost",
        "won.csv:126: email: 'no address' is not an e-mail address",
        "won.csv:128: time: lies in the future",
        "Rows of outcomes that decide nothing, and are passed over: 1.",
        "It counts once, when it was first won or lost",
        "Leads with an outcome and no events at all: 1, such as nobody@example.com. Are they known by another",
        "Leads that were decided before their first event: 1, such as person",
    ):
        assert words in told


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("ann@example.com,won,2026-03-01 09:00\n", "it names no zone; say --timezone, such as --timezone Europe/"),
        ("ann@example.com,won,3/4/2026 09:00Z\n", "which is the day? say --dates dmy or --dates mdy"),
        ("", "none of its 0 rows can be used; a row needs a lead, won or lost, and when"),
        ("ann@example.com,won,2026-03-01 09:00Z\n", "no event is about any of its 1 leads, the first being email:ann@"),
        ("person1@company1.com,won,2025-01-01 09:00Z\n", "1 were decided before their first event; take events from"),
        ("person1@company1.com,won,2026-11-01 09:00Z\n", "were won; a model is judged by telling won from lost: add"),
        ("person1@company1.com,lost,2026-11-01 09:00Z\n", "were lost; a model is judged by telling won from lost: add"),
    ],
)
def test_outcomes_that_judge_nothing_are_refused_with_the_next_step(
    run: Callable[..., Any], events: Path, model: Path, outcomes: Path, rows: str, message: str
) -> None:
    outcomes.write_text(ROWS + rows)
    ran = run("backtest", events, "--outcomes", outcomes, "--model", model)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_what_is_missing_is_named(
    run: Callable[..., Any], events: Path, model: Path, outcomes: Path, tmp_path: Path
) -> None:
    (tmp_path / "none").write_text("")
    (tmp_path / "columns.csv").write_text("Company,Amount\nAcme,5\n")
    for arguments, message in [
        ((), "name a FILE of events, or --from DATE"),
        ((events, "--from", "2026-01-01"), "one of the two"),
        (("--from", "January"), "--from 'January': expected 2026-01-31"),
        ((events,), "hold no follow-up that says won or lost; name a file with --outcomes"),
        ((tmp_path / "none", "--outcomes", outcomes), "hold no events"),
        ((events, "--outcomes", tmp_path / "columns.csv"), "no column tells lead or email"),
        ((events, "--outcomes", outcomes, *("--model", model) * 2), "at most 2 are compared"),
        ((events, "--outcomes", outcomes, "--html", events), f"--html {events}: is the file that is read"),
        ((events, "--outcomes", outcomes, "--leads", outcomes), f"--leads {outcomes}: is the file that is read"),
        ((events, "--outcomes", outcomes, "--leads", model), f"--leads {model}: is the file that is read"),
        ((tmp_path / "no-such", "--outcomes", outcomes, "--html", model.with_name("kept")), "cannot be read"),
    ]:
        ran = run("backtest", *arguments, "--model", model)
        assert ran.code == 2
        assert message in ran.err


def test_what_a_file_held_is_lost_only_to_what_takes_its_place(
    run: Callable[..., Any], events: Path, model: Path, outcomes: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("precious" * 10_000)
    (tmp_path / "columns.csv").write_text("Company,Amount\nAcme,5\n")
    assert run("backtest", events, "--outcomes", tmp_path / "columns.csv", "--leads", kept).code == 2
    assert run("backtest", tmp_path / "no-such", "--outcomes", outcomes, "--leads", kept).code == 2
    assert kept.read_text() == "precious" * 10_000
    assert run("backtest", events, "--outcomes", outcomes, "--model", model, "--leads", kept).code == 0
    assert "precious" not in kept.read_text()
    assert kept.read_text().startswith("model,lead,")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said_in_one_line(events: Path, model: Path, outcomes: Path) -> None:
    arguments = ["backtest", str(events), "--outcomes", str(outcomes), "--model", str(model)]
    for more in (["--html", "/dev/full"], ["--leads", "/dev/full"], []):
        with Path(os.devnull if more else "/dev/full").open("w") as out:
            command = [sys.executable, "-m", "streams.cli", *arguments, *more]
            ran = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
        assert (
            ran.stderr.splitlines()[-1] == "leadheat: what was to be written is not complete: No space left on device"
        )
        assert "Traceback" not in ran.stderr
        assert ran.returncode == 2


def test_a_list_of_the_won_alone_is_judged_against_the_rest(
    run: Callable[..., Any], events: Path, model: Path, outcomes: Path, history: History
) -> None:
    won = [row for row in history.outcomes_csv().splitlines() if ",lost," not in row]
    outcomes.write_text("\n".join(row.replace(",Outcome", "").replace(",won", "") for row in won))
    assert "say --rest-lost" in run("backtest", events, "--outcomes", outcomes, "--model", model).err
    ran = run("backtest", events, "--outcomes", outcomes, "--model", model, "--rest-lost")
    found = judgement(ran)
    assert (found["won"]["leads"], found["lost"]["leads"]) == (len(won) - 1, LEADS - len(won) + 1)
    assert any("all rows count as won" in note for note in notes(ran))


def test_without_scikit_learn_a_fit_says_how_to_install_it(
    run: Callable[..., Any], events: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    ran = run("model", "fit", events)
    assert ran.code == 2
    assert "pip install 'leadheat[fit]'" in ran.err


def test_a_fit_refuses_too_few_and_to_overwrite_the_model(
    run: Callable[..., Any], events: Path, model: Path, outcomes: Path
) -> None:
    pytest.importorskip("sklearn")
    ran = run("model", "fit", events, "--outcomes", outcomes, "--model", model)
    assert ran.code == 2
    assert "at least 70 of each are needed" in ran.err
    assert ran.out == ""
    ran = run("model", "fit", events, "--outcomes", outcomes, "--model", model, "--output", model)
    assert "is the file that is read" in ran.err
    assert model.read_text() == TEXT


@pytest.mark.thorough
def test_the_default_model_is_beaten_by_its_draft_on_people_it_was_not_made_of(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    old, new = generate_history(1_500, seed=1), generate_history(700, seed=2)
    for name, each in (("old", old), ("new", new)):
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(each.events))
        (tmp_path / f"{name}.csv").write_text(each.outcomes_csv())
    draft = tmp_path / "draft.yaml"
    ran = run("model", "fit", tmp_path / "old.jsonl", "--outcomes", tmp_path / "old.csv", "--output", draft)
    assert ran.code == 0, ran.err
    rules = parse_model(draft.read_text(), "draft").rules
    points = [rules[name].points for name in ("webinar_attendance", "comparison_page", "email_reply", "pricing_page")]
    assert points == sorted(points, reverse=True)
    assert len(set(points)) == 4
    both = ("--model", "default", "--model", draft)
    ran = run("backtest", tmp_path / "new.jsonl", "--outcomes", tmp_path / "new.csv", *both)
    assert json.loads(ran.lines[2])["better"] is True


@pytest.mark.kafka
def test_the_stored_events_give_what_their_file_gives(
    run: Callable[..., Any], topics: Any, produce: Callable[..., None], events: Path, model: Path, outcomes: Path,
    history: History,
) -> None:  # fmt: skip
    records = [(json.loads(line)["email"].encode(), line) for line in reversed(history.events)]
    produce(topics, WEB_EVENTS, records)
    produce(topics, ACCOUNT_UPDATES, [])
    lines = [
        {"id": f"f-{number}", "lead": deal.lead, "action": "won" if deal.is_won else "lost", "time": deal.time_ms}
        for number, deal in enumerate(history.deals)
    ]
    produce(topics, FOLLOW_UPS, [(line["lead"].encode(), json.dumps(line).encode()) for line in lines])
    of_file = judgement(run("backtest", events, "--outcomes", outcomes, "--model", model))
    assert judgement(run("backtest", "--from", "2026-01-01", "--model", model, settings=topics)) == of_file
    later = judgement(run("backtest", "--from", "2026-03-01", "--model", model, settings=topics))
    assert later["events"] < of_file["events"]
    assert later["won"]["leads"] < of_file["won"]["leads"]
