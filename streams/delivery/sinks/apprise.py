"""Apprise: the many services that have no sink of their own, by their addresses."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import apprise

from scoring.errors import SettingsError
from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config_sinks import AppriseSink
from streams.delivery.escaping import html, markdown, plain
from streams.delivery.guard import AddressPolicy, RefusedAddressError, judged
from streams.delivery.messages import Message
from streams.delivery.records import Delivery

_ESCAPES = {"html": html, "markdown": markdown, "text": plain}


class AppriseService:
    """One service."""

    def __init__(self, name: str, config: AppriseSink, policy: AddressPolicy) -> None:
        self._policy = policy
        service: Any = apprise.Apprise.instantiate(config.url.read(f"sinks.{name}.url"))
        if service is None:
            raise SettingsError(f"sinks.{name}.url: is not an address that Apprise knows")
        self._service = service
        self._format = str(getattr(service.notify_format, "value", service.notify_format))

    def render(self, message: Message) -> str:
        """Return title and text, in the format that the service reads."""
        return render(message, self._format)

    async def send(self, delivery: Delivery, _: str, __: int) -> Attempt:
        """Hand it over, in a thread: Apprise waits."""
        return await asyncio.to_thread(self._send, json.loads(delivery.body))

    def _send(self, body: dict[str, str]) -> Attempt:
        try:
            # The service itself, not Apprise's dispatcher, which may use threads that nobody judges.
            with judged(self._policy):
                done = self._service.notify(title=body["title"], body=body["body"], notify_type=apprise.NotifyType.INFO)
        except RefusedAddressError as error:
            return Failed(str(error))
        return Sent() if done else Failed("the service did not take it")


def render(message: Message, form: str) -> str:
    """Return title and text as JSON, escaped for ``form``: ``text``, ``markdown`` or ``html``."""
    escape = _ESCAPES.get(form, plain)
    lines = [f"{label}: {text}" for label, text in message.facts]
    lines += [f"- {line}" for line in message.reasons]
    lines += message.notes
    between = "<br>" if form == "html" else "\n"
    links = [f"{label}: {url}" for label, url in message.buttons]
    text = between.join([*(escape(line) for line in lines), *links])
    return json.dumps({"title": escape(message.title), "body": text}, separators=(",", ":"))
