"""What all sinks have in common."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final, Protocol

import httpx

from streams.delivery.attempts import Attempt, Failed
from streams.delivery.guard import RefusedAddressError
from streams.delivery.messages import Message
from streams.delivery.records import Delivery

RETRY_AFTER_MAX_MS: Final = 24 * 3_600_000
_SHOWN_MAX: Final = 200


class Sink(Protocol):
    """A receiver. ``earlier`` is what it calls the message that a delivery follows; empty where there is none."""

    def render(self, message: Message) -> str:
        """Return what is sent, the same at every try."""

    async def send(self, delivery: Delivery, earlier: str, now_ms: int) -> Attempt:
        """Try once; raises nothing that is expected to go wrong."""


def failure_of(response: httpx.Response, now_ms: int) -> Failed:
    """Return what an answer that is no success comes to.

    >>> failure_of(httpx.Response(429, headers={"Retry-After": "7"}), 0)
    Failed(reason='answered 429 Too Many Requests', retry_after_ms=7000, is_final=False, is_gone=False, is_down=True)
    """
    status = response.status_code
    reason = f"answered {status} {response.reason_phrase}".strip()
    if response.is_redirect:
        # It may lead anywhere, and a 301 or 302 would turn the POST into a GET.
        reason += ": redirects are not followed; give the final address"
    return Failed(
        reason,
        retry_after_ms=retry_after_ms(response.headers.get("retry-after"), now_ms),
        is_gone=status == httpx.codes.GONE,
        is_down=status >= 500 or status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.REQUEST_TIMEOUT),
    )


def retry_after_ms(header: str | None, now_ms: int) -> int | None:
    """Read a Retry-After header, seconds or a date, as a wait (ms) of at most a day.

    >>> retry_after_ms("120", 0), retry_after_ms("Thu, 01 Jan 1970 00:00:05 GMT", 2000), retry_after_ms("soon", 0)
    (120000, 3000, None)
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(RETRY_AFTER_MAX_MS, int(text[:9]) * 1000)
    try:
        wait_ms = round(parsedate_to_datetime(text).timestamp() * 1000) - now_ms
    except ValueError:
        return None
    return min(RETRY_AFTER_MAX_MS, max(0, wait_ms))


def failure_of_error(error: Exception) -> Failed:
    """Return what an error on the way comes to, in words without addresses, which may hold secrets."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return Failed("did not answer in time")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RefusedAddressError):
            return Failed(str(cause)[:_SHOWN_MAX])
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return Failed("cannot be reached")
    if isinstance(error, httpx.TransportError | OSError):
        return Failed(f"broke off: {type(error).__name__}")
    return Failed(f"failed: {type(error).__name__}", is_down=False)
