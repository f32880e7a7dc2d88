"""``leadheat customers``: what customers are worth, and what is done with which of them."""

from __future__ import annotations

import typer

from streams.cli.lazily import Later, lazily

customers = typer.Typer(
    help="Customer value and segments: whom to keep, grow or let go.",
    no_args_is_help=True,
    cls=lazily(
        Later(
            "segment",
            "streams.cli.customers_segment:segment",
            "Rate the customers of a spreadsheet, and say whom to fight for, keep, grow, serve cheaply or let go.",
        ),
        Later(
            "list",
            "streams.cli.customers_list:list_customers",
            "List customers as workers have rated them last, the most valuable first.",
        ),
        Later(
            "show",
            "streams.cli.customers_list:show_customer",
            "Show a customer: its value criterion by criterion, who said what, its segment, and those before.",
        ),
        Later(
            "split",
            "streams.cli.customers_split:split",
            "Part all customers that workers know equally, and give the limits for the model.",
        ),
        Later(
            "import",
            "streams.cli.customers_import:import_customer_events",
            "Import invoices, wins or churn from a CSV file, so that workers know what customers are worth.",
        ),
        Later(
            "paths",
            "streams.cli.customers_paths:paths",
            "Show which acquisition paths bring the good customers, by the first and by the last touch before the win.",
        ),
        Later(
            "profile",
            "streams.cli.customers_paths:draft_profile_of_best",
            "Draft an ideal-customer profile from the customers in the best segment, for the model.",
        ),
    ),
)
