"""``leadheat customers``: what customers are worth, and what is done with which of them."""

from __future__ import annotations

import typer

from streams.cli.customers_import import import_customer_events
from streams.cli.customers_list import list_customers, show_customer
from streams.cli.customers_paths import draft_profile_of_best, paths
from streams.cli.customers_segment import segment
from streams.cli.customers_split import split
from streams.cli.teaching import register

customers = typer.Typer(help="Customer value and segments: whom to keep, grow or let go.", no_args_is_help=True)

register(customers, segment)
register(customers, list_customers, "list")
register(customers, show_customer, "show")
register(customers, split)
register(customers, import_customer_events, "import")
register(customers, paths)
register(customers, draft_profile_of_best, "profile")
