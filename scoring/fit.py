"""How well an account fits: its facts held against every ideal-customer profile, and against the exclusions.

Each component of a profile rates one fact, 0 to 10. What nobody knows is left out of the mean, and told as *coverage*,
the known share of the weight: an account of which little is known has no low fit, it has an unknown one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

import msgspec

from scoring.conditions import Condition
from scoring.model import Component, Exclusion, FitLevels, Profile, ScoringModel
from scoring.rules import Test, compile_condition

Fact = str | int | float | bool | list[str]
"""What is known of an account by one name. An empty text and an empty list are nothing known."""

Level = Literal["strong", "moderate", "weak", "unknown", "excluded"]

FACT_LENGTH_MAX: Final = 60
"""Characters of a fact that a fit repeats: enough to see what was rated."""

_ANSWERS_KEPT: Final = 1024
_DIGITS: Final = 6
"""Fits and coverages are rounded to so many places before they are compared with anything, as scores are."""

_DOMAIN_OF_PEOPLE: Final = "email_domain"
_DOMAIN: Final = "domain"


class ComponentFit(msgspec.Struct, omit_defaults=True, gc=False, frozen=True):
    """What one component of a profile makes of an account.

    ``rating`` is 0 to 10, None where the fact is unknown; ``weight`` is above 0, up to 10. ``fact`` is the beginning of
    what is known, as text; of a list, the best-rated item comes first.
    """

    name: str
    rating: float | None
    weight: float
    fact: str = ""


class ProfileFit(msgspec.Struct, omit_defaults=True):
    """How well an account fits one profile.

    ``value`` is 0 to 10, None where less than the model's ``coverage_min`` is known; ``coverage`` is 0 to 1. Both are
    rounded to 6 places.
    """

    name: str
    value: float | None
    coverage: float
    components: list[ComponentFit]


class Fit(msgspec.Struct, omit_defaults=True):
    """How well an account fits the best of all profiles, and all of them, the best first.

    ``value`` (0 to 10) and ``coverage`` (0 to 1) are those of ``profile``; ``value`` is None where the fit is unknown.
    An excluded account has the value 0 whatever its profiles say; ``exclusion`` and ``reason`` tell which one holds.
    """

    level: Level
    value: float | None = None
    coverage: float = 0.0
    profile: str = ""
    exclusion: str = ""
    reason: str = ""
    profiles: list[ProfileFit] = []


class FitBook:
    """A model's profiles and exclusions, compiled.

    >>> from scoring.model import parse_model
    >>> book = FitBook(parse_model('''
    ... version: v1
    ... rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}
    ... bands: {warm: {enter: 30, leave: 20}}
    ... profiles:
    ...   mid_market:
    ...     industry: {weight: 10, answers: {"*software*": 10, "*": 2}}
    ...     employees: {weight: 5, answers: {">= 200": 8, ">= 50": 4}}
    ...     growth: {weight: 5, answers: {">= 10": 10}}
    ... exclusions: {rival: {where: {domain: rival.example}, reason: is a competitor}}
    ... ''', "m.yaml"))
    >>> fit = book.rate({"industry": "Software", "employees": 120, "domain": "acme.com"})
    >>> fit.level, fit.value, fit.coverage, fit.profile
    ('moderate', 8.0, 0.75, 'mid_market')
    >>> fit = book.rate({"industry": "Software", "domain": "rival.example"})
    >>> fit.level, fit.value, fit.reason
    ('excluded', 0.0, 'is a competitor')
    """

    def __init__(self, model: ScoringModel) -> None:
        self._levels = model.accounts.fit
        self._profiles = [_CompiledProfile(name, profile) for name, profile in model.profiles.items()]
        self._exclusions = [_compile_exclusion(name, exclusion) for name, exclusion in model.exclusions.items()]

    def rate(self, facts: Mapping[str, Fact]) -> Fit:
        """Return how well an account with these facts fits.

        The model may ask for ``domain`` and for ``engagement`` (points), which the caller puts beside the other facts.
        """
        profiles = [profile.rate(facts, self._levels.coverage_min) for profile in self._profiles]
        profiles.sort(key=_order)
        fit = Fit("unknown", profiles=profiles)
        if profiles:
            best = profiles[0]
            fit.value, fit.coverage, fit.profile = best.value, best.coverage, best.name
            fit.level = _level(best.value, self._levels)
        for exclusion in self._exclusions:
            if exclusion.holds(facts):
                fit.level, fit.value = "excluded", 0.0
                fit.exclusion, fit.reason = exclusion.name, exclusion.reason
                break
        return fit


def _order(profile: ProfileFit) -> tuple[bool, float, float, str]:
    """Return what profiles are sorted by: the known ones first, by fit, coverage and name."""
    return profile.value is None, -(profile.value or 0.0), -profile.coverage, profile.name


def _level(value: float | None, levels: FitLevels) -> Level:
    if value is None:
        return "unknown"
    if value >= levels.strong:
        return "strong"
    return "moderate" if value >= levels.moderate else "weak"


def _known(facts: Mapping[str, Fact], name: str) -> Fact | None:
    """Return a fact, or None where nothing is known; 0 and false are known."""
    value = facts.get(name)
    return value if value or value == 0 else None


# ── profiles ─────────────────────────────────────────────────────────────────────────────────────────────────


class _CompiledProfile:
    def __init__(self, name: str, profile: Profile) -> None:
        self._name = name
        self._components = [_CompiledComponent(part, component) for part, component in profile.items()]
        self._weight = sum(component.weight for component in profile.values())

    def rate(self, facts: Mapping[str, Fact], coverage_min: float) -> ProfileFit:
        components = [component.rate(facts) for component in self._components]
        weighted = known = 0.0
        for component in components:
            if component.rating is not None:
                known += component.weight
                weighted += component.weight * component.rating
        coverage = round(known / self._weight, _DIGITS)
        value = round(weighted / known, _DIGITS) if known and coverage >= coverage_min else None
        return ProfileFit(self._name, value, coverage, components)


class _CompiledComponent:
    """Rates one fact; what it has made of a text or a number is remembered whole, since accounts are much alike."""

    def __init__(self, name: str, component: Component) -> None:
        self._name = name
        self._weight = component.weight
        self._sources = component.sources
        self._unknown = ComponentFit(name, None, component.weight)
        self._rating = _rater(component)
        # Typed, since 1, 1.0 and true are equal keys and different answers.
        self._rate_one = lru_cache(_ANSWERS_KEPT, typed=True)(self._rate_afresh)

    def rate(self, facts: Mapping[str, Fact]) -> ComponentFit:
        for source in self._sources:
            value = _known(facts, source)
            if value is not None:
                return self._rate_list(value) if isinstance(value, list) else self._rate_one(value)
        return self._unknown

    def _rate_afresh(self, value: str | float | bool) -> ComponentFit:
        return ComponentFit(self._name, self._rating(value), self._weight, _shorten(_show_one(value)))

    def _rate_list(self, items: list[str]) -> ComponentFit:
        rated = [self._rate_one(item) for item in items]
        best = max(rated, key=lambda item: item.rating or 0.0)
        if len(items) == 1:
            return best
        texts = [best.fact, *(item.fact for item in rated if item is not best)]
        return ComponentFit(self._name, best.rating, self._weight, _shorten(", ".join(texts)))


def _rater(component: Component) -> Callable[[str | float | bool], float]:
    """Return what says how an answer is rated."""
    answers = tuple((compile_condition(answer.condition), answer.points) for answer in component.answers)
    return lambda value: next((rating for test, rating in answers if test({"answer": value})), 0.0)


def _show_one(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _shorten(text: str) -> str:
    return text if len(text) <= FACT_LENGTH_MAX else f"{text[: FACT_LENGTH_MAX - 1]}…"


# ── exclusions ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _CompiledExclusion:
    name: str
    reason: str
    conditions: tuple[tuple[str, Test], ...]

    def holds(self, facts: Mapping[str, Fact]) -> bool:
        return all(_meets(facts, name, test) for name, test in self.conditions)


def _compile_exclusion(name: str, exclusion: Exclusion) -> _CompiledExclusion:
    conditions = [_about_accounts(condition) for condition in exclusion.where]
    tests = tuple((condition.property, compile_condition(condition)) for condition in conditions)
    return _CompiledExclusion(name, exclusion.reason, tests)


def _about_accounts(condition: Condition) -> Condition:
    """Return a condition on people's addresses as one on the account's domain, so that one name serves for both."""
    return replace(condition, property=_DOMAIN) if condition.property == _DOMAIN_OF_PEOPLE else condition


def _meets(facts: Mapping[str, Fact], name: str, test: Test) -> bool:
    """Tell whether a fact meets a condition: of a list, whether any item does."""
    value = _known(facts, name)
    if isinstance(value, list):
        return any(test({name: item}) for item in value)
    return test({name: value})
