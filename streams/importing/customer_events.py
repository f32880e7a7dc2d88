"""Rows of customer events: invoices, wins and churn, each as an account update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from scoring.account_updates import AccountUpdate
from scoring.customer_events import CHURN, INVOICE, WON
from scoring.errors import EventError
from streams.importing.columns import Columns
from streams.importing.decimals import Decimal, is_either
from streams.importing.fields import FieldSet, Need

TYPES: Final = (INVOICE, WON, CHURN)
_AMOUNTS: Final = ("amount", "profit", "days_late")

CUSTOMER_EVENT_FIELDS: Final = FieldSet(
    noun="customer event",
    time="time",
    kinds={
        "id": "text",
        "type": "text",
        "time": "time",
        "account_id": "text",
        "domain": "text",
        "amount": "number",
        "profit": "number",
        "days_late": "number",
        "reason": "text",
        "source": "text",
    },
    needed=(Need(("account_id", "domain")), Need(("time",), "or say --as-of")),
    aliases={
        "id": ("invoice", "invoice number", "invoice id", "number"),
        "time": ("date", "invoice date"),
        "account_id": ("customer id", "customer number", "customer"),
        "domain": ("website",),
        "amount": ("total", "amount excl vat", "revenue"),
        "profit": ("margin",),
        "days_late": ("days overdue",),
    },
)


@dataclass(frozen=True)
class CustomerEventRows:
    """Reads rows of customer events; ``type`` and ``as_of`` (ms) are those of rows that do not tell theirs.

    Where nothing says what stands before decimals, an amount such as 1.200 is refused.
    """

    columns: Columns
    as_of: int | None = None
    type: str = INVOICE
    decimal: Decimal | None = None

    def read(self, cells: Sequence[str]) -> AccountUpdate:
        """Return what a row tells, its id empty if it has none; raises :class:`EventError`."""
        if self.decimal is None:
            self._refuse_either(cells)
        columns = replace(self.columns, decimal_comma=self.decimal is Decimal.COMMA)
        told = columns.read(cells)
        type_ = str(told.pop("type", self.type)).strip().lower()
        if type_ not in TYPES:
            raise EventError("unknown_type", "type", f"{type_[:80]!r} is none of {', '.join(TYPES)}")
        time_ms = told.pop("time", self.as_of)
        if not isinstance(time_ms, int):
            raise EventError("missing_field", "time", "is blank; --as-of is the time of rows that tell none")
        account_id, domain = _text(told.pop("account_id", None)), _text(told.pop("domain", None))
        id_, source = _text(told.pop("id", None)), _text(told.pop("source", None))
        return AccountUpdate(
            id=f"{type_}-{id_}" if id_ else "",
            type=type_,
            time=time_ms,
            account_id=account_id,
            domain=domain,
            source=source,
            properties=dict(told),
        )

    def _refuse_either(self, cells: Sequence[str]) -> None:
        for field in _AMOUNTS:
            for index in self.columns.of_field.get(field, ()):
                if index < len(cells) and is_either(cells[index]):
                    message = f"{cells[index].strip()[:80]!r} may be read in two ways; say --decimal point or comma"
                    raise EventError("wrong_type", self.columns.names[index], message)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
