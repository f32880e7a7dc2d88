"""The end of a demo in plain text: counts, latency, the hottest leads, the last alerts, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streams.demo import words
from streams.demo.board import Board, LeadNow, SeenAlert
from streams.demo.words import NextSteps

LEADS_SHOWN: Final = 8
ALERTS_SHOWN: Final = 3
_WIDTH: Final = 100


def summarise(board: Board, steps: NextSteps, now_ms: int, live_s: float, faults: list[str]) -> str:
    """Return the whole summary, which ends with the verdict."""
    lines = [
        "",
        *_counts(board, now_ms, live_s),
        "",
        "The hottest leads, as of now",
        *(_lead(lead, board, now_ms) for lead in board.hottest(now_ms, LEADS_SHOWN)),
        "",
        "The last alerts, whole",
        *(line for seen in list(board.alerts)[-ALERTS_SHOWN:] for line in _alert(seen)),
        "",
        *next_steps(steps),
        "",
    ]
    if faults:
        lines += [f"FAILED: {fault}" for fault in faults]
    else:
        alerts = (
            f"{board.turned_hot} leads turned {board.top_band}" if board.turned_hot else "no lead had turned hot yet"
        )
        lines.append(f"OK: each of the {board.sent:,} events sent was scored, and {alerts}.")
    return "\n".join(lines)


def next_steps(steps: NextSteps) -> list[str]:
    """Return what to do next; the command needs the gateway to run."""
    return [
        "Make yourself hot: run `leadheat demo` in a terminal, and while it runs paste this into another one",
        *(f"  {line}" for line in steps.curl),
        "Change from when a lead is hot, and run it again",
        f"  {steps.model_line}",
        "Read next",
        f"  {steps.reading}",
    ]


def _counts(board: Board, now_ms: int, live_s: float) -> Iterator[str]:
    refused = sum(board.refused.values())
    others = f", {board.scored_of_others} more of yours" if board.scored_of_others else ""
    yield f"Events    {board.sent:,} sent, {board.scored:,} scored{others}, {refused} dead letters"
    yield "Leads     " + ", ".join(f"{number:,} {band}" for band, number in board.band_counts(now_ms).items())
    yield (
        f"Alerts    {board.alert_count} in {live_s:.0f} s of live play ({board.history_alerts} from the history); "
        f"{board.wrong_ledgers or 'none'} with a ledger that does not sum to its score"
    )
    p50, p99 = (words.show_ms(board.latency_ms(share)) for share in (50, 99))
    yield f"Latency   from sending an event to reading its alert: {p50} (p50), {p99} (p99)"
    for note in board.notes:
        yield f"Note      {note}"


def _lead(lead: LeadNow, board: Board, now_ms: int) -> str:
    company = words.show_company(lead.record.lead)
    start = (
        f"  {words.show_score(lead.score):>6} {lead.band:<5} {words.show_email(lead.record.lead):<38} {company:<15} "
    )
    return start + words.top_reasons(
        words.reasons_of_score(lead.record, board.model, max(now_ms, lead.record.at_ms)), 60
    )


def _alert(seen: SeenAlert) -> Iterator[str]:
    alert = seen.alert
    latency = "" if seen.latency_ms is None else f", read {words.show_ms(seen.latency_ms)} after sending"
    hold = f", {words.show_hold(alert)}" if alert.held_until_ms is not None else ""
    what = f"turned {alert.band}" if alert.kind == "entered" else f"cooled to {alert.band}"
    cause = "" if alert.cause is None else f" by {alert.cause.type} {alert.cause.id}"
    yield f"  {words.show_clock(alert.time_ms)} {words.show_email(alert.lead)} {what}{cause}{hold}{latency}"
    for points, text in words.ledger_lines(alert):
        yield f"    {points:>+7}  {text}".replace("-", "−")
    yield f"    {words.show_score(alert.score):>7}  points"
