"""People with several identities, and their companies, on the real Kafka: as if known from the start, whoever dies."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from itertools import chain

import msgspec
import pytest

from scoring.account_records import AccountScore
from scoring.customer_records import CustomerValue
from scoring.model import load_model
from scoring.models import DEFAULT_MODEL
from scoring.replay import FileRecord, Replay
from scoring.routed import Conflict
from scoring.score_records import LeadScore, score_later
from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import ACCOUNT_SCORES, CUSTOMER_VALUES, IDENTITY_CONFLICTS, LEAD_SCORES, create_topics
from tests.e2e.people import COMPANIES, Seen, company_updates, generate
from tests.e2e.traffic import send
from tests.e2e.workers import Workers
from tests.faults.audit import audit
from tests.faults.evidence import latest, read, wait_until_scored

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.timeout(240)]

SEED = 20261126


async def run(settings: Settings, seen: list[Seen], deaths: int) -> list[int]:
    """Score events with two workers that die where they absorb somebody; returns the exit codes on the way."""
    await create_topics(settings)
    log, rng = settings.data_dir / "workers.log", random.Random(SEED)
    (settings.data_dir / "before-absorb-commit").write_text("kill\n" * deaths)
    messages = chain(company_updates(now_ms(), settings), (each.message(rng, settings) for each in seen))
    async with Workers(settings, 2, log, FAULT_POINTS=str(settings.data_dir)) as workers:
        await send(settings, messages, per_second=1_500)
        assert await wait_until_scored(settings, timeout_s=90), log.read_text()[-3000:]
        return workers.ended


def expected(settings: Settings, seen: list[Seen]) -> dict[str, LeadScore]:
    """Return the scores of the same events with everybody known from the start, on one shard and in one go."""
    replay, at_ms = Replay(load_model(DEFAULT_MODEL)), now_ms()
    values = [message.value for message in company_updates(at_ms, settings)]
    values += [json.dumps(each.known).encode() for each in seen]
    replay.take([FileRecord(n, at_ms, value) for n, value in enumerate(values)])
    return {record.lead: record for record in replay.scores()}


def number_of(identity: str) -> str:
    """Return which of the people an identity belongs to."""
    return re.findall(r"\d+", identity)[0]


@pytest.mark.thorough
def test_leads_are_those_of_people_known_from_the_start_though_workers_die_while_they_absorb(
    settings: Callable[..., Settings],
) -> None:
    chosen = settings(model=DEFAULT_MODEL, session_timeout_s=6, chunk_records=200)
    seen = list(generate(people=150, visits=2_000, last_ms=now_ms(), seed=SEED))
    assert sum("email" not in each.event for each in seen) > 0.6 * len(seen)
    ended = asyncio.run(run(chosen, seen, deaths=4))
    assert ended.count(-9) == 4
    assert asyncio.run(audit(chosen)) == []

    records = asyncio.run(read(chosen, LEAD_SCORES))
    scores = {key.decode(): value for each in records.values() for key, value in latest(each).items()}
    truth = expected(chosen, seen)
    assert scores.keys() == truth.keys()
    for lead, raw in scores.items():
        record, twin = msgspec.json.decode(raw, type=LeadScore), truth[lead]
        at = max(record.at_ms, twin.at_ms)
        assert score_later(record, at) == pytest.approx(score_later(twin, at), abs=3e-6)
    people = {
        record.account: record.people
        for each in asyncio.run(read(chosen, ACCOUNT_SCORES)).values()
        for record in (msgspec.json.decode(value, type=AccountScore) for value in latest(each).values())
    }
    assert people == Counter(f"domain:{lead.partition('@')[2]}" for lead in scores)
    assert len(people) == COMPANIES

    customers = {
        record.account: record.facts["revenue"]
        for each in asyncio.run(read(chosen, CUSTOMER_VALUES)).values()
        for record in (msgspec.json.decode(value, type=CustomerValue) for value in latest(each).values())
    }
    assert customers == {f"domain:company{number}.com": 100.5 * number for number in range(COMPANIES)}

    conflicts = [
        msgspec.json.decode(record.value, type=Conflict)
        for records in asyncio.run(read(chosen, IDENTITY_CONFLICTS)).values()
        for record in records
    ]
    # A cookie seen with a user id and with an address, before these two were seen together: nobody else's.
    assert all(number_of(each.lead) == number_of(each.other) for each in conflicts)
