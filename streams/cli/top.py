"""``leadheat top``: whom to call first, and what happens, on a terminal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streams.cli.output import JsonOption, printable, show_band, show_lead, show_time, wants_json, write_json
from streams.settings import load_settings

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from streams.dashboard.deck import Call, Deck
    from streams.read_model.happenings import Happening, Health
    from streams.settings import Settings

PERIOD_S: Final = 1.0
FEED_SHOWN: Final = 6


def top(
    owner: Annotated[
        str | None, typer.Option(metavar="OWNER", help="Only leads of this owner.", show_default="everybody")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print it once, and end.")] = False,
    as_json: JsonOption = None,
) -> None:
    """See whom to call first, as the dashboard's first page shows it, until Ctrl-C.

    The overdue come first, then those who asked for a call, then all by score × fit / 10, where an unknown fit counts
    as 5. Read from the Redis that a projector fills (LEADHEAT_REDIS_URL). In a pipe it prints once: a JSON object.

    Examples:
      LEADHEAT_REDIS_URL=redis://127.0.0.1:6379/0 leadheat top
      leadheat top --owner jo --once
    """
    settings = load_settings()
    asyncio.run(_run(settings, owner or "", once, wants_json(as_json)))


async def _run(settings: Settings, owner: str, once: bool, as_json: bool) -> None:
    from redis.exceptions import RedisError
    from rich.console import Console
    from rich.live import Live

    from scoring.errors import StartError
    from streams.clock import now_ms
    from streams.dashboard.deck import make_deck
    from streams.dashboard.store import Store
    from streams.projector.run import make_redis
    from streams.read_model.layout import Layout

    redis, console = make_redis(settings), Console(highlight=False, markup=False)
    store = Store(redis, Layout(settings.prefix))
    try:
        deck = await make_deck(store, now_ms(), settings.contact_within_h * 3_600_000, owner)
        if as_json:
            write_json(deck)
        elif once:
            console.print(_draw(deck, await store.health(), await store.feed(FEED_SHOWN), console))
        else:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                while True:
                    deck = await make_deck(store, now_ms(), settings.contact_within_h * 3_600_000, owner)
                    drawn = _draw(deck, await store.health(), await store.feed(FEED_SHOWN), console)
                    live.update(drawn, refresh=True)
                    await asyncio.sleep(PERIOD_S)
    except RedisError as error:
        raise StartError(f"no Redis answers at LEADHEAT_REDIS_URL ({error}); is it right, and does it run?") from error
    finally:
        await redis.aclose()


def _draw(deck: Deck, health: Health | None, feed: list[Happening], console: Console) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    room = max(3, console.size.height - FEED_SHOWN - 6)
    calls = [("overdue", call) for call in deck.overdue] + [("asked", call) for call in deck.raised_hands]
    calls += [("", call) for call in deck.next]
    table: Any = _table(console)
    for tag, call in calls[:room]:
        table.add_row(*_cells(tag, call, deck.now_ms))
    state = "no projector reports" if health is None else f"{sum(health.worker_lag.values()):,} events wait"
    lines = [Text(f"  {show_time(each.time_ms, deck.now_ms)} {_happening(each)}", "dim") for each in feed]
    return Group(Text(f"Whom to call first   {state}   Ctrl-C ends it", "bold"), table, Text(), *lines)


def _table(console: Console) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=console.size.width >= 80)
    for name, justify in (("", "left"), ("priority", "right"), ("points", "right"), ("fit", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for name in ("band", "lead", "account", "because"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", ratio=2 if name == "because" else None)
    return table


def _cells(tag: str, call: Call, now_ms: int) -> tuple[Any, ...]:
    from rich.text import Text

    row = call.row
    since = f"{tag} {show_time(call.since_ms, now_ms)}" if tag and call.since_ms else tag
    fit = "–" if row.fit is None else f"{row.fit:.1f}"
    reasons = ", ".join(f"{reason.points:+.3g} {printable(reason.name.replace('_', ' '))}" for reason in row.reasons)
    return (
        Text(since, "bold red" if tag == "overdue" else "yellow"),
        f"{row.priority:.0f}",
        f"{row.score:.0f}",
        fit,
        show_band(row.band),
        Text(printable(row.name, 40) or show_lead(row.lead), "bold"),
        Text(printable(row.company or row.account, 30)),
        Text(reasons),
    )


def _happening(each: Happening) -> str:
    who = printable(each.name, 40) or show_lead(each.lead or each.account)
    if each.kind == "signal":
        return f"{who}: {printable(each.what)}"
    if each.kind == "follow-up":
        return f"{who}: {printable(each.what)}{f' by {printable(each.by)}' if each.by else ''}"
    return f"{who} is {printable(each.band)}, {each.score:.0f} points"
