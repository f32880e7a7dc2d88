"""Records as people read them: a row of a list, the whole of a lead or account, as of now."""

from __future__ import annotations

from typing import Final

import msgspec

from scoring.account_records import AccountScore, account_score_later
from scoring.alerts import Alert
from scoring.identity import email_of
from scoring.score_records import LeadScore, line_later, score_later
from scoring.signal_records import BuyingSignal
from streams.dashboard.store import Past
from streams.lead_now import LeadNow, explain
from streams.read_model.entries import brief_of, priority
from streams.read_model.happenings import FollowUpRead, Reason, Snapshot

REASONS: Final = 3
DAY_MS: Final = 86_400_000
CURVE_POINTS: Final = 60
AHEAD_DAYS_MIN: Final = 7
AHEAD_DAYS_MAX: Final = 90


class LeadRow(msgspec.Struct, kw_only=True):
    """A lead in a list, as of now; ``has_cooled``: it has just faded out of its band, and no worker has said so yet."""

    lead: str
    score: float
    priority: float
    band: str
    has_cooled: bool
    stage: str
    phase: str
    name: str
    email: str
    title: str
    phone: str
    owner: str
    account: str
    company: str
    fit: float | None
    fit_level: str
    held_back: str
    seen_ms: int
    reasons: list[Reason]


class AccountRow(msgspec.Struct, kw_only=True):
    """An account in a list, as of now."""

    account: str
    name: str
    score: float
    band: str
    fit: float | None
    level: str
    coverage: float
    profile: str
    reason: str
    people: int
    industry: str
    country: str
    owner: str
    seen_ms: int
    last_signal: str
    last_signal_ms: int | None


class CurvePoint(msgspec.Struct, array_like=True):
    """A score (points) at a time (ms)."""

    time_ms: int
    score: float


class LeadView(msgspec.Struct, kw_only=True):
    """All that is known of a lead: why its score is what it is, how it goes on, and what happened."""

    row: LeadRow
    explanation: LeadNow
    cools_at_ms: int | None
    past: list[CurvePoint]
    ahead: list[CurvePoint]
    alerts: list[Alert]
    follow_ups: list[FollowUpRead]
    history: list[Snapshot]


class AccountView(msgspec.Struct, kw_only=True):
    """All that is known of an account."""

    row: AccountRow
    record: AccountScore
    signals: list[BuyingSignal]


def lead_row(record: LeadScore, now_ms: int, account_owner: str = "") -> LeadRow:
    """Return a lead as of ``now_ms``."""
    now_ms = max(now_ms, record.at_ms)
    wait_ms, contact = now_ms - record.at_ms, record.contact
    score = score_later(record, now_ms)
    lines = [(line_later(line, wait_ms), line.rule) for line in record.rules if line.half_life_days > 0]
    lines += [(line.points, line.trait) for line in record.traits]
    lines.sort(key=_largest_first)
    return LeadRow(
        lead=record.lead,
        score=round(score, 2),
        priority=round(priority(score, record.fit), 2),
        band=record.band,
        has_cooled=record.cools_at_ms is not None and record.cools_at_ms <= now_ms,
        stage=record.stage,
        phase=record.phase,
        name=str(contact.get("name", "")),
        email=str(contact.get("email", "")) or email_of(record.lead),
        title=str(contact.get("title", "")),
        phone=str(contact.get("phone", "")),
        owner=str(contact.get("owner", "")) or account_owner,
        account=record.account,
        company=record.company,
        fit=record.fit,
        fit_level=record.fit_level,
        held_back=record.held_back,
        seen_ms=record.seen_ms,
        reasons=[Reason(name, round(points, 2)) for points, name in lines[:REASONS]],
    )


def _largest_first(line: tuple[float, str]) -> float:
    return -abs(line[0])


def account_row(record: AccountScore, now_ms: int) -> AccountRow:
    """Return an account as of ``now_ms``."""
    signal = max(record.signals, key=record.signals.__getitem__, default="")
    brief = brief_of(record)
    return AccountRow(
        account=record.account,
        name=record.name,
        score=round(account_score_later(record, max(now_ms, record.at_ms)), 2),
        band=record.band,
        fit=record.fit,
        level=record.level,
        coverage=record.coverage,
        profile=record.profile,
        reason=record.reason,
        people=record.people,
        industry=brief.industry,
        country=str(record.facts.get("country", "")),
        owner=brief.owner,
        seen_ms=record.at_ms,
        last_signal=signal,
        last_signal_ms=record.signals.get(signal),
    )


def lead_view(
    record: LeadScore,
    happened: Past,
    now_ms: int,
    account_owner: str = "",
) -> LeadView:
    """Return all of a lead as of ``now_ms``."""
    row = lead_row(record, now_ms, account_owner)
    past = {alert.time_ms: round(alert.score, 2) for alert in happened.alerts}
    past |= {snapshot.at_ms: round(snapshot.score, 2) for snapshot in happened.history}
    past[record.at_ms] = round(record.score, 2)
    return LeadView(
        row=row,
        explanation=explain(record, [], now_ms),
        cools_at_ms=record.cools_at_ms,
        past=[CurvePoint(time_ms, score) for time_ms, score in sorted(past.items())],
        ahead=curve_ahead(record, now_ms),
        alerts=happened.alerts,
        follow_ups=happened.follow_ups,
        history=happened.history,
    )


def curve_ahead(record: LeadScore, now_ms: int) -> list[CurvePoint]:
    """Return how a score goes on from its record, if nothing else happens: past its cooling, at most 90 days ahead."""
    days = AHEAD_DAYS_MIN
    if record.cools_at_ms is not None and record.cools_at_ms > now_ms:
        days = max(days, 1.5 * (record.cools_at_ms - now_ms) / DAY_MS)  # type: ignore[assignment]
    end_ms = now_ms + int(min(AHEAD_DAYS_MAX, days) * DAY_MS)
    step_ms = (end_ms - record.at_ms) / CURVE_POINTS
    times = [record.at_ms + int(number * step_ms) for number in range(CURVE_POINTS + 1)]
    return [CurvePoint(time_ms, round(score_later(record, time_ms), 2)) for time_ms in times]
