"""What becomes known of the invented companies: first their facts, and now and then that something happened there."""

from __future__ import annotations

from random import Random
from typing import Final

from scoring.account_updates import ACCOUNT_UPDATED, AccountUpdate
from streams.demo.companies import COMPANIES, Company

_GOOD: Final = ("funding", "hiring", "hiring", "technology_investment", "new_market", "new_product", "new_office")
_BAD: Final = ("layoffs", "layoffs", "market_retreat", "no_budget")
_BAD_SHARE: Final = 0.3


def facts_of(company: Company, time_ms: int) -> AccountUpdate:
    """Return what is known of a company; that both its id and its domain are told says that they are one account."""
    update = _update(company, ACCOUNT_UPDATED, time_ms)
    update.domain, update.facts = company.domain, company.facts
    return update


def happening(rng: Random, time_ms: int) -> AccountUpdate:
    """Return something that happened at one of the companies, good or bad; its id is still to be given."""
    kinds = _BAD if rng.random() < _BAD_SHARE else _GOOD
    return _update(rng.choice(COMPANIES), rng.choice(kinds), time_ms)


def _update(company: Company, type_: str, time_ms: int) -> AccountUpdate:
    return AccountUpdate(id="", type=type_, time=time_ms, account_id=company.account_id)
