"""One request from its first byte to its answer: read, identify, write, count."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from scoring.account_updates import AccountUpdate
from scoring.events import Event
from streams.dead_letters import DeadLetter
from streams.gateway.answers import Refusal, json_answer, unavailable
from streams.gateway.auth import Caller, caller_of
from streams.gateway.limits import BODY_BYTES_MAX, read_body
from streams.gateway.metrics import ACCEPTED, REFUSED, UNAVAILABLE, GatewayMetrics
from streams.gateway.producer import BrokerUnavailable, EventProducer
from streams.gateway.rate_limits import RateLimits
from streams.gateway.write_keys import WriteKeys


@dataclass(frozen=True)
class Submission:
    """What a reader made of a body: what to write, dead letters about the rest, and the answer once written."""

    answer: Mapping[str, object]
    events: Sequence[Event] = ()
    updates: Sequence[AccountUpdate] = ()
    letters: Sequence[DeadLetter] = ()


Reader = Callable[[bytes, int, Caller], Submission | Awaitable[Submission]]
"""Body, time of receipt (ms) and caller -> submission, at once or later. A reader identifies the caller, since the key
may lie in the body, and raises :class:`Refusal`."""


class Intake:
    """What all routes share. Its one promise: 2xx means that the broker has acknowledged everything."""

    def __init__(
        self,
        keys: WriteKeys,
        limits: RateLimits,
        producer: EventProducer,
        clock: Callable[[], int],
        metrics: GatewayMetrics,
    ) -> None:
        self._keys = keys
        self._limits = limits
        self._producer = producer
        self._clock = clock
        self._metrics = metrics

    async def take(self, request: Request, route: str, read: Reader, body_bytes_max: int = BODY_BYTES_MAX) -> Response:
        """Take one request in; ``route`` labels it in metrics. Raises :class:`Refusal`."""
        caller = caller_of(request, self._keys)
        with self._metrics.request_seconds.labels(route).time():
            try:
                result = read(await read_body(request, body_bytes_max), self._clock(), caller)
                submission = result if isinstance(result, Submission) else await result
                await self._keep_to_limit(caller, submission)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read it
            except Refusal as refusal:
                self._count(caller, route, REFUSED, len(refusal.faults))
                raise
            await self._write(submission, caller, route)
            return json_answer(submission.answer)

    async def _keep_to_limit(self, caller: Caller, submission: Submission) -> None:
        if not caller.key_id:
            return  # signed by a provider
        count = len(submission.events) + len(submission.updates) + len(submission.letters)
        wait_s = await self._limits.take(caller.key_id, max(1, count))
        if wait_s > 0:
            retry_after = str(max(1, math.ceil(wait_s)))
            raise Refusal.because(
                429,
                "too_many",
                "",
                f"this write key sends more than LEADHEAT_EVENTS_PER_S; send it again after {retry_after} s",
                {"Retry-After": retry_after},
            )

    async def _write(self, submission: Submission, caller: Caller, route: str) -> None:
        good = len(submission.events) + len(submission.updates)
        count = good + len(submission.letters)
        self._metrics.in_flight_events.inc(count)
        try:
            if submission.events:
                await self._producer.send(submission.events)
            if submission.updates:
                await self._producer.send_account_updates(submission.updates)
            if submission.letters:
                await self._producer.send_dead_letters(submission.letters)
        except BrokerUnavailable as error:
            self._count(caller, route, UNAVAILABLE, count)
            raise unavailable(f"{error}; try again") from error
        finally:
            self._metrics.in_flight_events.dec(count)
        self._count(caller, route, ACCEPTED, good)
        self._count(caller, route, REFUSED, len(submission.letters))

    def _count(self, caller: Caller, route: str, outcome: str, count: int) -> None:
        if count:
            self._metrics.events.labels(caller.source, route, outcome).inc(count)
