"""``leadheat deliveries``: what is on its way to whom, what is stuck and why; try it again, or give it up."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from scoring.errors import SettingsError
from streams.cli.output import (
    JsonOption,
    make_console,
    make_table,
    printable,
    show_lead,
    show_moment,
    show_time,
    wants_json,
    write_json,
)
from streams.cli.teaching import register
from streams.clock import now_ms
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from streams.delivery.records import Delivery

deliveries = typer.Typer(
    help="What is on its way to chat, mail, CRM and webhooks: look, try again, give up.", no_args_is_help=True
)

_STATES: Final = ("pending", "retrying", "held", "bundled", "delivered", "dead", "dropped", "quiet")
_QUIETLY_DONE: Final = ("delivered",)
_STYLES: Final = {"dead": "bold red", "retrying": "yellow", "delivered": "green", "held": "cyan", "quiet": "cyan"}

IdsArgument = Annotated[list[str] | None, typer.Argument(help="Ids of alerts, or their beginnings (from 4 letters).")]
SinkOption = Annotated[str | None, typer.Option(help="Only those to this sink.")]
StateOption = Annotated[list[str] | None, typer.Option(help=f"Only those that are {', '.join(_STATES)}.")]
LeadOption = Annotated[str | None, typer.Option(help="Only those about this lead or account.")]


@dataclass(frozen=True)
class Chosen:
    """What was asked for; None: whatever it is."""

    ids: tuple[str, ...] = ()
    sink: str | None = None
    states: tuple[str, ...] = ()
    lead: str | None = None

    def takes(self, delivery: Delivery) -> bool:
        """Tell whether a delivery is among what was asked for."""
        return (
            (not self.ids or any(delivery.id.startswith(each) for each in self.ids))
            and (self.sink is None or delivery.sink == self.sink)
            and (not self.states or delivery.state in self.states)
            and (self.lead is None or self.lead in (delivery.subject, show_lead(delivery.subject)))
        )


def list_deliveries(
    ids: IdsArgument = None,
    sink: SinkOption = None,
    state: StateOption = None,
    lead: LeadOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that have arrived, too.")] = False,
    as_json: JsonOption = None,
) -> None:
    """List deliveries, oldest first: what waits, what failed and why, what was held back until when.

    What has arrived is counted, and listed with --all or --state delivered. Finished deliveries are kept for the
    days that the delivery file says (`kept_days`, 30).

    Examples:
      leadheat deliveries list
      leadheat deliveries list --state dead --sink crm
      leadheat deliveries list --all --json | jq -r .id
    """
    chosen = Chosen(_checked_ids(ids), sink, _checked_states(state), lead)
    found = [each for each, _ in _read(load_settings()) if chosen.takes(each)]
    counts = Counter(each.state for each in found)
    shown = [each for each in found if everything or ids or state or each.state not in _QUIETLY_DONE]
    if wants_json(as_json):
        for each in shown:
            write_json({name: getattr(each, name) for name in each.__struct_fields__ if name != "body"})
        return
    now = now_ms()
    table = make_table("since", "sink", "state", "about", "what", "tries", "next or reason", "id", right=("tries",))
    for each in shown:
        state_text = Text(each.state, _STYLES.get(each.state, ""))
        about, what = show_lead(each.subject), printable(each.title, 60)
        since, why, tries = show_time(each.at_ms, now), _show_why(each, now), str(each.tries)
        table.add_row(since, each.sink, state_text, about, what, tries, why, each.id[:12])
    console = make_console()
    if shown:
        console.print(table)
    console.print(", ".join(f"{counts[name]:,} {name}" for name in _STATES if counts[name]) or "No deliveries.")


def retry(
    ids: IdsArgument = None,
    sink: SinkOption = None,
    state: StateOption = None,
    lead: LeadOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    by: Annotated[str, typer.Option(envvar="USER", help="Who asks; it is noted.")] = "",
) -> None:
    """Try deliveries again now: same id, same body, and a new day of tries.

    Dead, dropped and quiet ones begin anew, waiting ones wait no longer. A sink that was left alone because it
    answered 410 Gone is spoken to again.

    Examples:
      leadheat deliveries retry 5d41402abc4b
      leadheat deliveries retry --state dead --sink crm
    """
    states = _checked_states(state) or tuple(name for name in _STATES if name not in ("delivered", "bundled"))
    _order(
        "retry", Chosen(_checked_ids(ids), sink, states, lead), yes, by, everything=not (ids or sink or state or lead)
    )


def drop(
    ids: IdsArgument = None,
    sink: SinkOption = None,
    state: StateOption = None,
    lead: LeadOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    by: Annotated[str, typer.Option(envvar="USER", help="Who asks; it is noted.")] = "",
) -> None:
    """Give up deliveries that wait; they stay listed as dropped, and can be retried.

    Examples:
      leadheat deliveries drop 5d41402abc4b
      leadheat deliveries drop --sink old-hook --yes
    """
    states = _checked_states(state) or ("pending", "retrying", "held")
    _order(
        "drop", Chosen(_checked_ids(ids), sink, states, lead), yes, by, everything=not (ids or sink or state or lead)
    )


def _order(action: str, chosen: Chosen, yes: bool, by: str, *, everything: bool) -> None:
    """Write an order for each delivery that was asked for, after asking where it is not clear what is meant."""
    if everything:
        raise SettingsError(f"which ones? give ids, --sink, --state or --lead to {action}")
    settings = load_settings()
    found = [(each, partition) for each, partition in _read(settings) if chosen.takes(each)]
    if not found:
        typer.echo("No delivery is meant by that; see `leadheat deliveries list --all`.")
        raise typer.Exit(1)
    if not yes:
        for each, _ in found[:10]:
            typer.echo(f"  {each.sink:<12} {each.state:<9} {printable(each.title, 80)}  {each.id[:12]}")
        more = f" (and {len(found) - 10:,} more)" if len(found) > 10 else ""
        typer.confirm(f"{action.capitalize()} {len(found):,} deliveries{more}?", abort=True)
    asyncio.run(_write_orders(settings, action, found, by))
    typer.echo(f"{len(found):,} to {action}; the delivery process does it as soon as it reads of it.")


async def _write_orders(settings: Settings, action: str, found: list[tuple[Delivery, int]], by: str) -> None:
    from aiokafka import AIOKafkaProducer

    from streams.delivery.records import Order, encode
    from streams.topics import DELIVERY_ORDERS, RECORD_BYTES_MAX

    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, acks="all", max_request_size=RECORD_BYTES_MAX)
    await producer.start()
    try:
        topic = DELIVERY_ORDERS.full_name(settings.prefix)
        for each, partition in found:
            order = Order(action=action, delivery=each, by=by)  # type: ignore[arg-type]
            await producer.send_and_wait(topic, encode(order), partition=partition)
    finally:
        await producer.stop()


def _read(settings: Settings) -> list[tuple[Delivery, int]]:
    """Return all deliveries that are remembered, oldest first, with their partitions."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would say is in our error
    found = asyncio.run(_read_topic(settings))
    return sorted(found, key=lambda each: (each[0].at_ms, each[1], each[0].number))


async def _read_topic(settings: Settings) -> list[tuple[Delivery, int]]:
    from streams.delivery.records import Delivery, decode_remembered
    from streams.reading import open_topic
    from streams.topics import DELIVERIES

    latest: dict[tuple[int, bytes], bytes | None] = {}
    async with open_topic(settings.brokers, DELIVERIES.full_name(settings.prefix)) as reader:
        async for record in reader.read_to_end():
            latest[record.partition, record.key] = record.value
    found = [(decode_remembered(value), partition) for (partition, _), value in latest.items() if value is not None]
    return [(each, partition) for each, partition in found if isinstance(each, Delivery)]


def _show_why(delivery: Delivery, now: int) -> str:
    if delivery.state in ("retrying", "held"):
        return f"{show_moment(delivery.due_ms, now)}: {printable(delivery.reason, 80)}"
    return printable(delivery.reason, 100)


def _checked_ids(ids: list[str] | None) -> tuple[str, ...]:
    for each in ids or ():
        if len(each) < 4:
            raise SettingsError(f"{each!r} is too short for an id: at least 4 letters")
    return tuple(ids or ())


def _checked_states(states: list[str] | None) -> tuple[str, ...]:
    for each in states or ():
        if each not in _STATES:
            raise SettingsError(f"--state {each!r}: expected one of {', '.join(_STATES)}")
    return tuple(states or ())


register(deliveries, list_deliveries, "list")
register(deliveries, retry, "retry")
register(deliveries, drop, "drop")
