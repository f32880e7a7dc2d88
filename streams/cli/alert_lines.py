"""An alert in words: in one line, and with all that one needs to make a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.text import Text

from scoring.alerts import Alert, LedgerLine, Origin
from scoring.score_records import LeadScore, ScoreLine
from streams.cli.output import printable, show_band, show_lead, show_points, show_time

_RULES_SHOWN: Final = 3
_EVIDENCE_SHOWN: Final = 10
_TIMES_SHOWN: Final = 3
_INDENT: Final = "    "
_ENDED: Final = {"cooled": "cooled to", "retracted": "retracted (a machine's doing), back to"}


def describe_alert(alert: Alert, now_ms: int) -> Text:
    """Return an alert in one line: who, how much, of what, why, and until when."""
    entered = alert.kind == "entered"
    line = Text(f"{show_time(alert.time_ms, now_ms)} ")
    if entered:
        line.append(show_band(alert.band.upper()).plain, show_band(alert.band).style)
    else:
        line.append(f"{_ENDED[alert.kind]} {printable(alert.band)}", "cyan")
    line.append(f" {show_lead(alert.lead)}", "bold")
    reasons = show_reasons(alert.ledger)
    line.append(f" {alert.score:.1f} points{f' ({reasons})' if reasons else ''}")
    if alert.cause is not None:
        line.append(f" because {printable(alert.cause.type)} {printable(alert.cause.id)}")
    elif not entered:
        line.append(f" because time passed; was {printable(alert.from_band)}")
    if entered:
        cools = "never cools" if alert.cools_at_ms is None else f"cools {show_time(alert.cools_at_ms, now_ms)}"
        line.append(f", {cools}", "dim")
    return line


def describe_call(alert: Alert, now_ms: int) -> Text:
    """Return an alert with what a call needs below it: whom to reach, what they did, where from, what to ask."""
    lines = [describe_alert(alert, now_ms)]
    lines += (Text(f"{_INDENT}{line}") for line in _particulars(alert, now_ms))
    return Text("\n").join(lines)


def show_reasons(lines: Sequence[LedgerLine] | Sequence[ScoreLine]) -> str:
    """Return the largest contributions, for example ``+50 demo request, +20 pricing page ×2.0, …``."""
    counted: Iterable[LedgerLine | ScoreLine] = (line for line in lines if round(line.points, 1))
    largest = sorted(counted, key=lambda line: -abs(line.points))
    words = [_reason(line) for line in largest[:_RULES_SHOWN]] + ["…"] * (len(largest) > _RULES_SHOWN)
    return ", ".join(words)


def show_score_reasons(score: LeadScore) -> str:
    """Return the largest contributions to a published score, traits among them."""
    return show_reasons([*score.rules, *(ScoreLine(line.trait, line.points, 0.0) for line in score.traits)])


def show_contact(contact: dict[str, object]) -> str:
    """Return how a lead can be reached; only what is no name, number or address is said with what it is.

    >>> show_contact({"name": "Ann Lee", "phone": "+31 20 123", "owner": "bob"})
    'Ann Lee, +31 20 123, owner bob'
    """
    plain = {"name", "email", "phone", "title", "crm_url"}
    return ", ".join(
        printable(str(value)) if name in plain else f"{printable(name.replace('_', ' '))} {printable(str(value))}"
        for name, value in contact.items()
    )


def _particulars(alert: Alert, now_ms: int) -> Iterator[str]:
    if alert.contact:
        yield f"reach    {show_contact(dict(alert.contact))}"
    account = f"account {printable(alert.account)}" if alert.account else ""
    phase = f"in {printable(alert.phase)}" if alert.phase and alert.stage else ""
    about = [text for text in (account, printable(alert.stage), phase) if text]
    if about:
        yield f"is       {', '.join(about)}"
    if alert.held_until_ms is not None:
        yield f"held     until {show_time(alert.held_until_ms, now_ms)}"
    evidence = [line for line in alert.ledger if line.subject or line.last_ms]
    for number, line in enumerate(evidence[:_EVIDENCE_SHOWN]):
        yield f"{'' if number else 'did':<9}{_evidence(line, now_ms)}"
    yield from _origins(alert, now_ms)
    if alert.coverage is not None and alert.unknown:
        names = ", ".join(printable(name.replace("_", " ")) for name in alert.unknown)
        yield f"ask      {names} ({alert.coverage:.0%} of the questions are answered)"


def _evidence(line: LedgerLine, now_ms: int) -> str:
    """Return a ledger line with what its latest match was about, and when the latest matches were."""
    times = [event.time_ms for event in line.events] or [line.last_ms] * (line.last_ms > 0)
    shown = ", ".join(show_time(time_ms, now_ms) for time_ms in times[:_TIMES_SHOWN])
    more = ", …" if len(times) > _TIMES_SHOWN else ""
    about = f" {printable(line.subject)}" if line.subject else ""
    return f"{_reason(line)}:{about}{' at' if about else ''} {shown}{more}"


def _origins(alert: Alert, now_ms: int) -> Iterator[str]:
    first, last = alert.first_touch, alert.last_touch
    if first is not None:
        yield f"came     {_origin(first, now_ms)}"
    if last is not None and last != first:
        yield f"{'again' if first is not None else 'came':<9}{_origin(last, now_ms)}"


def _origin(origin: Origin, now_ms: int) -> str:
    source = " / ".join(printable(text) for text in (origin.source, origin.medium, origin.campaign) if text)
    words = [f"from {source}" if source else "", f"to {printable(origin.page)}" if origin.page else ""]
    return " ".join([*filter(None, words), show_time(origin.time_ms, now_ms)])


def _reason(line: LedgerLine | ScoreLine) -> str:
    count = line.count if isinstance(line, LedgerLine) else 0.0
    times = f" ×{count:.1f}" if round(count, 1) > 1 else ""
    ceiling = " ceiling" if isinstance(line, LedgerLine) and line.kind == "channel" else ""
    return f"{show_points(line.points)} {printable(line.rule.replace('_', ' '))}{ceiling}{times}"
