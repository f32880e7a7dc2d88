"""The examples of judging a model and of learning from outcomes are what the commands print."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from streams.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "model.md").read_text()


def block(kind: str) -> str:
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_backtest_on_the_page_is_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events.jsonl").write_text(block("jsonl backtest"))
    (tmp_path / "outcomes.csv").write_text(block("csv backtest"))
    command, *expected = block("console backtest").splitlines()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "argv", shlex.split(command.removeprefix("$ ")))
    with pytest.raises(SystemExit):
        main()
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == expected
