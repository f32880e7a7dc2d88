"""The real worker says of the scenarios' events, through Kafka, what their files expect.

The topic takes its records' own times, so that events are received when a scenario says; each scenario lies so that
it ends a minute ago, and the wall clock's ticks cool what cools by now. All scenarios of a model share one run.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from scoring.alerts import Alert
from scoring.replay import FileRecord
from scoring.scenarios import Form, Scenario, Tick, run_scenario
from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import HOT_LEADS, WEB_EVENTS, create_topics
from tests.e2e.workers import Workers
from tests.faults.evidence import read, wait_until_scored
from tests.odd_topics import create_topic
from tests.scenario_runs import OF_PEOPLE, Placed, found_forms, placed_by_model

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

MINUTE_MS = 60_000
PATIENCE_S = 30.0
FILES = [file for file in OF_PEOPLE if file.stem != "default"]
"""Not those that ask for the fit of accounts: all comes at once here, and what is undone before an account has answered
is never said. Offline, an event that is received later finds the answer there."""

QUICK = ("bands", "people")  # the others are for those who have the time, and for CI


def needs_no_tick_between(scenario: Scenario) -> bool:
    """Whether time may pass in one go: no event is older than a tick before it."""
    clock = 0
    for step in scenario.steps:
        if isinstance(step, Tick):
            clock = max(clock, step.clock_ms)
        elif msgspec.json.decode(step.value or b"")["time"] < clock:
            return False
    return any(isinstance(step, FileRecord) for step in scenario.steps)


def ends_a_minute_ago(first_ms: int, last_ms: int, end_ms: int) -> int:
    return now_ms() - MINUTE_MS - last_ms


def groups(file: Path) -> list[tuple[str, list[Placed]]]:
    return placed_by_model(file, needs_no_tick_between, ends_a_minute_ago)


async def send(settings: Settings, placed: list[Placed]) -> None:
    """Write the events in the order in which they are received, with those times as the records' own."""
    name = WEB_EVENTS.full_name(settings.prefix)
    records = sorted((record for here in placed for record in here.records), key=lambda record: record[0])
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, enable_idempotence=True, linger_ms=50)
    await producer.start()
    try:
        for received_ms, event in records:
            await producer.send(name, json.dumps(event).encode(), timestamp_ms=received_ms)
    finally:
        await producer.stop()


async def run_worker(settings: Settings, placed: list[Placed], expected: int) -> list[Alert]:
    """Return the alerts of a real worker, once there are as many as expected, or no more come."""
    await create_topic(settings, WEB_EVENTS, **{"message.timestamp.type": "CreateTime", "retention.ms": "-1"})
    await create_topics(settings)
    await send(settings, placed)
    log = settings.data_dir / "worker.log"
    async with Workers(settings, 1, log, command="streams.cli worker"):
        assert await wait_until_scored(settings, timeout_s=60), log.read_text()
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        alerts: list[Alert] = []
        while len(alerts) < expected and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.5)
            records = (await read(settings, HOT_LEADS))[0]
            alerts = [msgspec.json.decode(record.value, type=Alert) for record in records]
        return alerts


def expect(here: Placed, until_ms: int) -> list[Form]:
    """Return what has to come of a scenario by ``until_ms``: what its file says, and what cools afterwards."""
    ticked = Tick(until_ms - here.shift_ms)
    result = run_scenario(replace(here.scenario, steps=(*here.scenario.steps, ticked)))
    if here.scenario.alerts is not None:
        assert result.alerts[: len(here.scenario.alerts)] == here.scenario.alerts
    return result.alerts


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, marks=[] if file.stem in QUICK else pytest.mark.thorough, id=file.stem) for file in FILES],
)
def test_a_worker_raises_the_alerts_of_the_scenarios(
    settings: Callable[..., Settings], tmp_path: Path, file: Path
) -> None:
    model, placed = max(groups(file), key=lambda group: len(group[1]))
    (tmp_path / "model.yaml").write_text(model)
    expected = {here.scenario.name: expect(here, now_ms()) for here in placed}
    chosen = settings(model=tmp_path / "model.yaml", partitions=1)
    alerts = asyncio.run(run_worker(chosen, placed, sum(map(len, expected.values()))))
    assert found_forms(placed, alerts) == expected
