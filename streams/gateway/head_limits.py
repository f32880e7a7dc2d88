"""Bounds on the head of a request, its line and headers, which uvicorn's quick parser has none of: bytes and seconds.

Whoever sends headers without end would fill the memory, and whoever sends a byte now and then would hold connections
for nothing; both before any code of ours is asked.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX: Final = 64 * 1024
"""What other servers allow is 8 to 64 KB."""

HEAD_TIMEOUT_S: Final = 10.0
"""From the connection, or a request's first byte, to the end of its head."""

_HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b'content-length: 58\r\n\r\n{"code":"too_large","message":"the headers exceed 64 KB"}\n'
)


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's protocol, which hangs up on heads that are too large or too slow."""

    _head_bytes = 0
    _in_head = True
    _is_too_large = False
    _is_refused = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._end_wait()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX:
            self._refuse()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        if not self._in_head:
            self._head_bytes = 0
            self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note whether a head that came in one go is too large."""
        super().on_header(name, value)
        if len(name) + len(value) > HEAD_BYTES_MAX:
            self._is_too_large = True

    def on_headers_complete(self) -> None:
        """Hand a request on, unless its head is too large."""
        self._end_wait()
        self._in_head = False
        if self._is_too_large or sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES_MAX:
            self._refuse()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body, unless nobody was handed its head."""
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, unless nobody was handed its head."""
        if not self._is_refused:
            super().on_message_complete()

    def _refuse(self) -> None:
        self._is_refused = True
        if not self.transport.is_closing():
            self.transport.write(_HEAD_TOO_LARGE)
            self.transport.close()

    def _await_head(self) -> None:
        self._in_head = True
        self._end_wait()
        self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._hang_up)

    def _end_wait(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _hang_up(self) -> None:
        self.transport.close()
