"""What the topics say after a run, held against an offline replay of the same records in the journal's order.

Two things are compared with what the workers wrote. The *replay* is the engine's own logic, run once more on one shard
after the other, by the order in which the journal says that things were done: every state, score, account, customer,
alert, signal and message has to be the same to the byte. The *oracle* (:mod:`tests.oracle`) shares no arithmetic with
the engine: a sample of leads is summed afresh from the events themselves.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiokafka.structs import ConsumerRecord

from scoring.alerts import Alert
from scoring.errors import EventError
from scoring.events import decode_event
from scoring.follow_ups import decode_follow_up
from scoring.routed import Message, encode_message
from scoring.score_records import LeadScore
from scoring.shard import Outcome, Place, Shard, finish
from scoring.signal_records import BuyingSignal
from streams.cli.worker import start_models
from streams.cloudevents import steps_with_cloudevents
from streams.published_models import CANDIDATE, PublishedModels, read_publications
from streams.reading import partition_of
from streams.runtime.journal import (
    MEMO_KEY,
    META_KEY,
    Adopt,
    ChunkRange,
    Forgotten,
    Pass,
    Step,
    Tick,
    decode_entry,
)
from streams.settings import Settings
from streams.topics import (
    ACCOUNT_SCORES,
    ACCOUNT_UPDATES,
    BUYING_SIGNALS,
    CHANGELOG,
    CUSTOMER_VALUES,
    DEAD_LETTERS,
    FOLLOW_UPS,
    HOT_LEADS,
    JOURNAL,
    LEAD_SCORES,
    ROUTED,
    SOURCES,
    Topic,
)
from tests import oracle
from tests.faults.evidence import Reader, Records, track_of

SAMPLED_LEADS = 300
SUMS_MAX = 40_000
"""Of events, for the sampled leads of a partition: the oracle sums all that a lead has had anew with each event."""

AUDITED = (
    *SOURCES,
    JOURNAL,
    CHANGELOG,
    LEAD_SCORES,
    HOT_LEADS,
    ACCOUNT_SCORES,
    BUYING_SIGNALS,
    DEAD_LETTERS,
    CUSTOMER_VALUES,
)
LATEST = (CHANGELOG, LEAD_SCORES, ACCOUNT_SCORES, CUSTOMER_VALUES)
"""Topics of which the last value of each key counts."""

Done = list[ConsumerRecord] | Tick | Pass | Forgotten | Adopt
"""What a shard did in one step: the records of a chunk that it took, a passing of time, or another model."""

_decode_signal = msgspec.json.Decoder(BuyingSignal).decode
_decode_alert = msgspec.json.Decoder(Alert).decode
_decode_score = msgspec.json.Decoder(LeadScore).decode


@dataclass
class Findings:
    """What is wrong with a run; all zero, and no problems, is what was promised."""

    events: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    missing_alerts: int = 0
    extra_alerts: int = 0
    refused: int = 0
    """Records that became dead letters: that is no fault, if they were unusable."""
    problems: list[str] = field(default_factory=list)

    def note(self, problem: str, **counts: int) -> None:
        """Note a problem, and count it."""
        self.problems.append(problem)
        for name, count in counts.items():
            setattr(self, name, getattr(self, name) + count)


class Replica:
    """One shard, done again: what it holds, and what it has published."""

    def __init__(self, partition: int, partitions: int, models: PublishedModels) -> None:
        self.partition = partition
        self.following: dict[str, int] = defaultdict(int)
        self.entries = 0
        self.leads: dict[bytes, bytes] = {}
        """What the shard holds."""
        self.published: dict[Topic, dict[bytes, bytes]] = {topic: {} for topic in LATEST}
        self.alerts: Counter[str] = Counter()
        self.muted: Counter[str] = Counter()
        """Alerts that a rebuild found by itself, before it took over."""
        self.signals: Counter[str] = Counter()
        self.refused = 0
        self._models = models
        self._place = Place(partition, lambda identity: partition_of(identity.encode(), partitions))
        self._shard: Shard | None = None

    def do(self, steps: Sequence[Done]) -> list[Message]:
        """Do what a transaction did, once more; returns what it told other shards."""
        if self._shard is None:
            first = next((step.number for step in steps if isinstance(step, Adopt)), self._models.latest)
            self._shard = Shard(self._models.model(first), self.leads, place=self._place, publication=first)
        messages: list[Message] = []
        for step in steps:
            outcome = self._do(self._shard, step)
            messages += outcome.messages
            self._publish(outcome)
        return messages

    def _do(self, shard: Shard, step: Done) -> Outcome:
        if isinstance(step, Adopt):
            if step.number and not shard.publication:
                self.muted.update(self.alerts)
            return shard.use(self._models.model(step.number), step.number)
        if isinstance(step, Pass):
            return _adopt(shard, step.to)
        if isinstance(step, Forgotten):
            return shard.forget([key.encode() for key in step.keys])
        if isinstance(step, Tick):
            return shard.tick(step.clock_ms)
        if not step:
            return Outcome()
        topic = step[0].topic
        if _is_of(topic, ROUTED):
            return shard.take_routed(step)
        if _is_of(topic, FOLLOW_UPS):
            return shard.take_follow_ups(step)
        if _is_of(topic, ACCOUNT_UPDATES):
            return shard.take_updates(step, topic)
        return finish(steps_with_cloudevents(shard, step, topic))

    def _publish(self, outcome: Outcome) -> None:
        scores, accounts = self.published[LEAD_SCORES], self.published[ACCOUNT_SCORES]
        scores.update(outcome.scores)
        accounts.update(outcome.account_scores)
        self.published[CUSTOMER_VALUES].update(outcome.customer_values)
        gone = [lead.encode() for lead, _ in outcome.merged]
        for key in gone:
            accounts.pop(key, None)
            self.published[CUSTOMER_VALUES].pop(key, None)
        for key in (*gone, *outcome.forgotten):
            scores.pop(key, None)
        self.alerts.update(alert.id for alert in outcome.alerts)
        self.signals.update(signal.id for signal in outcome.signals)
        self.refused += len(outcome.refusals)


def _adopt(shard: Shard, last: str) -> Outcome:
    """Bring leads up to ``last`` under the model. What it does to a lead is the same whenever it is done."""
    outcome = Outcome()
    while shard.is_adopting and (not shard.adopted_to or shard.adopted_to < last):
        outcome.extend(shard.adopt(1))
    if shard.is_adopting and not last:
        outcome.extend(shard.adopt(0))
    return outcome


class Auditor:
    """Audits a run, again and again: what was found right stays so, and only what is new is replayed.

    ``models`` are those that were in use; add to them before what was done with them is judged. ``sampled`` leads are
    held against the oracle. ``states_of`` is the track of the rebuild whose states were taken over, if they were: what
    it found by itself was not said.
    """

    def __init__(
        self, settings: Settings, models: PublishedModels, sampled: int = SAMPLED_LEADS, states_of: str = ""
    ) -> None:
        self.settings, self.models = settings, models
        self._sampled, self._states_of = sampled, states_of
        self._track = track_of(settings, states_of)
        self._replicas = [Replica(n, settings.partitions, models) for n in range(settings.partitions)]
        self._published = [{topic: {} for topic in LATEST} for _ in self._replicas]
        self._unread: list[dict[str, dict[int, ConsumerRecord]]] = [defaultdict(dict) for _ in self._replicas]
        self._known: set[bytes] = set()
        self._told: Counter[tuple[int, bytes | None]] = Counter()

    def start_from(self, states: Sequence[Mapping[bytes, bytes]]) -> None:
        """Take it that shards held ``states``, one of each partition, before anything else was done.

        The oracle is not asked of these leads, since it sums events.
        """
        for replica, held in zip(self._replicas, states, strict=True):
            replica.leads.update(held)
            self._known.update(held)

    def judge(self, evidence: Mapping[Topic, Records]) -> Findings:
        """Return everything that is wrong with what is new in the topics."""
        findings = Findings()
        for partition, replica in enumerate(self._replicas):
            here = {topic: records[partition] for topic, records in evidence.items()}
            for topic in SOURCES:
                self._unread[partition][self._track.name(topic)].update(
                    {record.offset: record for record in here[topic]}
                )
            done = self._replay(replica, here, findings)
            self._compare(replica, here, findings)
            self._compare_sample(done, here, self._published[partition], findings)
        self._compare_messages(evidence[ROUTED], findings)
        return findings

    # ---- what was done

    def _replay(self, replica: Replica, here: Mapping[Topic, list[ConsumerRecord]], findings: Findings) -> list[Done]:
        unread, done = self._unread[replica.partition], list[Done]()
        for record in here[JOURNAL]:
            entry = decode_entry(record.value)
            replica.entries += 1
            if entry.number != replica.entries:
                findings.note(f"journal entry {entry.number} stands at place {replica.entries}", duplicated=1)
                replica.entries = entry.number
            steps = [self._records_of(step, replica, unread, findings) for step in entry.steps]
            done += steps
            for message in replica.do(steps):
                self._told[partition_of(message.to.encode(), self.settings.partitions), encode_message(message)] += 1
        for topic, records in unread.items():
            if records:
                findings.note(
                    f"{topic}-{replica.partition}: {len(records)} records were never scored", lost=len(records)
                )
                records.clear()
        return done

    def _records_of(
        self, step: Step, replica: Replica, unread: dict[str, dict[int, ConsumerRecord]], findings: Findings
    ) -> Done:
        if not isinstance(step, ChunkRange):
            return step
        here, following = unread[step.topic], replica.following[step.topic]
        if step.start < following:
            again = following - step.start
            findings.note(f"{step.topic}: {step.start} to {following} were taken twice", duplicated=again)
        missed = [here.pop(offset) for offset in range(following, step.start) if offset in here]
        if missed:
            findings.note(f"{step.topic}: {following} to {step.start} were passed over", lost=len(missed))
        if step.end - 1 not in here and step.end > following:
            findings.note(f"{step.topic}: offset {step.end - 1} was taken, and never committed", wrong=1)
        replica.following[step.topic] = max(following, step.end)
        records = [here.pop(offset) for offset in range(step.start, step.end) if offset in here]
        if not step.topic.endswith(f".{ROUTED.name}.v1"):
            findings.events += len(records)
        return records

    # ---- what came of it

    def _compare(self, replica: Replica, here: Mapping[Topic, list[ConsumerRecord]], findings: Findings) -> None:
        published = self._published[replica.partition]
        for topic in LATEST:
            for record in here[topic]:
                if record.value is None:
                    published[topic].pop(record.key, None)
                elif record.key not in (META_KEY, MEMO_KEY):
                    published[topic][record.key] = record.value
            expected = replica.leads if topic is CHANGELOG else replica.published[topic]
            _compare_latest(topic, expected, published[topic], findings)
        raised = Counter(_decode_alert(record.value).id for record in here[HOT_LEADS])
        due = replica.alerts - replica.muted
        if replica.muted:
            # Those may have been said by the states before, and these have said others, too; each once.
            raised = Counter({name: count for name, count in raised.items() if name in due or count > 1})
        _compare_ids("alerts", due, raised, findings)
        given = Counter(_decode_signal(record.value).id for record in here[BUYING_SIGNALS])
        _compare_ids("signals", replica.signals, given, findings)
        letters = len(here[DEAD_LETTERS])
        if letters != replica.refused and not self._states_of:
            findings.note(f"{letters} dead letters, {replica.refused} expected", lost=max(0, replica.refused - letters))
        findings.refused += letters
        replica.alerts, replica.signals, replica.refused = Counter(), Counter(), 0

    def _compare_messages(self, routed: Records, findings: Findings) -> None:
        written = Counter((partition, record.value) for partition, records in routed.items() for record in records)
        missing, extra = (self._told - written).total(), (written - self._told).total()
        if missing or extra:
            text = f"of {self._told.total()} messages between shards {missing} are missing, and {extra} are too many"
            findings.note(text, lost=missing, duplicated=extra)
        self._told.clear()

    def _compare_sample(
        self,
        done: list[Done],
        here: Mapping[Topic, list[ConsumerRecord]],
        published: dict[Topic, dict[bytes, bytes]],
        findings: Findings,
    ) -> None:
        """Hold some leads that are new against the oracle, which shares no arithmetic with the engine.

        The oracle knows nothing of people with several identities: those of whom shards have told each other are left
        out.
        """
        scores = published[LEAD_SCORES]
        told = {r.key for step in done if isinstance(step, list) for r in step if _is_of(r.topic, ROUTED)}
        new = sorted(key for key in scores if key not in self._known and key not in told)
        self._known.update(scores, told)
        sample = _affordable(new[:: max(1, len(new) * self.settings.partitions // self._sampled)], done)
        mine: list[tuple[Any, int] | oracle.Tick] = []
        for step in done:
            if isinstance(step, Tick):
                mine.append(oracle.Tick(step.clock_ms))
            elif isinstance(step, list):
                mine += [taken for record in step if record.key in sample for taken in _taken(record)]
        if not sample:
            return
        expected = oracle.expect(self.models.model(self.models.latest), mine)
        versions = {_decode_score(scores[key]).model for key in sample}
        for key in sample:
            score = _decode_score(scores[key])
            lead = expected.leads.get(score.lead)
            should_be = None if lead is None else lead.score_at(score.at_ms)
            if should_be is None or abs(should_be - score.score) > 1e-6:
                findings.note(f"{score.lead} has {score.score} points; the oracle says {should_be}", wrong=1)
        adoptions = sum(isinstance(step, Adopt) for step in done)
        if len(versions) > 1 or adoptions > 1 or any(isinstance(step, Pass) for step in done):
            return  # a band depends on when a model came; the replay holds it
        alerts = map(_decode_alert, (record.value for record in here[HOT_LEADS] if record.key in sample))
        raised = Counter((alert.id, alert.time_ms) for alert in alerts)
        said = Counter((alert.id, alert.time_ms) for alert in expected.said)
        _compare_ids("alerts of the oracle's sample", said, raised, findings)


async def audit(settings: Settings, sampled: int = SAMPLED_LEADS, states_of: str = "") -> list[str]:
    """Return everything that is wrong with a finished run; an empty list is what was promised."""
    evidence = await Reader(settings, AUDITED, states_of=states_of).read_new()
    known = await (start_models if settings.track else read_publications)(settings)
    # Before it took over, the rebuild's model had no number.
    rebuilt = [
        msgspec.structs.replace(each, number=CANDIDATE) for each in known if states_of and each.track == states_of
    ]
    auditor = Auditor(settings, PublishedModels([*known, *rebuilt]), sampled, states_of)
    return (await asyncio.to_thread(auditor.judge, evidence)).problems


def _compare_latest(
    topic: Topic, expected: Mapping[bytes, bytes], published: Mapping[bytes, bytes], findings: Findings
) -> None:
    wrong = [key for key in expected.keys() | published.keys() if expected.get(key) != published.get(key)]
    if wrong:
        text = f"{len(wrong)} of {len(expected)} in {topic.name} are wrong, for example {wrong[0]!r}"
        findings.note(text, wrong=len(wrong))


def _compare_ids(what: str, due: Counter[Any], raised: Counter[Any], findings: Findings) -> None:
    missing, extra = (due - raised).total(), (raised - due).total()
    if missing or extra:
        text = f"of {due.total()} {what} {missing} are missing, and {extra} are too many"
        findings.note(text, missing_alerts=missing, extra_alerts=extra)


def _affordable(leads: Sequence[bytes], done: Sequence[Done]) -> set[bytes]:
    """Return those of the leads whom the oracle can sum afresh at every step without taking minutes."""
    ticks = sum(isinstance(step, Tick) for step in done)
    events = Counter(record.key for step in done if isinstance(step, list) for record in step)
    chosen, sums = set[bytes](), 0
    for lead in leads:
        wanted = events[lead] * (events[lead] + ticks)
        if sums + wanted <= SUMS_MAX:
            chosen.add(lead)
            sums += wanted
    return chosen


def _is_of(full_name: str, topic: Topic) -> bool:
    return full_name.endswith(f".{topic.name}.v1")


def _taken(record: ConsumerRecord) -> list[tuple[Any, int]]:
    """Return a record as the oracle wants it: its event, if it is one, and when it was received (ms)."""
    decode = decode_follow_up if _is_of(record.topic, FOLLOW_UPS) else decode_event
    try:
        # Only whether it is one: what it comes to is the oracle's to say.
        decode(record.value or b"", record.timestamp)
    except EventError:
        return []
    return [(msgspec.json.decode(record.value), record.timestamp)]
