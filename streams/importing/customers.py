"""Rows of customers: what each tells by the model's criteria, and every fault of the table, told at once.

A split depends on all customers, so a table with a fault is refused whole: left out or misread, one customer would
move others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from string import ascii_letters
from typing import Final

from scoring.customer_segments import REASON_MAX, Override, find_segment
from scoring.customer_value import Fact, ValueBook
from scoring.customers import PROFIT, REVENUE, Customer
from scoring.decay import DAY_MS
from scoring.errors import CustomerError, EventError, SettingsError
from scoring.model_customers import Customers, OfNumbers, Rating, YesNo
from scoring.model_file import show, suggest
from streams.importing.cells import read_number
from streams.importing.columns import Columns, map_columns, nearest
from streams.importing.decimals import Decimal, find_decimal, is_either
from streams.importing.fields import FieldSet, Kind, Need
from streams.importing.table import Row
from streams.importing.times import TimeReader

CUSTOMERS_MAX: Final = 100_000
FAULTS_MAX: Final = 20
"""Faults that are told of one table; how many more there are is told, too."""

CUSTOMER, NAME, GROUP = "customer", "name", "group"
OVERRIDE, REASON, UNTIL = "override", "override_reason", "override_until"

_DATE_LENGTH_MAX: Final = 10
_LETTERS: Final = frozenset(ascii_letters)
_KINDS: Final[dict[str, Kind]] = {
    CUSTOMER: "text",
    NAME: "text",
    GROUP: "text",
    REVENUE: "number",
    PROFIT: "number",
    OVERRIDE: "text",
    REASON: "text",
    UNTIL: "text",
}
_ALIASES: Final = {
    CUSTOMER: ("customer id", "customer number", "id", "account", "account id", "domain"),
    NAME: ("company", "company name", "customer name", "account name"),
    GROUP: ("customer group",),
    REVENUE: ("turnover", "sales", "annual revenue", "omzet", "umsatz"),
    PROFIT: ("margin", "contribution", "winst", "gewinn"),
    OVERRIDE: ("segment by hand",),
}


@dataclass(frozen=True)
class CustomerColumns:
    """What the columns of a table of customers mean; ``missing`` are criteria that no column tells."""

    columns: Columns
    section: Customers
    times: TimeReader
    missing: Sequence[str] = ()
    questions: frozenset[str] = frozenset()
    """The facts that questions ask for, which may be words and numbers."""

    @property
    def has_groups(self) -> bool:
        """Whether a column tells which group a customer is of."""
        return GROUP in self.columns.of_field


def map_customer_columns(
    heading: Sequence[str],
    section: Customers,
    *,
    chosen: Mapping[str, str],
    times: TimeReader,
    allow_missing: bool = False,
) -> CustomerColumns:
    """Find out what the columns of a heading mean, by the model's criteria; ``chosen`` goes before names.

    Raises :class:`SettingsError` where nothing tells who a customer is, and, unless that is allowed, for criteria that
    no column tells, each with the column that it may be.
    """
    fields = _fields_of(section)
    columns = map_columns(heading, fields, preset={}, chosen=chosen, times=times)
    for column, name in chosen.items():
        if name and name not in fields.kinds:
            known = suggest(name, list(fields.kinds), "fields are")
            raise SettingsError(f"--map {column}={name}: {show(name)} is not asked for; {known}")
    missing = [name for name in section.criteria if not _is_told(section, name, columns)]
    if missing and not allow_missing:
        raise SettingsError("\n".join(_describe_missing(section, missing, columns)))
    questions = {
        fact
        for fact, criteria in section.facts.items()
        if any(isinstance(section.criteria[name], YesNo) for name in criteria)
    }
    return CustomerColumns(columns, section, times, missing, frozenset(questions))


def _fields_of(section: Customers) -> FieldSet:
    kinds = dict(_KINDS)
    for fact, criteria in section.facts.items():
        about_numbers = any(isinstance(section.criteria[name], OfNumbers | Rating) for name in criteria)
        kinds[fact] = "number" if about_numbers else "text"
    aliases = {name: names for name, names in _ALIASES.items() if name in kinds}
    return FieldSet("customer", "", kinds, (Need((CUSTOMER, NAME)),), aliases)


def _is_told(section: Customers, name: str, columns: Columns) -> bool:
    criterion = section.criteria[name]
    if isinstance(criterion, OfNumbers) and criterion.divided_by not in (None, *columns.of_field):
        return False
    return any(source in columns.of_field for source in criterion.sources)


def _describe_missing(section: Customers, missing: Sequence[str], columns: Columns) -> Iterator[str]:
    for name in missing:
        criterion = section.criteria[name]
        wanted = [source for source in criterion.sources if source not in columns.of_field]
        if isinstance(criterion, OfNumbers) and criterion.divided_by not in (None, *columns.of_field):
            wanted = [criterion.divided_by or "", *(wanted if len(wanted) == len(criterion.sources) else [])]
        near = nearest(wanted, columns.ignored)
        hint = f'; is it {near!r}? then say --map "{near}={wanted[0]}"' if near else ""
        yield f"no column tells {' or '.join(wanted)}, which the criterion {name} asks for{hint}"
    yield "with --allow-missing, what no column tells is unknown of every customer"


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Faults:
    told: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, message: str) -> None:
        self.count += 1
        if len(self.told) < FAULTS_MAX:
            self.told.append(f"line {line}: {message}")


def read_customers(
    rows: Iterable[Row], mapped: CustomerColumns, name: str, decimal: Decimal | None = None
) -> list[Customer]:
    """Return the customers of a table; ``decimal`` is what stands before decimals, None if the table has to tell.

    Raises :class:`SettingsError` with the faults of all rows, each with its line: cells that cannot be read, or in two
    ways, customers that are there twice or have no name; and where there are none, or too many.
    """
    faults, book, rows = _Faults(), ValueBook(_about_words(mapped.section)), list(islice(rows, CUSTOMERS_MAX + 1))
    numbers = _number_columns(mapped.columns)
    decimal = decimal or find_decimal(_cells(rows, numbers))
    if decimal is Decimal.COMMA:
        mapped = replace(mapped, columns=replace(mapped.columns, decimal_comma=True))
    customers: list[Customer] = []
    lines: dict[str, int] = {}
    for row in rows:
        if len(customers) >= CUSTOMERS_MAX:
            raise SettingsError(f"{name}: has more than {CUSTOMERS_MAX:,} customers")
        try:
            if row.error is not None:
                raise row.error
            if decimal is None:
                _refuse_either(row, numbers, mapped.columns.names)
            customer = _read_row(row.cells, mapped)
        except (EventError, CustomerError) as error:
            faults.add(row.line, str(error))
            continue
        first = lines.setdefault(customer.customer.casefold(), row.line)
        if first != row.line:
            faults.add(row.line, f"{show(customer.customer)} is on line {first} already; a customer has one row")
        for fault in book.find_faults(customer.facts):
            faults.add(row.line, str(fault))
        customers.append(customer)
    if faults.count:
        more = faults.count - len(faults.told)
        rest = [f"and {more:,} more"] if more else []
        raise SettingsError("\n".join(f"{name}: {fault}" for fault in [*faults.told, *rest]))
    if not customers:
        raise SettingsError(f"{name}: has a heading and no customers below it")
    return customers


def _about_words(section: Customers) -> Customers:
    """Return the section without the criteria about numbers, of which reading a cell tells every fault."""
    criteria = {name: each for name, each in section.criteria.items() if not isinstance(each, OfNumbers)}
    return section.model_copy(update={"criteria": criteria})


def _number_columns(columns: Columns) -> list[int]:
    """Return the indexes of the columns in which numbers should be."""
    return [
        index
        for fact, indexes in columns.of_field.items()
        if columns.fields.kind(fact) == "number"
        for index in indexes
    ]


def _cells(rows: Iterable[Row], indexes: Sequence[int]) -> Iterator[str]:
    for index in indexes:
        yield from (row.cells[index] for row in rows if index < len(row.cells))


def _refuse_either(row: Row, indexes: Sequence[int], names: Sequence[str]) -> None:
    for index in indexes:
        cell = row.cells[index] if index < len(row.cells) else ""
        if is_either(cell):
            raise EventError(
                "wrong_type",
                names[index],
                f"{show(cell.strip())} is a thousand times more where points part thousands, or commas do, and nothing "
                "in the table tells; say --decimal point or --decimal comma",
            )


def _read_row(cells: Sequence[str], mapped: CustomerColumns) -> Customer:
    told: dict[str, Fact] = mapped.columns.read(cells)
    for other, value in mapped.columns.read_unknown(cells):
        told.setdefault(other, value)
    customer, name = (str(told.pop(key, "")) for key in (CUSTOMER, NAME))
    if not (customer or name):
        raise EventError("missing_field", CUSTOMER, "is blank; say who it is")
    override = _read_override(told, mapped)
    for fact in mapped.questions & told.keys():
        told[fact] = _number_or_word(told[fact])
    return Customer(
        customer=customer or name,
        name=name if customer else "",
        facts=told,
        group=str(told.get(GROUP, "")),
        override=override,
    )


def _number_or_word(value: Fact) -> Fact:
    """Return the number that a text is, if it is one."""
    if isinstance(value, str) and value[:1] not in _LETTERS:
        try:
            return read_number(value)
        except ValueError:
            return value
    return value


def _read_override(told: dict[str, Fact], mapped: CustomerColumns) -> Override | None:
    segment, reason, until = (str(told.pop(key, "")) for key in (OVERRIDE, REASON, UNTIL))
    if not segment:
        return None
    segment = find_segment(mapped.section, segment, OVERRIDE)
    if not reason:
        raise EventError("missing_field", REASON, "is blank; say why the segment is set by hand")
    if len(reason) > REASON_MAX:
        raise EventError("too_large", REASON, f"has {len(reason)} characters; at most {REASON_MAX} are taken")
    if not until:
        raise EventError("missing_field", UNTIL, "is blank; say on which day the override ends")
    return Override(0, segment, _end_of(until, mapped.times), reason)


def _end_of(until: str, times: TimeReader) -> int:
    """Return when an override ends (ms): with the end of a day, where none of its times is told."""
    is_day = len(until) <= _DATE_LENGTH_MAX and re.search(r"\d{9}", until) is None
    return times.read(until, UNTIL) + (DAY_MS if is_day else 0)
