"""Deals as commands take them: from a table, from lines of follow-ups, or from the follow-ups topic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from scoring.deals import Deal
from scoring.errors import EventError, SettingsError
from scoring.follow_ups import decode_follow_up
from streams.cli.input_files import Input, open_input, reading
from streams.importing.columns import map_columns, parse_choices
from streams.importing.deals import DEALS, DealRows
from streams.importing.table import Row, open_table
from streams.importing.times import TimeReader

REFUSED_SHOWN = 5


@dataclass(slots=True)
class ToldDeals:
    """What was told of deals: ``rows`` in all, of which ``open`` ones say nothing, and those ``refused``, in words."""

    name: str
    deals: list[Deal] = field(default_factory=list)
    rows: int = 0
    open: int = 0
    refused: list[str] = field(default_factory=list)
    tells_outcomes: bool = True

    def take(self, where: str, read: Callable[[], Deal | None]) -> None:
        """Note what a row says, or why it cannot be read."""
        self.rows += 1
        try:
            deal = read()
        except EventError as error:
            self.refused.append(f"{where}: {error}")
            return
        if deal is None:
            self.open += 1
        else:
            self.deals.append(deal)


def read_deals(file: str, times: TimeReader, chosen: Iterable[str], now_ms: int) -> ToldDeals:
    """Return the deals of a CSV file with a heading, or of lines of follow-ups (JSON); gzip too.

    Raises :class:`SettingsError` where the file cannot be read, and where none of its rows can.
    """
    with open_input(file, "reading outcomes", show_progress=False) as opened, reading(opened.name):
        is_json = opened.file.peek(1)[:1] == b"{"
        told = _read_lines(opened, now_ms) if is_json else _read_table(opened, times, chosen, now_ms)
    if not told.deals:
        why = f": {told.refused[0]}" if told.refused else "; a row needs a lead, won or lost, and when"
        raise SettingsError(f"--outcomes {file}: none of its {told.rows:,} rows can be used{why}")
    return told


def _read_table(opened: Input, times: TimeReader, chosen: Iterable[str], now_ms: int) -> ToldDeals:
    told = ToldDeals(opened.name)
    with open_table(opened.file, opened.name) as table:
        try:
            columns = map_columns(table.columns, DEALS, preset={}, chosen=parse_choices(list(chosen)), times=times)
        except SettingsError as error:
            raise SettingsError(f"--outcomes {opened.name}: {error}") from None
        rows = DealRows(columns)
        told.tells_outcomes = rows.tells_outcomes
        for row in table.rows():
            told.take(f"{opened.name}:{row.line}", partial(_read_row, rows, row, now_ms))
    return told


def _read_row(rows: DealRows, row: Row, now_ms: int) -> Deal | None:
    if row.error is not None:
        raise row.error
    deal = rows.read(row.cells)
    if deal is not None and deal.time_ms > now_ms:
        raise EventError("future_time", "time", "lies in the future; only deals that are decided say something")
    return deal


def _read_lines(opened: Input, now_ms: int) -> ToldDeals:
    told = ToldDeals(opened.name)
    for number, line in enumerate(opened.file, 1):
        if line.strip():
            told.take(f"{opened.name}:{number}", partial(deal_of, line, now_ms))
    return told


def deal_of(follow_up: bytes, received_ms: int) -> Deal | None:
    """Return the deal that a follow-up tells; None for what decides nothing. Raises :class:`EventError`."""
    told = decode_follow_up(follow_up, received_ms)
    if told.action not in ("won", "lost"):
        return None
    assert isinstance(told.time, int)
    return Deal(told.lead, told.action == "won", told.time)


def deals_among(follow_ups: Iterable[tuple[bytes, int]], name: str) -> ToldDeals:
    """Return the deals among follow-ups, each with when it was received (ms); refused ones are dead letters already."""
    told = ToldDeals(name)
    for value, received_ms in follow_ups:
        told.take(name, partial(deal_of, value, received_ms))
    return told


def describe_refused(told: ToldDeals) -> Iterator[str]:
    """Say which rows cannot be used, the first of them with the reason."""
    if told.refused:
        yield f"{len(told.refused):,} of {told.rows:,} rows of outcomes cannot be used:"
        yield from (f"  {line}" for line in told.refused[:REFUSED_SHOWN])
        if len(told.refused) > REFUSED_SHOWN:
            yield f"  … and {len(told.refused) - REFUSED_SHOWN:,} more"
