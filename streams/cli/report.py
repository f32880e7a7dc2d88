"""``leadheat report``: how it went, over any time, for people and spreadsheets."""

from __future__ import annotations

import asyncio
import csv
import logging
import re
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scoring.errors import EventError, SettingsError
from streams.cli.output import make_console, make_table, printable, write_json
from streams.cli.teaching import register
from streams.clock import now_ms
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from scoring.alerts import Alert
    from scoring.follow_ups import FollowUp
    from streams.delivery.handoff_report import Line

report = typer.Typer(help="How it went: handoffs to sales.", no_args_is_help=True)

_SPAN: Final = re.compile(r"([0-9]+)([dhm])")
_UNIT_MS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000}
_DAY_MS: Final = 86_400_000


class Form(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def handoff(
    since: Annotated[
        str, typer.Option(help="Alerts from then on: 30d, 12h, 2026-01-31 or a time with its offset.")
    ] = "30d",
    until: Annotated[str, typer.Option(help="Alerts before then, likewise.")] = "0m",
    lost_after: Annotated[str, typer.Option(help="An alert that nobody answers for so long is lost.")] = "7d",
    form: Annotated[
        Form | None, typer.Option("--format", help="How to print it.", show_default="table on a terminal, else json")
    ] = None,
) -> None:
    """Report handoffs to sales per band and owner: answers, waits, breaches, what was lost, what was early or late.

    `handoff` and `contact` are the median times from an alert to the first acceptance or contact, and to the first
    contact. Early are those that sales rejected as not ready; late are those that had been contacted, or had an
    opportunity, before the alert.

    Examples:
      leadheat report handoff
      leadheat report handoff --since 2026-01-01 --until 2026-02-01 --format csv > january.csv
    """
    from streams.delivery.handoff_report import as_row, summarise, tell_stories, total

    now = now_ms()
    from_ms, to_ms = _time(since, now, "--since"), _time(until, now, "--until")
    lost_ms = now - _time(lost_after, now, "--lost-after")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would say is in our error
    alerts, follow_ups = asyncio.run(_read(load_settings()))
    stories = [each for each in tell_stories(alerts, follow_ups) if from_ms <= each.alert.time_ms < to_ms]
    lines = [*summarise(stories, now, lost_ms), total(stories, now, lost_ms)]
    match form or (Form.TABLE if sys.stdout.isatty() else Form.JSON):
        case Form.JSON:
            for line in lines:
                write_json(as_row(line))
        case Form.CSV:
            _write_csv([dict(as_row(line)) for line in lines])
        case Form.TABLE:
            _print_table(lines)


def _write_csv(rows: list[dict[str, Any]]) -> None:
    from streams.delivery.escaping import csv_cell

    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: csv_cell(value) if isinstance(value, str) else value for name, value in row.items()})


def _print_table(lines: list[Line]) -> None:
    counts = ("alerts", "accepted", "rejected", "breaches", "lost", "early", "late", "won")
    numbers = ("alerts", "accepted", "rejected", "acceptance", "handoff", "contact", *counts[3:])
    table = make_table("band", "owner", *numbers, right=numbers)
    for line in lines:
        acceptance = "–" if line.acceptance is None else f"{line.acceptance:.0%}"
        shown = {name: f"{getattr(line, name):,}" for name in counts}
        waits = [_show_wait(line.handoff_s), _show_wait(line.contact_s)]
        first = [printable(line.band), printable(line.owner) or "nobody", *(shown[name] for name in counts[:3])]
        table.add_row(*first, acceptance, *waits, *(shown[name] for name in counts[3:]))
    make_console().print(table)


def _show_wait(seconds: float | None) -> str:
    from streams.delivery.messages import show_span

    return "–" if seconds is None else show_span(round(seconds * 1000))


async def _read(settings: Settings) -> tuple[list[Alert], list[FollowUp]]:
    import msgspec

    from scoring.alerts import Alert
    from scoring.follow_ups import decode_follow_up
    from streams.reading import open_topic
    from streams.topics import FOLLOW_UPS, HOT_LEADS

    decode = msgspec.json.Decoder(Alert).decode
    follow_ups: list[FollowUp] = []
    async with open_topic(settings.brokers, HOT_LEADS.full_name(settings.prefix)) as reader:
        alerts = [decode(record.value) async for record in reader.read_to_end()]
    async with open_topic(settings.brokers, FOLLOW_UPS.full_name(settings.prefix)) as reader:
        async for record in reader.read_to_end():
            try:
                follow_ups.append(decode_follow_up(record.value or b"", record.timestamp))
            except EventError:
                continue  # a dead letter says so
    return alerts, follow_ups


def _time(text: str, now: int, option: str) -> int:
    """Return a time (ms) given as so long ago, as a date or as a time with its offset."""
    from scoring.events import parse_time

    span = _SPAN.fullmatch(text)
    if span is not None:
        return now - int(span[1]) * _UNIT_MS[span[2]]
    try:
        return parse_time(f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text)
    except EventError:
        raise SettingsError(f"{option} {text!r}: expected 30d, 12h, 2026-01-31 or 2026-01-31T09:00:00Z") from None


register(report, handoff, "handoff")
