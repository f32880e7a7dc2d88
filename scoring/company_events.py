"""What becomes known of a company, good and bad news for whoever wants to sell to it: the whole vocabulary."""

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
"""What makes a company more likely to buy: it grows, or somebody new decides."""

NEGATIVE_EVENTS: Final = frozenset({"layoffs", "market_retreat", "no_budget"})
"""What makes it less likely."""

COMPANY_EVENTS: Final = POSITIVE_EVENTS | NEGATIVE_EVENTS
"""The whole vocabulary; it is closed, so that a misspelt type is an error and not a silent zero."""
