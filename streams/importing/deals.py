"""Rows of deals: which lead was won or lost, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scoring.deals import Deal
from scoring.errors import EventError
from scoring.identity import meant_lead, strongest_identity
from streams.importing.columns import Columns
from streams.importing.fields import FieldSet, Need

DEALS: Final = FieldSet(
    noun="deal",
    time="time",
    kinds={
        "lead": "text",
        "email": "text",
        "user_id": "text",
        "anonymous_id": "text",
        "outcome": "text",
        "time": "time",
    },
    needed=(Need(("lead", "email", "user_id", "anonymous_id")), Need(("time",))),
    aliases={
        "lead": ("lead id",),
        "email": ("e-mail", "email address", "contact email"),
        "outcome": ("result", "status", "stage", "deal stage", "won"),
        "time": ("date", "close date", "closed at", "closed", "closed date", "won at", "outcome time"),
    },
)

WON: Final = frozenset({"won", "closed won", "closedwon", "win", "yes", "true", "1", "customer"})
LOST: Final = frozenset({"lost", "closed lost", "closedlost", "loss", "no", "false", "0"})


@dataclass(frozen=True)
class DealRows:
    """Reads rows of deals; where no column tells the outcome, all of them were won."""

    columns: Columns

    @property
    def tells_outcomes(self) -> bool:
        """Whether there is a column of outcomes."""
        return "outcome" in self.columns.of_field

    def read(self, cells: Sequence[str]) -> Deal | None:
        """Return what a row tells; None for a deal that is still open, which says nothing.

        Raises :class:`EventError`, naming the column.
        """
        told = {name: str(value) for name, value in self.columns.read(cells).items()}
        if "time" not in told:
            raise EventError("missing_field", "time", "is blank; when was the deal won or lost?")
        if "lead" in told:
            lead = meant_lead(told["lead"])
        else:
            lead = strongest_identity(told.get("email"), told.get("user_id"), told.get("anonymous_id"))
        is_won = read_outcome(told.get("outcome", "")) if self.tells_outcomes else True
        return None if is_won is None else Deal(lead, is_won, int(told["time"]))


def read_outcome(text: str) -> bool | None:
    """Return whether a deal was won; None where it is open, which is what a blank cell and ``open`` say.

    >>> read_outcome("Closed Won"), read_outcome("lost"), read_outcome("")
    (True, False, None)

    Raises :class:`EventError` for anything else.
    """
    plain = " ".join(text.casefold().replace("_", " ").replace("-", " ").split())
    if plain in WON:
        return True
    if plain in LOST:
        return False
    if plain in ("", "open"):
        return None
    raise EventError("wrong_type", "outcome", f"{text[:80]!r} is neither won nor lost; open deals are left blank")
