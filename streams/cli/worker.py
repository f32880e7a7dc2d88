"""``leadheat worker``: score events until told to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from scoring.model import load_model_text
from streams.clock import now_ms
from streams.settings import Settings, load_settings
from streams.topics import require_topics
from streams.tracks import beside

if TYPE_CHECKING:
    from streams.published_models import Publication


def worker() -> None:
    """Score events until told to stop (SIGTERM or Ctrl-C).

    Reads the settings from LEADHEAT_* variables. Start as many workers as you like, up to the number of
    partitions: they share the partitions, and a worker that dies is replaced without losing or repeating anything.

    The model is the one that was published last (`leadheat model history`). Before the first `leadheat model publish`
    it is the file that the worker was started with last.

    Example: LEADHEAT_BROKERS=kafka:9092 leadheat worker
    """
    from streams.app import run_worker

    settings = load_settings()
    if settings.track:
        settings = beside(settings, settings.track)
    run_worker(settings, asyncio.run(start_models(settings)))


async def start_models(settings: Settings) -> list[Publication]:
    """Return all publications of models, the worker's file among them if nobody has published yet.

    Raises :class:`scoring.errors.ModelError` for a wrong file, :class:`scoring.errors.StartError` without topics.
    """
    from streams.published_models import CANDIDATE, Publication, ensure_file

    model, text = load_model_text(settings.model)
    await require_topics(settings)
    if settings.track:
        return [
            Publication(
                number=CANDIDATE, kind="file", version=model.version, text=text, at_ms=now_ms(), by=settings.track
            )
        ]
    by = f"worker {settings.instance}".strip()
    publications, is_used = await ensure_file(settings, text, model.version, at_ms=now_ms(), by=by)
    if not is_used:
        last = publications[-1]
        structlog.get_logger(__name__).warning(
            "the model file is not used: another was published since; publish it to change that",
            file=str(settings.model),
            in_use=last.number,
            version=last.version,
            published_by=last.by,
        )
    return publications
