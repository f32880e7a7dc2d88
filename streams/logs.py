"""Logs: structured, for a person or one JSON object a line, on standard error."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

import structlog

from streams.settings import Settings

_CHATTY = {
    # Libraries say at "info" what only their developers want to read.
    "asyncio": logging.WARNING,
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "streams.runtime.chunks": logging.WARNING,
    "uvicorn": logging.WARNING,
    # While the broker is away it warns ten times a second; we say it once, in our own words.
    "aiokafka": logging.ERROR,
}


_REPEATS_AFTER_S = 10.0


class Seldom(logging.Filter):
    """Lets each kind of error that aiokafka tells pass once in 10 s.

    While a broker is away each of its connections tells so ten times a second, as an error: a thousand lines a second
    of a whole leadheat, behind which nothing else can be seen.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        super().__init__()
        self._now_s = now_s
        self._said_s: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line passes."""
        if not record.name.startswith("aiokafka") or record.levelno < logging.ERROR:
            return True
        place, now_s = (record.pathname, record.lineno), self._now_s()
        if now_s - self._said_s.get(place, -_REPEATS_AFTER_S) < _REPEATS_AFTER_S:
            return False
        self._said_s[place] = now_s
        return True


def set_up_logs(settings: Settings) -> None:
    """Send our own and every library's log lines through structlog to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    handler.addFilter(Seldom(time.monotonic))
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    if settings.log_level != "debug":
        for name, level in _CHATTY.items():
            logging.getLogger(name).setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
