"""``leadheat events import``: what people did, from a file to Kafka."""

from __future__ import annotations

import codecs
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.errors import SettingsError
from streams.cli.import_options import (
    AgainOption,
    AsOfOption,
    DatesOption,
    DryRunOption,
    MapOption,
    RejectsOption,
    SourceOption,
    StrictOption,
    TimezoneOption,
)
from streams.cli.output import JsonOption

if TYPE_CHECKING:
    from streams.cli.import_run import How, Times
    from streams.cli.input_files import Input


def import_events(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A CSV file with a heading, or JSON lines; .gz too; - for standard input."),
    ],
    chosen: MapOption = None,
    event_type: Annotated[
        str | None,
        typer.Option(
            "--type", metavar="TYPE", help="The type of rows that tell none: webinar_attended.", show_default=False
        ),
    ] = None,
    as_of: AsOfOption = None,
    timezone: TimezoneOption = None,
    dates: DatesOption = None,
    source: SourceOption = "import",
    dry_run: DryRunOption = False,
    rejects: RejectsOption = None,
    strict: StrictOption = False,
    again: AgainOption = False,
    as_json: JsonOption = None,
) -> None:
    """Import events from a CSV file or from JSON lines: history, or what another system knows.

    JSON lines hold events as POST /v1/events takes them. A row of a CSV file needs type (or --type), time, and email,
    user_id or anonymous_id; id, account_id and source are known too, and other columns become properties under their
    own names, or traits and context where they are called traits.job_title or context.campaign.source.

    Events are told apart by their ids; a row without one is named by what it says. What has been imported is
    remembered: rows that are alike, and a file that is imported again, count once. Refused rows are listed, and the
    others are written. Kafka is found by LEADHEAT_BROKERS and LEADHEAT_PREFIX.

    Examples:
      leadheat events import history.jsonl.gz --dry-run
      leadheat events import attendees.csv --type webinar_attended --map "Join Time=time" --timezone Europe/Berlin
      leadheat events import history.csv --rejects refused.csv
    """
    from streams.cli.import_run import How, Times
    from streams.cli.input_files import open_input

    how, times = How(dry_run, rejects, strict, again, as_json, source), Times(as_of, timezone, dates)
    with open_input(file, "importing", show_progress=sys.stderr.isatty()) as opened:
        if not _holds_json(opened):
            _import_table(opened, how, times, chosen, event_type)
        elif chosen or event_type is not None:
            raise SettingsError(f"--map and --type are for tables; {opened.name} holds JSON lines")
        else:
            _import_json_lines(opened, how)


def _holds_json(opened: Input) -> bool:
    from streams.cli.input_files import reading

    with reading(opened.name):
        return opened.file.peek(64).removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{"


def _import_table(opened: Input, how: How, times: Times, chosen: list[str] | None, event_type: str | None) -> None:
    from scoring.errors import EventError
    from streams.cli.import_run import import_table
    from streams.importing.events import EventRows, check_type
    from streams.importing.fields import EVENTS
    from streams.topics import EVENT_TOPICS

    if event_type is not None:
        try:
            check_type(event_type)
        except EventError as error:
            raise SettingsError(f"--type: {error.message}") from None
    import_table(
        opened,
        EVENTS,
        lambda columns, as_of_ms: EventRows(columns, as_of_ms, event_type).read,
        EVENT_TOPICS,
        how,
        times,
        chosen=chosen,
        given=set() if event_type is None else {"type"},
        kept_as="properties",
    )


def _import_json_lines(opened: Input, how: How) -> None:
    from streams.cli.import_reports import Job
    from streams.cli.import_run import run_import
    from streams.cli.json_lines import read_lines
    from streams.clock import now_ms
    from streams.importing.events import read_json_event
    from streams.importing.table import Row
    from streams.topics import EVENT_TOPICS

    received_ms = now_ms()
    rows = (
        Row(number, [line.decode("utf-8", "surrogateescape").rstrip("\r\n")])
        for number, line in enumerate(read_lines(opened), 1)
        if not line.isspace()
    )
    job = Job(opened.name, ["event"], [], "", how.dry_run)
    run_import(
        opened,
        rows,
        lambda cells: read_json_event(cells[0].encode("utf-8", "surrogateescape"), received_ms),
        EVENT_TOPICS,
        job,
        how,
    )
