"""Deals: what came of leads in the end, which a model is judged by, each known once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Deal(NamedTuple):
    """A lead (by any of its identities) that was won or lost, and when (ms since 1970)."""

    lead: str
    is_won: bool
    time_ms: int


class Deals(NamedTuple):
    """One deal a lead, in the order of their times; how many rows only repeated one, and how many said otherwise."""

    deals: list[Deal]
    repeated: int
    overruled: int


def gather_deals(told: Iterable[Deal]) -> Deals:
    """Return one deal a lead: the first time that it was won, or else the first time that it was lost.

    >>> ann, bob = "email:ann@example.com", "email:bob@example.com"
    >>> gather_deals([Deal(ann, True, 9), Deal(bob, False, 7), Deal(ann, False, 5), Deal(bob, False, 7)])
    Deals(deals=[Deal(lead='email:bob@example.com', is_won=False, time_ms=7), \
Deal(lead='email:ann@example.com', is_won=True, time_ms=9)], repeated=1, overruled=1)
    """
    chosen: dict[str, Deal] = {}
    told = list(told)
    for deal in told:
        known = chosen.get(deal.lead)
        if known is None or (not deal.is_won, deal.time_ms) < (not known.is_won, known.time_ms):
            chosen[deal.lead] = deal
    repeated = sum(chosen[deal.lead].is_won is deal.is_won for deal in told) - len(chosen)
    overruled = len(told) - len(chosen) - repeated
    return Deals(sorted(chosen.values(), key=lambda deal: (deal.time_ms, deal.lead)), repeated, overruled)
