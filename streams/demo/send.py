"""Sends the world's events over HTTP, as a customer would: the site's with Segment's official client, others as JSON.

The client (``segment-analytics-python``) gathers calls in a thread and posts them to ``/v1/batch``; what mail servers
report goes to ``POST /v1/events``, and what becomes known of companies to ``POST /v1/accounts``, in our own form. All
ways repeat what is answered with 503.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import httpx
from segment.analytics.client import Client

from scoring.account_updates import AccountUpdate
from scoring.events import EMAIL_TYPES, Event
from streams.records import encode

BATCH_MAX: Final = 400
"""Events per request at most: the gateway takes 500 KB, and ours have about 600 bytes."""

WAITING_MAX: Final = 50_000
"""Events that may wait to be sent; far more than a history has."""

EVENTS_PATH: Final = "/v1/events"
ACCOUNTS_PATH: Final = "/v1/accounts"

ATTEMPTS: Final = 5
TIMEOUT_S: Final = 5.0
_RETRY_S: Final = 0.5

Lost = Callable[[int, str], None]
"""Told of events that were given up: how many, and why."""


class Sender:
    """Sends events in the background, in batches of at most ``batch_max``; live, 1 sends each at once.

    ``lost`` may be called from another thread.
    """

    def __init__(self, gateway_url: str, lost: Lost, batch_max: int = 1) -> None:
        self._url = gateway_url
        self._lost = lost
        self._batch_max = batch_max
        self._mails: asyncio.Queue[Event | AccountUpdate] = asyncio.Queue(WAITING_MAX)
        self._updates: asyncio.Queue[Event | AccountUpdate] = asyncio.Queue(WAITING_MAX)
        self._client = Client(
            "demo-without-key",  # the client wants one; without LEADHEAT_WRITE_KEYS the gateway asks for none
            host=gateway_url,
            on_error=lambda error, items: lost(len(items), f"Segment's client gave up: {error}"),
            max_queue_size=WAITING_MAX,
            upload_size=batch_max,
            upload_interval=0.1,
            max_retries=ATTEMPTS,
            timeout=TIMEOUT_S,
            proxies={"http": ""},  # this machine is not reached through a proxy, whatever the environment says
        )
        logging.getLogger("segment").setLevel(logging.CRITICAL)  # it is told by `lost`, not across the screen

    async def __aenter__(self) -> Self:
        """Begin to post what has our own form."""
        self._posting = [
            asyncio.create_task(self._post_from(queue, path))
            for queue, path in ((self._mails, EVENTS_PATH), (self._updates, ACCOUNTS_PATH))
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop sending; what waits is dropped unless it was flushed."""
        for posting in self._posting:
            posting.cancel()
            with suppress(asyncio.CancelledError):
                await posting
        await _in_a_thread(self._client.join)

    def send(self, event: Event | AccountUpdate) -> None:
        """Take one event; returns at once."""
        if isinstance(event, AccountUpdate):
            self._updates.put_nowait(event)
            return
        if event.type in EMAIL_TYPES:
            self._mails.put_nowait(event)
            return
        taken, _ = call(self._client, event)
        if not taken:
            self._lost(1, "Segment's client has no room left")

    async def flush(self) -> None:
        """Wait until all that was taken has been answered, or given up."""
        await self._mails.join()
        await self._updates.join()
        await _in_a_thread(self._client.flush)

    async def _post_from(self, queue: asyncio.Queue[Event | AccountUpdate], path: str) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=TIMEOUT_S, trust_env=False) as client:
            while True:
                batch = [await queue.get()]
                while len(batch) < self._batch_max and not queue.empty():
                    batch.append(queue.get_nowait())
                why = await _post(client, path, batch)
                if why:
                    self._lost(len(batch), f"{path}: {why}")
                for _ in batch:
                    queue.task_done()


async def _post(client: httpx.AsyncClient, path: str, batch: Sequence[Event | AccountUpdate]) -> str:
    """Post a batch until it is taken; returns why it was given up, or nothing."""
    body = b"[" + b",".join(encode(item) for item in batch) + b"]"
    why = ""
    for attempt in range(ATTEMPTS):
        try:
            answer = await client.post(path, content=body)
        except httpx.TransportError as error:
            why = repr(error)
        else:
            if answer.status_code == httpx.codes.OK:
                return ""
            why = f"{answer.status_code} {answer.text[:200]}"
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return why
        await asyncio.sleep(_RETRY_S * 2**attempt)
    return why


async def _in_a_thread(work: Callable[[], None]) -> None:
    """Wait for a call that blocks. Unlike asyncio's, this thread is not waited for when we are cancelled and end."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        work()
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, daemon=True).start()
    await done.wait()


def call(client: Any, event: Event) -> tuple[bool, dict[str, Any]]:
    """Make the call of Segment's client that means ``event``; returns whether it was taken, and the message."""
    common = {
        "user_id": event.user_id,
        "anonymous_id": event.anonymous_id,
        "timestamp": datetime.fromtimestamp(int(event.time) / 1000, UTC),
        "message_id": event.id,
        "context": _context(event),
    }
    match event.type:
        case "identified":
            return client.identify(traits=event.traits or {}, **common)  # type: ignore[no-any-return]
        case "grouped":
            return client.group(group_id=event.account_id, traits=event.properties, **common)  # type: ignore[no-any-return]
        case "page_viewed":
            properties = dict(event.properties)
            return client.page(name=properties.pop("name"), properties=properties, **common)  # type: ignore[no-any-return]
        case other:  # Segment's names of events are in the manner of "Form Submitted"
            name = other.replace("_", " ").title()
            return client.track(event=name, properties=event.properties, **common)  # type: ignore[no-any-return]


def _context(event: Event) -> dict[str, Any]:
    """Return an event's context with who it is about, where Segment has it."""
    about = {"traits": {"email": event.email}} if event.email is not None else {}
    group = {"groupId": event.account_id} if event.account_id is not None else {}
    return {**(event.context or {}), **about, **group}
