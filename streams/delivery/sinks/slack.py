"""Slack: a bot's message in Block Kit, with reasons and buttons; what follows an alert stands in its thread."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx
from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config_sinks import SlackSink
from streams.delivery.escaping import mrkdwn, plain
from streams.delivery.messages import Message
from streams.delivery.records import Delivery
from streams.delivery.sinks.base import failure_of, failure_of_error

_HEADER_MAX: Final = 150
_SECTION_MAX: Final = 3_000
_FIELDS_MAX: Final = 10

_OF_THE_MESSAGE: Final = frozenset(
    {
        "invalid_blocks",
        "invalid_blocks_format",
        "msg_too_long",
        "no_text",
        "invalid_arguments",
        "invalid_metadata_format",
    }
)
"""Errors that the same message will meet for ever; others are about the token or the channel, and can be mended."""


class Slack:
    """One channel."""

    def __init__(self, name: str, config: SlackSink, client: httpx.AsyncClient) -> None:
        self._config = config
        self._client = client
        self._token = config.token.read(f"sinks.{name}.token")

    def render(self, message: Message) -> str:
        """Return the arguments of chat.postMessage."""
        return render(message, self._config.channel)

    async def send(self, delivery: Delivery, earlier: str, now_ms: int) -> Attempt:
        """Post it, in the thread of the message that it follows."""
        arguments = json.loads(delivery.body)
        if earlier:
            arguments["channel"], _, arguments["thread_ts"] = earlier.partition(":")
        try:
            response = await self._client.post(
                f"{self._config.api_url.rstrip('/')}/chat.postMessage",
                json=arguments,
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=self._config.timeout_s,
            )
            if not response.is_success:
                return failure_of(response, now_ms)
            answer = response.json()
        except (httpx.HTTPError, OSError) as error:
            return failure_of_error(error)
        except ValueError:
            return Failed("answered what is not JSON")
        if answer.get("ok"):
            return Sent(f"{answer.get('channel', '')}:{answer.get('ts', '')}")
        why = str(answer.get("error", "unknown_error"))[:80]
        return Failed(f"Slack says {why}", is_final=why in _OF_THE_MESSAGE, is_down=why not in _OF_THE_MESSAGE)


def render(message: Message, channel: str) -> str:
    """Return the arguments of chat.postMessage: blocks for people, a text for notifications, the id as metadata."""
    arguments = {
        "channel": channel,
        "text": mrkdwn(message.title),
        "blocks": [block.to_dict() for block in _blocks(message)],
        "metadata": {"event_type": "leadheat", "event_payload": {"id": message.id, "kind": message.kind}},
        "unfurl_links": False,
        "unfurl_media": False,
    }
    return json.dumps(arguments, separators=(",", ":"))


def _blocks(message: Message) -> list[Block]:
    blocks: list[Block] = [HeaderBlock(text=PlainTextObject(text=plain(message.title, _HEADER_MAX), emoji=False))]
    if message.owner_slack:
        blocks.append(_section(f"<@{message.owner_slack}>"))  # held against a pattern when the file was read
    if message.facts:
        fields = [_text(f"*{mrkdwn(label)}*\n{mrkdwn(text)}") for label, text in message.facts[:_FIELDS_MAX]]
        blocks.append(SectionBlock(fields=fields))
    if message.reasons:
        blocks.append(_section("\n".join(f"• {mrkdwn(line)}" for line in message.reasons)))
    if message.notes:
        blocks.append(ContextBlock(elements=[_text(mrkdwn(note)) for note in message.notes[:_FIELDS_MAX]]))
    if message.buttons:
        blocks.append(ActionsBlock(elements=[_button(label, url) for label, url in message.buttons]))
    return blocks


def _section(text: str) -> SectionBlock:
    return SectionBlock(text=_text(text[:_SECTION_MAX]))


def _text(text: str) -> MarkdownTextObject:
    # verbatim: Slack makes no links of what only looks like an address.
    return MarkdownTextObject(text=text, verbatim=True)


def _button(label: str, url: str) -> Any:
    style = {"Accept": "primary", "Reject": "danger"}.get(label)
    return ButtonElement(text=PlainTextObject(text=label), url=url, action_id=f"leadheat_{label.lower()}", style=style)
