"""An import from a file's rows to acknowledged records, the same for all that can be imported."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import typer

from scoring.errors import EventError, SettingsError
from scoring.events import check_time
from streams.cli.import_reports import Job, JsonReport, RejectsFile, Report, Summary
from streams.cli.input_files import Input, reading
from streams.cli.output import wants_json
from streams.cli.output_files import open_output
from streams.clock import now_ms
from streams.importing.columns import Columns, map_columns, parse_choices
from streams.importing.fields import FieldSet
from streams.importing.known_rows import KnownRows, read_known_rows
from streams.importing.presets import Names
from streams.importing.rows import Read, Ready, Refused, prepare
from streams.importing.table import Row, open_table
from streams.importing.times import DateOrder, TimeReader, find_zone
from streams.importing.writer import open_writer
from streams.records import Record, to_record
from streams.settings import Settings, load_settings
from streams.topics import Topic

_ROWS_PER_UPDATE: Final = 500


@dataclass(frozen=True)
class How:
    """How an import is done, whatever is imported."""

    dry_run: bool
    rejects: Path | None
    strict: bool
    again: bool
    as_json: bool | None
    source: str


@dataclass(frozen=True)
class Times:
    """What was said about times on the command line."""

    as_of: str | None
    timezone: str | None
    dates: DateOrder | None

    def reader(self) -> TimeReader:
        """Return what reads a file's times; raises :class:`SettingsError`."""
        zone = None if self.timezone is None else find_zone(self.timezone)
        return TimeReader(zone, self.dates)

    def as_of_ms(self) -> int | None:
        """Return the time of rows that tell none (ms); raises :class:`SettingsError`."""
        if self.as_of is None:
            return None
        try:
            return check_time(self.reader().read(self.as_of), now_ms())
        except EventError as error:
            raise SettingsError(f"--as-of {self.as_of[:80]}: {error.message}") from None


def import_table(
    opened: Input,
    fields: FieldSet,
    read_by: Callable[[Columns, int | None], Read],
    topics: Sequence[Topic],
    how: How,
    times: Times,
    *,
    chosen: Sequence[str] | None,
    preset: Names | None = None,
    given: Set[str] = frozenset(),
    kept_as: str = "",
) -> None:
    """Import a CSV file whose rows are read ``read_by`` its columns and the time of rows that tell none (ms).

    ``chosen`` is what --map says, ``given`` are fields that need no column, and ``kept_as`` is what other columns
    become, in the plural.

    Raises :class:`SettingsError` and :class:`scoring.errors.StartError`.
    """
    choices, reader, as_of_ms = parse_choices(chosen or ()), times.reader(), times.as_of_ms()
    given = given if as_of_ms is None else given | {fields.time}
    with ExitStack() as at_end:
        with reading(opened.name):
            table = at_end.enter_context(open_table(opened.file, opened.name))
        try:
            columns = map_columns(table.columns, fields, preset=preset or {}, chosen=choices, given=given, times=reader)
        except SettingsError as error:
            raise SettingsError(f"{opened.name}: {error}") from None
        job = Job(opened.name, table.columns, columns.ignored, kept_as, how.dry_run)
        run_import(opened, table.rows(), read_by(columns, as_of_ms), topics, job, how)


def run_import(opened: Input, rows: Iterable[Row], read: Read, topics: Sequence[Topic], job: Job, how: How) -> None:
    """Write what can be written of ``rows``, or only check it, and tell what came of it.

    Raises :class:`SettingsError` and :class:`scoring.errors.StartError`; ends the command with 1 where rows were
    refused that must not be.
    """
    settings, tally = load_settings(), _Tally()
    prepared = prepare(_guarded(rows, opened.name), read, source=how.source, received_ms=now_ms())
    with ExitStack() as at_end:
        reports = [tally, *_open_reports(at_end, job, how, opened.name)]
        read_records = partial(_records, prepared, reports, settings.prefix, opened.note_progress)
        if how.dry_run:
            deque(read_records(KnownRows()), maxlen=0)
        else:
            asyncio.run(_write(read_records, topics, settings, again=how.again))
        for report in reports:
            report.finish()
    if how.strict and tally.refused:
        raise typer.Exit(1)


async def _write(
    read_records: Callable[[KnownRows], Iterable[tuple[Record, int]]],
    topics: Sequence[Topic],
    settings: Settings,
    *,
    again: bool,
) -> None:
    async with open_writer(settings, topics) as writer:
        known = KnownRows() if again else await read_known_rows(settings)
        for record, row in read_records(known):
            await writer.write(record, row)
        await writer.finish()


def _records(
    prepared: Iterable[Ready | Refused],
    reports: Sequence[Report],
    prefix: str,
    note_progress: Callable[[], None],
    known: KnownRows,
) -> Iterator[tuple[Record, int]]:
    """Yield the records of the rows that are ready and were not known, with their hashes; tell the reports of all."""
    for number, row in enumerate(prepared):
        if number % _ROWS_PER_UPDATE == 0:
            note_progress()
        if isinstance(row, Refused):
            for report in reports:
                report.take_refused(row)
            continue
        record = to_record(row.item, prefix)
        digest = known.add(row.item.id, record)
        for report in reports:
            if digest is None:
                report.take_known(row)
            else:
                report.take_ready(row, record)
        if digest is not None:
            yield record, digest


def _guarded(rows: Iterable[Row], name: str) -> Iterator[Row]:
    with reading(name):
        yield from rows


def _open_reports(at_end: ExitStack, job: Job, how: How, file: str) -> list[Report]:
    rejects = open_output(at_end, "--rejects", how.rejects, [file])
    reports: list[Report] = [] if rejects is None else [RejectsFile(rejects, job.heading)]
    printed = JsonReport if wants_json(how.as_json) else Summary
    return [*reports, printed(job, with_refused=rejects is None)]


class _Tally:
    """Counts what was refused."""

    def __init__(self) -> None:
        self.refused = 0

    def take_ready(self, row: Ready, record: Record) -> None:
        pass

    def take_known(self, row: Ready) -> None:
        pass

    def take_refused(self, row: Refused) -> None:
        self.refused += 1

    def finish(self) -> None:
        pass
