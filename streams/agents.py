"""Where a chunk meets the model: chunk → scoring shard → work for the writer. No decisions are taken here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from scoring.model import ScoringModel
from scoring.shard import Outcome, Shard
from streams.dead_letters import encode_dead_letter, make_dead_letter
from streams.metrics import WorkerMetrics
from streams.runtime.tables import Shards
from streams.runtime.transactions import Work
from streams.topics import DEAD_LETTERS, HOT_LEADS, LEAD_SCORES


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
        self._encode = msgspec.json.Encoder().encode

    @property
    def memo(self) -> bytes:
        """What the next logic on the same leads has to be given."""
        return self._shard.memo

    def take(self, topic: str, partition: int, records: Sequence[Any]) -> Work:
        """Score a chunk and return what is to be written."""
        started = time.perf_counter()
        outcome = self._shard.take(records)
        work = Work(
            states=dict(outcome.states),
            latest={self._lead_scores: outcome.scores},
            records={
                self._hot_leads: [(alert.lead.encode(), self._encode(alert)) for alert in outcome.alerts],
                self._dead_letters: [
                    self._dead_letter(topic, partition, records[refusal.index], refusal.error)
                    for refusal in outcome.refusals
                ],
            },
            model=self._shard.book.model.version,
        )
        self._count(topic, outcome, time.perf_counter() - started)
        return work

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
        for alert in outcome.alerts:
            metrics.alerts.labels(alert.kind, alert.band).inc()
        for refusal in outcome.refusals:
            metrics.dead_letters.labels(topic, refusal.error.reason).inc()


def make_agent(shards: Shards) -> Callable[[Any], Any]:
    """Return the Faust agent function of one source topic: it hands every chunk to its shard, in order."""

    async def take_chunks(stream: Any) -> None:
        async for chunk in stream:
            await shards.take(chunk)

    return take_chunks
