"""Rows of leads: each becomes an `identified` event with what it tells of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from scoring.account_identity import account_of_domain
from scoring.errors import EventError
from scoring.events import Event
from streams.importing.columns import Columns
from streams.importing.fields import MODIFIED

_IDENTITY: Final = ("email", "user_id", "anonymous_id", "account_id")


@dataclass(frozen=True)
class LeadRows:
    """Reads rows of leads; ``as_of`` (ms) is the time of those that do not tell theirs."""

    columns: Columns
    as_of: int | None = None
    keep_unknown: bool = False

    def read(self, cells: Sequence[str]) -> Event:
        """Return what a row tells, without an id; raises :class:`EventError`."""
        told: dict[str, Any] = self.columns.read(cells)
        time_ms = told.pop(MODIFIED, self.as_of)
        if time_ms is None:
            raise EventError("missing_field", MODIFIED, "is blank; --as-of is the time of rows that tell none")
        identity = {name: told.pop(name) for name in _IDENTITY if name in told}
        return Event(id="", type="identified", time=time_ms, traits=self._traits(told, cells), **identity)

    def _traits(self, told: dict[str, Any], cells: Sequence[str]) -> dict[str, Any]:
        if "name" not in told and ("first_name" in told or "last_name" in told):
            told["name"] = " ".join(told[part] for part in ("first_name", "last_name") if part in told)
        if "job_title" in told:
            told.setdefault("title", told["job_title"])  # alerts show `title`; models ask about either
        domain = account_of_domain(told.pop("domain", "")).removeprefix("domain:")
        if domain:
            told["domain"] = domain
        if self.keep_unknown:
            for name, value in self.columns.read_unknown(cells):
                told.setdefault(name, value)
        return told
