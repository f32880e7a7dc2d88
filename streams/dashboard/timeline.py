"""What happened with a lead, in one list: alerts and their ends, what sales did, how the band went."""

from __future__ import annotations

from typing import Final, NamedTuple

from streams.dashboard.rows import LeadView
from streams.dashboard.words import ACTION_WORDS, REJECTION_WORDS, plain, signed

SHOWN: Final = 60
REASONS_TOLD: Final = 3


class Moment(NamedTuple):
    """Something at ``time_ms``; ``kind`` gives it its mark."""

    time_ms: int
    kind: str
    title: str
    detail: str = ""
    by: str = ""


def make_timeline(view: LeadView) -> list[Moment]:
    """Return the moments of a lead, the latest first."""
    moments = [*_of_alerts(view), *_of_follow_ups(view), *_of_history(view)]
    return sorted(set(moments), key=lambda moment: -moment.time_ms)[:SHOWN]


def _of_alerts(view: LeadView) -> list[Moment]:
    found = []
    for alert in view.alerts:
        if alert.kind == "cooled":
            found.append(Moment(alert.time_ms, "cooled", f"Cooled to {alert.band} at {alert.score:.1f} points"))
            continue
        cause = "" if alert.cause is None else f"after {plain(alert.cause.type)}"
        found.append(Moment(alert.time_ms, "alert", f"Turned {alert.band} at {alert.score:.1f} points", cause))
        lines = sorted(alert.ledger, key=lambda line: -line.last_ms)
        found += [
            Moment(line.last_ms, "event", plain(line.rule).capitalize(), line.subject)
            for line in lines
            if line.kind == "rule" and line.last_ms
        ]
    return found


def _of_follow_ups(view: LeadView) -> list[Moment]:
    found = []
    for done in view.follow_ups:
        reason = REJECTION_WORDS.get(done.reason, done.reason)
        detail = " · ".join(filter(None, (reason, done.note)))
        title = ACTION_WORDS.get(done.action, done.action).capitalize()
        found.append(Moment(int(done.time), "follow-up", title, detail, done.by))
    return found


def _of_history(view: LeadView) -> list[Moment]:
    return [
        Moment(each.at_ms, "band", f"{each.band.capitalize()} at {each.score:.1f} points", _reasons(each.rules))
        for each in view.history
    ]


def _reasons(rules: dict[str, float]) -> str:
    return ", ".join(f"{signed(points)} {plain(name)}" for name, points in list(rules.items())[:REASONS_TOLD])
