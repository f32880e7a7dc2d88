"""A lead's history: its band changes, and one snapshot with the first events of each day; visitors have none."""

from __future__ import annotations

from typing import Any

import msgspec

from scoring.decay import DAY_MS
from scoring.score_records import LeadSnapshot
from scoring.shard import Outcome, Shard
from tests.unit.builders import event, model_of, to_record

MODEL = model_of(
    {"visit": {"on": "page_viewed", "points": 10, "half_life_days": 7, "phase": "awareness"}},
    {"warm": {"enter": 29, "leave": 15}},
)
DAY = 20_000 * DAY_MS


def snapshots(outcome: Outcome) -> list[LeadSnapshot]:
    return [msgspec.json.decode(value, type=LeadSnapshot) for _, value in outcome.snapshots]


def visit(shard: Shard, *times: int, **who: Any) -> list[LeadSnapshot]:
    return snapshots(shard.take([to_record(event(f"e{time}", time, **who)) for time in times]))


def test_the_first_events_of_a_day_leave_a_snapshot_and_later_ones_none() -> None:
    shard = Shard(MODEL, {})
    assert [each.score for each in visit(shard, DAY)] == [10.0]
    assert visit(shard, DAY + 1) == []
    (next_day,) = visit(shard, DAY + DAY_MS)
    assert next_day.rules == {"visit": round(next_day.score, 2)}
    assert next_day.from_band == ""


def test_a_change_of_band_leaves_one_whatever_the_day() -> None:
    shard = Shard(MODEL, {})
    visit(shard, DAY, DAY + 1)
    (rise,) = visit(shard, DAY + 2)
    assert (rise.band, rise.from_band) == ("warm", "cold")
    (fall,) = snapshots(shard.tick(DAY + 30 * DAY_MS))
    assert (fall.band, fall.from_band) == ("cold", "warm")


def test_visitors_have_no_history() -> None:
    assert visit(Shard(MODEL, {}), DAY, anonymous_id="a") == []
