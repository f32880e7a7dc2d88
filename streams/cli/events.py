"""``leadheat events``: what people did, from elsewhere."""

from __future__ import annotations

import typer

from streams.cli.events_import import import_events
from streams.cli.teaching import register

events = typer.Typer(help="Events: what people did.", no_args_is_help=True)

register(events, import_events, "import")
