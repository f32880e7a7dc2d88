"""What a lead has told about itself, and what the model makes of it.

Of each property that the model reads, a lead remembers the newest answer. Answers are worth constant points: they do
not fade. What nobody has answered is *unknown*, which is reported, and never the same as an answer worth nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from scoring.email_domains import domain_of, is_free_mail
from scoring.lead_state import Answer, LeadState
from scoring.model import ScoringModel, Trait
from scoring.rules import Test, compile_condition

ANSWER_LENGTH_MAX: Final = 200
EMAIL: Final = "email"
_EMAIL_PREFIX: Final = "email:"


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    sources: tuple[str, ...]
    answers: tuple[tuple[Test, float], ...]


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
        self._read = [(properties.index(name), name, name.split(".")) for name in model.trait_properties]
        self._contact = model.contact
        self._email = properties.index(EMAIL) if EMAIL in properties else -1
        self._entries = [_compile_trait(name, trait) for name, trait in model.traits.items()]
        self._questions = [entry for entry in self._entries if isinstance(entry, _Question)]

    def learn(self, state: LeadState, traits: Mapping[str, Any], time_ms: int) -> bool:
        """Remember what an event's ``traits`` tell, in place; return whether any answer is another now."""
        changed = False
        for number, name, path in self._read:
            answer = _as_answer(traits.get(name) if name in traits else _reach(traits, path))
            if answer is None:
                continue
            if number not in state.properties:
                state.properties.append(number)
                state.answers.append(answer)
                state.answered.append(time_ms)
                changed = True
                continue
            column = state.properties.index(number)
            known, at = state.answers[column], state.answered[column]
            if time_ms > at or (time_ms == at and _rank(answer) > _rank(known)):
                state.answers[column], state.answered[column] = answer, time_ms
                changed = changed or _rank(answer) != _rank(known)
        return changed

    def rate(self, state: LeadState, lead: str) -> None:
        """Set what a lead's traits come to: ``traits``, ``trait_points`` and ``fixed``, in place."""
        known = self.known(state, lead)
        state.traits, state.trait_points = [], []
        for number, entry in enumerate(self._entries):
            points = _rate_question(entry, known) if isinstance(entry, _Question) else _rate_flag(entry, known)
            if points:
                state.traits.append(number)
                state.trait_points.append(points)
        state.fixed = sum(state.trait_points, 0.0)

    def known(self, state: LeadState, lead: str) -> dict[str, Answer]:
        """Return all that is known of a lead, by property, with what its address tells."""
        known = {
            self._properties[number]: answer for number, answer in zip(state.properties, state.answers, strict=True)
        }
        domain = _domain(lead, known.get(EMAIL))
        if domain:
            known["email_domain"] = domain
            known["email_kind"] = "free" if is_free_mail(domain) else "company"
        return known

    def place(self, state: LeadState, lead: str) -> None:
        """Set a lead's account to its company's domain, in place, unless an event has named one."""
        if state.account_at:
            return
        email = None
        if self._email in state.properties:
            email = state.answers[state.properties.index(self._email)]
        domain = _domain(lead, email)
        state.account = "" if is_free_mail(domain) else domain

    def contact(self, state: LeadState, lead: str) -> dict[str, Answer]:
        """Return how a lead can be reached: the known ones of the model's ``contact``."""
        known = self.known(state, lead) if state.properties else {}
        if lead.startswith(_EMAIL_PREFIX):
            known.setdefault(EMAIL, lead.removeprefix(_EMAIL_PREFIX))
        return {name: known[name] for name in self._contact if name in known}

    def unknown(self, state: LeadState, lead: str) -> tuple[list[str], float | None]:
        """Return the questions without an answer, and the share of those with one (0 to 1; None without any)."""
        if not self._questions:
            return [], None
        known = self.known(state, lead)
        names = [entry.name for entry in self._questions if not any(source in known for source in entry.sources)]
        return names, 1 - len(names) / len(self._questions)


def _domain(lead: str, email: object) -> str:
    """Return the domain of a lead's address: its id, or else the ``email`` that it told; or nothing."""
    address = lead.removeprefix(_EMAIL_PREFIX) if lead.startswith(_EMAIL_PREFIX) else email
    return domain_of(address) if isinstance(address, str) and "@" in address else ""


def _compile_trait(name: str, trait: Trait) -> _Question | _Flag:
    if trait.answers:
        answers = tuple((compile_condition(answer.condition), answer.points) for answer in trait.answers)
        return _Question(name, trait.sources, answers)
    return _Flag(name, tuple(compile_condition(condition) for condition in trait.where), trait.points)


def _rate_question(question: _Question, known: Mapping[str, Answer]) -> float:
    answer = next((known[source] for source in question.sources if source in known), None)
    if answer is None:
        return 0.0
    return next((points for test, points in question.answers if test({"answer": answer})), 0.0)


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


def _rank(answer: Answer) -> tuple[str, Answer]:
    return type(answer).__name__, answer
