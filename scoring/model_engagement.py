"""The section `accounts` of a model file: what people do at a company and what becomes known of it, in points."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator

from scoring.company_events import COMPANY_EVENTS
from scoring.conditions_file import fault
from scoring.model_accounts import FitLevels
from scoring.model_bands import AccountBand, AccountBandOfFile, BandName, name_bands
from scoring.model_file import show, suggest
from scoring.model_sections import Section

COMPANY_EVENT_SCHEMA: Final = {"type": "string", "enum": sorted(COMPANY_EVENTS)}


def _check_company_event(name: str) -> str:
    if name not in COMPANY_EVENTS:
        raise fault(f"{show(name)} is not a company event; {suggest(name, sorted(COMPANY_EVENTS), 'there are')}")
    return name


def _check_points(points: float) -> float:
    if points == 0:
        raise fault("0 has no effect; leave the event out")
    return points


CompanyEventName = Annotated[str, AfterValidator(_check_company_event), WithJsonSchema(COMPANY_EVENT_SCHEMA)]
_Points = Annotated[
    float, Field(ge=-10_000, le=10_000, json_schema_extra={"not": {"const": 0}}), AfterValidator(_check_points)
]


class Waking(Section):
    """Which leads are worth waking: those that have fallen silent at an account that fits."""

    fit_min: float = Field(default=8.1, ge=0, le=10, description="Least account fit, 0 to 10; an unknown one is not.")
    quiet_days: float = Field(default=30.0, gt=0, le=3_650, description="Days since the lead's latest event.")


class Accounts(Section):
    """What accounts have in common: how engagement is summed up, its bands, and who is worth waking."""

    contact_max: float = Field(
        default=100.0, gt=0, le=10_000, description="Points that one person adds to an account's engagement at most."
    )
    half_life_days: float = Field(
        default=30.0, gt=0, le=36_500, description="Days after which what somebody added counts half."
    )
    fit: FitLevels = Field(default_factory=FitLevels, description="What a fit is called, and when it is known.")
    bands: dict[BandName, AccountBandOfFile] = Field(
        default_factory=dict, max_length=10, description="The bands of accounts above cold, from low to high."
    )
    company_events: dict[CompanyEventName, _Points] = Field(
        default_factory=dict, description="Points for what becomes known of the company; they fade too."
    )
    waking: Waking = Field(default_factory=Waking, description="Which quiet leads are listed as worth waking.")

    @field_validator("bands")
    @classmethod
    def _check_bands(cls, bands: dict[str, AccountBand]) -> dict[str, AccountBand]:
        return name_bands(bands)
