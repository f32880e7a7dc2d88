"""Buying signals of an account: what its contacts and the news of the company amount to, each said once in a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from scoring.contacts import Contact
from scoring.model import ScoringModel, Signal
from scoring.signal_detectors import Found, detect
from scoring.signal_history import CompanyNews, Sighting, SignalHistory
from scoring.signal_records import EVIDENCE_MAX, PEOPLE_MAX, Finding, SignalEvidence

_HOUR_MS: Final = 3_600_000


class SignalBook:
    """A model's signals, which can be looked for at any account.

    >>> from scoring.contacts import Contact
    >>> from scoring.model import parse_model
    >>> book = SignalBook(parse_model('''
    ... version: v1
    ... rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}
    ... bands: {warm: {enter: 30, leave: 20}}
    ... signals: {busy: {kind: count, sessions: 2, within_days: 7}}
    ... ''', "m.yaml"))
    >>> day = 86_400_000
    >>> ann = Contact("email:ann@acme.com", 1, sessions=[100 * day, 107 * day], name="Ann")
    >>> [(found.signal, found.summary) for found in book.detect([ann], [], 107 * day, {})]
    [('busy', '2 visits within 7 days by Ann')]
    >>> book.detect([ann], [], 107 * day, {"busy": 107 * day})
    []
    """

    def __init__(self, model: ScoringModel) -> None:
        self._signals = model.signals

    def detect(
        self, contacts: Sequence[Contact], company_events: Sequence[CompanyNews], now_ms: int, fired: Mapping[str, int]
    ) -> list[Finding]:
        """Return the signals that are new at an account, in the order of the model.

        ``company_events`` are those the account remembers, as (type, time, id); ``now_ms`` is the latest time of
        anything it knows. ``fired`` says of which signal which ``at_ms`` was said last: it is said again when it has
        been completed anew, at least its cooldown later. Times are in ms since 1970. The order of contacts and of
        company events makes no difference. How old a finding may be is for the caller to say.
        """
        history = SignalHistory(contacts, company_events, now_ms)
        findings = []
        for name, signal in self._signals.items():
            since_ms = _due_ms(signal, fired[name]) if name in fired else 0.0
            if now_ms < since_ms:
                continue  # nothing is completed later than now: most signals rest, and cost nothing
            found = detect(signal, history, since_ms)
            if found is not None:
                findings.append(_finding(name, signal, found))
        return findings


def _due_ms(signal: Signal, fired_ms: int) -> float:
    """Return from when on a signal may be said again: after its cooldown, and never for what was said already."""
    return fired_ms + max(1.0, signal.cooldown_h * _HOUR_MS)


def _finding(name: str, signal: Signal, found: Found) -> Finding:
    sightings = sorted(found.sightings)
    return Finding(
        signal=name,
        kind=signal.kind,
        polarity=signal.polarity,
        at_ms=found.at_ms,
        people=_people(sightings)[:PEOPLE_MAX],
        evidence=[SignalEvidence(*sighting) for sighting in sightings[-EVIDENCE_MAX:]],
        summary=found.summary,
    )


def _people(sightings: Sequence[Sighting]) -> list[str]:
    """Return who is behind ``sightings`` (in order of time), who acted last first."""
    return list(dict.fromkeys(lead for _, _, lead, _ in reversed(sightings) if lead))
