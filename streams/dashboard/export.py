"""CSV for spreadsheets, in which nothing that people have typed is taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

from streams.dashboard.lists import read_list
from streams.dashboard.queries import LIMIT_MAX, Query
from streams.dashboard.rows import AccountRow, LeadRow
from streams.dashboard.store import Store
from streams.formulas import safe_cell

LEAD_COLUMNS: Final = (
    "lead", "score", "priority", "band", "stage", "phase", "name", "email", "title", "phone", "owner", "account",
    "company", "fit", "fit_level", "seen", "reasons",
)  # fmt: skip
ACCOUNT_COLUMNS: Final = (
    "account", "name", "score", "band", "fit", "level", "coverage", "profile", "people", "industry", "country", "owner",
    "seen", "last_signal",
)  # fmt: skip


async def export(store: Store, query: Query, now_ms: int) -> AsyncIterator[bytes]:
    """Yield a question's whole answer as CSV, page by page; all of them in the order of the list."""
    columns = LEAD_COLUMNS if query.of == "leads" else ACCOUNT_COLUMNS
    yield _lines([columns])
    after = query.after
    while True:
        page, rows = await read_list(store, replace_page(query, after), now_ms)
        yield _lines([[safe_cell(_cell(row, column)) for column in columns] for row in rows])
        if page.next is None:
            return
        after = page.next


def replace_page(query: Query, after: object) -> Query:
    """Return the same question for the rows after a cursor, as many as one page may have."""
    import msgspec

    return msgspec.structs.replace(query, after=after, limit=LIMIT_MAX)


def _cell(row: LeadRow | AccountRow, column: str) -> object:
    if column == "seen":
        return datetime.fromtimestamp(row.seen_ms / 1000, UTC).isoformat(timespec="seconds")
    if column == "reasons" and isinstance(row, LeadRow):
        return "; ".join(f"{reason.name} {reason.points:+g}" for reason in row.reasons)
    return getattr(row, column)


def _lines(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
