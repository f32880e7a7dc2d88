"""What is said to whom: deliveries made of messages, at once, at their time, in a digest, or not at all. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from streams.delivery.config import DeliveryConfig
from streams.delivery.handoffs import Breach, Handoffs
from streams.delivery.memory import Memory
from streams.delivery.messages import (
    ACTIONS,
    LinkOf,
    Message,
    breach_message,
    digest_message,
    digest_of,
    show_time,
)
from streams.delivery.records import Delivery, State
from streams.delivery.routing import Routing, Target

NOWHERE: Final = "-"
"""The sink of what no route matches."""

Render = Callable[[str, Message], str]
"""Sink and message → the body that is sent to it."""


@dataclass(frozen=True)
class Plan:
    """What a desk goes by: the delivery file, how sinks write, the links, and the model's time for a contact."""

    config: DeliveryConfig
    render: Render
    link_of: LinkOf | None = None
    contact_within_ms: int = 3_600_000


class Planner:
    """Makes one partition's deliveries, and keeps them in its ``memory``."""

    def __init__(self, plan: Plan, memory: Memory, handoffs: Handoffs) -> None:
        self._as = plan
        self._memory = memory
        self._handoffs = handoffs

    def plan(self, message: Message, routing: Routing, now_ms: int) -> None:
        """Say what is new to all that a route names, and start the clock where people are asked."""
        if self._memory.knows(message.id):
            return
        owner = routing.owners[0] if routing.owners else ""
        if not routing.targets:
            self._start(message, Target(NOWHERE, "", (), now_ms), now_ms)
        for target in routing.targets:
            asked = target.owners[0] if target.owners else owner
            self._start(self._addressed(message, asked), target, now_ms)
        self._handoffs.begin(message, routing, now_ms)

    def _start(self, message: Message, target: Target, now_ms: int) -> None:
        """Make a delivery of a message to one sink, and put it on its way unless something keeps it."""
        memory, lane = self._memory, (target.sink, message.subject)
        delivery = Delivery(
            id=message.id,
            sink=target.sink,
            kind=message.kind,
            subject=message.subject,
            number=memory.next_number(),
            state="pending",
            at_ms=now_ms,
            due_ms=target.due_ms,
            title=message.title,
            owner=message.owner,
            about=message.about,
            in_digest=target.digest,
            reason=target.held,
        )
        if target.sink == NOWHERE:
            self._end_at_once(delivery, "dropped", "no route matches", now_ms)
            return
        delivery.body = self._as.render(target.sink, self._with_notes(message, target, lane))
        said_ms = memory.said.get(lane)
        if target.cooldown_ms and said_ms is not None and now_ms < said_ms + target.cooldown_ms:
            memory.quiet[lane] = memory.quiet.get(lane, 0) + 1
            reason = f"cooldown of route {target.route!r} until {show_time(said_ms + target.cooldown_ms)}"
            self._end_at_once(delivery, "quiet", reason, now_ms)
            return
        if target.sink in memory.gone:
            self._end_at_once(delivery, "dead", memory.gone[target.sink].reason, now_ms)
            return
        if message.kind in ("entered", "signal"):
            memory.said[lane] = now_ms
            memory.quiet.pop(lane, None)
        if target.due_ms > now_ms or target.digest:
            delivery.state = "held"
        memory.remember(delivery)
        memory.put(delivery)

    def _end_at_once(self, delivery: Delivery, state: State, reason: str, now_ms: int) -> None:
        self._memory.remember(delivery)
        self._memory.finish(delivery, state, now_ms, reason)

    def _with_notes(self, message: Message, target: Target, lane: tuple[str, str]) -> Message:
        """Return the message with what was held back, and why it comes when it comes."""
        notes = list(message.notes)
        if target.held and not target.digest:
            notes.append(f"Held back {target.held} until {show_time(target.due_ms)}")
        if held := self._memory.quiet.get(lane):
            notes.append(
                f"{held} more {'was' if held == 1 else 'were'} kept back by the cooldown since the last message"
            )
        return replace(message, notes=notes)

    def _addressed(self, message: Message, owner: str) -> Message:
        found = self._as.config.owners.get(owner)
        buttons: list[tuple[str, str]] = []
        if self._as.link_of is not None and message.kind in ("entered", "breached"):
            alert_id = message.about if message.kind == "breached" else message.id
            url = self._as.link_of(message.subject, alert_id, owner)
            buttons = [(label, f"{url}?do={action}") for action, label in ACTIONS]
        return replace(
            message,
            owner=owner,
            owner_slack=found.slack if found else "",
            owner_email=found.email if found else "",
            buttons=buttons,
        )

    def follow(self, message: Message, now_ms: int) -> None:
        """Say what follows an alert to those who heard, or will hear, of it."""
        if self._memory.knows(message.id):
            return
        for earlier in self._memory.of(message.about):
            if earlier.state in ("quiet", "dropped", "dead"):
                continue
            is_held = earlier.state == "held"
            if is_held and message.kind == "retracted":
                self._memory.finish(earlier, "dropped", now_ms, "retracted before anybody was told")
                continue
            owners = (earlier.owner,) if earlier.owner else ()
            target = Target(
                earlier.sink,
                "",
                owners,
                max(now_ms, earlier.due_ms) if is_held else now_ms,
                earlier.reason if is_held else "",
                is_held and earlier.in_digest,
            )
            self._start(self._addressed(message, earlier.owner), target, now_ms)
        if message.kind == "retracted":
            self._handoffs.retract(message.about, now_ms)

    def tell_breach(self, breach: Breach, now_ms: int) -> None:
        """Say that a lead was not contacted in time to whoever is asked now."""
        message = self._addressed(breach_message(breach.id, breach.handoff, breach.late, now_ms), breach.asked)
        for sink in breach.sinks:
            self._start(message, Target(sink, "", (breach.asked,), now_ms), now_ms)

    def bundle(self, members: list[Delivery], now_ms: int) -> None:
        """Make one digest of what waits for it."""
        sink, owner = members[0].sink, members[0].owner
        digest_id = digest_of(sink, owner, *(each.id for each in members))
        message = self._addressed(digest_message(digest_id, owner, members, now_ms), owner)
        for each in members:
            self._memory.lanes.remove(each)
            each.state, each.body = "bundled", ""
            each.reason = f"in the digest {digest_id}"
            self._memory.put(each)
        self._start(message, Target(sink, "", (owner,) if owner else (), now_ms), now_ms)
        digest = self._memory.deliveries.get(f"delivery|{sink}|{digest_id}")
        if digest is not None:
            digest.members = [each.key for each in members]
            if digest.is_open:
                self._memory.put(digest)
            else:
                self._memory.finish_members(digest, now_ms)
