"""The routes of Segment's HTTP API: its SDKs work unchanged with our address as their host.

In a batch, a bad item becomes a dead letter and the others are taken: SDKs do not repeat a 400, and the good
items would be lost with the bad one. A single call is answered with 400, since its sender learns of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from scoring.errors import EventError
from scoring.events import Event
from streams.dead_letters import DeadLetter, make_dead_letter
from streams.gateway import documentation
from streams.gateway.answers import Fault, Refusal, fault_of
from streams.gateway.auth import Caller
from streams.gateway.ingest.segment_messages import CALLS, Call, call_of, read_message, to_event
from streams.gateway.ingest.verdicts import add_verdict
from streams.gateway.intake import Intake, Reader, Submission

BATCH_ROUTE: Final = "/v1/batch"
BATCH_ALIASES: Final = ("/v1/b", "/v1/import", "/batch", "/b", "/import")
"""``/b`` is what Segment's browser SDK appends to its ``apiHost``, ``/import`` the older name."""


class Batch(msgspec.Struct, rename="camel"):
    """The body of a batch; its items are read one by one, so that one bad item spoils no other."""

    batch: list[msgspec.Raw]
    sent_at: Any = None
    write_key: Any = None


_decode_batch = msgspec.json.Decoder(Batch).decode


def segment_router(intake: Intake) -> APIRouter:
    """Make the routes of Segment's API: ``/v1/track`` and its kin, their short and bare names, ``/v1/batch``."""
    router = APIRouter(tags=["Segment's SDKs"])
    for call in CALLS:
        route = f"/v1/{call}"
        endpoint = _endpoint(intake, route, partial(read_single, call))
        router.add_api_route(route, endpoint, methods=["POST"], **documentation.SEGMENT_CALLS[call])
        for alias in (f"/v1/{call[0]}", f"/{call}", f"/{call[0]}"):
            router.add_api_route(alias, endpoint, methods=["POST"], include_in_schema=False)
    endpoint = _endpoint(intake, BATCH_ROUTE, read_batch)
    router.add_api_route(BATCH_ROUTE, endpoint, methods=["POST"], **documentation.SEGMENT_BATCH)
    for alias in BATCH_ALIASES:
        router.add_api_route(alias, endpoint, methods=["POST"], include_in_schema=False)
    return router


def _endpoint(intake: Intake, route: str, read: Reader) -> Callable[[Request], Awaitable[Response]]:
    async def receive(request: Request) -> Response:
        return await intake.take(request, route, read)

    return receive


def read_single(call: Call, body: bytes, received_ms: int, caller: Caller) -> Submission:
    """Read the body of one call; raises :class:`Refusal` naming the field."""
    try:
        message = read_message(body)
        source = caller.identify(message.write_key)
        event = to_event(message, call, raw=body, received_ms=received_ms, sent_at=message.sent_at, source=source)
        add_verdict(event, message.context or {}, caller)
    except EventError as error:
        raise Refusal(413 if error.reason == "too_large" else 400, [fault_of(error)]) from None
    return Submission({"success": True}, [event])


def read_batch(body: bytes, received_ms: int, caller: Caller) -> Submission:
    """Read the body of a batch; raises :class:`Refusal` only where it cannot be read as one."""
    batch = _decode(body)
    source = caller.identify(batch.write_key if isinstance(batch.write_key, str) else None)
    events: list[Event] = []
    letters: list[DeadLetter] = []
    refused: list[Fault] = []
    for index, item in enumerate(batch.batch):
        raw = bytes(item)
        try:
            events.append(_read_item(raw, received_ms, batch.sent_at, source, caller))
        except EventError as error:
            refused.append(fault_of(error, index))
            letters.append(make_dead_letter(error, at_ms=received_ms, topic=f"http:{BATCH_ROUTE}", value=raw))
    return Submission({"success": True, "accepted": len(events), "refused": refused}, events, letters=letters)


def _read_item(raw: bytes, received_ms: int, sent_at: object, source: str, caller: Caller) -> Event:
    message = read_message(raw)
    # The browser's SDK can leave the time of sending in the items.
    sent_at = sent_at if sent_at is not None else message.sent_at
    event = to_event(message, call_of(message), raw=raw, received_ms=received_ms, sent_at=sent_at, source=source)
    add_verdict(event, message.context or {}, caller)
    return event


def _decode(body: bytes) -> Batch:
    try:
        return _decode_batch(body)
    except msgspec.ValidationError as error:
        reason = "missing_field" if "missing required field" in str(error) else "wrong_type"
        raise Refusal.because(400, reason, "batch", f'{error}; expected {{"batch": [message, …]}}') from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal.because(400, "malformed", "", f"the body is not JSON: {error}") from None
