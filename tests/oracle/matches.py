"""What counts for the rules: the matches of events, and the visits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from scoring.conditions import holds
from scoring.model import Rule, ScoringModel, VisitCount
from tests.oracle.curves import DAY_MS

REMEMBERED = 64
VISITS_REMEMBERED = 32

Event = Mapping[str, Any]


@dataclass
class Counted:
    """What counts for one rule: the times of its matches (ms), and the events (by number) that made or moved one."""

    times: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)


def matching_rules(rules: Mapping[str, Rule], event: Event) -> list[str]:
    """Return the rules that an event matches, counted or not."""
    properties = event.get("properties") or {}
    return [
        name
        for name, rule in rules.items()
        if event["type"] in rule.on and all(holds(condition, properties) for condition in rule.where)
    ]


def count_matches(
    rules: Mapping[str, Rule], accepted: Sequence[Event], matching: Sequence[Collection[str]]
) -> dict[str, Counted]:
    """Return what counts by rule, of events with the rules that each matches.

    A match with a once-per key lies at the earliest time of that key, for as long as the key is remembered.
    """
    counted: dict[str, Counted] = {}
    remembered: dict[tuple[str, str], int] = {}  # which of its rule's matches a key stands for, oldest key first
    for number, (event, names) in enumerate(zip(accepted, matching, strict=True)):
        for name in names:
            found = counted.setdefault(name, Counted())
            once_per = rules[name].once_per
            if once_per is not None:
                value = (event.get("properties") or {}).get(once_per)
                key = (name, "" if value is None else str(value))
                if key in remembered:
                    place = remembered[key]
                    if event["time"] < found.times[place]:
                        found.times[place] = event["time"]
                        found.events.append(number)
                    continue
                remembered[key] = len(found.times)
                if len(remembered) > REMEMBERED:
                    del remembered[next(iter(remembered))]
            found.times.append(event["time"])
            found.events.append(number)
    return counted


# ── visits ───────────────────────────────────────────────────────────────────────────────────────────────────


class Visit(NamedTuple):
    """A stay: from its first event to its last (ms)."""

    first: int
    last: int


def group_visits(times: Collection[int], gap_ms: float) -> list[list[int]]:
    """Return times as stays, earliest first: a pause of more than the gap ends one."""
    ordered = sorted(times)
    starts = [0, *(place for place, (one, next_) in enumerate(pairwise(ordered), 1) if next_ - one > gap_ms)]
    return [ordered[start:end] for start, end in pairwise([*starts, len(ordered)])] if ordered else []


def find_visits(model: ScoringModel, accepted: Sequence[Event]) -> list[Visit]:
    """Return the visits that a lead remembers, earliest first.

    The times of a forgotten visit are forgotten too, so that what comes later cannot join it.
    """
    gap_ms = model.visits.gap_minutes * 60_000
    times: set[int] = set()
    for event in accepted:
        if event["type"] in model.visits.on and event["time"] not in times:
            groups = group_visits(times | {event["time"]}, gap_ms)
            times = {time for group in groups[-VISITS_REMEMBERED:] for time in group}
    return [Visit(group[0], group[-1]) for group in group_visits(times, gap_ms)]


def match_visits(wanted: VisitCount, visits: Sequence[Visit]) -> list[int]:
    """Return the times (ms) of the visits that are at least the ``at_least``-th within the days before them."""
    within_ms = wanted.within_days * DAY_MS
    starts = [visit.first for visit in visits]
    return [
        start for start in starts if sum(start - within_ms <= earlier <= start for earlier in starts) >= wanted.at_least
    ]
