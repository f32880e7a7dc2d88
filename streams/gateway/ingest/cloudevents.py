"""``POST /v1/cloudevents``: CloudEvents over HTTP in all three of its modes; all are taken, or none.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

import msgspec
from fastapi import APIRouter, Request, Response

from scoring.cloudevents import BATCHED, STRUCTURED, from_binary, from_structured
from scoring.errors import EventError
from scoring.events import Event
from streams.gateway import documentation
from streams.gateway.answers import Fault, Refusal, fault_of
from streams.gateway.auth import Caller
from streams.gateway.ingest.verdicts import add_verdict
from streams.gateway.intake import Intake, Submission
from streams.gateway.limits import check_raw_size, check_written_size

ROUTE: Final = "/v1/cloudevents"
HEADER: Final = "ce-"

_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def cloudevents_router(intake: Intake) -> APIRouter:
    """Make the route of CloudEvents."""
    router = APIRouter(tags=["CloudEvents"])

    async def receive(request: Request) -> Response:
        return await intake.take(request, ROUTE, read_cloudevents)

    router.add_api_route(ROUTE, receive, methods=["POST"], **documentation.CLOUDEVENTS)
    return router


def read_cloudevents(body: bytes, received_ms: int, caller: Caller) -> Submission:
    """Read a body by its content type; raises :class:`Refusal` with every fault."""
    source = caller.identify()
    media_type = caller.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_binary = f"{HEADER}specversion" in caller.headers and media_type not in (STRUCTURED, BATCHED)
    attributes = _attributes(caller.headers) if is_binary else None
    if attributes is None and media_type not in (STRUCTURED, BATCHED):
        expected = f"{STRUCTURED}, {BATCHED}, or the attributes in headers such as ce-specversion"
        raise Refusal.because(415, "unsupported_type", "Content-Type", f"{media_type[:80]!r}: expected {expected}")
    items = _split(body) if media_type == BATCHED else [body]
    events: list[Event] = []
    faults: list[Fault] = []
    for index, raw in enumerate(items):
        try:
            check_raw_size(raw)
            event = (
                from_structured(raw, received_ms) if attributes is None else from_binary(attributes, raw, received_ms)
            )
            event.source = source
            add_verdict(event, event.context or {}, caller)
            check_written_size(event, raw)
            events.append(event)
        except EventError as error:
            faults.append(fault_of(error, index) if media_type == BATCHED else fault_of(error))
    if faults:
        raise Refusal(413 if all(fault.reason == "too_large" for fault in faults) else 400, faults)
    return Submission({"accepted": len(events)}, events)


def _attributes(headers: Mapping[str, str]) -> dict[str, str]:
    """Read the attributes of binary mode, whose values are percent-encoded UTF-8.

    >>> _attributes({"ce-subject": "j%C3%BCrg@example.com", "accept": "*/*"})
    {'subject': 'jürg@example.com'}
    """
    return {name.removeprefix(HEADER): unquote(text) for name, text in headers.items() if name.startswith(HEADER)}


def _split(body: bytes) -> list[bytes]:
    try:
        return [bytes(raw) for raw in _decode_array(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal.because(400, "malformed", "", f"the body is not an array of CloudEvents: {error}") from None
