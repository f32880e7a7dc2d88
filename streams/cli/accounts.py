"""``leadheat accounts``: companies, and what is known of them."""

from __future__ import annotations

import typer

from streams.cli.accounts_import import import_accounts
from streams.cli.teaching import register

accounts = typer.Typer(help="Companies, and what is known of them.", no_args_is_help=True)

register(accounts, import_accounts, "import")
