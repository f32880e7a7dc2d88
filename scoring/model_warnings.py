"""What a model may say but hardly means: names without use, answers that never count, bands and fits out of reach."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping

from scoring.company_events import NEGATIVE_EVENTS, POSITIVE_EVENTS
from scoring.conditions import Condition, join_words
from scoring.conditions_compared import covers
from scoring.conditions_file import OWN_DOMAINS, Answer
from scoring.model_accounts import Component, Exclusion, FitLevels
from scoring.model_bands import Band
from scoring.model_file import show
from scoring.model_sections import (
    VIRTUAL_PROPERTIES,
    VISITS_KEPT,
    Channel,
    Rule,
    Trait,
    Visits,
)
from scoring.model_signals import CompanyEvent, Signal
from scoring.model_words import describe_answer, show_days, show_minutes

_LEDGER_WORDS = ("floor", "inactivity")
"""Names that lines of a ledger have by themselves."""


def unused_names(
    names: Mapping[str, tuple[Condition, ...]],
    rules: Mapping[str, Rule],
    traits: Mapping[str, Trait],
    exclusions: Mapping[str, Exclusion],
) -> Iterator[str]:
    """Warn of names whose conditions no rule, no trait and no exclusion has."""
    wheres = [
        *(rule.where for rule in rules.values()),
        *(trait.where for trait in traits.values()),
        *(exclusion.where for exclusion in exclusions.values()),
    ]
    used = [set(map(repr, where)) for where in wheres]
    users = {"rule": rules, "trait": traits, "exclusion": exclusions}
    nobody = join_words(kind for kind, entries in users.items() if entries)
    for name, conditions in names.items():
        if name != OWN_DOMAINS and not any(set(map(repr, conditions)) <= where for where in used):
            yield f"names.{name}: no {nobody} uses it"


def rules_that_never_count(rules: Mapping[str, Rule], visits: Visits) -> Iterator[str]:
    """Warn of rules about visits that lie too close together, and about events with what only leads have."""
    for name, rule in rules.items():
        if rule.visits is not None:
            # Visits begin more than a gap apart, or they would be one.
            apart_days = (rule.visits.at_least - 1) * visits.gap_minutes / 1_440
            if rule.visits.within_days <= apart_days:
                gap = show_minutes(visits.gap_minutes)
                yield (
                    f"rules.{name}.visits.within_days: {rule.visits.at_least} visits do not fit into "
                    f"{show_days(rule.visits.within_days)}, because what happens within {gap} is one visit"
                )
        for condition in rule.where:
            if condition.property in VIRTUAL_PROPERTIES:
                yield f"rules.{name}.where.{condition.property}: is known of leads and not of events; use it in a trait"


def answers_that_never_count(questions: Iterable[tuple[str, tuple[Answer, ...]]]) -> Iterator[str]:
    """Warn of answers that an earlier one takes all of; each question comes with its key."""
    for key, answers in questions:
        for number, answer in enumerate(answers):
            earlier = next((one for one in answers[:number] if covers(one.condition, answer.condition)), None)
            if earlier is not None:
                yield (
                    f"{key}.answers: what {describe_answer(answer)} is never reached, because "
                    f"what {describe_answer(earlier)} stands before it"
                )


def channels_that_do_little(channels: Mapping[str, Channel], rules: Mapping[str, Rule]) -> Iterator[str]:
    """Warn of ceilings over nothing, and of those below a single match."""
    for name, channel in channels.items():
        members = {rule_name: rule for rule_name, rule in rules.items() if rule.channel == name}
        if not members:
            yield f"channels.{name}: no rule is in it"
        for rule_name, rule in members.items():
            if rule.points > channel.points_max:
                yield (
                    f"channels.{name}.points_max: {show(channel.points_max)} is below the {show(rule.points)} of one "
                    f"match of {rule_name}, which can never count whole"
                )


def names_that_ledgers_confuse(rules: Iterable[str], traits: Iterable[str], channels: Collection[str]) -> Iterator[str]:
    """Warn of rules and traits called as the lines are that a ledger has by itself."""
    for section, names in (("rules", rules), ("traits", traits)):
        for name in names:
            if name in _LEDGER_WORDS or name in channels:
                yield f"{section}.{name}: a ledger has a line of its own called so; another name is easier to read"


def bands_out_of_reach(
    bands: Mapping[str, Band], rules: Mapping[str, Rule], traits: Mapping[str, Trait], channels: Mapping[str, Channel]
) -> Iterator[str]:
    """Warn of bands that all rules and traits together do not reach; a hold reaches the highest one."""
    most = points_at_most(rules, traits, channels)
    highest = [*bands][-1]
    is_held = any(rule.hot is not None for rule in rules.values())
    for name, band in bands.items():
        if band.enter > most and not (name == highest and is_held):
            yield (
                f"bands.{name}.enter: {show(band.enter)} is out of reach: all rules and traits together come to "
                f"{show(most)} points at most"
            )


def points_at_most(rules: Mapping[str, Rule], traits: Mapping[str, Trait], channels: Mapping[str, Channel]) -> float:
    """Return the most points that a lead can have: everything that adds, cut at the ceilings; infinite without them."""
    by_channel: dict[str | None, float] = {}
    for rule in rules.values():
        visits_most = math.inf if rule.visits is None else VISITS_KEPT * rule.points
        if rule.points > 0:
            most = min(rule.points_max, visits_most)
            by_channel[rule.channel] = by_channel.get(rule.channel, 0.0) + most
    ceilings = {name: channel.points_max for name, channel in channels.items()}
    rules_most = sum(min(most, ceilings.get(name or "", math.inf)) for name, most in by_channel.items())
    return rules_most + sum(
        max(0.0, trait.points, *(answer.points for answer in trait.answers)) for trait in traits.values()
    )


def profiles_that_never_fit_well(profiles: Mapping[str, Mapping[str, Component]], fit: FitLevels) -> Iterator[str]:
    """Warn of profiles none of whose ratings would be a strong fit."""
    for name, profile in profiles.items():
        best = max(answer.points for component in profile.values() for answer in component.answers)
        if best < fit.strong:
            yield (
                f"profiles.{name}: rates nothing above {show(best)}, so that no account can have a strong fit, "
                f"from {show(fit.strong)}"
            )


def exclusions_that_never_hold(exclusions: Mapping[str, Exclusion]) -> Iterator[str]:
    """Warn of exclusions that ask for the kind of an address, which only people have."""
    for name, exclusion in exclusions.items():
        if any(condition.property == "email_kind" for condition in exclusion.where):
            yield f"exclusions.{name}.where.email_kind: is known of leads and not of accounts; use it in a trait"


def signals_that_contradict_themselves(signals: Mapping[str, Signal], rules: Mapping[str, Rule]) -> Iterator[str]:
    """Warn of signals that call bad news good, good news bad, or a penalty a reason to call."""
    for name, signal in signals.items():
        for rule in sorted(signal.asked):
            if rules[rule].points < 0:
                yield f"signals.{name}: is a reason to call, but {rule} counts against a lead"
        if isinstance(signal, CompanyEvent):
            against, news = (POSITIVE_EVENTS, "good") if signal.negative else (NEGATIVE_EVENTS, "bad")
            for event in sorted(against.intersection(signal.on)):
                yield f"signals.{name}.on: {event} is {news} news, but the signal is {signal.polarity}"
