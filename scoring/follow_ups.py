"""Follow-ups: what sales did about a lead, and what came of it.

A follow-up on the wire is one JSON object, the record of follow-ups, keyed by the lead::

    {"id": "f-1", "lead": "email:ann@example.com", "action": "rejected", "time": 1767225600000,
     "reason": "not_ready", "alert_id": "5d41402abc4b2a76b9719d911017c592", "by": "bob"}

``time`` is that of an event. Unknown fields are ignored here, as in events; our own HTTP endpoint refuses them.
"""

from __future__ import annotations

from math import isfinite
from typing import Final

import msgspec

from scoring.errors import EventError
from scoring.events import (
    EVENT_BYTES_MAX,
    TIME_MIN_MS,
    check_id,
    check_time,
    explain_undecodable,
    parse_time,
    too_large,
)
from scoring.identity import normal_lead

ACTIONS: Final = {
    "accepted": "somebody takes the lead on",
    "rejected": "nobody does, for a reason",
    "contacted": "the lead was called or written to",
    "meeting": "a meeting is agreed",
    "opportunity": "an opportunity was opened",
    "won": "the lead is a customer",
    "lost": "the opportunity was lost",
    "adjusted": "a person adds points to the score, or takes some away, until a date",
    "suppressed": "the lead is scored and never alerted",
    "released": "the lead is suppressed no more",
    "breached": "nobody contacted the lead in time; delivery alone says so",
}
"""The whole vocabulary, closed like that of events, with what each says."""

REJECTIONS: Final = ("not_ready", "bad_fit", "wrong_person", "unreachable", "duplicate", "no_interest", "other")
"""Why a lead is rejected."""

SUPPRESSIONS: Final = ("complaint", "own_domain", "competitor", "other")
"""Why a lead is suppressed."""

CONTACTED: Final = frozenset({"contacted", "meeting", "opportunity", "won", "lost"})
"""Actions that say that somebody has spoken to the lead."""

POINTS_MAX: Final = 1_000.0
TEXT_LENGTH_MAX: Final = 500
"""Characters of a reason in words, of a note, and of a name."""


class FollowUp(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """What somebody did about one lead, as it lies in Kafka.

    ``time`` is in ms since 1970 (UTC) after :func:`decode_follow_up`. ``alert_id`` is the alert or buying signal that
    it answers, if any. ``reason`` is one of :data:`REJECTIONS` or :data:`SUPPRESSIONS`, or says why points were
    adjusted; ``points`` (signed, not 0) count until ``until`` (ms). ``by`` is who did it, ``source`` where it came
    from: ``link``, ``api``, a CRM.
    """

    id: str
    lead: str
    action: str
    time: int | str
    alert_id: str = ""
    reason: str = ""
    note: str = ""
    points: float | None = None
    until: int | str | None = None
    by: str = ""
    source: str = ""


_decode = msgspec.json.Decoder(FollowUp).decode
_encode = msgspec.json.Encoder().encode


def decode_follow_up(raw: bytes, received_ms: int) -> FollowUp:
    """Decode and check one follow-up as it lies in Kafka.

    ``received_ms`` is when it was taken in (ms): a follow-up may not lie more than 5 minutes after it.

    >>> follow_up = decode_follow_up(
    ...     b'{"id":"f","lead":"email:Ann@Example.com","action":"accepted","time":1767225600000}', 1767225600000)
    >>> follow_up.lead, follow_up.action
    ('email:ann@example.com', 'accepted')

    Raises :class:`EventError` with one of :data:`scoring.events.REASONS`, naming the field.
    """
    if len(raw) > EVENT_BYTES_MAX:
        raise too_large(len(raw))
    try:
        follow_up = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise explain_undecodable(raw, error) from None
    check_follow_up(follow_up, received_ms)
    return follow_up


def check_follow_up(follow_up: FollowUp, received_ms: int) -> None:
    """Hold a follow-up against the vocabulary and the bounds, and bring times and the lead to their normal form.

    Raises :class:`EventError`.
    """
    check_id(follow_up.id)
    if follow_up.action not in ACTIONS:
        known = ", ".join(ACTIONS)
        raise EventError("unknown_type", "action", f"{follow_up.action[:80]!r} is not in the vocabulary: {known}")
    follow_up.time = check_time(follow_up.time, received_ms)
    follow_up.lead = normal_lead(follow_up.lead)
    for name in ("reason", "note", "by", "source", "alert_id"):
        length = len(getattr(follow_up, name))
        if length > TEXT_LENGTH_MAX:
            raise EventError("too_large", name, f"has {length} characters; at most {TEXT_LENGTH_MAX} are taken")
    _check_reason(follow_up)
    _check_adjustment(follow_up)


def encode_follow_up(follow_up: FollowUp) -> bytes:
    """Encode a follow-up as it is written to Kafka; fields that hold their default are left out."""
    return _encode(follow_up)


def _check_reason(follow_up: FollowUp) -> None:
    """Make sure that a rejection, a suppression and an adjustment say why."""
    known = {"rejected": REJECTIONS, "suppressed": SUPPRESSIONS}.get(follow_up.action)
    if known is not None and follow_up.reason not in known:
        what = repr(follow_up.reason[:80]) if follow_up.reason else "nothing"
        reason = "unknown_type" if follow_up.reason else "missing_field"
        raise EventError(reason, "reason", f"{what} is no reason here; expected one of {', '.join(known)}")
    if follow_up.action == "adjusted" and not follow_up.reason.strip():
        raise EventError("missing_field", "reason", "an adjustment says why")


def _check_adjustment(follow_up: FollowUp) -> None:
    """Hold points and their end against the bounds: an adjustment has both, nothing else has any."""
    points = follow_up.points
    if follow_up.action != "adjusted":
        for name in ("points", "until"):
            if getattr(follow_up, name) is not None:
                raise EventError("unknown_field", name, f"belongs to adjusted, not to {follow_up.action}")
        return
    if points is None:
        raise EventError("missing_field", "points", "an adjustment has points")
    if not isfinite(points) or not points or abs(points) > POINTS_MAX:
        raise EventError("wrong_type", "points", f"{points} does not lie between ±{POINTS_MAX:g}, or is 0")
    if follow_up.until is None:
        raise EventError("missing_field", "until", "an adjustment has an end")
    try:
        until = parse_time(follow_up.until) if isinstance(follow_up.until, str) else follow_up.until
    except EventError as error:
        raise EventError(error.reason, "until", error.message) from None
    assert isinstance(follow_up.time, int)
    if not max(follow_up.time, TIME_MIN_MS) < until < 1 << 47:
        raise EventError("bad_time", "until", f"{str(until)[:20]} does not lie after the time of the follow-up")
    follow_up.until = until
