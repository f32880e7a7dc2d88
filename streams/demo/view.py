"""The live view of a terminal: what happens, who is hottest and why, the companies, alerts and signals, and what to do.

Each line is written only when it has changed: nothing flickers, also over a slow connection, and a command that you
mark for copying stays marked.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from scoring.signal_records import BuyingSignal
from streams.demo import company_words, words
from streams.demo.board import Board, CompanyNow, LeadNow, SeenAlert
from streams.demo.status import Pace, loss_of
from streams.demo.words import NextSteps

WIDE: Final = 120
"""Columns from which addresses are shown whole."""

WITH_LAST: Final = 90
"""Columns from which the visitor who was known last is named."""

TALL: Final = 30
"""Lines from which there is room for more to try."""

# By number, not by name: the palette of a terminal decides what "yellow" is, and on white it cannot be read. These
# are dark enough for white and light enough for black.
HOT: Final = "bold color(160)"
WARM: Final = "color(166)"
TITLE: Final = "bold color(31)"
GOOD: Final = "color(28)"
FAINT: Final = "color(244)"
_BAND_STYLES: Final = {"hot": HOT, "warm": WARM, "engaged": GOOD}
_FIT_STYLES: Final = {"strong": GOOD, "weak": FAINT, "unknown": FAINT, "excluded": HOT}

_INDENT: Final = " " * 9
_UNKIND: Final = "  the worker dies, another takes over, and no event is lost or counted twice"
_NEWS_MS: Final = 3_000
"""A lead or company of whom something was heard within this is marked."""


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
    head = _head(board, pace, now_ms, width, steps.dashboard_url)
    foot = _foot(steps, width, height >= TALL)
    room = max(3, height - len(head) - len(foot) - 3)
    for_leads = for_companies = max(1, room * 3 // 10)
    for_news = room - for_leads - for_companies
    leads = (_lead(lead, board, now_ms, width) for lead in board.hottest(now_ms, for_leads))
    companies = (_company(company, now_ms, width) for company in board.most_engaged(now_ms, for_companies))
    news = _pad(islice(_news(board.told, width, for_news), for_news), for_news)
    if not board.told:
        news[0] = Text("nothing yet; a moment, please", FAINT)
    lines = [*head, _title("Hottest leads, as of now", width), *_pad(leads, for_leads)]
    lines += [_title("Most engaged companies: fit, latest signal, people", width), *_pad(companies, for_companies)]
    lines += [_title("Alerts and signals as they fall, with the sum that made the score", width), *news, *foot]
    return lines[:height]


def _pad(lines: Iterable[Text], number: int) -> list[Text]:
    found = list(lines)
    return found + [Text()] * (number - len(found))


def _title(text: str, width: int) -> Text:
    return Text(f"── {text} ".ljust(width, "─")[:width], TITLE)


def _head(board: Board, pace: Pace, now_ms: int, width: int, dashboard_url: str | None) -> list[Text]:
    minutes, seconds = divmod(int(pace.live_s), 60)
    title = Text.assemble(("leadheat demo", "bold"), f"  live {minutes:02}:{seconds:02}", ("   Ctrl-C ends it", FAINT))
    if dashboard_url is not None:
        title.append("   see it at ", FAINT).append(dashboard_url, TITLE)
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
    if board.last_known is not None:
        leads.append(f" {board.known_count:,} visitors known")
        leads.append(f", last {words.show_name(board.last_known[1])}" if width >= WITH_LAST else "", FAINT)
    fits = Text("fits    ", FAINT)
    for level, number in board.fit_counts().items():
        fits.append(f"{number} {level}  ", _FIT_STYLES.get(level, "default"))
    p50, p99 = (words.show_ms(board.latency_ms(share)) for share in (50, 99))
    alerts = Text.assemble(
        ("alerts  ", FAINT),
        f"{board.alert_count:,}, {board.signal_count:,} signals   from event to alert: {p50} (p50), {p99} (p99)",
    )
    return [title, events, leads, fits, alerts]


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


def _company(company: CompanyNow, now_ms: int, width: int) -> Text:
    record = company.record
    is_news = now_ms - record.at_ms < _NEWS_MS
    start = Text.assemble(
        (f"{words.show_score(company.score):>6} ", "bold"),
        (_cut(record.band, 8), _BAND_STYLES.get(record.band, "default")),
        ("▸" if is_news else " ", HOT),
        (_cut(company_words.show_account(record.account, record.name), 15), "bold" if is_news else "default"),
        " ",
        (_cut(company_words.show_fit(record.fit, record.level), 12), _FIT_STYLES.get(record.level, "default")),
        " ",
        (_cut(company_words.latest_signal(record), 15), FAINT),
        " ",
    )
    return start.append(company_words.hottest_people(record, width - start.cell_len))


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _news(told: Iterable[SeenAlert | BuyingSignal], width: int, room: int) -> Iterator[Text]:
    """Yield the lines of alerts and signals, the newest first: a line each, and an alert's sum where there is room."""
    whole = 1 + max(0, room - 6) // 5
    for each in list(told)[::-1]:
        if isinstance(each, BuyingSignal):
            yield _signal(each)
        else:
            yield from _alert(each, width, whole > 0)
            whole -= 1


def _signal(signal: BuyingSignal) -> Text:
    is_bad = company_words.is_bad(signal)
    return Text.assemble(
        (f"{words.show_clock(signal.time_ms)} ", FAINT),
        ("▾ " if is_bad else "▴ ", HOT if is_bad else GOOD),
        (company_words.show_account(signal.account, signal.name), "bold"),
        (f" {company_words.told_by(signal)}", HOT if is_bad else "default"),
    )


def _alert(seen: SeenAlert, width: int, whole: bool) -> Iterator[Text]:
    alert = seen.alert
    entered = alert.kind == "entered"
    line = Text.assemble(
        (f"{words.show_clock(alert.time_ms)} ", FAINT),
        (f"{alert.band.upper():<4}" if entered else f"{alert.kind} to {alert.band}", HOT if entered else "default"),
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
