"""``leadheat customers list`` and ``show``: customers as workers have rated them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.output import JsonOption

if TYPE_CHECKING:
    from scoring.customer_records import CustomerValue

LISTED = 50
LISTED_MAX = 1_000_000


def list_customers(
    segment: Annotated[
        list[str] | None, typer.Option(metavar="SEGMENT", help="Only those of this segment; can be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=LISTED_MAX, help="How many to list at most.")] = LISTED,
    as_json: JsonOption = None,
) -> None:
    """List customers as workers have rated them last, the most valuable first.

    Segments are those of the model, exit, unknown and churned. Read from the topic customer-values. In a pipe, one JSON
    object a customer.

    Examples:
      leadheat customers list --segment A
      leadheat customers list --segment exit --json | jq -r .account
    """
    from rich.text import Text

    from streams.cli.customer_values import read_customer_values
    from streams.cli.customers_reports import show_amount, show_segment
    from streams.cli.output import make_console, make_table, printable, show_account, show_time, wants_json, write_json
    from streams.clock import now_ms
    from streams.settings import load_settings

    wanted = {name.casefold() for name in segment or ()}
    values = [
        value for value in read_customer_values(load_settings()) if not wanted or value.segment.casefold() in wanted
    ]
    values.sort(key=lambda each: (each.value is None, -(each.value or 0.0), each.account))
    if wants_json(as_json):
        for value in values[:limit]:
            write_json(value)
        return
    console, now = make_console(), now_ms()
    table = make_table(
        *("customer", "name", "segment", "value", "known", "revenue", "action", "since", "owner"),
        right=("value", "known", "revenue"),
    )
    for value in values[:limit]:
        table.add_row(
            Text(show_account(value.account)),
            Text(printable(value.name)),
            show_segment(value.segment),
            show_value(value),
            f"{value.coverage:.0%}",
            show_amount(value.facts.get("revenue")),
            Text(value.action),
            "–" if value.since_ms is None else show_time(value.since_ms, now),
            Text(printable(value.owner)),
        )
    console.print(table if values else "No such customers. `leadheat customers list --help` says which are listed.")
    if len(values) > limit:
        console.print(f"The first {limit:,} of {len(values):,}; --limit shows more.")


def show_value(value: CustomerValue) -> str:
    """Return a value with the best that there is, or a dash."""
    return "–" if value.value is None else f"{value.value:.2f} of {value.value_max:g}"


def show_customer(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="A domain, or account: and an id.")],
    as_json: JsonOption = None,
) -> None:
    """Show a customer: its value criterion by criterion, who said what, its segment, and those before.

    Read from the topic customer-values.

    Examples:
      leadheat customers show acme.com
      leadheat customers show acme.com --json | jq .history
    """
    import asyncio

    import msgspec

    from scoring.customer_records import CustomerValue
    from streams.cli.accounts_show import account_of
    from streams.cli.output import make_console, printable, wants_json, write_json
    from streams.published_models import running_track
    from streams.reading import follow_pointers, open_topic, read_values
    from streams.settings import load_settings
    from streams.topics import CHANGELOG, CUSTOMER_VALUES

    settings, key = load_settings(), account_of(account)

    async def find() -> list[bytes]:
        changelog = (await running_track(settings)).name(CHANGELOG)
        found = await follow_pointers(settings.brokers, changelog, key) or key
        async with open_topic(settings.brokers, CUSTOMER_VALUES.full_name(settings.prefix)) as reader:
            return await read_values(reader, found.encode(), 1)

    values = asyncio.run(find())
    if not values:
        make_console().print(f"No customer {printable(account)} is known; `leadheat customers list` lists all.")
        raise typer.Exit(1)
    value = msgspec.json.decode(values[0], type=CustomerValue)
    if wants_json(as_json):
        write_json(value)
    else:
        _print(value)


def _print(value: CustomerValue) -> None:
    from rich.text import Text

    from streams.cli.customers_reports import show_segment
    from streams.cli.output import make_console, make_table, printable, show_account, show_time
    from streams.clock import now_ms

    console, now = make_console(), now_ms()
    head = Text.assemble((show_account(value.account), "bold"), f" {printable(value.name)}  ")
    console.print(head.append_text(show_segment(value.segment)).append(f"  {value.action}  {printable(value.service)}"))
    known = f"{value.coverage:.0%} of the weight is known"
    console.print(Text(f"value {show_value(value)}; {known}  {printable(value.why, 200)}"))
    table = make_table("criterion", "rating", "share", "by", "when", right=("rating", "share"))
    for each in value.ratings:
        table.add_row(
            Text(printable(each.criterion)),
            "unknown" if each.rating is None else f"{each.rating:g}",
            "" if each.share is None else f"{each.share:.0%}",
            Text(" ".join(filter(None, (each.by, printable(each.who))))),
            show_time(each.at_ms, now) if each.at_ms else "",
        )
    console.print(table)
    for name, fact in value.facts.items():
        console.print(Text(f"  {printable(name)} {printable(str(fact))}"))
    for change in reversed(value.history):
        console.print(Text.assemble(f"since {show_time(change.at_ms, now)} ", show_segment(change.segment)))
