"""What comes of a chunk, a tick, or a new model: all that the shard's one transaction has to write."""

from __future__ import annotations

from dataclasses import dataclass, field

from scoring.adoption import Adopted, Adoption
from scoring.alerts import Alert
from scoring.errors import EventError
from scoring.routed import Conflict, Forward, Message
from scoring.signal_records import BuyingSignal


@dataclass(slots=True)
class Refusal:
    """A record that could not be scored: its index in the chunk, and why; ``event`` is what it had passed on."""

    index: int
    error: EventError
    event: Forward | None = None


@dataclass(slots=True)
class Outcome:
    """What a chunk caused; ``states`` and ``scores`` hold the last of each lead, keyed by the lead's id in bytes.

    ``states`` holds pointers, too: of identities that have become another lead. ``messages`` are for the
    shards where the identities that they name lie, this one among them.
    """

    events: int = 0
    duplicates: int = 0
    states: dict[bytes, bytes] = field(default_factory=dict)
    scores: dict[bytes, bytes] = field(default_factory=dict)
    account_scores: dict[bytes, bytes] = field(default_factory=dict)
    customer_values: dict[bytes, bytes] = field(default_factory=dict)
    """The customers of whom there is anything new."""
    signals: list[BuyingSignal] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    forgotten: list[bytes] = field(default_factory=list)
    """Keys under which nothing is kept any more."""
    merged: list[tuple[str, str]] = field(default_factory=list)
    """Leads that are no more, and those that they turned out to be."""
    conflicts: list[Conflict] = field(default_factory=list)
    adopted: list[Adopted] = field(default_factory=list)
    """The leads that were brought under a new model."""
    failures: list[tuple[str, Exception]] = field(default_factory=list)
    """Leads that a tick or a new model's pass failed on; they stay as they were until their next event."""
    clock_ms: int = 0
    """How far a tick got."""
    adoption: Adoption | None = None
    """What a new model changed, once all leads are under it."""

    def extend(self, other: Outcome) -> None:
        """Take in what happened after."""
        self.events += other.events
        self.duplicates += other.duplicates
        self.states.update(other.states)
        self.scores.update(other.scores)
        self.account_scores.update(other.account_scores)
        self.customer_values.update(other.customer_values)
        self.signals += other.signals
        self.alerts += other.alerts
        self.refusals += other.refusals
        self.messages += other.messages
        self.forgotten += other.forgotten
        self.merged += other.merged
        self.conflicts += other.conflicts
        self.adopted += other.adopted
        self.failures += other.failures
