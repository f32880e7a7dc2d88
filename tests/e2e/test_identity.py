"""People with several identities on the real Kafka: what is known of one counts for all, whoever is killed when."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from scoring.model import load_model
from scoring.replay import FileRecord, Replay
from scoring.routed import Conflict
from scoring.score_records import LeadScore, score_later
from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import IDENTITY_CONFLICTS, LEAD_SCORES, create_topics
from tests.e2e.audit import audit, latest, read, wait_until_scored
from tests.e2e.people import Seen, generate
from tests.e2e.traffic import send
from tests.e2e.workers import Workers

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.timeout(240)]

MODEL = Path(__file__).parent / "model.yaml"
SEED = 20261126


async def run(settings: Settings, seen: list[Seen], deaths: int) -> list[int]:
    """Score events with two workers that die where they absorb somebody; returns the exit codes on the way."""
    await create_topics(settings)
    times, log, rng = settings.data_dir / "deaths", settings.data_dir / "workers.log", random.Random(SEED)
    times.write_text("x\n" * deaths)
    messages = (each.message(rng, settings) for each in seen)
    async with Workers(settings, 2, log, DIE_BEFORE_ABSORBS=str(times)) as workers:
        await send(settings, messages, per_second=1_500)
        assert await wait_until_scored(settings, timeout_s=90), log.read_text()[-3000:]
        return workers.ended


def expected(seen: list[Seen]) -> dict[str, LeadScore]:
    """Return the scores of the same events with everybody known from the start, on one shard and in one go."""
    replay, at_ms = Replay(load_model(MODEL)), now_ms()
    replay.take([FileRecord(n, at_ms, json.dumps(each.known).encode()) for n, each in enumerate(seen)])
    return {record.lead: record for record in replay.scores()}


def test_leads_are_those_of_people_known_from_the_start_though_workers_die_while_they_absorb(
    settings: Callable[..., Settings],
) -> None:
    chosen = settings(model=MODEL, session_timeout_s=6, chunk_records=200)
    seen = list(generate(people=150, visits=2_000, last_ms=now_ms(), seed=SEED))
    assert sum("email" not in each.event for each in seen) > 0.6 * len(seen)
    ended = asyncio.run(run(chosen, seen, deaths=4))
    assert ended.count(-9) == 4
    assert asyncio.run(audit(chosen)) == []

    records = asyncio.run(read(chosen, LEAD_SCORES))
    scores = {key.decode(): value for each in records.values() for key, value in latest(each).items()}
    truth = expected(seen)
    assert scores.keys() == truth.keys()
    for lead, raw in scores.items():
        record, twin = msgspec.json.decode(raw, type=LeadScore), truth[lead]
        at = max(record.at_ms, twin.at_ms)
        assert score_later(record, at) == pytest.approx(score_later(twin, at), abs=3e-6)
    conflicts = [
        msgspec.json.decode(record.value, type=Conflict)
        for records in asyncio.run(read(chosen, IDENTITY_CONFLICTS)).values()
        for record in records
    ]
    # A cookie seen with a user id and with an address, before these two were seen together: nobody else's.
    assert all(each.lead.replace("user:u", "email:p") + "@example.com" == each.other for each in conflicts)
