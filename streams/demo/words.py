"""Leads, alerts and what to do next, in words and numbers; the same on a terminal and in plain text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from math import exp2
from pathlib import Path
from typing import Final

from scoring.alerts import Alert
from scoring.model import ScoringModel
from scoring.score_records import LeadScore
from streams.demo.companies import COMPANIES
from streams.demo.history import DAY_MS

YOU: Final = "you@yourcompany.example"
_COMPANY_OF_DOMAIN: Final[Mapping[str, str]] = {company.domain: company.name for company in COMPANIES}
_WITH_COUNTS: Final = 45
"""Columns from which reasons say how often they count; with fewer, a second reason is worth more."""

_TENTH: Final = Decimal("0.1")


@dataclass(frozen=True)
class Reason:
    """A line of a score: ``count`` is the decayed number of matches, 0 where there is none to tell."""

    rule: str
    points: float
    count: float = 0.0

    @property
    def name(self) -> str:
        """The rule's name in words."""
        return self.rule.replace("_", " ")

    @property
    def words(self) -> str:
        """The rule's name and how often it counts, as in ``pricing page ×2.4``."""
        return f"{self.name} ×{self.count:.2g}" if round(self.count, 1) > 1 else self.name


def reasons_of_alert(alert: Alert) -> list[Reason]:
    """Return an alert's ledger."""
    return [Reason(line.rule, line.points, line.count) for line in alert.ledger]


def reasons_of_score(record: LeadScore, model: ScoringModel, now_ms: int) -> list[Reason]:
    """Return what each rule contributes as of now, the largest first."""
    reasons = []
    for line in record.rules:
        amount = line.points if line.amount is None else line.amount
        faded = amount * exp2((record.at_ms - now_ms) / (line.half_life_days * DAY_MS))
        ceiling = abs(faded) if line.points_max is None else line.points_max
        rule = model.rules.get(line.rule)
        count = 0.0 if rule is None else faded / rule.points
        reasons.append(Reason(line.rule, max(-ceiling, min(ceiling, faded)), count))
    return sorted(reasons, key=lambda reason: (-abs(reason.points), reason.rule))


def top_reasons(reasons: Iterable[Reason], width: int) -> str:
    """Return as many of the reasons as fit into so many columns; in a few columns, without how often they count.

    >>> top_reasons([Reason("demo_request", 50.0, 1.0), Reason("pricing_page", 20.0, 3.1)], 80)
    'demo request +50, pricing page ×3.1 +20'
    >>> top_reasons([Reason("demo_request", 50.0, 1.0), Reason("pricing_page", 20.0, 3.1)], 38)
    'demo request +50, pricing page +20'
    >>> top_reasons([Reason("demo_request", 50.0, 1.0), Reason("pricing_page", 20.0, 3.1)], 30)
    'demo request +50, …'
    """
    text = ""
    told = [reason for reason in reasons if round(reason.points)]
    for number, reason in enumerate(told, 1):
        name = reason.words if width >= _WITH_COUNTS else reason.name
        longer = f"{text}{', ' if text else ''}{name} {_signed(round(reason.points))}"
        if len(longer) + 3 * (number < len(told)) > width:
            return f"{text}, …" if text else f"{longer[: width - 1]}…"
        text = longer
    return text


def exact_tenths(points: list[float], total: float) -> list[Decimal]:
    """Round parts to tenths so that they add up to the rounded total: the largest remainders are rounded up.

    >>> exact_tenths([20.04, 9.04, 3.04], 32.12)
    [Decimal('20.1'), Decimal('9.0'), Decimal('3.0')]
    """
    exact = [Decimal(repr(part)) for part in points]
    floors = [part.quantize(_TENTH, ROUND_FLOOR) for part in exact]
    missing = int((Decimal(repr(total)).quantize(_TENTH) - sum(floors, Decimal(0))) / _TENTH)
    by_remainder = sorted(range(len(exact)), key=lambda index: floors[index] - exact[index])
    for index in by_remainder[: max(0, missing)]:
        floors[index] += _TENTH
    return floors


def ledger_lines(alert: Alert) -> list[tuple[Decimal, str]]:
    """Return an alert's ledger as numbers and words; the numbers add up to the score as it is shown."""
    reasons = reasons_of_alert(alert)
    tenths = exact_tenths([reason.points for reason in reasons], alert.score)
    return [(points, reason.words) for points, reason in zip(tenths, reasons, strict=True) if points]


def show_ledger(alert: Alert) -> str:
    """Return an alert's score as a sum, for example ``62.1 = +50.0 demo request +10.0 pricing page +2.1 …``."""
    return f"{show_score(alert.score)} = " + "  ".join(
        f"{_signed(points)} {text}" for points, text in ledger_lines(alert)
    )


def show_score(score: float) -> str:
    """Return a score with one digit, rounded as its ledger is."""
    return str(Decimal(repr(score)).quantize(_TENTH))


def _signed(number: Decimal | int) -> str:
    return f"{number:+}".replace("-", "−")


def show_name(lead: str) -> str:
    """Return who a lead is, without the company.

    >>> show_name("email:ada.lind@northwind.example"), show_name("anon:visitor-00007")
    ('ada.lind', 'visitor-00007')
    """
    return printable(lead.partition(":")[2].partition("@")[0])


def show_email(lead: str) -> str:
    """Return a lead's address or id, without its kind."""
    return printable(lead.partition(":")[2])


def show_company(lead: str) -> str:
    """Return a lead's company, by the domain of the address.

    >>> show_company("email:ada.lind@cobaltharbor.example"), show_company("email:you@yourcompany.example")
    ('Cobalt Harbor', 'yourcompany.example')
    """
    domain = lead.partition("@")[2]
    return printable(_COMPANY_OF_DOMAIN.get(domain, domain))


def printable(text: str, length_max: int = 80) -> str:
    """Return text that somebody sent to the gateway as it may stand on a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text[:length_max])


def show_clock(time_ms: int) -> str:
    """Return the time of day in this machine's zone."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC).astimezone():%H:%M:%S}"


def show_hold(alert: Alert) -> str:
    """Return until when an alert's lead is held hot, whatever its score; nothing if it is not."""
    if alert.held_until_ms is None:
        return ""
    until = datetime.fromtimestamp(alert.held_until_ms / 1000, UTC).astimezone()
    return f"held {alert.band} until {until.day} {until:%b}"


def show_ms(milliseconds: float | None) -> str:
    """Return a latency.

    >>> show_ms(41.3), show_ms(None)
    ('41 ms', '–')
    """
    return "–" if milliseconds is None else f"{milliseconds:,.0f} ms"


@dataclass(frozen=True)
class NextSteps:
    """What to do next: a command, a line of the model, what to read, and how to be unkind to the worker."""

    gateway_url: str
    worker_pid: Callable[[], int | None]
    model_path: Path
    model: ScoringModel
    dashboard_url: str | None = None
    """The dashboard, while the demo runs; None where this machine has no Redis."""

    @property
    def curl(self) -> tuple[str, str]:
        """The command that makes *you* hot, in two lines for narrow terminals: both end up in one command."""
        body = f'{{"userId":"{YOU}","event":"Demo Requested"}}'
        return f"curl {self.gateway_url}/v1/track -d \\", f"  {shlex.quote(body)}"

    @property
    def model_change(self) -> str:
        """Where to change from when a lead is hot, and to what: halfway to where it ceases to be."""
        name, band = list(self.model.bands.items())[-1]
        line = _line_of_band(self.model_path.read_text("utf-8-sig"), name)
        place = _as_seen_from_here(self.model_path) + ("" if line is None else f":{line}")
        return f"{place} {name}: {{enter: {band.enter:g} → {(band.enter + band.leave) / 2:g}}}; run again"

    @property
    def reading(self) -> str:
        """What to read and run next."""
        docs = "docs/model.md; " if Path("docs/model.md").exists() else ""
        return f"{docs}`leadheat up` to send your own; `leadheat --help`"

    @property
    def unkindness(self) -> str:
        """The command that kills the worker as it is now; another takes over within seconds."""
        return f"kill -9 {self.worker_pid() or '…'}"


def _as_seen_from_here(path: Path) -> str:
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)


def _line_of_band(text: str, band: str) -> int | None:
    """Return the number of the line at which a band is described.

    >>> _line_of_band("rules: {}\\nbands:\\n  hot: {enter: 100, leave: 80}  # alerts\\n", "hot")
    3
    """
    in_bands = False
    for number, line in enumerate(text.splitlines(), 1):
        in_bands = line.startswith("bands:") or (in_bands and line[:1] in ("", " ", "#"))
        if in_bands and re.match(rf"\s+{re.escape(band)}\s*:", line):
            return number
    return None
