"""``leadheat model shadow`` and ``compare``: a candidate scores beside the model in use, and where the two part."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from scoring.errors import StartError
from streams.cli.model_files import find_model
from streams.cli.output import (
    JsonOption,
    make_console,
    make_table,
    printable,
    show_band,
    show_lead,
    show_points,
    wants_json,
    write_json,
)
from streams.settings import Settings, load_settings
from streams.topics import MODEL_COMPARISONS

if TYPE_CHECKING:
    from streams.model_comparison import Comparison

SHADOW: Final = "shadow"
REASONS_SHOWN: Final = 3
LISTED: Final = 20
PARTINGS_KEPT: Final = 100
COMPARE_S: Final = 30.0
COMPARE_SHARE: Final = 20
"""How many times longer than a comparison takes the pause after it is: it is no load that anybody notices."""


def shadow(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The candidate, a model file.", show_default=False)],
    workers: Annotated[int, typer.Option(min=1, max=16, help="How many workers share the partitions.")] = 1,
    end: Annotated[bool, typer.Option("--end", help="Delete what this candidate has found, and end.")] = False,
) -> None:
    """Let a candidate score beside the model in use until Ctrl-C; nobody is alerted by it.

    Workers of its own read all stored events first, and then what comes, into topics of their own. The running ones are
    not touched. Stopped and started again with the same file it goes on where it was; another file begins anew.
    `leadheat model compare` shows where the two part.

    Examples:
      leadheat model shadow candidate.yaml
      leadheat model shadow candidate.yaml --end
    """
    from streams.embedded.stack import run_until_signal

    run_until_signal(_shadow(load_settings(), file, workers, end))


async def _shadow(settings: Settings, file: Path, workers: int, end: bool) -> None:
    from rich.console import Console

    from scoring.model import load_model_text
    from streams.cli.model_beside import catch_up, choose_track, find_tracks, remove_track, say, workers_beside
    from streams.published_models import write_small
    from streams.topics import require_topics

    model, text = load_model_text(find_model(file))
    await require_topics(settings)
    track = await choose_track(settings, SHADOW, text)
    for other in await find_tracks(settings, SHADOW):
        if end or other != track:
            await remove_track(settings, other)
    if end:
        await write_small(settings, MODEL_COMPARISONS, SHADOW.encode(), None)
        typer.echo("The candidate is gone, and what it has found.")
        return
    console = Console(stderr=True)
    async with workers_beside(settings, track, text, workers, say) as supervisor:
        with console.status("reading all stored events") as status:
            await catch_up(settings, track, supervisor, status.update)
        typer.echo(f"Version {model.version} has scored what there is, and goes on with what comes; Ctrl-C stops it.")
        typer.echo("See `leadheat model compare`, and the dashboard's page Model.")
        comparing = asyncio.create_task(_keep_comparing(settings, track))
        try:
            await supervisor.wait()
        finally:
            comparing.cancel()
            await asyncio.gather(comparing, return_exceptions=True)


async def _keep_comparing(settings: Settings, track: str) -> None:
    """Write where the candidate and the model in use part, again and again, for the dashboard."""
    from streams.clock import now_ms
    from streams.published_models import write_small

    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            found = await read_comparison(settings, now_ms())
            found.partings = found.partings[:PARTINGS_KEPT]
            await write_small(settings, MODEL_COMPARISONS, SHADOW.encode(), msgspec.json.encode(found))
        except StartError as error:
            typer.echo(f"cannot compare: {error}", err=True)
        took_s = loop.time() - started
        await asyncio.sleep(max(COMPARE_S, COMPARE_SHARE * took_s))


def compare(
    limit: Annotated[int, typer.Option(min=0, help="How many leads to list at most.")] = LISTED,
    as_json: JsonOption = None,
) -> None:
    """Show where a candidate and the model in use part, as of now: by band, by reason, and lead by lead.

    The candidate is what `leadheat model shadow` runs with, or ran with last. Reasons are the rules, traits and
    ceilings whose points differ; those of a lead sum to the difference of its scores.

    In a pipe, one JSON object a line: {"parting": …} for each lead that differs, and {"compared": …} at the end.

    Examples:
      leadheat model compare
      leadheat model compare --json --limit 100000 | jq -r 'select(.parting) | .parting.lead'
    """
    asyncio.run(_compare(load_settings(), limit, as_json))


async def read_comparison(settings: Settings, now_ms: int) -> Comparison:
    """Compare the candidate with the model in use; raises :class:`StartError` where there is none."""
    from streams.cli.model_beside import find_tracks
    from streams.model_comparison import compare_scores
    from streams.reading import read_latest
    from streams.topics import LEAD_SCORES
    from streams.tracks import Track

    tracks = await find_tracks(settings, SHADOW)
    if not tracks:
        raise StartError("there is no candidate; let one score with `leadheat model shadow FILE`")
    in_use = await read_latest(settings.brokers, LEAD_SCORES.full_name(settings.prefix))
    candidate = await read_latest(settings.brokers, Track(settings.prefix, beside=tracks[0]).name(LEAD_SCORES))
    return compare_scores(in_use, candidate, now_ms)


async def _compare(settings: Settings, limit: int, as_json: bool | None) -> None:
    from streams.clock import now_ms

    found = await read_comparison(settings, now_ms())
    if wants_json(as_json):
        write_comparison(found, limit)
    else:
        print_comparison(found, limit, "; --limit lists them")


def write_comparison(found: Comparison, limit: int) -> None:
    """Print a comparison, and the first leads of it, as JSON lines."""
    for parting in found.partings[:limit]:
        write_json({"parting": parting})
    summary = {name: getattr(found, name) for name in found.__struct_fields__ if name != "partings"}
    write_json({"compared": {**summary, "differ": len(found.partings)}})


def print_comparison(found: Comparison, limit: int, how: str = "") -> None:
    """Print a comparison, and the first leads of it, for a person; ``how`` says how to see the others."""
    from rich.text import Text

    from streams.cli.model_adopted import move_lines

    console = make_console()
    in_use, candidate = (printable(label) or "none" for label in found.models)
    console.print(
        f"{in_use} is in use, {candidate} beside it: {len(found.partings):,} of {found.leads:,} leads differ",
    )
    if found.only_in_use or found.only_candidate:
        console.print(
            f"only known to the one in use: {found.only_in_use:,} leads; to the candidate: {found.only_candidate:,}"
        )
    for line in move_lines(found.moves, found.leads):
        console.print(line.replace(" go from ", " would go from ").replace(" stay ", " would stay "))
    if found.reasons:
        table = make_table("reason", "leads", "points", right=("leads", "points"))
        for reason in found.reasons[:LISTED]:
            table.add_row(printable(reason.reason), f"{reason.leads:,}", show_points(reason.points))
        console.print()
        console.print(table)
    if not found.partings or not limit:
        return
    table = make_table("lead", "points", "band", "", "candidate", "band ", "because", right=("points", "candidate"))
    for parting in found.partings[:limit]:
        reasons = list(parting.reasons.items())[:REASONS_SHOWN]
        table.add_row(
            Text(show_lead(parting.lead)),
            f"{parting.points[0]:.1f}",
            show_band(parting.bands[0]),
            "→",
            f"{parting.points[1]:.1f}",
            show_band(parting.bands[1]),
            Text(", ".join(f"{printable(name)} {show_points(points)}" for name, points in reasons)),
        )
    console.print()
    console.print(table)
    if len(found.partings) > limit:
        console.print(f"… and {len(found.partings) - limit:,} more{how}")
