"""The subscribers that the documentation shows work as they stand there."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from scoring.alerts import Alert, LedgerLine
from streams.topics import HOT_LEADS, create_topics

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

LINES = [LedgerLine(rule="demo_request", points=50.0), LedgerLine(rule="free_mail", points=-10.0)]


def alert(number: int, kind: str = "entered") -> bytes:
    crossing = {"band": "hot", "from_band": "warm", "time_ms": 1, "score": 40.0, "ledger": LINES, "model": "1"}
    return msgspec.json.encode(Alert(id=f"a-{number}", kind=kind, lead=f"email:{number}@example.com", **crossing))


async def write(settings) -> None:
    """Write one alert twice, one in a transaction that is given up, and the end of the first."""
    await create_topics(settings)
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, transactional_id=settings.prefix)
    topic = HOT_LEADS.full_name(settings.prefix)
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, alert(9), partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            for value in (alert(1), alert(1), alert(2, "cooled")):
                await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


@pytest.mark.kafka
@pytest.mark.parametrize("program", ["hot_leads.py", "hot_leads.js"])
def test_an_example_prints_each_alert_once(request, settings, program):
    ours = settings(partitions=1)
    environment, command = dict(os.environ), [sys.executable]
    if program.endswith(".js"):
        environment["NODE_PATH"] = str(request.getfixturevalue("node_packages"))
        command = ["node"]
    asyncio.run(write(ours))
    command += [str(EXAMPLES / program), ours.brokers, ours.prefix]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stdout.readline().strip() for _ in range(2)]
        finally:
            process.kill()
    assert lines == [
        "email:1@example.com is hot with 40 points: demo_request +50, free_mail -10",
        "email:2@example.com: cooled",
    ]
