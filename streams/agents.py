"""Where a chunk meets the model: chunk → scoring shard → work for the writer. No decisions are taken here."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

import msgspec
import structlog

from scoring.account_records import merged_account
from scoring.account_state import is_account
from scoring.adoption import Adoption
from scoring.routed import Message, encode_message
from scoring.score_records import merged_record
from scoring.shard import Outcome, Place, Refusal, Shard, publication_of
from streams.cloudevents import steps_with_cloudevents
from streams.dead_letters import encode_dead_letter, make_dead_letter
from streams.metrics import WorkerMetrics
from streams.published_models import PublishedModels
from streams.reading import partition_of
from streams.runtime.shards import Shards
from streams.runtime.transactions import Work
from streams.settings import Settings
from streams.topics import (
    ACCOUNT_SCORES,
    ACCOUNT_UPDATES,
    BUYING_SIGNALS,
    CUSTOMER_VALUES,
    DAY_MS,
    DEAD_LETTERS,
    FOLLOW_UPS,
    HOT_LEADS,
    IDENTITY_CONFLICTS,
    LEAD_HISTORY,
    LEAD_SCORES,
    MODEL_REPORTS,
    ROUTED,
)
from streams.tracks import Track

log = structlog.get_logger(__name__)


class LeadLogic:
    """Scores the leads of one shard: a :class:`streams.runtime.logic.Logic`.

    It begins with the one of ``models`` that ``memo`` names, where the leads were left; :meth:`renew` goes on. Alerts
    and signals with the ids ``said`` are not said again.
    """

    def __init__(
        self,
        models: PublishedModels,
        partition: int,
        leads: dict[bytes, bytes],
        memo: bytes,
        settings: Settings,
        track: Track,
        metrics: WorkerMetrics,
        said: frozenset[str] = frozenset(),
    ) -> None:
        name, partitions = track.name, settings.partitions
        self._partition = partition

        def place_of(identity: str) -> int:
            return partition_of(identity.encode(), partitions)

        self._partition_of = place_of
        self._models, self._metrics, self._said = models, metrics, said
        number, place = publication_of(memo) or models.latest, Place(partition, place_of)
        self._shard = Shard(models.model(number), leads, memo, place, settings.contacts_max, number)
        self._silence_ms = int(settings.visitor_days * DAY_MS)
        self._routed = name(ROUTED)
        self._account_updates = name(ACCOUNT_UPDATES)
        self._follow_ups = name(FOLLOW_UPS)
        self._account_scores = name(ACCOUNT_SCORES)
        self._customer_values = name(CUSTOMER_VALUES)
        self._buying_signals = name(BUYING_SIGNALS)
        self._conflicts = name(IDENTITY_CONFLICTS)
        self._lead_history = name(LEAD_HISTORY)
        self._lead_scores = name(LEAD_SCORES)
        self._hot_leads = name(HOT_LEADS)
        self._dead_letters = name(DEAD_LETTERS)
        self._model_reports = name(MODEL_REPORTS)
        self._encode = msgspec.json.Encoder().encode

    @property
    def memo(self) -> bytes:
        """What the next logic on the same leads has to be given."""
        return self._shard.memo

    @property
    def publication(self) -> int:
        """The number of the model that scores."""
        return self._shard.publication

    @property
    def due_ms(self) -> int:
        """When the next lead may cool (ms)."""
        return self._shard.due_ms

    @property
    def is_adopting(self) -> bool:
        """Whether the pass of a new model is under way."""
        return self._shard.is_adopting

    def take(self, topic: str, partition: int, records: Sequence[Any]) -> Generator[None, None, Work]:
        """Score a chunk, with a pause after every lead, and return what is to be written."""
        started = time.perf_counter()
        if topic == self._routed:
            outcome = yield from self._shard.steps_of_routed(records)
        elif topic == self._follow_ups:
            outcome = yield from self._shard.steps_of_follow_ups(records)
        elif topic == self._account_updates:
            outcome = yield from self._shard.steps_of_updates(records, topic)
        else:
            outcome = yield from steps_with_cloudevents(self._shard, records, topic)
        work = self._work(outcome)
        work.records[self._dead_letters] = [
            self._dead_letter(topic, partition, records[refusal.index], refusal) for refusal in outcome.refusals
        ]
        self._count(topic, outcome, time.perf_counter() - started)
        return work

    def renew(self) -> Work | None:
        """Go over to the model that was published last; return what is to be written, or None if it is in use."""
        number = self._models.latest
        if number == self._shard.publication:
            return None
        outcome = self._shard.use(self._models.model(number), number)
        log.info("another model", partition=self._partition, model=self._shard.book.model.version, number=number)
        return self._work(outcome)

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
        return self._work(outcome), self._shard.adopted_to

    def forget(self, clock_ms: int, keys_max: int) -> tuple[Work, list[str], bool]:
        """Forget what has been silent for long among the next keys; return what is to be written, and which it was."""
        silent, is_over = self._shard.silent(clock_ms, self._silence_ms, keys_max)
        outcome = self._shard.forget(silent)
        self._metrics.forgotten.inc(len(silent))
        return self._work(outcome), [key.decode() for key in silent], is_over

    def _work(self, outcome: Outcome) -> Work:
        version = self._shard.book.model.version
        if self._said:
            outcome.alerts = [alert for alert in outcome.alerts if alert.id not in self._said]
            outcome.signals = [signal for signal in outcome.signals if signal.id not in self._said]
        records: dict[str, list[tuple[bytes | None, bytes | None]]] = {
            self._hot_leads: [(alert.lead.encode(), self._encode(alert)) for alert in outcome.alerts]
        }
        for gone, into in outcome.merged:
            # Whoever reads the topic as it comes learns who that is; then compaction forgets the lead.
            of_account = is_account(gone.encode())
            last = merged_account(gone, into, version) if of_account else merged_record(gone, into, version)
            topic = self._account_scores if of_account else self._lead_scores
            records.setdefault(topic, []).extend(((gone.encode(), self._encode(last)), (gone.encode(), None)))
            if of_account and self._shard.book.model.follows_customers:
                records.setdefault(self._customer_values, []).append((gone.encode(), None))
        if outcome.snapshots:
            records[self._lead_history] = [*outcome.snapshots]
        if outcome.adoption is not None:
            _log_adoption(outcome.adoption)
            records[self._model_reports] = [(None, self._encode(outcome.adoption))]
        if outcome.signals:
            records[self._buying_signals] = [(each.account.encode(), self._encode(each)) for each in outcome.signals]
        if outcome.conflicts:
            records[self._conflicts] = [(each.identity.encode(), self._encode(each)) for each in outcome.conflicts]
        states: dict[bytes, bytes | None] = {**outcome.states}
        scores: dict[bytes, bytes | None] = {**outcome.scores}
        for key in outcome.forgotten:
            states[key] = scores[key] = None
        return Work(
            states=states,
            latest={
                self._lead_scores: scores,
                self._account_scores: {**outcome.account_scores},
                self._customer_values: {**outcome.customer_values},
            },
            records=records,
            messages=self._addressed(outcome.messages),
            model=version,
        )

    def _addressed(self, messages: list[Message]) -> dict[tuple[str, int], list[tuple[bytes | None, bytes]]]:
        """Return messages by the partition of the identity that each is for."""
        found: dict[tuple[str, int], list[tuple[bytes | None, bytes]]] = {}
        for message in messages:
            place = self._routed, self._partition_of(message.to)
            found.setdefault(place, []).append((message.to.encode(), encode_message(message)))
        return found

    def _log_failures(self, outcome: Outcome) -> None:
        for lead, error in outcome.failures:
            log.error("lead cannot be brought up to date", lead=lead, exc_info=error)

    def _dead_letter(self, topic: str, partition: int, record: Any, refusal: Refusal) -> tuple[bytes | None, bytes]:
        """Return the dead letter of a record, or of the event that it has passed on."""
        event = refusal.event
        letter = make_dead_letter(
            refusal.error,
            at_ms=record.timestamp,
            topic=topic if event is None else event.topic,
            value=record.value if event is None else event.value,
            key=record.key if event is None else event.key,
            partition=partition if event is None else event.partition,
            offset=record.offset if event is None else event.offset,
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
        metrics.messages.inc(len(outcome.messages))
        metrics.merged_leads.inc(len(outcome.merged))
        metrics.conflicts.inc(len(outcome.conflicts))
        self._count_alerts(outcome)

    def _count_alerts(self, outcome: Outcome) -> None:
        for alert in outcome.alerts:
            self._metrics.alerts.labels(alert.kind, alert.band).inc()
        for signal in outcome.signals:
            self._metrics.signals.labels(signal.kind).inc()


def _log_adoption(adoption: Adoption) -> None:
    moves = {f"{move.from_band} to {move.to_band}": move.leads for move in adoption.moves}
    log.info(
        "model adopted" if adoption.is_finished else "model left before all leads were under it",
        model=adoption.model,
        number=adoption.number,
        partition=adoption.partition,
        leads=adoption.leads,
        moved=moves,
        from_now_on=adoption.from_now_on,
    )


def make_agent(shards: Shards) -> Callable[[Any], Any]:
    """Return the Faust agent function of one source topic: it hands every chunk to its shard, in order."""

    async def take_chunks(stream: Any) -> None:
        async for chunk in stream:
            await shards.take(chunk)

    return take_chunks
