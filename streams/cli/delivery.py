"""``leadheat delivery``: tell people and systems of alerts until told to stop."""

from __future__ import annotations

import asyncio

from streams.settings import load_settings


def delivery() -> None:
    """Deliver alerts and buying signals until told to stop (SIGTERM or Ctrl-C).

    Who is told what is in the delivery file, LEADHEAT_DELIVERY; docs/delivery.md explains it. Every alert arrives at
    least once under one id, or stands in `leadheat deliveries list` with the reason. LEADHEAT_INSTANCE, a name that
    survives restarts, lets a restarted process go on at once.

    Examples:
      LEADHEAT_DELIVERY=delivery.yaml leadheat delivery
    """
    from streams.delivery.serve import run_delivery
    from streams.logs import set_up_logs
    from streams.published_models import model_in_use
    from streams.topics import require_topics

    settings = load_settings()
    set_up_logs(settings)
    asyncio.run(require_topics(settings))
    model = asyncio.run(model_in_use(settings))
    run_delivery(settings, model)
