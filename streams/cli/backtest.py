"""``leadheat backtest``: what a model would have said of those who were won, and of those who were lost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from scoring.errors import SettingsError
from scoring.models import DEFAULT_MODEL
from streams.cli.import_options import DatesOption, MapOption, TimezoneOption
from streams.cli.model_files import find_model
from streams.cli.output_files import open_output

if TYPE_CHECKING:
    from scoring.judged import Judgements
    from scoring.model import ScoringModel
    from streams.cli.backtest_reports import Report
    from streams.cli.deals_files import ToldDeals
    from streams.cli.past_events import Past
    from streams.importing.times import TimeReader

MODELS_MAX: Final = 2


class Form(StrEnum):
    """How a backtest is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


PastFileArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE]", help="Events, one JSON object a line; .gz too; - reads standard input.", show_default=False
    ),
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="DATE", help="Instead of a file: the stored events since then.", show_default=False),
]
OutcomesOption = Annotated[
    str | None,
    typer.Option(
        metavar="CSV",
        help="Who was won or lost, and when: a table or follow-ups as JSON lines.",
        show_default="the follow-ups",
    ),
]
RestLostOption = Annotated[
    bool, typer.Option("--rest-lost", help="Count leads without an outcome as lost, as of their last event.")
]


def backtest(
    file: PastFileArgument = None,
    from_date: FromOption = None,
    outcomes: OutcomesOption = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL",
            help="The model to judge (YAML), or two to compare; `default` is ours.",
            show_default="the one we ship",
        ),
    ] = None,
    rest_lost: RestLostOption = False,
    reps: Annotated[
        int | None, typer.Option(min=1, help="How many share the alerts.", show_default="by the leads' owners")
    ] = None,
    chosen: MapOption = None,
    timezone: TimezoneOption = None,
    dates: DatesOption = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="How to print it.", show_default="table on a terminal, else json")
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="PAGE", help="Also write one HTML page with pictures.")] = None,
    leads: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Also write each lead that was judged to this file.")
    ] = None,
) -> None:
    """Judge a model by history: would it have told those who were won from those who were lost, and how early?

    All events are taken in the order in which they happened, and each lead is judged by what was known the moment
    before it was won or lost: nothing after that is read for it. Reported for the won and the lost: who was hot before,
    how many days ahead, alerts a week and for each rep, precision, recall, lift of the best tenth, the area under the
    curve with its 95 % interval, and for every rule and trait how much more often the won had it.

    Outcomes are a CSV file with a heading: a lead (email, user_id or lead), a time (a date is its beginning), and
    outcome (won or lost; all are won where there is no such column). Without --outcomes, the follow-ups won and lost
    count: those of the topic with --from, else those among the events of the file. Other follow-ups are passed over:
    they answered the alerts of another model. The same events give the same numbers every time.

    With two models, also by how much the second is better, and whether that is more than chance.

    Examples:
      leadheat backtest events.jsonl.gz --outcomes won-and-lost.csv --timezone Europe/Amsterdam
      leadheat backtest --from 2026-01-01 --model my-model.yaml --html report.html
      leadheat backtest events.jsonl --outcomes won.csv --rest-lost --model default --model my-model.yaml --format csv
    """
    from streams.cli.backtest_reports import Report
    from streams.cli.import_run import Times

    models = load_models(model or [DEFAULT_MODEL])
    times = Times(None, timezone, dates).reader()
    inputs = [file, outcomes, *map(find_model, model or ())]
    with ExitStack() as at_end:
        outputs = [open_output(at_end, *each, inputs) for each in (("--html", html), ("--leads", leads))]
        past, told = read_history(file, from_date, outcomes, times, chosen or ())
        found = judge([each for _, each in models], past, told, rest_lost=rest_lost)
        report = Report(models, found, told, past.unreadable, reps)
        if outputs[0] is not None:
            from streams.cli.backtest_page import write_page

            outputs[0].write(write_page(report).encode())
        if outputs[1] is not None:
            from streams.cli.backtest_tables import write_leads

            write_leads(report, outputs[1])
    _tell(report, form or (Form.TABLE if sys.stdout.isatty() else Form.JSON))


def load_models(paths: Sequence[Path]) -> list[tuple[str, ScoringModel]]:
    """Return one or two models, each with what its file is called; raises :class:`SettingsError` for more."""
    from scoring.model import load_model

    if len(paths) > MODELS_MAX:
        raise SettingsError(f"--model: {len(paths)} are given; at most {MODELS_MAX} are compared at a time")
    files = map(find_model, paths)
    return [("default" if file == DEFAULT_MODEL else file.name, load_model(file)) for file in files]


def read_history(
    file: str | None, from_date: str | None, outcomes: str | None, times: TimeReader, chosen: Sequence[str]
) -> tuple[Past, ToldDeals]:
    """Return what has happened, and what came of it; raises :class:`SettingsError` where either is missing."""
    from streams.cli.deals_files import deals_among, read_deals
    from streams.cli.past_events import read_past_file, read_past_topics
    from streams.clock import now_ms
    from streams.settings import load_settings

    if (file is None) == (from_date is None):
        raise SettingsError("name a FILE of events, or --from DATE to read those that are stored; one of the two")
    # First the small file: a mistake in it should not take minutes to tell.
    told = None if outcomes is None else read_deals(outcomes, times, chosen, now_ms())
    if file is not None:
        past = read_past_file(file, now_ms())
    else:
        assert from_date is not None
        past = read_past_topics(load_settings(), _begin_of(from_date))
    where = file or "the stored topics since then"
    if not past.records:
        raise SettingsError(f"{where}: hold no events, so there is nothing to replay")
    if told is None:
        told = deals_among(past.follow_ups, "the follow-ups")
        if not told.deals:
            raise SettingsError(
                f"{where}: hold no follow-up that says won or lost; name a file with --outcomes, or have your CRM "
                "send them to /v1/follow-ups"
            )
    return past, told


def judge(models: Sequence[ScoringModel], past: Past, told: ToldDeals, *, rest_lost: bool) -> list[Judgements]:
    """Return what each model said; raises :class:`SettingsError` where won or lost are missing among the judged."""
    from scoring.backtest import run_backtest
    from scoring.deals import gather_deals
    from streams.cli.past_events import rare_collections

    with rare_collections():
        found = run_backtest(models, past.chunks(), gather_deals(told.deals).deals, rest_is_lost=rest_lost)
    first = found[0]
    won = sum(each.is_won for each in first.judged)
    lost = len(first.judged) - won
    if won and lost:
        return found
    if not first.judged or (rest_lost and not won):
        raise SettingsError(f"{told.name}: {_why_nobody(first)}")
    have, lack = ("won", "lost") if won else ("lost", "won")
    way = ", or say --rest-lost to count leads without an outcome as lost" if won and not rest_lost else ""
    tells = "" if told.tells_outcomes else " (no column tells the outcome, so all rows count as won)"
    raise SettingsError(
        f"{told.name}: all {len(first.judged):,} leads that could be judged were {have}{tells}; a model is judged by "
        f"telling won from lost: add leads that were {lack}{way}"
    )


def _why_nobody(found: Judgements) -> str:
    if found.unknown and not found.too_early:
        return (
            f"no event is about any of its {len(found.unknown):,} leads, the first being {found.unknown[0].lead}; are "
            "they known there by another identity (email, user_id), or are these other events?"
        )
    return (
        f"none of its leads was won with events before: of {len(found.unknown):,} there is no event, and "
        f"{len(found.too_early):,} were decided before their first event; take events from further back, or check the "
        "column of times"
    )


def _begin_of(text: str) -> int:
    """Return a date's beginning (UTC), or a time with its offset, in ms."""
    import re

    from scoring.errors import EventError
    from scoring.events import parse_time

    try:
        return parse_time(f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text)
    except EventError:
        raise SettingsError(f"--from {text!r}: expected 2026-01-31 or 2026-01-31T09:00:00Z") from None


def _tell(report: Report, form: Form) -> None:
    from streams.cli import backtest_tables

    match form:
        case Form.JSON:
            backtest_tables.write_json_lines(report)
        case Form.CSV:
            backtest_tables.write_measures(report, sys.stdout)
        case Form.TABLE:
            from streams.cli.backtest_reports import print_report

            print_report(report)
