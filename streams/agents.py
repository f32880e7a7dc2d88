"""Where a chunk meets the model: chunk → scoring shard → work for the writer. No decisions are taken here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog

from scoring.adoption import Adoption
from scoring.model import ScoringModel
from scoring.shard import Outcome, Shard
from streams.dead_letters import encode_dead_letter, make_dead_letter
from streams.metrics import WorkerMetrics
from streams.runtime.tables import Shards
from streams.runtime.transactions import Work
from streams.topics import DEAD_LETTERS, HOT_LEADS, LEAD_SCORES, MODEL_REPORTS

log = structlog.get_logger(__name__)


class LeadLogic:
    """Scores the leads of one shard: what :class:`streams.runtime.tables.Shards` calls with each chunk."""

    def __init__(
        self, model: ScoringModel, leads: dict[bytes, bytes], memo: bytes, prefix: str, metrics: WorkerMetrics
    ) -> None:
        self._shard = Shard(model, leads, memo)
        self._metrics = metrics
        self._lead_scores = LEAD_SCORES.full_name(prefix)
        self._hot_leads = HOT_LEADS.full_name(prefix)
        self._dead_letters = DEAD_LETTERS.full_name(prefix)
        self._model_reports = MODEL_REPORTS.full_name(prefix)
        self._encode = msgspec.json.Encoder().encode

    @property
    def memo(self) -> bytes:
        """What the next logic on the same leads has to be given."""
        return self._shard.memo

    @property
    def due_ms(self) -> int:
        """When the next lead may cool (ms)."""
        return self._shard.due_ms

    @property
    def is_adopting(self) -> bool:
        """Whether the pass of a new model is under way."""
        return self._shard.is_adopting

    def take(self, topic: str, partition: int, records: Sequence[Any]) -> Work:
        """Score a chunk and return what is to be written."""
        started = time.perf_counter()
        outcome = self._shard.take(records)
        work = self._work(outcome)
        work.records[self._dead_letters] = [
            self._dead_letter(topic, partition, records[refusal.index], refusal.error) for refusal in outcome.refusals
        ]
        self._count(topic, outcome, time.perf_counter() - started)
        return work

    def tick(self, clock_ms: int, leads_max: int) -> tuple[Work, int]:
        """Cool what is due by ``clock_ms``, ``leads_max`` leads at most; return what is to be written, and how far."""
        outcome = self._shard.tick(clock_ms, leads_max)
        self._count_alerts(outcome)
        self._log_failures(outcome)
        return self._work(outcome), outcome.clock_ms

    def adopt(self, leads_max: int) -> tuple[Work, str]:
        """Bring the next leads under a new model; return what is to be written, and the last lead done."""
        outcome = self._shard.adopt(leads_max)
        self._metrics.adopted_leads.inc(len(outcome.adopted))
        self._log_failures(outcome)
        work = self._work(outcome)
        if outcome.adoption is not None:
            _log_adoption(outcome.adoption)
            if outcome.adoption.leads:
                work.records[self._model_reports] = [(None, self._encode(outcome.adoption))]
        return work, self._shard.adopted_to

    def _work(self, outcome: Outcome) -> Work:
        return Work(
            states=dict(outcome.states),
            latest={self._lead_scores: outcome.scores},
            records={self._hot_leads: [(alert.lead.encode(), self._encode(alert)) for alert in outcome.alerts]},
            model=self._shard.book.model.version,
        )

    def _log_failures(self, outcome: Outcome) -> None:
        for lead, error in outcome.failures:
            log.error("lead cannot be brought up to date", lead=lead, exc_info=error)

    def _dead_letter(self, topic: str, partition: int, record: Any, error: Any) -> tuple[bytes | None, bytes]:
        letter = make_dead_letter(
            error,
            at_ms=record.timestamp,
            topic=topic,
            value=record.value,
            key=record.key,
            partition=partition,
            offset=record.offset,
        )
        return record.key, encode_dead_letter(letter)

    def _count(self, topic: str, outcome: Outcome, seconds: float) -> None:
        metrics = self._metrics
        metrics.events.labels(topic).inc(outcome.events)
        metrics.chunk_seconds.observe(seconds)
        if outcome.duplicates:
            metrics.duplicates.labels(topic).inc(outcome.duplicates)
        for refusal in outcome.refusals:
            metrics.dead_letters.labels(topic, refusal.error.reason).inc()
        self._count_alerts(outcome)

    def _count_alerts(self, outcome: Outcome) -> None:
        for alert in outcome.alerts:
            self._metrics.alerts.labels(alert.kind, alert.band).inc()


def _log_adoption(adoption: Adoption) -> None:
    moves = {f"{move.from_band} to {move.to_band}": move.leads for move in adoption.moves}
    log.info("model adopted", model=adoption.model, leads=adoption.leads, moved=moves, from_now_on=adoption.from_now_on)


def make_agent(shards: Shards) -> Callable[[Any], Any]:
    """Return the Faust agent function of one source topic: it hands every chunk to its shard, in order."""

    async def take_chunks(stream: Any) -> None:
        async for chunk in stream:
            await shards.take(chunk)

    return take_chunks
