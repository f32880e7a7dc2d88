"""Our own way in: ``POST /v1/events`` and ``POST /v1/accounts`` take records as they lie in Kafka, all or none."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from scoring.account_updates import AccountUpdate, decode_account_update
from scoring.events import Event, decode_event_of_somebody
from streams.gateway import documentation
from streams.gateway.auth import Caller
from streams.gateway.ingest.all_or_none import Form
from streams.gateway.ingest.verdicts import add_verdict
from streams.gateway.intake import Intake, Submission

EVENTS_ROUTE: Final = "/v1/events"
ACCOUNTS_ROUTE: Final = "/v1/accounts"


def canonical_router(intake: Intake) -> APIRouter:
    """Make the routes of our own events and account updates."""
    router = APIRouter(tags=["leadheat's own form"])

    async def receive_events(request: Request) -> Response:
        return await intake.take(request, EVENTS_ROUTE, read_events)

    async def receive_accounts(request: Request) -> Response:
        return await intake.take(request, ACCOUNTS_ROUTE, read_account_updates)

    router.add_api_route(EVENTS_ROUTE, receive_events, methods=["POST"], **documentation.EVENTS)
    router.add_api_route(ACCOUNTS_ROUTE, receive_accounts, methods=["POST"], **documentation.ACCOUNTS)
    return router


def read_events(body: bytes, received_ms: int, caller: Caller) -> Submission:
    """Read events; raises :class:`Refusal` with every fault."""
    events = _EVENTS.read(body, received_ms, caller.identify())
    for event in events:
        add_verdict(event, event.context or {}, caller)
    return Submission({"accepted": len(events)}, events)


def read_account_updates(body: bytes, received_ms: int, caller: Caller) -> Submission:
    """Read account updates; raises :class:`Refusal` with every fault."""
    updates = _ACCOUNTS.read(body, received_ms, caller.identify())
    return Submission({"accepted": len(updates)}, updates=updates)


_EVENTS: Final = Form("an event", "events", Event.__struct_fields__, decode_event_of_somebody)
_ACCOUNTS: Final = Form("an account update", "batch", AccountUpdate.__struct_fields__, decode_account_update)
