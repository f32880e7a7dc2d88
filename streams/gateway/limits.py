"""How much a sender may send: bytes of a body (also once unpacked), bytes and depth of an event, seconds.

The sizes are those that Segment's SDKs are written for: 500 KB a batch, 32 KB an event.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from starlette.requests import Request

from scoring.account_updates import AccountUpdate
from scoring.events import EVENT_BYTES_MAX, Event, too_large
from streams.gateway.answers import Refusal
from streams.records import encode

BODY_BYTES_MAX: Final = 500 * 1024
WEBHOOK_BYTES_MAX: Final = 1024 * 1024
"""SendGrid collects events up to 768 KB."""

BODY_TIMEOUT_S: Final = 30.0
"""A body of 500 KB takes 16 s even at 256 kbit/s; a sender slower than this holds a connection for nothing."""

GROWTH_MAX: Final = 8
"""An event can be longer once we have written it: 1e15 becomes 1000000000000000.0 (four times as long), and
reading Segment's messages copies paths and addresses (at most twice). A shorter one need not be measured again."""

_GZIP: Final = 31  # zlib's wbits for "a gzip header and nothing else"


async def read_body(request: Request, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """Read the body of a request, unpacked where it came as gzip, and never more than ``bytes_max``.

    Raises :class:`Refusal`: 413 too large, 415 another encoding, 400 malformed gzip, 408 too slow.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise Refusal.because(
            415,
            "unsupported_encoding",
            "Content-Encoding",
            f"{encoding[:40]!r} is not known; expected gzip or none",
            {"Accept-Encoding": "gzip"},
        )
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            packed = await _collect(request, bytes_max)
    except TimeoutError:
        raise Refusal.because(
            408, "too_slow", "", f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s; send it again"
        ) from None
    return gunzip(packed, bytes_max) if "gzip" in encoding else packed


async def _collect(request: Request, bytes_max: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) > bytes_max:
        raise _body_too_large(bytes_max)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise _body_too_large(bytes_max)
    return bytes(body)


def gunzip(packed: bytes, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """Unpack gzip, stopping at ``bytes_max``: a bomb is never unpacked further than that.

    >>> import gzip
    >>> gunzip(gzip.compress(b'{"batch": []}'))
    b'{"batch": []}'

    Raises :class:`Refusal`: 413 where there is more, 400 where it is not one whole gzip stream. (gzip allows
    several streams in a row; no SDK sends them, and unpacking thousands of empty ones takes seconds.)
    """
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        body = unpacker.decompress(packed, bytes_max + 1)
    except zlib.error as error:
        raise _bad_gzip(str(error)) from None
    if len(body) > bytes_max:
        raise _body_too_large(bytes_max)
    if not unpacker.eof:
        raise _bad_gzip("it is cut short")
    if unpacker.unused_data:
        raise _bad_gzip(f"{len(unpacker.unused_data)} bytes follow its end")
    return body


def check_raw_size(raw: bytes) -> None:
    """Hold the bytes of one event against ``EVENT_BYTES_MAX``; raises :class:`EventError`."""
    if len(raw) > EVENT_BYTES_MAX:
        raise too_large(len(raw))


def check_written_size(item: Event | AccountUpdate, raw: bytes) -> None:
    """Make sure that the worker can read what we are about to write of ``raw``.

    Raises :class:`EventError` (``too_large``).
    """
    if len(raw) * GROWTH_MAX > EVENT_BYTES_MAX and (length := len(encode(item))) > EVENT_BYTES_MAX:
        raise too_large(length)


def _body_too_large(bytes_max: int) -> Refusal:
    return Refusal.because(
        413, "too_large", "", f"the body has more than {bytes_max} bytes (unpacked); send smaller batches"
    )


def _bad_gzip(why: str) -> Refusal:
    return Refusal.because(400, "malformed", "Content-Encoding", f"the body is not one whole gzip stream: {why}")
