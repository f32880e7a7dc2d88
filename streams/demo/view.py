"""The live view of a terminal: what happens, who is hottest and why, alerts as they fall, and what to do yourself.

Each line is written only when it has changed: nothing flickers, also over a slow connection, and a command that you
mark for copying stays marked.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from streams.demo import words
from streams.demo.board import Board, LeadNow, SeenAlert
from streams.demo.status import Pace, loss_of
from streams.demo.words import NextSteps

WIDE: Final = 120
"""Columns from which addresses are shown whole."""

TALL: Final = 30
"""Lines from which there is room for more to try."""

# By number, not by name: the palette of a terminal decides what "yellow" is, and on white it cannot be read. These
# are dark enough for white and light enough for black.
HOT: Final = "bold color(160)"
WARM: Final = "color(166)"
TITLE: Final = "bold color(31)"
GOOD: Final = "color(28)"
FAINT: Final = "color(244)"
_BAND_STYLES: Final = {"hot": HOT, "warm": WARM}

_INDENT: Final = " " * 9
_UNKIND: Final = "  the worker dies, another takes over, and no event is lost or counted twice"
_NEWS_MS: Final = 3_000
"""A lead of whom something was heard within this is marked."""


class View:
    """Draws the board onto the alternative screen of ``console``."""

    def __init__(self, console: Console, board: Board, steps: NextSteps) -> None:
        self._console = console
        self._board = board
        self._steps = steps
        self._drawn: list[list[Segment]] = []
        self._size = (0, 0)

    def draw(self, pace: Pace, now_ms: int) -> None:
        """Bring the screen up to date; ``pace`` is how long and how quickly it goes."""
        width, height = self._console.size
        options = self._console.options.update(width=width, no_wrap=True, overflow="ellipsis", height=1)
        lines = [
            self._console.render_lines(line, options, pad=True)[0]
            for line in compose(self._board, self._steps, pace, now_ms, width, height)
        ]
        if self._size != (width, height):
            self._size, self._drawn = (width, height), [[]] * height
        for row, (line, drawn) in enumerate(zip(lines, self._drawn, strict=True)):
            if line != drawn:
                self._console.update_screen_lines([line], 0, row)
        self._drawn = lines


def compose(board: Board, steps: NextSteps, pace: Pace, now_ms: int, width: int, height: int) -> list[Text]:
    """Return the screen's lines: exactly ``height``."""
    head = _head(board, pace, now_ms, width)
    foot = _foot(steps, width, height >= TALL)
    room = max(2, height - len(head) - len(foot) - 2)
    for_alerts = max(1, room // 2)
    leads = _pad(
        [_lead(lead, board, now_ms, width) for lead in board.hottest(now_ms, room - for_alerts)], room - for_alerts
    )
    alerts = _pad(islice(_alerts(board.alerts, width, for_alerts), for_alerts), for_alerts)
    if not board.alerts:
        alerts[0] = Text("nobody yet; a moment, please", FAINT)
    lines = [*head, _title("Hottest leads, as of now", width), *leads]
    lines += [_title("Alerts as they fall: who, and the sum that made the score", width), *alerts, *foot]
    return lines[:height]


def _pad(lines: Iterable[Text], number: int) -> list[Text]:
    found = list(lines)
    return found + [Text()] * (number - len(found))


def _title(text: str, width: int) -> Text:
    return Text(f"── {text} ".ljust(width, "─")[:width], TITLE)


def _head(board: Board, pace: Pace, now_ms: int, width: int) -> list[Text]:
    minutes, seconds = divmod(int(pace.live_s), 60)
    title = Text.assemble(("leadheat demo", "bold"), f"  live {minutes:02}:{seconds:02}", ("   Ctrl-C ends it", FAINT))
    lost = loss_of(board)
    if board.notes and not lost:
        title.append(f"   {board.notes[-1]}", WARM)
    events = Text.assemble(
        ("events  ", FAINT),
        f"{board.sent:,} sent  {board.scored:,} scored  ",
        (lost, HOT) if lost else ("none lost", GOOD),
        f"   {pace.sent_per_s:.1f} sent/s  {pace.scored_per_s:.1f} scored/s",
    )
    leads = Text("leads   ", FAINT)
    for band, number in board.band_counts().items():
        leads.append(f"{number:,} {band}  ", _BAND_STYLES.get(band, "default"))
    p50, p99 = (words.show_ms(board.latency_ms(share)) for share in (50, 99))
    alerts = Text.assemble(
        ("alerts  ", FAINT), f"{board.alert_count:,}   from sending to the alert read: {p50} (p50), {p99} (p99)"
    )
    return [title, events, leads, alerts]


def _lead(lead: LeadNow, board: Board, now_ms: int, width: int) -> Text:
    name, company = words.show_name(lead.record.lead), words.show_company(lead.record.lead)
    name_width, company_width = 17, 11
    if width >= WIDE:
        name, name_width, company_width = words.show_email(lead.record.lead), 38, 16
    is_news = now_ms - lead.record.at_ms < _NEWS_MS
    start = Text.assemble(
        (f"{words.show_score(lead.score):>6} ", "bold"),
        (f"{lead.band:<4}", _BAND_STYLES.get(lead.band, "default")),
        ("▸" if is_news else " ", HOT),
        (_cut(name, name_width), "bold" if is_news else "default"),
        " ",
        (_cut(company, company_width), FAINT),
        " ",
    )
    reasons = words.reasons_of_score(lead.record, board.model, max(now_ms, lead.record.at_ms))
    return start.append(words.top_reasons(reasons, width - start.cell_len))


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _alerts(alerts: Iterable[SeenAlert], width: int, room: int) -> Iterator[Text]:
    """Yield the lines of alerts, the newest first: with its sum where there is room for it, else a line each."""
    newest = list(alerts)[::-1]
    whole = 1 + max(0, room - 6) // 4
    return chain.from_iterable(_alert(seen, width, number < whole) for number, seen in enumerate(newest))


def _alert(seen: SeenAlert, width: int, whole: bool) -> Iterator[Text]:
    alert = seen.alert
    entered = alert.kind == "entered"
    line = Text.assemble(
        (f"{words.show_clock(alert.time_ms)} ", FAINT),
        (f"{alert.band.upper():<4}" if entered else f"cooled to {alert.band}", HOT if entered else "default"),
        (f" {words.show_name(alert.lead) if width < WIDE else words.show_email(alert.lead)}", "bold"),
        (f" {words.show_company(alert.lead)}", FAINT),
        f" {words.show_score(alert.score)} points",
        ("" if seen.latency_ms is None else f"  {words.show_ms(seen.latency_ms)}", GOOD),
        (f"  {words.show_hold(alert)}", WARM),
    )
    yield line
    if whole:
        for part in textwrap.wrap(words.show_ledger(alert), width - len(_INDENT)):
            yield Text(_INDENT + part)


def _foot(steps: NextSteps, width: int, is_tall: bool) -> list[Text]:
    first, second = steps.curl
    whole = f"{first.removesuffix(chr(92))}{second.strip()}"
    lines = [_title("Your turn: paste this into another terminal, and you are hot", width)]
    lines += [Text(whole, "bold")] if len(whole) <= width else [Text(first, "bold"), Text(second, "bold")]
    if is_tall:
        lines.append(Text.assemble(("or this: ", FAINT), (steps.unkindness, "bold"), _UNKIND))
    lines.append(Text.assemble(("change it: ", FAINT), steps.model_change))
    lines.append(Text.assemble(("read next: ", FAINT), steps.reading))
    return lines
