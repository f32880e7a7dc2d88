"""What happens when nothing happens: leads cool on time, and another model goes over all of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from scoring.adoption import Adoption
from scoring.alerts import Alert
from scoring.score_records import LeadScore
from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import CHANGELOG, HOT_LEADS, LEAD_SCORES, MODEL_REPORTS, WEB_EVENTS, Topic, create_topics
from tests.benchmarks.traffic import partition_of
from tests.e2e.workers import Workers
from tests.faults.audit import audit
from tests.faults.evidence import read, wait_until_scored

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

Record = TypeVar("Record")
Found = TypeVar("Found")

LATE_MS = 2_000
LEADS = 60


def quick(cools_after_s: float) -> str:
    """Return a model in which 50 points are below 20, 1.32 half-lives later, in some seconds."""
    return f"""
version: quick
rules:
  demo: {{on: form_submitted, points: 50, half_life_days: {cools_after_s / 1.3219 / 86_400:.9f}}}
bands:
  hot: {{enter: 40, leave: 20, cooldown_h: 0}}
"""


def model(version: str, points: float, extra: str = "") -> str:
    return f"""
version: {version}
rules:
  page: {{on: page_viewed, points: {points}, half_life_days: 30}}
{extra}
bands:
  warm: {{enter: 9, leave: 8.5}}
  hot: {{enter: 29, leave: 25, cooldown_h: 24}}
"""


def workers_on(settings: Settings, text: str, **environment: str) -> Workers:
    settings.model.write_text(text)
    return Workers(settings, 1, settings.data_dir / "worker.log", command="streams.cli worker", **environment)


async def send(settings: Settings, events: list[dict[str, Any]]) -> None:
    await create_topics(settings)
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, acks="all")
    await producer.start()
    for event in events:
        key = f"email:{event['email']}"
        partition = partition_of(key, settings.partitions)
        topic = WEB_EVENTS.full_name(settings.prefix)
        await producer.send_and_wait(topic, json.dumps(event).encode(), key=key.encode(), partition=partition)
    await producer.stop()


async def read_as(settings: Settings, topic: Topic, kind: type[Record]) -> list[tuple[Record, int]]:
    found = await read(settings, topic)
    return [
        (msgspec.json.decode(record.value, type=kind), record.timestamp)
        for records in found.values()
        for record in records
    ]


async def wait_for(look: Callable[[], Awaitable[Found]], is_there: Callable[[Found], bool]) -> Found:
    """Look again until what is wanted is there; after 40 s return what there is."""
    for _ in range(80):
        found = await look()
        if is_there(found):
            return found
        await asyncio.sleep(0.5)
    return found


def demo_request(email: str) -> dict[str, Any]:
    return {"id": f"demo-{email}", "type": "form_submitted", "time": now_ms(), "email": email}


async def cool(settings: Settings, cools_after_s: float, is_killed: bool) -> list[tuple[Alert, int]]:
    """Make two leads hot, then send nothing more; returns the alerts, each with when it was written (ms)."""
    await create_topics(settings)
    async with workers_on(settings, quick(cools_after_s)) as workers:
        # On a busy machine a worker takes longer to start than these leads to cool.
        await wait_for(lambda: read(settings, CHANGELOG), lambda found: all(found.values()))
        await send(settings, [demo_request("ann@example.com"), demo_request("bob@example.com")])
        assert await wait_until_scored(settings, timeout_s=60)
        if is_killed:
            await workers.kill_one(0)
        alerts = await wait_for(lambda: read_as(settings, HOT_LEADS, Alert), lambda alerts: len(alerts) == 4)
    assert await audit(settings) == []
    return alerts


@pytest.mark.parametrize(
    ("cools_after_s", "is_killed"),
    [
        pytest.param(6.0, False, id="undisturbed"),
        pytest.param(20.0, True, id="after kill -9", marks=pytest.mark.thorough),
    ],
)
def test_a_lead_cools_on_time_though_nothing_else_arrives(
    settings: Callable[..., Settings], cools_after_s: float, is_killed: bool
) -> None:
    chosen = settings(partitions=2)
    chosen = chosen.model_copy(update={"model": chosen.data_dir / "model.yaml"})
    alerts = asyncio.run(cool(chosen, cools_after_s, is_killed))
    assert Counter(alert.kind for alert, _ in alerts) == {"entered": 2, "cooled": 2}
    entered = {alert.id: alert for alert, _ in alerts if alert.kind == "entered"}
    for alert, written_ms in alerts:
        if alert.kind == "cooled":
            assert alert.time_ms == entered[alert.alert_id].cools_at_ms
            assert 0 <= written_ms - alert.time_ms < LATE_MS
            assert alert.score == pytest.approx(20, abs=0.01)


async def change_model(settings: Settings) -> tuple[list[Adoption], dict[str, LeadScore], list[Alert]]:
    """Score leads by one model, then go on with another, killed half-way through its pass."""
    number_of_views = {f"lead{number}@example.com": 1 + number % 3 for number in range(LEADS)}
    events = [
        {"id": f"{email}-{view}", "type": "page_viewed", "time": now_ms(), "email": email}
        for email, views in number_of_views.items()
        for view in range(views)
    ]
    await send(settings, events)
    async with workers_on(settings, model("1", points=10)):
        assert await wait_until_scored(settings, timeout_s=60)
    extra = "  form: {on: form_submitted, points: 5, half_life_days: 30}"
    async with workers_on(settings, model("2", points=4, extra=extra), LEADHEAT_ADOPT_LEADS_PER_S="8") as workers:
        await wait_for(lambda: current(settings), lambda scores: is_under(scores, "2") > 10)
        await workers.kill_one(0)
        reports = await wait_for(
            lambda: read_as(settings, MODEL_REPORTS, Adoption), lambda found: len(found) == settings.partitions
        )
    alerts = [alert for alert, _ in await read_as(settings, HOT_LEADS, Alert)]
    return [report for report, _ in reports], await current(settings), alerts


async def current(settings: Settings) -> dict[str, LeadScore]:
    return {score.lead: score for score, _ in await read_as(settings, LEAD_SCORES, LeadScore)}


def is_under(scores: dict[str, LeadScore], version: str) -> int:
    return sum(score.model == version for score in scores.values())


@pytest.mark.thorough
def test_another_model_re_bands_all_leads_alerts_nobody_and_says_once_what_it_changed(
    settings: Callable[..., Settings],
) -> None:
    chosen = settings(partitions=2)
    chosen = chosen.model_copy(update={"model": chosen.data_dir / "model.yaml"})
    reports, scores, alerts = asyncio.run(change_model(chosen))
    assert len(alerts) == LEADS // 3  # three views made hot, by the first model
    assert {alert.model for alert in alerts} == {"1"}
    assert is_under(scores, "2") == LEADS
    assert Counter(score.band for score in scores.values()) == {"cold": LEADS * 2 // 3, "warm": LEADS // 3}
    moved = Counter[tuple[str, str]]()
    for report in reports:
        assert report.from_now_on == ["form: is new"]
        moved.update({(move.from_band, move.to_band): move.leads for move in report.moves})
    # One and two views were warm (10 and 20 points) and three hot (30); now they are 4, 8 and 12 points.
    assert moved == {("hot", "warm"): LEADS // 3, ("warm", "cold"): LEADS * 2 // 3}
    assert sum(report.leads for report in reports) == LEADS
