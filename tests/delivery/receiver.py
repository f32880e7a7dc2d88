"""A receiver of webhooks that misbehaves in every way that receivers do, and keeps what it has taken."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + "bGVhZGhlYXQtdGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ=="

FAULTS = ("500", "reset", "silence", "429", "late_reset")


@dataclass
class Receiver:
    """Takes a share of requests and fails the others; ``late_reset`` takes one and breaks off before it says so.

    ``bodies`` are all that came of each id, taken or not; ``taken`` are ids in the order of their first success.
    """

    rng: random.Random = field(default_factory=lambda: random.Random(1))
    fault_share: float = 0.3
    faults: tuple[str, ...] = FAULTS
    silence_s: float = 30.0
    is_gone: Callable[[str], bool] = lambda path: False
    bodies: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    taken: list[str] = field(default_factory=list)
    tries: int = 0
    bad_signatures: int = 0
    met: set[str] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)

    async def start(self) -> str:
        """Listen; returns the address."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"

    async def stop(self) -> None:
        self._server.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path = lines[0].split()[1]
        self.tries += 1
        webhook_id = headers["webhook-id"]
        try:
            Webhook(SECRET).verify(body, headers)
        except WebhookVerificationError:
            self.bad_signatures += 1
        self.bodies[webhook_id].add(body)
        if self.is_gone(path):
            writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
            return True
        fault = self.rng.choice(self.faults) if self.rng.random() < self.fault_share else ""
        self.met.add(fault)
        if fault == "500":
            writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
            return True
        if fault == "429":
            writer.write(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
            return True
        if fault == "reset":
            writer.transport.abort()
            return False
        if fault == "silence":
            await asyncio.sleep(self.silence_s)
            return False
        if webhook_id not in self._known:
            self._known.add(webhook_id)
            self.taken.append(webhook_id)
        if fault == "late_reset":
            writer.transport.abort()
            return False
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        return True
