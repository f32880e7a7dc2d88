"""A preview says what a shard will do when it goes over to another model."""

from __future__ import annotations

from scoring.adoption import Move
from scoring.preview import preview_change
from tests.unit.builders import NOW, days, event, model_of, to_record

RULES = {"view": {"on": "page_viewed", "points": 40, "half_life_days": 10}}


def test_leads_move_from_where_they_are_by_now_and_alerts_are_those_of_a_whole_history() -> None:
    old = model_of(RULES, version="old")
    new = model_of({"view": RULES["view"] | {"points": 4}}, version="new")
    events = [event(f"{lead}-{n}", NOW + days(lead), user_id=str(lead)) for lead in range(1, 5) for n in range(lead)]
    found = preview_change(old, new, [[to_record(each) for each in events]], NOW + days(14))
    assert (found.events, found.leads, found.weeks) == (10, 4, 1.0)
    assert (found.before, found.after) == ({"hot": 2}, {})
    # 3 × 40 and 4 × 40 points have faded to 56 and 80 by then: the one is warm, the other still hot.
    assert found.adoption.moves == [
        Move(from_band="warm", to_band="cold", leads=2, examples=["user:2", "user:3"]),
        Move(from_band="hot", to_band="cold", leads=1, examples=["user:4"]),
    ]
