"""The model, compiled: which rules an event type can match, and the numbers of each rule by its number.

Rules are numbered per shard, once per name, in the order in which they were first seen; states refer to rules by
these numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from math import inf, isinf
from typing import Any

import msgspec

from scoring.alerts import LedgerLine
from scoring.conditions import Condition, holds
from scoring.decay import DAY_MS
from scoring.model import Rule, ScoringModel

HOUR_MS = 3_600_000
RULES_MAX = 65_535
"""Rule numbers take two bytes in a lead's state."""

_TEXTS_KEPT = 4096
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
    gain: float
    """Points that a match adds at most; 0 for a penalty."""
    rechecks: bool
    """Whether a match may change the band in another way than by adding points: a penalty or a hold."""
    mark: bytes
    """The number as two bytes, as a lead remembers it."""

    @property
    def is_special(self) -> bool:
        """Whether a match does more than count."""
        return self.rechecks or self.once_per is not None


@dataclass(frozen=True, slots=True)
class CompiledBand:
    """A band with its times in ms; band 0 is cold and has no entry."""

    name: str
    enter: float
    leave: float
    cooldown_ms: int | None
    """Shortest time between two alerts of one lead; None: the band does not alert."""


class Numbering(msgspec.Struct):
    """What a shard keeps beside its states to read them: the rules by number, and the model that was used last.

    ``generation`` goes up by one whenever another model is used: a state of an earlier one holds no valid bounds.
    """

    names: list[str] = msgspec.field(default_factory=list)
    model: str = ""
    generation: int = 0

    def adopt(self, model: ScoringModel) -> Numbering:
        """Return the numbering to go on with under ``model``: the same, or a later generation.

        A number is never given to another rule, whatever happens to the model file.
        """
        digest = blake2b(repr(model).encode(), digest_size=8).hexdigest()
        if digest == self.model:
            return self
        new = [name for name in model.rules if name not in set(self.names)]
        if len(self.names) + len(new) > RULES_MAX:
            raise ValueError(f"more than {RULES_MAX} rule names were ever used")
        return Numbering([*self.names, *new], digest, self.generation + 1)


class Rulebook:
    """A model compiled against a shard's rule numbers.

    The lists are indexed by rule number: ``names``, ``points`` per match (signed), ``ceilings`` (points), ``rates``
    (1/half-life, 1/ms). A number whose rule is no longer in the model has 0 points.
    """

    def __init__(self, model: ScoringModel, known: Numbering) -> None:
        """Compile ``model``; ``self.numbering`` continues ``known``, which the states were written with."""
        self.model = model
        self.numbering = known.adopt(model)
        self.names = self.numbering.names
        rules = [model.rules.get(name) for name in self.names]
        self.points = [0.0 if rule is None else rule.points for rule in rules]
        self.ceilings = [inf if rule is None else rule.points_max for rule in rules]
        self.stated_ceilings = [None if isinf(ceiling) else ceiling for ceiling in self.ceilings]
        self.rates = [1.0 if rule is None else 1.0 / (rule.half_life_days * DAY_MS) for rule in rules]
        self.phases = ["" if rule is None else rule.phase for rule in rules]
        self.half_lives_days = [1.0 if rule is None else rule.half_life_days for rule in rules]
        self.by_type: dict[str, tuple[CompiledRule, ...]] = {}
        for number, rule in enumerate(rules):
            if rule is not None:
                compiled = _compile_rule(number, rule)
                for event_type in rule.on:
                    self.by_type[event_type] = (*self.by_type.get(event_type, ()), compiled)
        self.bands = [_COLD, *(_compile_band(name, model) for name in model.bands)]
        self.max_age_ms = int(model.alerts.max_age_h * HOUR_MS)

    def phase_of(self, ledger: list[LedgerLine]) -> str:
        """Return the furthest phase with a contribution of at least 1 point, or nothing."""
        present = {line.phase for line in ledger if line.points >= 1.0}
        return next((phase for phase in ("decision", "consideration", "awareness") if phase in present), "")


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

    @lru_cache(maxsize=_TEXTS_KEPT)
    def text_meets(text: str) -> bool:
        return holds(condition, {name: text})

    def test(properties: Mapping[str, Any]) -> bool:
        value = properties.get(name)
        return text_meets(value) if isinstance(value, str) else holds(condition, properties)

    return test


def _all_of(tests: list[Test]) -> Test | None:
    if len(tests) <= 1:
        return tests[0] if tests else None
    return lambda properties: all(test(properties) for test in tests)


def _compile_rule(number: int, rule: Rule) -> CompiledRule:
    return CompiledRule(
        number=number,
        test=_all_of([compile_condition(condition) for condition in rule.where]),
        once_per=rule.once_per,
        hold_ms=int((rule.hold_days or 0.0) * DAY_MS),
        rate=1.0 / (rule.half_life_days * DAY_MS),
        gain=max(0.0, rule.points),
        rechecks=rule.points < 0 or rule.hold_days is not None,
        mark=number.to_bytes(2),
    )


def _compile_band(name: str, model: ScoringModel) -> CompiledBand:
    band = model.bands[name]
    cooldown_ms = None if band.cooldown_h is None else int(band.cooldown_h * HOUR_MS)
    return CompiledBand(name, band.enter, band.leave, cooldown_ms)
