"""``leadheat model publish``: another model for all shards, once it has been seen what it does."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from scoring.errors import ModelError, SettingsError, StartError
from streams.cli.asking import confirm_with_reason
from streams.cli.model_adopted import WaitOption, move_lines, tell_adoption
from streams.cli.model_files import find_model
from streams.cli.output import JsonOption, make_console, make_table, printable, wants_json, write_json
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from scoring.model import ScoringModel
    from scoring.model_diff import Change
    from scoring.preview import Preview
    from scoring.replay import FileRecord
    from streams.published_models import Kind, Publication

EVENTS_MAX: Final = 500_000

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
WhyOption = Annotated[
    str | None,
    typer.Option("--why", metavar="TEXT", help="The reason, for the history.", show_default="asked for on a terminal"),
]
ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who does this.", show_default="who is logged in")
]


def publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The model file (YAML).", show_default=False)],
    why: WhyOption = None,
    by: ByOption = None,
    yes: YesOption = False,
    from_now_on: Annotated[
        bool,
        typer.Option(
            "--from-now-on", help="Publish although some changes do not count for what leads have done before."
        ),
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview/--no-preview", help="Try the model on the events that Kafka holds first.")
    ] = True,
    events_max: Annotated[
        int, typer.Option(min=1, help="Events to try it on; of more, those of some leads are taken.")
    ] = EVENTS_MAX,
    wait: WaitOption = 120,
    as_json: JsonOption = None,
) -> None:
    """Make a model the one by which all workers score, after showing what it changes.

    First what it changes, in words, and what it does to your leads by the events that Kafka holds: whose band changes,
    alerts per week before and after, rules that never match. Then it asks.

    Every shard goes over to it between two events. Points, ceilings, traits and bands count at once, for all leads, in
    a pass in the background (LEADHEAT_ADOPT_LEADS_PER_S). Nobody is alerted because of it: when the pass is over, you
    see how many leads are in another band, and who. `leadheat model rollback` takes it back.

    New rules and other half-lives count only for events from then on, since leads remember no events. So a model with
    such changes is refused, unless you say --from-now-on; `leadheat model replay` has the past counted, too.

    In a pipe, one JSON object a line: {"change": …}, {"preview": …}, {"published": …}, {"adopted": …}; say --yes and
    --why there. Exit code 1 if nothing is published.

    Examples:
      leadheat model publish my-model.yaml
      leadheat model publish my-model.yaml --why "demo requests were worth too little" --yes
      leadheat model publish my-model.yaml --from-now-on --no-preview
    """
    asyncio.run(_publish(load_settings(), file, why, by, yes, from_now_on, preview, events_max, wait, as_json))


async def _publish(
    settings: Settings,
    file: Path,
    why: str | None,
    by: str | None,
    yes: bool,
    from_now_on: bool,
    preview: bool,
    events_max: int,
    wait: int,
    as_json: bool | None,
) -> None:
    from scoring.model import load_model_text, parse_model
    from scoring.model_diff import diff_models
    from streams.topics import require_topics

    new, text = load_model_text(find_model(file))
    author, is_asking = author_of(by), _can_ask(yes, why)
    await require_topics(settings)
    known = await models_so_far(settings)
    current = known[-1]
    if current.text == text:
        typer.echo(f"{file} is in use already: it is number {current.number}, published by {current.by}.", err=True)
        return
    check_version(file, new.version, text, known)
    old = parse_model(current.text, current.name)
    changes = diff_models(old, new)
    show_changes(changes, new, file, wants_json(as_json))
    _check_effects(file, changes, from_now_on)
    if preview:
        _show_preview(await _preview(settings, old, new, events_max), new, wants_json(as_json))
    if is_asking:
        question = f"Publish {file} in the place of number {current.number}?"
        why = confirm_with_reason(question, why, "Nothing was published.")
    made = await publish_after(settings, current, "published", text, new.version, by=author, why=why or "")
    await tell_adoption(settings, made, wait, as_json=wants_json(as_json))


def author_of(by: str | None) -> str:
    """Return who publishes: who was named, else who is logged in."""
    if by is not None and by.strip():
        return by.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise SettingsError("--by: this machine does not know who you are; give your name") from None


def _can_ask(yes: bool, why: str | None) -> bool:
    """Say whether to ask; raises :class:`SettingsError` where there is nobody who could answer."""
    if yes:
        if why is None:
            raise SettingsError("--why: with --yes nobody is asked; give the reason for the history")
        return False
    if not sys.stdin.isatty():
        raise SettingsError("--yes: nobody can be asked here; say --yes, and --why for the history")
    return True


async def models_so_far(settings: Settings) -> list[Publication]:
    """Return all publications; where no worker has written any, the model of the settings is made the first."""
    from scoring.model import load_model_text
    from streams.clock import now_ms
    from streams.published_models import ensure_file, read_publications

    known = await read_publications(settings)
    if known:
        return known
    model, text = load_model_text(settings.model)
    known, _ = await ensure_file(settings, text, model.version, at_ms=now_ms(), by="leadheat model")
    return known


async def publish_after(
    settings: Settings,
    current: Publication,
    kind: str,
    text: str,
    version: str,
    *,
    by: str,
    why: str,
    of: int = 0,
    track: str = "",
) -> Publication:
    """Publish a model in the place of ``current``; raises :class:`StartError` where that is not the last any more."""
    from streams.clock import now_ms
    from streams.published_models import open_publisher

    async with open_publisher(settings) as publisher:
        last = publisher.publications[-1]
        if last.number != current.number:
            raise StartError(
                f"nothing was published: {last.by} has published number {last.number} meanwhile; what you were shown "
                "is not what would change now. See `leadheat model history`, and try again"
            )
        return await publisher.publish(
            cast("Kind", kind), text, version, at_ms=now_ms(), by=by, why=why, of=of, track=track
        )


def check_version(file: Path, version: str, text: str, known: list[Publication]) -> None:
    """Refuse a version that stands for another text already: alerts and scores name it."""
    for publication in known:
        if publication.version == version and publication.text != text:
            raise ModelError(
                [
                    f"{file}: version: {version!r} is number {publication.number} already, which is another model; "
                    "alerts and scores name their model by it, so give this one a version of its own"
                ]
            )


def _check_effects(file: Path, changes: list[Change], from_now_on: bool) -> None:
    """Refuse what would silently count for new events only."""
    late = [change.what for change in changes if change.takes_effect == "from now on"]
    if late and not from_now_on:
        raise StartError(
            f"nothing was published: {len(late)} of the changes do not count for what leads have done before, since "
            f"leads remember no events (first: {late[0]}). To have the past counted: `leadheat model replay {file}`. "
            "If these may count for new events only: --from-now-on"
        )


def show_changes(changes: list[Change], new: ScoringModel, file: Path | str, as_json: bool) -> None:
    """Print what changes, and the warnings about the new model."""
    if as_json:
        for change in changes:
            write_json({"change": {"what": change.what, "takes_effect": change.takes_effect}})
        return
    console = make_console()
    for change in changes:
        console.print(f"{change.takes_effect:<13}{change.what}")
    if not changes:
        console.print("Nothing changes but names or the version.")
    for warning in new.warnings():
        console.print(f"{file}: warning: {warning}")


async def _preview(settings: Settings, old: ScoringModel, new: ScoringModel, events_max: int) -> tuple[Preview, int]:
    from rich.console import Console

    from scoring.preview import preview_change
    from streams.clock import now_ms
    from streams.stored_events import read_stored_events

    with Console(stderr=True).status("reading the events that Kafka holds") as status:

        def tell(done: int, total: int) -> None:
            status.update(f"reading the events that Kafka holds: {done:,} of {total:,}")

        stored, now = await read_stored_events(settings, events_max, tell), now_ms()
        done = 0

        def counted() -> Iterator[list[FileRecord]]:
            nonlocal done
            for chunk in stored.chunks(now):
                yield chunk
                done += len(chunk)
                status.update(f"trying both models: {done:,} of {len(stored):,} events")

        return preview_change(old, new, counted(), now), stored.sampled_one_in


def _show_preview(found: tuple[Preview, int], new: ScoringModel, as_json: bool) -> None:
    preview, one_in = found
    if as_json:
        write_json({"preview": preview, "sampled_one_in": one_in})
        return
    console = make_console()
    of = "" if one_in == 1 else f" (those of one lead in {one_in}: multiply what follows)"
    console.print(
        f"\nTried on {preview.events:,} stored events{of} of {preview.leads:,} leads, {preview.weeks:.1f} weeks:"
    )
    table = make_table("alerts per week", "before", "after", right=("before", "after"))
    for band in [name for name, each in new.bands.items() if each.cooldown_h is not None]:
        before, after = preview.per_week(band)
        table.add_row(printable(band), f"{before:,.1f}", f"{after:,.1f}")
    if table.row_count:
        console.print(table)
    for line in move_lines(preview.adoption.moves, preview.adoption.leads):
        console.print(line)
    if preview.never_matched:
        console.print(f"rules that nothing matched: {', '.join(preview.never_matched)}")
