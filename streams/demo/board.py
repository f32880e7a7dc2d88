"""What is known of the demo at any moment: what was sent, what became of it, the leads and their alerts.

Pure: times are arguments, records come from :mod:`streams.demo.watch`.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Final, NamedTuple

from scoring.alerts import Alert
from scoring.model import ScoringModel
from scoring.score_records import LeadScore, score_later
from streams.demo.world import HISTORY_IDS

LEADS_KEPT: Final = 20_000
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


class Board:
    """Gathers; ``model`` is the one that scores."""

    def __init__(self, model: ScoringModel) -> None:
        self.model = model
        self.ranks = {"cold": 0, **{name: rank for rank, name in enumerate(model.bands, 1)}}
        self.top_band = list(model.bands)[-1]
        self.sent = 0
        self.scored = 0
        self.scored_of_others = 0
        self.refused: Counter[str] = Counter()
        self.given_up: Counter[str] = Counter()
        self.alerts: deque[SeenAlert] = deque(maxlen=ALERTS_KEPT)
        self.alert_count = 0
        self.turned_hot = 0
        self.history_alerts = 0
        self.wrong_ledgers = 0
        self.notes: deque[str] = deque(maxlen=20)
        self._under_way: set[str] = set()
        self._handed: dict[str, float] = {}
        self._scored_until: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._waiting: defaultdict[tuple[str, int], deque[tuple[int, str]]] = defaultdict(deque)
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._leads: dict[str, LeadScore] = {}

    @property
    def under_way(self) -> int:
        """How many events were sent and are not scored yet."""
        return len(self._under_way)

    def hand(self, event_id: str, at_s: float) -> None:
        """Note that an event was handed to its client at ``at_s``, by a clock that only goes forward."""
        self.sent += 1
        self._under_way.add(event_id)
        self._handed[event_id] = at_s
        if len(self._handed) > HANDED_KEPT:
            del self._handed[next(iter(self._handed))]

    def lose(self, events: int, why: str) -> None:
        """Note events that were given up before Kafka had them."""
        self.given_up[why] += events

    def note_event(self, topic: str, partition: int, offset: int, event_id: str) -> None:
        """Note an event that lies in Kafka."""
        if offset < self._scored_until[topic, partition]:
            self._score(event_id)
        else:
            self._waiting[topic, partition].append((offset, event_id))

    def note_scored(self, topic: str, partition: int, end: int) -> None:
        """Note that a transaction was committed that took in all events before offset ``end``."""
        self._scored_until[topic, partition] = max(end, self._scored_until[topic, partition])
        waiting = self._waiting[topic, partition]
        while waiting and waiting[0][0] < end:
            self._score(waiting.popleft()[1])

    def note_refusal(self, reason: str) -> None:
        """Note a dead letter of the worker's."""
        self.refused[reason] += 1

    def note_score(self, record: LeadScore) -> None:
        """Note a lead's new score; the leads of whom nothing was heard for longest are forgotten."""
        self._leads.pop(record.lead, None)
        if record.merged_into:
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
        self.alert_count += 1
        self.turned_hot += alert.kind == "entered" and alert.band == self.top_band
        self.history_alerts += cause.startswith(HISTORY_IDS)
        self.wrong_ledgers += abs(sum(line.points for line in alert.ledger) - alert.score) > _SUM_ERROR

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
        return sorted(self._warm_leads(now_ms), key=lambda lead: (-self.ranks[lead.band], -lead.score))[:number]

    def _warm_leads(self, now_ms: int) -> Iterable[LeadNow]:
        for record in self._leads.values():
            if self.ranks[record.band]:
                yield LeadNow(score_later(record, max(now_ms, record.at_ms)), record.band, record)

    def _score(self, event_id: str) -> None:
        if event_id in self._under_way:
            self._under_way.remove(event_id)
            self.scored += 1
        else:
            self.scored_of_others += 1
