"""The order of deliveries: per sink and subject one after the other, per sink the earliest due first. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from heapq import heappop, heappush

from streams.delivery.records import Delivery

_Place = tuple[int, int, tuple[str, str]]  # due (ms), number, lane


class Lanes:
    """Holds what is open: only the first of a lane, which is a sink and a subject, may be tried."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, str], deque[Delivery]] = {}
        self._due: dict[str, list[_Place]] = {}
        self._in_flight: dict[str, Delivery] = {}
        self.count = 0

    def add(self, delivery: Delivery) -> None:
        """Put a delivery at the end of its lane."""
        lane = self._lanes.setdefault(delivery.lane, deque())
        lane.append(delivery)
        self.count += 1
        if len(lane) == 1:
            self._offer(delivery)

    def remove(self, delivery: Delivery) -> None:
        """Take a delivery out, wherever in its lane it stands; the next one follows."""
        lane = self._lanes.get(delivery.lane)
        if lane is None or delivery not in lane:
            return
        self._in_flight.pop(delivery.key, None)
        was_first = lane[0] is delivery
        lane.remove(delivery)
        self.count -= 1
        if not lane:
            del self._lanes[delivery.lane]
        elif was_first:
            self._offer(lane[0])

    def put_off(self, delivery: Delivery) -> None:
        """Let the first of a lane wait until its new ``due_ms``."""
        self._in_flight.pop(delivery.key, None)
        if self._is_first(delivery):
            self._offer(delivery)

    def waiting(self, sink: str, subject: str) -> list[Delivery]:
        """Return what is open of a subject, breaches included."""
        lanes = ((sink, subject), (sink, f"breached|{subject}"))
        return [each for lane in lanes for each in self._lanes.get(lane, ())]

    def is_in_flight(self, key: str) -> bool:
        """Tell whether a delivery is being tried."""
        return key in self._in_flight

    def take_due(self, now_ms: int, room: Callable[[str], int]) -> Iterator[Delivery]:
        """Yield what is to be tried now, at most ``room(sink)`` per sink; each is in flight from then on."""
        for sink, places in self._due.items():
            left: int | None = None
            while places and places[0][0] <= now_ms:
                if self._current(places[0]) is None:
                    heappop(places)
                    continue
                left = room(sink) if left is None else left
                if left <= 0:
                    break
                delivery = self._current(heappop(places))
                assert delivery is not None
                left -= 1
                self._in_flight[delivery.key] = delivery
                yield delivery

    def next_due_ms(self) -> int | None:
        """Return when the next first of a lane is due; None while there is none."""
        due = []
        for places in self._due.values():
            while places and self._current(places[0]) is None:
                heappop(places)
            if places:
                due.append(places[0][0])
        return min(due, default=None)

    def _offer(self, delivery: Delivery) -> None:
        heappush(self._due.setdefault(delivery.sink, []), (delivery.due_ms, delivery.number, delivery.lane))

    def _current(self, place: _Place) -> Delivery | None:
        """Return the delivery that a place in the heap stands for, unless that has changed since."""
        due_ms, number, lane_of = place
        lane = self._lanes.get(lane_of)
        if not lane:
            return None
        first = lane[0]
        is_it = first.number == number and first.due_ms == due_ms and first.key not in self._in_flight
        return first if is_it else None

    def _is_first(self, delivery: Delivery) -> bool:
        lane = self._lanes.get(delivery.lane)
        return lane is not None and lane[0] is delivery
