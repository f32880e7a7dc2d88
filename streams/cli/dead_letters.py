"""``leadheat dead-letters``: see what could not be scored, give it to its topic again, or drop it."""

from __future__ import annotations

import asyncio
import getpass
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from scoring.errors import EventError, SettingsError
from streams.cli.output import JsonOption, make_console, make_table, printable, show_time, wants_json, write_json
from streams.cli.teaching import register
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from streams.dead_letters import DeadLetter
    from streams.records import Record

LISTED: Final = 50
LISTED_MAX: Final = 1_000_000
SHOWN_BYTES: Final = 4_000

dead_letters = typer.Typer(
    help="What could not be scored: why, from where, and what to do about it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

ReasonOption = Annotated[
    str | None,
    typer.Option(metavar="REASON", help="Only those with this reason, such as bad_time.", show_default="all"),
]
IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Ids, or how they begin.")]
AllOption = Annotated[bool, typer.Option("--all", help="All open ones, or all with --reason.")]


class Original(msgspec.Struct, kw_only=True):
    """A dead letter with its original as text, where it is one."""

    letter: DeadLetter
    key: str | None
    value: str | None


def list_letters(
    reason: ReasonOption = None,
    limit: Annotated[int, typer.Option(min=1, max=LISTED_MAX, help="How many to list at most.")] = LISTED,
    as_json: JsonOption = None,
) -> None:
    """List the open dead letters, the latest first, and how many there are of each reason.

    One that was replayed or dropped is not open any more. Read from the topic dead-letters. In a pipe, one JSON object
    a letter.

    Examples:
      leadheat dead-letters list --reason bad_time
      leadheat dead-letters list --json | jq -r .id
    """
    from streams.clock import now_ms

    found = _chosen(asyncio.run(_open_letters(load_settings())), reason)
    found.sort(key=lambda letter: -letter.at)
    if wants_json(as_json):
        for letter in found[:limit]:
            write_json(letter)
        return
    _print(found, limit, now_ms())


def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="An id, or how it begins.")], as_json: JsonOption = None
) -> None:
    """Show a dead letter whole: why it could not be scored, and its original.

    Example:
      leadheat dead-letters show 5d41402a
    """
    from streams.clock import now_ms
    from streams.dead_letters import original_key, original_value

    (found,) = _by_ids(asyncio.run(_open_letters(load_settings())), [letter])
    key, value = _as_text(original_key(found)), _as_text(original_value(found))
    if wants_json(as_json):
        write_json(Original(letter=found, key=key, value=value))
        return
    console = make_console()
    where = found.topic if found.offset < 0 else f"{found.topic}[{found.partition}]@{found.offset}"
    lines = (
        ("id", found.id),
        ("reason", found.reason),
        ("field", found.field),
        ("wrong", found.message),
        ("when", show_time(found.at, now_ms())),
        ("from", where),
        ("key", key or ""),
        ("original", (value or "")[:SHOWN_BYTES]),
    )
    for name, text in lines:
        if text:
            console.print(f"{name:<9}{printable(text, SHOWN_BYTES)}")


def replay(
    ids: IdsArgument = None,
    reason: ReasonOption = None,
    all_of_them: AllOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Write the originals of dead letters to the topics that they came from, once more.

    Do this when what refused them is mended: a newer version that knows their type, a clock that is right again. An
    event that was scored before counts once, as its id is known. What the gateway refused went back to its sender with
    the fault, and is sent again from there.

    Examples:
      leadheat dead-letters replay 5d41402a
      leadheat dead-letters replay --reason future_time --all
    """
    from streams.letter_replay import is_replayable, replay_record, settled_record

    settings = load_settings()
    chosen = _wanted(asyncio.run(_open_letters(settings)), ids, reason, all_of_them)
    able = [letter for letter in chosen if is_replayable(letter, settings.prefix)]
    by = getpass.getuser()
    records: list[Record] = []
    for letter in able:
        records += (replay_record(letter, settings.prefix), settled_record(letter, settings.prefix, "replayed", by))
    if not dry_run:
        asyncio.run(_write(settings, records))
    typer.echo(f"{'Would replay' if dry_run else 'Replayed'} {len(able):,} of {len(chosen):,} dead letters.")
    if len(able) < len(chosen):
        typer.echo(f"{len(chosen) - len(able):,} came over HTTP: their senders were told, and can send them again.")
        raise typer.Exit(1)


def drop(
    ids: IdsArgument = None,
    reason: ReasonOption = None,
    all_of_them: AllOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Note that nobody needs some dead letters: they are not listed any more.

    The topic keeps the originals for LEADHEAT_RETENTION_DAYS all the same.

    Example:
      leadheat dead-letters drop --reason unknown_type --all
    """
    from streams.letter_replay import settled_record

    settings = load_settings()
    chosen = _wanted(asyncio.run(_open_letters(settings)), ids, reason, all_of_them)
    by = getpass.getuser()
    if not dry_run:
        records = [settled_record(letter, settings.prefix, "dropped", by) for letter in chosen]
        asyncio.run(_write(settings, records))
    typer.echo(f"{'Would drop' if dry_run else 'Dropped'} {len(chosen):,} dead letters.")


register(dead_letters, list_letters, "list")
register(dead_letters, show)
register(dead_letters, replay)
register(dead_letters, drop)


async def _open_letters(settings: Settings) -> list[DeadLetter]:
    """Return the dead letters that nobody has settled: of those with one id, the last record counts."""
    from streams.dead_letters import decode_dead_letter
    from streams.reading import open_topic
    from streams.topics import DEAD_LETTERS

    found: dict[str, tuple[int, DeadLetter]] = {}
    async with open_topic(settings.brokers, DEAD_LETTERS.full_name(settings.prefix)) as reader:
        async for record in reader.read_to_end():
            try:
                letter = decode_dead_letter(record.value or b"")
            except EventError:
                continue  # not one of ours
            known = found.get(letter.id)
            if known is None or record.timestamp >= known[0]:
                found[letter.id] = (record.timestamp, letter)
    return [letter for _, letter in found.values() if not letter.settled]


def _wanted(
    letters: list[DeadLetter], ids: list[str] | None, reason: str | None, all_of_them: bool
) -> list[DeadLetter]:
    if bool(ids) == all_of_them:
        raise SettingsError("say which: ids, or --all, with --reason for some of them")
    return _chosen(letters, reason) if all_of_them else _by_ids(letters, ids or [])


def _chosen(letters: list[DeadLetter], reason: str | None) -> list[DeadLetter]:
    found = [letter for letter in letters if reason in (None, letter.reason)]
    if not found and reason is not None and letters:
        known = ", ".join(sorted({letter.reason for letter in letters}))
        raise SettingsError(f"no open dead letter has the reason {printable(reason)!r}; there are {known}")
    return found


def _by_ids(letters: list[DeadLetter], ids: list[str]) -> list[DeadLetter]:
    found = []
    for wanted in ids:
        alike = [letter for letter in letters if letter.id.startswith(wanted)]
        if len(alike) != 1:
            what = "no open dead letter" if not alike else f"{len(alike)} open dead letters"
            raise SettingsError(f"{what} whose id begins with {printable(wanted)!r}; see `leadheat dead-letters list`")
        found += alike
    return found


async def _write(settings: Settings, records: list[Record]) -> None:
    from aiokafka import AIOKafkaProducer
    from aiokafka.errors import KafkaError

    from streams.topics import RECORD_BYTES_MAX, no_kafka

    producer: Any = AIOKafkaProducer(
        bootstrap_servers=settings.brokers, enable_idempotence=True, max_request_size=RECORD_BYTES_MAX
    )
    try:
        await producer.start()
        sent = [await producer.send(record.topic, record.value, record.key) for record in records]
        await asyncio.gather(*sent)
    except (KafkaError, OSError) as error:
        raise no_kafka(settings.brokers, error) from error
    finally:
        await producer.stop()


def _as_text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="backslashreplace")


def _print(letters: list[DeadLetter], limit: int, now_ms: int) -> None:
    from rich.text import Text

    console = make_console()
    if not letters:
        console.print("No open dead letters: everything that came could be scored.")
        return
    table = make_table("id", "when", "reason", "what is wrong", "from")
    for letter in letters[:limit]:
        wrong = f"{letter.field}: {letter.message}" if letter.field else letter.message
        where = letter.topic if letter.offset < 0 else f"{letter.topic}[{letter.partition}]@{letter.offset}"
        cells = (letter.reason, printable(wrong, 90), printable(where))
        table.add_row(letter.id[:12], show_time(letter.at, now_ms), *(Text(printable(cell)) for cell in cells))
    console.print(table)
    reasons = Counter(letter.reason for letter in letters).most_common()
    console.print(f"{len(letters):,} in all: " + ", ".join(f"{number:,} {printable(name)}" for name, number in reasons))
