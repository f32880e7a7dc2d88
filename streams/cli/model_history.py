"""``leadheat model history`` and ``rollback``: which models were used, by whom and why, and how to take one back."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from scoring.errors import SettingsError
from streams.cli.asking import confirm_with_reason
from streams.cli.model_adopted import WaitOption, tell_adoption
from streams.cli.model_publish import (
    ByOption,
    WhyOption,
    YesOption,
    author_of,
    models_so_far,
    publish_after,
    show_changes,
)
from streams.cli.output import JsonOption, make_console, make_table, printable, show_time, wants_json, write_json
from streams.model_reports import read_reports, sum_up
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from scoring.adoption import Adoption
    from streams.published_models import Publication


def history(
    number: Annotated[
        int | None,
        typer.Argument(metavar="[N]", min=1, help="Print the file of this number, as it was.", show_default=False),
    ] = None,
    as_json: JsonOption = None,
) -> None:
    """List every model that was ever used: its number, who published it, when and why, and what it did to bands.

    The last one is in use. `moved` counts the leads whose band it has changed; `shards` says how many shards have
    brought all their leads under it (of a model that was left before, some have not). A replay tells neither: its
    states have known no other model.

    Examples:
      leadheat model history
      leadheat model history 3 > model-3.yaml
      leadheat model history --json | jq -r '[.number, .by, .why] | @tsv'
    """
    asyncio.run(_history(load_settings(), number, as_json))


async def _history(settings: Settings, number: int | None, as_json: bool | None) -> None:
    from streams.published_models import read_publications
    from streams.topics import require_topics

    await require_topics(settings)
    known = await read_publications(settings)
    if number is not None:
        sys.stdout.write(_find(known, number).text)
        return
    reports = await read_reports(settings)
    if wants_json(as_json):
        for each in known:
            write_json(_as_json(each, reports.get(each.number, [])))
        return
    if not known:
        make_console().print("No model was used yet: the first one is the file that a worker is started with.")
        return
    _print(known, reports, settings)


def _as_json(publication: Publication, reports: list[Adoption]) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(publication)
    del row["text"]
    return {
        "why": "",
        **row,
        "adopted": sum_up(publication.number, publication.version, reports),
        "shards": len(reports),
    }


def _print(known: list[Publication], reports: dict[int, list[Adoption]], settings: Settings) -> None:
    from streams.clock import now_ms

    now = now_ms()
    table = make_table("number", "version", "when", "by", "how", "why", "moved", "shards", right=("number", "moved"))
    for each in reversed(known):
        total = sum_up(each.number, each.version, reports.get(each.number, []))
        how = f"rolled back to {each.of}" if each.of else "a worker's file" if each.kind == "file" else each.kind
        done = sum(report.is_finished for report in reports.get(each.number, []))
        table.add_row(
            f"{each.number}{' *' if each is known[-1] else '  '}",
            printable(each.version, 30),
            show_time(each.at_ms, now),
            printable(each.by, 30),
            how,
            printable(each.why, 60),
            "" if each.track else f"{sum(move.leads for move in total.moves):,}",
            f"{done}/{settings.partitions}" if each.number > 1 and not each.track else "",
        )
    console = make_console()
    console.print(table)
    console.print("* in use")


def _find(known: list[Publication], number: int) -> Publication:
    for each in known:
        if each.number == number:
            return each
    last = f"the last one is {known[-1].number}" if known else "no model was used yet"
    raise SettingsError(f"there is no model number {number}; {last} (`leadheat model history`)")


def rollback(
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="The number to go back to.", show_default=False)],
    why: WhyOption = None,
    by: ByOption = None,
    yes: YesOption = False,
    wait: WaitOption = 120,
    as_json: JsonOption = None,
) -> None:
    """Go back to an earlier model: publish number N once more, as the newest.

    Scores and bands are what they would be if the models since had not changed points, ceilings, traits or bands. What
    counts from now on only is said, and never in the way: whoever takes something back is in a hurry.

    Examples:
      leadheat model rollback 3
      leadheat model rollback 3 --why "sales was paged by students" --yes
    """
    asyncio.run(_rollback(load_settings(), number, why, by, yes, wait, as_json))


async def _rollback(
    settings: Settings, number: int, why: str | None, by: str | None, yes: bool, wait: int, as_json: bool | None
) -> None:
    from scoring.model import parse_model
    from scoring.model_diff import diff_models
    from streams.topics import require_topics

    author = author_of(by)
    if not yes and not sys.stdin.isatty():
        raise SettingsError("--yes: nobody can be asked here; say --yes to go back at once")
    await require_topics(settings)
    known = await models_so_far(settings)
    wanted, current = _find(known, number), known[-1]
    if wanted.text == current.text:
        typer.echo(f"Number {number} is in use already, as number {current.number}.", err=True)
        return
    old, new = (parse_model(each.text, each.name) for each in (current, wanted))
    show_changes(diff_models(old, new), new, wanted.name, wants_json(as_json))
    if not yes:
        question = f"Go back from number {current.number} to number {number}?"
        why = confirm_with_reason(question, why, "Nothing was published.")
    made = await publish_after(
        settings, current, "rolled back", wanted.text, wanted.version, by=author, why=why or "", of=number
    )
    await tell_adoption(settings, made, wait, as_json=wants_json(as_json))
