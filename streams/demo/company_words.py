"""Companies and their signals in words; the same on a terminal and in plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from scoring.account_records import AccountScore
from scoring.signal_records import BuyingSignal, SignalEvidence, SignalPerson
from streams.demo.words import printable, show_clock, show_name, show_score

PEOPLE_SHOWN: Final = 6
EVIDENCE_SHOWN: Final = 6


def show_fit(fit: float | None, level: str) -> str:
    """Return how well a company fits.

    >>> show_fit(7.46, "moderate"), show_fit(None, "unknown"), show_fit(0.0, "excluded")
    ('7.5 moderate', 'unknown', 'excluded')
    """
    return level if fit is None or level == "excluded" else f"{fit:.1f} {level}"


def show_account(account: str, name: str) -> str:
    """Return a company's name, or its domain where nobody has told the name.

    >>> show_account("domain:northwind.example", "Northwind"), show_account("domain:you.example", "")
    ('Northwind', 'you.example')
    """
    return printable(name or account.partition(":")[2])


def latest_signal(record: AccountScore) -> str:
    """Return which signal a company gave last; nothing if it gave none."""
    return max(record.signals, key=lambda name: (record.signals[name], name), default="").replace("_", " ")


def hottest_people(record: AccountScore, width: int) -> str:
    """Return how many of a company's people are known, and the two most engaged, as far as so many columns allow.

    >>> from scoring.account_records import AccountContact
    >>> record = AccountScore(account="domain:a.example", score=9.0, at_ms=0, band="cold", half_life_days=30, model="1",
    ...     people=14, contacts=[AccountContact("email:ada.lind@a.example", 5, 0), AccountContact("user:7", 4, 0)])
    >>> hottest_people(record, 30), hottest_people(record, 12)
    ('14: ada.lind, 7', '14: ada.lind')
    """
    text = str(record.people)
    for number, contact in enumerate(record.contacts[:2]):
        longer = f"{text}{', ' if number else ': '}{show_name(contact.lead)}"
        if len(longer) > width:
            break
        text = longer
    return text


def show_signal(signal: BuyingSignal) -> str:
    """Return what a signal says, with the company that gives it."""
    return f"{show_account(signal.account, signal.name)} {told_by(signal)}"


def told_by(signal: BuyingSignal) -> str:
    """Return the name of a signal and its sentence."""
    return printable(f"{signal.signal.replace('_', ' ')}: {signal.summary}", 200)


def is_bad(signal: BuyingSignal) -> bool:
    """Whether a signal speaks against a purchase."""
    return signal.polarity == "negative"


def buying_group(signals: Iterable[BuyingSignal]) -> BuyingSignal | None:
    """Choose the signal that tells of most people, of the latest ones."""
    groups = [signal for signal in signals if signal.kind == "distinct_contacts" and signal.fit_level != "excluded"]
    return max(groups, key=lambda signal: (len(signal.people), signal.time_ms), default=None)


def best_evidenced(signals: Iterable[BuyingSignal]) -> BuyingSignal | None:
    """Choose a signal that is made of several things: how people decide is told before how often they came."""
    others = [signal for signal in signals if signal.kind != "distinct_contacts"]
    return max(
        others, key=lambda signal: (signal.kind == "sequence", len(signal.evidence), signal.time_ms), default=None
    )


def group_lines(signal: BuyingSignal) -> Iterator[str]:
    """Yield a buying group: the company, and its people, the most engaged first."""
    fit = show_fit(signal.fit, signal.fit_level)
    yield f"  {show_account(signal.account, signal.name)}: fit {fit}, {show_score(signal.score)} points, {signal.band}"
    yield f"  {show_clock(signal.time_ms)} {told_by(signal)}"
    for person in sorted(signal.people, key=lambda person: -person.score)[:PEOPLE_SHOWN]:
        yield f"    {show_score(person.score):>7}  {_person(person)}"
    if len(signal.people) > PEOPLE_SHOWN:
        yield f"             and {len(signal.people) - PEOPLE_SHOWN} more"


def evidence_lines(signal: BuyingSignal) -> Iterator[str]:
    """Yield a signal with its evidence, the earliest first."""
    yield f"  {show_clock(signal.time_ms)} {show_signal(signal)}"
    for evidence in signal.evidence[-EVIDENCE_SHOWN:]:
        yield f"    {_evidence(evidence)}"


def _person(person: SignalPerson) -> str:
    name = person.name or show_name(person.lead)
    return printable(f"{name}, {person.role}" if person.role else name)


def _evidence(evidence: SignalEvidence) -> str:
    at = datetime.fromtimestamp(evidence.time_ms / 1000, UTC).astimezone()
    what = evidence.what.replace("_", " ") + (f" ({evidence.subject})" if evidence.subject else "")
    by = f" by {show_name(evidence.lead)}" if evidence.lead else ""
    return f"{at.day:>2} {at:%b %H:%M}  {printable(what)}{by}"
