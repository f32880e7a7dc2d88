"""One partition's desk: what is to be said to whom, when, and what became of it. Pure: time is an argument.

The desk takes alerts, signals, follow-ups, orders and the results of tries, and returns through :meth:`Desk.drain`
what has changed, as records of the topic ``deliveries``. It is opened again from these records alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Final

from scoring.alerts import Alert
from scoring.follow_ups import CONTACTED, FollowUp
from scoring.signal_records import BuyingSignal
from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config import DIGEST_KINDS, DeliveryConfig
from streams.delivery.lanes import Lanes
from streams.delivery.messages import (
    ACTIONS,
    LinkOf,
    Message,
    alert_message,
    breach_message,
    digest_message,
    show_time,
    signal_message,
)
from streams.delivery.records import Delivery, Handoff, Meta, Noted, Order, Remembered, SinkState, State, encode
from streams.delivery.routing import Routing, Target, facts_of, route

NOWHERE: Final = "-"
"""The sink of what no route matches."""

DONE_MAX: Final = 50_000
"""Finished deliveries that a partition remembers, beside the days that they are kept."""

NEVER: Final = 1 << 62
ENDS_HANDOFF: Final = CONTACTED | {"rejected", "suppressed"}
_DAY_MS: Final = 86_400_000

Render = Callable[[str, Message], str]
"""Sink and message → the body that is sent to it."""


@dataclass(frozen=True)
class Plan:
    """What a desk goes by: the delivery file, how sinks write, the links, and the model's time for a contact."""

    config: DeliveryConfig
    render: Render
    link_of: LinkOf | None = None
    contact_within_ms: int = 3_600_000


@dataclass
class Changes:
    """What is to be written together: records by key (None: forgotten), and follow-ups of our own."""

    records: dict[str, bytes | None]
    follow_ups: list[FollowUp]

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.records or self.follow_ups)


class Desk:
    """The deliveries of one partition; ``remembered`` is what the topic holds of it."""

    def __init__(self, plan: Plan, remembered: Iterable[Remembered], now_ms: int) -> None:
        self.plan = plan
        self.meta = Meta(began_ms=now_ms)
        self.lanes = Lanes()
        self.deliveries: dict[str, Delivery] = {}
        self.handoffs: dict[str, Handoff] = {}
        self.gone: dict[str, SinkState] = {}
        self._said: dict[tuple[str, str], int] = {}
        self._quiet: dict[tuple[str, str], int] = {}
        self._noted: dict[str, Noted] = {}
        self._keys_of: dict[str, list[str]] = {}
        self._alerts_of: dict[str, set[str]] = {}
        self._timers: list[tuple[int, str]] = []
        self._done: deque[tuple[int, str]] = deque()
        self._to_drop: dict[str, str] = {}
        self._changes = Changes({}, [])
        self._open(list(remembered), now_ms)

    # ── what comes ───────────────────────────────────────────────────────────────────────────────────────────

    def take_alert(self, alert: Alert, now_ms: int) -> None:
        """Plan what is said of a lead that has entered a band, or what follows that it has cooled."""
        message = alert_message(alert)
        if alert.kind == "entered":
            self._plan(message, route(facts_of(alert), self.plan.config, now_ms, self.plan.contact_within_ms), now_ms)
        else:
            self._follow(message, now_ms)

    def take_signal(self, signal: BuyingSignal, now_ms: int) -> None:
        """Plan what is said of an account's buying signal."""
        routing = route(facts_of(signal), self.plan.config, now_ms, self.plan.contact_within_ms)
        self._plan(signal_message(signal), routing, now_ms)

    def take_follow_up(self, follow_up: FollowUp, now_ms: int) -> None:
        """Stop the clocks of a lead that somebody has contacted, or that nobody is to."""
        if follow_up.action not in ENDS_HANDOFF:
            return
        assert isinstance(follow_up.time, int)
        for alert_id in {*self._alerts_of.get(follow_up.lead, ()), follow_up.alert_id}:
            handoff = self.handoffs.get(alert_id)
            if handoff is None or handoff.closed:
                continue
            if alert_id == follow_up.alert_id or follow_up.time >= handoff.at_ms:
                self._close(handoff, follow_up.action, now_ms)
        noted = self._noted.get(follow_up.lead)
        if noted is None or noted.time_ms <= follow_up.time:
            self._note(Noted(lead=follow_up.lead, action=follow_up.action, time_ms=follow_up.time, done_ms=now_ms))

    def take_order(self, order: Order, now_ms: int) -> None:
        """Do what a person has asked for: try a delivery again now, or give it up."""
        wanted = order.delivery
        delivery = self.deliveries.get(wanted.key)
        by = f" by {order.by}" if order.by else ""
        if order.action == "drop":
            if delivery is None or not delivery.is_open:
                return
            if self.lanes.is_in_flight(delivery.key):
                self._to_drop[delivery.key] = f"dropped{by}"
            else:
                self._finish(delivery, "dropped", now_ms, f"dropped{by}")
            return
        if wanted.sink not in self.plan.config.sinks:
            return
        self._welcome(wanted.sink)
        if delivery is not None and delivery.is_open:
            if delivery.state != "bundled" and not self.lanes.is_in_flight(delivery.key):
                delivery.due_ms, delivery.in_digest = now_ms, False
                delivery.state = "pending" if delivery.state == "held" else delivery.state
                self.lanes.put_off(delivery)
                self._put(delivery)
        elif wanted.body and (delivery is None or delivery.state != "delivered"):
            wanted.state, wanted.due_ms, wanted.tries, wanted.first_try_ms = "pending", now_ms, 0, 0
            wanted.reason, wanted.done_ms, wanted.number = f"retried{by}", 0, self._next_number()
            self._remember(wanted)
            self._put(wanted)

    # ── what goes ────────────────────────────────────────────────────────────────────────────────────────────

    def take_due(self, now_ms: int, room: Callable[[str], int]) -> Iterator[Delivery]:
        """Yield what is to be tried now, at most ``room(sink)`` per sink."""
        return self.lanes.take_due(now_ms, room)

    def earlier_ref(self, delivery: Delivery) -> str:
        """Return what the receiver calls the message that this one follows; empty where there is none."""
        about = self.deliveries.get(f"delivery|{delivery.sink}|{delivery.about}") if delivery.about else None
        return about.ref if about is not None else ""

    def settle(self, delivery: Delivery, attempt: Attempt, now_ms: int) -> None:
        """Note what a try came to."""
        if self.deliveries.get(delivery.key) is not delivery or not delivery.is_open:
            return
        delivery.tries += 1
        delivery.first_try_ms = delivery.first_try_ms or now_ms
        dropped = self._to_drop.pop(delivery.key, "")
        match attempt:
            case Sent(ref=ref):
                delivery.ref = ref
                self._finish(delivery, "delivered", now_ms, "")
            case Failed(is_gone=True, reason=reason):
                self._part(delivery.sink, reason, now_ms)
            case Failed(is_final=True, reason=reason):
                self._finish(delivery, "dead", now_ms, reason)
            case Failed(reason=reason):
                due_ms = self.plan.config.backoff.next_try(
                    delivery.key, delivery.tries, delivery.first_try_ms, now_ms, attempt.retry_after_ms
                )
                if dropped or due_ms is None:
                    self._finish(delivery, "dropped" if dropped else "dead", now_ms, dropped or f"gave up: {reason}")
                    return
                delivery.state, delivery.due_ms, delivery.reason = "retrying", due_ms, reason
                self.lanes.put_off(delivery)
                self._put(delivery)

    def tick(self, now_ms: int) -> None:
        """Do what time brings: breaches, digests, and forgetting."""
        while self._timers and self._timers[0][0] <= now_ms:
            _, key = heappop(self._timers)
            handoff = self.handoffs.get(key)
            if handoff is not None and not handoff.closed and handoff.due_ms <= now_ms:
                self._breach(handoff, now_ms)
            delivery = self.deliveries.get(key)
            if delivery is not None and delivery.state == "held" and delivery.in_digest and delivery.due_ms <= now_ms:
                self._bundle(delivery.sink, delivery.owner, now_ms)
        kept_ms = round(self.plan.config.kept_days * _DAY_MS)
        while self._done and (self._done[0][0] <= now_ms - kept_ms or len(self._done) > DONE_MAX):
            self._forget(*self._done.popleft())

    def next_ms(self) -> int | None:
        """Return when time brings something next; None while nothing waits."""
        times = [self._timers[0][0]] if self._timers else []
        due_ms = self.lanes.next_due_ms()
        return min(times if due_ms is None else [*times, due_ms], default=None)

    @property
    def is_full(self) -> bool:
        """Whether so much is under way that no more is to be read."""
        return self.lanes.count >= self.plan.config.open_max

    def advance(self, topic: str, offset: int) -> None:
        """Note that a topic was taken up to ``offset``."""
        self.meta.next[topic] = offset
        self._put(self.meta)

    def drain(self) -> Changes:
        """Return what has changed since the last time."""
        changes, self._changes = self._changes, Changes({}, [])
        return changes

    # ── planning ─────────────────────────────────────────────────────────────────────────────────────────────

    def _plan(self, message: Message, routing: Routing, now_ms: int) -> None:
        if message.id in self._keys_of:
            return
        owner = routing.owners[0] if routing.owners else ""
        if not routing.targets:
            self._start(message, Target(NOWHERE, "", (), now_ms), now_ms)
        for target in routing.targets:
            asked = target.owners[0] if target.owners else owner
            self._start(self._addressed(message, asked), target, now_ms)
        if routing.contact_within_ms is not None and owner and message.id not in self.handoffs:
            self._time(message, routing, now_ms)

    def _start(self, message: Message, target: Target, now_ms: int) -> None:
        """Make a delivery of a message to one sink, and put it on its way unless something keeps it."""
        lane = (target.sink, message.subject)
        delivery = Delivery(
            id=message.id,
            sink=target.sink,
            kind=message.kind,
            subject=message.subject,
            number=self._next_number(),
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
        delivery.body = self.plan.render(target.sink, self._with_notes(message, target, lane))
        said_ms = self._said.get(lane)
        if target.cooldown_ms and said_ms is not None and now_ms < said_ms + target.cooldown_ms:
            self._quiet[lane] = self._quiet.get(lane, 0) + 1
            reason = f"cooldown of route {target.route!r} until {show_time(said_ms + target.cooldown_ms)}"
            self._end_at_once(delivery, "quiet", reason, now_ms)
            return
        if target.sink in self.gone:
            self._end_at_once(delivery, "dead", self.gone[target.sink].reason, now_ms)
            return
        if message.kind in ("entered", "signal"):
            self._said[lane] = now_ms
            self._quiet.pop(lane, None)
        if target.due_ms > now_ms or target.digest:
            delivery.state = "held"
        self._remember(delivery)
        self._put(delivery)

    def _end_at_once(self, delivery: Delivery, state: State, reason: str, now_ms: int) -> None:
        self._remember(delivery)
        self._finish(delivery, state, now_ms, reason)

    def _with_notes(self, message: Message, target: Target, lane: tuple[str, str]) -> Message:
        """Return the message with what was held back, and why it comes when it comes."""
        notes = list(message.notes)
        if target.held and not target.digest:
            notes.append(f"Held back {target.held} until {show_time(target.due_ms)}")
        if held := self._quiet.get(lane):
            notes.append(
                f"{held} more {'was' if held == 1 else 'were'} kept back by the cooldown since the last message"
            )
        return replace(message, notes=notes)

    def _addressed(self, message: Message, owner: str) -> Message:
        found = self.plan.config.owners.get(owner)
        buttons: list[tuple[str, str]] = []
        if self.plan.link_of is not None and message.kind in ("entered", "breached"):
            alert_id = message.about if message.kind == "breached" else message.id
            url = self.plan.link_of(message.subject, alert_id, owner)
            buttons = [(label, f"{url}?do={action}") for action, label in ACTIONS]
        return replace(
            message,
            owner=owner,
            owner_slack=found.slack if found else "",
            owner_email=found.email if found else "",
            buttons=buttons,
        )

    def _follow(self, message: Message, now_ms: int) -> None:
        """Say what follows an alert to those who heard, or will hear, of it."""
        if message.id in self._keys_of:
            return
        for key in list(self._keys_of.get(message.about, ())):
            earlier = self.deliveries[key]
            if earlier.state in ("quiet", "dropped", "dead"):
                continue
            held = earlier.state == "held"
            due_ms = max(now_ms, earlier.due_ms) if held else now_ms
            owners = (earlier.owner,) if earlier.owner else ()
            target = Target(
                earlier.sink, "", owners, due_ms, earlier.reason if held else "", held and earlier.in_digest
            )
            self._start(self._addressed(message, earlier.owner), target, now_ms)
        handoff = self.handoffs.get(message.about)
        if message.kind == "retracted" and handoff is not None and not handoff.closed:
            self._close(handoff, "retracted", now_ms)

    # ── clocks ───────────────────────────────────────────────────────────────────────────────────────────────

    def _time(self, message: Message, routing: Routing, now_ms: int) -> None:
        """Start the clock of a lead's follow-up, from the moment of its crossing."""
        assert routing.contact_within_ms is not None
        at_ms = min(message.time_ms, now_ms)
        handoff = Handoff(
            id=message.id,
            lead=message.subject,
            band=str(message.record.get("band", "")),
            at_ms=at_ms,
            due_ms=self._deadline(routing.owners[0], at_ms, routing.contact_within_ms),
            owners=list(routing.owners),
            title=message.title,
            within_ms=routing.contact_within_ms,
            sinks=[
                t.sink for t in routing.targets if self.plan.config.sinks[t.sink].kind in DIGEST_KINDS | {"webhook"}
            ],
        )
        self._keep(handoff)
        self._put(handoff)
        noted = self._noted.get(handoff.lead)
        if noted is not None and noted.time_ms >= handoff.at_ms:
            self._close(handoff, noted.action, now_ms)

    def _note(self, noted: Noted) -> None:
        self._noted[noted.lead] = noted
        self._done.append((noted.done_ms, noted.key))
        self._put(noted)

    def _deadline(self, owner: str, from_ms: int, within_ms: int) -> int:
        hours = self.plan.config.hours_of(owner)
        return from_ms + within_ms if hours is None else hours.after(from_ms, within_ms)

    def _breach(self, handoff: Handoff, now_ms: int) -> None:
        """Say that a lead was not contacted in time, to the next person, whose time begins."""
        late, due_ms = handoff.owners[handoff.step], handoff.due_ms
        breach_id = _digest(handoff.id, "breached", str(handoff.step))
        follow_up = FollowUp(
            id=breach_id,
            lead=handoff.lead,
            action="breached",
            time=due_ms,
            alert_id=handoff.id,
            by=late,
            source="delivery",
        )
        self._changes.follow_ups.append(follow_up)
        following = handoff.owners[handoff.step + 1 :]
        asked = following[0] if following else late
        message = breach_message(breach_id, handoff, late, now_ms)
        for sink in handoff.sinks:
            if sink in self.plan.config.sinks:
                self._start(self._addressed(message, asked), Target(sink, "", (asked,), now_ms), now_ms)
        if following:
            handoff.step += 1
            handoff.due_ms = self._deadline(asked, now_ms, handoff.within_ms)
            heappush(self._timers, (handoff.due_ms, handoff.id))
            self._put(handoff)
        else:
            self._close(handoff, "breached", now_ms)

    def _close(self, handoff: Handoff, action: str, now_ms: int) -> None:
        handoff.closed, handoff.done_ms = action, now_ms
        self._alerts_of.get(handoff.lead, set()).discard(handoff.id)
        self._done.append((now_ms, handoff.id))
        self._put(handoff)

    def _bundle(self, sink: str, owner: str, now_ms: int) -> None:
        """Make one digest of all that waits for it."""
        members = [
            each
            for each in self.deliveries.values()
            if each.state == "held"
            and each.in_digest
            and (each.sink, each.owner) == (sink, owner)
            and each.due_ms <= now_ms
        ]
        members.sort(key=lambda each: each.number)
        digest_id = _digest(sink, owner, *(each.id for each in members))
        message = self._addressed(digest_message(digest_id, owner, members, now_ms), owner)
        for each in members:
            self.lanes.remove(each)
            each.state, each.body = "bundled", ""
            each.reason = f"in the digest {digest_id}"
            self._put(each)
        self._start(message, Target(sink, "", (owner,) if owner else (), now_ms), now_ms)
        digest = self.deliveries.get(f"delivery|{sink}|{digest_id}")
        if digest is not None:
            digest.members = [each.key for each in members]
            if digest.is_open:
                self._put(digest)
            else:
                self._finish_members(digest, now_ms)

    # ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _finish(self, delivery: Delivery, state: State, now_ms: int, reason: str) -> None:
        self.lanes.remove(delivery)
        delivery.state, delivery.reason, delivery.done_ms = state, reason, now_ms
        if state == "delivered":
            delivery.body = ""
        self._put(delivery)
        delivery.body = ""  # of what is not delivered the topic has it, for whoever wants it tried again
        self._done.append((now_ms, delivery.key))
        self._finish_members(delivery, now_ms)

    def _finish_members(self, digest: Delivery, now_ms: int) -> None:
        """Let what was in a digest end as the digest did."""
        for key in digest.members:
            member = self.deliveries.get(key)
            if member is not None and member.state == "bundled":
                member.state, member.done_ms, member.ref = digest.state, now_ms, digest.ref
                self._put(member)
                self._done.append((now_ms, key))

    def _part(self, sink: str, reason: str, now_ms: int) -> None:
        """Leave a sink alone that is gone: what waits for it is dead, visibly."""
        gone = SinkState(sink=sink, target=self.plan.config.sinks[sink].target, reason=reason, at_ms=now_ms)
        self.gone[sink] = gone
        self._put(gone)
        for each in [each for each in self.deliveries.values() if each.sink == sink and each.is_open]:
            if each.state != "bundled":
                self._finish(each, "dead", now_ms, reason)

    def _welcome(self, sink: str) -> None:
        gone = self.gone.pop(sink, None)
        if gone is not None:
            self._changes.records[gone.key] = None

    def _forget(self, done_ms: int, key: str) -> None:
        delivery, handoff = self.deliveries.get(key), self.handoffs.get(key)
        if delivery is not None and not delivery.is_open and delivery.done_ms == done_ms:
            del self.deliveries[key]
            self._changes.records[key] = None
            keys = self._keys_of.get(delivery.id, [])
            if key in keys:
                keys.remove(key)
            if not keys:
                self._keys_of.pop(delivery.id, None)
            lane = (delivery.sink, delivery.subject)
            if self._said.get(lane, NEVER) <= done_ms:
                del self._said[lane]
        elif handoff is not None and handoff.closed and handoff.done_ms == done_ms:
            del self.handoffs[key]
            self._changes.records[handoff.key] = None
        elif key.startswith("noted|"):
            noted = self._noted.get(key.removeprefix("noted|"))
            if noted is not None and noted.done_ms == done_ms:
                del self._noted[noted.lead]
                self._changes.records[key] = None

    # ── memory ───────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, remembered: list[Remembered], now_ms: int) -> None:
        ended: list[tuple[int, str]] = []
        deliveries: list[Delivery] = []
        for each in remembered:
            match each:
                case Meta():
                    self.meta = each
                case SinkState():
                    sink = self.plan.config.sinks.get(each.sink)
                    if sink is not None and sink.target == each.target:
                        self.gone[each.sink] = each
                    else:
                        self._changes.records[each.key] = None  # it has another address by now
                case Handoff():
                    self._keep(each)
                    if each.closed:
                        ended.append((each.done_ms, each.id))
                case Noted():
                    self._noted[each.lead] = each
                    ended.append((each.done_ms, each.key))
                case Delivery():
                    deliveries.append(each)
                case _:
                    pass  # fields of CRMs: they have a book of their own
        for each in sorted(deliveries, key=lambda delivery: delivery.number):
            self._remember(each)
            if not each.is_open:
                each.body = ""
                ended.append((each.done_ms, each.key))
            if each.kind in ("entered", "signal") and each.state not in ("quiet", "dropped"):
                self._said[each.sink, each.subject] = max(each.at_ms, self._said.get((each.sink, each.subject), 0))
                self._quiet.pop((each.sink, each.subject), None)
            elif each.state == "quiet":
                self._quiet[each.sink, each.subject] = self._quiet.get((each.sink, each.subject), 0) + 1
        self._done.extend(sorted(ended))
        for each in deliveries:
            if each.is_open and each.sink not in self.plan.config.sinks:
                self._finish(each, "dead", now_ms, "the sink is not in the delivery file any more")

    def _remember(self, delivery: Delivery) -> None:
        self.deliveries[delivery.key] = delivery
        keys = self._keys_of.setdefault(delivery.id, [])
        if delivery.key not in keys:
            keys.append(delivery.key)
        if delivery.is_open and delivery.state != "bundled":
            self.lanes.add(delivery)
            if delivery.in_digest and delivery.state == "held":
                heappush(self._timers, (delivery.due_ms, delivery.key))

    def _keep(self, handoff: Handoff) -> None:
        self.handoffs[handoff.id] = handoff
        if not handoff.closed:
            self._alerts_of.setdefault(handoff.lead, set()).add(handoff.id)
            heappush(self._timers, (handoff.due_ms, handoff.id))

    def _next_number(self) -> int:
        number, self.meta.number = self.meta.number, self.meta.number + 1
        return number

    def _put(self, record: Remembered) -> None:
        self._changes.records[record.key] = encode(record)
        if isinstance(record, Delivery):
            self._changes.records[self.meta.key] = encode(self.meta)  # the number goes along


def _digest(*parts: str) -> str:
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def state_counts(deliveries: Mapping[str, Delivery]) -> dict[tuple[str, str], int]:
    """Return how many deliveries stand where, by sink and state."""
    counts: dict[tuple[str, str], int] = {}
    for each in deliveries.values():
        counts[each.sink, each.state] = counts.get((each.sink, each.state), 0) + 1
    return counts
