"""``leadheat tail``: watch a topic."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from scoring.errors import SettingsError
from streams.cli.output import JsonOption, make_console, wants_json, write_json
from streams.cli.stages import StageOption
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from streams.topics import Topic

LAST_MAX = 100_000
"""Records that -n may ask for: they are held and put in order."""


def tail(
    topic: Annotated[
        str, typer.Argument(metavar="TOPIC", help="hot-leads, lead-scores, web-events, …: see `leadheat topics list`.")
    ],
    last: Annotated[int, typer.Option("--last", "-n", min=0, max=LAST_MAX, help="Begin with the last N records.")] = 10,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest record (-n does not matter then).")
    ] = False,
    stage: StageOption = None,
    band: Annotated[
        str | None, typer.Option(metavar="BAND", help="Only alerts or scores of this band.", show_default="all")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Go on with what comes, until Ctrl-C; or stop at the end.")] = True,
    as_json: JsonOption = None,
) -> None:
    """Watch a topic: its last records, then each one as it is committed.

    On a terminal, one line in plain words per record; below an alert, what a call needs: whom to reach, what they
    did, where they came from, what to ask. In a pipe, one JSON object per record, with its topic, partition, offset,
    timestamp_ms, key and value. --stage and --band choose among the records of hot-leads and lead-scores; -n counts
    before they do. Kafka is found by LEADHEAT_BROKERS and LEADHEAT_PREFIX.

    Examples:
      leadheat tail hot-leads
      leadheat tail lead-scores --stage converted --band hot
      leadheat tail dead-letters --from-beginning --no-follow
      leadheat tail hot-leads --json | jq -r .value.lead
    """
    settings = load_settings()
    found, name = find_topic(topic, settings)
    wanted = _choice(found, stage, band)
    show = _printer(found, wants_json(as_json), wanted)
    asyncio.run(_tail(settings, name, show, -1 if from_beginning else last, follow))


def find_topic(name: str, settings: Settings) -> tuple[Topic, str]:
    """Return the topic that a person means, and its full name; of a full name the prefix may be another.

    Raises :class:`SettingsError`, which lists what there is.
    """
    from streams.topics import TOPICS

    for topic in TOPICS:
        if name == topic.name:
            return topic, topic.full_name(settings.prefix)
        if name.endswith(f".{topic.name}.v1"):
            return topic, name
    names = [topic.name for topic in TOPICS]
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise SettingsError(f"{name!r} is no topic; {hint}there are {', '.join(names)}")


async def _where_it_is(settings: Settings, name: str) -> str:
    """Return the full name of a topic; what shards keep for themselves is elsewhere once states were rebuilt."""
    from streams.published_models import running_track
    from streams.tracks import INTERNAL

    for topic in INTERNAL:
        if name == topic.full_name(settings.prefix):
            return (await running_track(settings)).name(topic)
    return name


async def _tail(settings: Settings, name: str, show: Callable[[Iterable[Any]], None], last: int, follow: bool) -> None:
    """Show the ``last`` records (−1: all), then what comes."""
    from streams.reading import open_topic

    async with open_topic(settings.brokers, await _where_it_is(settings, name)) as reader:
        if last < 0:
            async for record in reader.read_to_end():
                show((record,))
        else:
            show(await reader.read_last(last))
        sys.stdout.flush()
        if follow:
            async for records in reader.follow():
                show(records)
                sys.stdout.flush()


def _choice(topic: Topic, stage: str | None, band: str | None) -> Callable[[Any], bool]:
    """Return which records are wanted; raises :class:`SettingsError` where a topic has neither stages nor bands."""
    from streams.topics import HOT_LEADS, LEAD_SCORES

    if stage is None and band is None:
        return lambda record: True
    if topic not in (HOT_LEADS, LEAD_SCORES):
        raise SettingsError(f"--stage and --band choose among hot-leads and lead-scores, not {topic.name}")
    decode = msgspec.json.Decoder(_Placed).decode

    def is_wanted(record: Any) -> bool:
        try:
            placed = decode(record.value or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        return stage in (None, placed.stage) and band in (None, placed.band)

    return is_wanted


class _Placed(msgspec.Struct):
    stage: str = ""
    band: str = ""


def _printer(topic: Topic, as_json: bool, is_wanted: Callable[[Any], bool]) -> Callable[[Iterable[Any]], None]:
    from streams.cli.lines import describe_record, record_as_json
    from streams.clock import now_ms

    console = make_console()

    def show(records: Iterable[Any]) -> None:
        for record in filter(is_wanted, records):
            if as_json:
                write_json(record_as_json(topic, record))
            else:
                console.print(describe_record(topic, record, now_ms()))

    return show
