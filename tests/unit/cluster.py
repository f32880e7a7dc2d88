"""Shards that talk as over Kafka: partitions are logs, and a shard's messages appear together, soon or late."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any
from zlib import crc32

import msgspec

from scoring.model import ScoringModel
from scoring.outcomes import Outcome
from scoring.replay import FileRecord
from scoring.resolution import Place
from scoring.routed import Message, encode_message
from scoring.score_records import LeadScore
from scoring.shard import Shard

_decode_score = msgspec.json.Decoder(LeadScore).decode


class Cluster:
    """Some shards under one model, the topics between them, and everything that has come out.

    ``rng`` decides who goes on next, with how many records, and when what a shard has caused can be read.
    """

    def __init__(self, model: ScoringModel, partitions: int, rng: Random) -> None:
        self.rng, self.partitions = rng, partitions
        self.shards = [Shard(model, {}, place=Place(n, self.partition_of)) for n in range(partitions)]
        self.events: list[deque[FileRecord]] = [deque() for _ in range(partitions)]
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

    def run(self) -> None:
        """Let everybody go on, in any order, until nothing is left to do."""
        while steps := [*self._ready()]:
            kind, partition = self.rng.choice(steps)
            if kind == "commit":
                self._publish(self._uncommitted[partition].popleft())
                continue
            log, shard = (self.events if kind == "events" else self.routed)[partition], self.shards[partition]
            chunk = [log.popleft() for _ in range(min(len(log), self.rng.choice((1, 2, 5, 100))))]
            outcome = shard.take(chunk, "events") if kind == "events" else shard.take_routed(chunk)
            self._uncommitted[partition].append(outcome.messages)
            self.done.extend(outcome)

    def _ready(self) -> Sequence[tuple[str, int]]:
        queues = (("commit", self._uncommitted), ("events", self.events), ("routed", self.routed))
        return [(kind, n) for kind, by_partition in queues for n, queue in enumerate(by_partition) if queue]

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
