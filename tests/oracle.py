"""What every score, band and alert has to be: the definitions in plain sums, to hold the engine against.

This is written to be trusted, not to be fast, and on purpose unlike the engine: nothing is kept up to date, and
every score is summed afresh over all events of the lead. Of the engine it uses the model's declared data, the
reference meaning of a condition (:func:`scoring.conditions.holds`) and the recipe of the alert ids.

The definitions, for one lead:

- *Accepted* are the events whose id is not among the last 64 accepted ones. All others change nothing.
- A rule *matches* an accepted event of its types that meets its conditions. Of the events with one key, a rule with
  ``once_per`` counts only the earliest. The lead remembers 64 keys, of all its rules, in the order in which they
  were first seen; a forgotten one that comes again is new.
- ``score(t) = max(0, Σ rules ± min(points_max, Σ matches |points|·2^(−(t − match)/half-life)))``, compared after
  rounding to six places.
- The lead's *now* is the latest time of its accepted events. Each event that changes what is counted may move
  the band at that time: up to the highest band entered (``score ≥ enter``), or down while ``score < leave``.
- In silence the band falls at the first whole ms at which the score is below ``leave``. An event finds that done,
  also if it happens in the same ms.
- A match of a rule with ``hot`` holds the lead in the highest band until its time + ``hold_days``; one that once per
  does not count holds nobody.
- Bands with a cooldown alert. Of several that are entered at once, the highest does, if the last alert of the lead
  is a cooldown old, the crossing was received at most ``max_age_h`` later, and the lead is none of our own people.
  The latest alert is open until the lead leaves any band that alerts; then it has cooled.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import floor, inf, log2
from typing import Any, NamedTuple

from scoring.alerts import alert_id, cooled_id
from scoring.conditions import holds
from scoring.model import Band, Rule, ScoringModel

REMEMBERED = 64
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CENTURY_MS = 100 * 365 * DAY_MS
"""What has not cooled within this time never does."""


class Said(NamedTuple):
    """What an alert has to say; the engine's alerts are reduced to it for comparison."""

    id: str
    kind: str
    lead: str
    band: str
    from_band: str
    time_ms: int
    score: float


class Expected(NamedTuple):
    """What has to come of a run: the leads by id, and all alerts in the order of consumption."""

    leads: dict[str, Lead]
    said: list[Said]


def expect(model: ScoringModel, consumed: Iterable[tuple[Mapping[str, Any], int]]) -> Expected:
    """Return what has to come of events, each with the time at which it was received (ms), in order of consumption.

    The events are valid ones, as on the wire, with ``time`` in ms.
    """
    leads: dict[str, Lead] = {}
    said: list[Said] = []
    for event, received_ms in consumed:
        name = lead_of(event)
        said += leads.setdefault(name, Lead(name, model)).consume(event, received_ms)
    return Expected(leads, said)


def lead_of(event: Mapping[str, Any]) -> str:
    """Return the lead that an event is about: by email, else by user, else by visitor."""
    if event.get("email") is not None:
        return "email:" + str(event["email"]).strip().lower()
    if event.get("user_id") is not None:
        return f"user:{event['user_id']}"
    return f"anon:{event['anonymous_id']}"


class Lead:
    """One lead: its accepted events, and what was said of it until now. ``band`` 0 is cold."""

    def __init__(self, name: str, model: ScoringModel) -> None:
        self.name = name
        self.model = model
        self.bands: list[Band] = list(model.bands.values())
        self.accepted: list[Mapping[str, Any]] = []
        self.counted: dict[str, list[int]] = {}
        self.band = 0
        self.held_until = 0
        self.alerted_at: int | None = None
        self.open_alert: str | None = None

    @property
    def now(self) -> int:
        """The latest time of the lead's events (ms)."""
        return max(event["time"] for event in self.accepted)

    @property
    def band_name(self) -> str:
        return self._name(self.band)

    def score_at(self, time_ms: int) -> float:
        """Return the score at a time that is not before the lead's last event."""
        return round(max(0.0, sum(fading.at(0) for fading in self._fadings(time_ms))), 6)

    def cools_at(self) -> int | None:
        """Return the time (ms) at which the lead leaves its band if nothing more happens; None: never."""
        return self._first_below(self.now, inf) if self.band else None

    def consume(self, event: Mapping[str, Any], received_ms: int) -> list[Said]:
        """Take in one event and return what is said because of it, coolings that came before it first."""
        if event["id"] in [known["id"] for known in self.accepted[-REMEMBERED:]]:
            return []
        said = self._cool(until=max(event["time"], self.now)) if self.accepted else []
        before = self.counted
        self.accepted.append(event)
        self.counted = count_matches(self.model.rules, self.accepted)
        changed = [name for name in self.counted if self.counted[name] != before.get(name)]
        for name in changed:
            hold_days = self.model.rules[name].hold_days
            if hold_days is not None:
                self.held_until = max(self.held_until, event["time"] + int(hold_days * DAY_MS))
        return said + self._change_band(event, received_ms) if changed else said

    def _change_band(self, event: Mapping[str, Any], received_ms: int) -> list[Said]:
        now, previous = self.now, self.band
        score = self.score_at(now)
        held = self.held_until > now
        reached = max((number for number, band in enumerate(self.bands, 1) if held or score >= band.enter), default=0)
        if reached > previous:
            self.band = reached
            alerting = [number for number in range(previous + 1, reached + 1) if self._cooldown_ms(number) is not None]
            return self._enter(alerting[-1], previous, event, received_ms) if alerting else []
        if self.band and not held and score < self.bands[self.band - 1].leave:
            return self._fall(now)
        return []

    def _enter(self, band: int, previous: int, event: Mapping[str, Any], received_ms: int) -> list[Said]:
        now, cooldown_ms = self.now, self._cooldown_ms(band)
        assert cooldown_ms is not None
        if self.alerted_at is not None and now - self.alerted_at < cooldown_ms:
            return []
        if received_ms - now > self.model.alerts.max_age_h * HOUR_MS:
            return []
        own_domains = self.model.names.get("own_domains", ())
        if any(holds(condition, {"email_domain": self.name.split("@")[-1]}) for condition in own_domains):
            return []
        self.alerted_at = now
        self.open_alert = alert_id(self.name, self._name(band), event["id"])
        return [
            Said(self.open_alert, "entered", self.name, self._name(band), self._name(previous), now, self.score_at(now))
        ]

    def _cool(self, until: int) -> list[Said]:
        """Let the band fall at every time up to ``until`` at which the score had become too low for it."""
        said: list[Said] = []
        since = self.now
        while self.band:
            at = self._first_below(since, until)
            if at is None:
                break
            said += self._fall(at)
            since = at
        return said

    def _fall(self, at: int) -> list[Said]:
        """Drop to the highest band in which the score at ``at`` may stay."""
        previous, score = self.band, self.score_at(at)
        while self.band and score < self.bands[self.band - 1].leave:
            self.band -= 1
        left = range(self.band + 1, previous + 1)
        if self.open_alert is None or all(self._cooldown_ms(number) is None for number in left):
            return []
        cooled, self.open_alert = cooled_id(self.open_alert), None
        return [Said(cooled, "cooled", self.name, self.band_name, self._name(previous), at, score)]

    def _first_below(self, since: int, until: float) -> int | None:
        """Return the first ms in since..until at which the score is below what the band needs, and no hold helps."""
        start = max(since, self.held_until) if self.band == len(self.bands) else since
        if start > until:
            return None
        wait = first_below(self._fadings(start), self.bands[self.band - 1].leave, min(until - start, CENTURY_MS))
        return None if wait is None else start + wait

    def _fadings(self, time_ms: int) -> list[Fading]:
        """Return what each rule contributes from ``time_ms`` on."""
        fadings = []
        for name, times in self.counted.items():
            rule = self.model.rules[name]
            half_life_ms = rule.half_life_days * DAY_MS
            points = sum(rule.points * 2.0 ** ((match - time_ms) / half_life_ms) for match in times)
            fadings.append(Fading(points, half_life_ms, rule.points_max))
        return fadings

    def _cooldown_ms(self, band: int) -> float | None:
        cooldown_h = self.bands[band - 1].cooldown_h
        return None if cooldown_h is None else cooldown_h * HOUR_MS

    def _name(self, band: int) -> str:
        return self.bands[band - 1].name if band else "cold"


def count_matches(rules: Mapping[str, Rule], accepted: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Return the times of the matches that count, by rule.

    A match with a once-per key lies at the earliest time of that key, for as long as the key is remembered.
    """
    counted: dict[str, list[int]] = {}
    remembered: dict[tuple[str, str], int] = {}  # which of its rule's matches a key stands for, oldest key first
    for event in accepted:
        for name, rule in rules.items():
            properties = event.get("properties", {})
            if event["type"] not in rule.on or not all(holds(condition, properties) for condition in rule.where):
                continue
            times = counted.setdefault(name, [])
            if rule.once_per is None:
                times.append(event["time"])
                continue
            value = properties.get(rule.once_per)
            key = (name, "" if value is None else str(value))
            if key in remembered:
                times[remembered[key]] = min(times[remembered[key]], event["time"])
                continue
            remembered[key] = len(times)
            times.append(event["time"])
            if len(remembered) > REMEMBERED:
                del remembered[next(iter(remembered))]
    return counted


# ── when a sum of fading terms is first below a level ────────────────────────────────────────────────────────


class Fading(NamedTuple):
    """``points`` (signed) now, half as many after each half-life (inf: steady), never more than ``ceiling``."""

    points: float
    half_life_ms: float
    ceiling: float = inf

    def at(self, wait_ms: float) -> float:
        """Return the points ``wait_ms`` from now."""
        return max(-self.ceiling, min(self.ceiling, self.points * 2.0 ** (-wait_ms / self.half_life_ms)))

    def leaves_ceiling_after(self) -> float:
        """Return for how long (ms) from now the ceiling cuts this off."""
        if abs(self.points) <= self.ceiling:
            return 0.0
        return self.half_life_ms * log2(abs(self.points) / self.ceiling) if self.half_life_ms < inf else inf


def first_below(fadings: Sequence[Fading], level: float, within_ms: float) -> int | None:
    """Return the first wait (whole ms, 0 to ``within_ms``) at which the sum, to six places, is below ``level``.

    Time is cut where the sum may turn, so that in every piece it only rises or only falls. The first piece with
    a low end holds the answer, and halving finds it there.
    """

    def is_below(wait_ms: float) -> bool:
        return round(sum(fading.at(wait_ms) for fading in fadings), 6) < level

    if is_below(0):
        return 0
    for before, after in pairwise(_cuts(fadings, floor(within_ms))):
        if is_below(after):
            return bisect_left(range(after), True, before + 1, key=is_below)
    return None


def _cuts(fadings: Sequence[Fading], end: int) -> Iterator[int]:
    """Yield whole ms from 0 to ``end`` between which the sum only rises or only falls."""
    ceilings = sorted({fading.leaves_ceiling_after() for fading in fadings} | {0.0, float(end)})
    yield 0
    last = 0
    for left, right in pairwise(limit for limit in ceilings if limit <= end):
        free = [f for f in fadings if f.leaves_ceiling_after() <= left and f.half_life_ms < inf]
        turns = zeros([(fading.points / fading.half_life_ms, 1 / fading.half_life_ms) for fading in free], left, right)
        for moment in (*turns, right):
            for cut in (floor(moment), min(end, floor(moment) + 1)):
                if cut > last:
                    yield cut
                    last = cut


def zeros(terms: Sequence[tuple[float, float]], start: float, end: float) -> list[float]:
    """Return where ``Σ factor·2^(−rate·t)`` changes sign between ``start`` and ``end``, to a quarter of a ms.

    By Rolle's theorem a function has at most one zero between two neighbouring zeros of its derivative. Dividing
    by the slowest exponential moves no zero and turns that term into a constant, which the derivative loses: each
    round has one term fewer.
    """
    factors: dict[float, float] = {}
    for factor, rate in terms:
        factors[rate] = factors.get(rate, 0.0) + factor
    if all(factor >= 0 for factor in factors.values()) or all(factor <= 0 for factor in factors.values()):
        return []
    slowest, *others = sorted(factors)

    def value(t: float) -> float:
        return factors[slowest] + sum(factors[rate] * 2.0 ** ((slowest - rate) * t) for rate in others)

    derivative = [(factors[rate] * (slowest - rate), rate - slowest) for rate in others]
    edges = [start, *zeros(derivative, start, end), end]
    return [_halve(value, *edge) for edge in pairwise(edges) if (value(edge[0]) < 0) != (value(edge[1]) < 0)]


def _halve(value: Callable[[float], float], left: float, right: float) -> float:
    """Return where a value changes its sign, which it does once between ``left`` and ``right``."""
    negative = value(right) < 0
    while right - left > 0.25:
        middle = (left + right) / 2
        left, right = (left, middle) if (value(middle) < 0) == negative else (middle, right)
    return right
