"""Company events: what became known of a company as a whole, and whether it speaks for a purchase."""

from __future__ import annotations

from typing import Final

POSITIVE_EVENTS: Final = frozenset(
    {
        "funding",
        "hiring",
        "technology_investment",
        "new_market",
        "new_product",
        "new_office",
        "new_sales_head",
    }
)
"""Signs of growth: the company has money, plans or a new face to spend it."""

NEGATIVE_EVENTS: Final = frozenset({"layoffs", "market_retreat", "no_budget"})
"""Signs of trouble."""

COMPANY_EVENTS: Final = POSITIVE_EVENTS | NEGATIVE_EVENTS
"""The whole vocabulary; it is closed, so that a misspelt type is an error and not a silent zero."""
