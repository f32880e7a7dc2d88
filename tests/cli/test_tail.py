"""``leadheat tail`` shows what was committed, in words or as JSON, and goes on with what comes."""

from __future__ import annotations

import asyncio
import json
import select
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.adoption import Adoption, Move
from scoring.alerts import Alert, Cause, Evidence, LedgerLine, Origin
from scoring.errors import EventError
from scoring.lead_state import LeadState, encode_state
from scoring.score_records import LeadScore, ScoreLine
from streams import reading
from streams.clock import now_ms
from streams.dead_letters import encode_dead_letter, make_dead_letter
from streams.embedded.kafka import EmbeddedKafka
from streams.model_comparison import Comparison
from streams.published_models import Publication
from streams.reading import open_topic, partition_of
from streams.runtime.journal import META_KEY, ChunkRange, JournalEntry, Meta, Pass, Tick
from streams.settings import Settings
from streams.topics import (
    ACCOUNT_UPDATES,
    CHANGELOG,
    DEAD_LETTERS,
    HOT_LEADS,
    JOURNAL,
    LEAD_SCORES,
    MODEL_COMPARISONS,
    MODEL_REPORTS,
    MODELS,
    WEB_EVENTS,
    Topic,
    create_topics,
)

pytestmark = pytest.mark.kafka

AT = 1_577_872_800_000  # 2020-01-01T10:00:00Z: the first of January in nearly every zone
DAY = 86_400_000
ANN = b"email:ann@example.com"
encode = msgspec.json.encode

ENTERED = Alert(
    id="a-1",
    kind="entered",
    lead="email:ann@example.com",
    band="hot",
    from_band="cold",
    time_ms=AT,
    score=112.04,
    ledger=[
        LedgerLine(rule="page_view", points=2.04, count=2.04),
        LedgerLine(rule="demo_request", points=50.0, count=1.0),
        LedgerLine(rule="pricing_page", points=20.0, count=2.0),
        LedgerLine(rule="other_form", points=40.0, count=2.0),
    ],
    model="7",
    cause=Cause(id="e-17", type="form_submitted", time_ms=AT),
    cools_at_ms=AT + 10 * DAY,
)
COOLED = Alert(
    id="a-2",
    kind="cooled",
    lead="user:42",
    band="warm",
    from_band="hot",
    time_ms=AT,
    score=79.9,
    ledger=[LedgerLine(rule="unsubscribe", points=-20.0, count=1.0)],
    model="7",
    alert_id="a-1",
)
SCORE = LeadScore(
    lead="email:ann@example.com",
    score=30.0,
    at_ms=AT,
    band="warm",
    rules=[
        ScoreLine(rule="demo_request", points=50, half_life_days=90),
        ScoreLine(rule="bounce", points=-20, half_life_days=9),
    ],
    model="7",
)
EVENT = {
    "id": "e-1",
    "type": "page_viewed",
    "time": AT,
    "email": "ann@example.com",
    "properties": {"path": "/a\x1b[2J"},
}
UPDATE = {
    "id": "u-1",
    "type": "account_updated",
    "time": AT,
    "account_id": "42",
    "domain": "acme.com",
    "facts": {"employees": 120, "crm": None},
    "properties": {"note": "a\x1b[2J"},
}
LETTER = make_dead_letter(
    EventError("wrong_type", "id", "Expected `str`, got `int`"),
    at_ms=AT,
    topic="web",
    value=b"{",
    partition=3,
    offset=9,
)
ENTRY = JournalEntry(number=4, steps=[ChunkRange("web", 10, 15), Tick(AT + DAY), Pass("user:7")], model="7")
PUBLICATION = Publication(
    number=3, kind="rolled back", version="2026-11-26", text="", at_ms=AT, by="olga", why="students", of=1
)
COMPARISON = Comparison(
    at_ms=AT, models=("old", "new"), leads=9, moves=[Move(from_band="hot", to_band="warm", leads=2)]
)
REPORT = Adoption(model="8", leads=9, moves=[Move(from_band="hot", to_band="warm", leads=2)], from_now_on=["view: new"])


@pytest.fixture
def topics(settings: Callable[..., Settings]) -> Settings:
    """Return the settings that name a test's topics, each of which is created once it is written to."""
    return settings()


@pytest.fixture
def produce(produce: Callable[..., None]) -> Callable[..., None]:
    """Write records, as the other fixture of this name does, to a topic that need not be there."""

    def create_and_produce(settings: Settings, topic: Topic, *arguments: Any, **at: int) -> None:
        asyncio.run(create_topics(settings, {topic.full_name(settings.prefix): topic}))
        produce(settings, topic, *arguments, **at)

    return create_and_produce


@pytest.mark.parametrize(
    ("topic", "key", "value", "line"),
    [
        (
            HOT_LEADS,
            ANN,
            encode(ENTERED),
            "1 Jan 2020 HOT ann@example.com 112.0 points (+50 demo request, +40 other form ×2.0, "
            "+20 pricing page ×2.0, …) because form_submitted e-17, cools 11 Jan 2020",
        ),
        (
            HOT_LEADS,
            b"user:42",
            encode(COOLED),
            "1 Jan 2020 cooled to warm user:42 79.9 points (−20 unsubscribe) because time passed; was hot",
        ),
        (
            LEAD_SCORES,
            ANN,
            encode(SCORE),
            "1 Jan 2020 ann@example.com 30.0 points, warm (+50 demo request, −20 bounce)",
        ),
        (
            ACCOUNT_UPDATES,
            b"account:42",
            encode(UPDATE),
            "1 Jan 2020 account_updated account:42 employees=120 crm=unknown note=a\\x1b[2J  u-1",
        ),
        (WEB_EVENTS, ANN, encode(EVENT), "1 Jan 2020 page_viewed ann@example.com path=/a\\x1b[2J  e-1"),
        (
            DEAD_LETTERS,
            None,
            encode_dead_letter(LETTER),
            "1 Jan 2020 wrong_type id: Expected `str`, got `int`  from web[3]@9",
        ),
        (
            JOURNAL,
            None,
            encode(ENTRY),
            "shard 2 transaction 4 took web 10 to 14, cooled what was due by 2 Jan 2020, "
            "brought leads up to user:7 under the model  model 7",
        ),
        (
            MODELS,
            b"3",
            encode(PUBLICATION),
            "model 3 2026-11-26, rolled back to 1 by olga: students",
        ),
        (
            MODEL_COMPARISONS,
            b"shadow",
            encode(COMPARISON),
            "new beside old: 2 of 9 leads would be in another band",
        ),
        (
            MODEL_REPORTS,
            None,
            encode(REPORT),
            "model 8 on 9 leads: 2 from hot to warm; from now on: view: new",
        ),
        (
            CHANGELOG,
            ANN,
            encode_state(LeadState(last=AT, band=2)),
            "ann@example.com band 2, last event 1 Jan 2020",
        ),
        (
            CHANGELOG,
            META_KEY,
            encode(Meta(journal=4)),
            'shard 2 continues at {"journal":4}',
        ),
        (LEAD_SCORES, ANN, None, " email:ann@example.com is gone"),
        (
            WEB_EVENTS,
            None,
            b"\xff\x1b{",
            " no Event (JSON is malformed: invalid character (byte 0)): �\\x1b{",
        ),
    ],
)
def test_a_person_gets_one_line_per_record(
    run: Callable[..., Any],
    topics: Settings,
    produce: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    topic: Topic,
    key: bytes | None,
    value: bytes | None,
    line: str,
) -> None:
    produce(topics, topic, [(key, value)], partition=2)
    ran = run("tail", topic.name, "--no-follow", "--text", settings=topics)
    assert ran.code == 0
    # A line begins with the time that the value names, or else with that of the record, which is now.
    assert len(ran.lines) == 1
    assert ran.lines[0].endswith(line)


CALL = msgspec.structs.replace(
    ENTERED,
    stage="converted",
    phase="decision",
    account="acme.com",
    contact={"name": "Ann Lee", "email": "ann@acme.com", "phone": "+31 20 123 4567", "owner": "bob"},
    ledger=[
        LedgerLine(
            rule="demo_request",
            points=50.0,
            count=1.0,
            last_ms=AT,
            subject="request-demo",
            events=[Evidence(time_ms=AT, hash="0" * 16), Evidence(time_ms=AT - DAY, hash="1" * 16)],
        ),
        LedgerLine(rule="budget", points=15.0, kind="trait"),
        LedgerLine(rule="web", points=-10.0, kind="channel"),
    ],
    first_touch=Origin(time_ms=AT - DAY, source="google", medium="cpc", campaign="spring", page="/pricing"),
    last_touch=Origin(time_ms=AT, source="newsletter"),
    unknown=["seniority", "company_size"],
    coverage=0.5,
    held_until_ms=AT + 5 * DAY,
)


def test_below_an_alert_stands_what_a_call_needs(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    produce(topics, HOT_LEADS, [(ANN, encode(CALL))])
    assert run("tail", "hot-leads", "--no-follow", "--text", settings=topics).lines == [
        "1 Jan 2020 HOT ann@example.com 112.0 points (+50 demo request, +15 budget, −10 web ceiling) because "
        "form_submitted e-17, cools 11 Jan 2020",
        "    reach    Ann Lee, ann@acme.com, +31 20 123 4567, owner bob",
        "    is       account acme.com, converted, in decision",
        "    held     until 6 Jan 2020",
        "    did      +50 demo request: request-demo at 1 Jan 2020, 31 Dec 2019",
        "    came     from google / cpc / spring to /pricing 31 Dec 2019",
        "    again    from newsletter 1 Jan 2020",
        "    ask      seniority, company size (50% of the questions are answered)",
    ]


def test_stages_and_bands_choose_among_alerts_and_scores(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    visitor = msgspec.structs.replace(CALL, lead="anon:1", stage="visitor")
    produce(topics, HOT_LEADS, [(ANN, encode(CALL)), (b"anon:1", encode(visitor)), (ANN, b"{"), (ANN, None)])

    def shown(*options: str) -> list[str]:
        ran = run("tail", "hot-leads", "--no-follow", *options, settings=topics)
        return [json.loads(line)["key"] for line in ran.lines]

    assert shown("--stage", "converted") == [ANN.decode()]
    assert shown("--band", "hot", "--stage", "visitor") == ["anon:1"]
    assert shown("--band", "warm") == []
    refused = run("tail", "web-events", "--band", "hot", settings=topics)
    assert refused.code == 2
    assert "--stage and --band choose among hot-leads and lead-scores, not web-events" in refused.err


def test_a_pipe_gets_every_record_with_its_place(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    now = now_ms()
    produce(
        topics, HOT_LEADS, [(ANN, encode(ENTERED)), (b"\xff", b"no json"), (b"", None)], partition=1, timestamp_ms=now
    )
    ran = run("tail", f"{topics.prefix}.hot-leads.v1", "--no-follow", settings=topics)
    place = {"topic": f"{topics.prefix}.hot-leads.v1", "partition": 1, "timestamp_ms": now}
    assert [json.loads(line) for line in ran.lines] == [
        {**place, "offset": 0, "key": ANN.decode(), "value": msgspec.to_builtins(ENTERED)},
        {**place, "offset": 1, "key_base64": "/w==", "value_base64": "bm8ganNvbg=="},
        {**place, "offset": 2, "key": "", "value": None},
    ]


def test_states_of_leads_are_shown_field_by_field(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    produce(topics, CHANGELOG, [(ANN, encode_state(LeadState(last=AT, band=2)))])
    value = json.loads(run("tail", "changelog", "--no-follow", settings=topics).out)["value"]
    assert (value["last"], value["band"]) == (AT, 2)


def numbers(ran: Any) -> list[int]:
    return [json.loads(line)["value"] for line in ran.lines]


def test_the_last_records_are_those_of_all_partitions_by_their_time(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    now = now_ms()
    for number in range(12):
        records = [(None, str(number).encode())]
        produce(topics, JOURNAL, records, "commit", partition=number % 3, timestamp_ms=now + number)
    assert numbers(run("tail", "journal", "-n", 5, "--no-follow", settings=topics)) == [7, 8, 9, 10, 11]
    assert numbers(run("tail", "journal", "-n", 0, "--no-follow", settings=topics)) == []
    assert numbers(run("tail", "journal", "-n", 99, "--no-follow", settings=topics)) == list(range(12))
    assert sorted(numbers(run("tail", "journal", "--from-beginning", "--no-follow", settings=topics))) == list(
        range(12)
    )


def test_only_what_was_committed_is_shown_however_far_back_it_lies(
    run: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    produce(topics, JOURNAL, [(None, b"1")], "commit", partition=0)
    produce(topics, JOURNAL, [(None, b"2")] * 300, "abort", partition=0)
    produce(topics, JOURNAL, [(None, b"3")], "commit", partition=0)
    produce(topics, JOURNAL, [(None, b"4")], "leave", partition=0)
    assert numbers(run("tail", "journal", "-n", 2, "--no-follow", settings=topics)) == [1, 3]
    assert numbers(run("tail", "journal", "--from-beginning", "--no-follow", settings=topics)) == [1, 3]


def read_line(process: Any) -> bytes:
    assert select.select([process.stdout], [], [], 30)[0], "nothing was printed within 30 s"
    return bytes(process.stdout.readline())


def test_what_comes_is_shown_at_once_and_ctrl_c_ends_quietly_with_130(
    start: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    produce(topics, HOT_LEADS, [(ANN, encode(ENTERED))])
    process = start("tail", "hot-leads", settings=topics)
    assert json.loads(read_line(process))["value"]["id"] == "a-1"
    produce(topics, HOT_LEADS, [(b"user:42", encode(COOLED))], "commit")
    assert json.loads(read_line(process))["value"]["id"] == "a-2"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == (b"", b"")
    assert process.returncode == 130


def test_a_reader_that_goes_away_is_no_error(
    start: Callable[..., Any], topics: Settings, produce: Callable[..., None]
) -> None:
    produce(topics, JOURNAL, [(None, b'"' + b"x" * 1000 + b'"')] * 500)
    process = start("tail", "journal", "--from-beginning", settings=topics)
    read_line(process)
    process.stdout.close()
    process.wait(20)
    assert process.stderr.read() == b""


def test_an_unknown_topic_is_answered_with_those_that_there_are(run: Callable[..., Any], topics: Settings) -> None:
    ran = run("tail", "hot-lead", settings=topics)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "leadheat: 'hot-lead' is no topic; did you mean hot-leads? there are web-events, email-events, "
        "account-updates, follow-ups, lead-scores, lead-history, account-scores, customer-values, hot-leads, "
        "buying-signals, deliveries, delivery-orders, dead-letters, identity-conflicts, models, "
        "model-comparisons, model-reports, journal, "
        "routed, imports, changelog\n"
    )


def test_topics_that_are_not_there_and_a_broker_that_is_not_are_told_apart(
    run: Callable[..., Any], topics: Settings
) -> None:
    missing = run("tail", "hot-leads", settings=topics, LEADHEAT_PREFIX="elsewhere")
    assert missing.code == 2
    assert f"there is no topic elsewhere.hot-leads.v1 at {topics.brokers}; create it with" in missing.err
    away = run("tail", "hot-leads", settings=topics, LEADHEAT_BROKERS="127.0.0.1:1")
    assert away.code == 2
    assert "no Kafka answers at 127.0.0.1:1 " in away.err
    assert len(away.err.splitlines()) == 1


@pytest.mark.thorough
@pytest.mark.faults
def test_a_broker_that_goes_away_ends_it_with_a_reason(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SILENCE_S", 0.5)
    monkeypatch.setattr(reading, "PATIENCE_MS", 2000)
    with EmbeddedKafka(tmp_path / "kafka", heap_mb=256) as kafka:
        ours = Settings(brokers=kafka.brokers, prefix="own", partitions=2)
        asyncio.run(create_topics(ours))
        stopping = threading.Timer(2.0, kafka.stop)
        stopping.start()
        ran = run("tail", "hot-leads", settings=ours)
        stopping.join()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"leadheat: Kafka at {kafka.brokers} has stopped answering (")
    assert len(ran.err.splitlines()) == 1


def test_a_key_is_looked_for_where_producers_put_it(topics: Settings, produce: Callable[..., None]) -> None:
    keys = [f"user:{number}".encode() for number in range(40)]
    produce(topics, LEAD_SCORES, [(key, b"{}") for key in keys])

    async def read() -> list[Any]:
        async with open_topic(topics.brokers, LEAD_SCORES.full_name(topics.prefix)) as reader:
            return [record async for record in reader.read_to_end()]

    records = asyncio.run(read())
    assert len(records) == 40
    assert all(record.partition == partition_of(record.key, 4) for record in records)
