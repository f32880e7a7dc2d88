"""``leadheat customers paths`` and ``profile``: what brings the good customers, and what they are like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from scoring.models import DEFAULT_MODEL
from streams.cli.customers_segment import CustomersModelOption
from streams.cli.output import JsonOption
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from scoring.alerts import Origin
    from scoring.customer_paths import PathSum, Trail
    from scoring.touches import Touch


class PathBy(StrEnum):
    """The part of a touch by which customers are summed up."""

    SOURCE = "source"
    MEDIUM = "medium"
    CAMPAIGN = "campaign"
    PAGE = "page"


def paths(
    by: Annotated[PathBy, typer.Option(help="The part of the touches by which customers are summed up.")] = (
        PathBy.SOURCE
    ),
    model: CustomersModelOption = DEFAULT_MODEL,
    as_json: JsonOption = None,
) -> None:
    """Show which acquisition paths bring the good customers, by the first and by the last touch before the win.

    Of each path: how many customers, how many of them are in the best segment of the model, their mean value and
    revenue, and the median of days from the first touch to hot, from hot to the win, and over all.

    Read from the topics customer-values, changelog (touches), hot-leads and lead-history, as far back as these are
    kept. Of a history that was loaded at once it is known a little less exactly when somebody turned hot. In a pipe,
    one JSON object a customer, with its touches.

    Examples:
      leadheat customers paths
      leadheat customers paths --by campaign
      leadheat customers paths --json | jq -r '[.account, .segment, .first.source] | @csv'
    """
    from scoring.customer_paths import find_paths, sum_paths
    from scoring.model import load_model
    from streams.cli.customer_values import read_customer_values
    from streams.cli.output import make_console, wants_json, write_json

    settings = load_settings()
    believed = load_model(model)
    best, hot = next(iter(believed.customers.segments)), [*believed.bands][-1]
    values = read_customer_values(settings)
    found = find_paths(values, asyncio.run(read_trails(settings, hot)))
    if wants_json(as_json):
        for path in found:
            write_json(msgspec.to_builtins(path) | {name: _plain(getattr(path, name)) for name in ("first", "last")})
        return
    console = make_console()
    if not found:
        console.print("No customers are known; `leadheat customers list --help` says where they come from.")
        return
    for which, title in (("first", "first touch"), ("last", "last touch before the win")):
        console.print(_table(sum_paths(found, which, by.value, best), f"{title}, by {by.value}", best))  # type: ignore[arg-type]


def _plain(touch: Touch | None) -> dict[str, object] | None:
    """Return a touch by names, which its own form leaves out."""
    return None if touch is None else {name: getattr(touch, name) for name in touch.__struct_fields__}


def _table(sums: list[PathSum], title: str, best: str) -> object:
    from rich.text import Text

    from streams.cli.customers_reports import show_amount
    from streams.cli.output import make_table, printable

    columns = ("customers", best, "share", "value", "revenue", "days to hot", "hot to won", "to won")
    table = make_table(title, *columns, right=columns)
    for each in sums:
        days = (each.days_to_hot, each.days_hot_to_won, each.days_to_won)
        table.add_row(
            Text(printable(each.path)),
            f"{each.customers:,}",
            f"{each.segments.get(best, 0):,}",
            f"{each.best_share:.0%}",
            "–" if each.value is None else f"{each.value:.2f}",
            show_amount(each.revenue),
            *("–" if day is None else f"{day:.1f}" for day in days),
        )
    return table


async def read_trails(settings: Settings, hot: str) -> dict[str, Trail]:
    """Return how the people of each account came, as far as it is known; ``hot`` is the hottest band."""
    from scoring.account_state import is_account
    from scoring.customer_paths import Trail
    from scoring.lead_state import decode_state
    from scoring.pointers import is_pointer
    from scoring.telling import account_of
    from streams.published_models import running_track
    from streams.reading import read_latest
    from streams.runtime.journal import MEMO_KEY, META_KEY
    from streams.topics import CHANGELOG

    latest = await read_latest(settings.brokers, (await running_track(settings)).name(CHANGELOG))
    account_of_lead: dict[bytes, str] = {}
    trails: dict[str, Trail] = {}
    for key, value in latest.items():
        if key in (META_KEY, MEMO_KEY) or is_account(key) or is_pointer(value):
            continue
        state = decode_state(value)
        account = _resolve(account_of(state).encode(), latest).decode()
        if account:
            account_of_lead[key] = account
            touches = trails.setdefault(account, Trail()).touches
            touches += [touch for touch in (state.first_touch, state.last_touch) if touch is not None]
    async for lead, hot_ms, origins in _read_turns(settings, hot):
        account = account_of_lead.get(_resolve(lead.encode(), latest), "")
        if account:
            trails[account].hot_ms.append(hot_ms)
            trails[account].touches += map(_touch, origins)
    return trails


async def _read_turns(settings: Settings, hot: str) -> AsyncIterator[tuple[str, int, list[Origin]]]:
    """Yield who was in the band ``hot`` at which time (ms), with the touches that are told: alerts, and histories.

    A history that was loaded alerts nobody, but is in lead-history all the same.
    """
    from scoring.alerts import Alert
    from scoring.score_records import LeadSnapshot
    from streams.reading import open_topic
    from streams.topics import HOT_LEADS, LEAD_HISTORY

    decode_alert, decode_snapshot = msgspec.json.Decoder(Alert).decode, msgspec.json.Decoder(LeadSnapshot).decode
    async with open_topic(settings.brokers, HOT_LEADS.full_name(settings.prefix)) as reader:
        async for record in reader.read_to_end():
            alert = decode_alert(record.value)
            if alert.kind == "entered" and alert.band == hot:
                touches = (alert.first_touch, alert.last_touch)
                yield alert.lead, alert.time_ms, [touch for touch in touches if touch is not None]
    async with open_topic(settings.brokers, LEAD_HISTORY.full_name(settings.prefix)) as reader:
        async for record in reader.read_to_end():
            snapshot = decode_snapshot(record.value)
            if snapshot.band == hot:
                yield snapshot.lead, snapshot.at_ms, []


def _resolve(key: bytes, latest: Mapping[bytes, bytes]) -> bytes:
    """Return the lead or account that an identity has turned out to be."""
    from scoring.pointers import HOPS_MAX, decode_pointer, is_pointer

    for _ in range(HOPS_MAX):
        value = latest.get(key)
        if value is None or not is_pointer(value):
            break
        key = decode_pointer(value).target.encode()
    return key


def _touch(origin: Origin) -> Touch:
    from scoring.touches import Touch

    return Touch(origin.time_ms, origin.source, origin.medium, origin.campaign, origin.page)


def draft_profile_of_best(model: CustomersModelOption = DEFAULT_MODEL) -> None:
    """Draft an ideal-customer profile from the customers in the best segment, for the model.

    Like `leadheat accounts profile`, from the facts that are known of these accounts. What the criteria of the model
    ask for is left out, since what made them the best would only describe itself. At least 3 customers are needed.

    Read from the topics customer-values and account-scores. Prints the `profiles:` section of a model.

    Examples:
      leadheat customers profile --model my-model.yaml > profile.yaml
    """
    import sys

    from scoring.account_records import AccountScore
    from scoring.model import load_model
    from scoring.profile_draft import draft_profile
    from streams.cli.customer_values import read_customer_values
    from streams.reading import read_latest
    from streams.topics import ACCOUNT_SCORES

    settings, section = load_settings(), load_model(model).customers
    best = next(iter(section.segments))
    names = {value.account for value in read_customer_values(settings) if value.segment == best}
    latest = asyncio.run(read_latest(settings.brokers, ACCOUNT_SCORES.full_name(settings.prefix)))
    decode = msgspec.json.Decoder(AccountScore).decode
    accounts = [decode(value) for key, value in latest.items() if key.decode() in names]
    asked = set(section.facts)
    facts = [
        {name: fact for name, fact in account.facts.items() if name not in asked}
        for account in sorted(accounts, key=lambda account: account.account)
    ]
    sys.stdout.write(draft_profile(facts) + "\n")
