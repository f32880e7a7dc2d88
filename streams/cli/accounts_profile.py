"""``leadheat accounts profile``: what a list of accounts has in common, as the draft of a profile."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def profile(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Accounts, as CSV or one JSON object a line; .gz too; - reads standard input."
        ),
    ],
) -> None:
    """Draft an ideal-customer profile from a list of accounts: your best ones, or those that you would like to have.

    Prints the `profiles:` section of a model, to be edited and pasted into yours: a component for each fact that at
    least half of the accounts have, weighed by the share of them that agree, with the counts as comments.

    The first line of a CSV file names the facts; commas or semicolons separate them, and 1,200 is a number. Of
    industry, employees, revenue, technologies, country, growth, finances and stakeholders the model knows the weights;
    any others are taken too. At least 3 accounts are needed.

    Examples:
      leadheat accounts profile best-customers.csv > profile.yaml
      jq -c 'select(.tier == "A")' accounts.jsonl | leadheat accounts profile -
    """
    from scoring.profile_draft import draft_profile
    from streams.cli.accounts_files import read_accounts

    sys.stdout.write(draft_profile(read_accounts(file)) + "\n")
