"""``POST /v1/customers/segment``: a table of customers in, their segments out; nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from scoring.customer_segments import REASON_MAX, Override, find_segment
from scoring.customer_value import Said, ValueBook
from scoring.customers import Customer, segment_customers
from scoring.errors import CustomerError, EventError
from scoring.events import parse_time
from scoring.model_customers import Customers
from scoring.model_file import show, suggest
from streams.gateway import documentation
from streams.gateway.answers import Fault, Refusal, json_answer
from streams.gateway.auth import caller_of
from streams.gateway.limits import read_body
from streams.gateway.write_keys import WriteKeys

SEGMENT_ROUTE: Final = "/v1/customers/segment"
CUSTOMERS_MAX: Final = 2_000
"""They are rated in some tenths of a second, in which others wait for the processor."""

_NAME_MAX: Final = 255
_FACTS_MAX: Final = 200


class _Override(msgspec.Struct, forbid_unknown_fields=True):
    segment: str
    reason: str
    until: str | int


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    customer: str
    name: str = ""
    group: str = ""
    facts: dict[str, str | int | float | bool | list[str] | None] = {}
    ratings: dict[str, str | int | float | bool | None] = {}
    override: _Override | None = None


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    customers: list[msgspec.Raw]
    by: Literal["customer", "group"] = "customer"


_decode_table = msgspec.json.Decoder(_Table).decode
_decode_row = msgspec.json.Decoder(_Row).decode


def customers_router(keys: WriteKeys, section: Customers, clock: Callable[[], int]) -> APIRouter:
    """Make the route that segments a table by the model's ``section``."""
    router = APIRouter(tags=["customers"])

    async def segment(request: Request) -> Response:
        caller_of(request, keys).identify()
        try:
            body = await read_body(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        return json_answer(await run_in_threadpool(segment_table, body, section, clock()))

    router.add_api_route(SEGMENT_ROUTE, segment, methods=["POST"], **documentation.CUSTOMERS)
    return router


def segment_table(body: bytes, section: Customers, now_ms: int) -> Any:
    """Return the segmentation of a body's customers; raises :class:`Refusal` with every fault."""
    try:
        table = _decode_table(body)
    except msgspec.ValidationError as error:
        raise Refusal.because(400, "wrong_type", "", f'{error}; expected {{"customers": [a customer, …]}}') from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal.because(400, "malformed", "", f"the body is not JSON: {error}") from None
    if not 1 <= len(table.customers) <= CUSTOMERS_MAX:
        count = len(table.customers)
        raise Refusal.because(
            413 if count else 400, "too_large" if count else "missing_field", "customers", _describe_count(count)
        )
    return segment_customers(section, _read(table.customers, section, now_ms), now_ms, table.by)


def _describe_count(count: int) -> str:
    return f"are {count:,}; 1 to {CUSTOMERS_MAX:,} are taken, and more by `leadheat customers segment`"


def _read(rows: Sequence[msgspec.Raw], section: Customers, now_ms: int) -> list[Customer]:
    book = ValueBook(section)
    customers: list[Customer] = []
    faults: list[Fault] = []
    places: dict[str, int] = {}
    for index, raw in enumerate(rows):
        try:
            row = _decode_row(raw)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at ")
            faults.append(_fault(index, where.strip("`").removeprefix("$").lstrip("."), what))
            continue
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            faults.append(_fault(index, "", str(error)))
            continue
        found = [_fault(index, error.field, error.message) for error in _find_faults(row, book)]
        first = places.setdefault(row.customer.casefold(), index)
        if first != index:
            found.append(_fault(index, "customer", f"is that of index {first} already; each customer is rated once"))
        faults += found
        if not found:
            customers.append(_customer(row, section, now_ms))
    if faults:
        raise Refusal(400, faults)
    return customers


def _fault(index: int, field: str, message: str) -> Fault:
    return Fault(index=index, field=field[:80], reason="wrong_type", message=message)


def _find_faults(row: _Row, book: ValueBook) -> Iterator[CustomerError]:
    section = book.customers
    if not 0 < len(row.customer) <= _NAME_MAX:
        yield CustomerError("customer", f"has {len(row.customer)} characters; 1 to {_NAME_MAX} are taken")
    if max(len(row.facts), len(row.ratings)) > _FACTS_MAX:
        yield CustomerError("facts", f"and ratings are at most {_FACTS_MAX} each")
        return
    for name, answer in row.ratings.items():
        if name not in section.criteria:
            known = suggest(name, list(section.criteria), "criteria are")
            yield CustomerError(f"ratings.{name}", f"{show(name)} is not a criterion; {known}")
        elif answer is not None:
            yield from book.find_faults_by_hand(name, answer, f"ratings.{name}")
    yield from book.find_faults(_without_null(row.facts))
    if row.override is not None:
        try:
            _override(row.override, section)
        except CustomerError as error:
            yield error


def _customer(row: _Row, section: Customers, now_ms: int) -> Customer:
    return Customer(
        customer=row.customer,
        name=row.name[:_NAME_MAX],
        group=row.group[:_NAME_MAX],
        facts=_without_null(row.facts),
        said={name: Said(now_ms, answer) for name, answer in row.ratings.items() if answer is not None},
        override=None if row.override is None else _override(row.override, section),
    )


def _override(told: _Override, section: Customers) -> Override:
    """Return an override as the model knows it; raises :class:`CustomerError`."""
    segment = find_segment(section, told.segment, "override.segment")
    if not 0 < len(told.reason) <= REASON_MAX:
        raise CustomerError("override.reason", f"has {len(told.reason)} characters; 1 to {REASON_MAX} are taken")
    try:
        until_ms = told.until if isinstance(told.until, int) else parse_time(told.until)
    except (EventError, OverflowError) as error:
        raise CustomerError("override.until", str(getattr(error, "message", error))) from None
    return Override(0, segment, until_ms, told.reason)


def _without_null(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}
