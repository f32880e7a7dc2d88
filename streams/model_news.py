"""What there is to know of models beside the one that a process was started with: for the dashboard's page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from scoring.adoption import Adoption
from scoring.errors import LeadheatError
from scoring.model import ScoringModel, parse_model
from streams.model_comparison import Comparison
from streams.model_reports import read_reports, sum_up
from streams.published_models import PARTITION, Publication, read_publications, read_small_topic
from streams.settings import Settings
from streams.topics import MODEL_COMPARISONS, MODELS, find_topics

KEPT_S: Final = 10.0

log = structlog.get_logger(__name__)
_decode = msgspec.json.Decoder(Comparison).decode


class ModelNews(msgspec.Struct):
    """All publications, the newest first, what each did to leads, and where a candidate parts, if one scores.

    ``in_use`` is the model that was published last; None where none was.
    """

    publications: list[Publication] = msgspec.field(default_factory=list)
    adopted: dict[int, Adoption] = msgspec.field(default_factory=dict)
    comparison: Comparison | None = None
    in_use: ScoringModel | None = None


async def read_model_news(settings: Settings) -> ModelNews:
    """Read it from Kafka; raises :class:`scoring.errors.LeadheatError`."""
    if not {each.full_name(settings.prefix) for each in (MODELS, MODEL_COMPARISONS)} <= {*await find_topics(settings)}:
        return ModelNews()
    known, reports = await read_publications(settings), await read_reports(settings)
    comparison = None
    for record in await read_small_topic(settings, MODEL_COMPARISONS, [PARTITION]):
        comparison = None if record.value is None else _decode(record.value)
    adopted = {each.number: sum_up(each.number, each.version, reports.get(each.number, [])) for each in known}
    in_use = parse_model(known[-1].text, known[-1].name) if known else None
    return ModelNews(known[::-1], adopted, comparison, in_use)


class KeptNews:
    """Reads news of models at most every ten seconds; while Kafka is away, what was read last stands."""

    def __init__(self, settings: Settings, now_s: Callable[[], float]) -> None:
        self._settings, self._now_s = settings, now_s
        self._news, self._read_at_s = ModelNews(), float("-inf")
        self._lock = asyncio.Lock()

    async def __call__(self) -> ModelNews:
        """Return the news, as of ten seconds ago at most where Kafka answers."""
        async with self._lock:
            if self._now_s() - self._read_at_s >= KEPT_S:
                try:
                    self._news = await read_model_news(self._settings)
                except LeadheatError as error:
                    log.warning("cannot read what was published of models", reason=str(error))
                self._read_at_s = self._now_s()
        return self._news
