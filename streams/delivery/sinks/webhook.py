"""Signed webhooks, as standardwebhooks.com describes them: one id and one body for all tries."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx
from standardwebhooks.webhooks import Webhook

from scoring.errors import SettingsError
from streams.delivery.attempts import Attempt, Sent
from streams.delivery.config_sinks import WebhookSink
from streams.delivery.messages import Message
from streams.delivery.records import Delivery
from streams.delivery.sinks.base import failure_of, failure_of_error

_TYPES = {
    "entered": "lead.entered",
    "cooled": "lead.cooled",
    "retracted": "lead.retracted",
    "signal": "account.signal",
    "breached": "lead.breached",
    "digest": "digest",
}


class Webhooks:
    """One receiver of signed webhooks."""

    def __init__(self, name: str, config: WebhookSink, client: httpx.AsyncClient) -> None:
        self._config = config
        self._client = client
        try:
            self._signer = Webhook(config.secret.read(f"sinks.{name}.secret"))
        except (ValueError, RuntimeError):
            raise SettingsError(
                f"sinks.{name}.secret: is not a webhook secret: whsec_ and 24 to 64 bytes in base64"
            ) from None

    def render(self, message: Message) -> str:
        """Return the body: type, time, the record whole, and the links to follow it up."""
        return render(message)

    async def send(self, delivery: Delivery, _: str, now_ms: int) -> Attempt:
        """Post the body; only the signature's time differs from try to try."""
        moment = datetime.fromtimestamp(now_ms / 1000, UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(now_ms // 1000),
            "webhook-signature": self._signer.sign(delivery.id, moment, delivery.body),
        }
        try:
            async with self._client.stream(
                "POST",
                self._config.url,
                content=delivery.body.encode(),
                headers=headers,
                timeout=self._config.timeout_s,
            ) as response:
                return Sent() if response.is_success else failure_of(response, now_ms)  # the answer's body is not read
        except (httpx.HTTPError, OSError) as error:
            return failure_of_error(error)


def render(message: Message) -> str:
    """Return the body of a webhook.

    >>> render(Message(id="a1", kind="entered", subject="user:7", title="Ann is hot", time_ms=0))
    '{"type":"lead.entered","timestamp":"1970-01-01T00:00:00Z","data":{},"title":"Ann is hot","owner":"","links":{}}'
    """
    moment = datetime.fromtimestamp(message.time_ms / 1000, UTC)
    body = {
        "type": _TYPES[message.kind],
        "timestamp": moment.isoformat().replace("+00:00", "Z"),
        "data": message.record,
        "title": message.title,
        "owner": message.owner,
        "links": {label.lower(): url for label, url in message.buttons},
    }
    if message.notes:
        body["notes"] = list(message.notes)
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)
