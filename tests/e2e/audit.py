"""What the topics say after a run, held against an offline replay of the same records in the journal's order."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from scoring.alerts import Alert
from scoring.routed import Message, encode_message
from scoring.score_records import LeadScore
from scoring.shard import Outcome, Place, Shard
from scoring.signal_records import BuyingSignal
from streams.cli.worker import start_models
from streams.published_models import CANDIDATE, PublishedModels, read_publications
from streams.reading import partition_of
from streams.runtime.journal import MEMO_KEY, META_KEY, Adopt, ChunkRange, Forgotten, Pass, Tick, decode_entry
from streams.settings import Settings
from streams.topics import (
    ACCOUNT_SCORES,
    ACCOUNT_UPDATES,
    BUYING_SIGNALS,
    CHANGELOG,
    CUSTOMER_VALUES,
    DEAD_LETTERS,
    FOLLOW_UPS,
    HOT_LEADS,
    JOURNAL,
    LEAD_SCORES,
    ROUTED,
    SOURCES,
    Topic,
)
from streams.tracks import Track
from tests import oracle

Records = dict[int, list[ConsumerRecord]]
SAMPLED_LEADS = 300

Done = list[ConsumerRecord] | Tick | Pass | Forgotten | Adopt
"""What a shard did in one step: the records of a chunk that it took, a passing of time, or another model."""

_decode_signal = msgspec.json.Decoder(BuyingSignal).decode
_decode_alert = msgspec.json.Decoder(Alert).decode
_decode_score = msgspec.json.Decoder(LeadScore).decode


async def read(settings: Settings, topic: Topic, states_of: str = "") -> Records:
    """Return every committed record of a topic, by partition; what is the shards' own from where ``states_of`` says."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.brokers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        name = Track(settings.prefix, settings.track, states_of).name(topic)
        tps = [TopicPartition(name, partition) for partition in range(settings.partitions)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        found: Records = {tp.partition: [] for tp in tps}
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                found[tp.partition] += records
        return found
    finally:
        await consumer.stop()


async def wait_until_scored(settings: Settings, timeout_s: float, states_of: str = "") -> bool:
    """Wait until all events are scored, and all that shards have told each other of them."""
    tps = [
        TopicPartition(Track(settings.prefix, settings.track, states_of).name(topic), partition)
        for topic in SOURCES
        for partition in range(settings.partitions)
    ]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.brokers, group_id=settings.app_id, enable_auto_commit=False, request_timeout_ms=5000
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        deadline = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < deadline:
            try:
                committed = {tp: await consumer.committed(tp) or 0 for tp in tps}
            except KafkaError:  # while a killed worker's transaction is still open
                committed = {}
            # The ends are read after what is committed, and what is committed counts with what it has caused.
            ends = await _ends(consumer, settings, tps, states_of) if committed else {}
            if committed and all(committed[tp] >= ends[tp] for tp in tps):
                return True
            await asyncio.sleep(0.5)
        return False
    finally:
        await consumer.stop()


async def _ends(
    consumer: AIOKafkaConsumer, settings: Settings, tps: list[TopicPartition], states_of: str
) -> dict[TopicPartition, int]:
    """Return the offset after the last record of each partition; the marks of transactions aside."""
    ends: dict[TopicPartition, int] = await consumer.end_offsets(tps)
    name = Track(settings.prefix, settings.track, states_of).name(ROUTED)
    for partition, records in (await read(settings, ROUTED, states_of)).items():
        ends[TopicPartition(name, partition)] = records[-1].offset + 1 if records else 0
    return ends


async def audit(settings: Settings, sampled: int = SAMPLED_LEADS, states_of: str = "") -> list[str]:
    """Return everything that is wrong with a finished run; an empty list is what was promised.

    ``sampled`` leads are held against the oracle. ``states_of`` is the track of the rebuild whose states were taken
    over, if they were: what it found by itself was not said.
    """
    track = Track(settings.prefix, settings.track, states_of)
    events = {track.name(topic): await read(settings, topic, states_of) for topic in SOURCES}
    journal, states = await read(settings, JOURNAL, states_of), await read(settings, CHANGELOG, states_of)
    scores, alerts = await read(settings, LEAD_SCORES), await read(settings, HOT_LEADS)
    accounts, signals = await read(settings, ACCOUNT_SCORES), await read(settings, BUYING_SIGNALS)
    known = await (start_models if settings.track else read_publications)(settings)
    # Before it took over, the rebuild's model had no number.
    known += [
        msgspec.structs.replace(each, number=CANDIDATE) for each in known if states_of and each.track == states_of
    ]
    models = PublishedModels(known)
    letters, customers = await read(settings, DEAD_LETTERS), await read(settings, CUSTOMER_VALUES)
    problems: list[str] = []
    told: Counter[tuple[int, bytes]] = Counter()
    for partition in range(settings.partitions):
        here = {topic: records[partition] for topic, records in events.items()}
        steps = _journaled(here, journal[partition], problems)
        again = _replay(settings, models, partition, steps)
        problems += _compare(again, states[partition], scores[partition], alerts[partition])
        problems += _compare_accounts(again, accounts[partition], signals[partition])
        problems += _compare_customers(again, customers[partition])
        problems += _compare_sample(settings, models, steps, scores[partition], alerts[partition], sampled)
        refused = len(again.outcome.refusals)
        if len(letters[partition]) != refused and not states_of:
            problems.append(f"partition {partition}: {len(letters[partition])} dead letters, {refused} expected")
        told.update((partition_of(m.to.encode(), settings.partitions), encode_message(m)) for m in again.messages)
    routed = events[track.name(ROUTED)]
    written = Counter((partition, record.value) for partition, records in routed.items() for record in records)
    if told != written:
        missing, extra = (told - written).total(), (written - told).total()
        problems.append(f"of {told.total()} messages between shards {missing} are missing, and {extra} are too many")
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


@dataclass
class Again:
    """What a shard's steps come to once more: the shard, all that they caused, and what it told other shards."""

    shard: Shard
    outcome: Outcome = field(default_factory=Outcome)
    messages: list[Message] = field(default_factory=list)
    muted: Counter[str] = field(default_factory=Counter)
    """The ids of alerts that a rebuild found by itself, before it took over."""


def _replay(settings: Settings, models: PublishedModels, partition: int, done: list[Done]) -> Again:
    place = Place(partition, lambda identity: partition_of(identity.encode(), settings.partitions))
    first = next((step.number for step in done if isinstance(step, Adopt)), models.latest)
    again = Again(Shard(models.model(first), {}, place=place, publication=first))
    for step in done:
        if isinstance(step, Adopt):
            if step.number and not again.shard.publication:
                again.muted.update(alert.id for alert in again.outcome.alerts)
            outcome = again.shard.use(models.model(step.number), step.number)
        elif isinstance(step, Pass):
            outcome = again.shard.adopt(len(again.shard.leads), to=step.to)
        elif isinstance(step, Forgotten):
            outcome = again.shard.forget([key.encode() for key in step.keys])
        elif isinstance(step, Tick):
            outcome = again.shard.tick(step.clock_ms)
        elif step and _is_routed(step[0]):
            outcome = again.shard.take_routed(step)
        elif step and step[0].topic == FOLLOW_UPS.full_name(settings.prefix):
            outcome = again.shard.take_follow_ups(step)
        elif step and step[0].topic == ACCOUNT_UPDATES.full_name(settings.prefix):
            outcome = again.shard.take_updates(step, step[0].topic)
        else:
            outcome = again.shard.take(step, step[0].topic if step else "")
        again.messages += outcome.messages
        again.outcome.extend(outcome)
        for lead, _ in outcome.merged:
            again.outcome.scores.pop(lead.encode(), None)
            again.outcome.account_scores.pop(lead.encode(), None)
            again.outcome.customer_values.pop(lead.encode(), None)
    return again


def _compare_accounts(again: Again, accounts: list[ConsumerRecord], signals: list[ConsumerRecord]) -> list[str]:
    problems: list[str] = []
    expected, published = again.outcome.account_scores, latest(accounts)
    wrong = [key for key in expected.keys() | published.keys() if expected.get(key) != published.get(key)]
    if wrong:
        problems.append(f"{len(wrong)} of {len(expected)} accounts are wrong, for example {wrong[0]!r}")
    given = Counter(_decode_signal(record.value).id for record in signals)
    due = Counter(signal.id for signal in again.outcome.signals)
    if given != due:
        missing, extra = (due - given).total(), (given - due).total()
        problems.append(f"of {due.total()} signals {missing} are missing, and {extra} are too many")
    return problems


def _compare_customers(again: Again, customers: list[ConsumerRecord]) -> list[str]:
    expected, published = again.outcome.customer_values, latest(customers)
    wrong = [key for key in expected.keys() | published.keys() if expected.get(key) != published.get(key)]
    return [f"{len(wrong)} of {len(expected)} customers are wrong, for example {wrong[0]!r}"] if wrong else []


def latest(records: list[ConsumerRecord]) -> dict[bytes, bytes]:
    """Return the last value of each key, but for those that are gone."""
    values = {record.key: record.value for record in records}
    return {key: value for key, value in values.items() if value is not None}


def _compare(
    again: Again, states: list[ConsumerRecord], scores: list[ConsumerRecord], alerts: list[ConsumerRecord]
) -> list[str]:
    problems: list[str] = []
    kept = {record.key: record.value for record in states if record.key not in (META_KEY, MEMO_KEY)}
    leads, expected_scores = again.shard.leads, again.outcome.scores
    wrong = [key for key in leads.keys() | kept.keys() if leads.get(key) != kept.get(key)]
    if wrong:
        problems.append(f"{len(wrong)} of {len(leads)} states are wrong, for example {wrong[0]!r}")
    published = latest(scores)
    wrong = [key for key in expected_scores.keys() | published.keys() if expected_scores.get(key) != published.get(key)]
    if wrong:
        problems.append(f"{len(wrong)} of {len(expected_scores)} scores are wrong, for example {wrong[0]!r}")
    raised = Counter(_decode_alert(record.value).id for record in alerts)
    expected = Counter(alert.id for alert in again.outcome.alerts)
    if again.muted:
        # Those may have been said by the states before, and these have said others, too; each once.
        due = expected - again.muted
        raised = Counter({identity: count for identity, count in raised.items() if identity in due or count > 1})
        expected = due
    if raised != expected:
        missing, extra = (expected - raised).total(), (raised - expected).total()
        problems.append(f"of {expected.total()} alerts {missing} are missing, and {extra} are too many")
    return problems


def _compare_sample(
    settings: Settings,
    models: PublishedModels,
    done: list[Done],
    scores: list[ConsumerRecord],
    alerts: list[ConsumerRecord],
    sampled: int,
) -> list[str]:
    """Hold some leads against the oracle, which shares no arithmetic with the engine.

    Alerts are only compared where one model was in use: the oracle knows the last one alone, which scores all.
    The oracle knows nothing of people with several identities: those of whom shards have told each other are left out.
    """
    told = {record.key for step in done if isinstance(step, list) for record in step if _is_routed(record)}
    published = {key: value for key, value in latest(scores).items() if key not in told}
    sample = set(sorted(published)[:: max(1, len(published) * settings.partitions // sampled)])
    mine: list[tuple[Any, int] | oracle.Tick] = []
    for step in done:
        if isinstance(step, Tick):
            mine.append(oracle.Tick(step.clock_ms))
        elif isinstance(step, list):
            mine += [taken for record in step if record.key in sample for taken in _taken(record)]
    expected = oracle.expect(models.model(models.latest), mine)
    problems = []
    for key in sample:
        score = _decode_score(published[key])
        lead = expected.leads.get(score.lead)
        should_be = None if lead is None else lead.score_at(score.at_ms)
        if should_be is None or abs(should_be - score.score) > 1e-6:
            problems.append(f"{score.lead} has {score.score} points; the oracle says {should_be}")
    if sum(isinstance(step, Adopt) for step in done) > 1:
        return problems
    said = Counter((alert.id, alert.time_ms) for alert in expected.said)
    raised = Counter(
        (alert.id, alert.time_ms)
        for alert in (_decode_alert(record.value) for record in alerts if record.key in sample)
    )
    if said != raised:
        problems.append(f"the oracle expects {said.total()} alerts of the sample, {raised.total()} were raised")
    return problems


def _is_routed(record: ConsumerRecord) -> bool:
    return bool(record.topic.endswith(f".{ROUTED.name}.v1"))


def _taken(record: ConsumerRecord) -> list[tuple[Any, int]]:
    """Return a record as the oracle wants it: its event, if it is one, and when it was received (ms)."""
    try:
        event = msgspec.json.decode(record.value)
        event["id"], event["action" if "action" in event else "type"]
    except (msgspec.DecodeError, TypeError, KeyError, UnicodeDecodeError):
        return []
    return [(event, record.timestamp)]
