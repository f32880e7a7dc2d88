"""Whether a person did what an SDK tells: judged by the device that it names, or by the browser that sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from scoring.bots import drop_device, signs_of, tag
from scoring.events import ACTIVITIES, Event
from streams.gateway.auth import Caller

_JUDGED: Final = ACTIVITIES | {"email_opened"}


def add_verdict(event: Event, told: Mapping[str, Any], caller: Caller) -> None:
    """Write a verdict into an event, in place; ``told`` is its context as it was sent.

    A server's SDK has a user agent of its own, which says nothing of the person: only that of a browser counts, which
    names the page's site as Origin. What the sender has judged stays.
    """
    agent, address = _text(told, "userAgent"), _text(told, "ip")
    if caller.origin is not None:
        agent = caller.headers.get("user-agent", "") if agent is None else agent
        address = caller.host if address is None else address
    if agent is None and address is None and not event.context:
        return
    if event.verdict is not None or event.type not in _JUDGED:
        drop_device(event)
        return
    tag(event, signs_of(event, user_agent=agent, address=address))


def _text(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    return value if isinstance(value, str) else None
