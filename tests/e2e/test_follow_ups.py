"""What sales does, on the real Kafka: it comes to the lead, whoever it was said of, and decides who is alerted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from scoring.score_records import LeadScore
from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import DEAD_LETTERS, FOLLOW_UPS, HOT_LEADS, LEAD_SCORES, WEB_EVENTS, create_topics
from tests.e2e.workers import Workers
from tests.faults.audit import audit
from tests.faults.evidence import latest, read, wait_until_scored

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

MODEL = Path(__file__).parent / "model.yaml"


async def run(settings: Settings, leads: int) -> None:
    """Suppress every other lead under its user id, let all of them become hot, and say nonsense about one."""
    await create_topics(settings)
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, acks="all")
    await producer.start()

    async def send(topic: Any, key: str, value: dict[str, Any]) -> None:
        record = json.dumps({"id": f"{key} {value}", "time": now_ms()} | value).encode()
        await producer.send_and_wait(topic.full_name(settings.prefix), record, key=key.encode())

    async with Workers(settings, 1, settings.data_dir / "worker.log", command="streams.cli worker") as workers:
        for number in range(leads):
            person = {"email": f"p{number}@example.com", "user_id": str(number)}
            await send(WEB_EVENTS, f"email:p{number}@example.com", {"type": "identified", **person})
        assert await wait_until_scored(settings, timeout_s=60), (settings.data_dir / "worker.log").read_text()
        for number in range(leads):
            done = {"lead": f"user:{number}", "action": "suppressed", "reason": "competitor"}
            if number % 2:
                await send(FOLLOW_UPS, f"user:{number}", done)
        await send(FOLLOW_UPS, "user:1", {"lead": "user:1", "action": "suppressed", "reason": "a whim"})
        assert await wait_until_scored(settings, timeout_s=60), (settings.data_dir / "worker.log").read_text()
        for number in range(leads):
            form = {"type": "form_submitted", "email": f"p{number}@example.com", "properties": {"form": "demo"}}
            await send(WEB_EVENTS, f"email:p{number}@example.com", form)
        assert await wait_until_scored(settings, timeout_s=60), (settings.data_dir / "worker.log").read_text()
        assert workers.ended == []
    await producer.stop()


def test_a_lead_that_was_suppressed_under_another_identity_is_scored_and_alerts_nobody(
    settings: Callable[..., Settings],
) -> None:
    chosen = settings(model=MODEL)
    asyncio.run(run(chosen, 8))
    assert asyncio.run(audit(chosen)) == []
    scores = asyncio.run(read(chosen, LEAD_SCORES)).values()
    found = [msgspec.json.decode(value, type=LeadScore) for each in scores for value in latest(each).values()]
    assert {each.band for each in found} == {"hot"}
    suppressed = {each.lead for each in found if each.sales is not None and each.sales.suppressed == "competitor"}
    assert suppressed == {f"email:p{number}@example.com" for number in range(8) if number % 2}
    alerts = {record.key.decode() for each in asyncio.run(read(chosen, HOT_LEADS)).values() for record in each}
    assert alerts == {each.lead for each in found} - suppressed
    (letter,) = [record for each in asyncio.run(read(chosen, DEAD_LETTERS)).values() for record in each]
    assert b"'a whim' is no reason here" in letter.value
