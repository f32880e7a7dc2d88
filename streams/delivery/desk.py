"""One partition's desk: what is to be said to whom, when, and what became of it. Pure: time is an argument.

The desk takes alerts, signals, follow-ups, orders and the results of tries, and returns through :meth:`Desk.drain`
what has changed, as records of the topic ``deliveries``. It is opened again from these records alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from scoring.alerts import Alert
from scoring.follow_ups import FollowUp
from scoring.signal_records import BuyingSignal
from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config_sinks import DIGEST_KINDS
from streams.delivery.handoffs import ENDS_HANDOFF, Handoffs
from streams.delivery.memory import Changes, Memory
from streams.delivery.messages import alert_message, signal_message
from streams.delivery.planning import Plan, Planner
from streams.delivery.records import Delivery, Handoff, Meta, Order, Remembered, State
from streams.delivery.routing import Routing, facts_of, route

ENDS_TELLING: Final = ENDS_HANDOFF | {"accepted"}
"""What somebody has done about a lead, so that nobody need be told any more."""

_DAY_MS: Final = 86_400_000


class Desk:
    """The deliveries of one partition; ``remembered`` is what the topic holds of it."""

    def __init__(self, plan: Plan, remembered: Iterable[Remembered], now_ms: int) -> None:
        self.plan = plan
        self._changes = Changes()
        self._memory = Memory(self._changes, now_ms)
        self._handoffs = Handoffs(plan.config, self._changes)
        self._planner = Planner(plan, self._memory, self._handoffs)
        self._to_drop: dict[str, str] = {}
        remembered = list(remembered)
        targets = {name: sink.target for name, sink in plan.config.sinks.items()}
        self._memory.open(remembered, targets, now_ms)
        self._handoffs.open(remembered)

    @property
    def meta(self) -> Meta:
        """Where to go on."""
        return self._memory.meta

    @property
    def deliveries(self) -> Mapping[str, Delivery]:
        """All that is remembered, by key."""
        return self._memory.deliveries

    @property
    def handoffs(self) -> Mapping[str, Handoff]:
        """The clocks, by alert."""
        return self._handoffs.by_alert

    # ── what comes ───────────────────────────────────────────────────────────────────────────────────────────

    def take_alert(self, alert: Alert, now_ms: int) -> None:
        """Plan what is said of a lead that has entered a band, or what follows that it has left it."""
        message = alert_message(alert)
        if alert.kind == "entered":
            self._planner.plan(message, self._route(alert, now_ms), now_ms)
        else:
            self._planner.follow(message, now_ms)

    def take_signal(self, signal: BuyingSignal, now_ms: int) -> None:
        """Plan what is said of an account's buying signal."""
        self._planner.plan(signal_message(signal), self._route(signal, now_ms), now_ms)

    def _route(self, item: Alert | BuyingSignal, now_ms: int) -> Routing:
        return route(facts_of(item), self.plan.config, now_ms, self.plan.contact_within_ms)

    def take_follow_up(self, follow_up: FollowUp, now_ms: int) -> None:
        """Stop the clocks of a lead that somebody has contacted, and what people are still to be told of it."""
        self._handoffs.take_follow_up(follow_up, now_ms)
        if follow_up.action in ENDS_TELLING:
            reason = f"{follow_up.action}{f' by {follow_up.by}' if follow_up.by else ''} before it was told"
            for each in self._waiting_about(follow_up):
                self._drop(each, reason, now_ms)

    def _waiting_about(self, follow_up: FollowUp) -> Iterator[Delivery]:
        """Yield what waits for people about the alert that was answered; about all that came before, if it names none.

        Programs are told of every alert, whoever has answered it: they may count them.
        """
        assert isinstance(follow_up.time, int)
        for sink, config in self.plan.config.sinks.items():
            if config.kind not in DIGEST_KINDS:
                continue
            for each in self._memory.lanes.waiting(sink, follow_up.lead):
                alert_id = each.about or each.id
                if follow_up.alert_id == alert_id or (not follow_up.alert_id and each.at_ms <= follow_up.time):
                    yield each

    def take_order(self, order: Order, now_ms: int) -> None:
        """Do what a person has asked for: try a delivery again now, or give it up."""
        wanted = order.delivery
        delivery = self._memory.deliveries.get(wanted.key)
        by = f" by {order.by}" if order.by else ""
        if order.action == "drop":
            if delivery is not None and delivery.is_open:
                self._drop(delivery, f"dropped{by}", now_ms)
        elif wanted.sink in self.plan.config.sinks:
            self._memory.welcome(wanted.sink)
            if delivery is not None and delivery.is_open:
                self._hurry(delivery, now_ms)
            elif wanted.body and (delivery is None or delivery.state != "delivered"):
                wanted.state, wanted.due_ms, wanted.tries, wanted.first_try_ms = "pending", now_ms, 0, 0
                wanted.reason, wanted.done_ms, wanted.number = f"retried{by}", 0, self._memory.next_number()
                self._memory.remember(wanted)
                self._memory.put(wanted)

    def _drop(self, delivery: Delivery, reason: str, now_ms: int) -> None:
        """Give a delivery up; one that is being tried when that has failed."""
        if self._memory.lanes.is_in_flight(delivery.key):
            self._to_drop[delivery.key] = reason
        else:
            self._memory.finish(delivery, "dropped", now_ms, reason)

    def _hurry(self, delivery: Delivery, now_ms: int) -> None:
        """Let what waits wait no longer."""
        if delivery.state != "bundled" and not self._memory.lanes.is_in_flight(delivery.key):
            delivery.due_ms, delivery.in_digest = now_ms, False
            delivery.state = "pending" if delivery.state == "held" else delivery.state
            self._memory.lanes.put_off(delivery)
            self._memory.put(delivery)

    # ── tries ────────────────────────────────────────────────────────────────────────────────────────────────

    def take_due(self, now_ms: int, room: Callable[[str], int]) -> Iterator[Delivery]:
        """Yield what is to be tried now, at most ``room(sink)`` per sink; :meth:`settle` each of them."""
        return self._memory.lanes.take_due(now_ms, room)

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
                self._memory.finish(delivery, "delivered", now_ms, "")
            case Failed(is_gone=True, reason=reason):
                self._memory.part(delivery.sink, self.plan.config.sinks[delivery.sink].target, reason, now_ms)
            case Failed(is_final=True, reason=reason):
                self._memory.finish(delivery, "dead", now_ms, reason)
            case Failed(reason=reason):
                due_ms = self.plan.config.backoff.next_try(
                    delivery.key, delivery.tries, delivery.first_try_ms, now_ms, attempt.retry_after_ms
                )
                if dropped or due_ms is None:
                    state: State = "dropped" if dropped else "dead"
                    self._memory.finish(delivery, state, now_ms, dropped or f"gave up: {reason}")
                    return
                delivery.state, delivery.due_ms, delivery.reason = "retrying", due_ms, reason
                self._memory.lanes.put_off(delivery)
                self._memory.put(delivery)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────

    def tick(self, now_ms: int) -> None:
        """Do what time brings: breaches, digests, and forgetting."""
        for breach in self._handoffs.breaches(now_ms):
            self._planner.tell_breach(breach, now_ms)
        while members := self._memory.take_digest(now_ms):
            self._planner.bundle(members, now_ms)
        kept_ms = round(self.plan.config.kept_days * _DAY_MS)
        self._memory.forget_before(now_ms - kept_ms)
        self._handoffs.forget_before(now_ms - kept_ms)

    def next_ms(self) -> int | None:
        """Return when time brings something next; None while nothing waits."""
        times = (self._memory.next_ms(), self._handoffs.next_ms())
        return min((each for each in times if each is not None), default=None)

    @property
    def is_full(self) -> bool:
        """Whether so much is under way that no more is to be read."""
        return self._memory.lanes.count >= self.plan.config.open_max

    def advance(self, topic: str, offset: int) -> None:
        """Note that a topic was taken up to ``offset``."""
        self.meta.next[topic] = offset
        self._changes.put(self.meta)

    def drain(self) -> Changes:
        """Return what has changed since the last time."""
        return self._changes.take()


def state_counts(deliveries: Mapping[str, Delivery]) -> dict[tuple[str, str], int]:
    """Return how many deliveries stand where, by sink and state."""
    counts: dict[tuple[str, str], int] = {}
    for each in deliveries.values():
        counts[each.sink, each.state] = counts.get((each.sink, each.state), 0) + 1
    return counts
