"""What became of the leads when shards went over to another model: one summary of all shards' reports."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from scoring.adoption import Adoption, Move
from streams.cli.output import make_console, printable, show_lead, write_json
from streams.model_reports import read_reports, sum_up
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.published_models import Publication

LOOK_AGAIN_S: Final = 1.0
SILENCE_S: Final = 20.0
"""After so long without a report of any shard it is said that no worker seems to run."""

WHO_SHOWN: Final = 5

WaitOption = Annotated[
    int,
    typer.Option(
        "--wait", min=0, max=86_400, metavar="SECONDS", help="How long to wait until all leads are under it; 0: not."
    ),
]


def move_lines(moves: Iterable[Move], leads: int) -> Iterator[str]:
    """Yield how many leads go from which band to which, and who is first among them."""
    moved = [move for move in moves if move.leads]
    if not moved:
        yield f"all of {leads:,} leads stay in their bands"
    for move in moved:
        who = [show_lead(lead) for lead in move.examples[:WHO_SHOWN]]
        more = f" and {move.leads - len(who):,} more" if move.leads > len(who) else ""
        bands = f"from {printable(move.from_band)} to {printable(move.to_band)}"
        yield f"{move.leads:,} of {leads:,} leads go {bands}: {', '.join(who)}{more}"


def write_published(made: Publication) -> None:
    """Print a publication as a JSON line, without its text."""
    write_json({"published": msgspec.structs.replace(made, text="")})


async def tell_adoption(settings: Settings, made: Publication, wait_s: int, *, as_json: bool) -> None:
    """Say that a model is published, wait until all shards have brought their leads under it, and sum up."""
    if as_json:
        write_published(made)
    else:
        make_console().print(f"Published as number {made.number}, version {printable(made.version)}.")
    if not wait_s:
        return
    reports = await _wait(settings, made.number, wait_s)
    total = sum_up(made.number, made.version, reports)
    if as_json:
        write_json({"adopted": total, "shards": len(reports), "of_shards": settings.partitions})
        return
    console = make_console()
    if not reports:
        console.print(
            "No shard has reported yet: is a worker running? It goes over to this model when it does; "
            "see `leadheat model history`."
        )
        return
    if len(reports) < settings.partitions:
        console.print(
            f"{len(reports)} of {settings.partitions} shards have reported; `leadheat model history` has the rest."
        )
    for line in move_lines(total.moves, total.leads):
        console.print(line)
    console.print("Nobody was alerted because of it.")


async def _wait(settings: Settings, number: int, wait_s: float) -> list[Adoption]:
    """Return the reports of all shards, or those that came in time."""
    from rich.console import Console

    loop = asyncio.get_running_loop()
    started = loop.time()
    with Console(stderr=True).status("shards go over to it") as status:
        while True:
            reports = (await read_reports(settings)).get(number, [])
            status.update(f"{len(reports)} of {settings.partitions} shards have all their leads under it")
            waited = loop.time() - started
            if len(reports) >= settings.partitions or waited > wait_s or (not reports and waited > SILENCE_S):
                return reports
            await asyncio.sleep(LOOK_AGAIN_S)
