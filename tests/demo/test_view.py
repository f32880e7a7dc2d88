"""What is shown: it fits, says everything that matters, and is written only where it changed."""

from __future__ import annotations

import io
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from scoring.model import ScoringModel
from scoring.models import DEFAULT_MODEL
from scoring.score_records import merged_record
from scoring.signal_records import BuyingSignal, SignalEvidence, SignalPerson
from streams.demo.board import Board
from streams.demo.show import Lines
from streams.demo.status import Pace
from streams.demo.summary import summarise
from streams.demo.view import View, compose
from streams.demo.words import NextSteps, ledger_lines, show_score
from streams.demo.world import World
from tests.demo.worlds import NOW, life_of, replayed_history, take

PACE = Pace(31.0, 5.25, 5.0)
LATER = NOW + 31_000


@pytest.fixture(scope="module")
def board(model: ScoringModel) -> Board:
    """A board after half a minute of life, without any Kafka."""
    board, world = Board(model), World()
    replay, _ = replayed_history(model, world)
    for record in replay.scores():
        board.note_score(record)
    life = life_of(world, 30)
    for offset, event in enumerate(life):
        board.hand(event.id, 1.0)
        board.note_event("web", 0, offset, event.id)
        outcome = take(replay, [event])
        for alert in outcome.alerts:
            board.note_alert(alert, 1.04)
        for signal in outcome.signals:
            board.note_signal(signal)
        for gone, into in outcome.merged:
            board.note_score(merged_record(gone, into, model.version))
    board.note_scored("web", 0, len(life))
    for record in replay.scores():
        board.note_score(record)
    for account in replay.accounts():
        board.note_account(account)
    return board


@pytest.fixture
def steps(model: ScoringModel) -> NextSteps:
    return NextSteps("http://127.0.0.1:40321", lambda: 4242, DEFAULT_MODEL, model)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (160, 45), (250, 70), (40, 10), (80, 5)])
def test_the_screen_has_the_size_of_the_window(board: Board, steps: NextSteps, width: int, height: int) -> None:
    lines = compose(board, steps, PACE, LATER, width, height)
    assert len(lines) == height


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (160, 45)])
def test_nothing_that_matters_is_cut_off(board: Board, steps: NextSteps, width: int, height: int) -> None:
    lines = [line.plain for line in compose(board, steps, PACE, LATER, width, height)]
    head, foot = "\n".join(lines[:5]), "\n".join(lines[-5:])
    assert max(map(len, lines[:5] + lines[-5:])) <= width
    assert f"{board.sent:,} sent  {board.scored:,} scored  none lost   5.2 sent/s  5.0 scored/s" in head
    assert "40 ms (p50), 40 ms (p99)" in head
    assert "scoring/models/default.yaml" in foot
    assert re.search(r"fits +\d+ strong +\d+ moderate +\d+ weak +\d+ unknown +1 excluded", head)
    assert re.search(r" \d+ visitors known", head)
    titles = [number for number, line in enumerate(lines) if line.startswith("── ")]
    leads, companies, news = (lines[start + 1 : end] for start, end in pairwise(titles))
    assert len(leads) >= 3
    assert all(" hot" in line or " warm" in line for line in leads)
    assert len(companies) >= 3
    assert all(re.match(r" *\d+\.\d \w+ .+ (\d+\.\d \w+|unknown) .+ \d+: [a-z]+\.", line) for line in companies)
    assert len(news) >= 5
    assert any(" ▴ " in line for line in news)


def test_an_alert_is_shown_with_its_sum_and_a_signal_in_a_line_with_what_speaks_against_marked(
    model: ScoringModel, steps: NextSteps, board: Board
) -> None:
    own = Board(model)
    own.note_alert(board.alerts[-1].alert, 0.0)
    for polarity in ("positive", "negative"):
        own.note_signal(signal(polarity=polarity, summary=f"Something {polarity}"))
    lines = [line.plain for line in compose(own, steps, PACE, LATER, 160, 30)]
    start = next(number for number, line in enumerate(lines) if "as they fall" in line)
    assert lines[start + 1].endswith(" ▾ Northwind surge: Something negative")
    assert lines[start + 2].endswith(" ▴ Northwind surge: Something positive")
    assert " HOT " in lines[start + 3]
    assert " = +" in lines[start + 4]


def signal(**changes: object) -> BuyingSignal:
    fields = {
        "id": "s-1",
        "account": "domain:northwind.example",
        "signal": "surge",
        "kind": "surge",
        "polarity": "positive",
        "time_ms": NOW,
        "summary": "Much more than usual",
        "model": "1",
        "name": "Northwind",
    }
    return BuyingSignal(**(fields | changes))  # type: ignore[arg-type]


def test_the_command_is_whole_in_a_narrow_and_in_a_wide_window(board: Board, steps: NextSteps) -> None:
    narrow = "\n".join(line.plain for line in compose(board, steps, PACE, LATER, 80, 24)[-4:-2])
    (wide,) = (line.plain for line in compose(board, steps, PACE, LATER, 160, 45) if line.plain.startswith("curl"))
    words = ["curl", "http://127.0.0.1:40321/v1/track", "-d"]
    words += ['{"userId":"you@yourcompany.example","event":"Demo Requested"}']
    assert shlex.split(narrow.replace("\\\n", "")) == shlex.split(wide) == words


def test_a_loss_is_said_at_the_top(model: ScoringModel, steps: NextSteps) -> None:
    board = Board(model)
    board.lose(2, "the gateway is gone")
    lines = compose(board, steps, PACE, LATER, 120, 30)
    assert "2 events were given up (the gateway is gone)" in lines[1].plain
    assert "none lost" not in lines[1].plain


def test_only_lines_that_changed_are_written(board: Board, steps: NextSteps) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24, color_system="256", legacy_windows=False)
    console.set_alt_screen(True)
    view = View(console, board, steps)
    written = []
    for pace in (PACE, PACE, Pace(32.0, 5.25, 5.0)):
        before = out.tell()
        view.draw(pace, LATER)
        written.append(out.getvalue()[before:])
    everything, nothing, clock = written
    assert "curl" in everything
    assert nothing == ""
    assert "live 00:32" in clock
    assert clock.count("\x1b[") < 20
    assert "curl" not in clock
    console.width = 100
    before = out.tell()
    view.draw(PACE, LATER)
    assert "curl" in out.getvalue()[before:], "a window of another size is drawn anew"


def test_numbers_of_a_ledger_add_up_as_they_are_shown(board: Board) -> None:
    assert len(board.alerts) > 5
    for seen in board.alerts:
        shown = [points for points, _ in ledger_lines(seen.alert)]
        assert str(sum(shown)) == show_score(seen.alert.score)


@pytest.mark.parametrize("width", [80, 120])
def test_the_summary_fits_says_who_and_why_and_ends_with_the_verdict(
    board: Board, steps: NextSteps, width: int
) -> None:
    lines = summarise(board, steps, LATER, 30.0, [], width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[-1].startswith(f"OK: each of the {board.sent} events sent was scored, and ")
    hottest = lines[lines.index("The hottest leads, as of now") + 1 :][:8]
    assert all(" hot " in line and " +" in line for line in hottest)
    assert any(line.strip().startswith("curl http") for line in lines)


def test_the_summary_counts_fits_and_signals_and_writes_out_a_group_and_the_evidence(
    model: ScoringModel, steps: NextSteps
) -> None:
    board = Board(model)
    people = [
        SignalPerson(lead="email:omar.reis@northwind.example", score=20.0),
        SignalPerson(lead="email:ada.lind@northwind.example", name="Ada Lind", role="Head of Data", score=70.0),
    ]
    group = {"signal": "buying_group", "kind": "distinct_contacts", "score": 90.0, "band": "aware", "fit": 7.46}
    board.note_signal(signal(people=people, fit_level="moderate", summary="2 people", **group))
    evidence = [SignalEvidence(NOW, "pricing_page", people[1].lead, "/pricing"), SignalEvidence(NOW, "demo_request")]
    board.note_signal(signal(signal="evaluation", kind="sequence", evidence=evidence))
    board.note_signal(signal())
    lines = summarise(board, steps, LATER, 30.0, [], 100).splitlines()
    assert "Companies by their fit: 0 strong, 0 moderate, 0 weak, 0 unknown" in lines
    assert "Signals   3: 1 buying group, 1 evaluation, 1 surge" in lines
    start = lines.index("A buying group, the most engaged first")
    assert lines[start + 1] == "  Northwind: fit 7.5 moderate, 90.0 points, aware"
    assert lines[start + 2].endswith(" buying group: 2 people")
    assert lines[start + 3 : start + 5] == ["       70.0  Ada Lind, Head of Data", "       20.0  omar.reis"]
    start = lines.index("A buying signal, with its evidence")
    assert lines[start + 1].endswith(" Northwind evaluation: Much more than usual")
    assert lines[start + 2].endswith("  pricing page (/pricing) by ada.lind")
    assert lines[start + 3].endswith("  demo request")


def test_a_failed_summary_says_why(board: Board, steps: NextSteps) -> None:
    lines = summarise(board, steps, LATER, 30.0, ["2 of 9 events that were sent were not scored"], 80).splitlines()
    assert lines[-1] == "FAILED: 2 of 9 events that were sent were not scored"


def test_plain_lines_have_no_control_codes_and_tell_each_alert_once(board: Board, steps: NextSteps) -> None:
    out = io.StringIO()
    lines = Lines(out)
    lines.say("starting")
    lines.load(100, 100)
    lines.begin(board, steps)
    lines.tick(PACE, LATER)
    board.note_alert(board.alerts[0].alert, 1.05)
    board.note_signal(signal(polarity="negative"))
    lines.tick(PACE, LATER)
    lines.tick(PACE, LATER)
    lines.end("The end.")
    text = out.getvalue()
    assert text.isprintable() or set(filter(lambda char: not char.isprintable(), text)) == {"\n"}
    assert text.count("HOT ") == 1
    assert text.count("SIGNAL − Northwind surge: Much more than usual\n") == text.count("SIGNAL") == 1
    assert "of 100 events scored" in text


def test_the_line_to_change_is_there_and_the_change_is_valid(steps: NextSteps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DEFAULT_MODEL.parent.parent.parent)
    place, _, change = steps.model_change.partition(" ")
    path, _, number = place.partition(":")
    assert path == "scoring/models/default.yaml"
    assert Path(path).read_text().splitlines()[int(number) - 1].strip().startswith("hot: {enter: 100, leave: 80")
    assert change == "hot: {enter: 100 → 90}; run again"


def test_what_somebody_sends_cannot_write_to_the_terminal(model: ScoringModel, steps: NextSteps, board: Board) -> None:
    own = Board(model)
    alert = board.alerts[0].alert
    own.note_alert(
        type(alert)(**{name: getattr(alert, name) for name in alert.__struct_fields__} | {"lead": "user:\x1b[2J"}), 0.0
    )
    own.note_signal(signal(name="\x1b[2J", summary="\x1b[2J"))
    lines = compose(own, steps, PACE, LATER, 80, 24)
    assert not any("\x1b" in line.plain for line in lines)
    assert "\x1b" not in summarise(own, steps, LATER, 30.0, [], 80)
