"""Traffic that is itself a fault: events that repeat, come late or lie about their time, and records that are none."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator

from streams.clock import now_ms
from streams.topics import EMAIL_EVENTS, WEB_EVENTS
from tests.faults import long_ago
from tests.faults.rows import Event, Shape
from tests.faults.stage import Stage
from tests.faults.traffic import DAY_MS, Sending, to_sending

RING = 48
"""A lead knows its last 64 events again: what repeats does so before that many others of the lead have come."""
HOUR_MS = 3_600_000


def of_long_ago(count: int) -> Shape:
    """Let every second event be one of a lead whose state was there before, of which there are ``count``."""

    def shape(events: Iterable[Event], stage: Stage, rng: random.Random) -> Iterator[Sending]:
        for event in events:
            if "email" in event and rng.random() < 0.5:
                event["email"] = long_ago.address(rng.randrange(count))
                event.pop("anonymous_id", None)
            yield to_sending(event, stage.settings)

    return shape


def three_times(events: Iterable[Event], stage: Stage, rng: random.Random) -> Iterator[Sending]:
    """Send every event three times: at once, and again after some others."""
    waiting: list[Sending] = []
    for event in events:
        sending = to_sending(event, stage.settings)
        yield sending
        yield sending
        waiting.append(sending)
        if len(waiting) >= RING:
            yield waiting.pop(rng.randrange(len(waiting)))
    yield from waiting


def late(events: Iterable[Event], stage: Stage, rng: random.Random) -> Iterator[Sending]:
    """Let one event in four be a minute, a day or 40 days older than those around it."""
    for event in events:
        if rng.random() < 0.25:
            event["time"] -= rng.choice([60_000, DAY_MS, 40 * DAY_MS])
        yield to_sending(event, stage.settings)


def shuffled(events: Iterable[Event], stage: Stage, rng: random.Random) -> Iterator[Sending]:
    """Send all events in no order at all."""
    known = list(events)
    rng.shuffle(known)
    yield from (to_sending(event, stage.settings) for event in known)


def wrong_clocks(events: Iterable[Event], stage: Stage, rng: random.Random) -> Iterator[Sending]:
    """Let clocks be an hour or ten years off, stand at 0, or tell seconds for milliseconds.

    What is more than five minutes ahead, or before 1973, cannot be scored.
    """
    for event in events:
        is_usable = True
        if rng.random() < 0.3:
            now = now_ms()
            event["time"], is_usable = rng.choice(
                [
                    (now - HOUR_MS, True),
                    (now + HOUR_MS, False),
                    (now - 3652 * DAY_MS, True),
                    (now + 3652 * DAY_MS, False),
                    (0, False),
                    (now // 1000, False),
                ]
            )
        sending = to_sending(event, stage.settings)
        yield Sending(sending.key, sending.value, sending.topic, event, is_usable=is_usable)


def poison(events: Iterable[Event], stage: Stage, rng: random.Random) -> Iterator[Sending]:
    """Put records among the events that are none: broken JSON, other JSON, 1 MB, no value; and foreign headers."""
    prefix = stage.settings.prefix
    for number, event in enumerate(events):
        sending = to_sending(event, stage.settings)
        if rng.random() < 0.2:
            headers = (("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("x", b"\xff\xfe"))
            yield Sending(sending.key, sending.value, sending.topic, event, headers)
        else:
            yield sending
        if rng.random() < 0.1:
            topic = rng.choice([WEB_EVENTS, EMAIL_EVENTS]).full_name(prefix)
            key = rng.choice([sending.key, b"", b"\xff\x00", b"user:7"])
            yield Sending(key, _poison(sending.value or b"", rng), topic, is_usable=False)
        if number % 400 == 200:
            yield Sending(sending.key, b'{"id": "' + b"x" * 1_000_000, sending.topic, is_usable=False)


def _poison(value: bytes, rng: random.Random) -> bytes | None:
    return rng.choice(
        [
            None,
            b"",
            b"{",
            b"[]",
            b"null",
            b"7",
            b"\xff\xfe\x00",
            value[:-9],
            value.replace(b'"id"', b'"no"'),
            b"[" * 5_000,
            b'{"id": NaN, "type": "page_viewed"}',
            json.dumps({"id": "x", "type": "page_viewed", "time": 1e400, "email": "a@b.co"}).encode(),
        ]
    )


def hot_key(events: Iterable[Event], stage: Stage, rng: random.Random) -> Iterator[Sending]:
    """Let one event in twenty be of one lead."""
    for event in events:
        if rng.random() < 0.05 and "email" in event:
            event.pop("anonymous_id", None)
            event["email"] = f"hot-{event['id'].partition('-')[0]}@company1.com"
        yield to_sending(event, stage.settings)
