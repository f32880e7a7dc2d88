"""A backtest for programs and spreadsheets: JSON lines, measures as CSV, and the judged leads as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any

from scoring.judgement import Judgement
from streams.cli.backtest_reports import Report
from streams.cli.output import write_json
from streams.formulas import safe_cell

Row = tuple[str, str, object, object, object, object, object]


def write_json_lines(report: Report) -> None:
    """Print ``{"judgement": …}`` of each model, ``{"gain": …}`` of two, and a ``{"note": …}`` each."""
    for name, each in zip(report.names, report.judgements, strict=True):
        write_json({"judgement": {"file": name, **_fields(each), "alerts_per_rep": report.alerts_per_rep(each)}})
    if report.gain is not None:
        write_json({"gain": report.gain, "better": report.is_better})
    for note in report.notes:
        write_json({"note": note.strip()})


def _fields(judgement: Judgement) -> dict[str, Any]:
    return {name: getattr(judgement, name) for name in judgement.__dataclass_fields__}


def write_measures(report: Report, file: IO[str]) -> None:
    """Write one line a measure and model: its value and interval, and for rules and traits the counts."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["model", "measure", "of", "value", "low", "high", "won", "lost"])
    for name, each in zip(report.names, report.judgements, strict=True):
        for row in _rows(report, each):
            writer.writerow(map(safe_cell, (name, *row)))
    if report.gain is not None:
        gain = report.gain
        writer.writerow(map(safe_cell, (report.names[1], "auc_gain", report.names[0], gain.value, gain.low, gain.high)))


def _rows(report: Report, judged: Judgement) -> Iterator[Row]:
    for name, group in (("won", judged.won), ("lost", judged.lost)):
        low, median, high = group.days_ahead or (None, None, None)
        yield "leads", name, group.leads, None, None, None, None
        yield "hot_before", name, group.hot, None, None, None, None
        yield "hot_before_share", name, group.hot_share, None, None, None, None
        yield "days_ahead_median", name, median, low, high, None, None
    yield "alerts", "", judged.load.alerts, None, None, None, None
    yield "alerts_per_week", "", judged.load.per_week, min(judged.load.weekly), max(judged.load.weekly), None, None
    for owner, count in report.alerts_per_rep(judged).items():
        yield "alerts_per_week", owner, count, None, None, None, None
    yield "precision", "", judged.precision, None, None, judged.won.hot, judged.lost.hot
    yield "recall", "", judged.recall, None, None, judged.won.hot, None
    yield "lift_at_10_percent", "", judged.lift, None, None, None, None
    yield "auc", "", judged.auc.value, judged.auc.low, judged.auc.high, judged.won.leads, judged.lost.leads
    for each in judged.evidence:
        yield f"{each.kind}_ratio", each.name, each.ratio, None, None, each.won, each.lost


def write_leads(report: Report, file: IO[bytes]) -> None:
    """Write each judged lead under each model, as CSV: what it was worth before its outcome, and when it was hot."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "lead", "outcome", "outcome_at", "score", "hot_at", "days_ahead"])
    for name, found in zip(report.names, report.found, strict=True):
        for each in found.judged:
            outcome, hot_at = "won" if each.is_won else "lost", "" if each.hot_ms is None else _moment(each.hot_ms)
            cells = (name, each.lead, outcome, _moment(each.time_ms), round(each.score, 6), hot_at, each.days_ahead)
            writer.writerow(map(safe_cell, cells))
    text.detach()  # or it would close a file that others opened


def _moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
