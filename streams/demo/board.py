"""What is known of the demo at any moment: what was sent and what became of it, leads, companies, alerts and signals.

Pure: times are arguments, records come from :mod:`streams.demo.watch`.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from math import ceil
from typing import Final, NamedTuple

from scoring.account_records import AccountScore, account_score_later
from scoring.alerts import Alert
from scoring.model import ScoringModel
from scoring.score_records import LeadScore, score_later
from scoring.signal_records import BuyingSignal
from streams.demo.progress import Progress
from streams.demo.world import HISTORY_IDS

LEVELS: Final = ("strong", "moderate", "weak", "unknown", "excluded")
"""How well a company may fit, the best first."""

LEADS_KEPT: Final = 20_000
ACCOUNTS_KEPT: Final = 5_000
ALERTS_KEPT: Final = 100
LATENCIES_KEPT: Final = 1_000
HANDED_KEPT: Final = 2_000
"""Events whose time of sending is remembered for their alert."""

_SUM_ERROR: Final = 1e-5
"""Points by which a ledger may miss its score: both are rounded to six places."""


@dataclass(frozen=True)
class SeenAlert:
    """An alert as it was read back; ``latency_ms`` from the sending of its cause, None if that was not ours."""

    alert: Alert
    latency_ms: float | None


class LeadNow(NamedTuple):
    """A lead as of a moment."""

    score: float
    band: str
    record: LeadScore


class CompanyNow(NamedTuple):
    """A company's account as of a moment."""

    score: float
    record: AccountScore


class Board(Progress):
    """Gathers; ``model`` is the one that scores."""

    def __init__(self, model: ScoringModel) -> None:
        super().__init__()
        self.model = model
        self.ranks = {"cold": 0, **{name: rank for rank, name in enumerate(model.bands, 1)}}
        self.top_band = list(model.bands)[-1]
        self.refused: Counter[str] = Counter()
        self.given_up: Counter[str] = Counter()
        self.alerts: deque[SeenAlert] = deque(maxlen=ALERTS_KEPT)
        self.signals: deque[BuyingSignal] = deque(maxlen=ALERTS_KEPT)
        self.told: deque[SeenAlert | BuyingSignal] = deque(maxlen=ALERTS_KEPT)
        """Alerts and signals as they came."""
        self.alert_count = 0
        self.signal_counts: Counter[str] = Counter()
        """How many signals there were, by their names."""
        self.last_known: tuple[str, str] | None = None
        """A visitor, and who that turned out to be."""
        self.known_count = 0
        self.turned_hot = 0
        self.history_alerts = 0
        self.wrong_ledgers = 0
        self.messages = 0
        """Webhooks that sales has received."""
        self.accepted: deque[str] = deque(maxlen=ALERTS_KEPT)
        self.breaches: deque[str] = deque(maxlen=ALERTS_KEPT)
        """Leads that sales has taken on, and those that nobody has contacted in time."""
        self.notes: deque[str] = deque(maxlen=20)
        self._handed: dict[str, float] = {}
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._leads: dict[str, LeadScore] = {}
        self._accounts: dict[str, AccountScore] = {}

    @property
    def signal_count(self) -> int:
        """How many signals there were."""
        return self.signal_counts.total()

    def hand(self, event_id: str, at_s: float) -> None:
        """Note that an event was handed to its client at ``at_s``, by a clock that only goes forward."""
        self.begin(event_id)
        self._handed[event_id] = at_s
        if len(self._handed) > HANDED_KEPT:
            del self._handed[next(iter(self._handed))]

    def lose(self, events: int, why: str) -> None:
        """Note events that were given up before Kafka had them."""
        self.given_up[why] += events

    def note_refusal(self, reason: str) -> None:
        """Note a dead letter of the worker's."""
        self.refused[reason] += 1

    def note_score(self, record: LeadScore) -> None:
        """Note a lead's new score; the leads of whom nothing was heard for longest are forgotten."""
        self._leads.pop(record.lead, None)
        if record.merged_into:
            self.known_count += 1
            self.last_known = record.lead, record.merged_into
            return
        self._leads[record.lead] = record
        if len(self._leads) > LEADS_KEPT:
            del self._leads[next(iter(self._leads))]

    def note_alert(self, alert: Alert, at_s: float) -> None:
        """Note an alert that was read at ``at_s``."""
        cause = "" if alert.cause is None else alert.cause.id
        handed_s = self._handed.get(cause)
        latency_ms = None if handed_s is None else (at_s - handed_s) * 1000
        if latency_ms is not None:
            self._latencies.append(latency_ms)
        self.alerts.append(SeenAlert(alert, latency_ms))
        self.told.append(self.alerts[-1])
        self.alert_count += 1
        self.turned_hot += alert.kind == "entered" and alert.band == self.top_band
        self.history_alerts += cause.startswith(HISTORY_IDS)
        self.wrong_ledgers += abs(sum(line.points for line in alert.ledger) - alert.score) > _SUM_ERROR

    def note_account(self, record: AccountScore) -> None:
        """Note a company's new score; an account that turned out to be another is forgotten."""
        self._accounts.pop(record.account, None)
        if record.merged_into:
            return
        self._accounts[record.account] = record
        if len(self._accounts) > ACCOUNTS_KEPT:
            del self._accounts[next(iter(self._accounts))]

    def note_signal(self, signal: BuyingSignal) -> None:
        """Note a buying signal that was read."""
        self.signals.append(signal)
        self.told.append(signal)
        self.signal_counts[signal.signal] += 1

    def latency_ms(self, per_cent: float) -> float | None:
        """Return the latency that so many per cent of the alerts did not exceed (nearest rank), None without any."""
        ranked = sorted(self._latencies)
        return ranked[max(0, ceil(len(ranked) * per_cent / 100) - 1)] if ranked else None

    def band_counts(self) -> dict[str, int]:
        """Return how many leads are in each band, the highest first."""
        counts = Counter(record.band for record in self._leads.values())
        return {band: counts[band] for band in sorted(self.ranks, key=self.ranks.__getitem__, reverse=True)}

    def hottest(self, now_ms: int, number: int) -> list[LeadNow]:
        """Return the hottest leads as of now: by band, then by score."""
        warm = (record for record in self._leads.values() if self.ranks[record.band])
        leads = [LeadNow(score_later(record, max(now_ms, record.at_ms)), record.band, record) for record in warm]
        return sorted(leads, key=lambda lead: (-self.ranks[lead.band], -lead.score))[:number]

    def fit_counts(self) -> dict[str, int]:
        """Return how many companies fit how well, the best first; nobody need be excluded."""
        counts = Counter(record.level for record in self._accounts.values())
        return {level: counts[level] for level in LEVELS if counts[level] or level != "excluded"}

    def most_engaged(self, now_ms: int, number: int) -> list[CompanyNow]:
        """Return the companies with the most points as of now."""
        companies = [
            CompanyNow(account_score_later(record, max(now_ms, record.at_ms)), record)
            for record in self._accounts.values()
        ]
        return sorted(companies, key=lambda company: (-company.score, company.record.account))[:number]

    def company(self, account: str) -> AccountScore | None:
        """Return what was published of an account last."""
        return self._accounts.get(account)
