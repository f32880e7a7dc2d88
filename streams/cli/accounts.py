"""``leadheat accounts``: the companies that leads belong to."""

from __future__ import annotations

import typer

from streams.cli.accounts_import import import_accounts
from streams.cli.accounts_profile import profile
from streams.cli.accounts_rank import rank
from streams.cli.accounts_show import show
from streams.cli.teaching import register

accounts = typer.Typer(help="The companies that leads belong to.", no_args_is_help=True)

register(accounts, rank)
register(accounts, show)
register(accounts, import_accounts, "import")
register(accounts, profile)
