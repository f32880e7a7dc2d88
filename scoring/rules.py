"""The model, compiled: which rules an event type can match, and the numbers of each rule by its number.

Rules are numbered per shard, once per name, in the order in which they were first seen, and so are the traits that
leads remember; states refer to both by these numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from hashlib import blake2b
from math import inf, isinf
from typing import Any

import msgspec

from scoring.adoption import Adoption
from scoring.alerts import LedgerLine
from scoring.conditions import Condition, holds
from scoring.decay import DAY_MS
from scoring.model import Rule, ScoringModel
from scoring.model_signals import Count
from scoring.visits import last_visit_ms

HOUR_MS = 3_600_000
PHASES = ("awareness", "consideration", "decision")
"""How far along a purchase somebody is, from the first to the last."""

RULES_MAX = 65_535
"""Rule numbers take two bytes in a lead's state."""

TEXT_LENGTH_MAX = 500
"""Longer texts are tested anew each time: what is remembered is bounded in bytes, too."""

TEXTS_KEPT = 4096
"""Texts per condition whose answer is remembered: a site has few paths and forms, and many visits."""

Test = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """What the hot path needs of a rule that an event's type can match."""

    number: int
    test: Test | None
    """Whether the event's properties satisfy the conditions; None where there are none."""
    once_per: str | None
    hold_ms: int
    rate: float
    converts: bool
    gain: float
    """Points that a match adds at most; 0 for a penalty."""
    rechecks: bool
    """Whether a match may change the band in another way than by adding points: a penalty or a hold."""
    mark: bytes
    """The number as two bytes, as a lead remembers it."""

    @property
    def is_special(self) -> bool:
        """Whether a match does more than count."""
        return self.rechecks or self.converts or self.once_per is not None


class Selection:
    """The rules of one event type, told apart by a text that most of them ask for: a page's path, a form's name.

    A site has few of these and many visits: who remembers what a text leaves need not test most of the rules.
    """

    def __init__(self, rules: list[tuple[CompiledRule, tuple[Condition, ...]]]) -> None:
        self.all = [rule for rule, _ in rules]
        asked = Counter(condition.property for _, where in rules for condition in where if condition.kind != "compare")
        self.key = asked.most_common(1)[0][0] if asked else None
        self._rules = rules

    def of_text(self, text: str) -> list[CompiledRule]:
        """Return the rules that an event whose ``key`` is ``text`` may match, to be tested for the rest only."""
        left = []
        for rule, where in self._rules:
            if all(holds(each, {self.key: text}) for each in where if each.property == self.key):
                rest = [compile_condition(each) for each in where if each.property != self.key]
                left.append(replace(rule, test=_all_of(rest)))
        return left


@dataclass(frozen=True, slots=True)
class VisitRule:
    """A rule that counts repeated visits; see :func:`scoring.visits.count_repeats`."""

    number: int
    at_least: int
    within_ms: int
    rate: float


@dataclass(frozen=True, slots=True)
class CompiledBand:
    """A band with its times in ms; band 0 is cold and has no entry."""

    name: str
    enter: float
    leave: float
    cooldown_ms: int | None
    """Shortest time between two alerts of one lead; None: the band does not alert."""
    fit_min: float | None = None
    """Least fit of the account (0 to 10) that lets a lead in; None: any."""


class Numbering(msgspec.Struct, omit_defaults=True):
    """What a shard keeps beside its states to read them: rules and traits by number, and the model used last.

    ``generation`` goes up by one whenever another model is used: a state of an earlier one holds no valid bounds.
    ``half_lives_days`` and ``matching`` (digests of what a rule matches) are those of the model used last, by rule;
    ``bands`` are the names of all bands, cold first, by generation: a state says only which one. ``publication`` is the
    model's number among all that were published (0: not known).
    """

    names: list[str] = msgspec.field(default_factory=list)
    properties: list[str] = msgspec.field(default_factory=list)
    model: str = ""
    generation: int = 0
    half_lives_days: dict[str, float] = msgspec.field(default_factory=dict)
    matching: dict[str, str] = msgspec.field(default_factory=dict)
    remembers_visits: bool = False
    remembers_activity: bool = False
    bands: dict[int, list[str]] = msgspec.field(default_factory=dict)
    adoption: Adoption | None = None
    publication: int = 0

    def adopt(self, model: ScoringModel, publication: int = 0) -> Numbering:
        """Return the numbering to go on with under ``model``, published as ``publication``: a later generation.

        It is the same one where the model is. A number is never given to another rule, whatever happens to the model.
        """
        digest = _digest(model)
        if digest == self.model:
            return self if publication == self.publication else msgspec.structs.replace(self, publication=publication)
        new = [name for name in model.rules if name not in set(self.names)]
        if len(self.names) + len(new) > RULES_MAX:
            raise ValueError(f"more than {RULES_MAX} rule names were ever used")
        properties = [name for name in model.trait_properties if name not in set(self.properties)]
        return Numbering(
            names=[*self.names, *new],
            properties=[*self.properties, *properties],
            model=digest,
            generation=self.generation + 1,
            half_lives_days={name: rule.half_life_days for name, rule in model.rules.items()},
            matching={name: _digest((rule.on, rule.where, rule.once_per)) for name, rule in model.rules.items()},
            remembers_visits=model.asks_for_visits,
            remembers_activity=model.follows_accounts,
            bands={**self.bands, self.generation + 1: ["cold", *model.bands]},
            adoption=self._adoption(model, publication) if self.model else None,
            publication=publication,
        )

    def _adoption(self, model: ScoringModel, publication: int) -> Adoption:
        return Adoption(model=model.version, number=publication, from_now_on=self._from_now_on(model))

    def _from_now_on(self, model: ScoringModel) -> list[str]:
        """Say what of ``model`` counts only new events: states hold no others."""
        said = []
        for name, rule in model.rules.items():
            if rule.visits is not None and self.remembers_visits:
                continue  # recounted from the visits that leads remember
            half_life_days = self.half_lives_days.get(name)
            if half_life_days is None:
                said.append(f"{name}: is new")
            elif half_life_days != rule.half_life_days:
                said.append(f"{name}: half-life {half_life_days:g} → {rule.half_life_days:g} days")
            elif self.matching.get(name) != _digest((rule.on, rule.where, rule.once_per)):
                said.append(f"{name}: matches other events")
        if model.follows_accounts and not self.remembers_activity:
            said.append("accounts: what people do is remembered by the day from now on")
        if model.inactivity is not None and not self.remembers_visits:
            said.append("inactivity: visits are remembered from now on")
        if not self.remembers_visits:
            counts = [name for name, signal in model.signals.items() if isinstance(signal, Count)]
            said += [f"signal {name}: visits are remembered from now on" for name in counts]
        new = sorted(set(model.trait_properties) - set(self.properties))
        return [*said, *(f"{name}: answers are remembered from now on" for name in new)]


def _digest(belief: object) -> str:
    return blake2b(repr(belief).encode(), digest_size=8).hexdigest()


class Rulebook:
    """A model compiled against a shard's rule numbers.

    The lists are indexed by rule number: ``names``, ``points`` per match (signed), ``ceilings`` (points), ``rates``
    (1/half-life, 1/ms), ``channels`` (which of ``channel_caps``; 0 for none). A number whose rule is no longer in the
    model has 0 points.
    """

    def __init__(self, model: ScoringModel, known: Numbering, publication: int = 0) -> None:
        """Compile ``model``; ``self.numbering`` continues ``known``, which the states were written with."""
        self.model = model
        self.numbering = known.adopt(model, publication)
        self.names = self.numbering.names
        rules = [model.rules.get(name) for name in self.names]
        self.points = [0.0 if rule is None else rule.points for rule in rules]
        self.ceilings = [inf if rule is None else rule.points_max for rule in rules]
        self.stated_ceilings = [None if isinf(ceiling) else ceiling for ceiling in self.ceilings]
        self.rates = [1.0 if rule is None else 1.0 / (rule.half_life_days * DAY_MS) for rule in rules]
        self.once_per_rules = {n for n, rule in enumerate(rules) if rule is not None and rule.once_per is not None}
        self.phases = ["" if rule is None else rule.phase for rule in rules]
        self.half_lives_days = [1.0 if rule is None else rule.half_life_days for rule in rules]
        self.channel_names = ["", *model.channels]
        self.channel_caps = [inf, *(channel.points_max for channel in model.channels.values())]
        self.channels = [self._channel_of(rule) for rule in rules]
        by_type: dict[str, list[tuple[CompiledRule, tuple[Condition, ...]]]] = {}
        self.visit_rules: list[VisitRule] = []
        for number, rule in enumerate(rules):
            if rule is None:
                continue
            if rule.visits is not None:
                within_ms = int(rule.visits.within_days * DAY_MS)
                self.visit_rules.append(VisitRule(number, rule.visits.at_least, within_ms, self.rates[number]))
            compiled = _compile_rule(number, rule)
            for event_type in rule.on:
                by_type.setdefault(event_type, []).append((compiled, rule.where))
        self.by_type = {event_type: Selection(found) for event_type, found in by_type.items()}
        self.bands = [_COLD, *(_compile_band(name, model) for name in model.bands)]
        self.rates_fit = bool(model.profiles or model.exclusions)
        self.follows_accounts = model.follows_accounts
        self.max_age_ms = int(model.alerts.max_age_h * HOUR_MS)
        self.inactive_after_ms = 0 if model.inactivity is None else int(model.inactivity.after_days * DAY_MS)
        self.inactive_points = 0.0 if model.inactivity is None else model.inactivity.points
        self.visit_types = frozenset(model.visits.on if model.asks_for_visits else ())
        self.gap_ms = int(model.visits.gap_minutes * 60_000)

    def inactive_from(self, visits: bytes | bytearray) -> int | None:
        """Return from when on inactivity counts against a lead with these visits (ms), if it ever does."""
        if not self.inactive_after_ms or not visits:
            return None
        return last_visit_ms(visits) + self.inactive_after_ms

    def _channel_of(self, rule: Rule | None) -> int:
        """Return the number of a rule's channel, if that has a ceiling: penalties are outside of it."""
        if rule is None or rule.channel not in self.model.channels or rule.points < 0:
            return 0
        return self.channel_names.index(rule.channel)

    def band_name(self, generation: int, band: int) -> str:
        """Return the name of a band of an earlier model."""
        names = self.numbering.bands.get(generation, ["cold"])
        return names[min(band, len(names) - 1)]

    def band_now(self, generation: int, band: int) -> int:
        """Return the band that an earlier model's band is now: of its name, or the next lower one still there."""
        return self.band_named(self.numbering.bands.get(generation, ["cold"])[: band + 1])

    def band_named(self, names: list[str]) -> int:
        """Return the band of the last of ``names`` that is a band; they lead up to it from cold."""
        now = {band.name: number for number, band in enumerate(self.bands)}
        return next((now[name] for name in reversed(names) if name in now), 0)

    def phase_of(self, ledger: list[LedgerLine]) -> str:
        """Return the furthest phase with a contribution of at least 1 point, or nothing."""
        present = {line.phase for line in ledger if line.points >= 1.0}
        return next((phase for phase in reversed(PHASES) if phase in present), "")


_COLD = CompiledBand("cold", -inf, -inf, None)


def compile_condition(condition: Condition) -> Test:
    """Return a test that equals :func:`scoring.conditions.holds`, quick for texts that it has seen before.

    >>> is_pricing = compile_condition(Condition("path", "glob_any", ("/pricing*",)))
    >>> is_pricing({"path": "/pricing/eu"}), is_pricing({})
    (True, False)
    """
    name = condition.property
    if condition.kind == "compare":
        return partial(holds, condition)

    @lru_cache(maxsize=TEXTS_KEPT)
    def text_meets(text: str) -> bool:
        return holds(condition, {name: text})

    def test(properties: Mapping[str, Any]) -> bool:
        value = properties.get(name)
        if value is None:
            return False
        if isinstance(value, str) and len(value) <= TEXT_LENGTH_MAX:
            return text_meets(value)
        return holds(condition, properties)

    return test


def _all_of(tests: list[Test]) -> Test | None:
    if len(tests) <= 1:
        return tests[0] if tests else None
    first, rest = tests[0], _all_of(tests[1:])
    assert rest is not None
    return lambda properties: first(properties) and rest(properties)


def _compile_rule(number: int, rule: Rule) -> CompiledRule:
    return CompiledRule(
        number=number,
        test=_all_of([compile_condition(condition) for condition in rule.where]),
        once_per=rule.once_per,
        hold_ms=int((rule.hold_days or 0.0) * DAY_MS),
        rate=1.0 / (rule.half_life_days * DAY_MS),
        converts=rule.converts,
        gain=max(0.0, rule.points),
        rechecks=rule.points < 0 or rule.hold_days is not None,
        mark=number.to_bytes(2),
    )


def _compile_band(name: str, model: ScoringModel) -> CompiledBand:
    band = model.bands[name]
    cooldown_ms = None if band.cooldown_h is None else int(band.cooldown_h * HOUR_MS)
    return CompiledBand(name, band.enter, band.leave, cooldown_ms, band.fit_min)
