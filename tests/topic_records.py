"""Records as workers write them, for the projector to read."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from scoring.account_records import AccountScore
from scoring.alerts import Alert, Cause, LedgerLine
from scoring.score_records import LeadScore, ScoreLine, TraitLine
from streams.settings import Settings
from streams.topics import Topic

DAY_MS = 86_400_000
NAMES = ("Ann", "Bo", "Cem", "Dina", "Eva", "Finn", "Gil", "Hana", "Ivo", "Jo")
LAST_NAMES = ("Lee", "Marsh", "Ito", "Okafor", "Silva", "Novak", "Haas", "Diaz", "Bauer", "Wolf")
INDUSTRIES = ("Software", "Finance", "Retail", "Health", "Logistics")
PHASES = ("awareness", "consideration", "decision")
_encode = msgspec.json.encode


def lead_score(number: int, at_ms: int, accounts: int = 2_000, **fields: Any) -> LeadScore:
    """Return a record as a busy lead has it: a handful of rules, traits, contact, account."""
    chance = random.Random(number)
    account = f"domain:company{number % accounts}.example"
    rules = [
        ScoreLine(rule=name, points=round(chance.uniform(0.2, points), 3), half_life_days=days, points_max=points)
        for name, points, days in (
            ("pricing_page", 20.0, 14.0),
            ("page_view", 10.0, 14.0),
            ("second_visit", 8.0, 14.0),
            ("premium_download", 40.0, 60.0),
            ("email_click", 9.0, 30.0),
            ("demo_request", 50.0, 90.0),
        )[: chance.randint(2, 6)]
    ]
    traits = [TraitLine("seniority", 10.0), TraitLine("company_size", 5.0)]
    score = round(sum(line.points for line in rules) + 15.0, 6)
    name = f"{chance.choice(NAMES)} {chance.choice(LAST_NAMES)}"
    record = LeadScore(
        lead=f"email:lead{number}@company{number % accounts}.example",
        score=score,
        at_ms=at_ms,
        band="hot" if score > 100 else "warm" if score > 45 else "cold",
        rules=rules,
        model="1",
        stage="converted" if number % 3 else "inactive",
        phase=PHASES[number % 3],
        account=account,
        company=f"Company {number % accounts}",
        fit=round(chance.uniform(0, 10), 2) if number % 7 else None,
        fit_level="moderate",
        contact={
            "name": name,
            "email": f"lead{number}@company{number % accounts}.example",
            "owner": f"Rep {number % 20}",
        },
        traits=traits,
    )
    return msgspec.structs.replace(record, **fields)


def account_score(number: int, at_ms: int, **fields: Any) -> AccountScore:
    """Return a record as an account has it."""
    record = AccountScore(
        account=f"domain:company{number}.example",
        score=float(number % 300),
        at_ms=at_ms,
        band="cold",
        half_life_days=30.0,
        model="1",
        name=f"Company {number}",
        fit=float(number % 10),
        level="moderate",
        facts={"industry": INDUSTRIES[number % 5], "country": "nl"},
        owner=f"Rep {number % 20}",
    )
    return msgspec.structs.replace(record, **fields)


def alert(lead: str, time_ms: int, **fields: Any) -> Alert:
    """Return an alert that a lead is hot."""
    record = Alert(
        id=f"{lead}-{time_ms}",
        kind="entered",
        lead=lead,
        band="hot",
        from_band="warm",
        time_ms=time_ms,
        score=120.0,
        ledger=[LedgerLine(rule="demo_request", points=50.0), LedgerLine(rule="pricing_page", points=20.0)],
        model="1",
        cause=Cause(id="e", type="form_submitted", time_ms=time_ms),
        contact={"name": "Ann Lee"},
    )
    return msgspec.structs.replace(record, **fields)


def keyed(records: Iterable[Any]) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values as they lie in Kafka."""
    for record in records:
        yield (record.lead if hasattr(record, "lead") else record.account).encode(), _encode(record)


async def write(settings: Settings, topic: Topic, records: Iterator[tuple[bytes, bytes | None]]) -> None:
    """Write records to a topic, and return when the broker has them."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, linger_ms=5, max_batch_size=1 << 19)
    await producer.start()
    try:
        for key, value in records:
            await producer.send(topic.full_name(settings.prefix), value, key)
        await producer.flush()
    finally:
        await producer.stop()
