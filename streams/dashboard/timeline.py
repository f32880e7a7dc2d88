"""What is known to have happened with a lead, in one list: what it did, how its band went, what sales did.

No topic that the read model is filled from has every event. Those behind an alert stand in the alert, with their times.
Between alerts, lead-history has what the score was made of on each day that the lead did something: a rule whose points
are more than what was there before would have faded to says what that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from math import copysign, exp2
from typing import Final, NamedTuple

from scoring.alerts import Alert, Origin
from scoring.decay import DAY_MS
from scoring.score_records import REASONS_KEPT, LeadScore
from scoring.signal_records import BuyingSignal
from streams.dashboard.rows import LeadView
from streams.dashboard.words import ACTION_WORDS, REJECTION_WORDS, plain, signed
from streams.read_model.happenings import FollowUpRead, Snapshot

SHOWN: Final = 200
GROWN_MIN: Final = 0.05
"""Points: what a score is shown to, and less than any rule gives."""


class Moment(NamedTuple):
    """Something at ``time_ms``; ``kind`` gives it its mark."""

    time_ms: int
    kind: str
    title: str
    detail: str = ""
    by: str = ""


def make_timeline(view: LeadView, record: LeadScore, signals: Iterable[BuyingSignal] = ()) -> list[Moment]:
    """Return the moments of a lead, the latest first; ``signals`` are those of its account."""
    moments = {
        *map(_of_alert, view.alerts),
        *_of_events(view.alerts),
        *_of_origins(view.alerts),
        *map(_of_follow_up, view.follow_ups),
        *_of_history(view.history, view.alerts, record),
        *(Moment(each.time_ms, "signal", f"At the account: {plain(each.signal)}", each.summary) for each in signals),
    }
    return sorted(moments, key=lambda moment: (-moment.time_ms, moment))[:SHOWN]


def _of_alert(alert: Alert) -> Moment:
    if alert.kind == "cooled":
        return Moment(alert.time_ms, "cooled", f"Cooled to {alert.band} at {alert.score:.1f} points")
    if alert.kind == "retracted":
        title = f"Alert taken back, at {alert.score:.1f} points"
        return Moment(alert.time_ms, "cooled", title, "what it rested on was a machine's")
    cause = "" if alert.cause is None else f"after {plain(alert.cause.type)}"
    customer = "a customer: about more business" if alert.customer else ""
    title = f"Turned {alert.band} at {alert.score:.1f} points"
    return Moment(alert.time_ms, "alert", title, " · ".join(filter(None, (cause, customer))))


def _of_events(alerts: Sequence[Alert]) -> Iterator[Moment]:
    """Yield the events behind alerts, each once; not those of alerts that were taken back: some were a machine's."""
    taken_back = {alert.alert_id for alert in alerts if alert.kind == "retracted"}
    known: dict[tuple[int, str], dict[str, str]] = {}  # time and hash → what was it about, by rule
    for alert in alerts:
        if alert.id in taken_back:
            continue
        for line in alert.ledger:
            for event in line.events:
                known.setdefault((event.time_ms, event.hash), {}).setdefault(line.rule, "")
            if line.kind == "rule" and line.last_ms:  # the latest is the one that tells what it was about
                latest = line.events[0].hash if line.events and line.events[0].time_ms == line.last_ms else ""
                known.setdefault((line.last_ms, latest), {})[line.rule] = line.subject
    for (time_ms, _), subjects in known.items():
        title = ", ".join(map(plain, subjects)).capitalize()
        yield Moment(time_ms, "event", title, " · ".join(dict.fromkeys(filter(None, subjects.values()))))


def _of_origins(alerts: Sequence[Alert]) -> Iterator[Moment]:
    """Yield where a lead came from first, and last before each of its alerts."""
    firsts = [alert.first_touch for alert in alerts if alert.first_touch is not None]
    first = min(firsts, key=lambda origin: origin.time_ms, default=None)
    if first is not None:
        yield Moment(first.time_ms, "origin", f"First came {_whence(first)}", _where(first))
    for alert in alerts:
        last = alert.last_touch
        if last is not None and (first is None or last.time_ms > first.time_ms):
            yield Moment(last.time_ms, "origin", f"Came again {_whence(last)}", _where(last))


def _whence(origin: Origin) -> str:
    return "from " + " / ".join(filter(None, (origin.source, origin.medium))) if origin.source else "directly"


def _where(origin: Origin) -> str:
    campaign = f"campaign {origin.campaign}" if origin.campaign else ""
    return " · ".join(filter(None, (campaign, origin.page)))


def _of_follow_up(done: FollowUpRead) -> Moment:
    points = "" if done.points is None else f"{signed(done.points)} points"
    until = f"until {datetime.fromtimestamp(done.until / 1000, UTC):%Y-%m-%d}" if isinstance(done.until, int) else ""
    reason = REJECTION_WORDS.get(done.reason, done.reason)
    detail = " · ".join(filter(None, (" ".join(filter(None, (points, until))), reason, done.note)))
    title = ACTION_WORDS.get(done.action, done.action).capitalize()
    return Moment(int(done.time), "follow-up", title, detail, done.by)


def _of_history(history: Sequence[Snapshot], alerts: Sequence[Alert], record: LeadScore) -> Iterator[Moment]:
    """Yield changes of the band that no alert tells of, and the days on which the lead did something, with what."""
    told = {(alert.time_ms, alert.band) for alert in alerts}
    half_lives = {line.rule: line.half_life_days for line in record.rules}
    now = Snapshot(
        lead=record.lead,
        at_ms=record.at_ms,
        score=record.score,
        band=record.band,
        phase=record.phase,
        rules={line.rule: line.points for line in record.rules},
    )
    before = None
    for each in history:
        news = _news(before, each, half_lives)
        before = each
        if (each.at_ms, each.band) in told:
            continue  # the alert says so, and its events stand beside it
        if each.from_band:
            yield Moment(each.at_ms, "band", f"From {each.from_band} to {each.band} at {each.score:.1f} points", news)
        elif news:
            yield Moment(each.at_ms, "active", f"Active, at {each.score:.1f} points", news)
    if before is not None and record.seen_ms > before.at_ms and (news := _news(before, now, half_lives)):
        yield Moment(record.seen_ms, "active", f"Active, now {record.score:.1f} points", news)


def _news(before: Snapshot | None, after: Snapshot, half_lives: dict[str, float]) -> str:
    """Return what has given points between two snapshots, and the phase that the lead has come to."""
    grown = {
        name: points - _left(before, name, copysign(1.0, points), after.at_ms, half_lives)
        for name, points in after.rules.items()
    }
    parts = [f"{signed(points)} {plain(name)}" for name, points in grown.items() if abs(points) >= GROWN_MIN]
    if before is not None and after.phase and after.phase != before.phase:
        parts.append(f"now in {after.phase}")
    return ", ".join(parts)


def _left(before: Snapshot | None, name: str, sign: float, time_ms: int, half_lives: dict[str, float]) -> float:
    """Return what a line's points in a snapshot would be at ``time_ms``; what is not said to fade, does not.

    A snapshot has the largest lines only: one of this ``sign`` that it does not name may have been as large as its
    smallest.
    """
    if before is None:
        return 0.0
    points = before.rules.get(name)
    if points is None:
        points = sign * min(map(abs, before.rules.values())) if len(before.rules) >= REASONS_KEPT else 0.0
    half_life_days = half_lives.get(name, 0.0)
    return points * exp2((before.at_ms - time_ms) / (half_life_days * DAY_MS)) if half_life_days > 0 else points
