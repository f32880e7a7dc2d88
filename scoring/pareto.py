"""How few customers bring most of something: the Pareto report."""

from __future__ import annotations

from collections.abc import Iterable
from math import fsum

import msgspec

_SLACK = 1e-9
"""Of the total: what sums of the same amounts in another order may differ by."""


class Pareto(msgspec.Struct, kw_only=True):
    """The fewest customers that together bring ``share`` of all there is of ``what``.

    ``needed`` of the ``known`` customers, the ``needed_share`` of them, bring ``amount`` of ``total``; of ``unknown``
    ones nobody knows. ``losing`` customers are below 0, by ``lost`` together. ``needed`` is None where the total is not
    above 0, so that there is nothing to have a share of.
    """

    what: str
    share: float
    known: int
    unknown: int
    total: float
    needed: int | None
    needed_share: float | None
    amount: float
    losing: int
    lost: float


def find_pareto(what: str, amounts: Iterable[float | None], share: float = 0.8) -> Pareto:
    """Return how few customers bring ``share`` of the total of ``amounts``, each a customer's; None is unknown.

    The total is net: what some lose, others have to bring. So a few customers may bring more than all together.

    >>> report = find_pareto("profit", [70, 20, 20, 10, 0, -20, None])
    >>> report.needed, report.known, report.amount, report.total, report.losing
    (2, 6, 90.0, 100.0, 1)
    """
    given = list(amounts)
    known = sorted((amount for amount in given if amount is not None), reverse=True)
    total, needed, so_far = fsum(known), None, 0.0
    wanted = share * total - _SLACK * abs(total)
    if total > 0:
        for number, amount in enumerate(known, 1):
            so_far += amount
            if so_far >= wanted:
                needed = number
                break
    losses = [amount for amount in known if amount < 0]
    return Pareto(
        what=what,
        share=share,
        known=len(known),
        unknown=len(given) - len(known),
        total=total,
        needed=needed,
        needed_share=None if needed is None else round(needed / len(known), 6),
        amount=round(so_far, 6),
        losing=len(losses),
        lost=fsum(losses),
    )
