"""HubSpot's webhooks: changes of contacts' lead status and lifecycle stage, signed by the app that subscribes to them.

A change names its contact by number, and people are known here by their address, so HubSpot is asked for it.

https://developers.hubspot.com/docs/api/webhooks/validating-requests
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import httpx
import msgspec

from scoring.errors import EventError
from scoring.follow_ups import FollowUp, check_follow_up
from scoring.identity import EMAIL_PREFIX
from streams.gateway.crm.stages import Stages
from streams.gateway.webhooks.delivery import Delivery, check_window, unsigned

CONTACTS_URL: Final = "https://api.hubapi.com/crm/v3/objects/contacts/batch/read"
CHANGES_MAX: Final = 100
"""Of one request; HubSpot reads as many contacts at once, too."""

ASK_TIMEOUT_S: Final = 4.0
"""HubSpot waits five seconds for our answer, and tries again after any that is no success."""

STAGE_PROPERTIES: Final = ("hs_lead_status", "lifecyclestage")
_CHANGES: Final = ("contact.propertyChange", "object.propertyChange")
_CONTACTS: Final = ("", "0-1")


class Contact(NamedTuple):
    """A contact as HubSpot knows it; texts that it does not have are empty."""

    email: str
    owner: str


Contacts = Callable[[Sequence[str]], Awaitable[Mapping[str, Contact]]]
"""Gets contacts by their numbers; those that there are not are missing. Raises :class:`OSError` where it cannot."""


class HubSpot:
    """Verifies with the app's client secrets, any one of them."""

    def __init__(self, secrets: Sequence[str], window_s: float, stages: Stages, contacts: Contacts) -> None:
        self._secrets = [secret.encode() for secret in secrets]
        self._window_s = window_s
        self._stages = stages
        self._contacts = contacts

    def verify(self, delivery: Delivery, url: str) -> None:
        """Return if HubSpot has signed this for ``url``, and lately; raises :class:`Refusal`."""
        timestamp, given = delivery.header("X-HubSpot-Request-Timestamp"), delivery.header("X-HubSpot-Signature-v3")
        signed = f"POST{unquote(url)}".encode() + delivery.body + timestamp.encode(errors="replace")
        expected = [base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)) for secret in self._secrets]
        # No shortcut: how long this takes does not say which secret it was.
        if not sum(hmac.compare_digest(ours, given.encode(errors="replace")) for ours in expected):
            raise unsigned(
                "X-HubSpot-Signature-v3",
                f"does not fit the body, LEADHEAT_HUBSPOT_SECRET and {url}; is this the address that HubSpot calls? "
                "(LEADHEAT_PUBLIC_URL)",
            )
        seconds = timestamp[:-3] if timestamp.isascii() and timestamp.isdigit() else timestamp
        check_window(seconds or "0", "X-HubSpot-Request-Timestamp", delivery.received_ms, self._window_s)

    def is_stage(self, change: Mapping[str, Any]) -> bool:
        """Tell whether a change is one of a contact's stage, to one that says something."""
        return (
            change.get("subscriptionType") in _CHANGES
            and str(change.get("objectTypeId", "")) in _CONTACTS
            and change.get("propertyName") in STAGE_PROPERTIES
            and self._stages.read(str(change.get("propertyValue", ""))) is not None
        )

    async def find(self, changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Contact]:
        """Return the contacts of changes by their numbers; raises :class:`OSError`."""
        numbers = sorted({str(change.get("objectId", "")) for change in changes})
        return await self._contacts(numbers) if numbers else {}

    def read(self, change: Mapping[str, Any], contact: Contact, received_ms: int) -> FollowUp:
        """Return the follow-up that a change of a contact's stage is; raises :class:`EventError`."""
        stage = str(change.get("propertyValue", ""))
        outcome = self._stages.read(stage)
        at_ms = change.get("occurredAt")
        if outcome is None or not isinstance(at_ms, int):
            raise EventError("bad_time", "occurredAt", f"{str(at_ms)[:40]!r} is not a time in ms since 1970")
        seed = [str(change.get(name, "")) for name in ("portalId", "objectId", "propertyName")]
        follow_up = FollowUp(
            # Its own ids are not unique, says HubSpot; and it tries again, and tells out of order.
            id=hashlib.blake2b(msgspec.json.encode([*seed, stage, at_ms]), digest_size=16).hexdigest(),
            lead=EMAIL_PREFIX + contact.email,
            action=outcome.action,
            time=at_ms,
            reason=outcome.reason,
            note=f"{change['propertyName']}: {stage}"[:300],
            by=contact.owner,
            source="hubspot",
        )
        check_follow_up(follow_up, received_ms)
        return follow_up


def contacts_of(token: str) -> Contacts:
    """Return what asks HubSpot for contacts, with the token of a private app that may read them."""

    async def ask(numbers: Sequence[str]) -> Mapping[str, Contact]:
        question = {"properties": ["email", "hubspot_owner_id"], "inputs": [{"id": number} for number in numbers]}
        try:
            async with httpx.AsyncClient(timeout=ASK_TIMEOUT_S, follow_redirects=False) as client:
                answer = await client.post(CONTACTS_URL, json=question, headers={"Authorization": f"Bearer {token}"})
            answer.raise_for_status()
            return read_contacts(answer.json())
        except httpx.HTTPStatusError as error:
            raise OSError(f"answered {error.response.status_code}") from error
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise OSError(f"{type(error).__name__}") from error

    return ask


def read_contacts(answer: Mapping[str, Any]) -> dict[str, Contact]:
    """Read what HubSpot answers, by number.

    >>> read_contacts({"results": [{"id": "7", "properties": {"email": "ann@example.com", "hubspot_owner_id": None}}]})
    {'7': Contact(email='ann@example.com', owner='')}
    """
    return {
        str(each["id"]): Contact(
            str(each["properties"].get("email") or ""), str(each["properties"].get("hubspot_owner_id") or "")
        )
        for each in answer["results"]
    }
