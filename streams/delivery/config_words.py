"""The words of the delivery file: times of day, addresses, time zones, and where secrets are found."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, PlainValidator, model_validator

from scoring.errors import SettingsError

_SECRET_BYTES_MAX: Final = 10_000
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")


class Part(BaseModel):
    """A part of the file: no key that is not known, and no type but the one that is meant."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _minute(text: object) -> int:
    found = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if found is None or (minute := int(found[1]) * 60 + int(found[2])) > 24 * 60:
        raise ValueError(f'{text!r} is not a time of day such as "09:00" (in quotes)')
    return minute


def _url(text: object) -> str:
    if not isinstance(text, str) or re.fullmatch(r"https?://[^\s/@]+(/\S*)?", text) is None:
        raise ValueError("is not an address such as https://example.com/path, without a user or password")
    return text


def _zone(text: object) -> str:
    if text not in available_timezones():
        raise ValueError(f"{text!r} is not a time zone such as Europe/Berlin")
    return str(text)


TimeOfDay = Annotated[int, PlainValidator(_minute)]
Url = Annotated[str, PlainValidator(_url)]
Zone = Annotated[str, PlainValidator(_zone)]


class Secret(Part):
    """Where a secret is found: the environment variable ``env``, or the file ``file``."""

    env: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise ValueError("is found in exactly one place: {env: NAME} or {file: /path}")
        return self

    def read(self, where: str) -> str:
        """Return the secret; raises :class:`SettingsError`, which names ``where`` it is needed and never what it is."""
        if self.env is not None:
            found = os.environ.get(self.env, "")
            if not found:
                raise SettingsError(f"{where}: the environment variable {self.env} is not set")
            return found
        try:
            with Path(self.file or "").open(encoding="utf-8") as file:
                found = file.read(_SECRET_BYTES_MAX).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{where}: the file {self.file} cannot be read: {error}") from None
        if not found:
            raise SettingsError(f"{where}: the file {self.file} is empty")
        return found
