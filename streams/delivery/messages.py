"""An alert or a buying signal in the words of a message, before any sink gives it its form. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from scoring.alerts import Alert, LedgerLine
from scoring.identity import without_kind
from scoring.signal_records import BuyingSignal
from streams.delivery.escaping import plain
from streams.delivery.records import Delivery, Handoff, Kind

REASONS_MAX: Final = 5
ACTIONS: Final = (("accepted", "Accept"), ("contacted", "Contacted"), ("rejected", "Reject"))
"""The buttons of a message; the page behind each has the others, too."""


@dataclass(frozen=True)
class Message:
    """What is said: ``title`` in one line, ``facts`` by name, ``reasons`` a line each, ``buttons`` by label.

    Texts are plain and from outside: each sink escapes them in its own way. ``record`` is the alert or signal whole,
    for receivers that are programs. ``about`` is the alert that this follows; ``owner`` is who is asked.
    """

    id: str
    kind: Kind
    subject: str
    title: str
    time_ms: int
    facts: Sequence[tuple[str, str]] = ()
    reasons: Sequence[str] = ()
    notes: Sequence[str] = ()
    buttons: Sequence[tuple[str, str]] = ()
    about: str = ""
    owner: str = ""
    owner_slack: str = ""
    owner_email: str = ""
    record: dict[str, Any] = field(default_factory=dict)


LinkOf = Callable[[str, str, str], str]
"""The lead, the alert's id, and who is asked → the link to follow it up."""


def alert_message(alert: Alert) -> Message:
    """Return what is said of a lead that has entered a band, has left it, or was never rightly in it."""
    name = plain(str(alert.contact.get("name", ""))) or without_kind(alert.lead)
    who = f"{name} ({plain(alert.company or alert.account.removeprefix('domain:'))})" if alert.account else name
    if alert.kind == "entered":
        word = "worth a call about expansion" if alert.customer else alert.band
        title = f"{who} is {word}: {alert.score:.0f} points"
    elif alert.kind == "retracted":
        title = f"{who} was not {alert.from_band} after all: what that rested on was taken back"
    else:
        title = f"{who} has cooled to {alert.band}: {alert.score:.0f} points"
    facts = [
        *((label, plain(str(alert.contact[key]))) for key, label in _CONTACT if alert.contact.get(key)),
        *([("Fit", f"{alert.fit:.1f} of 10 ({alert.fit_level})")] if alert.fit is not None else []),
        *([("Phase", alert.phase.replace("_", " "))] if alert.phase else []),
        *([("Ask", ", ".join(alert.unknown).replace("_", " "))] if alert.unknown else []),
        *([("Hot until", show_time(alert.cools_at_ms))] if alert.kind == "entered" and alert.cools_at_ms else []),
    ]
    return Message(
        id=alert.id,
        kind=alert.kind,
        subject=alert.lead,
        title=plain(title),
        time_ms=alert.time_ms,
        facts=facts,
        reasons=_reasons(alert.ledger) if alert.kind == "entered" else [],
        about=alert.alert_id,
        record=msgspec.to_builtins(alert),
    )


_CONTACT: Final = (("email", "E-mail"), ("phone", "Phone"), ("title", "Title"), ("crm_url", "CRM"))


def signal_message(signal: BuyingSignal) -> Message:
    """Return what is said of an account's buying signal."""
    who = plain(signal.name or signal.account.removeprefix("domain:"))
    people = ", ".join(plain(person.name or without_kind(person.lead), 60) for person in signal.people[:5])
    facts = [
        *([("People", people)] if people else []),
        *([("Contact", "nobody is known yet")] if signal.without_contact else []),
        *([("Fit", f"{signal.fit:.1f} of 10 ({signal.fit_level})")] if signal.fit is not None else []),
        ("Engagement", f"{signal.score:.0f} points, {signal.band}"),
    ]
    return Message(
        id=signal.id,
        kind="signal",
        subject=signal.account,
        title=f"{who}: {signal.signal.replace('_', ' ')}",
        time_ms=signal.time_ms,
        facts=facts,
        reasons=[plain(signal.summary)],
        record=msgspec.to_builtins(signal),
    )


def breach_message(breach_id: str, handoff: Handoff, late: str, time_ms: int) -> Message:
    """Return what the next person is told of a lead that ``late``, the person before, did not contact in time."""
    waited = show_span(time_ms - handoff.at_ms)
    return Message(
        id=breach_id,
        kind="breached",
        subject=handoff.lead,
        title=f"Not contacted in time: {handoff.title}",
        time_ms=time_ms,
        facts=[("Waiting", f"{waited}, with {late or 'nobody'}"), ("Since", show_time(handoff.at_ms))],
        about=handoff.id,
        record={"id": breach_id, "kind": "breached", "alert_id": handoff.id, "lead": handoff.lead, "late": late},
    )


def digest_message(digest_id: str, owner: str, members: Iterable[Delivery], time_ms: int) -> Message:
    """Return one message for what was held back for a digest."""
    lines = [f"{show_time(member.at_ms)}  {member.title}" for member in members]
    return Message(
        id=digest_id,
        kind="digest",
        subject=f"owner:{owner}" if owner else "",
        title=f"{len(lines)} {'message' if len(lines) == 1 else 'messages'} since the last digest",
        time_ms=time_ms,
        reasons=lines,
        owner=owner,
        record={"id": digest_id, "kind": "digest", "owner": owner, "lines": lines},
    )


def show_time(time_ms: int) -> str:
    """Return a time as messages give it: in UTC, since who reads it may sit anywhere.

    >>> show_time(1_767_225_600_000)
    '1 Jan 2026 00:00 UTC'
    """
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{moment.day} {moment:%b %Y %H:%M} UTC"


def show_span(span_ms: int) -> str:
    """Return how long something took.

    >>> show_span(90 * 60_000), show_span(5_000)
    ('1 h 30 min', '5 s')
    """
    minutes, seconds = divmod(round(span_ms / 1000), 60)
    if minutes < 1:
        return f"{seconds} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def digest_of(*parts: str) -> str:
    """Return the id of what delivery itself says, which is the same for the same parts: 32 hex digits."""
    text = "".join(f"{len(part)}:{part}" for part in parts)  # a length keeps ("ab", "c") and ("a", "bc") apart
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _reasons(ledger: Sequence[LedgerLine]) -> list[str]:
    largest = sorted((line for line in ledger if round(line.points, 1)), key=lambda line: -abs(line.points))
    return [
        f"{line.points:+.0f} {line.rule.replace('_', ' ')}{f': {plain(line.subject, 80)}' if line.subject else ''}"
        for line in largest[:REASONS_MAX]
    ]
