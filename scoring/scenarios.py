"""Scenarios: what a model must say of a few events in virtual time, as a file that people write and machines hold.

A scenario lists events and passing time, and the alerts that must come of them, whole and in order. It runs through
:class:`scoring.replay.Replay`, as the worker would have taken it. docs/model.md shows the file;
:mod:`scoring.scenario_file` reads it, and :mod:`scoring.scenario_forms` writes what came of it in its own form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Final

import msgspec

from scoring.replay import FileRecord, Replay
from scoring.scenario_file import Scenario, Tick, load_scenarios, parse_scenarios
from scoring.scenario_forms import Form, account_form, alert_form, score_form, signal_form, write_flow

__all__ = ["Form", "Result", "Scenario", "Tick", "load_scenarios", "parse_scenarios", "run_scenario"]


@dataclass(slots=True)
class Result:
    """What came of a scenario: its alerts and last scores as the file writes them, and what is not as expected."""

    scenario: Scenario
    alerts: list[Form]
    scores: dict[str, Form]
    signals: list[Form] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether everything is as the file expects it."""
        return not self.differences


def run_scenario(scenario: Scenario) -> Result:
    """Run a scenario and say what is not as expected, in sentences and in the file's own form.

    >>> from scoring.model import load_model
    >>> from scoring.models import DEFAULT_MODEL
    >>> (scenario,) = parse_scenarios('''
    ... model: default
    ... scenarios:
    ...   - name: one page view is one point
    ...     events: [{at: 0m, type: page_viewed, user_id: ann, properties: {path: /}}]
    ...     scores: {user:ann: {score: 2, band: cold}}
    ... ''', "readers.yaml", lambda name: load_model(DEFAULT_MODEL))
    >>> run_scenario(scenario).differences
    ['user:ann: score is 1; expected 2']
    """
    replay, alerts, signals, differences = Replay(scenario.model), list[Form](), list[Form](), list[str]()
    for step in scenario.steps:
        if isinstance(step, Tick):
            happened = replay.tick(step.clock_ms)
        else:
            happened = replay.take([step])
            differences += [f"{_event_id(step)} is refused: {refusal.error}" for refusal in happened.refusals]
        alerts += [alert_form(alert, scenario.start_ms) for alert in happened.alerts]
        signals += [signal_form(signal, scenario.start_ms) for signal in happened.signals]
    scores = {score.lead: score_form(score, scenario.start_ms) for score in replay.scores()}
    accounts = {account.account: account_form(account, scenario.start_ms) for account in replay.accounts()}
    if scenario.alerts is not None:
        differences += _compare_lists("alert", _CROSSING, scenario.alerts, alerts)
    if scenario.signals is not None:
        differences += _compare_lists("signal", _SIGNAL, scenario.signals, signals)
    for lead, expected in scenario.scores.items():
        differences += _compare_record(lead, expected, scores.get(lead))
    for account, expected in scenario.accounts.items():
        differences += _compare_record(account, expected, accounts.get(account))
    return Result(scenario, alerts, scores, signals, differences)


def _event_id(record: FileRecord) -> str:
    return str(msgspec.json.decode(record.value or b"")["id"])


# ── comparing ────────────────────────────────────────────────────────────────────────────────────────────────

_CROSSING: Final = ("kind", "lead", "band", "from_band")
_SIGNAL: Final = ("signal", "account")


def _compare_lists(what: str, key: tuple[str, ...], expected: list[Form], found: list[Form]) -> Iterator[str]:
    """Pair what has the same ``key``, and tell how each pair differs and what has no partner."""
    crossings = [[tuple(form[name] for name in key) for form in forms] for forms in (expected, found)]
    matcher = SequenceMatcher(None, crossings[0], crossings[1], autojunk=False)
    for _, start, end, found_start, found_end in matcher.get_opcodes():
        left, right = expected[start:end], found[found_start:found_end]
        if len(left) == len(right) and all(_are_alike(key[:2], *pair) for pair in zip(left, right, strict=True)):
            for number, pair in enumerate(zip(left, right, strict=True), start + 1):
                yield from _compare(f"{what} {number}", *pair)
        else:
            yield from (f"missing {what}: {write_flow(form)}" for form in left)
            yield from (f"{what} that is not expected: {write_flow(form)}" for form in right)


def _are_alike(key: tuple[str, ...], form: Form, other: Form) -> bool:
    return all(form[name] == other[name] for name in key)


def _compare_record(name_of: str, expected: Form, found: Form | None) -> Iterator[str]:
    if found is None:
        yield f"{name_of}: has no score"
    else:
        yield from _compare(name_of, expected, {name: found[name] for name in expected})


def _compare(what: str, expected: Form, found: Form) -> Iterator[str]:
    for name in dict.fromkeys([*expected, *found]):
        if expected.get(name) == found.get(name):
            continue
        if name not in found:
            yield f"{what}: {name} is not there; expected {write_flow(expected[name])}"
        elif name not in expected:
            yield f"{what}: {name} is {write_flow(found[name])}, which is not expected"
        else:
            yield f"{what}: {name} is {write_flow(found[name])}; expected {write_flow(expected[name])}"
