"""Numbers, times and names as the pages write them. What comes from outside stays text: templates escape it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

from scoring.follow_ups import REJECTIONS
from scoring.identity import without_kind

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
HEAT_STEPS: Final = 20

ACTION_WORDS: Final = {
    "accepted": "accepted",
    "rejected": "rejected",
    "contacted": "contacted",
    "meeting": "agreed a meeting",
    "opportunity": "opened an opportunity",
    "won": "won",
    "lost": "lost",
    "adjusted": "adjusted the score",
    "suppressed": "suppressed",
    "released": "released",
    "breached": "not contacted in time",
}
REJECTION_WORDS: Final = {reason: reason.replace("_", " ") for reason in REJECTIONS}


def ago(time_ms: int, now_ms: int) -> str:
    """Return how long ago or ahead something is, in its largest unit.

    >>> ago(0, 90_000), ago(7_200_000, 0), ago(5, 5)
    ('1 min ago', 'in 2 h', 'now')
    """
    seconds = abs(now_ms - time_ms) // 1000
    for length, unit in _UNITS:
        if seconds >= length:
            text = f"{seconds // length:,} {unit}"
            return f"{text} ago" if now_ms >= time_ms else f"in {text}"
    return "now"


def iso(time_ms: int) -> str:
    """Return a time for machines; of one that no calendar holds, nothing."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return ""


def plain(name: str) -> str:
    """Return a rule's or reason's name in words.

    >>> plain("pricing_page")
    'pricing page'
    """
    return name.replace("_", " ")


def signed(points: float, digits: int = 1) -> str:
    """Return points with their sign.

    >>> signed(12.04), signed(-3.0), signed(0.01)
    ('+12', '−3', '0')
    """
    rounded = round(points, digits)
    return f"{rounded:+.10g}".replace("-", "−") if rounded else "0"


def who_of(name: str, lead: str) -> str:
    """Return what to call somebody: a name if there is one, else the address or id.

    >>> who_of("", "email:ann@example.com"), who_of("Ann Lee", "user:7")
    ('ann@example.com', 'Ann Lee')
    """
    return name.strip() or without_kind(lead)


def domain(account: str) -> str:
    """Return an account's key as people know it."""
    return account.removeprefix("domain:")


def lead_path(lead: str) -> str:
    """Return a lead's page, whatever the id holds.

    >>> lead_path("email:ann@example.com"), lead_path("user:a/../b?c#d")
    ('/leads/ann@example.com', '/leads/user:a%2F..%2Fb%3Fc%23d')
    """
    return "/leads/" + quote(without_kind(lead), safe="@:")


def account_path(account: str) -> str:
    """Return an account's page."""
    return "/accounts/" + quote(domain(account), safe=":")


def safe_link(text: str) -> str:
    """Return an address that a page may link to, nothing for any other scheme than the web's.

    >>> safe_link("https://crm.example/1"), safe_link("javascript:alert(1)")
    ('https://crm.example/1', '')
    """
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return ""
    return text.strip() if parts.scheme in ("http", "https") and parts.netloc else ""


def heat(value: float, top: float) -> int:
    """Return how much of a bar is filled, in steps of twenty.

    >>> heat(50, 100), heat(1, 1000), heat(0, 100), heat(500, 100)
    (10, 1, 0, 20)
    """
    if value <= 0 or top <= 0:
        return 0
    return max(1, min(HEAT_STEPS, round(HEAT_STEPS * value / top)))
