"""Rows of accounts: each becomes an account update with the facts that it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scoring.account_updates import ACCOUNT_UPDATED, AccountUpdate
from scoring.errors import EventError
from streams.importing.columns import Columns
from streams.importing.fields import MODIFIED


@dataclass(frozen=True)
class AccountRows:
    """Reads rows of accounts; ``as_of`` (ms) is the time of those that do not tell theirs."""

    columns: Columns
    as_of: int | None = None
    keep_unknown: bool = False

    def read(self, cells: Sequence[str]) -> AccountUpdate:
        """Return what a row tells, without an id; raises :class:`EventError`."""
        facts: dict[str, Any] = self.columns.read(cells)
        time_ms = facts.pop(MODIFIED, self.as_of)
        if time_ms is None:
            raise EventError("missing_field", MODIFIED, "is blank; --as-of is the time of rows that tell none")
        account_id, domain = facts.pop("account_id", None), facts.pop("domain", None)
        if self.keep_unknown:
            for name, value in self.columns.read_unknown(cells):
                facts.setdefault(name, value)
        return AccountUpdate(
            id="", type=ACCOUNT_UPDATED, time=time_ms, account_id=account_id, domain=domain, facts=facts
        )
