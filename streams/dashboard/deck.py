"""Whom to call first: the overdue, those who asked for a call, then all by score × fit / 10; and what accounts do."""

from __future__ import annotations

from typing import Final

import msgspec

from streams.dashboard.queries import make_query
from streams.dashboard.rows import AccountRow, LeadRow, account_row, lead_row
from streams.dashboard.store import Store
from streams.read_model.happenings import FollowUpRead

OVERDUE_SHOWN: Final = 8
RAISED_SHOWN: Final = 8
NEXT_SHOWN: Final = 25
SIGNALS_SHOWN: Final = 8
ACCOUNTS_SHOWN: Final = 6
WAITING_READ: Final = 400
"""Of those who wait, so many are looked at for what is *mine*."""


class Call(msgspec.Struct, kw_only=True):
    """A lead to call; ``since_ms`` is when it began to wait, ``taken`` what somebody has said about it since."""

    row: LeadRow
    since_ms: int | None = None
    taken: FollowUpRead | None = None


class SignalRow(msgspec.Struct, kw_only=True):
    """A buying signal in a list."""

    account: str
    name: str
    signal: str
    polarity: str
    time_ms: int
    summary: str
    without_contact: bool


class Deck(msgspec.Struct, kw_only=True):
    """What *Now* shows."""

    now_ms: int
    overdue: list[Call]
    overdue_total: int
    raised_hands: list[Call]
    next: list[Call]
    signals: list[SignalRow]
    warming: list[AccountRow]


async def make_deck(store: Store, now_ms: int, contact_within_ms: float, owner: str = "") -> Deck:
    """Return whom to call first, of those whose owner it is if one is given."""
    layout = store.layout
    late = await store.waiting(layout.waiting, WAITING_READ, now_ms - contact_within_ms)
    waiting = await store.waiting(layout.waiting, WAITING_READ)
    breached = {name.decode() for name in await store.redis.smembers(layout.breached)}
    overdue = late | {lead: since for lead, since in waiting.items() if lead in breached}
    raised = await store.waiting(layout.raised_hands, WAITING_READ)
    raised = {lead: since for lead, since in raised.items() if lead not in overdue}
    by_priority = await store.page(make_query("leads", {"owner": owner or None}, sort="priority", limit=NEXT_SHOWN * 2))
    overdue_calls = await _calls(store, overdue, OVERDUE_SHOWN, now_ms, owner)
    raised_calls = await _calls(store, raised, RAISED_SHOWN, now_ms, owner)
    shown = {call.row.lead for call in (*overdue_calls, *raised_calls)}
    foremost = [each.record.lead for each in await store.leads(by_priority.members)]
    rest = {lead: waiting.get(lead) for lead in foremost if lead not in shown}
    next_calls = await _calls(store, rest, NEXT_SHOWN, now_ms, owner)
    next_calls.sort(key=lambda call: -call.row.priority)
    return Deck(
        now_ms=now_ms,
        overdue=overdue_calls,
        overdue_total=len(overdue),
        raised_hands=raised_calls,
        next=next_calls,
        signals=await _signals(store),
        warming=await _warming(store, now_ms),
    )


async def _calls(
    store: Store, since: dict[str, int | None] | dict[str, int], count: int, now_ms: int, owner: str
) -> list[Call]:
    names = list(since)[: WAITING_READ if owner else count * 2]
    rows = [lead_row(record, now_ms, brief.owner) for record, _, brief in await store.leads_named(names)]
    if owner:
        rows = [row for row in rows if row.owner.casefold() == owner.casefold()]
    rows = rows[:count]
    taken = await store.last_follow_ups([row.lead for row in rows])
    return [Call(row=row, since_ms=since.get(row.lead), taken=done) for row, done in zip(rows, taken, strict=True)]


async def _signals(store: Store) -> list[SignalRow]:
    return [
        SignalRow(
            account=signal.account,
            name=signal.name,
            signal=signal.signal,
            polarity=signal.polarity,
            time_ms=signal.time_ms,
            summary=signal.summary,
            without_contact=signal.without_contact,
        )
        for signal in await store.recent_signals(SIGNALS_SHOWN)
    ]


async def _warming(store: Store, now_ms: int) -> list[AccountRow]:
    """Return the most engaged of the accounts seen last."""
    page = await store.page(make_query("accounts", {}, sort="priority", limit=ACCOUNTS_SHOWN))
    return [account_row(record, now_ms) for record in await store.accounts(page.members)]
