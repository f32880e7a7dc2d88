"""Teams: an Adaptive Card, posted to the address of a workflow that begins with a webhook request."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx

from streams.delivery.attempts import Attempt, Sent
from streams.delivery.config_sinks import TeamsSink
from streams.delivery.escaping import markdown
from streams.delivery.messages import Message
from streams.delivery.records import Delivery
from streams.delivery.sinks.base import failure_of, failure_of_error

CARD_BYTES_MAX: Final = 28_000
"""What Teams takes of a card."""


class Teams:
    """One workflow."""

    def __init__(self, name: str, config: TeamsSink, client: httpx.AsyncClient) -> None:
        self._config = config
        self._client = client
        self._url = config.url.read(f"sinks.{name}.url")

    def render(self, message: Message) -> str:
        """Return the message with its card."""
        return render(message)

    async def send(self, delivery: Delivery, _: str, now_ms: int) -> Attempt:
        """Post it; the workflow answers 202."""
        headers = {"Content-Type": "application/json"}
        try:
            response = await self._client.post(
                self._url, content=delivery.body.encode(), headers=headers, timeout=self._config.timeout_s
            )
        except (httpx.HTTPError, OSError, httpx.InvalidURL) as error:
            return failure_of_error(error)
        return Sent() if response.is_success else failure_of(response, now_ms)


def render(message: Message) -> str:
    """Return a message with one Adaptive Card, at most 28 KB: reasons are left out from the end."""
    reasons = list(message.reasons)
    while True:
        body = json.dumps(_message(message, reasons), separators=(",", ":"), ensure_ascii=False)
        if len(body.encode()) <= CARD_BYTES_MAX or not reasons:
            return body
        reasons = reasons[: len(reasons) // 2]


def _message(message: Message, reasons: list[str]) -> dict[str, Any]:
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": _body(message, reasons),
                    "actions": [
                        {"type": "Action.OpenUrl", "title": label, "url": url} for label, url in message.buttons
                    ],
                },
            }
        ],
    }


def _body(message: Message, reasons: list[str]) -> list[dict[str, Any]]:
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": markdown(message.title), "weight": "bolder", "size": "medium", "wrap": True}
    ]
    if message.facts:
        facts = [{"title": label, "value": markdown(text)} for label, text in message.facts]
        body.append({"type": "FactSet", "facts": facts})
    body += [{"type": "TextBlock", "text": f"- {markdown(line)}", "wrap": True} for line in reasons]
    body += [{"type": "TextBlock", "text": markdown(note), "isSubtle": True, "wrap": True} for note in message.notes]
    return body
