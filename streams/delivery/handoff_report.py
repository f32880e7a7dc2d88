"""How handoffs from marketing to sales went: pure, from alerts and follow-ups, per band and owner.

A follow-up answers the alert that it names, else the latest alert of its lead before it. What is known of a lead before
any alert of it makes that alert *late*: somebody was quicker than the score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from scoring.alerts import Alert
from scoring.follow_ups import CONTACTED, FollowUp

ANSWERS = CONTACTED | {"accepted", "rejected"}
"""Follow-ups by which a person answers an alert."""


@dataclass
class Story:
    """One alert, and what came of it, by time (ms)."""

    alert: Alert
    answers: list[FollowUp] = field(default_factory=list)
    breaches: int = 0
    is_late: bool = False

    @property
    def first(self) -> FollowUp | None:
        """The first answer."""
        return self.answers[0] if self.answers else None

    @property
    def is_accepted(self) -> bool:
        """Whether somebody took the lead on: the first answer was no rejection."""
        return self.first is not None and self.first.action != "rejected"

    @property
    def is_early(self) -> bool:
        """Whether it was rejected because the lead was not ready."""
        return any(each.action == "rejected" and each.reason == "not_ready" for each in self.answers)

    @property
    def owner(self) -> str:
        """Who answered first, else whose lead it is."""
        by = self.first.by if self.first is not None else ""
        return by or str(self.alert.contact.get("owner", ""))

    def wait_ms(self, actions: frozenset[str]) -> int | None:
        """Return how long it took until the first of some actions; None where there was none."""
        times = [int(each.time) for each in self.answers if each.action in actions]
        return max(0, min(times) - self.alert.time_ms) if times else None


@dataclass(frozen=True)
class Line:
    """The handoffs of one band and owner: waits are medians (s), ``acceptance`` is of those answered (0 to 1)."""

    band: str
    owner: str
    alerts: int
    answered: int
    accepted: int
    rejected: int
    acceptance: float | None
    handoff_s: float | None
    contact_s: float | None
    breaches: int
    lost: int
    early: int
    late: int
    won: int


def tell_stories(alerts: Iterable[Alert], follow_ups: Iterable[FollowUp]) -> list[Story]:
    """Put every follow-up to the alert that it answers; returns the stories by time."""
    stories = {alert.id: Story(alert) for alert in alerts if alert.kind == "entered"}
    of_lead: dict[str, list[Story]] = {}
    for story in sorted(stories.values(), key=lambda each: each.alert.time_ms):
        of_lead.setdefault(story.alert.lead, []).append(story)
    seen: set[str] = set()
    for each in sorted(follow_ups, key=lambda each: (int(each.time), each.id)):
        if each.id in seen:
            continue
        seen.add(each.id)
        told = of_lead.get(each.lead, [])
        before = [story for story in told if story.alert.time_ms <= int(each.time)]
        story_of = stories.get(each.alert_id) or (before[-1] if before else None)
        if story_of is None:
            if each.action in ("contacted", "meeting", "opportunity") and told:
                told[0].is_late = True
        elif each.action == "breached":
            story_of.breaches += 1
        elif each.action in ANSWERS:
            story_of.answers.append(each)
    return sorted(stories.values(), key=lambda each: each.alert.time_ms)


def summarise(stories: Iterable[Story], now_ms: int, lost_after_ms: int) -> list[Line]:
    """Return a line per band and owner, by name; ``lost`` are those not answered ``lost_after_ms`` after the alert."""
    groups: dict[tuple[str, str], list[Story]] = {}
    for story in stories:
        groups.setdefault((story.alert.band, story.owner), []).append(story)
    return [_line(*key, group, now_ms, lost_after_ms) for key, group in sorted(groups.items())]


def total(stories: list[Story], now_ms: int, lost_after_ms: int) -> Line:
    """Return one line for all."""
    return _line("all", "all", stories, now_ms, lost_after_ms)


def as_row(line: Line) -> Mapping[str, Any]:
    """Return a line as plain data."""
    return vars(line)


def _line(band: str, owner: str, group: list[Story], now_ms: int, lost_after_ms: int) -> Line:
    answered = [story for story in group if story.first is not None]
    accepted = sum(story.is_accepted for story in answered)
    return Line(
        band=band,
        owner=owner,
        alerts=len(group),
        answered=len(answered),
        accepted=accepted,
        rejected=len(answered) - accepted,
        acceptance=round(accepted / len(answered), 4) if answered else None,
        handoff_s=_median_s(story.wait_ms(CONTACTED | {"accepted"}) for story in group),
        contact_s=_median_s(story.wait_ms(CONTACTED) for story in group),
        breaches=sum(story.breaches for story in group),
        lost=sum(story.first is None and now_ms - story.alert.time_ms >= lost_after_ms for story in group),
        early=sum(story.is_early for story in group),
        late=sum(story.is_late for story in group),
        won=sum(any(each.action == "won" for each in story.answers) for story in group),
    )


def _median_s(waits_ms: Iterable[int | None]) -> float | None:
    known = [wait_ms / 1000 for wait_ms in waits_ms if wait_ms is not None]
    return round(median(known), 3) if known else None
