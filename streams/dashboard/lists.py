"""A list of leads or of accounts: what is asked, answered with rows, whoever shows them (a page, JSON, CSV)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from streams.dashboard.queries import Query
from streams.dashboard.rows import AccountRow, LeadRow, account_row, lead_row
from streams.dashboard.store import Page, Store


class Listed(NamedTuple):
    """One page of a list, and its rows as of the moment that was asked for."""

    page: Page
    rows: Sequence[LeadRow | AccountRow]


async def read_list(store: Store, query: Query, now_ms: int) -> Listed:
    """Return one page of what a query asks; a lead that has no owner of its own has its account's."""
    page = await store.page(query)
    if query.of == "accounts":
        return Listed(page, [account_row(record, now_ms) for record in await store.accounts(page.members)])
    found = await store.leads(page.members)
    return Listed(page, [lead_row(record, now_ms, brief.owner) for record, _, brief in found])
