"""``leadheat customers split``: all customers as workers know them, parted anew, and the limits for the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scoring.models import DEFAULT_MODEL
from streams.cli.customers_segment import CUSTOMERS_MAX, SHOWN, CustomersModelOption
from streams.cli.output import JsonOption

if TYPE_CHECKING:
    from scoring.customers import Customer, Limits
    from scoring.model import Customers


def split(
    model: CustomersModelOption = DEFAULT_MODEL,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Only the limits, as the section split of a model's customers.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, max=CUSTOMERS_MAX, help="How many customers to show.")] = SHOWN,
    as_csv: Annotated[bool, typer.Option("--csv", help="All customers as CSV, for a spreadsheet.")] = False,
    as_json: JsonOption = None,
) -> None:
    """Part all customers that workers know equally, and give the limits for the model.

    Workers see one account at a time, and place it by the limits in their model. Paste what --yaml prints under
    customers, and start the workers with it: each customer is then where this split put it, and new ones are placed
    beside them. Do it when the segments should follow, once a quarter perhaps, and not each time somebody buys.

    Read from the topic customer-values. Who has churned is left out. --model is the workers' model, whose criteria
    count.

    Examples:
      leadheat customers split --model my-model.yaml
      leadheat customers split --model my-model.yaml --yaml > split.yaml
    """
    import sys

    from scoring.customers import segment_customers
    from scoring.model import load_model
    from streams.cli.customer_values import read_customer_values, require_some, to_customers
    from streams.cli.customers_reports import print_segmentation, write_csv
    from streams.cli.output import make_console, wants_json, write_json
    from streams.clock import now_ms
    from streams.settings import load_settings

    section = load_model(model).customers
    customers = readable(section, require_some(to_customers(read_customer_values(load_settings()))))
    found = segment_customers(section, customers, now_ms())
    if as_yaml:
        sys.stdout.write(write_split(found.limits))
    elif as_csv:
        write_csv(found, sys.stdout)
    elif wants_json(as_json):
        write_json(found)
    else:
        print_segmentation(found, limit)
        make_console().print("\nThe limits, for the model:\n" + write_split(found.limits))


def readable(section: Customers, customers: list[Customer]) -> list[Customer]:
    """Return customers without the facts that the model cannot read, which workers take for unknown, too."""
    from scoring.customer_value import ValueBook

    book = ValueBook(section)
    for customer in customers:
        for fault in list(book.find_faults(customer.facts)):
            customer.facts.pop(fault.field, None)
    return customers


def write_split(limits: Limits) -> str:
    """Return limits as the section of a model, to the last digit.

    >>> from scoring.customers import Limits
    >>> print(write_split(Limits(segments={"A": 3.5, "B": 2.0}, quantiles={"growth": [-1.0, 6.25]})), end="")
    split:
      segments: {"A": 3.5, "B": 2.0}
      quantiles: {"growth": [-1.0, 6.25]}
    """
    import json

    return (
        f"split:\n  segments: {json.dumps(limits.segments, ensure_ascii=False)}\n"
        f"  quantiles: {json.dumps(limits.quantiles, ensure_ascii=False)}\n"
    )
