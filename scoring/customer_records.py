"""What is published of a customer: its value, why, its segment, what follows from it, and how it came about."""

from __future__ import annotations

from typing import Any

import msgspec

from scoring.customer_value import CriterionRating


class ManualRating(msgspec.Struct, omit_defaults=True, gc=False, frozen=True):
    """What ``by`` said of a criterion at ``at_ms`` (ms since 1970)."""

    criterion: str
    answer: str | int | float | bool
    by: str
    at_ms: int


class ManualSegment(msgspec.Struct, omit_defaults=True, gc=False, frozen=True):
    """A segment that ``by`` set at ``at_ms``, until ``until_ms`` (ms since 1970)."""

    segment: str
    reason: str
    until_ms: int
    by: str
    at_ms: int


class SegmentSince(msgspec.Struct, omit_defaults=True, gc=False, frozen=True):
    """The segment that a customer was in from ``at_ms`` on (ms since 1970), and its value then."""

    segment: str
    at_ms: int
    value: float | None = None


class CustomerValue(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A record of the customer-values topic: the customer as of ``at_ms`` (ms since 1970), by the model ``model``.

    ``value`` is 0 to ``value_max``, None where less than the model asks for is known; ``coverage`` (0 to 1) is how much
    is. ``automatic`` is the segment without a manual one, ``why`` says what is not plain. ``ratings`` are those of
    all criteria, ``aspects`` their means (0 to 1). ``by_hand`` and ``manual`` are what sales says, old or not;
    ``history`` the latest segments, the latest last. ``facts`` are what criteria ask for, and a year's ``revenue`` and
    ``profit``. ``since_ms`` is the first win or invoice; ``churned_at_ms`` is given while it is no customer any more.
    """

    account: str
    at_ms: int
    segment: str
    automatic: str
    value: float | None
    value_max: float
    coverage: float
    model: str
    action: str = ""
    service: str = ""
    why: str = ""
    name: str = ""
    owner: str = ""
    since_ms: int | None = None
    churned_at_ms: int | None = None
    ratings: list[CriterionRating] = []
    aspects: dict[str, float] = {}
    by_hand: list[ManualRating] = []
    manual: ManualSegment | None = None
    history: list[SegmentSince] = []
    facts: dict[str, Any] = {}
