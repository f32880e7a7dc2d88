"""``leadheat accounts rank``: all accounts in order, by how well they fit or how much they do."""

from __future__ import annotations

import asyncio
import csv
import operator
import re
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from heapq import nsmallest
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

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
    show_time,
    wants_json,
    write_json,
)
from streams.formulas import safe_cell
from streams.settings import load_settings

if TYPE_CHECKING:
    from scoring.account_records import AccountScore

RANKED: Final = 50
RANKED_MAX: Final = 1_000_000

_COMPARISON: Final = re.compile(r"\s*([\w.]+)\s*(>=|<=|!=|>|<|=)\s*(.+?)\s*")
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}
_FIELDS: Final = (
    "fit",
    "coverage",
    "score",
    "people",
    "band",
    "level",
    "profile",
    "owner",
    "name",
    "account",
    "reason",
)
_COLUMNS: Final = (
    "account",
    "name",
    "fit",
    "level",
    "profile",
    "coverage",
    "score",
    "band",
    "people",
    "owner",
    "reason",
)


class RankBy(StrEnum):
    """What accounts are put in order by."""

    FIT = "fit"
    SCORE = "score"


class RankedAccount(msgspec.Struct, kw_only=True):
    """An account at ``now_ms``: its published record, and the engagement (points) that it comes to by then."""

    account: str
    now_ms: int
    score_now: float
    record: AccountScore


class Comparison(NamedTuple):
    """A condition on an account, such as fit > 5; what is unknown meets none."""

    name: str
    operator: str
    value: str

    def holds(self, ranked: RankedAccount) -> bool:
        """Whether an account meets the condition."""
        record = ranked.record
        known = ranked.score_now if self.name == "score" else getattr(record, self.name, None)
        if self.name not in _FIELDS:
            known = record.facts.get(self.name)
        if known is None:
            return False
        items = known if isinstance(known, list) else [known]
        return any(_compares(item, self.operator, self.value) for item in items)


def rank(
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="Only accounts that meet this, such as 'fit > 5'; repeatable."),
    ] = None,
    by: Annotated[
        RankBy, typer.Option(help="What comes first: the better fit, or the higher engagement.")
    ] = RankBy.FIT,
    limit: Annotated[int, typer.Option(min=1, max=RANKED_MAX, help="How many to list at most.")] = RANKED,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, for a spreadsheet.")] = False,
    as_json: JsonOption = None,
) -> None:
    """Rank all accounts by how well they fit, or by how engaged their people are.

    A condition compares fit (0 to 10), coverage (0 to 1), score (points now), people, band, level (strong, moderate,
    weak, unknown, excluded), profile, owner, name, account, reason or any fact, such as country or employees, with >,
    >=, <, <=, = or !=. What is not known of an account meets no condition. Accounts whose fit is unknown come last.

    Read from the topic account-scores, as far as workers have written it. In a pipe, one JSON object an account.

    Examples:
      leadheat accounts rank --where 'fit > 5' --where 'country = nl'
      leadheat accounts rank --by score --limit 1000 --csv > accounts.csv
      leadheat accounts rank --where 'level = strong' --json | jq -r .account
    """
    from streams.clock import now_ms
    from streams.reading import read_latest
    from streams.topics import ACCOUNT_SCORES

    conditions = [_read_comparison(text) for text in where or ()]
    settings, now = load_settings(), now_ms()
    latest = asyncio.run(read_latest(settings.brokers, ACCOUNT_SCORES.full_name(settings.prefix)))
    found = (each for each in _ranked(latest.values(), now) if all(condition.holds(each) for condition in conditions))
    first = nsmallest(limit, found, key=_by_fit if by is RankBy.FIT else _by_score)
    if as_csv:
        _write_csv(first)
    elif wants_json(as_json):
        for each in first:
            write_json(each)
    else:
        _print(first, now, len(first) == limit)


def _read_comparison(text: str) -> Comparison:
    """Read a condition.

    >>> _read_comparison("fit>5")
    Comparison(name='fit', operator='>', value='5')
    """
    found = _COMPARISON.fullmatch(text)
    if found is None:
        raise SettingsError(f"--where {printable(text)!r}: expected a condition such as 'fit > 5' or 'country = nl'")
    return Comparison(*found.groups())


def _compares(known: object, compare: str, value: str) -> bool:
    if isinstance(known, bool):
        return _OPERATORS[compare](str(known).lower(), value.lower())
    if isinstance(known, int | float):
        try:
            return _OPERATORS[compare](known, float(value))
        except ValueError:
            return compare == "!="
    return _OPERATORS[compare](str(known).casefold(), value.casefold())


def _ranked(values: Iterable[bytes], now_ms: int) -> Iterable[RankedAccount]:
    from scoring.account_records import AccountScore, account_score_later

    decode = msgspec.json.Decoder(AccountScore).decode
    for value in values:
        record = decode(value)
        if not record.merged_into:
            at_ms = max(now_ms, record.at_ms)
            score_now = account_score_later(record, at_ms)
            yield RankedAccount(account=record.account, now_ms=at_ms, score_now=score_now, record=record)


def _by_fit(ranked: RankedAccount) -> tuple[bool, float, float, str]:
    fit = ranked.record.fit
    return fit is None, -(fit or 0.0), -ranked.score_now, ranked.account


def _by_score(ranked: RankedAccount) -> tuple[float, float, str]:
    return -ranked.score_now, -(ranked.record.fit or 0.0), ranked.account


def _write_csv(accounts: list[RankedAccount]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for each in accounts:
        record = each.record
        cells = {name: getattr(record, name) for name in _COLUMNS} | {
            "account": show_account(each.account),
            "score": round(each.score_now, 2),
        }
        writer.writerow(safe_cell(cells[name]) for name in _COLUMNS)


def _print(accounts: list[RankedAccount], now_ms: int, is_cut: bool) -> None:
    from rich.text import Text

    console = make_console()
    if not accounts:
        console.print("No such accounts. `leadheat accounts rank --help` says which are listed.")
        return
    table = make_table(
        *("account", "name", "fit", "level", "known", "points", "band", "people", "last seen", "owner"),
        right=("fit", "known", "points", "people"),
    )
    for each in accounts:
        record = each.record
        table.add_row(
            Text(show_account(each.account)),
            Text(printable(record.name)),
            "–" if record.fit is None else f"{record.fit:.1f}",
            Text(printable(record.level)),
            f"{record.coverage:.0%}",
            f"{each.score_now:.1f}",
            show_band(record.band),
            str(record.people),
            show_time(record.at_ms, now_ms),
            Text(printable(record.owner)),
        )
    console.print(table)
    if is_cut:
        console.print(f"The first {len(accounts):,}; --limit shows more.")
