"""Sending: the gateway makes of the official client's calls what the world meant, and nothing is lost silently."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest
from segment.analytics.client import Client

from scoring.account_updates import AccountUpdate, encode_account_update
from scoring.events import EMAIL_TYPES, Event, decode_event
from streams.demo import send
from streams.demo.send import call
from streams.demo.world import World
from streams.gateway.auth import Caller
from streams.gateway.ingest.canonical import read_account_updates, read_events
from streams.gateway.ingest.segment_messages import call_of, read_message, to_event
from streams.gateway.write_keys import WriteKeys
from streams.settings import Settings
from tests.demo.worlds import NOW, events_of, life_of


def through_the_gateway(message: dict[str, object]) -> Event:
    """Read a message of the client's as the gateway does."""
    raw = json.dumps(message).encode()
    read = read_message(raw)
    return to_event(read, call_of(read), raw=raw, received_ms=NOW + 600_000, sent_at=None, source="demo")


def test_the_gateway_reads_of_every_call_what_the_world_meant() -> None:
    world = World()
    client = Client("demo", send=False)
    seen = set()
    for event in world.history(NOW) + events_of(life_of(world, 400)):
        if event.type in EMAIL_TYPES:
            continue
        taken, message = call(client, event)
        read = through_the_gateway(message)
        seen.add(event.type)
        assert taken
        assert (read.id, read.type, read.time, read.lead_id) == (event.id, event.type, event.time, event.lead_id)
        assert (read.email, read.user_id) == (event.email, event.user_id)
        assert (read.anonymous_id, read.account_id) == (event.anonymous_id, event.account_id)
        assert read.properties == event.properties
        assert (read.context or {}).get("campaign") == (event.context or {}).get("campaign")
    assert {"identified", "grouped", "page_viewed", "form_submitted", "file_downloaded", "webinar_attended"} <= seen


def post(answers: Callable[[int], httpx.Response], monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[bytes]]:
    """Post e-mail events to a server that answers so the nth time; returns why they were given up, and the bodies."""
    monkeypatch.setattr(send, "_RETRY_S", 0.0)
    bodies: list[bytes] = []

    def serve(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return answers(len(bodies))

    mails = [event for event in events_of(life_of(World(), 30)) if event.type in EMAIL_TYPES][:20]

    async def run() -> str:
        async with httpx.AsyncClient(transport=httpx.MockTransport(serve), base_url="http://gateway") as client:
            return await send._post(client, send.EVENTS_PATH, mails)

    why = asyncio.run(run())
    caller = Caller(WriteKeys(Settings()), {}, "127.0.0.1")
    for body in bodies:
        submission = read_events(body, NOW + 600_000, caller)
        assert [event.id for event in submission.events] == [event.id for event in mails]
    return why, bodies


def test_email_events_are_canonical_and_repeated_while_kafka_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    why, bodies = post(lambda attempt: httpx.Response(503 if attempt < 3 else 200), monkeypatch)
    assert why == ""
    assert len(bodies) == 3
    assert len(set(bodies)) == 1


def test_a_refusal_is_not_repeated_but_told(monkeypatch: pytest.MonkeyPatch) -> None:
    why, bodies = post(lambda attempt: httpx.Response(400, text="field time: bad"), monkeypatch)
    assert why == "400 field time: bad"
    assert len(bodies) == 1


def test_what_is_never_taken_is_given_up_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    why, bodies = post(lambda attempt: httpx.Response(503, text="Kafka is away"), monkeypatch)
    assert why == "503 Kafka is away"
    assert len(bodies) == send.ATTEMPTS


def test_a_gateway_that_is_gone_loses_events_by_name_and_number() -> None:
    lost: list[tuple[int, str]] = []

    async def run() -> None:
        # Nothing listens on port 9 ("discard"); the client has its own patience, so none of it is asked for here.
        async with send.Sender("http://127.0.0.1:9", lambda number, why: lost.append((number, why))) as sender:
            sender._client.consumers[0].retries = 0
            event = next(event for event in events_of(life_of(World(), 30)) if event.type == "page_viewed")
            sender.send(event)
            async with asyncio.timeout(20):
                await sender.flush()

    asyncio.run(run())
    assert [number for number, _ in lost] == [1]
    assert "127.0.0.1" in lost[0][1]


def test_events_survive_the_trip_as_json() -> None:
    mail = next(event for event in events_of(life_of(World(), 30)) if event.type in EMAIL_TYPES)
    assert decode_event(send.encode(mail), NOW + 600_000) == mail


def test_the_gateway_takes_what_becomes_known_of_companies() -> None:
    life = life_of(World(), 60)
    updates = World().companies(NOW) + [update for update in life if isinstance(update, AccountUpdate)]
    caller = Caller(WriteKeys(Settings()), {}, "127.0.0.1")
    body = b"[" + b",".join(map(encode_account_update, updates)) + b"]"
    read = read_account_updates(body, NOW + 600_000, caller).updates
    assert [(update.id, update.key, update.facts) for update in read] == [
        (update.id, update.key, update.facts) for update in updates
    ]
