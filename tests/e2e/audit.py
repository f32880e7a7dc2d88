"""What the topics say after a run, held against an offline replay of the same records in the journal's order."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from scoring.alerts import Alert
from scoring.model import load_model
from scoring.score_records import LeadScore
from scoring.shard import Shard
from streams.runtime.journal import MEMO_KEY, META_KEY, ChunkRange, Pass, Tick, decode_entry
from streams.settings import Settings
from streams.topics import DEAD_LETTERS, EVENT_TOPICS, HOT_LEADS, JOURNAL, LEAD_SCORES, LEADS_CHANGELOG, Topic
from tests import oracle

Records = dict[int, list[ConsumerRecord]]
SAMPLED_LEADS = 300

Done = list[ConsumerRecord] | Tick | Pass
"""What a shard did in one step: the records of a chunk that it took, or a passing of time."""

_decode_alert = msgspec.json.Decoder(Alert).decode
_decode_score = msgspec.json.Decoder(LeadScore).decode


async def read(settings: Settings, topic: Topic) -> Records:
    """Return every committed record of a topic, by partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.brokers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        tps = [TopicPartition(topic.full_name(settings.prefix), partition) for partition in range(settings.partitions)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        found: Records = {tp.partition: [] for tp in tps}
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                found[tp.partition] += records
        return found
    finally:
        await consumer.stop()


async def wait_until_scored(settings: Settings, timeout_s: float) -> bool:
    """Wait until the group's committed offsets have reached the ends of the event topics."""
    tps = [
        TopicPartition(topic.full_name(settings.prefix), partition)
        for topic in EVENT_TOPICS
        for partition in range(settings.partitions)
    ]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.brokers, group_id=settings.app_id, enable_auto_commit=False, request_timeout_ms=5000
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        deadline = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < deadline:
            try:
                committed = {tp: await consumer.committed(tp) or 0 for tp in tps}
            except KafkaError:  # while a killed worker's transaction is still open
                committed = {}
            if committed and all(committed[tp] >= ends[tp] for tp in tps):
                return True
            await asyncio.sleep(0.5)
        return False
    finally:
        await consumer.stop()


async def audit(settings: Settings) -> list[str]:
    """Return everything that is wrong with a finished run; an empty list is what was promised."""
    events = {topic.full_name(settings.prefix): await read(settings, topic) for topic in EVENT_TOPICS}
    journal, states = await read(settings, JOURNAL), await read(settings, LEADS_CHANGELOG)
    scores, alerts = await read(settings, LEAD_SCORES), await read(settings, HOT_LEADS)
    letters = await read(settings, DEAD_LETTERS)
    problems: list[str] = []
    for partition in range(settings.partitions):
        here = {topic: records[partition] for topic, records in events.items()}
        steps = _journaled(here, journal[partition], problems)
        problems += _compare(settings, steps, states[partition], scores[partition], alerts[partition])
        refused = len(_replay(settings, steps)[2])
        if len(letters[partition]) != refused:
            problems.append(f"partition {partition}: {len(letters[partition])} dead letters, {refused} expected")
    return problems


def _journaled(
    events: dict[str, list[ConsumerRecord]], journal: list[ConsumerRecord], problems: list[str]
) -> list[Done]:
    """Return what was done, in the order of the journal: the records that were taken, each exactly once, and ticks."""
    by_offset = {topic: {record.offset: record for record in records} for topic, records in events.items()}
    following: dict[str, int] = defaultdict(int)
    done: list[Done] = []
    for number, record in enumerate(journal, 1):
        entry = decode_entry(record.value)
        if entry.number != number:
            problems.append(f"journal entry {entry.number} stands at place {number}")
        for step in entry.steps:
            if not isinstance(step, ChunkRange):
                done.append(step)
                continue
            if step.start != following[step.topic]:
                problems.append(f"{step.topic}: the journal goes from {following[step.topic]} to {step.start}")
            following[step.topic] = step.end
            offsets = by_offset[step.topic]
            done.append([offsets[offset] for offset in range(step.start, step.end) if offset in offsets])
    for topic, records in events.items():
        if records and following[topic] != records[-1].offset + 1:
            problems.append(f"{topic}: scored up to {following[topic]} of {records[-1].offset + 1}")
    return done


def _replay(settings: Settings, done: list[Done]) -> tuple[Shard, list[Alert], list[Any], dict[bytes, bytes]]:
    shard = Shard(load_model(settings.model), {})
    alerts: list[Alert] = []
    refusals: list[Any] = []
    scores: dict[bytes, bytes] = {}
    for step in done:
        if isinstance(step, Pass):
            continue  # another model's; what it does to a lead is the same whenever it is done
        outcome = shard.tick(step.clock_ms) if isinstance(step, Tick) else shard.take(step)
        alerts += outcome.alerts
        refusals += outcome.refusals
        scores.update(outcome.scores)
    return shard, alerts, refusals, scores


def _compare(
    settings: Settings,
    done: list[Done],
    states: list[ConsumerRecord],
    scores: list[ConsumerRecord],
    alerts: list[ConsumerRecord],
) -> list[str]:
    problems: list[str] = []
    shard, expected_alerts, _, expected_scores = _replay(settings, done)
    kept = {record.key: record.value for record in states if record.key not in (META_KEY, MEMO_KEY)}
    wrong = [key for key in shard.leads.keys() | kept.keys() if shard.leads.get(key) != kept.get(key)]
    if wrong:
        problems.append(f"{len(wrong)} of {len(shard.leads)} states are wrong, for example {wrong[0]!r}")
    published = {record.key: record.value for record in scores}
    wrong = [key for key in expected_scores.keys() | published.keys() if expected_scores.get(key) != published.get(key)]
    if wrong:
        problems.append(f"{len(wrong)} of {len(expected_scores)} scores are wrong, for example {wrong[0]!r}")
    raised = Counter(_decode_alert(record.value).id for record in alerts)
    expected = Counter(alert.id for alert in expected_alerts)
    if raised != expected:
        missing, extra = (expected - raised).total(), (raised - expected).total()
        problems.append(f"of {expected.total()} alerts {missing} are missing, and {extra} are too many")
    return problems + _compare_sample(settings, done, published, alerts)


def _compare_sample(
    settings: Settings, done: list[Done], published: dict[bytes, bytes], alerts: list[ConsumerRecord]
) -> list[str]:
    """Hold some leads against the oracle, which shares no arithmetic with the engine."""
    sample = set(sorted(published)[:: max(1, len(published) * settings.partitions // SAMPLED_LEADS)])
    mine: list[tuple[Any, int] | oracle.Tick] = []
    for step in done:
        if isinstance(step, Tick):
            mine.append(oracle.Tick(step.clock_ms))
        elif isinstance(step, list):
            mine += [taken for record in step if record.key in sample for taken in _taken(record)]
    expected = oracle.expect(load_model(settings.model), mine)
    problems = []
    for key in sample:
        score = _decode_score(published[key])
        lead = expected.leads.get(score.lead)
        should_be = None if lead is None else lead.score_at(score.at_ms)
        if should_be is None or abs(should_be - score.score) > 1e-6:
            problems.append(f"{score.lead} has {score.score} points; the oracle says {should_be}")
    said = Counter((alert.id, alert.time_ms) for alert in expected.said)
    raised = Counter(
        (alert.id, alert.time_ms)
        for alert in (_decode_alert(record.value) for record in alerts if record.key in sample)
    )
    if said != raised:
        problems.append(f"the oracle expects {said.total()} alerts of the sample, {raised.total()} were raised")
    return problems


def _taken(record: ConsumerRecord) -> list[tuple[Any, int]]:
    """Return a record as the oracle wants it: its event, if it is one, and when it was received (ms)."""
    try:
        event = msgspec.json.decode(record.value)
        event["id"], event["type"]
    except (msgspec.DecodeError, TypeError, KeyError, UnicodeDecodeError):
        return []
    return [(event, record.timestamp)]
