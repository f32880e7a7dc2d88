"""One request of a mail provider: verified on its raw bytes, then read item by item.

Nothing of a body is looked at before its signature holds, but for what the signature itself is made of. What a
provider tells that we have no word for is counted as ignored; what cannot be read becomes a dead letter, because a
refused request would come again and again, with all that is good in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from scoring.errors import EventError
from streams.dead_letters import make_dead_letter
from streams.gateway.answers import Refusal, fault_of
from streams.gateway.intake import Submission
from streams.gateway.webhooks.mail import Mail, to_event

CLOCKS_APART_S: Final = 300
"""How far a signature's time may lie ahead of ours."""

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True)
class Delivery:
    """One request: its headers (names in lower case), its raw body, and when it came (ms)."""

    headers: Mapping[str, str]
    body: bytes
    received_ms: int

    def header(self, name: str) -> str:
        """Return a header that must be there; raises :class:`Refusal` (401)."""
        value = self.headers.get(name.lower())
        if not value:
            raise unsigned(name, "is missing")
        return value


class Webhook(Protocol):
    """What a provider has to say of itself; its secrets are given when it is made."""

    name: str

    async def verify(self, delivery: Delivery) -> None:
        """Return if the provider has signed this, and lately; raises :class:`Refusal`."""

    def split(self, body: bytes) -> Sequence[msgspec.Raw]:
        """Cut a verified body into items; raises :class:`Refusal`."""

    def mails(self, item: dict[str, Any]) -> Sequence[Mail]:
        """Read an item: nothing where it says nothing of interest; raises :class:`EventError`."""


async def receive(webhook: Webhook, delivery: Delivery) -> Submission:
    """Verify and read one request; raises :class:`Refusal` for what is not the provider's."""
    await webhook.verify(delivery)
    events, letters, refused, ignored = [], [], [], 0
    for index, raw in enumerate(webhook.split(delivery.body)):
        try:
            mails = webhook.mails(_read_item(raw))
            events += [to_event(mail, webhook.name, delivery.received_ms) for mail in mails]
            ignored += not mails
        except EventError as error:
            refused.append(fault_of(error, index))
            topic = f"http:/v1/webhooks/{webhook.name}"
            letters.append(make_dead_letter(error, at_ms=delivery.received_ms, topic=topic, value=bytes(raw)))
    answer = {"accepted": len(events), "ignored": ignored, "refused": refused}
    return Submission(answer, events, letters=letters)


def _read_item(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        return _decode_object(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError("malformed", "", f"not a JSON object: {error}") from None


def read_json(body: bytes, type_: Any, expected: str) -> Any:
    """Decode a body; raises :class:`Refusal` (400), which says what was expected."""
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal.because(400, "malformed", "", f"the body is not {expected}: {error}") from None


def whole(body: bytes) -> Sequence[msgspec.Raw]:
    """Take a body as one item."""
    return (msgspec.Raw(body),)


def unsigned(field: str, message: str) -> Refusal:
    """Refuse what its provider has not signed; the message never says what would have been right."""
    return Refusal.because(401, "unauthorized", field, message)


def check_window(signed_at_s: str, field: str, received_ms: int, window_s: float) -> None:
    """Hold the time of a signature against ours; raises :class:`Refusal` (401) for a stale one, or one ahead."""
    if not (signed_at_s.isascii() and signed_at_s.isdigit() and len(signed_at_s) <= 12):
        raise unsigned(field, f"{signed_at_s[:40]!r} is not a time in seconds since 1970")
    age_s = received_ms / 1000 - int(signed_at_s)
    if age_s > window_s:
        raise unsigned(field, f"the signature is {age_s:.0f} s old; at most {window_s:.0f} s are taken")
    if age_s < -CLOCKS_APART_S:
        raise unsigned(field, f"the signature lies {-age_s:.0f} s ahead; is this machine's clock right?")
