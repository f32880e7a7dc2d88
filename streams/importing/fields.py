"""What columns can be mapped to: our own names, each with the kind of what its cells say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

Kind = Literal["text", "number", "whole", "texts", "anything", "time"]
"""What a cell is read as; ``whole`` is a number without decimals, ``texts`` a list."""

MODIFIED: Final = "modified"
"""When a lead's or an account's row was last modified: the time of what it tells."""


class Need(NamedTuple):
    """One of ``fields`` must have a column; ``otherwise`` says what else would do."""

    fields: tuple[str, ...]
    otherwise: str = ""


@dataclass(frozen=True)
class FieldSet:
    """The fields of one kind of row.

    ``noun`` is what a row is; ``time`` is the field of its time; ``kinds`` are the fields that are known by name, and
    ``aliases`` further names of theirs.
    """

    noun: str
    time: str
    kinds: Mapping[str, Kind]
    needed: tuple[Need, ...]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def kind(self, name: str) -> Kind:
        """Return how the cells of a field are read."""
        return self.kinds.get(name, "anything")


_IDENTITY: Final = Need(("email", "user_id", "anonymous_id"))
_AS_OF: Final = "or say with --as-of when the file was true"

LEADS: Final = FieldSet(
    noun="lead",
    time=MODIFIED,
    kinds={
        "email": "text",
        "user_id": "text",
        "anonymous_id": "text",
        "account_id": "text",
        MODIFIED: "time",
        "domain": "text",
        "crm_id": "text",
        "crm_url": "text",
        "name": "text",
        "first_name": "text",
        "last_name": "text",
        "job_title": "text",
        "phone": "text",
        "owner": "text",
        "lead_source": "text",
        "lifecycle_stage": "text",
        "company": "text",
        "industry": "text",
        "employees": "whole",
        "revenue": "number",
        "country": "text",
    },
    needed=(_IDENTITY, Need((MODIFIED,), _AS_OF)),
    aliases={
        "email": ("e-mail", "email address"),
        "job_title": ("title",),
        MODIFIED: ("last modified", "last modified date", "updated at"),
        "crm_id": ("id",),
        "company": ("company name",),
        "domain": ("website",),
        "lead_source": ("source",),
    },
)

ACCOUNTS: Final = FieldSet(
    noun="account",
    time=MODIFIED,
    kinds={
        "account_id": "text",
        "domain": "text",
        MODIFIED: "time",
        "name": "text",
        "industry": "text",
        "employees": "whole",
        "revenue": "number",
        "growth": "number",
        "technologies": "texts",
        "crm": "text",
        "country": "text",
        "city": "text",
        "phone": "text",
        "finances": "text",
        "stakeholders": "whole",
        "owner": "text",
        "crm_url": "text",
        "account_type": "text",
        "lifecycle_stage": "text",
    },
    needed=(Need(("account_id", "domain")), Need((MODIFIED,), _AS_OF)),
    aliases={
        "account_id": ("id",),
        "domain": ("website",),
        MODIFIED: ("last modified", "last modified date", "updated at"),
        "name": ("company", "company name"),
    },
)

EVENTS: Final = FieldSet(
    noun="event",
    time="time",
    kinds={
        "id": "text",
        "type": "text",
        "time": "time",
        "email": "text",
        "user_id": "text",
        "anonymous_id": "text",
        "account_id": "text",
        "source": "text",
    },
    needed=(_IDENTITY, Need(("type",), "or say --type"), Need(("time",), "or say --as-of")),
    aliases={"email": ("e-mail", "email address")},
)


def plain(column: str) -> str:
    """Return a column's name without what differs between writers of the same: capitals, spaces, punctuation.

    >>> plain("Country/Region"), plain("job_title") == plain("Job Title")
    ('countryregion', True)
    """
    return re.sub(r"[\W_]+", "", column.casefold())


def name_of(column: str) -> str:
    """Return the name under which an unknown column is kept.

    >>> name_of("Net Promoter Score (2026)"), name_of("%")
    ('net_promoter_score_2026', '')
    """
    return re.sub(r"\W+", "_", column.strip().lower()).strip("_")[:64]
