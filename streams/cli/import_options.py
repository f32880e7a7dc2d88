"""The options that the commands which import files share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.importing.presets import Preset
from streams.importing.times import DateOrder

TableArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A CSV file with a heading; .gz too; - reads standard input.")
]
PresetOption = Annotated[Preset, typer.Option(help="Whose export it is: what its columns are called.")]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="COLUMN=FIELD", help='What a column means: "Functie=job_title"; can be repeated.'),
]
KeepUnknownOption = Annotated[
    bool, typer.Option("--keep-unknown", help="Keep what other columns tell, under names made of theirs.")
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="The time of rows that tell none, such as 2026-11-01T09:00Z.", show_default=False
    ),
]
TimezoneOption = Annotated[
    str | None,
    typer.Option(metavar="ZONE", help="The zone of times that name none: Europe/Amsterdam.", show_default=False),
]
DatesOption = Annotated[
    DateOrder | None, typer.Option(help="What comes first in dates such as 3/4/2026.", show_default=False)
]
SourceOption = Annotated[str, typer.Option(metavar="NAME", help="The source of the records, unless a row names one.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check everything and show the first rows; write nothing, need no Kafka.")
]
RejectsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the refused rows to this file, as CSV, with the reasons before them."),
]
AgainOption = Annotated[
    bool, typer.Option("--again", help="Write rows that were imported before, too: for topics that have been emptied.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 1 if a row was refused.")]
