"""Bands, of leads and of accounts: between which points they lie, and what they must be to one another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import InitErrorDetails

from scoring.conditions_file import fault, raise_faults
from scoring.model_file import KeyPath, show
from scoring.model_sections import NAME_PATTERN, Section, check_name


def _check_band_name(name: str) -> str:
    if name == "cold":
        raise fault("cold is what lies below the first band; it is not listed")
    return check_name(name)


def _refuse_band_name(raw: object) -> object:
    """Refuse ``name:`` inside a band of the file, where the key is the name."""
    if isinstance(raw, dict) and "name" in raw:
        details = InitErrorDetails(type="extra_forbidden", loc=("name",), input=raw["name"])
        raise ValidationError.from_exception_data("model", [details])
    return raw


class _Levels(Section):
    """The points between which a band lies."""

    name: SkipJsonSchema[str] = ""
    """The key under ``bands:``, filled in by :func:`name_bands`."""
    enter: float = Field(gt=0, description="Points from which a lead, or an account, is in the band.")
    leave: float = Field(gt=0, description="Points below which it has left the band; below enter.")

    @classmethod
    def file_keys(cls) -> list[str]:
        """Return the keys as the file writes them: the name is the key above them."""
        return [key for key in super().file_keys() if key != "name"]

    @field_validator("leave")
    @classmethod
    def _check_leave(cls, leave: float, info: ValidationInfo) -> float:
        enter = info.data.get("enter", math.inf)
        if leave >= enter:
            raise fault(f"{show(leave)} is not below enter ({show(enter)})")
        return leave


class Band(_Levels):
    """A band of leads above cold: it is entered at ``enter`` points and left below ``leave``.

    A band with a cooldown (hours) raises alerts, at most one per lead within that time.
    """

    fit_min: float | None = Field(
        default=None, ge=0, le=10, description="Least account fit, 0 to 10; an unknown fit passes."
    )
    cooldown_h: float | None = Field(
        default=None, ge=0, le=8_760, description="Raise alerts for this band, one per lead in so many hours."
    )


class AccountBand(_Levels):
    """A band of accounts above cold: entered at ``enter`` points of engagement, left below ``leave``. It is quiet."""


BandName = Annotated[str, AfterValidator(_check_band_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
BandOfFile = Annotated[Band, BeforeValidator(_refuse_band_name)]
AccountBandOfFile = Annotated[AccountBand, BeforeValidator(_refuse_band_name)]

_AnyBand = TypeVar("_AnyBand", Band, AccountBand)


def name_bands(bands: Mapping[str, _AnyBand]) -> dict[str, _AnyBand]:
    """Return bands that know their names; raise a fault for each that does not go with the one below it."""
    raise_faults(list(_compare_bands(bands)))
    return {name: band.model_copy(update={"name": name}) for name, band in bands.items()}


def _compare_bands(bands: Mapping[str, Band] | Mapping[str, AccountBand]) -> Iterable[tuple[KeyPath, str]]:
    """Yield what is wrong with the bands taken together."""
    below: tuple[str, Band | AccountBand] | None = None
    for name, band in bands.items():
        if below is not None:
            lower, other = below
            if band.enter == other.enter:
                yield (name, "enter"), f"{show(band.enter)} is where {lower} is entered too"
            elif band.enter < other.enter:
                yield (
                    (name, "enter"),
                    f"{show(band.enter)} is below the {show(other.enter)} of {lower}; list low to high",
                )
            elif band.leave < other.leave:
                yield (name, "leave"), f"{show(band.leave)} is below the {show(other.leave)} at which {lower} is left"
        below = name, band
