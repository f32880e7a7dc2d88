"""What the gateway answers: JSON always, and for a refusal which field, which value, and what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from fastapi import Response

from scoring.errors import EventError, LeadheatError

RETRY_AFTER_S: Final = 2
"""What a 503 asks of the sender: a broker that restarts needs seconds, and SDKs hold their queues meanwhile."""

_TEXT_LENGTH_MAX: Final = 500

_encode = msgspec.json.Encoder().encode


class Fault(msgspec.Struct, kw_only=True):
    """One thing that is wrong; ``index`` is its item's place in a body that holds several."""

    index: int | msgspec.UnsetType = msgspec.UNSET
    field: str
    reason: str
    message: str


class Refusal(LeadheatError):  # noqa: N818 - the sender's error, not ours
    """A request that is answered with a 4xx, or with 503 while the broker takes nothing.

    >>> Refusal.because(401, "unauthorized", "Authorization", "no write key was sent").faults[0].reason
    'unauthorized'
    """

    def __init__(self, status: int, faults: Sequence[Fault], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(
            "; ".join(f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in faults)
        )
        self.status = status
        self.faults = faults
        self.headers = headers

    @classmethod
    def because(
        cls, status: int, reason: str, field: str, message: str, headers: Mapping[str, str] | None = None
    ) -> Refusal:
        """Refuse for a single fault of the request as a whole."""
        return cls(status, [Fault(field=field, reason=reason, message=message)], headers)

    def answer(self) -> Response:
        """Answer ``{"error": fault}``, or ``{"errors": [fault, …]}`` where faults belong to items.

        Beside it stand ``code`` and ``message``, which Segment's and RudderStack's SDKs show, and PostHog's ``detail``.
        """
        text = str(self)[:_TEXT_LENGTH_MAX]
        for_sdks = {"code": self.faults[0].reason, "message": text, "detail": text}
        if len(self.faults) == 1 and self.faults[0].index is msgspec.UNSET:
            return json_answer({"error": self.faults[0], **for_sdks}, self.status, self.headers)
        return json_answer({"errors": self.faults, **for_sdks}, self.status, self.headers)


def unavailable(message: str) -> Refusal:
    """Refuse with 503, and say when to try again."""
    return Refusal.because(503, "unavailable", "", message, {"Retry-After": str(RETRY_AFTER_S)})


def fault_of(error: EventError, index: int | msgspec.UnsetType = msgspec.UNSET) -> Fault:
    """Turn the error of one event into the fault that the sender sees."""
    return Fault(index=index, field=error.field, reason=error.reason, message=error.message)


def json_answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with ``content`` as JSON."""
    return Response(_encode(content), status, headers, "application/json")
