"""What it means that a run of the engine and the oracle, or two runs, say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from scoring.model import ScoringModel
from scoring.score_records import score_later
from tests.oracle import DAY_MS, Lead, Line, Said, expect
from tests.unit.builders import Run, Timeline, run

TINY_MS = 1
"""The two round differently, 1e-14 points or so: where a score creeps past a level that may move the first ms."""

NOTHING = 5e-7
"""Points of a line that need not be told: less than scores are rounded to."""

LATER_MS = (0, 1, 3 * DAY_MS, 7 * DAY_MS, 90 * DAY_MS, 400 * DAY_MS)


def assert_same_alerts(said: Sequence[Said], expected: Sequence[Said]) -> None:
    """Hold alerts against the expected ones: all that they say, in order."""
    assert [each[:5] for each in said] == [each[:5] for each in expected]
    for ours, theirs in zip(said, expected, strict=True):
        assert _exact(ours) == _exact(theirs), (_exact(ours), _exact(theirs))
        assert ours.score == pytest.approx(theirs.score, abs=2e-6)
        assert ours.coverage == pytest.approx(theirs.coverage)
        assert ours.time_ms == pytest.approx(theirs.time_ms, abs=TINY_MS)
        assert ours.cools_at_ms == pytest.approx(theirs.cools_at_ms, abs=TINY_MS)
        assert_same_ledger(ours.ledger, theirs.ledger)
        assert ours.phase == theirs.phase or any(abs(line.points - 1) < 2e-6 for line in theirs.ledger)


def _exact(said: Said) -> dict[str, Any]:
    fields = (
        "cause",
        "alert_id",
        "held_until_ms",
        "stage",
        "account",
        "contact",
        "first_touch",
        "last_touch",
        "unknown",
    )
    return {name: getattr(said, name) for name in fields}


def assert_same_ledger(ledger: Sequence[Line], expected: Sequence[Line]) -> None:
    """Hold a ledger against the expected one, and against its own order."""
    order = [(line.kind == "floor", -abs(line.points), line.kind, line.rule) for line in ledger]
    assert order == sorted(order)
    ours, theirs = (
        {(line.kind, line.rule): line for line in lines if abs(line.points) > NOTHING} for lines in (ledger, expected)
    )
    assert ours.keys() == theirs.keys(), (ours.keys(), theirs.keys())
    for key, line in theirs.items():
        assert ours[key].points == pytest.approx(line.points, abs=2e-6)
        assert ours[key].matches == pytest.approx(line.matches, abs=1e-6)
        pair = (ours[key]._replace(points=0, matches=0), line._replace(points=0, matches=0))
        assert pair[0] == pair[1], pair


def assert_agrees(done: Run, model: ScoringModel, timeline: Timeline) -> None:
    """Hold all that a run of the engine came to against the oracle."""
    expected = expect(model, timeline)
    assert done.outcome.refusals == []
    assert_same_alerts(done.said, expected.said)
    assert done.scores.keys() == expected.leads.keys()
    for name, lead in expected.leads.items():
        assert_same_record(done, lead, name)
    if expected.due_ms is not None:
        assert done.shard.due_ms <= expected.due_ms + TINY_MS


def assert_same_record(done: Run, lead: Lead, name: str) -> None:
    """Hold the published record of a lead against the oracle's lead."""
    record = done.scores[name]
    assert record.at_ms == pytest.approx(lead.now, abs=TINY_MS)
    assert record.band == lead.band_name
    assert record.score == pytest.approx(lead.score_at(lead.now), abs=2e-6)
    steps = [lead.inactive_from - 1, lead.inactive_from] if lead.inactive_from is not None else []
    for at in (*(lead.now + later_ms for later_ms in LATER_MS), *steps):
        if at >= max(lead.now, record.at_ms):
            assert score_later(record, at) == pytest.approx(lead.score_at(at), abs=2e-6)
    assert record.cools_at_ms == pytest.approx(lead.cools_at(), abs=TINY_MS)
    assert record.held_until_ms == (lead.held_until or None)
    person = (record.stage, record.account, record.contact)
    assert person == (lead.stage, lead.account, lead.contact), (person, lead.stage, lead.account, lead.contact)
    assert {line.trait: line.points for line in record.traits if line.points} == lead.trait_points
    assert record.channels == lead.channels
    assert record.inactive_from_ms == lead.inactive_from
    assert record.phase == lead.phase_at(lead.now) or any(abs(abs(line.points) - 1) < 2e-6 for line in record.rules)


def assert_same_run(one: Run, other: Run) -> None:
    """Hold two runs of the engine against each other."""
    assert_same_alerts(one.said, other.said)
    assert one.outcome.duplicates == other.outcome.duplicates
    assert one.scores.keys() == other.scores.keys()
    for lead, record in one.scores.items():
        twin = other.scores[lead]
        assert (record.band, record.at_ms) == (twin.band, twin.at_ms)
        assert record.score == pytest.approx(twin.score, abs=1e-9)
        assert record.cools_at_ms == pytest.approx(twin.cools_at_ms, abs=TINY_MS)
    assert one.shard.leads.keys() == other.shard.leads.keys()


def agreed(model: ScoringModel, timeline: Timeline) -> Run:
    """Return what the engine came to, held against the oracle: in one chunk, and record by record."""
    for sizes in ([1] * len(timeline), []):
        done = run(model, timeline, sizes)
        assert_agrees(done, model, timeline)
    return done
