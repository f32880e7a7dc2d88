"""What is said of a buying signal: the evidence, what was found, and the record of it in the buying-signals topic."""

from __future__ import annotations

from typing import Final

import msgspec

from scoring.model_signals import Polarity

EVIDENCE_MAX: Final = 20
PEOPLE_MAX: Final = 20
"""Of more evidence and people the latest are told; the summary counts all."""


class SignalEvidence(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """Something that a signal is made of, at ``time_ms`` (ms since 1970).

    ``what`` is the name of a rule, a type of company event, ``session`` (a visit, at its beginning) or ``activity``
    (somebody's latest event). ``subject`` says more: a page or form, a number of events, the id of a company event.
    """

    time_ms: int
    what: str
    lead: str = ""
    subject: str = ""


class Finding(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """A signal that is there, completed at ``at_ms`` (ms since 1970).

    ``evidence`` is in the order of time, at most the latest 20; ``people`` are leads, who acted last first, at most 20,
    and empty where nobody is known; ``summary`` is one sentence for a salesperson.
    """

    signal: str
    kind: str
    polarity: Polarity
    at_ms: int
    people: list[str]
    evidence: list[SignalEvidence]
    summary: str


class SignalPerson(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Somebody behind a signal; ``score`` is in points, as the account knows it."""

    lead: str
    name: str = ""
    role: str = ""
    score: float = 0.0


class BuyingSignal(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A record of the buying-signals topic, complete in itself.

    ``account`` is the account's key and ``name`` the company's, if known; ``time_ms`` is when the signal was completed.
    ``score`` is the account's engagement (points), ``band`` its band; ``fit`` is 0 to 10, None where it is not known.
    ``without_contact`` says that nobody is known to call. ``model`` is the version of the model.
    """

    id: str
    account: str
    signal: str
    kind: str
    polarity: Polarity
    time_ms: int
    summary: str
    model: str
    name: str = ""
    evidence: list[SignalEvidence] = []
    people: list[SignalPerson] = []
    without_contact: bool = False
    score: float = 0.0
    band: str = "cold"
    fit: float | None = None
    fit_level: str = ""
    owner: str = ""
