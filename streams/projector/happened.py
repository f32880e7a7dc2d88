"""Alerts, signals, follow-ups, snapshots and dead letters → the lists of a lead or account, and the live feed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from scoring.alerts import Alert
from scoring.errors import EventError
from scoring.events import parse_time
from scoring.signal_records import BuyingSignal
from streams.dead_letters import decode_dead_letter
from streams.projector.batch import Batch
from streams.projector.scores import NEWS_MS, REASONS_TOLD, encode
from streams.read_model.happenings import FollowUpRead, Happening, Reason, Snapshot, pack_snapshot
from streams.read_model.layout import (
    ALERTS_KEPT,
    FOLLOW_UPS_KEPT,
    RECENT_KEPT,
    SIGNALS_KEPT,
    SNAPSHOTS_KEPT,
    Layout,
)
from streams.topics import (
    BUYING_SIGNALS,
    DAY_MS,
    DEAD_LETTERS,
    FOLLOW_UPS,
    HOT_LEADS,
    LEAD_HISTORY,
    Topic,
)

ACTED: Final = frozenset({"rejected", "contacted", "meeting", "opportunity", "won", "lost", "suppressed"})
"""What sales does after which an alert does not wait any more."""

POINTS_KEPT_S: Final = 10 * 86_400
LATENCY_MAX_MS: Final = 600_000
"""An alert that came later than this after its event was of an import, not of somebody who waits."""

_decode_alert = msgspec.json.Decoder(Alert).decode
_decode_signal = msgspec.json.Decoder(BuyingSignal).decode
_decode_snapshot = msgspec.json.Decoder(Snapshot).decode
_decode_follow_up = msgspec.json.Decoder(FollowUpRead).decode


class Happened:
    """Writes what happened; ``acted`` says when sales last acted on the leads of this chunk (ms)."""

    def __init__(self, batch: Batch, layout: Layout, acted: Mapping[str, int], now_ms: int) -> None:
        self._batch, self._layout, self._now_ms = batch, layout, now_ms
        self._acted = dict(acted)

    def take(self, topic: Topic, record: Any) -> None:
        """Take one record of one of :data:`TOPICS`."""
        if record.value is not None:
            _TAKES[topic](self, record)

    def _alert(self, record: Any) -> None:
        alert, batch, layout = _decode_alert(record.value), self._batch, self._layout
        lead = alert.lead
        batch.push(layout.alerts(lead), record.value, ALERTS_KEPT)
        is_open = alert.kind == "entered" and alert.time_ms > self._acted.get(lead, 0)
        batch.set_rank(layout.waiting, lead, alert.time_ms if is_open else None)
        has_asked = is_open and alert.held_until_ms is not None
        batch.set_rank(layout.raised_hands, lead, alert.time_ms if has_asked else None)
        if alert.kind == "entered":
            self._count(alert, record.timestamp)
        if self._now_ms - alert.time_ms < NEWS_MS:
            self._tell(_of_alert(alert))

    def _count(self, alert: Alert, committed_ms: int) -> None:
        """Note what rules gave to the alert, and how long it took to be there."""
        day = alert.time_ms // DAY_MS
        if self._now_ms // DAY_MS - day < 8:
            for line in alert.ledger:
                if line.kind in ("rule", "trait"):
                    self._batch.add(self._layout.rule_points(day), line.rule, line.points, POINTS_KEPT_S)
        if alert.cause is not None and 0 <= committed_ms - alert.cause.time_ms < LATENCY_MAX_MS:
            latency_ms = str(committed_ms - alert.cause.time_ms).encode()
            self._batch.push(self._layout.latencies, latency_ms, RECENT_KEPT)

    def _signal(self, record: Any) -> None:
        signal = _decode_signal(record.value)
        self._batch.push(self._layout.signals(signal.account), record.value, SIGNALS_KEPT)
        self._batch.push(self._layout.recent_signals, record.value, RECENT_KEPT)
        if self._now_ms - signal.time_ms < NEWS_MS:
            self._tell(
                Happening(
                    kind="signal",
                    time_ms=signal.time_ms,
                    account=signal.account,
                    name=signal.name,
                    band=signal.band,
                    score=signal.score,
                    owner=signal.owner,
                    what=signal.summary,
                    polarity=signal.polarity,
                )
            )

    def _follow_up(self, record: Any) -> None:
        done, layout, batch = _decode_follow_up(record.value), self._layout, self._batch
        try:
            time_ms = parse_time(done.time) if isinstance(done.time, str) else done.time
        except EventError:
            return  # the worker makes a dead letter of it
        done.time = time_ms
        batch.push(layout.follow_ups(done.lead), encode(done), FOLLOW_UPS_KEPT)
        if done.action == "breached":
            batch.set_member(layout.breached, done.lead, True)
        if done.action in ACTED and time_ms >= self._acted.get(done.lead, 0):
            self._acted[done.lead] = time_ms
            batch.set_field(layout.acted, done.lead, str(time_ms))
            batch.set_rank(layout.waiting, done.lead, None)
            batch.set_rank(layout.raised_hands, done.lead, None)
            batch.set_member(layout.breached, done.lead, False)
        if self._now_ms - time_ms < NEWS_MS:
            told = Happening(kind="follow-up", time_ms=time_ms, lead=done.lead, what=done.action, by=done.by)
            self._tell(told)

    def _snapshot(self, record: Any) -> None:
        if record.key is not None:
            packed = pack_snapshot(_decode_snapshot(record.value))
            self._batch.push(self._layout.history(record.key.decode()), packed, SNAPSHOTS_KEPT)

    def _letter(self, record: Any) -> None:
        letter = decode_dead_letter(record.value)
        is_open = not letter.settled
        self._batch.set_field(self._layout.letters, letter.id, record.value if is_open else None)
        self._batch.set_rank(self._layout.letters_by_time, letter.id, letter.at if is_open else None)

    def _tell(self, happening: Happening) -> None:
        self._batch.tell(happening.kind, encode(happening))


def _of_alert(alert: Alert) -> Happening:
    lines = sorted(alert.ledger, key=lambda line: -abs(line.points))[:REASONS_TOLD]
    return Happening(
        kind="alert" if alert.kind == "entered" else "cooled",
        time_ms=alert.time_ms,
        lead=alert.lead,
        account=alert.account,
        name=str(alert.contact.get("name", "")),
        band=alert.band,
        from_band=alert.from_band,
        score=alert.score,
        owner=str(alert.contact.get("owner", "")),
        reasons=[Reason(line.rule, line.points) for line in lines],
    )


_TAKES: Final[dict[Topic, Callable[[Happened, Any], None]]] = {
    HOT_LEADS: Happened._alert,
    BUYING_SIGNALS: Happened._signal,
    FOLLOW_UPS: Happened._follow_up,
    LEAD_HISTORY: Happened._snapshot,
    DEAD_LETTERS: Happened._letter,
}
TOPICS: Final = tuple(_TAKES)


def leads_of(topic: Topic, record: Any) -> list[str]:
    """Return the leads of whom it must be known whether sales has acted, before a record can be taken."""
    is_asked = topic in (HOT_LEADS, FOLLOW_UPS) and record.key is not None
    return [record.key.decode(errors="replace")] if is_asked else []
