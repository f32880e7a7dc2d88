"""What a run measures: figures side by side, round by round, and what is wanted of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import msgspec
from rich.console import Console

from streams.embedded.kafka import EmbeddedKafka
from streams.embedded.stack import environment
from streams.settings import Settings

TIMEOUT_S: Final = 900
ITSELF: Final = ""
"""As what a target is a ratio of: nothing, the figure itself is meant."""


class Spread(NamedTuple):
    """The middle of some rounds, and the least and the most of them."""

    median: float
    least: float
    most: float


class Target(msgspec.Struct, omit_defaults=True):
    """What is wanted of a side: at most or at least so much.

    It is meant of the ratio to another side's figure of the same round, or, ``of`` nothing, of the figure itself.
    """

    side: str
    of: str
    most: float | None = None
    least: float | None = None

    def is_met(self, value: float) -> bool:
        """Tell whether a value is as wanted."""
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def __str__(self) -> str:
        wanted = f"≤ {show(self.most)}" if self.most is not None else f"≥ {show(self.least or 0.0)}"
        return f"{self.side}: {wanted}{f' × {self.of}' if self.of else ''}"


class Measure(msgspec.Struct, omit_defaults=True):
    """One thing that is measured: the figures of each side, a figure a round, and the peer that they are divided by.

    >>> measure = Measure(title="CPU", unit="µs", figures={"ours": [4.0, 9.0, 4.0], "theirs": [2.0, 3.0, 2.0]},
    ...                   peer="theirs", targets=[Target("ours", of="theirs", most=2.0)])
    >>> measure.ratio("ours", "theirs"), measure.verdicts()
    (Spread(median=2.0, least=2.0, most=3.0), [('ours: ≤ 2 × theirs', 2.0, True)])
    """

    title: str
    unit: str
    figures: dict[str, list[float]]
    peer: str = ""
    targets: list[Target] = []
    notes: list[str] = []

    def spread(self, side: str) -> Spread:
        """Return the spread of a side's figures."""
        return _spread(self.figures[side])

    def ratio(self, side: str, of: str) -> Spread:
        """Return the spread of a side's figures, each divided by another side's of the same round."""
        if of == ITSELF:
            return self.spread(side)
        pairs = zip(self.figures[side], self.figures[of], strict=True)
        return _spread([one / other if other else inf for one, other in pairs])

    def verdicts(self) -> list[tuple[str, float, bool]]:
        """Return each target of what was measured, what came of it, and whether it is met."""
        found = []
        for target in self.targets:
            if target.side in self.figures and (target.of == ITSELF or target.of in self.figures):
                value = self.ratio(target.side, target.of).median
                found.append((str(target), value, target.is_met(value)))
        return found


class Report(msgspec.Struct):
    """All measures of a run, and the machine that they were taken on."""

    machine: list[str]
    rounds: int
    measures: list[Measure]


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def show(value: float) -> str:
    """Return a figure as a table has it, with as many digits as tell something.

    >>> [show(value) for value in (1234567.0, 123.4, 12.34, 1.234, 0.0123)]
    ['1,234,567', '123', '12.3', '1.23', '0.012']
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class Bench:
    """What every measure needs: a broker, a directory, how many rounds, and how much of the usual load."""

    kafka: EmbeddedKafka
    directory: Path
    rounds: int
    scale: float
    console: Console

    def count(self, usual: int) -> int:
        """Return how many of something there are in this run, of which there usually are so many."""
        return max(1_000, int(usual * self.scale))

    def settings(self, prefix: str, partitions: int = 4, **more: object) -> Settings:
        """Return the settings of one measurement, with topics of its own."""
        given = {"brokers": self.kafka.brokers, "prefix": prefix, "app_id": prefix, "partitions": partitions}
        return Settings(**{**given, "data_dir": self.directory / prefix, "log_level": "warning", **more})

    def alternate(self, sides: Sequence[str], what: str) -> Iterator[tuple[int, str]]:
        """Yield each round's sides in turn, every second round in the other order; says what is under way."""
        for number in range(self.rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                with self.saying(f"{what}: {side}, round {number + 1} of {self.rounds}"):
                    yield number, side

    @contextmanager
    def saying(self, what: str) -> Iterator[None]:
        """Say what is under way: in a terminal as long as it lasts, elsewhere in a line that stays."""
        if not self.console.is_terminal:
            self.console.print(f"{time.strftime('%H:%M:%S')} {what}", highlight=False)
        with self.console.status(what):
            yield


def run_child(module: str, *arguments: object, settings: Settings | None = None) -> dict[str, float]:
    """Run one measured process of ours and return the JSON line that it prints."""
    return run_command([sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)], settings)


def run_command(command: Sequence[str], settings: Settings | None = None) -> dict[str, float]:
    """Run one measured process and return the JSON line that it prints last."""
    told = {} if settings is None else environment(settings)
    done = subprocess.run(
        command, env={**os.environ, **told}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
