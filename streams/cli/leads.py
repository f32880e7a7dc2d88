"""``leadheat leads``: the leads as they are scored now, all of them or one; and those of a CRM, to be scored."""

from __future__ import annotations

import typer

from streams.cli.leads_import import import_leads
from streams.cli.leads_list import list_leads
from streams.cli.leads_show import show
from streams.cli.teaching import register

leads = typer.Typer(help="Leads as they are scored now.", no_args_is_help=True)

register(leads, list_leads, "list")
register(leads, show)
register(leads, import_leads, "import")
