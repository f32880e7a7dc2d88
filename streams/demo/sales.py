"""Sales in the demo: a receiver of signed webhooks that follows one link, and leaves everybody else waiting."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from streams.clock import now_ms
from streams.demo.board import Board
from streams.embedded.ports import free_ports
from streams.settings import Settings

CONTACT_WITHIN_S: Final = 4.0
"""Instead of an hour: a demo does not last that long."""

_BODY_BYTES_MAX: Final = 1_000_000


class Sales:
    """Two people who are told of hot leads: one takes on and calls the first of them, nobody the rest."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self._server: asyncio.Server | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._has_called = False

    async def open(self, settings: Settings) -> Settings:
        """Listen, write the delivery file, and return settings with which delivery and gateway know of it."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        gateway_port = free_ports(settings.gateway_host, 1)[0]
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        secret, path = settings.data_dir / "webhook_secret", settings.data_dir / "delivery.yaml"
        secret.write_text(self._secret)
        path.write_text(_file(port, secret))
        changes = {
            "delivery": str(path),
            "secret": SecretStr(secrets.token_hex(16)),
            "public_url": f"http://127.0.0.1:{gateway_port}",
            "gateway_port": gateway_port,
        }
        return settings.model_copy(update=changes)

    async def close(self) -> None:
        """Listen no more."""
        for task in self._calls:
            task.cancel()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines[1:])}
            length = int(headers.get("content-length", "0"))
            body = await reader.readexactly(min(length, _BODY_BYTES_MAX))
            try:
                Webhook(self._secret).verify(body, headers)
                answer = "204 No Content"
                self._hear(json.loads(body))
            except WebhookVerificationError:
                answer = "401 Unauthorized"
            writer.write(f"HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    def _hear(self, message: dict[str, Any]) -> None:
        """Note a message; follow the link of the first."""
        board = self._board
        board.messages += 1
        if message["type"] == "lead.breached":
            late = message["data"]["late"]
            board.breaches.append(f"{message['title']}, by {late}; {message['owner']} is told")
        elif message["type"] == "lead.entered" and not self._has_called:
            self._has_called = True
            task = asyncio.create_task(self._follow(message))
            self._calls.add(task)

    async def _follow(self, message: dict[str, Any]) -> None:
        """Open the link as a mail scanner would, and then press its buttons as a person would."""
        link = message["links"]["accept"]
        started_ms = now_ms()
        async with httpx.AsyncClient(trust_env=False) as http:
            page = await http.get(link)
            page.raise_for_status()
            for action in ("accepted", "contacted"):
                (await http.post(link, data={"action": action})).raise_for_status()
        took_ms = now_ms() - started_ms
        self._board.accepted.append(
            f"{message['title']}; {message['owner']} accepts and calls by its link ({took_ms} ms)"
        )


def _file(port: int, secret: Path) -> str:
    return json.dumps(
        {
            "sinks": {
                "sales": {"kind": "webhook", "url": f"http://127.0.0.1:{port}/", "secret": {"file": str(secret)}}
            },
            "owners": {"ann": {"name": "Ann"}, "bob": {"name": "Bob"}},
            "routes": [
                {
                    "name": "hot leads",
                    "when": {"kinds": ["alert"]},
                    "to": ["sales"],
                    "owners": ["ann", "bob"],
                    "contact_within_h": CONTACT_WITHIN_S / 3600,
                }
            ],
            "allow": ["127.0.0.1"],
        }
    )
