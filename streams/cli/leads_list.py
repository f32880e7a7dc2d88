"""``leadheat leads list``: the leads as they are now, the hottest first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from heapq import nlargest
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from streams.cli.output import (
    JsonOption,
    make_console,
    make_table,
    printable,
    show_band,
    show_lead,
    show_time,
    wants_json,
    write_json,
)
from streams.cli.stages import Stage, StageOption
from streams.settings import load_settings

if TYPE_CHECKING:
    from scoring.model_engagement import Waking
    from scoring.score_records import LeadScore

LISTED: Final = 50
LISTED_MAX: Final = 1_000_000
DAY_MS: Final = 86_400_000
EXCLUDED: Final = "excluded"


class ListedLead(msgspec.Struct, kw_only=True):
    """A lead at ``now_ms``: its published record, and what that comes to by then."""

    lead: str
    now_ms: int
    score_now: float
    has_cooled: bool
    record: LeadScore


def list_leads(
    band: Annotated[
        str | None,
        typer.Option(metavar="BAND", help="Only leads that are in this band now, such as hot.", show_default="all"),
    ] = None,
    stage: StageOption = None,
    account: Annotated[
        str | None,
        typer.Option(metavar="ACCOUNT", help="Only leads of this account, such as acme.com.", show_default="all"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=LISTED_MAX, help="How many to list at most.")] = LISTED,
    include_visitors: Annotated[
        bool, typer.Option("--include-visitors", help="Also visitors, who are not identified yet.")
    ] = False,
    is_waking: Annotated[
        bool, typer.Option("--waking", help="Only quiet leads at accounts that fit well: those worth waking.")
    ] = False,
    as_json: JsonOption = None,
) -> None:
    """List the leads as they are now, the hottest first.

    For each: its points now, its band, how far it has come, and what gave it most. Points fade from minute to minute;
    a lead that has just faded out of its band is shown as `was hot`, and --band leaves it out, until a worker has set
    its next band. Visitors, who are not identified yet, are left out: --include-visitors adds them, --stage visitor
    lists them alone.

    --waking lists the leads that are worth waking, the best account first: they have done nothing for the model's
    `accounts.waking.quiet_days`, and their account's fit is known and at least its `fit_min`. The model is found by
    LEADHEAT_MODEL, as by a worker.

    Read from the topic lead-scores, as far as workers have written it. Kafka is found by LEADHEAT_BROKERS and
    LEADHEAT_PREFIX. In a pipe, one JSON object a lead.

    Examples:
      leadheat leads list --band hot
      leadheat leads list --stage converted --account acme.com
      leadheat leads list --waking --limit 20
      leadheat leads list --limit 1000 --json | jq -r '[.lead, .score_now] | @tsv'
    """
    from streams.clock import now_ms
    from streams.reading import read_latest
    from streams.topics import LEAD_SCORES

    settings, now = load_settings(), now_ms()
    latest = asyncio.run(read_latest(settings.brokers, LEAD_SCORES.full_name(settings.prefix)))
    found = _choose(latest, now, band, stage, account, include_visitors or stage is Stage.VISITOR)
    if is_waking:
        from streams.published_models import model_in_use

        waking = asyncio.run(model_in_use(settings)).accounts.waking
        found = (lead for lead in found if _is_worth_waking(lead, waking))
    first = nlargest(limit, found, key=_by_fit if is_waking else _by_score)
    if wants_json(as_json):
        for lead in first:
            write_json(lead)
    else:
        _print(first, now, len(first) == limit, is_waking)


def _by_score(lead: ListedLead) -> tuple[float, int]:
    return lead.score_now, lead.record.at_ms


def _by_fit(lead: ListedLead) -> tuple[float, float, int]:
    return lead.record.fit or 0.0, *_by_score(lead)


def _is_worth_waking(lead: ListedLead, waking: Waking) -> bool:
    """Whether a lead has been silent for long, at an account that fits; what is out of the question never does."""
    record = lead.record
    fits = record.fit is not None and record.fit >= waking.fit_min and record.fit_level != EXCLUDED
    return fits and lead.now_ms - record.seen_ms >= waking.quiet_days * DAY_MS


def _choose(
    latest: dict[bytes, bytes],
    now_ms: int,
    band: str | None,
    stage: str | None,
    account: str | None,
    include_visitors: bool,
) -> Iterator[ListedLead]:
    from scoring.score_records import LeadScore, score_later

    decode = msgspec.json.Decoder(LeadScore).decode
    for value in latest.values():
        record = decode(value)
        if record.merged_into:
            continue
        if record.stage == Stage.VISITOR and not include_visitors:
            continue
        if stage not in (None, record.stage) or account not in (None, record.account):
            continue
        at_ms = max(now_ms, record.at_ms)
        has_cooled = record.cools_at_ms is not None and record.cools_at_ms <= at_ms
        if band is not None and (has_cooled or band != record.band):
            continue
        # A rule that has left the model is published with half-life 0 and nothing to give.
        record.rules = [line for line in record.rules if line.half_life_days > 0]
        yield ListedLead(
            lead=record.lead, now_ms=at_ms, score_now=score_later(record, at_ms), has_cooled=has_cooled, record=record
        )


def _print(leads: list[ListedLead], now_ms: int, is_cut: bool, is_waking: bool) -> None:
    from rich.text import Text

    from streams.cli.alert_lines import show_score_reasons

    console = make_console()
    if not leads:
        console.print("No such leads. `leadheat leads list --help` says which are listed.")
        return
    of_account = ("fit", "company") if is_waking else ()
    table = make_table(
        *("lead", *of_account, "points", "band", "stage", "phase", "account", "name", "last seen", "because"),
        right=("fit", "points"),
    )
    for lead in leads:
        record = lead.record
        band: Any = Text(f"was {printable(record.band)}") if lead.has_cooled else show_band(record.band)
        fit = "–" if record.fit is None else f"{record.fit:.1f}"
        table.add_row(
            Text(show_lead(lead.lead)),
            *((fit, Text(printable(record.company))) if is_waking else ()),
            f"{lead.score_now:.1f}",
            band,
            *(Text(printable(text)) for text in (record.stage, record.phase, record.account)),
            Text(printable(str(record.contact.get("name", "")))),
            show_time(record.seen_ms, now_ms),
            Text(show_score_reasons(record)),
        )
    console.print(table)
    if is_cut:
        console.print(f"The {'first' if is_waking else 'hottest'} {len(leads):,}; --limit shows more.")
