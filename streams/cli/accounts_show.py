"""``leadheat accounts show``: look one account up: its people, how well it fits, and why."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from scoring.errors import SettingsError
from streams.cli.output import (
    JsonOption,
    make_console,
    make_table,
    printable,
    show_account,
    show_band,
    show_lead,
    show_points,
    show_time,
    wants_json,
    write_json,
)
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from scoring.account_records import AccountScore
    from scoring.signal_records import BuyingSignal

SIGNALS_SHOWN: Final = 10


class ShownAccount(msgspec.Struct, kw_only=True):
    """An account at ``now_ms``, with its last buying signals, the latest last."""

    account: str
    now_ms: int
    score_now: float
    record: AccountScore
    signals: list[BuyingSignal]


def show(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="A domain, or account: and an id.")],
    as_json: JsonOption = None,
) -> None:
    """Show an account: its people, its engagement explained, how well it fits every profile, and its buying signals.

    Read from the topics account-scores and buying-signals, as far as workers have written them.

    Examples:
      leadheat accounts show acme.com
      leadheat accounts show account:42 --json | jq .record.contacts
    """
    from streams.clock import now_ms

    found = asyncio.run(_find(load_settings(), account_of(account), now_ms()))
    if found is None:
        make_console().print(f"No account {printable(account)} is known; `leadheat accounts rank` lists all.")
        raise typer.Exit(1)
    if wants_json(as_json):
        write_json(found)
    else:
        _print(found)


def account_of(text: str) -> str:
    """Return the key of the account that a person means.

    >>> account_of("www.Acme.com"), account_of("account:42")
    ('domain:acme.com', 'account:42')

    Raises :class:`SettingsError` for what is no account.
    """
    from scoring.account_identity import account_of_domain

    text = text.strip()
    if text.startswith("account:") and text != "account:":
        return text
    key = account_of_domain(text.removeprefix("domain:"))
    if not key:
        raise SettingsError(f"{printable(text)!r} is no account: expected a company's domain, or account: and an id")
    return key


async def _find(settings: Settings, account: str, now_ms: int) -> ShownAccount | None:
    from scoring.account_records import AccountScore, account_score_later
    from scoring.signal_records import BuyingSignal
    from streams.published_models import running_track
    from streams.reading import follow_pointers, open_topic, read_values
    from streams.topics import ACCOUNT_SCORES, BUYING_SIGNALS, CHANGELOG

    changelog = (await running_track(settings)).name(CHANGELOG)
    account = await follow_pointers(settings.brokers, changelog, account) or account
    key = account.encode()
    async with open_topic(settings.brokers, ACCOUNT_SCORES.full_name(settings.prefix)) as reader:
        latest = await read_values(reader, key, 1)
    if not latest:
        return None
    async with open_topic(settings.brokers, BUYING_SIGNALS.full_name(settings.prefix)) as reader:
        signals = await read_values(reader, key, SIGNALS_SHOWN)
    record = msgspec.json.decode(latest[0], type=AccountScore)
    at_ms = max(now_ms, record.at_ms)
    return ShownAccount(
        account=account,
        now_ms=at_ms,
        score_now=account_score_later(record, at_ms),
        record=record,
        signals=[msgspec.json.decode(signal, type=BuyingSignal) for signal in signals],
    )


def _print(shown: ShownAccount) -> None:
    from rich.text import Text

    console, record = make_console(), shown.record
    head = Text.assemble((show_account(shown.account), "bold"), f" {printable(record.name)}  ")
    head.append(f"{shown.score_now:.1f} points, ").append_text(show_band(record.band))
    console.print(head)
    fit = "unknown" if record.fit is None else f"{record.fit:.1f} of 10, {record.level}"
    by = f", by {printable(record.profile)}" if record.profile else ""
    console.print(
        f"fit {fit}{by}; {record.coverage:.0%} of what counts is known" + f" ({record.reason})" * bool(record.reason)
    )
    if record.owner:
        console.print(Text(f"owner {printable(record.owner)}"))
    _print_fit(console, record)
    _print_people(console, shown)
    for line in record.ledger:
        if line.kind != "person":
            name = f"{line.name} others" if line.kind == "others" else line.name.replace("_", " ")
            console.print(Text(f"  {show_points(line.points):>7}  {printable(name)}"))
    for signal in shown.signals:
        style = "cyan" if signal.polarity == "positive" else "red"
        time = show_time(signal.time_ms, shown.now_ms)
        console.print(
            Text.assemble(f"{time} ", (printable(signal.signal), style), f" {printable(signal.summary, 300)}")
        )


def _print_fit(console: Any, record: AccountScore) -> None:
    from rich.text import Text

    for profile in record.profiles:
        table = make_table(profile.name, "weight", "rated", "known as", right=("weight", "rated"))
        for part in profile.components:
            rated = "unknown" if part.rating is None else f"{part.rating:g}"
            table.add_row(Text(printable(part.name)), f"{part.weight:g}", rated, Text(printable(part.fact)))
        console.print(table)


def _print_people(console: Any, shown: ShownAccount) -> None:
    from rich.text import Text

    points = {line.name: line.points for line in shown.record.ledger if line.kind == "person"}
    table = make_table(
        "person", "name", "role", "points", "adds", "band", "phase", "last seen", right=("points", "adds")
    )
    for contact in shown.record.contacts:
        table.add_row(
            Text(show_lead(contact.lead)),
            *(Text(printable(text)) for text in (contact.name, contact.role)),
            f"{contact.score:.1f}",
            show_points(points.get(contact.lead, 0.0)),
            show_band(contact.band),
            Text(printable(contact.phase)),
            show_time(contact.at_ms, shown.now_ms),
        )
    console.print(table if shown.record.contacts else "nobody there is known")
