"""The one inventory of topics: what each carries, how it is keyed, and how long it is kept.

All topics that a worker reads or writes have the same number of partitions, so that partition *n* of each
lands on one worker (Faust's assignor keeps them together) and one lead's records share a partition.
They are created before any producer touches them: auto-creation races with transactional producers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from scoring.errors import StartError
from streams.settings import Settings

DAY_MS: Final = 86_400_000
INTERNAL_RETENTION_DAYS: Final = 30.0
"""How long a worker may be away, and still find what other shards have told it."""

RECORD_BYTES_MAX: Final = 2 << 20
"""The largest record that any of our producers writes."""


@dataclass(frozen=True)
class Topic:
    """One topic: ``name`` within the prefix, what keys and values are, and its cleanup."""

    name: str
    key: str
    value: str
    cleanup: Literal["delete", "compact"] = "delete"
    append_time: bool = False
    internal: bool = False
    """Whether only shards read it: of no use to anybody once it has been read."""
    worker: bool = False
    """Whether workers write it."""

    def full_name(self, prefix: str) -> str:
        """Return the topic's name in Kafka.

        >>> WEB_EVENTS.full_name("leadheat")
        'leadheat.web-events.v1'
        """
        return f"{prefix}.{self.name}.v1"

    def retention_days(self, settings: Settings) -> float:
        """Return how long records of a topic that is not compacted are kept."""
        return min(settings.retention_days, INTERNAL_RETENTION_DAYS if self.internal else settings.retention_days)

    def config(self, settings: Settings) -> dict[str, str]:
        """Return the topic's settings in Kafka."""
        # A dead letter holds its original in base64, which may be a record of Kafka's usual 1 MB.
        config: dict[str, str] = {"cleanup.policy": self.cleanup, "max.message.bytes": str(RECORD_BYTES_MAX)}
        if self.cleanup == "delete":
            config["retention.ms"] = str(int(self.retention_days(settings) * DAY_MS))
        else:
            config["min.cleanable.dirty.ratio"] = "0.2"
            config["segment.ms"] = str(DAY_MS)
        if self.append_time:
            # Event time is in the value: a backfill must not be deleted as old, and the append time
            # is a "received at" that no sender can forge.
            config["message.timestamp.type"] = "LogAppendTime"
        return config


WEB_EVENTS: Final = Topic("web-events", "lead id", "Event", append_time=True)
EMAIL_EVENTS: Final = Topic("email-events", "lead id", "Event", append_time=True)
ACCOUNT_UPDATES: Final = Topic("account-updates", "account key", "AccountUpdate", append_time=True)
FOLLOW_UPS: Final = Topic("follow-ups", "lead id", "FollowUp", append_time=True)
ACCOUNT_SCORES: Final = Topic("account-scores", "account key", "AccountScore", cleanup="compact", worker=True)
CUSTOMER_VALUES: Final = Topic("customer-values", "account key", "CustomerValue", cleanup="compact", worker=True)
BUYING_SIGNALS: Final = Topic("buying-signals", "account key", "BuyingSignal", worker=True)
LEAD_SCORES: Final = Topic("lead-scores", "lead id", "LeadScore", cleanup="compact", worker=True)
LEAD_HISTORY: Final = Topic("lead-history", "lead id", "LeadSnapshot", worker=True)
HOT_LEADS: Final = Topic("hot-leads", "lead id", "Alert", worker=True)
DEAD_LETTERS: Final = Topic("dead-letters", "key of the record", "DeadLetter", worker=True)
DELIVERIES: Final = Topic(
    "deliveries", "what is delivered, and where to", "Delivery, Handoff or Place", cleanup="compact"
)
DELIVERY_ORDERS: Final = Topic("delivery-orders", "none", "Order", append_time=True, internal=True)
MODELS: Final = Topic("models", "number of the publication", "Publication", cleanup="compact")
MODEL_COMPARISONS: Final = Topic("model-comparisons", "what a candidate is kept under", "Comparison", cleanup="compact")
MODEL_REPORTS: Final = Topic("model-reports", "none", "Adoption", worker=True)
JOURNAL: Final = Topic("journal", "none", "JournalEntry", worker=True)
ROUTED: Final = Topic("routed", "identity or account key", "Message", append_time=True, internal=True, worker=True)
IDENTITY_CONFLICTS: Final = Topic("identity-conflicts", "identity", "Conflict", worker=True)
IMPORTS: Final = Topic("imports", "none", "ImportedRows")
CHANGELOG: Final = Topic(
    "changelog", "identity or account key", "LeadState, AccountState or Pointer", cleanup="compact", worker=True
)

EVENT_TOPICS: Final = (WEB_EVENTS, EMAIL_EVENTS)
SOURCES: Final = (*EVENT_TOPICS, ACCOUNT_UPDATES, FOLLOW_UPS, ROUTED)
"""What a worker reads."""

TOPICS: Final = (
    *EVENT_TOPICS,
    ACCOUNT_UPDATES,
    FOLLOW_UPS,
    LEAD_SCORES,
    LEAD_HISTORY,
    ACCOUNT_SCORES,
    CUSTOMER_VALUES,
    HOT_LEADS,
    BUYING_SIGNALS,
    DELIVERIES,
    DELIVERY_ORDERS,
    DEAD_LETTERS,
    IDENTITY_CONFLICTS,
    MODELS,
    MODEL_COMPARISONS,
    MODEL_REPORTS,
    JOURNAL,
    ROUTED,
    IMPORTS,
    CHANGELOG,
)


async def create_topics(settings: Settings, names: Mapping[str, Topic] | None = None) -> Mapping[str, str]:
    """Create what is missing of the inventory, or of ``names`` (full name → topic); say of each what was found.

    Returns full name → ``created`` or ``exists``. Raises :class:`StartError` where the broker does not
    answer, refuses, or has a topic with another number of partitions.
    """
    wanted = names or {topic.full_name(settings.prefix): topic for topic in TOPICS}
    async with _admin(settings) as admin:
        results = await _create(admin, wanted, settings)
        await _check_partitions(admin, list(results), settings)
        return results


async def find_topics(settings: Settings) -> list[str]:
    """Return the full names of all topics that the broker has; raises :class:`StartError` where none answers."""
    async with _admin(settings) as admin:
        return sorted(await admin.list_topics())


async def delete_topics(settings: Settings, names: Collection[str]) -> None:
    """Delete topics by their full names; those that are not there are passed over."""
    async with _admin(settings) as admin:
        there = sorted(set(names) & set(await admin.list_topics()))
        if there:
            await admin.delete_topics(there)
        for _ in range(100):  # a name may be used again once every broker has let it go
            if not set(there) & set(await admin.list_topics()):
                return
            await asyncio.sleep(0.1)


async def require_topics(settings: Settings) -> None:
    """Make sure that the inventory has been created, since a broker might create what is missing its own way.

    Raises :class:`StartError`, which names what is missing and says what to do.
    """
    names = [topic.full_name(settings.prefix) for topic in TOPICS]
    async with _admin(settings) as admin:
        missing = sorted(set(names) - set(await admin.list_topics()))
        if missing:
            raise StartError(f"these topics do not exist: {', '.join(missing)}; run `leadheat topics create` first")
        await _check_partitions(admin, names, settings)


def no_kafka(brokers: str, error: Exception) -> StartError:
    """Return the error that no broker could be reached, with what to do about it."""
    return StartError(f"no Kafka answers at {brokers} ({error}); set LEADHEAT_BROKERS, or run `leadheat up`")


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers, request_timeout_ms=30_000)
    try:
        await admin.start()
    except (KafkaError, OSError) as error:
        raise no_kafka(settings.brokers, error) from error
    try:
        yield admin
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, wanted: Mapping[str, Topic], settings: Settings) -> Mapping[str, str]:
    """Create topics in one request, which takes a broker hardly longer than one of them."""
    response = await admin.create_topics(
        [
            NewTopic(name, settings.partitions, settings.replication, topic_configs=topic.config(settings))
            for name, topic in wanted.items()
        ]
    )
    outcomes = {name: _outcome(name, code, *rest) for name, code, *rest in response.topic_errors}
    return {name: outcomes[name] for name in wanted}


def _outcome(name: str, code: int, message: str | None = None) -> str:
    if code == 0:
        return "created"
    error = for_code(code)
    if error is TopicAlreadyExistsError:
        return "exists"
    raise StartError(f"topic {name} cannot be created: {error.__name__} {message or ''}")


async def _check_partitions(admin: AIOKafkaAdminClient, names: list[str], settings: Settings) -> None:
    """Wait until every broker's metadata shows the topics, and hold their partition counts together."""
    for _ in range(100):
        found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics(names)}
        if all(found.get(name) for name in names):
            break
        await asyncio.sleep(0.1)
    wrong = {name: count for name, count in found.items() if count != settings.partitions}
    if wrong:
        listed = ", ".join(f"{name} has {count}" for name, count in sorted(wrong.items()))
        raise StartError(
            f"all topics need LEADHEAT_PARTITIONS={settings.partitions} partitions, but {listed}; "
            "set LEADHEAT_PARTITIONS to what the topics have, or use another LEADHEAT_PREFIX"
        )
