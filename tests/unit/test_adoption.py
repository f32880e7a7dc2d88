"""Another model over the states that an earlier one left."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from scoring.adoption import Move
from scoring.model import ScoringModel
from scoring.score_records import LeadScore
from scoring.shard import Shard, publication_of
from tests.unit.builders import NOW, days, event, live, model_of, run, to_record

BANDS = {"warm": {"enter": 30, "leave": 20}, "hot": {"enter": 100, "leave": 80, "cooldown_h": 24}}


def views(points: float, bands: dict[str, Any] | None = None, **more: Any) -> ScoringModel:
    rules = {"view": {"on": "page_viewed", "points": points, "half_life_days": 10} | more}
    return model_of(rules, bands or BANDS, version=f"{points} {more}")


def opened_under(model: ScoringModel, before: Shard) -> Shard:
    return Shard(model, dict(before.leads), before.memo)


def bands_of(shard: Shard, scores: dict[bytes, bytes]) -> dict[str, str]:
    return {score.lead: score.band for score in (msgspec.json.decode(v, type=LeadScore) for v in scores.values())}


def some_leads() -> Shard:
    return run(
        views(40), live([event(f"{lead}-{n}", user_id=str(lead)) for lead in range(1, 5) for n in range(lead)])
    ).shard


def test_the_pass_publishes_every_lead_alerts_nobody_and_reports_once() -> None:
    shard = opened_under(views(10), some_leads())  # 40, 80, 120, 160 points become 10, 20, 30, 40
    assert shard.is_adopting
    first, second = shard.adopt(3), shard.adopt(3)
    assert (len(first.scores), len(second.scores), first.adoption) == (3, 1, None)
    assert first.alerts == second.alerts == []
    assert bands_of(shard, first.scores | second.scores) == {
        "user:1": "cold",
        "user:2": "warm",
        "user:3": "warm",
        "user:4": "warm",
    }
    report = second.adoption
    assert report is not None
    assert report.leads == 4
    assert report.moves == [
        Move(from_band="warm", to_band="cold", leads=1, examples=["user:1"]),
        Move(from_band="hot", to_band="warm", leads=2, examples=["user:3", "user:4"]),
    ]
    assert not shard.is_adopting
    assert not shard.adopt(9).scores


def test_a_lead_that_an_event_brought_under_the_model_is_counted_once_also_after_a_restart() -> None:
    shard = opened_under(views(10), some_leads())
    shard.take([to_record(event("late", NOW, "email_opened", user_id="4"))])
    shard = opened_under(views(10), shard)
    outcome = shard.adopt(99)
    assert outcome.adoption is not None
    assert outcome.adoption.leads == 4
    assert sum(move.leads for move in outcome.adoption.moves) == 3
    assert b"user:4" not in outcome.scores  # it had been published


def test_a_shard_goes_over_to_another_model_as_if_it_had_been_opened_under_it() -> None:
    used, opened = opened_under(views(40), some_leads()), opened_under(views(10), some_leads())
    used.use(views(10))
    assert used.is_adopting
    records = [to_record(event("late", NOW, "email_opened", user_id="4"))]
    assert used.take(records).scores == opened.take(records).scores
    first, second = used.adopt(99), opened.adopt(99)
    assert (first.scores, first.adoption) == (second.scores, second.adoption)
    assert (used.leads, used.memo) == (opened.leads, opened.memo)


def test_a_pass_is_repeated_by_how_far_it_got() -> None:
    live, again = opened_under(views(40), some_leads()), opened_under(views(40), some_leads())
    steps = []
    live.use(views(10), 2)
    live.adopt(2)
    steps.append(live.adopted_to)
    report = live.use(views(30), 3).adoption  # before the pass is over
    assert report is not None
    assert (report.number, report.leads, report.is_finished) == (2, 2, False)
    live.adopt(99)
    steps.append(live.adopted_to)
    again.use(views(10), 2)
    again.adopt(99, to=steps[0])
    again.use(views(30), 3)
    again.adopt(99, to=steps[1])
    assert (live.leads, live.memo, live.publication) == (again.leads, again.memo, 3)


def test_the_same_model_published_again_changes_no_lead() -> None:
    shard = some_leads()
    before = dict(shard.leads)
    shard.use(views(40), 7)
    assert (shard.is_adopting, shard.publication, publication_of(shard.memo)) == (False, 7, 7)
    assert shard.leads == before


def test_a_chunk_that_is_taken_again_counts_nobody_twice() -> None:
    shard = opened_under(views(10), some_leads())
    records = [
        replace(to_record(event("x", NOW, "email_opened", user_id="4")), key=b"user:4"),
        replace(to_record(event("y", NOW, "email_opened", user_id="3")), key=b"order-7"),
    ]
    shard.take(records)
    outcome = shard.adopt(99)
    assert outcome.adoption is not None
    assert sum(move.leads for move in outcome.adoption.moves) == 3


def test_it_makes_no_difference_whether_the_pass_or_an_event_comes_first() -> None:
    later = [to_record(event("later", NOW + days(3), user_id="3"))]
    passed, taken = opened_under(views(10), some_leads()), opened_under(views(10), some_leads())
    passed.adopt(99)
    assert passed.take(later).alerts == taken.take(later).alerts
    taken.adopt(99)
    assert passed.leads == taken.leads


@pytest.mark.parametrize(
    ("bands", "band"),
    [
        ({"aware": {"enter": 5, "leave": 2}, **BANDS}, "hot"),  # one more below: hot stays hot, within its hysteresis
        ({"hot": BANDS["hot"]}, "hot"),
        ({"warm": BANDS["warm"]}, "warm"),  # there is no hot any more
        ({"other": {"enter": 500, "leave": 400}}, "cold"),
    ],
)
def test_a_band_is_known_by_its_name(bands: dict[str, Any], band: str) -> None:
    before = run(views(40), live([event("a"), event("b"), event("c")])).shard  # 120: hot
    before.take([to_record(event("d", NOW + days(5), "email_opened"))])  # 84.9 by now: below 100, not below 80
    outcome = opened_under(views(40, bands), before).adopt(9)
    assert bands_of(before, outcome.scores) == {"user:7": band}
    assert outcome.alerts == []


def test_what_counts_from_now_on_is_named() -> None:
    before = some_leads()
    more = model_of(
        {
            "view": {"on": "page_viewed", "points": 40, "half_life_days": 20},
            "form": {"on": "form_submitted", "points": 5, "half_life_days": 20},
            "again": {"visits": {"at_least": 2, "within_days": 7}, "points": 5, "half_life_days": 20},
        },
        BANDS,
        version="more",
        traits={"role": {"answers": {"boss": 5}}},
    )
    adoption = opened_under(more, before).adopt(99).adoption
    assert adoption is not None
    assert adoption.from_now_on == [
        "view: half-life 10 → 20 days",
        "form: is new",
        "again: is new",
        "role: answers are remembered from now on",
    ]


def test_a_match_that_moves_after_its_half_life_has_changed_takes_no_more_than_there_is() -> None:
    short, long = views(10, half_life_days=1, once_per="asset"), views(10, half_life_days=1_000, once_per="asset")
    downloads = [event(f"a{n}", NOW + days(n), properties={"asset": str(n)}) for n in range(20)]
    shard = opened_under(long, run(short, live(downloads)).shard)
    earlier = [event(f"b{n}", NOW - days(900), properties={"asset": str(n)}) for n in range(20)]
    outcome = shard.take([to_record(each, NOW + days(20)) for each in earlier])
    (score,) = (msgspec.json.decode(value, type=LeadScore) for value in outcome.scores.values())
    assert all(line.points >= 0 for line in score.rules)
