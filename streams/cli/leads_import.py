"""``leadheat leads import``: people of a CRM, from a file to Kafka."""

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


def import_leads(
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
    """Import people from a CSV file: each row becomes an `identified` event with what it tells of them.

    A row needs email, user_id or anonymous_id, and a time: its column modified, or --as-of. Of what several files
    tell, the newest counts; the same file imported again changes nothing. Refused rows are listed, and the others
    are written. Try it with --dry-run first: it shows what columns are taken for.

    Commas, semicolons and tabs are recognised, and so are UTF-8 and UTF-16. Kafka is found by LEADHEAT_BROKERS and
    LEADHEAT_PREFIX. docs/importing.md lists the fields.

    Examples:
      leadheat leads import contacts.csv --preset hubspot --timezone Europe/Amsterdam --dry-run
      leadheat leads import leads.csv --preset salesforce --rejects refused.csv
      leadheat leads import people.csv --map "Functie=job_title" --as-of 2026-11-01T09:00Z
    """
    from streams.cli.import_run import How, Times, import_table
    from streams.cli.input_files import open_input
    from streams.importing.fields import LEADS
    from streams.importing.leads import LeadRows
    from streams.topics import WEB_EVENTS

    with open_input(file, "importing", show_progress=sys.stderr.isatty()) as opened:
        import_table(
            opened,
            LEADS,
            lambda columns, as_of_ms: LeadRows(columns, as_of_ms, keep_unknown).read,
            [WEB_EVENTS],
            How(dry_run, rejects, strict, again, as_json, source),
            Times(as_of, timezone, dates),
            chosen=chosen,
            preset=names_of(preset, LEADS.noun),
            kept_as="traits" if keep_unknown else "",
        )
