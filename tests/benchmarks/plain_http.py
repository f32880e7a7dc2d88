"""Requests to a gateway with next to no work of one's own, so that it is the gateway that is measured."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Final

KEY: Final = "bench-key"
_CONNECTIONS: Final = 64


def post(path: str, body: object) -> bytes:
    """Return a whole HTTP request with a JSON body."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def get(path: str) -> bytes:
    """Return a whole HTTP request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


class Connection:
    """One kept connection, on which requests follow one another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, whole: bytes) -> None:
        """Send a request and read its answer; raises :class:`RuntimeError` for any but 200."""
        self._writer.write(whole)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{whole[:200]!r}: {head!r} {body[:500]!r}")

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def connect(port: int) -> Connection:
    """Open a connection to this machine."""
    return Connection(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 22))


async def ask_at_rate(port: int, requests: Sequence[bytes], per_s: float) -> list[float]:
    """Send requests at a steady rate, whatever the answers take.

    Returns how long each took (ms), from when it was due, but for those of the first second.
    """
    connections: asyncio.Queue[Connection] = asyncio.Queue()
    opened = [await connect(port) for _ in range(_CONNECTIONS)]
    for each in opened:
        connections.put_nowait(each)
    latencies: list[float] = []

    async def send_at(due: float, whole: bytes) -> None:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        connection = await connections.get()
        await connection.ask(whole)
        connections.put_nowait(connection)
        latencies.append((time.perf_counter() - due) * 1000)

    started = time.perf_counter() + 0.1
    await asyncio.gather(*(send_at(started + number / per_s, each) for number, each in enumerate(requests)))
    for each in opened:
        each.close()
    return latencies[int(per_s) :]
