"""`leadheat score FILE` says offline what the worker says of the same file through one topic."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import HOT_LEADS, LEAD_SCORES, WEB_EVENTS, create_topics
from tests.e2e.traffic import Message, generate, send
from tests.e2e.workers import Workers
from tests.faults.evidence import read, wait_until_scored

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

MODEL = Path(__file__).parent / "model.yaml"


async def run_worker(settings: Settings, messages: list[Message]) -> tuple[list[dict[str, object]], dict[str, object]]:
    """Send the messages through web-events and a real worker; returns its alerts, and its last score of each lead."""
    await create_topics(settings)
    await send(settings, iter(messages), per_second=5_000)
    async with Workers(settings, 1, settings.data_dir / "worker.log", command="streams.cli worker"):
        assert await wait_until_scored(settings, timeout_s=60), (settings.data_dir / "worker.log").read_text()
    alerts = [json.loads(record.value) for records in (await read(settings, HOT_LEADS)).values() for record in records]
    scores = [
        json.loads(record.value) for records in (await read(settings, LEAD_SCORES)).values() for record in records
    ]
    return alerts, {score["lead"]: score for score in scores}


def test_the_offline_score_of_a_file_raises_the_same_alerts_as_the_worker(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    chosen = settings(model=MODEL, partitions=1)
    topic = WEB_EVENTS.full_name(chosen.prefix)
    messages = [Message(topic, m.key, m.value) for m in generate(3_000, 200, now_ms(), 7, chosen.prefix)]
    file, alerts_file, scores_file = tmp_path / "events.jsonl", tmp_path / "alerts.jsonl", tmp_path / "scores.jsonl"
    file.write_bytes(b"".join(message.value + b"\n" for message in messages))

    alerts, scores = asyncio.run(run_worker(chosen, messages))
    command = [sys.executable, "-m", "streams.cli", "score", str(file), "--model", str(MODEL), "--clock", "now"]
    subprocess.run([*command, "--alerts", str(alerts_file), "--scores", str(scores_file)], check=True, timeout=60)

    offline = [json.loads(line) for line in alerts_file.read_text().splitlines()]
    assert len(offline) > 20
    assert offline == alerts
    assert {score["lead"]: score for score in map(json.loads, scores_file.read_text().splitlines())} == scores
