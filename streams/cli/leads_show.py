"""``leadheat leads show``: look one lead up, and see why its score is what it is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from scoring.errors import EventError, SettingsError
from scoring.identity import LEAD_PREFIXES, meant_lead
from streams.cli.output import (
    JsonOption,
    make_console,
    make_table,
    printable,
    show_band,
    show_lead,
    show_moment,
    show_points,
    wants_json,
    write_json,
)
from streams.lead_now import LeadNow, explain
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from scoring.score_records import LeadScore
    from streams.reading import TopicReader

ALERTS_SHOWN: Final = 5
NEAR_SHOWN: Final = 5
NEAR_SEARCH_S: Final = 5.0
"""How long ids that are nearly the one asked for are looked for."""


def show(
    lead: Annotated[str, typer.Argument(metavar="ID", help="An e-mail address, user:… or anon:….")],
    as_json: JsonOption = None,
) -> None:
    """Explain a lead's score: what each rule gave, what is left of it now, when the lead cools, and whom to call.

    Read from what the workers have committed to lead-scores and hot-leads, and faded to this moment by the
    half-lives in the record. Kafka is found by LEADHEAT_BROKERS and LEADHEAT_PREFIX. Exit code 1 if there is no
    such lead.

    Examples:
      leadheat leads show ann@example.com
      leadheat leads show user:42 --json | jq .score_now
    """
    from streams.clock import now_ms

    settings, wanted = load_settings(), lead_id_of(lead)
    found, near = asyncio.run(_find(settings, wanted, now_ms()))
    if found is None:
        _say_not_found(wanted, near)
        raise typer.Exit(1)
    if wants_json(as_json):
        write_json(found)
    else:
        _print(found)


def lead_id_of(text: str) -> str:
    """Return the id of the lead that a person means.

    >>> lead_id_of("Ann@Example.com"), lead_id_of("user:42")
    ('email:ann@example.com', 'user:42')

    Raises :class:`SettingsError` for what is no id.
    """
    try:
        return meant_lead(text)
    except EventError:
        text = text.strip()
        is_plain = text and "@" not in text and not text.startswith(LEAD_PREFIXES)
        hint = f" (did you mean user:{text}?)" if is_plain else ""
        raise SettingsError(
            f"{printable(text)!r} is no lead's id: expected an e-mail address, user:… or anon:…{hint}"
        ) from None


async def _find(settings: Settings, lead: str, now_ms: int) -> tuple[LeadNow | None, list[str]]:
    """Return a lead, or else ids that are nearly the one asked for."""
    from scoring.score_records import LeadScore
    from streams.published_models import running_track
    from streams.reading import follow_pointers, open_topic, read_values
    from streams.topics import CHANGELOG, HOT_LEADS, LEAD_SCORES

    changelog = (await running_track(settings)).name(CHANGELOG)
    async with open_topic(settings.brokers, LEAD_SCORES.full_name(settings.prefix)) as reader:
        latest = await read_values(reader, lead.encode(), 1)
        if not latest and (person := await follow_pointers(settings.brokers, changelog, lead)) is not None:
            lead = person
            latest = await read_values(reader, lead.encode(), 1)
        if not latest:
            return None, await _near_ids(reader, lead)
    key = lead.encode()
    async with open_topic(settings.brokers, HOT_LEADS.full_name(settings.prefix)) as reader:
        alerts = await read_values(reader, key, ALERTS_SHOWN)
    return explain(msgspec.json.decode(latest[0], type=LeadScore), alerts, now_ms), []


async def _near_ids(reader: TopicReader, lead: str) -> list[str]:
    """Return ids that are the same but for capitals, or begin alike; looks for a bounded time."""
    wanted = lead.partition(":")[2].casefold()
    same: dict[str, None] = {}
    alike: dict[str, None] = {}
    try:
        async with asyncio.timeout(NEAR_SEARCH_S):
            async for record in reader.read_to_end():
                found = (record.key or b"").decode(errors="replace")
                text = found.partition(":")[2].casefold()
                if found == lead:
                    continue  # it was there, and is gone
                if text == wanted:
                    same[found] = None
                elif text.startswith(wanted) and len(alike) < NEAR_SHOWN:
                    alike[found] = None
    except TimeoutError:
        pass  # what was found by then is worth saying
    return [*same, *alike][:NEAR_SHOWN]


def _say_not_found(lead: str, near: list[str]) -> None:
    hint = (
        f"did you mean {', '.join(printable(found, 255) for found in near)}?"
        if near
        else "only leads with an event that a worker has scored are there; `leadheat tail lead-scores` shows them"
    )
    print(f"leadheat: no lead {printable(lead, 300)}: {hint}", file=sys.stderr)


def _print(found: LeadNow) -> None:
    from rich.text import Text

    from streams.cli.alert_lines import describe_call

    console, record, now = make_console(), found.record, found.now_ms
    title = Text.assemble((show_lead(found.lead), "bold"), f" {found.score_now:.2f} points now, ")
    console.print(title.append_text(_band_now(found)))
    console.print(
        f"{record.score:.2f} points after its last event, {show_moment(record.at_ms, now)}; "
        f"model {printable(record.model)}",
    )
    for line in _about(record, now):
        console.print(line)
    table = make_table("rule", "points then", "now", "halves every", "", right=("points then", "now"))
    for rule in found.rules:
        ceiling = "" if rule.points_max is None else f"at most {show_points(rule.points_max).lstrip('+')}"
        table.add_row(
            Text(printable(rule.rule.replace("_", " "))),
            show_points(rule.points, 2),
            show_points(rule.points_now, 2),
            f"{rule.half_life_days:g} days",
            f"{ceiling}, reached" if rule.at_ceiling else ceiling,
        )
    for other in found.others:
        name = f"{other.name.replace('_', ' ')}{' ceiling' if other.kind == 'channel' else ''}"
        table.add_row(Text(printable(name)), show_points(other.points, 2), show_points(other.points_now, 2), other.kind)
    console.print()
    console.print(table if found.rules or found.others else "No rule has matched yet.")
    if found.alerts:
        console.print("\nAlerts", style="bold")
    for alert in found.alerts:
        console.print(describe_call(alert, now))


def _about(record: LeadScore, now_ms: int) -> Iterator[str]:
    """Yield who a lead is, as far as its record says."""
    from streams.cli.alert_lines import show_contact

    account = f"account {printable(record.account)}" if record.account else ""
    about = [text for text in (printable(record.stage), account, f"in {record.phase}" if record.phase else "") if text]
    if about:
        yield ", ".join(about)
    if record.contact:
        yield f"reach {show_contact(dict(record.contact))}"
    if record.inactive_from_ms is not None and record.inactive_from_ms > now_ms:
        points = show_points(record.inactive_points)
        yield f"{points} points for inactivity {show_moment(record.inactive_from_ms, now_ms)}, without another visit"


def _band_now(found: LeadNow) -> Any:
    from rich.text import Text

    record, now = found.record, found.now_ms
    if record.cools_at_ms is None:
        return show_band(record.band)
    if found.has_cooled:
        return Text(f"was {printable(record.band)} until {show_moment(record.cools_at_ms, now)}")
    band = show_band(record.band)
    if record.held_until_ms is not None and now < record.held_until_ms < record.cools_at_ms:
        band.append(f", held until {show_moment(record.held_until_ms, now)}", "not bold default")
    return band.append(f", cools {show_moment(record.cools_at_ms, now)}", "not bold default")
