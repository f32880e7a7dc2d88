"""``POST /v1/crm/hubspot`` and ``/v1/crm/salesforce/<key>``: what CRMs tell becomes follow-ups.

What says nothing of a lead's stage is counted as ignored. What cannot be read becomes a dead letter, because a refused
request would come again and again, with all that is good in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from scoring.errors import EventError, SettingsError
from scoring.follow_ups import FollowUp
from streams.dead_letters import DeadLetter, make_dead_letter
from streams.gateway import documentation
from streams.gateway.answers import Fault, Refusal, fault_of, json_answer, unavailable
from streams.gateway.crm.hubspot import CHANGES_MAX, Contacts, HubSpot, contacts_of
from streams.gateway.crm.salesforce import ACKNOWLEDGED, Salesforce
from streams.gateway.crm.stages import Stages
from streams.gateway.limits import read_body
from streams.gateway.producer import BrokerUnavailable, EventProducer
from streams.gateway.webhooks.delivery import Delivery, read_json
from streams.settings import Settings, split_list

HUBSPOT_ROUTE = "/v1/crm/hubspot"
SALESFORCE_ROUTE = "/v1/crm/salesforce"


@dataclass
class _Told:
    """What one request came to."""

    route: str
    received_ms: int
    follow_ups: list[FollowUp] = field(default_factory=list)
    refused: list[Fault] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    ignored: int = 0

    def refuse(self, error: EventError, index: int, item: Mapping[str, Any]) -> None:
        self.refused.append(fault_of(error, index))
        value = msgspec.json.encode(item)
        self.letters.append(make_dead_letter(error, at_ms=self.received_ms, topic=f"http:{self.route}", value=value))

    async def write(self, producer: EventProducer) -> None:
        """Return once Kafka has it; raises :class:`Refusal` (503)."""
        try:
            if self.follow_ups:
                await producer.send_follow_ups(self.follow_ups)
            if self.letters:
                await producer.send_dead_letters(self.letters)
        except BrokerUnavailable as error:
            raise unavailable(f"{error}; try again") from error

    def answer(self) -> Response:
        return json_answer(
            {"accepted": len(self.follow_ups), "ignored": self.ignored, "refused": self.refused},
        )


def crm_router(
    settings: Settings, producer: EventProducer, clock: Callable[[], int], contacts: Contacts | None = None
) -> APIRouter:
    """Return the routes; ``contacts`` asks HubSpot. Raises :class:`SettingsError` for stages and keys that are none."""
    stages = Stages(settings.crm_stages)
    hubspot, salesforce = _hubspot(settings, stages, contacts), _salesforce(settings, stages)
    router = APIRouter(tags=["CRMs"])

    async def take_hubspot(request: Request) -> Response:
        if hubspot is None:
            raise _not_set_up("LEADHEAT_HUBSPOT_SECRET and LEADHEAT_HUBSPOT_TOKEN")
        delivery = Delivery(request.headers, await read_body(request), clock())
        hubspot.verify(delivery, _address_of(request, settings))
        told = await _read_hubspot(hubspot, delivery)
        await told.write(producer)
        return told.answer()

    async def take_salesforce(key: str, request: Request) -> Response:
        if salesforce is None:
            raise _not_set_up("LEADHEAT_SALESFORCE_KEY and LEADHEAT_SALESFORCE_ORGANISATION")
        salesforce.verify(key)
        told = _read_salesforce(salesforce, await read_body(request), clock())
        await told.write(producer)
        return Response(ACKNOWLEDGED, media_type="text/xml; charset=utf-8")

    router.add_api_route(HUBSPOT_ROUTE, take_hubspot, methods=["POST"], **documentation.CRM_HUBSPOT)
    router.add_api_route(
        f"{SALESFORCE_ROUTE}/{{key}}", take_salesforce, methods=["POST"], **documentation.CRM_SALESFORCE
    )
    return router


async def _read_hubspot(hubspot: HubSpot, delivery: Delivery) -> _Told:
    changes: Sequence[dict[str, Any]] = read_json(delivery.body, list[dict[str, Any]], "an array of HubSpot's changes")
    if len(changes) > CHANGES_MAX:
        raise Refusal.because(400, "too_large", "", f"{len(changes)} changes; at most {CHANGES_MAX} are taken at once")
    told = _Told(HUBSPOT_ROUTE, delivery.received_ms)
    stages = [(index, change) for index, change in enumerate(changes) if hubspot.is_stage(change)]
    try:
        contacts = await hubspot.find([change for _, change in stages])
    except OSError as error:
        raise unavailable(f"HubSpot cannot be asked who its contacts are: {error}; try again") from error
    for index, change in stages:
        contact = contacts.get(str(change.get("objectId", "")))
        if contact is None or not contact.email:
            continue  # deleted meanwhile, or nobody whom we could know
        try:
            told.follow_ups.append(hubspot.read(change, contact, delivery.received_ms))
        except EventError as error:
            told.refuse(error, index, change)
    told.ignored = len(changes) - len(told.follow_ups) - len(told.refused)
    return told


def _read_salesforce(salesforce: Salesforce, body: bytes, received_ms: int) -> _Told:
    told = _Told(SALESFORCE_ROUTE, received_ms)
    for index, lead in enumerate(salesforce.split(body)):
        try:
            follow_up = salesforce.read(lead, received_ms)
        except EventError as error:
            told.refuse(error, index, lead)
            continue
        if follow_up is None:
            told.ignored += 1
        else:
            told.follow_ups.append(follow_up)
    return told


def _hubspot(settings: Settings, stages: Stages, contacts: Contacts | None) -> HubSpot | None:
    secrets, token = split_list(settings.hubspot_secret), settings.hubspot_token.get_secret_value()
    if not secrets:
        return None
    if not token:
        raise SettingsError("LEADHEAT_HUBSPOT_TOKEN: is needed with LEADHEAT_HUBSPOT_SECRET, to ask who contacts are")
    return HubSpot(secrets, settings.webhook_window_s, stages, contacts or contacts_of(token))


def _salesforce(settings: Settings, stages: Stages) -> Salesforce | None:
    keys = split_list(settings.salesforce_key)
    return Salesforce(keys, split_list(settings.salesforce_organisation), stages) if keys else None


def _address_of(request: Request, settings: Settings) -> str:
    """Return the address as whoever sent the request knows it: a proxy may have changed scheme and host."""
    query = f"?{request.url.query}" if request.url.query else ""
    base = settings.public_url.rstrip("/") or f"{request.url.scheme}://{request.headers.get('host', '')}"
    return f"{base}{request.url.path}{query}"


def _not_set_up(what: str) -> Refusal:
    return Refusal.because(403, "forbidden", "", f"this CRM is not set up: set {what}")
