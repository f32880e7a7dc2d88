"""Salesforce's outbound messages: SOAP about leads that have changed, sent by a flow or a workflow rule.

They are not signed: the address holds a key, and each message names the organisation that it is from.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging.htm
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from xml.etree import ElementTree

from scoring.errors import EventError, SettingsError
from scoring.events import parse_time
from scoring.follow_ups import FollowUp, check_follow_up
from scoring.identity import EMAIL_PREFIX
from streams.gateway.answers import Refusal
from streams.gateway.crm.stages import Stages
from streams.gateway.webhooks.delivery import unsigned

KEY_LENGTH_MIN: Final = 16
NOTIFICATIONS_MAX: Final = 100
"""Of one message, by its WSDL."""

_OUTBOUND: Final = "{http://soap.sforce.com/2005/09/outbound}"
_ORGANISATION_LENGTH: Final = 15
"""Ids have 15 characters, and three more that check them where case is lost."""

ACKNOWLEDGED: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    '<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    "</soapenv:Body></soapenv:Envelope>"
)
"""Anything else, and Salesforce sends the message again, for a day."""


class Salesforce:
    """Takes messages of the organisations named, at an address with one of the keys."""

    def __init__(self, keys: Sequence[str], organisations: Sequence[str], stages: Stages) -> None:
        if any(len(key) < KEY_LENGTH_MIN for key in keys):
            raise SettingsError(f"LEADHEAT_SALESFORCE_KEY: at least {KEY_LENGTH_MIN} characters are needed")
        if not organisations:
            raise SettingsError("LEADHEAT_SALESFORCE_ORGANISATION: is needed with LEADHEAT_SALESFORCE_KEY")
        self._keys = [key.encode() for key in keys]
        self._organisations = frozenset(each[:_ORGANISATION_LENGTH] for each in organisations)
        self._stages = stages

    def verify(self, key: str) -> None:
        """Return if the address had one of the keys; raises :class:`Refusal`."""
        # No shortcut: how long this takes does not say which key it was.
        if not sum(hmac.compare_digest(ours, key.encode(errors="replace")) for ours in self._keys):
            raise unsigned("", "the address does not end in LEADHEAT_SALESFORCE_KEY")

    def split(self, body: bytes) -> list[Mapping[str, str]]:
        """Return the leads of a message, their fields by name; raises :class:`Refusal` for what is no message of ours.

        The field ``notification`` is the id of the notification.
        """
        message = next(_read(body).iter(f"{_OUTBOUND}notifications"), None)
        if message is None:
            raise Refusal.because(400, "malformed", "", "the body is not an outbound message: it has no notifications")
        organisation = message.findtext(f"{_OUTBOUND}OrganizationId", "")
        if organisation[:_ORGANISATION_LENGTH] not in self._organisations:
            raise unsigned("OrganizationId", "is not one of LEADHEAT_SALESFORCE_ORGANISATION")
        found = list(_fields(message))
        if len(found) > NOTIFICATIONS_MAX:
            raise Refusal.because(400, "too_large", "", f"{len(found)} notifications; at most {NOTIFICATIONS_MAX}")
        return found

    def read(self, lead: Mapping[str, str], received_ms: int) -> FollowUp | None:
        """Return the follow-up that a lead's change is; None where it says nothing. Raises :class:`EventError`.

        The message has the lead as it is when it is sent: its ``LastModifiedDate``, where the message has that field,
        is when it changed.
        """
        stage = "Closed - Converted" if lead.get("IsConverted") == "true" else lead.get("Status", "")
        outcome = self._stages.read(stage)
        if outcome is None:
            return None
        if not lead.get("Email"):
            raise EventError("missing_field", "Email", "is needed, among the fields of the outbound message")
        changed = lead.get("LastModifiedDate") or lead.get("SystemModstamp")
        digest = hashlib.blake2b(f"{lead['notification']}\n{stage}".encode(errors="replace"), digest_size=16)
        follow_up = FollowUp(
            id=digest.hexdigest(),
            lead=EMAIL_PREFIX + str(lead["Email"]),
            action=outcome.action,
            time=received_ms if changed is None else parse_time(changed),
            reason=outcome.reason,
            note=f"Status: {stage}"[:300],
            by=lead.get("OwnerId", ""),
            source="salesforce",
        )
        check_follow_up(follow_up, received_ms)
        return follow_up


def _read(body: bytes) -> ElementTree.Element:
    # No outbound message declares a type; only with one could entities be defined that grow without bound.
    if b"<!" in body or b"\x00" in body:
        raise Refusal.because(400, "malformed", "", "the body is not an outbound message: it has a declaration")
    try:
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Refusal.because(400, "malformed", "", f"the body is not XML: {error}") from None


def _fields(message: ElementTree.Element) -> Iterator[Mapping[str, str]]:
    for notification in message.iter(f"{_OUTBOUND}Notification"):
        fields = {"notification": notification.findtext(f"{_OUTBOUND}Id", "")}
        record = notification.find(f"{_OUTBOUND}sObject")
        for field in record if record is not None else ():
            fields[field.tag.rpartition("}")[2]] = (field.text or "").strip()
        yield fields
