"""``leadheat worker``: score events until told to stop."""

from __future__ import annotations

import asyncio

from scoring.model import load_model
from streams.settings import load_settings
from streams.topics import require_topics


def worker() -> None:
    """Score events until told to stop (SIGTERM or Ctrl-C).

    Reads the settings from LEADHEAT_* variables. Start as many workers as you like, up to the number of
    partitions: they share the partitions, and a worker that dies is replaced without losing or repeating anything.

    Example: LEADHEAT_BROKERS=kafka:9092 leadheat worker
    """
    from streams.app import run_worker

    settings = load_settings()
    model = load_model(settings.model)
    asyncio.run(require_topics(settings))
    run_worker(settings, model)
