"""``leadheat demo`` as people and pipelines run it: a process of its own, with a real Kafka."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from streams.demo.play import INTERRUPTED

pytestmark = pytest.mark.kafka


class Demo:
    """A demo that runs, without a terminal; all that it printed so far is in ``lines``."""

    def __init__(self, scratch: Path, **variables: str) -> None:
        bare = {name: text for name, text in os.environ.items() if not name.startswith("LEADHEAT_")}
        self.scratch = scratch
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "demo"],
            env=bare | {"TMPDIR": str(scratch)} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # not in our process group, as in a terminal of its own
        )

    def read_until(self, text: str) -> str:
        """Read on to the line that holds ``text``, and return it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return self.lines[-1]
        raise AssertionError(f"{text!r} was never printed:\n{self.printed}")

    @property
    def printed(self) -> str:
        return "\n".join(self.lines)

    def end(self) -> int:
        """Read to the end and return the exit code; nothing may be left then."""
        assert self.process.stdout is not None
        self.lines += self.process.stdout.read().splitlines()
        code = self.process.wait(30)
        assert list(self.scratch.glob("leadheat-demo-*")) == []
        return code


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start(**variables: str) -> Demo:
        started.append(Demo(tmp_path, **variables))
        return started[-1]

    yield start
    for demo in started:
        demo.process.kill()
        demo.process.communicate()


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, row.split())) for row in table.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents if its_parent == parent]
    return found[1:]


def left_of(pids: list[int]) -> list[int]:
    """Return which of the processes still run after a moment: one that was killed takes some time to be gone."""
    deadline = time.monotonic() + 3
    while True:
        asked = ["ps", "-o", "pid=,stat=", "-p", ",".join(map(str, pids))]
        table = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        left = [int(pid) for pid, state in map(str.split, table.splitlines()) if not state.startswith("Z")]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def run_curl(first: str, second: str) -> None:
    """Send what the printed command would, byte for byte."""
    curl, url, option, body = shlex.split(first.rstrip("\\") + second)
    assert (curl, option) == ("curl", "-d")
    with httpx.Client(trust_env=False) as client:
        answer = client.post(url, content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.json()) == (200, {"success": True})


@pytest.mark.thorough
def test_leads_turn_hot_with_reasons_and_the_printed_command_makes_you_hot(start: Callable[..., Demo]) -> None:
    demo = start(DEMO_SECONDS="8")
    command = demo.read_until("curl http://127.0.0.1:")
    run_curl(command, demo.read_until("userId"))
    yours = demo.read_until("HOT you@yourcompany.example")
    assert "50.0 points: demo request +50" in yours
    assert demo.end() == 0, demo.printed

    counts = re.search(r"^Events +([\d,]+) sent, ([\d,]+) scored, 1 more of yours, 0 dead letters$", demo.printed, re.M)
    assert counts is not None, demo.printed
    assert counts[1] == counts[2]
    assert re.search(r"no alerts and no signals of it, since all of it is old$", demo.printed, re.M)
    assert re.search(r"^Visitors +\d+ turned out to be somebody; [\d,]+ events passed on to them$", demo.printed, re.M)
    fits = re.search(
        r"^Companies by their fit: (\d+) strong, (\d+) moderate, (\d+) weak, (\d+) unknown", demo.printed, re.M
    )
    assert fits is not None
    assert all(int(number) >= 3 for number in fits.groups())
    assert any(re.search(r"\] SIGNAL [+−] \S.+: \S", line) for line in demo.lines)
    assert re.search(r"^Signals +\d+: \d+ ", demo.printed, re.M)
    assert re.search(r"^Latency .* [\d,]+ ms \(p50\), [\d,]+ ms \(p99\)$", demo.printed, re.M)
    assert re.search(r"^Sales +[1-9]\d* signed messages received, \d+ leads not contacted in time$", demo.printed, re.M)
    assert re.search(r"^ +\S.* accepts and calls by its link \(\d+ ms\)$", demo.printed, re.M)
    hot = [line for line in demo.lines if "] HOT " in line and "you@" not in line]
    assert hot
    assert all(re.search(r"\.example \(.+\) \d+\.\d points: .+ \+\d+.* \[[\d,]+ ms\]$", line) for line in hot)
    hottest = demo.lines[demo.lines.index("The hottest leads, as of now") + 1]
    assert re.match(r" +\d+\.\d hot +\S+@\S+\.example .+ \+\d+", hottest)
    assert demo.lines[-1].startswith("OK: each of the ")
    assert "curl http://127.0.0.1:" in demo.printed[demo.printed.index("The last alerts") :]
    assert "\x1b" not in demo.printed
    assert "Traceback" not in demo.printed


@pytest.mark.thorough
@pytest.mark.parametrize("moment", ["starting Apache Kafka", "starting a worker"])
def test_an_interrupt_before_it_is_live_leaves_nothing_behind(start: Callable[..., Demo], moment: str) -> None:
    demo = start()
    demo.read_until(moment)
    children = children_of(demo.process.pid)
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == INTERRUPTED
    assert demo.lines[-1].endswith("Stopped.")
    assert "Traceback" not in demo.printed
    assert children
    assert left_of(children) == []


@pytest.mark.thorough
def test_an_interrupt_ends_the_live_part_with_a_summary_and_a_second_one_changes_nothing(
    start: Callable[..., Demo],
) -> None:
    demo = start()
    demo.read_until("] HOT ")
    children = children_of(demo.process.pid)
    demo.process.send_signal(signal.SIGTERM)
    demo.read_until("stopping")
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == 0, demo.printed
    assert demo.lines[-1].startswith("OK: each of the ")
    assert children
    assert left_of(children) == []


@pytest.mark.thorough
def test_a_demo_in_which_nothing_turns_hot_fails_and_says_so(start: Callable[..., Demo], tmp_path: Path) -> None:
    model = tmp_path / "cool.yaml"
    model.write_text(
        "version: cool\n"
        "rules:\n  view: {on: page_viewed, points: 1, half_life_days: 14}\n"
        "bands:\n  hot: {enter: 1000, leave: 900, cooldown_h: 24}\n"
    )
    demo = start(DEMO_SECONDS="2", LEADHEAT_MODEL=str(model))
    assert demo.end() == 1, demo.printed
    assert demo.lines[-1] == "FAILED: nothing turned hot: does the model know the demo's pages and forms?"
    assert f"{model}:5 hot: {{enter: 1000 → 950}}; run again" in demo.printed
