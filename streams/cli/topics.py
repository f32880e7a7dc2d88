"""``leadheat topics``: what lies in Kafka, and its creation."""

from __future__ import annotations

import asyncio
import json
import logging

import typer

from streams.cli.output import JsonOption, make_console, make_table, wants_json, write_json
from streams.cli.teaching import register
from streams.settings import load_settings

topics = typer.Typer(help="The topics in Kafka: what each holds, and their creation.", no_args_is_help=True)


def create(as_json: JsonOption = None) -> None:
    """Create the topics that are missing; those that exist are left as they are.

    The number of partitions (LEADHEAT_PARTITIONS) is how many workers can share the load, and cannot be changed
    later without moving leads between partitions: choose with room.

    Examples:
      leadheat topics create
      LEADHEAT_BROKERS=kafka:9092 LEADHEAT_PARTITIONS=16 LEADHEAT_REPLICATION=3 leadheat topics create
    """
    from rich.text import Text

    from streams.topics import create_topics

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would say is in our error
    results = asyncio.run(create_topics(load_settings()))
    if wants_json(as_json):
        for name, result in results.items():
            write_json({"topic": name, "result": result})
        return
    table = make_table("topic", "")
    for name, result in results.items():
        table.add_row(name, Text(result, style="green" if result == "created" else ""))
    make_console().print(table)


def list_topics(as_json: JsonOption = None) -> None:
    """List the topics as the settings want them: keys, values, partitions, and how long records are kept.

    Compacted topics keep the last record of every key, for ever. No broker is needed.

    Examples:
      leadheat topics list
      leadheat topics list --json | jq -r .topic
    """
    from streams.topics import TOPICS

    settings = load_settings()
    table = make_table("topic", "partitions", "cleanup", "kept", "key", "value", right=("partitions",))
    for topic in TOPICS:
        kept_days = topic.retention_days(settings) if topic.cleanup == "delete" else None
        name = topic.full_name(settings.prefix)
        if wants_json(as_json):
            write_json(
                {
                    "topic": name,
                    "short": topic.name,
                    "partitions": settings.partitions,
                    "replication": settings.replication,
                    "cleanup": topic.cleanup,
                    "retention_days": kept_days,
                    "key": topic.key,
                    "value": topic.value,
                }
            )
        kept = "last of each key" if kept_days is None else f"{kept_days:g} days"
        table.add_row(name, str(settings.partitions), topic.cleanup, kept, topic.key, topic.value)
    if not wants_json(as_json):
        make_console().print(table)


def asyncapi() -> None:
    """Print an AsyncAPI 3 document of the topics that others write and read, with the JSON Schema of each record.

    Code generators and catalogues take it as it is. No broker is needed.

    Examples:
      leadheat topics asyncapi > asyncapi.json
      leadheat topics asyncapi | jq .components.schemas.Alert
    """
    from streams.asyncapi import describe

    print(json.dumps(describe(load_settings()), indent=2))


register(topics, create, "create")
register(topics, list_topics, "list")
register(topics, asyncapi, "asyncapi")
