"""``leadheat customers import``: invoices, wins and churn of a CRM or the books, from a file to Kafka."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from streams.cli.import_options import (
    AgainOption,
    AsOfOption,
    DatesOption,
    DryRunOption,
    MapOption,
    RejectsOption,
    SourceOption,
    StrictOption,
    TableArgument,
    TimezoneOption,
)
from streams.cli.output import JsonOption
from streams.importing.decimals import Decimal


class CustomerEventType(StrEnum):
    """What rows are that do not say it."""

    INVOICE = "invoice"
    WON = "won"
    CHURN = "churn"


def import_customer_events(
    file: TableArgument,
    chosen: MapOption = None,
    event_type: Annotated[
        CustomerEventType, typer.Option("--type", help="What rows are that do not tell it in a column type.")
    ] = CustomerEventType.INVOICE,
    decimal: Annotated[
        Decimal | None,
        typer.Option(
            help="What stands before decimals; without it, 1.200 and the like are refused.", show_default=False
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
    """Import invoices, wins or churn from a CSV file, so that workers know what customers are worth.

    A row needs account_id or domain, time (or --as-of), and of an invoice the amount; profit and days_late are known
    too. Rows are told apart by an id, such as the number of the invoice; one without is named by what it says. What has
    been imported is remembered: rows that are alike, and a file that is imported again, count once. Refused rows are
    listed, and the others are written. Kafka is found by LEADHEAT_BROKERS and LEADHEAT_PREFIX.

    Examples:
      leadheat customers import invoices.csv --timezone Europe/Amsterdam --dates dmy --decimal comma --dry-run
      leadheat customers import won.csv --type won --map "Close Date=time" --timezone UTC
    """
    from streams.cli.import_run import How, Times, import_table
    from streams.cli.input_files import open_input
    from streams.importing.customer_events import CUSTOMER_EVENT_FIELDS, CustomerEventRows
    from streams.topics import ACCOUNT_UPDATES

    with open_input(file, "importing", show_progress=sys.stderr.isatty()) as opened:
        import_table(
            opened,
            CUSTOMER_EVENT_FIELDS,
            lambda columns, as_of_ms: CustomerEventRows(columns, as_of_ms, event_type.value, decimal).read,
            [ACCOUNT_UPDATES],
            How(dry_run, rejects, strict, again, as_json, source),
            Times(as_of, timezone, dates),
            chosen=chosen,
        )
