"""``leadheat customers segment``: a spreadsheet of customers, rated and parted; no Kafka is needed."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.models import DEFAULT_MODEL
from streams.cli.import_options import DatesOption, MapOption
from streams.cli.output import JsonOption, printable
from streams.importing.decimals import Decimal

if TYPE_CHECKING:
    from scoring.customers import Customer, Segmentation
    from scoring.model import Customers
    from streams.cli.input_files import Input
    from streams.importing.customers import CustomerColumns
    from streams.importing.table import Table
    from streams.importing.times import TimeReader

SHOWN = 50
CUSTOMERS_MAX = 100_000
LONG_BYTES = 2_000_000
"""A file of so many bytes takes some seconds."""

CustomersModelOption = Annotated[
    Path,
    typer.Option(
        "--model",
        envvar="LEADHEAT_MODEL",
        metavar="FILE",
        help="The model, whose section customers says what counts.",
        show_default="the one we ship",
    ),
]


class RatedBy(StrEnum):
    """What is rated and parted."""

    CUSTOMER = "customer"
    GROUP = "group"


def segment(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A .csv or .xlsx file with a heading; - reads standard input.")
    ],
    model: CustomersModelOption = DEFAULT_MODEL,
    by: Annotated[
        RatedBy, typer.Option(help="Rate each customer, or the groups that the column group names.")
    ] = RatedBy.CUSTOMER,
    chosen: MapOption = None,
    sheet: Annotated[
        str | None, typer.Option(metavar="NAME", help="The sheet of a workbook.", show_default="the first")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Criteria that no column tells are unknown, and no error.")
    ] = False,
    dates: DatesOption = None,
    decimal: Annotated[
        Decimal | None,
        typer.Option(help="What stands before decimals, where 1.200 and the like do not tell.", show_default=False),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="The day as of which overrides hold: 2026-11-01.", show_default="now"),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, max=CUSTOMERS_MAX, help="How many customers to show.")] = SHOWN,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write all customers to this file, as CSV.")
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draft an ideal-customer profile from the best segment, as YAML."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="All customers as CSV, for a spreadsheet.")] = False,
    as_json: JsonOption = None,
) -> None:
    """Rate the customers of a spreadsheet, and say whom to fight for, keep, grow, serve cheaply or let go.

    What counts is the section customers of the model; without one, four questions that are answered yes or no:
    fits_profile, offer_meets_need, low_service_effort and revenue_potential. A column of a criterion's name tells it;
    --map says so of others. Who the customer is, tell customer or name. Blank cells are unknown, which is not bad.

    The columns revenue and profit, if there, are for the Pareto report: how few customers bring 80 % of each. A segment
    can be set by hand with override, override_reason and override_until. Numbers may have decimal commas.

    A table with a fault is refused whole, with every fault and its line: a customer misread would move others.

    Examples:
      leadheat customers segment customers.xlsx --save segments.csv
      leadheat customers segment customers.csv --model my-model.yaml --map "Omzet 2026=revenue"
      leadheat customers segment customers.csv --by group --json | jq -c '.customers[] | select(.segment == "exit")'
    """
    from scoring.customers import segment_customers
    from scoring.model import load_model
    from streams.cli.customers_reports import print_segmentation, write_csv
    from streams.cli.input_files import open_input
    from streams.cli.output import wants_json, write_json
    from streams.cli.output_files import open_output
    from streams.importing.times import TimeReader, find_zone

    section = load_model(model).customers
    times = TimeReader(find_zone("UTC"), dates)
    now = _as_of_ms(as_of, times)
    with ExitStack() as at_end:
        at_end.enter_context(_without_collector())
        opened = at_end.enter_context(open_input(file, "reading", show_progress=False))
        at_end.enter_context(_telling_to_wait(opened))
        mapped, customers = _read(at_end, opened, sheet, section, chosen or [], times, allow_missing, by, decimal)
        # Opened only now: nothing is lost where the table cannot be read.
        saved = open_output(at_end, "--save", save, [file])
        drafted = open_output(at_end, "--profile", profile, [file])
        found = segment_customers(section, customers, now, by.value)
        if saved is not None:
            saved.write(_as_csv(found))
        if drafted is not None:
            drafted.write(_draft(found, customers, section).encode())
    if as_csv:
        write_csv(found, sys.stdout)
    elif wants_json(as_json):
        write_json(found)
    else:
        print_segmentation(found, limit, mapped.missing)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector from looking at every customer again and again: none of them is in a cycle."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _telling_to_wait(opened: Input) -> AbstractContextManager[object]:
    """Say that something is done, on a terminal and where a file is long enough to wonder."""
    if not sys.stderr.isatty() or os.fstat(opened.file.fileno()).st_size < LONG_BYTES:
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True, markup=False).status(f"reading and rating the customers of {printable(opened.name)}")


def _as_of_ms(as_of: str | None, times: TimeReader) -> int:
    from scoring.errors import EventError, SettingsError
    from streams.clock import now_ms

    if as_of is None:
        return now_ms()
    try:
        return times.read(as_of)
    except EventError as error:
        raise SettingsError(f"--as-of {as_of[:80]}: {error.message}") from None


def _read(
    at_end: ExitStack,
    opened: Input,
    sheet: str | None,
    section: Customers,
    chosen: list[str],
    times: TimeReader,
    allow_missing: bool,
    by: RatedBy,
    decimal: Decimal | None,
) -> tuple[CustomerColumns, list[Customer]]:
    from scoring.errors import SettingsError
    from streams.cli.input_files import reading
    from streams.importing.columns import parse_choices
    from streams.importing.customers import map_customer_columns, read_customers
    from streams.importing.workbook import is_workbook

    with reading(opened.name):
        if is_workbook(opened.file):
            decimal = decimal or Decimal.POINT  # as the numbers of its cells become texts
        table = _open_table(at_end, opened, sheet)
        try:
            mapped = map_customer_columns(
                table.columns, section, chosen=parse_choices(chosen), times=times, allow_missing=allow_missing
            )
        except SettingsError as error:
            told = str(error).splitlines()
            raise SettingsError("\n".join(f"{opened.name}: {line}" for line in told)) from None
        if by is RatedBy.GROUP and not mapped.has_groups:
            raise SettingsError(f'{opened.name}: --by group needs a column group; --map "Their column=group" names one')
        return mapped, read_customers(table.rows(), mapped, opened.name, decimal)


def _open_table(at_end: ExitStack, opened: Input, sheet: str | None) -> Table:
    from scoring.errors import SettingsError
    from streams.importing.table import open_table
    from streams.importing.workbook import is_workbook, open_workbook

    if is_workbook(opened.file):
        return at_end.enter_context(open_workbook(opened.file, opened.name, sheet))
    if sheet is not None:
        raise SettingsError(f"--sheet {sheet[:80]}: {opened.name} is no workbook")
    return at_end.enter_context(open_table(opened.file, opened.name))


def _as_csv(found: Segmentation) -> bytes:
    import io

    from streams.cli.customers_reports import write_csv

    text = io.StringIO()
    write_csv(found, text)
    return text.getvalue().encode("utf-8-sig")  # the mark tells spreadsheets that it is UTF-8


def _draft(found: Segmentation, customers: list[Customer], section: Customers) -> str:
    from scoring.customers import best_facts
    from scoring.profile_draft import draft_profile

    return draft_profile(best_facts(found, customers, section)) + "\n"
