"""``leadheat model replay``: all states anew from the stored events, beside the running ones, then in their place."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scoring.errors import SettingsError, StartError
from streams.cli.asking import confirm_with_reason
from streams.cli.model_adopted import write_published
from streams.cli.model_files import find_model
from streams.cli.model_publish import (
    ByOption,
    WhyOption,
    YesOption,
    author_of,
    check_version,
    models_so_far,
    publish_after,
)
from streams.cli.output import JsonOption, make_console, wants_json
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from streams.model_comparison import Comparison
    from streams.published_models import Publication

REPLAY: Final = "replay"
LISTED: Final = 10
LOOK_AGAIN_S: Final = 0.5
BEHIND_S: Final = 60.0
SETTLE_S: Final = 3.0

_INTERRUPTED: Final = 130
_GOES_ON: Final = (
    "Nothing has changed. The same command goes on where this one was; with --end it deletes what was rebuilt."
)


def replay(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The model file.", show_default="the model in use")
    ] = None,
    why: WhyOption = None,
    by: ByOption = None,
    yes: YesOption = False,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Workers that rebuild; they share the partitions.")] = 1,
    end: Annotated[
        bool, typer.Option("--end", help="Delete what a replay that was stopped has rebuilt, and end.")
    ] = False,
    as_json: JsonOption = None,
) -> None:
    """Rebuild all states from the stored events by a model, compare, and let them take over in one step.

    For new rules, other half-lives, and whatever else decides what leads remember. Workers of its own read all stored
    events into topics of their own, beside the running ones; nobody is alerted by what they find. You see how far they
    are, and how long it takes. Stopped half-way (Ctrl-C), nothing has changed; the same command goes on where it was.

    When they have caught up, you see which leads would be in another band, and are asked. Then the running workers end,
    and are started again by whatever keeps them running (`leadheat up`, compose) on the rebuilt states. What happened
    meanwhile is scored then; what was alerted already is not alerted again.

    Leads whose events are not stored any more (LEADHEAT_RETENTION_DAYS) are not rebuilt: you see how many.

    Examples:
      leadheat model replay my-model.yaml
      leadheat model replay my-model.yaml --workers 4 --yes --why "downloads count now"
      leadheat model replay
    """
    from streams.embedded.stack import run_until_signal

    if not yes and not end and not sys.stdin.isatty():
        raise SettingsError("--yes: nobody can be asked here; say --yes, and --why for the history")
    run_until_signal(
        _until_done(_replay(load_settings(), file, why, author_of(by), yes, workers, end, wants_json(as_json)))
    )


async def _until_done(replaying: Coroutine[Any, Any, None]) -> None:
    """Say what is so when it is stopped, and that it did not get to its end."""
    try:
        await replaying
    except asyncio.CancelledError:
        typer.echo(_GOES_ON, err=True)
        raise typer.Exit(_INTERRUPTED) from None


async def _replay(
    settings: Settings, file: Path | None, why: str | None, by: str, yes: bool, workers: int, end: bool, as_json: bool
) -> None:
    from scoring.model import load_model_text
    from streams.cli.model_beside import choose_track, find_tracks, remove_track
    from streams.topics import require_topics

    await require_topics(settings)
    known = await models_so_far(settings)
    current = known[-1]
    text, version = current.text, current.version
    if file is not None:
        model, text = load_model_text(find_model(file))
        version = model.version
        check_version(file, version, text, known)
    # A track is rebuilt by one model, for one takeover: what was taken over goes on changing.
    track = await choose_track(settings, REPLAY, f"{sum(bool(each.track) for each in known)} {text}")
    for other in set(await find_tracks(settings, REPLAY)) - {each.track for each in known}:
        if end or other != track:
            await remove_track(settings, other)
    if end:
        typer.echo("What was rebuilt is gone; the running states are as they were.")
        return
    found = await _rebuild(settings, track, text, workers)
    _show(found, as_json)
    if not yes:
        why = confirm_with_reason("Let the rebuilt states take over?", why, _GOES_ON)
    await _wait_until_behind(settings, track)
    made = await publish_after(settings, current, "replayed", text, version, by=by, why=why or "", track=track)
    _tell(made, as_json)


async def _rebuild(settings: Settings, track: str, text: str, workers: int) -> Comparison:
    """Rebuild states up to now, and compare what they come to with what is published."""
    from rich.console import Console

    from streams.cli.model_beside import catch_up, say, workers_beside
    from streams.clock import now_ms
    from streams.model_comparison import compare_scores
    from streams.reading import read_latest
    from streams.topics import LEAD_SCORES
    from streams.tracks import Track

    async with workers_beside(settings, track, text, workers, say) as supervisor:
        with Console(stderr=True).status("rebuilding") as status:
            await catch_up(settings, track, supervisor, lambda text: status.update(f"rebuilding: {text}"))
    in_use = await read_latest(settings.brokers, LEAD_SCORES.full_name(settings.prefix))
    rebuilt = await read_latest(settings.brokers, Track(settings.prefix, beside=track).name(LEAD_SCORES))
    return compare_scores(in_use, rebuilt, now_ms())


async def _wait_until_behind(settings: Settings, track: str) -> None:
    """Wait until the running shards have taken all that the rebuilt states know, since that will not be said again.

    Raises :class:`StartError` where they do not get there.
    """
    from streams.cli.model_beside import read_positions

    deadline = asyncio.get_running_loop().time() + BEHIND_S
    theirs = await read_positions(settings, track)
    while True:
        ours = await read_positions(settings, "")
        if all(ours.get(place, 0) >= at for place, at in theirs.items()):
            await asyncio.sleep(SETTLE_S)  # what they have told each other of it arrives, too
            return
        if asyncio.get_running_loop().time() > deadline:
            raise StartError(
                "nothing has taken over: the running workers have not scored yet what the rebuilt states know; see "
                "that they run and keep up (`leadheat doctor`), and give the same command again"
            )
        await asyncio.sleep(LOOK_AGAIN_S)


def _show(found: Comparison, as_json: bool) -> None:
    from streams.cli.model_shadow import print_comparison, write_comparison

    if as_json:
        write_comparison(found, LISTED)
    else:
        print_comparison(found, LISTED)


def _tell(made: Publication, as_json: bool) -> None:
    if as_json:
        write_published(made)
        return
    make_console().print(
        f"Published as number {made.number}. The workers end now, and go on with the rebuilt states as soon as they "
        "are started again."
    )
