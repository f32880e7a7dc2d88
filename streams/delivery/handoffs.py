"""The clocks of one partition: who is to contact which lead by when, and who is asked when nobody has. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

from scoring.follow_ups import CONTACTED, FollowUp
from streams.delivery.config import DeliveryConfig
from streams.delivery.config_sinks import DIGEST_KINDS
from streams.delivery.memory import DONE_MAX, Changes
from streams.delivery.messages import Message, digest_of
from streams.delivery.records import Handoff, Noted, Remembered
from streams.delivery.routing import Routing

ENDS_HANDOFF: Final = CONTACTED | {"rejected", "suppressed"}


@dataclass(frozen=True)
class Breach:
    """That ``late`` did not contact a lead in time; ``asked`` is told, and of the same where nobody else is left."""

    id: str
    handoff: Handoff
    late: str
    asked: str
    sinks: Sequence[str]


class Handoffs:
    """All clocks of a partition; what changes is noted among the ``changes``."""

    def __init__(self, config: DeliveryConfig, changes: Changes) -> None:
        self.by_alert: dict[str, Handoff] = {}
        self._config = config
        self._changes = changes
        self._noted: dict[str, Noted] = {}
        self._alerts_of: dict[str, set[str]] = {}
        self._timers: list[tuple[int, str]] = []
        self._done: deque[tuple[int, str]] = deque()

    def open(self, remembered: Iterable[Remembered]) -> None:
        """Take in what the topic holds."""
        done: list[tuple[int, str]] = []
        for each in remembered:
            match each:
                case Handoff():
                    self._keep(each)
                    if each.closed:
                        done.append((each.done_ms, each.key))
                case Noted():
                    self._noted[each.lead] = each
                    done.append((each.done_ms, each.key))
                case _:
                    pass  # deliveries, and fields of CRMs
        self._done.extend(sorted(done))

    def begin(self, message: Message, routing: Routing, now_ms: int) -> None:
        """Start the clock of a lead's follow-up, from the moment of its crossing."""
        if routing.contact_within_ms is None or not routing.owners or message.id in self.by_alert:
            return
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
            sinks=[t.sink for t in routing.targets if self._config.sinks[t.sink].kind in DIGEST_KINDS | {"webhook"}],
        )
        self._keep(handoff)
        self._changes.put(handoff)
        noted = self._noted.get(handoff.lead)
        if noted is not None and noted.time_ms >= handoff.at_ms:
            self._close(handoff, noted.action, now_ms)

    def take_follow_up(self, follow_up: FollowUp, now_ms: int) -> None:
        """Stop the clocks of a lead that somebody has contacted, or that nobody is to."""
        if follow_up.action not in ENDS_HANDOFF:
            return
        assert isinstance(follow_up.time, int)
        for alert_id in {*self._alerts_of.get(follow_up.lead, ()), follow_up.alert_id}:
            handoff = self.by_alert.get(alert_id)
            if handoff is None or handoff.closed:
                continue
            if alert_id == follow_up.alert_id or follow_up.time >= handoff.at_ms:
                self._close(handoff, follow_up.action, now_ms)
        noted = self._noted.get(follow_up.lead)
        if noted is None or noted.time_ms <= follow_up.time:
            self._note(Noted(lead=follow_up.lead, action=follow_up.action, time_ms=follow_up.time, done_ms=now_ms))

    def retract(self, alert_id: str, now_ms: int) -> None:
        """Stop the clock of an alert that was none."""
        handoff = self.by_alert.get(alert_id)
        if handoff is not None and not handoff.closed:
            self._close(handoff, "retracted", now_ms)

    def breaches(self, now_ms: int) -> Iterator[Breach]:
        """Yield what is late by now, as a follow-up, too; the next person's time has begun by then."""
        while self._timers and self._timers[0][0] <= now_ms:
            handoff = self.by_alert.get(heappop(self._timers)[1])
            if handoff is not None and not handoff.closed and handoff.due_ms <= now_ms:
                yield self._breach(handoff, now_ms)

    def _breach(self, handoff: Handoff, now_ms: int) -> Breach:
        late, due_ms = handoff.owners[handoff.step], handoff.due_ms
        breach_id = digest_of(handoff.id, "breached", str(handoff.step))
        self._changes.follow_ups.append(
            FollowUp(
                id=breach_id,
                lead=handoff.lead,
                action="breached",
                time=due_ms,
                alert_id=handoff.id,
                by=late,
                source="delivery",
            )
        )
        following = handoff.owners[handoff.step + 1 :]
        asked = following[0] if following else late
        if following:
            handoff.step += 1
            handoff.due_ms = self._deadline(asked, now_ms, handoff.within_ms)
            heappush(self._timers, (handoff.due_ms, handoff.id))
            self._changes.put(handoff)
        else:
            self._close(handoff, "breached", now_ms)
        return Breach(breach_id, handoff, late, asked, [each for each in handoff.sinks if each in self._config.sinks])

    def next_ms(self) -> int | None:
        """Return when a clock is due next; None while none runs."""
        return self._timers[0][0] if self._timers else None

    def forget_before(self, time_ms: int) -> None:
        """Forget what ended before, and the oldest of what is too much."""
        while self._done and (self._done[0][0] <= time_ms or len(self._done) > DONE_MAX):
            done_ms, key = self._done.popleft()
            kind, _, name = key.partition("|")
            kept: dict[str, Handoff] | dict[str, Noted] = self.by_alert if kind == "handoff" else self._noted
            ended = kept.get(name)
            if ended is not None and ended.done_ms == done_ms:
                del kept[name]
                self._changes.forget(key)

    def _keep(self, handoff: Handoff) -> None:
        self.by_alert[handoff.id] = handoff
        if not handoff.closed:
            self._alerts_of.setdefault(handoff.lead, set()).add(handoff.id)
            heappush(self._timers, (handoff.due_ms, handoff.id))

    def _close(self, handoff: Handoff, action: str, now_ms: int) -> None:
        handoff.closed, handoff.done_ms = action, now_ms
        alerts = self._alerts_of.get(handoff.lead, set())
        alerts.discard(handoff.id)
        if not alerts:
            self._alerts_of.pop(handoff.lead, None)
        self._done.append((now_ms, handoff.key))
        self._changes.put(handoff)

    def _note(self, noted: Noted) -> None:
        self._noted[noted.lead] = noted
        self._done.append((noted.done_ms, noted.key))
        self._changes.put(noted)

    def _deadline(self, owner: str, from_ms: int, within_ms: int) -> int:
        hours = self._config.hours_of(owner)
        return from_ms + within_ms if hours is None else hours.after(from_ms, within_ms)
