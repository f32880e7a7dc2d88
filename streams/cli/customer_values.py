"""Customers as workers have published them last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from scoring.customer_records import CustomerValue
from scoring.customer_segments import Override
from scoring.customer_value import Said
from scoring.customers import Customer
from scoring.errors import StartError
from scoring.model_customers import CHURNED
from streams.reading import read_latest
from streams.settings import Settings
from streams.topics import CUSTOMER_VALUES


def read_customer_values(settings: Settings) -> list[CustomerValue]:
    """Return the last record of every customer; raises :class:`StartError` where there is no broker or no topic."""
    latest = asyncio.run(read_latest(settings.brokers, CUSTOMER_VALUES.full_name(settings.prefix)))
    decode = msgspec.json.Decoder(CustomerValue).decode
    return [decode(value) for value in latest.values()]


def to_customers(values: Iterable[CustomerValue]) -> list[Customer]:
    """Return what has not churned as rows of a table, which can be rated and split anew."""
    return [
        Customer(
            customer=value.account.removeprefix("domain:"),
            name=value.name,
            facts=value.facts,
            said={said.criterion: Said(said.at_ms, said.answer, said.by) for said in value.by_hand},
            override=_override(value),
        )
        for value in values
        if value.segment != CHURNED
    ]


def _override(value: CustomerValue) -> Override | None:
    by_hand = value.manual
    if by_hand is None:
        return None
    return Override(by_hand.at_ms, by_hand.segment, by_hand.until_ms, by_hand.reason, by_hand.by)


def require_some(customers: list[Customer]) -> list[Customer]:
    """Return customers; raises :class:`StartError`, which says where they come from, if there are none."""
    if not customers:
        raise StartError(
            "no customers are known; a CRM tells them by account updates (won, invoice, rating), and workers rate them "
            "if their model has a section customers"
        )
    return customers
