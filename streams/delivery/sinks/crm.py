"""What CRMs have in common: a few fields of people who are known by their address, written in batches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scoring.identity import email_of
from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.messages import Message
from streams.delivery.records import Delivery

FieldName = str
"""``score``, ``band``, ``fit``, ``phase`` or ``reason``; what the CRM calls it is in the delivery file."""


@dataclass(frozen=True)
class Row:
    """The fields of one person; a field that is empty is cleared."""

    email: str
    fields: Mapping[FieldName, str | float]


class Crm(Protocol):
    """A CRM: ``batch_max`` people may be written at once."""

    batch_max: int

    async def write(self, rows: Sequence[Row], now_ms: int) -> dict[str, Attempt]:
        """Write rows; returns what came of each address."""


class CrmSink:
    """A CRM as a sink of alerts: the lead's fields are as of the alert."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm

    def render(self, message: Message) -> str:
        """Return the row of the lead that a message is about."""
        return render(message)

    async def send(self, delivery: Delivery, _: str, now_ms: int) -> Attempt:
        """Write the row; doing it again changes nothing."""
        body = json.loads(delivery.body)
        if not body["email"]:
            return Failed(
                "the CRM knows people by their e-mail address, and there is none", is_final=True, is_down=False
            )
        row = Row(body["email"], body["fields"])
        return (await self.crm.write([row], now_ms)).get(row.email, Sent())


def render(message: Message) -> str:
    """Return the row of a message as JSON; without an address where it is about an account.

    >>> render(Message(id="a", kind="entered", subject="email:ann@example.com", title="", time_ms=0,
    ...                record={"score": 82.04, "band": "hot"}))
    '{"email":"ann@example.com","fields":{"score":82.0,"band":"hot","fit":"","phase":"","reason":""}}'
    """
    record = message.record
    email = str(record.get("contact", {}).get("email", "")) or email_of(message.subject)
    reason = message.reasons[0] if message.reasons else ""
    fields = fields_of(
        record.get("score", 0.0), record.get("band", ""), record.get("fit"), record.get("phase", ""), reason
    )
    return json.dumps({"email": email, "fields": fields}, separators=(",", ":"))


def fields_of(score: float, band: str, fit: float | None, phase: str, reason: str) -> dict[FieldName, str | float]:
    """Return the fields that are written; what is not known is empty."""
    return {
        "score": round(score, 1),
        "band": band,
        "fit": "" if fit is None else round(fit, 1),
        "phase": phase,
        "reason": reason,
    }
