"""Our own way in: ``POST /v1/events`` takes events as they lie in Kafka, all of them or none.

It is strict where Segment's routes are forgiving: its senders are programs being written, and a misspelt field
that is silently ignored is found months later, in the scores.
"""

from __future__ import annotations

import difflib
from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response

from scoring.errors import EventError
from scoring.events import Event, decode_event
from streams.gateway import documentation
from streams.gateway.answers import Fault, Refusal, fault_of
from streams.gateway.auth import Caller
from streams.gateway.intake import Intake, Submission
from streams.gateway.limits import check_raw_size, check_written_size

ROUTE: Final = "/v1/events"
FIELDS: Final = Event.__struct_fields__

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def canonical_router(intake: Intake) -> APIRouter:
    """Make the route of our own events."""
    router = APIRouter(tags=["leadheat's own events"])

    async def receive(request: Request) -> Response:
        return await intake.take(request, ROUTE, read_events)

    router.add_api_route(ROUTE, receive, methods=["POST"], **documentation.CANONICAL)
    return router


def read_events(body: bytes, received_ms: int, caller: Caller) -> Submission:
    """Read one event, an array of them, or ``{"events": [...]}``; raises :class:`Refusal` with every fault."""
    source = caller.identify()
    events: list[Event] = []
    faults: list[Fault] = []
    for index, raw in enumerate(_split(body)):
        errors = _unknown_fields(raw)
        try:
            events.append(_read_event(raw, received_ms, source))
        except EventError as error:
            errors.append(error)
        faults += [fault_of(error, index) for error in errors]
    if faults:
        too_large = all(fault.reason == "too_large" for fault in faults)
        raise Refusal(413 if too_large else 400, faults)
    return Submission(events, {"accepted": len(events)})


def _split(body: bytes) -> list[bytes]:
    """Cut a body into the bytes of its events."""
    try:
        if body.lstrip()[:1] == b"[":
            return [bytes(raw) for raw in _decode_array(body)]
        fields = _decode_object(body)
        if "events" not in fields:
            return [body]
        if beside := sorted(fields.keys() - {"events"}):
            raise Refusal.because(400, "unknown_field", beside[0][:80], 'may not stand beside "events"')
        return [bytes(raw) for raw in _decode_array(fields["events"])]
    except msgspec.ValidationError as error:
        raise Refusal.because(
            400, "wrong_type", "", f'{error}; expected an event, an array of events, or {{"events": [event, …]}}'
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal.because(400, "malformed", "", f"the body is not JSON: {error}") from None


def _read_event(raw: bytes, received_ms: int, source: str) -> Event:
    check_raw_size(raw)
    try:
        event = decode_event(raw, received_ms)
    except RecursionError as error:
        raise EventError("malformed", "", f"is nested too deeply: {error}") from None
    except OverflowError:
        raise EventError("bad_time", "time", "is not a time: too large a number") from None
    event.lead_id  # noqa: B018 - raises where nobody, or nobody we could name, is meant
    if event.source is None:
        event.source = source
    check_written_size(event, raw)
    return event


def _unknown_fields(raw: bytes) -> list[EventError]:
    """Name the top-level fields that no event has, each with the one that may have been meant."""
    try:
        names = _decode_object(raw).keys()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []  # decoding the event says it better
    return [_unknown_field(name) for name in names if name not in FIELDS]


def _unknown_field(name: str) -> EventError:
    near = difflib.get_close_matches(name[:80], FIELDS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(FIELDS)}"
    return EventError("unknown_field", name[:80], f"is not a field of an event; {hint}")
