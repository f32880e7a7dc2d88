"""What may be wrong where we run: brokers, topics, clocks, workers, keys; each finding says what to do.

Nothing is changed. To compare clocks, one record is sent in a transaction that is then aborted: the broker says when
it took it, and no reader ever sees it.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any, Final, Literal

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from scoring.errors import ModelError, SettingsError
from scoring.model import load_model
from streams.clock import now_ms
from streams.gateway.write_keys import WriteKeys
from streams.published_models import running_track
from streams.settings import Settings
from streams.topics import DEAD_LETTERS, SOURCES, TOPICS, Topic, no_kafka

SKEW_MAX_MS: Final = 2_000
"""A clock with NTP is right to some ms. Events from more than five minutes ahead become dead letters."""

LAG_MANY: Final = 100_000
"""Records that wait: some seconds' work for a worker."""

_MARKS: Final = 3
"""Offsets at the end of a partition that may be marks of transactions, and records of aborted ones: nobody's lag."""

_PATIENCE_MS: Final = 10_000

Level = Literal["good", "warning", "bad"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one check has found; ``remedy`` is what to do, where that is not nothing."""

    check: str
    level: Level
    says: str
    remedy: str = ""


async def diagnose(settings: Settings) -> AsyncIterator[Finding]:
    """Yield what each check finds, in the order in which things depend on each other.

    Without a broker the rest cannot be told; raises nothing for what is merely wrong.
    """
    for finding in (_check_model(settings), _check_keys(settings)):
        yield finding
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers, request_timeout_ms=_PATIENCE_MS)
    try:
        await admin.start()
    except (KafkaError, OSError) as error:
        yield Finding("brokers", "bad", str(no_kafka(settings.brokers, error)), "start Kafka, or mend LEADHEAT_BROKERS")
        await admin.close()
        return
    try:
        async for finding in _check_kafka(admin, settings):
            yield finding
    except KafkaError as error:
        yield Finding("brokers", "bad", f"stopped answering: {error!r}", "look into their logs, and try again")
    finally:
        await admin.close()


async def _check_kafka(admin: AIOKafkaAdminClient, settings: Settings) -> AsyncIterator[Finding]:
    brokers = len((await admin.describe_cluster())["brokers"])
    yield _check_brokers(settings, brokers)
    found = {topic["topic"]: topic for topic in await admin.describe_topics()}
    absent = [topic for topic in TOPICS if topic.full_name(settings.prefix) not in found]
    async for finding in _check_topics(admin, settings, found, absent):
        yield finding
    if not absent:
        yield await _check_clock(settings)
        async for finding in _check_workers(admin, settings):
            yield finding


def _check_model(settings: Settings) -> Finding:
    try:
        model = load_model(settings.model)
    except (ModelError, OSError) as error:
        return Finding("model", "bad", str(error), "mend the file that LEADHEAT_MODEL names: `leadheat model check`")
    if warnings := model.warnings():
        says = f"{settings.model}: {len(warnings)} warnings"
        return Finding("model", "warning", says, "`leadheat model check` tells them")
    return Finding("model", "good", f"version {model.version}, {len(model.rules)} rules")


def _check_keys(settings: Settings) -> Finding:
    try:
        keys = WriteKeys(settings)
    except SettingsError as error:
        return Finding("write keys", "bad", str(error), "mend the setting, or the file that it names")
    if not keys.is_empty:
        return Finding("write keys", "good", f"{len(keys.sources)} sources may send")
    if settings.gateway_host in ("127.0.0.1", "::1", "localhost"):
        return Finding("write keys", "good", "none, and the gateway listens on loopback only")
    return Finding(
        "write keys", "warning", f"none, and the gateway listens on {settings.gateway_host}", "set LEADHEAT_WRITE_KEYS"
    )


def _check_brokers(settings: Settings, brokers: int) -> Finding:
    if settings.replication > brokers:
        return Finding(
            "brokers",
            "bad",
            f"{brokers} answer, and LEADHEAT_REPLICATION wants {settings.replication} copies",
            "start more brokers, or lower LEADHEAT_REPLICATION",
        )
    if brokers > 1 and settings.replication == 1:
        return Finding(
            "brokers",
            "warning",
            f"{brokers} answer, and each partition has one copy: the loss of a broker is the loss of leads",
            "set LEADHEAT_REPLICATION=3 before topics are created",
        )
    return Finding("brokers", "good", f"{brokers} at {settings.brokers}")


# ── topics ───────────────────────────────────────────────────────────────────────────────────────────────────


async def _check_topics(
    admin: AIOKafkaAdminClient, settings: Settings, found: dict[str, Any], absent: list[Topic]
) -> AsyncIterator[Finding]:
    if absent:
        names = ", ".join(topic.full_name(settings.prefix) for topic in absent)
        yield Finding("topics", "bad", f"{len(absent)} are missing: {names}", "run `leadheat topics create`")
    present = [topic for topic in TOPICS if topic not in absent]
    wrong = 0
    for topic in present:
        for finding in _check_partitions(topic, found[topic.full_name(settings.prefix)], settings):
            wrong += 1
            yield finding
    async for finding in _check_configs(admin, settings, present):
        wrong += 1
        yield finding
    if not absent and not wrong:
        yield Finding("topics", "good", f"{len(present)} with {settings.partitions} partitions each, as they should be")


def _check_partitions(topic: Topic, described: dict[str, Any], settings: Settings) -> list[Finding]:
    name, partitions = topic.full_name(settings.prefix), described["partitions"]
    findings = []
    if len(partitions) != settings.partitions:
        says = f"has {len(partitions)} partitions, and LEADHEAT_PARTITIONS is {settings.partitions}"
        findings.append(Finding(name, "bad", says, "set LEADHEAT_PARTITIONS to what the topics have, the same for all"))
    leaderless = [partition["partition"] for partition in partitions if partition["leader"] < 0]
    if leaderless:
        says = f"partitions {leaderless} have no leader"
        findings.append(Finding(name, "bad", says, "bring their brokers back: nothing can be written there"))
    behind = [each["partition"] for each in partitions if len(each["isr"]) < len(each["replicas"])]
    if behind and not leaderless:
        says = f"partitions {behind} have copies that are behind"
        findings.append(Finding(name, "warning", says, "look after the brokers that hold them"))
    copies = min((len(each["replicas"]) for each in partitions), default=0)
    if copies < settings.replication:
        says = f"has {copies} copies, and LEADHEAT_REPLICATION is {settings.replication}"
        findings.append(Finding(name, "warning", says, "add copies with kafka-reassign-partitions"))
    return findings


async def _check_configs(admin: AIOKafkaAdminClient, settings: Settings, topics: list[Topic]) -> AsyncIterator[Finding]:
    wanted = {topic.full_name(settings.prefix): topic.config(settings) for topic in topics}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted]
    if not resources:
        return
    for response in await admin.describe_configs(resources):
        for _, _, _, name, entries in response.resources:
            are = {entry[0]: entry[1] for entry in entries}
            for option, value in wanted[name].items():
                if are.get(option) != value:
                    says = f"{option} is {are.get(option)}, expected {value}"
                    yield Finding(name, _weight(option), says, _alter(settings, name, option, value))


def _weight(option: str) -> Level:
    """Return how bad another value of a topic's option is: some change what is scored, others how long it is kept."""
    return "bad" if option in ("cleanup.policy", "message.timestamp.type", "max.message.bytes") else "warning"


def _alter(settings: Settings, name: str, option: str, value: str) -> str:
    return (
        f"kafka-configs.sh --bootstrap-server {settings.brokers} --alter --entity-type topics --entity-name {name} "
        f"--add-config {option}={value}"
    )


# ── clocks and workers ───────────────────────────────────────────────────────────────────────────────────────


async def _check_clock(settings: Settings) -> Finding:
    """Compare the broker's clock with ours: it says when events were received."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.brokers,
        transactional_id=f"{settings.app_id}-doctor-{uuid.uuid4()}",
        request_timeout_ms=_PATIENCE_MS,
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        before_ms = now_ms()
        # Not among the events: the mark of an aborted transaction there would count as one that waits.
        sent = await producer.send_and_wait(DEAD_LETTERS.full_name(settings.prefix), b"{}", partition=0)
        after_ms = now_ms()
        await producer.abort_transaction()
    except KafkaError as error:
        return Finding("clock", "bad", f"the broker takes no transactions ({error!r})", "look into its log")
    finally:
        await producer.stop()
    ahead_ms = sent.timestamp - after_ms if sent.timestamp > after_ms else min(0, sent.timestamp - before_ms)
    if abs(ahead_ms) <= SKEW_MAX_MS:
        return Finding("clock", "good", "the broker's and ours agree to within 2 s")
    where = "ahead of" if ahead_ms > 0 else "behind"
    says = f"the broker's is {abs(ahead_ms) / 1000:,.1f} s {where} ours"
    return Finding("clock", "bad", says, "let NTP set both: cooldowns and dead letters go by the broker's clock")


async def _check_workers(admin: AIOKafkaAdminClient, settings: Settings) -> AsyncIterator[Finding]:
    """Look at the group of the workers, and at how far they are behind."""
    members = await _count_members(admin, settings)
    if not members:
        yield Finding("workers", "warning", f"none runs as {settings.app_id}", "run `leadheat worker`")
    else:
        yield Finding("workers", "good", f"{members} run as {settings.app_id}")
    lag = await _read_lag(admin, settings)
    text = ", ".join(f"{count:,} in {topic}" for topic, count in lag.items() if count) or "nothing waits"
    if sum(lag.values()) < LAG_MANY:
        yield Finding("lag", "good", text)
        return
    remedy = "start more workers, up to one a partition, or see why they stand still" if members else ""
    yield Finding("lag", "warning", text, remedy)


async def _count_members(admin: AIOKafkaAdminClient, settings: Settings) -> int:
    (response,) = await admin.describe_consumer_groups([settings.app_id])
    return sum(len(members) for *_, members in (group[:6] for group in response.groups))


async def _read_lag(admin: AIOKafkaAdminClient, settings: Settings) -> dict[str, int]:
    """Return how many records of each source wait, by the offsets that workers commit for tools like this one."""
    committed = await admin.list_consumer_group_offsets(settings.app_id)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.brokers, request_timeout_ms=_PATIENCE_MS)
    await consumer.start()
    try:
        lag, track = {}, await running_track(settings)
        for topic in SOURCES:
            tps = [TopicPartition(track.name(topic), number) for number in range(settings.partitions)]
            ends, begins = await consumer.end_offsets(tps), await consumer.beginning_offsets(tps)
            done = {tp: committed[tp].offset if tp in committed else begins[tp] for tp in tps}
            waiting = [ends[tp] - max(done[tp], begins[tp]) for tp in tps]
            lag[topic.name] = sum(count for count in waiting if count > _MARKS)
        return lag
    finally:
        await consumer.stop()
