"""``leadheat projector``: keep Redis up to date for dashboard and query API."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from streams.settings import load_settings
from streams.topics import require_topics


def projector(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Empty Redis of what is ours first, and fill it anew from the topics.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="End when all that is in the topics now is in Redis.")] = False,
) -> None:
    """Write what workers find to Redis, for the dashboard and the query API, until told to stop (SIGTERM or Ctrl-C).

    Redis can be flushed, lost or replaced at any time: how far it is lies in Redis along with the data, so a projector
    goes on where Redis stands, or begins anew. Several may run; one does the work.

    Settings: LEADHEAT_REDIS_URL, LEADHEAT_BROKERS, LEADHEAT_PREFIX, LEADHEAT_METRICS_PORT.

    Examples:
      LEADHEAT_REDIS_URL=redis://127.0.0.1:6379/0 leadheat projector
      leadheat projector --rebuild --once
    """
    from streams.embedded.stack import run_until_signal
    from streams.logs import set_up_logs
    from streams.projector.run import run_projector

    settings = load_settings()
    set_up_logs(settings)
    asyncio.run(require_topics(settings))
    run_until_signal(run_projector(settings, rebuild=rebuild, until_caught_up=once))
