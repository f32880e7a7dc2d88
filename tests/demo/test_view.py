"""What is shown: it fits, says everything that matters, and is written only where it changed."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from scoring.model import ScoringModel
from scoring.models import DEFAULT_MODEL
from streams.demo.board import Board
from streams.demo.show import Lines
from streams.demo.status import Pace
from streams.demo.summary import summarise
from streams.demo.view import View, compose
from streams.demo.words import NextSteps, ledger_lines, show_score
from streams.demo.world import World
from tests.demo.worlds import NOW, life_of, replayed_history, score

PACE = Pace(31.0, 5.25, 5.0)
LATER = NOW + 31_000


@pytest.fixture(scope="module")
def board(model: ScoringModel) -> Board:
    """A board after half a minute of life, without any Kafka."""
    board, world = Board(model), World()
    replay, _ = replayed_history(model, world)
    life = life_of(world, 30)
    for offset, event in enumerate(life):
        board.hand(event.id, 1.0)
        board.note_event("web", 0, offset, event.id)
    board.note_scored("web", 0, len(life))
    for alert in score(replay, life):
        board.note_alert(alert, 1.04)
    for record in replay.scores():
        board.note_score(record)
    return board


@pytest.fixture
def steps(model: ScoringModel) -> NextSteps:
    return NextSteps("http://127.0.0.1:40321", lambda: 4242, DEFAULT_MODEL, model)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (160, 45), (250, 70), (40, 10), (80, 5)])
def test_the_screen_has_the_size_of_the_window(board: Board, steps: NextSteps, width: int, height: int) -> None:
    lines = compose(board, steps, PACE, LATER, width, height)
    assert len(lines) == height


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])
def test_nothing_that_matters_is_cut_off(board: Board, steps: NextSteps, width: int, height: int) -> None:
    lines = [line.plain for line in compose(board, steps, PACE, LATER, width, height)]
    head, foot = "\n".join(lines[:4]), "\n".join(lines[-5:])
    assert max(map(len, lines[:4] + lines[-5:])) <= width
    assert f"{board.sent:,} sent  {board.scored:,} scored  none lost   5.2 sent/s  5.0 scored/s" in head
    assert "40 ms (p50), 40 ms (p99)" in head
    assert "scoring/models/default.yaml" in foot
    leads = lines[5 : lines.index(next(line for line in lines if "Alerts as they fall" in line))]
    assert len(leads) >= 6
    assert all(" hot" in line or " warm" in line for line in leads)
    alerts = lines[5 + len(leads) + 1 :]
    assert " HOT " in alerts[0]
    assert " = +" in alerts[1]


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
    lines.tick(PACE, LATER)
    lines.tick(PACE, LATER)
    lines.end("The end.")
    text = out.getvalue()
    assert text.isprintable() or set(filter(lambda char: not char.isprintable(), text)) == {"\n"}
    assert text.count("HOT ") == 1
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
    lines = compose(own, steps, PACE, LATER, 80, 24)
    assert not any("\x1b" in line.plain for line in lines)
