"""The description of the topics is AsyncAPI 3, true of the records, and the same in the documentation."""

from __future__ import annotations

import json

import jsonschema
import msgspec
import pytest

from scoring.alerts import Alert, LedgerLine
from scoring.events import Event, encode_event
from streams.asyncapi import RECORDS, describe, json_schema, public_topics
from streams.settings import Settings
from streams.topics import TOPICS
from tests.docs.reference import ASYNCAPI, asyncapi


def test_the_description_in_the_documentation_is_what_the_code_says():
    assert ASYNCAPI.read_text() == asyncapi(), "run: python -m tests.docs.reference"


def resolve(document, reference):
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_every_reference_leads_somewhere():
    document = describe(Settings())
    assert len(list(references(document))) > 20
    for reference in references(document):
        resolve(document, reference)


def test_it_is_asyncapi_3_by_the_official_schema(node_packages):
    schema = json.loads((node_packages / "@asyncapi" / "specs" / "schemas" / "3.0.0.json").read_text())
    jsonschema.Draft7Validator(schema).validate(describe(Settings()))


def test_every_topic_that_is_not_internal_is_described():
    internal = {topic.name for topic in TOPICS if topic not in public_topics()}
    assert internal <= {
        "routed",
        "changelog",
        "journal",
        "imports",
        "deliveries",
        "delivery-orders",
        "lead-history",
    } | {
        "model-comparisons"  # for the dashboard
    }


@pytest.mark.parametrize("record", RECORDS)
def test_every_schema_is_one_and_refuses_an_empty_record(record):
    schema = json_schema(record)
    jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({}, schema)


def test_records_are_what_their_schemas_say():
    event = Event(
        id="e", type="page_viewed", time=1_767_225_600_000, email="ann@example.com", verdict="human", reasons=[]
    )
    jsonschema.validate(json.loads(encode_event(event)), json_schema("Event"))
    line = LedgerLine(rule="demo_request", points=50.0)
    alert = Alert(
        id="a",
        kind="entered",
        lead="user:7",
        band="hot",
        from_band="cold",
        time_ms=1,
        score=50.0,
        ledger=[line],
        model="1",
    )
    jsonschema.validate(json.loads(msgspec.json.encode(alert)), json_schema("Alert"))
