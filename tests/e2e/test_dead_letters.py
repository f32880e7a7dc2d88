"""What is already in Kafka and wrong becomes a dead letter, whole; what stands around it is scored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.clock import now_ms
from streams.dead_letters import decode_dead_letter, original_value
from streams.settings import Settings
from streams.topics import DEAD_LETTERS, LEAD_SCORES, WEB_EVENTS, create_topics
from tests.e2e.workers import Workers
from tests.faults.evidence import read, wait_until_scored

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

MODEL = Path(__file__).parent / "model.yaml"
ANN = b"email:ann@example.com"


def page(number: int, **changes: object) -> bytes:
    event = {"id": f"e{number}", "type": "page_viewed", "time": now_ms(), "email": "ann@example.com"} | changes
    return json.dumps(event).encode()


WRONG: list[tuple[bytes | None, str, str]] = [
    (b"{", "malformed", ""),
    (None, "malformed", ""),
    (b"\xff\xfe", "malformed", ""),
    (b"[" * 100_000, "too_large", ""),
    (b'{"properties": {"deep": ' + b"[" * 30_000, "too_large", ""),
    (b'{"id": "' + b"x" * (1_000_000 - 200) + b'"}', "too_large", ""),
    (page(1, properties={"text": "x" * 33_000}), "too_large", ""),
    (page(2, time=1_700_000_000), "bad_time", "time"),
    (page(3, time="yesterday"), "bad_time", "time"),
    (page(4, time=10**400), "future_time", "time"),
    (page(5, type="page_view"), "unknown_type", "type"),
    (page(6, email=7), "wrong_type", "email"),
    (page(7, email=None), "missing_field", "email"),
    (page(8, email="\ud800@example.com"), "malformed", ""),
]


_ATTRIBUTES = {"specversion": "1.0", "source": "/shop", "type": "com.acme.page_viewed", "subject": "bob@example.com"}
_BINARY = [(f"ce_{name}", text.encode()) for name, text in _ATTRIBUTES.items()]
_STRUCTURED = [("content-type", b"application/cloudevents+json")]
CLOUDEVENTS = [
    (b'{"path": "/"}', [*_BINARY, ("ce_id", b"1")]),
    (json.dumps({**_ATTRIBUTES, "id": "2", "data": {}}).encode(), _STRUCTURED),
    (b'{"no": "id"}', _BINARY),
]
"""In Kafka's binary and structured modes; the last one has no id."""


async def run(settings: Settings) -> tuple[list[tuple[bytes | None, str, str]], dict[bytes, float]]:
    """Send what is wrong, with a good event after each, through a worker; returns the dead letters and the scores."""
    await create_topics(settings)
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, acks="all", max_request_size=2 << 20)
    await producer.start()
    for number, (value, _, _) in enumerate(WRONG):
        for each in (value, page(100 + number)):
            await producer.send_and_wait(WEB_EVENTS.full_name(settings.prefix), each, key=ANN)
    topic = WEB_EVENTS.full_name(settings.prefix)
    for value, headers in CLOUDEVENTS:
        await producer.send_and_wait(topic, value, key=b"of their own", headers=headers)
    await producer.stop()
    async with Workers(settings, 1, settings.data_dir / "worker.log", command="streams.cli worker") as workers:
        assert await wait_until_scored(settings, timeout_s=60), (settings.data_dir / "worker.log").read_text()
        assert workers.ended == []
    letters = [
        decode_dead_letter(record.value) for found in (await read(settings, DEAD_LETTERS)).values() for record in found
    ]
    scores = {
        record.key: json.loads(record.value)["score"]
        for found in (await read(settings, LEAD_SCORES)).values()
        for record in found
    }
    return [(original_value(letter), letter.reason, letter.field) for letter in letters], scores


def test_unusable_records_become_dead_letters_and_lose_nothing_around_them(settings: Callable[..., Settings]) -> None:
    letters, scores = asyncio.run(run(settings(model=MODEL, partitions=1)))
    wrong = [*WRONG, (CLOUDEVENTS[-1][0], "missing_field", "id")]
    assert [(reason, field) for _, reason, field in letters] == [(reason, field) for _, reason, field in wrong]
    assert [value for value, _, _ in letters] == [value for value, _, _ in wrong]
    assert scores.keys() == {ANN, b"email:bob@example.com"}
    assert scores[b"email:bob@example.com"] == pytest.approx(4.0, abs=1e-3)
    assert scores[ANN] == pytest.approx(20.0, abs=1e-3)  # 14 page views of 2 points, at most 20
