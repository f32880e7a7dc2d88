"""The topics that others write and read, described by AsyncAPI 3 with JSON Schemas of their records.

Everything is read from the inventory of topics and the records themselves, so that the description cannot be wrong
for long: ``leadheat topics asyncapi`` prints it, and a test holds docs/asyncapi.json to it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from scoring.account_records import AccountScore
from scoring.account_updates import AccountUpdate
from scoring.adoption import Adoption
from scoring.alerts import Alert
from scoring.customer_records import CustomerValue
from scoring.events import EMAIL_TYPES, EVENT_TYPES, WEB_TYPES, Event
from scoring.follow_ups import FollowUp
from scoring.routed import Conflict
from scoring.score_records import LeadScore
from scoring.signal_records import BuyingSignal
from streams.dead_letters import DeadLetter
from streams.published_models import Publication
from streams.settings import Settings
from streams.topics import EVENT_TOPICS, WEB_EVENTS, Topic
from streams.topics import TOPICS as ALL_TOPICS

RECORDS: Final[dict[str, type[msgspec.Struct]]] = {
    "Event": Event,
    "AccountUpdate": AccountUpdate,
    "FollowUp": FollowUp,
    "LeadScore": LeadScore,
    "AccountScore": AccountScore,
    "Alert": Alert,
    "CustomerValue": CustomerValue,
    "BuyingSignal": BuyingSignal,
    "DeadLetter": DeadLetter,
    "Conflict": Conflict,
    "Adoption": Adoption,
    "Publication": Publication,
}
"""The records of public topics, by the name that the inventory has for them."""

WRITTEN_BY_OTHERS: Final = frozenset({"web-events", "email-events", "account-updates", "follow-ups"})

_REF: Final = "#/components/schemas/{name}"


def public_topics() -> list[Topic]:
    """Return the topics whose records others may write or read."""
    return [topic for topic in ALL_TOPICS if topic.value in RECORDS]


def describe(settings: Settings) -> dict[str, Any]:
    """Return the AsyncAPI document for the topics under the settings' prefix."""
    topics = public_topics()
    records = {name: RECORDS[name] for name in sorted({topic.value for topic in topics})}
    _, schemas = msgspec.json.schema_components(list(records.values()), ref_template=_REF)
    schemas["Event"]["properties"]["type"]["enum"] = sorted(EVENT_TYPES)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "leadheat",
            "version": "1",
            "description": (
                "Topics of leadheat. Values are JSON; a record without a value is a tombstone. Read with "
                "isolation.level=read_committed. Event topics also take CloudEvents 1.0, structured or binary."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic, settings) for topic in topics},
        "operations": dict(_operation(topic) for topic in topics),
        "components": {
            "messages": {name: _message(name) for name in records},
            "schemas": dict(sorted(schemas.items())),
        },
    }


def json_schema(record: str) -> dict[str, Any]:
    """Return the JSON Schema of one record by its name in the inventory, whole in itself."""
    return msgspec.json.schema(RECORDS[record])


def _channel(topic: Topic, settings: Settings) -> dict[str, Any]:
    kept = "compact" if topic.cleanup == "compact" else "delete"
    return {
        "address": topic.full_name(settings.prefix),
        "description": f"Key: {topic.key}. {_types(topic)}".strip(),
        "messages": {topic.value: {"$ref": f"#/components/messages/{topic.value}"}},
        "bindings": {
            "kafka": {
                "partitions": settings.partitions,
                "replicas": settings.replication,
                "topicConfiguration": {"cleanup.policy": [kept]},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _types(topic: Topic) -> str:
    if topic not in EVENT_TOPICS:
        return ""
    return f"Types: {', '.join(sorted(WEB_TYPES if topic is WEB_EVENTS else EMAIL_TYPES))}."


def _operation(topic: Topic) -> tuple[str, dict[str, Any]]:
    """Return what leadheat does with a topic: receive what others write there, or send what others read."""
    receives = topic.name in WRITTEN_BY_OTHERS
    channel = f"#/channels/{topic.name}"
    return f"{'receive' if receives else 'send'}-{topic.name}", {
        "action": "receive" if receives else "send",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{topic.value}"}],
    }


def _message(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "contentType": "application/json",
        "payload": {"$ref": _REF.format(name=name)},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
    }
