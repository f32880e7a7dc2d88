"""Every alert arrives at least once, under one id and with one body, whatever the receiver and the machine do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from scoring.alerts import Alert
from streams.clock import now_ms
from streams.delivery.records import Delivery, decode_remembered
from streams.reading import read_latest
from streams.settings import Settings
from streams.topics import DELIVERIES, HOT_LEADS, create_topics
from tests.delivery.builders import cooled, entered, write_file
from tests.delivery.receiver import SECRET, Receiver
from tests.e2e.workers import Workers

pytestmark = [pytest.mark.kafka, pytest.mark.faults]


async def send(settings: Settings, alerts: list[Alert]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, acks="all", transactional_id=settings.app_id)
    await producer.start()
    async with producer.transaction():
        for alert in alerts:
            value = msgspec.json.encode(alert)
            await producer.send(HOT_LEADS.full_name(settings.prefix), value, key=alert.lead.encode())
    await producer.stop()


async def deliveries(settings: Settings) -> list[Delivery]:
    latest = await read_latest(settings.brokers, DELIVERIES.full_name(settings.prefix))
    found = [decode_remembered(value) for value in latest.values()]
    return [each for each in found if isinstance(each, Delivery)]


async def wait_until_done(settings: Settings, count: int, timeout_s: float) -> list[Delivery]:
    async with asyncio.timeout(timeout_s):
        while True:
            found = await deliveries(settings)
            if len(found) == count and not any(each.is_open for each in found):
                return found
            await asyncio.sleep(1)


def environment(path: Path) -> dict[str, str]:
    return {"LEADHEAT_DELIVERY": str(path), "HOOK_SECRET": SECRET, "LEADHEAT_LOG_LEVEL": "error"}


async def everything_arrives(
    settings: Settings,
    leads: int,
    kills: int,
    within_s: float,
    timeout_s: float,
    *,
    processes: int = 1,
    stops: int = 0,
) -> Receiver:
    await create_topics(settings)
    receiver = Receiver()
    path = write_file(settings.data_dir / "delivery.yaml", await receiver.start())
    now = now_ms()
    alerts = [entered(f"email:p{number}@example.com", number, now) for number in range(leads)]
    alerts += [cooled(alert, now + 1) for alert in alerts[::2]]
    await send(settings, alerts)
    log = settings.data_dir / "delivery.log"
    async with Workers(settings, processes, log, command="streams.cli delivery", **environment(path)) as workers:
        await workers.fail_at_random(random.Random(7), kills, stops, within_s)
        found = await wait_until_done(settings, len(alerts), timeout_s)
    await receiver.stop()
    assert {each.state for each in found} == {"delivered"}
    assert set(receiver.taken) == {alert.id for alert in alerts}
    assert {len(bodies) for bodies in receiver.bodies.values()} == {1}
    assert receiver.bad_signatures == 0
    place = {webhook_id: number for number, webhook_id in enumerate(receiver.taken)}
    assert all(place[alert.alert_id] < place[alert.id] for alert in alerts if alert.kind == "cooled")
    return receiver


@pytest.mark.thorough
@pytest.mark.timeout(120)
def test_a_few_hundred_alerts_reach_a_misbehaving_receiver_although_delivery_is_killed(
    settings: Callable[..., Settings],
) -> None:
    receiver = asyncio.run(everything_arrives(settings(session_timeout_s=6), 200, kills=2, within_s=8, timeout_s=90))
    assert receiver.met >= {"", "500", "reset", "429", "silence", "late_reset"}


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_five_thousand_alerts_reach_a_misbehaving_receiver_although_delivery_is_killed(
    settings: Callable[..., Settings],
) -> None:
    asyncio.run(everything_arrives(settings(session_timeout_s=6), 3334, kills=12, within_s=120, timeout_s=700))
