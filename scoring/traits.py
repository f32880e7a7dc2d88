"""What a lead has told about itself, and what the model makes of it.

Of each property that the model reads, a lead remembers the newest answer. Answers are worth constant points: they do
not fade. What nobody has answered is *unknown*, which is reported, and never the same as an answer worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any, Final

from scoring.account_identity import account_of_domain
from scoring.contacts import AccountFacts
from scoring.email_domains import domain_of, is_free_mail
from scoring.identity import EMAIL_PREFIX
from scoring.lead_state import Answer, LeadState, Person, rank_answer
from scoring.model import ScoringModel, Trait
from scoring.rules import Test, compile_condition
from scoring.sales import adjusted_points
from scoring.score_records import TraitLine

ANSWER_LENGTH_MAX: Final = 200
_DOMAINS_KEPT: Final = 4096
_ANSWERS_KEPT: Final = 1024
EMAIL: Final = "email"
OWNER: Final = "owner"


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    sources: tuple[str, ...]
    rate: Callable[[Answer], float]


@dataclass(frozen=True, slots=True)
class _Flag:
    name: str
    tests: tuple[Test, ...]
    points: float


class TraitBook:
    """A model's traits, compiled against the numbers that a shard gave to properties."""

    def __init__(self, model: ScoringModel, properties: list[str]) -> None:
        self.names = list(model.traits)
        self._properties = properties
        self._read = [
            (properties.index(name), name, name.split(".") if "." in name else None) for name in model.trait_properties
        ]
        self._contact = model.contact
        self._entries = [_compile_trait(name, trait) for name, trait in model.traits.items()]
        # Most leads have told nothing, and there are fewer companies than leads.
        self._rate_of_domain = lru_cache(maxsize=_DOMAINS_KEPT)(lambda domain: self._rate(_told_by(domain)))
        self._rated_untold: dict[tuple[str, int], list[tuple[int, float]]] = {}
        self._questions = [entry for entry in self._entries if isinstance(entry, _Question)]
        self._sources = {entry.name: entry.sources for entry in self._questions}

    def learn(self, state: LeadState, traits: Mapping[str, Any], time_ms: int) -> bool:
        """Remember what an event's ``traits`` tell, in place; return whether any answer is another now."""
        changed = False
        for number, name, path in self._read:
            if name in traits:
                answer = _as_answer(traits[name])
            else:
                answer = None if path is None else _as_answer(_reach(traits, path))
            if answer is None:
                continue
            person = state.person = state.person or Person()
            if number not in person.properties:
                person.properties.append(number)
                person.answers.append(answer)
                person.answered.append(time_ms)
                changed = True
                continue
            column = person.properties.index(number)
            known, at = person.answers[column], person.answered[column]
            if time_ms > at or (time_ms == at and rank_answer(answer) > rank_answer(known)):
                person.answers[column], person.answered[column] = answer, time_ms
                changed = changed or rank_answer(answer) != rank_answer(known)
        return changed

    def rate(self, state: LeadState, lead: str) -> None:
        """Set what a lead's traits come to: in ``person``, and ``fixed``, in place."""
        person, told = state.person, self.told(state)
        domain = _domain(lead, told.get(EMAIL))
        traits = self._rate(_known(told, state.facts, domain)) if told else self._rate_untold(domain, state.facts)
        if traits or person is not None:
            person = state.person = person or Person()
            person.traits = [number for number, _ in traits]
            person.points = [points for _, points in traits]
        fixed = adjusted_points(state.sales)
        for _, points in traits:
            fixed += points
        state.fixed = fixed
        if not state.account_at:  # else an event has named one
            state.account = account_of_domain(domain).removeprefix("domain:")

    def _rate_untold(self, domain: str, facts: AccountFacts | None) -> list[tuple[int, float]]:
        """Return the traits of a lead that has told nothing: what its address and its account tell."""
        if facts is None or not facts.traits:
            return self._rate_of_domain(domain)
        key = domain, facts.version
        if key not in self._rated_untold:
            if len(self._rated_untold) >= _DOMAINS_KEPT:
                self._rated_untold.clear()
            self._rated_untold[key] = self._rate(facts.traits | _told_by(domain))
        return self._rated_untold[key]

    def _rate(self, known: Mapping[str, Answer]) -> list[tuple[int, float]]:
        """Return the traits, by number, that are worth anything."""
        rated: list[tuple[int, float]] = []
        for number, entry in enumerate(self._entries):
            points = _rate_question(entry, known) if isinstance(entry, _Question) else _rate_flag(entry, known)
            if points:
                rated.append((number, points))
        return rated

    def told(self, state: LeadState) -> dict[str, Answer]:
        """Return what a lead has told, by property."""
        person = state.person
        if person is None:
            return {}
        return {
            self._properties[number]: answer for number, answer in zip(person.properties, person.answers, strict=True)
        }

    def known(self, state: LeadState, lead: str) -> dict[str, Answer]:
        """Return all that is known of a lead, by property: what it has told, what its address and its account tell."""
        told = self.told(state)
        return _known(told, state.facts, _domain(lead, told.get(EMAIL)))

    def _is_of_account(self, trait: str, told: Mapping[str, Answer], of_account: Mapping[str, Answer]) -> bool:
        """Whether a trait's answer is known from the account only."""
        for source in self._sources.get(trait, ()):
            if source in told:
                return False
            if source in of_account:
                return True
        return False

    def lines(self, state: LeadState) -> list[TraitLine]:
        """Return what each trait of a lead that is worth anything contributes."""
        person = state.person
        if person is None:
            return []
        lines = [
            TraitLine(self.names[number], points) for number, points in zip(person.traits, person.points, strict=True)
        ]
        if lines and state.facts is not None and state.facts.traits:
            told, of_account = self.told(state), state.facts.traits
            for line in lines:
                line.of_account = self._is_of_account(line.trait, told, of_account)
        return lines

    def contact(self, state: LeadState, lead: str) -> dict[str, Answer]:
        """Return how a lead can be reached: the known ones of the model's ``contact``."""
        has_address = lead[0] == "e"  # email:…
        if state.person is None and not has_address:
            return {}
        known = self.told(state)
        if state.facts is not None and state.facts.owner:
            known.setdefault(OWNER, state.facts.owner)
        if has_address and EMAIL not in known:
            known[EMAIL] = lead[len(EMAIL_PREFIX) :]
        found = {}
        for name in self._contact:
            if name in known:
                found[name] = known[name]
        return found

    def unknown(self, state: LeadState, lead: str) -> tuple[list[str], float | None]:
        """Return the questions without an answer, and the share of those with one (0 to 1; None without any)."""
        if not self._questions:
            return [], None
        known = self.known(state, lead)
        names = [entry.name for entry in self._questions if not any(source in known for source in entry.sources)]
        return names, 1 - len(names) / len(self._questions)


def _known(told: Mapping[str, Answer], facts: AccountFacts | None, domain: str) -> dict[str, Answer]:
    of_account = {} if facts is None else facts.traits
    return {**of_account, **told, **_told_by(domain)}


def _told_by(domain: str) -> dict[str, Answer]:
    """Return what the domain of an address tells, as properties."""
    if not domain:
        return {}
    return {"email_domain": domain, "email_kind": "free" if is_free_mail(domain) else "company"}


def _domain(lead: str, email: object) -> str:
    """Return the domain of a lead's address: its id, or else the ``email`` that it told; or nothing."""
    if lead.startswith(EMAIL_PREFIX):
        return lead.rpartition("@")[2].rstrip(".")  # the address in a lead's id is normalised
    return domain_of(email) if isinstance(email, str) and "@" in email else ""


def _compile_trait(name: str, trait: Trait) -> _Question | _Flag:
    if trait.answers:
        # Typed, since 1, 1.0 and true are equal keys and different answers.
        return _Question(name, trait.sources, lru_cache(_ANSWERS_KEPT, typed=True)(_rater(trait)))
    return _Flag(name, tuple(compile_condition(condition) for condition in trait.where), trait.points)


def _rater(trait: Trait) -> Callable[[Answer], float]:
    """Return what says how many points an answer is worth."""
    answers = tuple((compile_condition(answer.condition), answer.points) for answer in trait.answers)
    return lambda answer: next((points for test, points in answers if test({"answer": answer})), 0.0)


def _rate_question(question: _Question, known: Mapping[str, Answer]) -> float:
    for source in question.sources:
        if source in known:
            return question.rate(known[source])
    return 0.0


def _rate_flag(flag: _Flag, known: Mapping[str, Answer]) -> float:
    return flag.points if all(test(known) for test in flag.tests) else 0.0


def _reach(traits: Mapping[str, Any], path: list[str]) -> object:
    value: object = traits
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _as_answer(value: object) -> Answer | None:
    """Return a value as it is remembered, or None if it is no answer."""
    if isinstance(value, str):
        return value.strip()[:ANSWER_LENGTH_MAX] or None  # exports write unknowns as blanks
    if isinstance(value, bool) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, int):
        return value if -(1 << 53) < value < 1 << 53 else None
    return None
