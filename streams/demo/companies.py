"""The invented companies: who they are, and what is known of each: much of some, little of others.

None of them exists: ``.example`` is reserved for examples (RFC 2606).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Fact = str | int | float | list[str]

_MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Company:
    """An organisation that may buy from us; ``known`` is what we know of it beside its name.

    ``account_id`` is its id in our own systems, by which people's events name it; ``interest`` is how many of its
    people come to us, in comparison with the others.
    """

    name: str
    domain: str
    account_id: str
    interest: int
    known: tuple[tuple[str, Fact | tuple[str, ...]], ...]

    @property
    def facts(self) -> dict[str, Fact]:
        """What is known, by name, as an account update tells it."""
        told = {name: list(value) if isinstance(value, tuple) else value for name, value in self.known}
        return {"name": self.name, **told}


_NAMES: Final = (
    "industry", "employees", "country", "revenue", "growth", "technologies", "finances", "owner"
)  # fmt: skip
"""What the columns below are, between the name and the interest; revenue is in millions."""

_Row = tuple[str, str, int | None, str | None, int | None, int | None, str | None, str | None, str, int]

_ROWS: Final[tuple[_Row, ...]] = (
    # As we want them: the fit is strong as long as their people are busy.
    ("Alderfinch", "logistics software", 1150, "NL", 210, 24, "Salesforce, Kafka", "strong", "Maud", 9),
    ("Cobalt Harbor", "logistics", 2100, "BE", 640, 12, "Salesforce, SAP", "good", "Maud", 6),
    ("Emberlight", "energy software", 3200, "DE", 880, 31, "HubSpot", "strong", "Idris", 8),
    ("Hexmoor", "manufacturing of robots", 460, "NL", 130, 42, "HubSpot, Odoo", "good", "Idris", 5),
    ("Ironpetal", "manufacturing of steel", 1750, "DE", 410, 11, "Dynamics 365", "strong", "Maud", 3),
    ("Vantrose", "logistics", 3900, "NL", 1200, 14, "Salesforce", "stable", "Idris", 7),
    # Something speaks against them.
    ("Northwind", "wholesale", 420, "NL", 96, 8, "HubSpot", "stable", "Maud", 6),
    ("Bluequarry", "mining equipment", 1300, "GB", 310, 3, "SAP", "good", "Noor", 2),
    ("Driftwood Foods", "food", 640, "BE", 150, 6, "Dynamics 365", "average", "Noor", 5),
    ("Fernhollow", "health care", 980, "US", 190, 12, "Salesforce", "stable", "Idris", 3),
    ("Gildergate", "banking", 5400, "GB", 2400, 2, "SAP, Salesforce", "strong", "Noor", 2),
    ("Larkspire", "media", 245, "NL", 38, 4, "HubSpot", "good", "Maud", 8),
    ("Rookstone", "insurance", 2600, "DE", 900, 1, "Dynamics 365", "stable", "Noor", 4),
    ("Umberline", "chemicals", 1480, "BE", 520, 5, "SAP", "good", "Noor", 2),
    ("Willowmere", "pharmaceuticals", 4300, "US", 1900, 16, "Salesforce", "strong", "Idris", 6),
    ("Nettlewood", "biotechnology", 190, "US", 24, 35, "HubSpot", "average", "Maud", 1),
    # Small, far away, or not doing well.
    ("Juniper Ferries", "travel", 44, "FI", 4, -12, "WordPress", "weak", "Noor", 2),
    ("Quillmark", "publishing", 35, "FR", 3, -8, "WordPress", "weak", "Noor", 1),
    ("Thistledown", "textiles", 48, "PT", 4, -15, "spreadsheets", "weak", "Noor", 3),
    ("Mossgate", "housing", 41, "IE", 4, -3, "spreadsheets", "poor", "Noor", 1),
    # Hardly known.
    ("Kestrelfield", "aviation", None, None, None, None, None, None, "", 2),
    ("Oakenford", "education", None, None, None, None, None, None, "", 4),
    ("Pebblecrest", "hotels", None, None, None, None, None, None, "Noor", 1),
    ("Saltmeadow", "agriculture", None, None, None, None, None, None, "", 3),
)


def _company(number: int, row: _Row, domain: str | None = None) -> Company:
    name, industry, employees, country, millions, growth, technologies, finances, owner, interest = row
    revenue = None if millions is None else millions * _MILLION
    systems = None if technologies is None else tuple(technologies.split(", "))
    values = (industry, employees, country, revenue, growth, systems, finances, owner or None)
    known = tuple((column, value) for column, value in zip(_NAMES, values, strict=True) if value is not None)
    return Company(name, domain or f"{name.lower().replace(' ', '')}.example", f"crm-{number}", interest, known)


COMPETITOR: Final = _company(
    199,
    ("Tallowbrook", "stock software", 330, "NL", 70, 18, "Salesforce", "good", "", 1),
    "competitor.example",  # as the default model's name `competitors` has it
)
"""They look at what we do, too."""

COMPANIES: Final = (*(_company(number, row) for number, row in enumerate(_ROWS, 101)), COMPETITOR)
