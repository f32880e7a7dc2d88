"""What a model leaves aside: rules that nothing ever matches, and frequent events that match nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from scoring.errors import EventError
from scoring.events import Event, decode_event
from scoring.model import Rule, ScoringModel
from scoring.replay import FileRecord, Replay
from scoring.rules import Test, compile_condition

UNMATCHED_MAX: Final = 100_000
"""Kinds of events that are told apart; what comes after so many only counts by its type."""

VALUE_LENGTH_MAX: Final = 80
_TELLING: Final = ("form", "asset", "webinar", "link", "path", "name", "url", "campaign", "kind")


class Unmatched(NamedTuple):
    """A kind of event that matches no rule: ``property`` and ``value`` are empty where nothing tells it apart."""

    type: str
    property: str
    value: str
    events: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a model and of some events meet each other; what is unmatched is the most frequent first."""

    events: int
    refused: int
    matched: int
    rules_never_matched: list[str]
    traits_never_told: list[str]
    unmatched: list[Unmatched]


def find_coverage(model: ScoringModel, chunks: Iterable[list[FileRecord]], unmatched_max: int = 20) -> Coverage:
    """Hold events against a model; at most ``unmatched_max`` kinds of unmatched events are returned.

    An event that tells a trait the model reads is not unmatched. A rule about visits has matched if any lead still
    has a match of it at the end; a trait has been told if a question was answered, or a flag holds at the end.

    >>> from scoring.model import load_model
    >>> from scoring.models import DEFAULT_MODEL
    >>> event = b'{"id":"e-1","type":"form_failed","time":1767225600000,"user_id":"7","properties":{"form":"demo"}}'
    >>> found = find_coverage(load_model(DEFAULT_MODEL), [[FileRecord(0, 1767225600000, event)]])
    >>> found.events, found.matched, [name in found.rules_never_matched for name in ("form_error", "pricing_page")]
    (1, 1, [False, True])
    """
    counter, replay = _Counter(model), Replay(model)
    for chunk in chunks:
        replay.take(chunk)
        for record in chunk:
            counter.take(record)
    found = counter.seen
    for score in replay.scores():
        found |= {line.rule for line in score.rules if line.points}
        found |= {line.trait for line in score.traits}
    return Coverage(
        events=counter.events,
        refused=counter.refused,
        matched=counter.matched,
        rules_never_matched=[name for name in model.rules if name not in found],
        traits_never_told=[name for name in model.traits if name not in found],
        unmatched=[Unmatched(*kind, count) for kind, count in counter.unmatched.most_common(unmatched_max)],
    )


class _Counter:
    def __init__(self, model: ScoringModel) -> None:
        self.events = self.refused = self.matched = 0
        self.seen: set[str] = set()
        """Rules that matched, and questions that were answered."""
        self.unmatched: Counter[tuple[str, str, str]] = Counter()
        self._rules: dict[str, list[tuple[str, list[Test]]]] = {}
        for name, rule in model.rules.items():
            for event_type in rule.on:
                self._rules.setdefault(event_type, []).append((name, _tests(rule)))
        self._properties = [(name, name.split(".")) for name in model.trait_properties]
        self._askers: dict[str, list[str]] = {}
        for name, trait in model.traits.items():
            for source in trait.sources:
                self._askers.setdefault(source, []).append(name)

    def take(self, record: FileRecord) -> None:
        self.events += 1
        try:
            event = decode_event(record.value or b"", record.timestamp)
            _ = event.lead_id
        except EventError:
            self.refused += 1
            return
        matches = [
            name for name, tests in self._rules.get(event.type, ()) if all(test(event.properties) for test in tests)
        ]
        told = [name for name, path in self._properties if _is_told(event.traits or {}, name, path)]
        self.seen.update(matches, *(self._askers.get(name, ()) for name in told))
        if matches or told:
            self.matched += 1
        else:
            self._count_unmatched(event)

    def _count_unmatched(self, event: Event) -> None:
        kind = (event.type, *_telling(event.properties))
        if kind not in self.unmatched and len(self.unmatched) >= UNMATCHED_MAX:
            kind = (event.type, "", "")
        self.unmatched[kind] += 1


def _tests(rule: Rule) -> list[Test]:
    return [compile_condition(condition) for condition in rule.where]


def _telling(properties: Mapping[str, Any]) -> tuple[str, str]:
    """Return the first property that tells what an event was about, with its value."""
    for name in _TELLING:
        value = properties.get(name)
        if isinstance(value, str) and value:
            return name, value[:VALUE_LENGTH_MAX]
    return "", ""


def _is_told(traits: Mapping[str, Any], name: str, path: list[str]) -> bool:
    if name in traits:
        value: object = traits[name]
    else:
        value = traits
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
    return isinstance(value, str | int | float) and value != ""
