"""One lead: its accepted events, what they come to, and what was said of it."""

from __future__ import annotations

from itertools import pairwise
from math import inf, isinf
from typing import NamedTuple

from xxhash import xxh3_64_hexdigest

from scoring.alerts import alert_id, cooled_id
from scoring.conditions import holds
from scoring.model import Band, ScoringModel
from tests.oracle.curves import CENTURY_MS, DAY_MS, Channel, Curve, Fading, first_below
from tests.oracle.matches import REMEMBERED, Counted, Event, Visit, count_matches, find_visits, match_visits
from tests.oracle.matches import matching_rules as find_matching
from tests.oracle.people import (
    Touch,
    Value,
    account_of,
    contact_of,
    coverage_of,
    known_traits,
    subject_of,
    touches_of,
    trait_points,
    unknown_questions,
)

HOUR_MS = 3_600_000
EVIDENCE_MAX = 10
STATUSES = ("accepted", "rejected", "contacted", "meeting", "opportunity", "won", "lost")
ADJUSTMENTS_KEPT = 8
PHASES = ("decision", "consideration", "awareness")


class Line(NamedTuple):
    """A line of a ledger. ``events`` are times (ms) and hashes of ids, latest first."""

    kind: str
    rule: str
    points: float
    matches: float = 0.0
    last_ms: int = 0
    half_life_days: float = 0.0
    points_max: float | None = None
    phase: str = ""
    subject: str = ""
    events: tuple[tuple[int, str], ...] = ()


class Adjustment(NamedTuple):
    """Points that a person has added, from ``since`` until ``until`` (ms)."""

    id: str
    points: float
    since: int
    until: int
    reason: str


class Said(NamedTuple):
    """What an alert has to say: all but the model; the engine's alerts are brought into this form for comparison."""

    id: str
    kind: str
    lead: str
    band: str
    from_band: str
    time_ms: int
    score: float
    ledger: list[Line]
    phase: str
    cause: tuple[str, str, int] | None
    alert_id: str
    cools_at_ms: int | None
    held_until_ms: int | None
    stage: str
    account: str
    contact: dict[str, Value]
    first_touch: Touch | None
    last_touch: Touch | None
    unknown: list[str]
    coverage: float | None
    customer: bool


class Lead:
    """One lead: its accepted events, and what was said of it until now. ``band`` 0 is cold."""

    def __init__(self, name: str, model: ScoringModel) -> None:
        self.name = name
        self.model = model
        self.bands: list[Band] = list(model.bands.values())
        self.accepted: list[Event] = []
        self.matching: list[list[str]] = []
        """The rules that each accepted event matches, counted or not."""
        self.counted: dict[str, Counted] = {}
        self.visits: list[Visit] = []
        self.traits: dict[str, Value] = {}
        self.band = 0
        self.held_until = 0
        self.cooled_at = 0
        self.alerted_at: int | None = None
        self.open_alert: str | None = None
        self.status, self.status_at = "", 0
        self.is_customer = False
        self.suppressed, self.suppression_at = False, 0
        self.adjustments: list[Adjustment] = []
        self.adjusted_at = 0

    # ── what holds now ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def now(self) -> int:
        """The latest time (ms) of the lead's events, and of the coolings that were applied since."""
        return max([self.cooled_at, self.adjusted_at, *(int(event["time"]) for event in self.accepted)])

    @property
    def band_name(self) -> str:
        return self._name(self.band)

    @property
    def stage(self) -> str:
        if self.name.startswith("anon:"):
            return "visitor"
        has_converted = any(self.model.rules[name].converts for names in self.matching for name in names)
        return "converted" if has_converted else "inactive"

    @property
    def account(self) -> str:
        return account_of(self.name, self.accepted, self.traits)

    @property
    def contact(self) -> dict[str, Value]:
        return contact_of(self.model, self.name, self.traits)

    @property
    def trait_points(self) -> dict[str, float]:
        """The points of every trait that is worth any."""
        return trait_points(self.model, self.name, self.traits)

    @property
    def unknown(self) -> list[str]:
        return unknown_questions(self.model, self.traits)

    @property
    def coverage(self) -> float | None:
        return coverage_of(self.model, self.traits)

    @property
    def touches(self) -> tuple[Touch | None, Touch | None]:
        return touches_of(self.accepted)

    @property
    def inactive_from(self) -> int | None:
        """The time (ms) from which inactivity counts, unless the lead visits again."""
        if self.model.inactivity is None or not self.visits:
            return None
        return self.visits[-1].last + int(self.model.inactivity.after_days * DAY_MS)

    @property
    def channels(self) -> dict[str, float]:
        """The ceilings of the channels through which something counted."""
        ceilings = self.model.channels
        through = {self._channel(name) for name in self.counted}
        return {name: ceilings[name].points_max for name in ceilings if name in through}

    def score_at(self, time_ms: int) -> float:
        """Return the score at a time that is not before the lead's last event."""
        return round(max(0.0, sum(curve.at(0) for curve in self._curves(time_ms))), 6)

    def phase_at(self, time_ms: int) -> str:
        """Return the furthest phase in which a rule gives at least 1 point."""
        present = {line.phase for line in self.ledger_at(time_ms) if line.points >= 1.0}
        return next((phase for phase in PHASES if phase in present), "")

    def cools_at(self) -> int | None:
        """Return the time (ms) at which the lead leaves its band if nothing more happens; None: never."""
        return self._first_below(self.now, inf) if self.band else None

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────

    def consume(self, event: Event, received_ms: int) -> list[Said]:
        """Take in one event and return what is said because of it, coolings that came before it first."""
        if event["id"] in [known["id"] for known in self.accepted[-REMEMBERED:]]:
            return []
        said = self.cool(until=max(event["time"], self.now)) if self.accepted else []
        before = self._what_counts() if self.accepted else None
        counted_before = {name: list(counted.times) for name, counted in self.counted.items()}
        self.accepted.append(event)
        self.matching.append(find_matching(self.model.rules, event))
        self._count()
        for name, counted in self.counted.items():
            hold_days = self.model.rules[name].hold_days
            if hold_days is not None and counted.times != counted_before.get(name):
                self.held_until = max(self.held_until, event["time"] + int(hold_days * DAY_MS))
        said += self._reopen_and_change_band(event, received_ms, before, counted_before)
        self._drop_ended()
        return said

    def follow_up(self, done: Event, received_ms: int) -> list[Said]:
        """Take in what sales did, and return what is said because of it."""
        action, time_ms = done["action"], done["time"]
        if action == "adjusted":
            return self._adjust(done, received_ms)
        if action in ("suppressed", "released"):
            if time_ms >= self.suppression_at:
                self.suppressed, self.suppression_at = action == "suppressed", time_ms
        elif action in STATUSES:
            self.is_customer = self.is_customer or action == "won"
            if time_ms >= self.status_at:
                self.status, self.status_at = action, time_ms
            if self.status == "rejected" and self.status_at == time_ms:
                self.open_alert = self.alerted_at = None
        return []

    def _adjust(self, done: Event, received_ms: int) -> list[Said]:
        now = max(self.now, done["time"])
        said = self.cool(until=now)
        self.adjusted_at = now
        self._drop_ended()
        if done["until"] <= now or any(each.id == done["id"] for each in self.adjustments):
            return said
        added = Adjustment(done["id"], done["points"], now, done["until"], done["reason"])
        self.adjustments.append(added)
        if len(self.adjustments) > ADJUSTMENTS_KEPT:
            self.adjustments.remove(min(self.adjustments, key=lambda each: each.until))
        cause = {"id": done["id"], "type": "adjusted", "time": done["time"]}
        return said + self._change_band(cause, received_ms)

    def _drop_ended(self) -> None:
        self.adjustments = [each for each in self.adjustments if each.until > self.now]

    def _reopen_and_change_band(
        self, event: Event, received_ms: int, before: object, counted_before: dict[str, list[int]]
    ) -> list[Said]:
        decisive = [
            name
            for name in self.matching[-1]
            if self.model.rules[name].phase == "decision" and self.counted[name].times != counted_before.get(name)
        ]
        reopened = bool(decisive) and self.status == "rejected" and event["time"] > self.status_at
        self.status = "" if reopened else self.status
        said = self._change_band(event, received_ms) if self._what_counts() != before else []
        alerting = [number for number in range(1, self.band + 1) if self._cooldown_ms(number) is not None]
        if reopened and alerting and not any(each.kind == "entered" for each in said):
            said += self._enter(alerting[-1], self.band, event, received_ms)
        return said

    def cool(self, until: int) -> list[Said]:
        """Let the band fall at every time up to ``until`` at which the score had become too low for it."""
        said: list[Said] = []
        while self.band:
            at = self._first_below(self.now, until)
            if at is None:
                break
            self.cooled_at = at
            said += self._fall(at, None)
        return said

    def _count(self) -> None:
        self.counted = count_matches(self.model.rules, self.accepted, self.matching)
        self.visits = find_visits(self.model, self.accepted)
        self.traits = known_traits(self.model, self.accepted)
        for name, rule in self.model.rules.items():
            times = [] if rule.visits is None else match_visits(rule.visits, self.visits)
            if times:
                self.counted[name] = Counted(times)

    def _what_counts(self) -> object:
        """All that the score, now and later, is made of."""
        return (
            {name: list(counted.times) for name, counted in self.counted.items()},
            self.trait_points,
            self.inactive_from,
            [each for each in self.adjustments if each.until > self.now],
        )

    def _change_band(self, event: Event, received_ms: int) -> list[Said]:
        now, previous = self.now, self.band
        score = self.score_at(now)
        held = self.held_until > now
        reached = max((number for number, band in enumerate(self.bands, 1) if held or score >= band.enter), default=0)
        if reached > previous:
            self.band = reached
            alerting = [number for number in range(previous + 1, reached + 1) if self._cooldown_ms(number) is not None]
            return self._enter(alerting[-1], previous, event, received_ms) if alerting else []
        if self.band and not held and score < self.bands[self.band - 1].leave:
            return self._fall(now, event)
        return []

    def _enter(self, band: int, previous: int, event: Event, received_ms: int) -> list[Said]:
        now, cooldown_ms, alerts = self.now, self._cooldown_ms(band), self.model.alerts
        assert cooldown_ms is not None
        if self.alerted_at is not None and now - self.alerted_at < cooldown_ms:
            return []
        if received_ms - now > alerts.max_age_h * HOUR_MS:
            return []
        own_domains = self.model.names.get("own_domains", ())
        if any(holds(condition, {"email_domain": self.name.split("@")[-1]}) for condition in own_domains):
            return []
        if self.stage == "visitor" and not alerts.visitors:
            return []
        if self._is_left_alone:
            return []
        self.alerted_at = now
        self.open_alert = alert_id(self.name, self._name(band), event["id"])
        return [self._say("entered", self.open_alert, self._name(band), self._name(previous), now, event)]

    @property
    def _is_left_alone(self) -> bool:
        """Whether what sales did keeps the lead from alerting now."""
        since_ms, times = self.now - self.status_at, self.model.follow_up
        in_work = self.status in ("accepted", "contacted", "meeting", "opportunity")
        return (
            self.suppressed
            or self.status == "rejected"
            or (in_work and since_ms < times.in_work_days * DAY_MS)
            or (self.status == "lost" and since_ms < times.recycle_days * DAY_MS)
        )

    def _fall(self, at: int, event: Event | None) -> list[Said]:
        """Drop to the highest band in which the score at ``at`` may stay."""
        previous, score = self.band, self.score_at(at)
        while self.band and score < self.bands[self.band - 1].leave:
            self.band -= 1
        left = range(self.band + 1, previous + 1)
        if self.open_alert is None or all(self._cooldown_ms(number) is None for number in left):
            return []
        ended, self.open_alert = self.open_alert, None
        return [self._say("cooled", cooled_id(ended), self.band_name, self._name(previous), at, event, ended)]

    def _say(
        self, kind: str, own_id: str, band: str, from_band: str, at: int, event: Event | None, ended: str = ""
    ) -> Said:
        entered = kind == "entered"
        first_touch, last_touch = self.touches
        return Said(
            id=own_id,
            kind=kind,
            lead=self.name,
            band=band,
            from_band=from_band,
            time_ms=at,
            score=self.score_at(at),
            ledger=self.ledger_at(at),
            phase=self.phase_at(at),
            cause=None if event is None else (event["id"], event["type"], event["time"]),
            alert_id=ended,
            cools_at_ms=self.cools_at() if entered else None,
            held_until_ms=self.held_until if entered and self.held_until > at else None,
            stage=self.stage,
            account=self.account,
            contact=self.contact,
            first_touch=first_touch,
            last_touch=last_touch,
            unknown=self.unknown,
            coverage=self.coverage,
            customer=self.is_customer,
        )

    # ── the sum ──────────────────────────────────────────────────────────────────────────────────────────────

    def ledger_at(self, time_ms: int) -> list[Line]:
        """Return the lines that sum to the score at ``time_ms``, the largest first."""
        lines = [self._rule_line(name, time_ms) for name in self.counted]
        for name, ceiling in self.channels.items():
            through = sum(line.points for line in lines if line.kind == "rule" and self._channel(line.rule) == name)
            if through > ceiling:
                lines.append(Line("channel", name, ceiling - through))
        lines += [Line("trait", name, points) for name, points in self.trait_points.items()]
        if self._inactive_points(time_ms):
            lines.append(Line("inactivity", "inactivity", self._inactive_points(time_ms), last_ms=self.visits[-1].last))
        for each in self.adjustments:
            if each.until > time_ms:
                lines.append(Line("adjusted", "adjusted", each.points, last_ms=each.since, subject=each.reason))
        lines.sort(key=lambda line: (-abs(line.points), line.kind, line.rule))
        total = sum(line.points for line in lines)
        return [*lines, Line("floor", "floor", -total)] if total < 0 else lines

    def _rule_line(self, name: str, time_ms: int) -> Line:
        rule, counted = self.model.rules[name], self.counted[name]
        behind = [self.accepted[number] for number in counted.events]
        latest = max(((event["time"], subject_of(event)) for event in behind), default=(0, ""))
        remembered = [self.accepted[n] for n in counted.events if n >= len(self.accepted) - REMEMBERED]
        # Among equal times the order of arrival stays, so that turned round the one that came last is first.
        evidence = sorted(remembered, key=lambda event: event["time"])[: -EVIDENCE_MAX - 1 : -1]
        return Line(
            kind="rule",
            rule=name,
            points=self._fading(name, time_ms).at(0),
            matches=sum(2.0 ** ((match - time_ms) / (rule.half_life_days * DAY_MS)) for match in counted.times),
            last_ms=max([*counted.times, *(event["time"] for event in behind)]),
            half_life_days=rule.half_life_days,
            points_max=None if isinf(rule.points_max) else rule.points_max,
            phase=rule.phase,
            subject=latest[1],
            events=tuple((event["time"], xxh3_64_hexdigest(event["id"].encode())) for event in evidence),
        )

    def _channel(self, name: str) -> str | None:
        """Return the channel whose ceiling is above a rule."""
        channel = self.model.rules[name].channel
        return channel if channel in self.model.channels else None

    def _inactive_points(self, time_ms: int) -> float:
        since = self.inactive_from
        if since is None or self.model.inactivity is None or time_ms < since:
            return 0.0
        return self.model.inactivity.points

    def _curves(self, time_ms: int) -> list[Curve]:
        """Return what everything contributes from ``time_ms`` on, until inactivity sets in."""
        curves: list[Curve] = [Fading(points, inf) for points in self.trait_points.values()]
        curves.append(Fading(self._inactive_points(time_ms), inf))
        curves += [Fading(each.points, inf) for each in self.adjustments if each.until > time_ms]
        curves += [self._fading(name, time_ms) for name in self.counted if self._channel(name) is None]
        for channel, ceiling in self.channels.items():
            through = [self._fading(name, time_ms) for name in self.counted if self._channel(name) == channel]
            curves.append(Channel(tuple(through), ceiling))
        return curves

    def _fading(self, name: str, time_ms: int) -> Fading:
        rule = self.model.rules[name]
        half_life_ms = rule.half_life_days * DAY_MS
        points = sum(rule.points * 2.0 ** ((match - time_ms) / half_life_ms) for match in self.counted[name].times)
        return Fading(points, half_life_ms, rule.points_max)

    def _first_below(self, since: int, until: float) -> int | None:
        """Return the first ms in since..until at which the score is below what the band needs, and no hold helps."""
        start = max(since, self.held_until) if self.band == len(self.bands) else since
        ends = [each.until for each in self.adjustments]
        steps = sorted(step for step in (self.inactive_from, *ends) if step is not None and start < step)
        for begin, end in pairwise([start, *steps, inf]):
            found = self._first_below_within(int(begin), min(until, end - 1))
            if found is not None:
                return found
        return None

    def _first_below_within(self, start: int, until: float) -> int | None:
        if start > until:
            return None
        wait = first_below(self._curves(start), self.bands[self.band - 1].leave, min(until - start, CENTURY_MS))
        return None if wait is None else start + wait

    def _cooldown_ms(self, band: int) -> float | None:
        cooldown_h = self.bands[band - 1].cooldown_h
        return None if cooldown_h is None else cooldown_h * HOUR_MS

    def _name(self, band: int) -> str:
        return self.bands[band - 1].name if band else "cold"
