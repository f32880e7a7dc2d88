"""Scenario files as one stream of events, for what cannot be told to start anew for every scenario.

Scenarios follow one another in time, and their people get names of their own; alerts are brought back to the
scenario that they belong to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from scoring.alerts import Alert
from scoring.model_file import read_document
from scoring.models import DEFAULT_MODEL
from scoring.replay import FileRecord
from scoring.scenario_file import Scenario, Tick, load_scenarios
from scoring.scenario_forms import Form, alert_form

DAY_MS = 86_400_000
_SCENARIOS = Path(__file__).parent / "scenarios"
FILES = sorted(_SCENARIOS.glob("*.yaml"))

OF_PEOPLE = [file for file in FILES if file.stem not in ("accounts", "follow_ups", "identities", "signals")]
"""What can follow one another in one stream: companies, unlike people, would be the same ones in every scenario, and
follow-ups come in a topic of their own.

What shards tell each other takes effect between chunks, so of what merges say, how a stream is cut decides.
"""


@cache
def scenarios_of(file: Path) -> list[Scenario]:
    """Return the scenarios of a file, which is read once."""
    return load_scenarios(file)


@dataclass(frozen=True)
class Placed:
    """A scenario whose times are moved by ``shift_ms``; its people are marked with ``number``."""

    number: int
    scenario: Scenario
    shift_ms: int

    @property
    def records(self) -> list[tuple[int, dict[str, Any]]]:
        """When each event is received (ms), and the event."""
        steps = [step for step in self.scenario.steps if isinstance(step, FileRecord)]
        return [(step.timestamp + self.shift_ms, self._moved(step.value or b"")) for step in steps]

    @property
    def bounds(self) -> tuple[int, int]:
        """The earliest and the latest time of anything in it (ms)."""
        times = [step.clock_ms if isinstance(step, Tick) else step.timestamp for step in self.scenario.steps]
        events = [msgspec.json.decode(s.value or b"")["time"] for s in self.scenario.steps if isinstance(s, FileRecord)]
        return min(times + events) + self.shift_ms, max(times + events) + self.shift_ms

    def form(self, alert: Alert) -> Form:
        """Return an alert as the scenario would write it."""
        form = alert_form(alert, self.scenario.start_ms + self.shift_ms)
        form["lead"] = form["lead"].replace(self._mark, "", 1)
        if "email" in form.get("contact", {}):
            form["contact"]["email"] = form["contact"]["email"].removeprefix(self._mark)
        return form

    def is_of(self, lead: str) -> bool:
        """Whether a lead belongs to this scenario."""
        return lead.partition(":")[2].startswith(self._mark)

    @property
    def _mark(self) -> str:
        return f"s{self.number}."

    def _moved(self, value: bytes) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(value)
        event["time"] += self.shift_ms
        for name in ("email", "user_id", "anonymous_id"):
            if name in event:
                event[name] = self._mark + event[name]
        return event


def placed_by_model(
    file: Path, fits: Callable[[Scenario], bool], shift: Callable[[int, int, int], int]
) -> list[tuple[str, list[Placed]]]:
    """Return the scenarios of a file that fit, by the text of their model.

    ``shift`` tells by how much to move a scenario, given its earliest and latest time and where the one before it,
    which is 0 at first, has ended (all ms).
    """
    found = []
    numbered = [(text, scenario) for text, scenario in _with_models(file) if fits(scenario)]
    for text, group in groupby(sorted(numbered, key=lambda pair: pair[0]), key=lambda pair: pair[0]):
        placed: list[Placed] = []
        end_ms = 0
        for number, (_, scenario) in enumerate(group):
            here = Placed(number, scenario, 0)
            here = Placed(number, scenario, shift(*here.bounds, end_ms))
            end_ms = here.bounds[1]
            placed.append(here)
        found.append((text, placed))
    return found


def found_forms(placed: Sequence[Placed], alerts: Iterable[Alert]) -> dict[str, list[Form]]:
    """Return the alerts of each scenario, by its name."""
    forms: dict[str, list[Form]] = {here.scenario.name: [] for here in placed}
    for alert in alerts:
        here = next(here for here in placed if here.is_of(alert.lead))
        forms[here.scenario.name].append(here.form(alert))
    return forms


@cache
def _with_models(file: Path) -> list[tuple[str, Scenario]]:
    """Return each scenario with the text of its model; JSON is YAML, and keeps what was text apart from numbers."""
    data = read_document(file.read_text()).data or {}
    models = [form.get("model", data["model"]) for form in data["scenarios"]]
    return [(_text(model), scenario) for model, scenario in zip(models, scenarios_of(file), strict=True)]


def _text(model: Any) -> str:
    return DEFAULT_MODEL.read_text() if model == "default" else json.dumps(model)
