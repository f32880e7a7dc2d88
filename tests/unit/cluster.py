"""Shards that talk as over Kafka: partitions are logs, and a shard's messages appear together, soon or late."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any
from zlib import crc32

import msgspec

from scoring.account_records import AccountScore
from scoring.model import ScoringModel
from scoring.outcomes import Outcome
from scoring.replay import FileRecord
from scoring.resolution import Place
from scoring.routed import Message, encode_message
from scoring.score_records import LeadScore
from scoring.shard import CONTACTS_MAX, Shard
from scoring.signal_records import BuyingSignal

_decode_score = msgspec.json.Decoder(LeadScore).decode
_decode_account = msgspec.json.Decoder(AccountScore).decode


class Cluster:
    """Some shards under one model, the topics between them, and everything that has come out.

    ``rng`` decides who goes on next, with how many records, and when what a shard has caused can be read.
    """

    def __init__(self, model: ScoringModel, partitions: int, rng: Random, contacts_max: int = CONTACTS_MAX) -> None:
        self.rng, self.partitions = rng, partitions
        places = [Place(n, self.partition_of) for n in range(partitions)]
        self.shards = [Shard(model, {}, place=place, contacts_max=contacts_max) for place in places]
        self.events: list[deque[FileRecord]] = [deque() for _ in range(partitions)]
        self.updates: list[deque[FileRecord]] = [deque() for _ in range(partitions)]
        self.routed: list[deque[FileRecord]] = [deque() for _ in range(partitions)]
        self._uncommitted: list[deque[list[Message]]] = [deque() for _ in range(partitions)]
        self.done = Outcome()
        self.now_ms = 0

    def partition_of(self, identity: str) -> int:
        return crc32(identity.encode()) % self.partitions

    def send(self, event: Mapping[str, Any], received_ms: int, key: bytes | None, partition: int) -> None:
        """Append an event to a partition."""
        value = json.dumps(event).encode()
        self.events[partition].append(FileRecord(len(self.events[partition]), received_ms, value, key))
        self.now_ms = max(self.now_ms, received_ms)

    def send_update(self, update: Mapping[str, Any], received_ms: int, partition: int) -> None:
        """Append what was told of a company to a partition."""
        log = self.updates[partition]
        log.append(FileRecord(len(log), received_ms, json.dumps(update).encode()))
        self.now_ms = max(self.now_ms, received_ms)

    def run(self, steps_max: int | None = None) -> None:
        """Let everybody go on, in any order, until nothing is left to do, or for so many steps."""
        while (steps := [*self._ready()]) and steps_max != 0:
            steps_max = None if steps_max is None else steps_max - 1
            kind, partition = self.rng.choice(steps)
            if kind == "commit":
                self._publish(self._uncommitted[partition].popleft())
                continue
            log, shard = self._logs[kind][partition], self.shards[partition]
            chunk = [log.popleft() for _ in range(min(len(log), self.rng.choice((1, 2, 5, 100))))]
            if kind == "events":
                outcome = shard.take(chunk, "events")
            elif kind == "updates":
                outcome = shard.take_updates(chunk, "updates")
            else:
                outcome = shard.take_routed(chunk)
            self._note(partition, outcome)

    def tick(self, clock_ms: int) -> None:
        """Let the clock pass a time in every partition."""
        for partition, shard in enumerate(self.shards):
            self._note(partition, shard.tick(clock_ms))

    def _note(self, partition: int, outcome: Outcome) -> None:
        self._uncommitted[partition].append(outcome.messages)
        self.done.extend(outcome)

    @property
    def _logs(self) -> dict[str, list[deque[FileRecord]]]:
        return {"events": self.events, "updates": self.updates, "routed": self.routed}

    def _ready(self) -> Sequence[tuple[str, int]]:
        commits = [("commit", n) for n, queue in enumerate(self._uncommitted) if queue]
        return commits + [(kind, n) for kind, logs in self._logs.items() for n, queue in enumerate(logs) if queue]

    def _publish(self, messages: list[Message]) -> None:
        for message in messages:
            log = self.routed[self.partition_of(message.to)]
            log.append(FileRecord(0, self.now_ms, encode_message(message)))

    @property
    def leads(self) -> dict[str, LeadScore]:
        """The score records of all leads that are still ones."""
        gone = {weak for weak, _ in self.done.merged}
        scores = {key.decode(): _decode_score(value) for key, value in self.done.scores.items()}
        return {lead: record for lead, record in scores.items() if lead not in gone}

    @property
    def account_scores(self) -> dict[str, AccountScore]:
        """The records of all accounts that are still ones."""
        gone = {account for account, _ in self.done.merged}
        records = {key.decode(): _decode_account(value) for key, value in self.done.account_scores.items()}
        return {account: record for account, record in records.items() if account not in gone}

    @property
    def signals(self) -> list[BuyingSignal]:
        """The buying signals that were given, of one account in the order in which they were."""
        return self.done.signals
