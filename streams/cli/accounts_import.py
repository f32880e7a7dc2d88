"""``leadheat accounts import``: companies of a CRM, from a file to Kafka."""

from __future__ import annotations

import sys

from streams.cli.import_options import (
    AgainOption,
    AsOfOption,
    DatesOption,
    DryRunOption,
    KeepUnknownOption,
    MapOption,
    PresetOption,
    RejectsOption,
    SourceOption,
    StrictOption,
    TableArgument,
    TimezoneOption,
)
from streams.cli.output import JsonOption
from streams.importing.presets import Preset, names_of


def import_accounts(
    file: TableArgument,
    preset: PresetOption = Preset.LEADHEAT,
    chosen: MapOption = None,
    keep_unknown: KeepUnknownOption = False,
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
    """Import companies from a CSV file: each row becomes an account update with the facts that it tells.

    A row needs account_id or domain, and a time: its column modified, or --as-of. With both, the id is known to be
    that domain's account. Of each fact, the newest counts, from whatever file; the same file imported again changes
    nothing. Refused rows are listed, and the others are written. Try it with --dry-run first: it shows what columns
    are taken for.

    Commas, semicolons and tabs are recognised, and so are UTF-8 and UTF-16. Kafka is found by LEADHEAT_BROKERS and
    LEADHEAT_PREFIX. docs/importing.md lists the fields.

    Examples:
      leadheat accounts import companies.csv --preset hubspot --timezone Europe/Amsterdam --dry-run
      leadheat accounts import accounts.csv --preset salesforce --rejects refused.csv
      leadheat accounts import own.csv --map "Branche=industry" --as-of 2026-11-01T09:00Z
    """
    from streams.cli.import_run import How, Times, import_table
    from streams.cli.input_files import open_input
    from streams.importing.accounts import AccountRows
    from streams.importing.fields import ACCOUNTS
    from streams.topics import ACCOUNT_UPDATES

    with open_input(file, "importing", show_progress=sys.stderr.isatty()) as opened:
        import_table(
            opened,
            ACCOUNTS,
            lambda columns, as_of_ms: AccountRows(columns, as_of_ms, keep_unknown).read,
            [ACCOUNT_UPDATES],
            How(dry_run, rejects, strict, again, as_json, source),
            Times(as_of, timezone, dates),
            chosen=chosen,
            preset=names_of(preset, ACCOUNTS.noun),
            kept_as="facts" if keep_unknown else "",
        )
