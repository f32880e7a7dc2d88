"""What somebody asks of a list: words, filters, an order, and where the page before ended."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from scoring.errors import LeadheatError
from streams.read_model.entries import LEAD_FACETS, term

Sort = Literal["score", "priority", "fit", "seen"]
SORTS: Final[tuple[Sort, ...]] = ("score", "priority", "fit", "seen")
ACCOUNT_FACETS: Final = ("band", "level", "profile", "industry", "owner", "country")
LIMIT_MAX: Final = 500
TEXT_MAX: Final = 200


class BadQuery(LeadheatError):  # noqa: N818 - the asker's error, not ours
    """A question that cannot be answered; ``field`` names the parameter."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last row of a page: its value by the order, and its member of the collection."""

    value: float
    member: bytes


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A question to leads or accounts; ``terms`` all hold, the newest or highest first."""

    of: Literal["leads", "accounts"]
    text: str = ""
    terms: tuple[str, ...] = ()
    fit_min: float | None = None
    score_min: float | None = None
    since_ms: int | None = None
    sort: Sort = "score"
    limit: int = 50
    after: Cursor | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it asks for all of them."""
        return not (self.text or self.terms or self.ranges)

    @property
    def ranges(self) -> dict[str, float]:
        """Ranks with the least value wanted."""
        bounds = {"fit": self.fit_min, "score": self.score_min, "seen": self.since_ms}
        return {rank: float(bound) for rank, bound in bounds.items() if bound is not None}

    @property
    def digest(self) -> str:
        """What stands for the question, whatever page of it."""
        parts = (self.of, self.text.casefold(), *sorted(self.terms), repr(sorted(self.ranges.items())), self.sort)
        return blake2b("\x1f".join(parts).encode(), digest_size=12).hexdigest()


def make_query(
    of: Literal["leads", "accounts"],
    filters: Mapping[str, str | None],
    *,
    text: str = "",
    fit_min: float | None = None,
    score_min: float | None = None,
    since_ms: int | None = None,
    sort: str = "score",
    limit: int = 50,
    cursor: str = "",
) -> Query:
    """Check and gather what was asked for; ``filters`` are values by facet.

    >>> make_query("leads", {"band": "Hot", "owner": None}, sort="fit").terms
    ('band=hot',)

    Raises :class:`BadQuery`.
    """
    facets = LEAD_FACETS if of == "leads" else ACCOUNT_FACETS
    for facet in filters:
        if facet not in facets:
            raise BadQuery(facet, f"is no filter of {of}; there are {', '.join(facets)}")
    if sort not in SORTS:
        raise BadQuery("sort", f"{sort[:40]!r} is no order; expected one of {', '.join(SORTS)}")
    if not 1 <= limit <= LIMIT_MAX:
        raise BadQuery("limit", f"{limit} is not between 1 and {LIMIT_MAX}")
    if len(text) > TEXT_MAX:
        raise BadQuery("q", f"has {len(text)} characters; at most {TEXT_MAX} are looked for")
    found = tuple(term(facet, value) for facet, value in filters.items() if value)
    return Query(
        of=of,
        text=text.strip(),
        terms=tuple(filter(None, found)),
        fit_min=fit_min,
        score_min=score_min,
        since_ms=since_ms,
        sort=sort,
        limit=limit,
        after=read_cursor(cursor) if cursor else None,
    )


def write_cursor(cursor: Cursor) -> str:
    """Return a cursor as it stands in an address.

    >>> read_cursor(write_cursor(Cursor(12.5, b"user:7")))
    Cursor(value=12.5, member=b'user:7')
    """
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Read a cursor; raises :class:`BadQuery`."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=Cursor)
    except (binascii.Error, msgspec.MsgspecError, UnicodeError, ValueError):
        raise BadQuery("cursor", "is none of ours; leave it out for the first page") from None
