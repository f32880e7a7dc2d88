"""The sections of a model in plain words, one line each, as ``leadheat model check`` tells them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby

from scoring.conditions import Condition, describe_condition, join_words
from scoring.conditions_file import Answer
from scoring.model_accounts import Component, Exclusion, FitLevels, Profile
from scoring.model_bands import AccountBand, Band
from scoring.model_engagement import Accounts, Waking
from scoring.model_file import show
from scoring.model_sections import Alerts, Channel, FollowUpTimes, Inactivity, Rule, Trait, VisitCount, Visits
from scoring.model_signals import (
    CompanyEvent,
    Count,
    DistinctContacts,
    HandRaise,
    Reactivation,
    Signal,
    StepSequence,
    Surge,
)


def describe_rule(rule: Rule) -> str:
    """Say what a rule counts, for how much, and how that fades."""
    parts = [f"{rule.points:+.12g} {_occasion(rule)}", f"halves every {show_days(rule.half_life_days)}"]
    if rule.points_max != math.inf:
        parts.append(f"at most {show(rule.points_max)}" if rule.points > 0 else f"never below {show(-rule.points_max)}")
    if rule.once_per is not None:
        parts.append(f"once per {rule.once_per}")
    if rule.hold_days is not None:
        parts.append(f"hot at once for {show_days(rule.hold_days)}")
    if rule.converts:
        parts.append("a conversion")
    if rule.points > 0:
        parts.append(rule.phase)
    if rule.channel is not None:
        parts.append(f"channel {rule.channel}")
    return "; ".join(parts)


def _occasion(rule: Rule) -> str:
    if rule.visits is not None:
        return f"at {describe_visit_count(rule.visits)}"
    return f"when {join_words(rule.on)}{f' where {describe_conditions(rule.where)}' if rule.where else ''}"


def describe_visit_count(count: VisitCount) -> str:
    """Say which visits count.

    >>> describe_visit_count(VisitCount(at_least=2, within_days=7))
    'each visit that is at least the 2nd within 7 days'
    """
    return f"each visit that is at least the {_ordinal(count.at_least)} within {show_days(count.within_days)}"


def describe_conditions(conditions: Iterable[Condition]) -> str:
    """Say conditions in words, all of which must hold."""
    return " and ".join(describe_condition(condition) for condition in conditions)


def describe_trait(trait: Trait) -> str:
    """Say what a trait adds for which answer, or on which conditions.

    >>> where = (Condition("email_kind", "equals_any", ("free",)),)
    >>> describe_trait(Trait(where=where, points=-10.0))
    '-10 where email_kind is free'
    """
    if not trait.is_question:
        return f"{trait.points:+.12g} where {describe_conditions(trait.where)}"
    return f"{_describe_answers(trait.sources, trait.answers, show_points)}; unknown without an answer"


def _describe_answers(sources: tuple[str, ...], answers: tuple[Answer, ...], tell: Callable[[float], str]) -> str:
    asked = sources[0] if len(sources) == 1 else f"the first known of {' / '.join(sources)}"
    parts = [
        f"{tell(points)} where {'it' if number else asked} {_join_answers(list(alike))}"
        for number, ((points, _), alike) in enumerate(groupby(answers, key=_likeness))
    ]
    return ", else ".join([*parts, "0"])


def _likeness(answer: Answer) -> tuple[float, bool]:
    """Return what neighbouring answers must share to be told together."""
    return answer.points, answer.condition.kind == "compare"


def _join_answers(alike: list[Answer]) -> str:
    if alike[0].condition.kind == "compare":
        return " or ".join(describe_answer(answer) for answer in alike)
    values = tuple(value for answer in alike for value in answer.condition.values)
    has_patterns = any(answer.condition.kind == "glob_any" for answer in alike)
    joined = Condition("answer", "glob_any" if has_patterns else "equals_any", values)
    return describe_answer(Answer(joined, alike[0].points))


def describe_answer(answer: Answer) -> str:
    """Say which answer is meant, as the end of a sentence.

    >>> describe_answer(Answer(Condition("answer", "compare", op=">=", number=50.0), 15.0))
    '>= 50'
    """
    return describe_condition(answer.condition).removeprefix(f"{answer.condition.property} ")


def describe_visits(visits: Visits) -> str:
    """Say what a visit is."""
    return f"a visit: {join_words(visits.on)}, until {show_minutes(visits.gap_minutes)} of silence"


def describe_channel(channel: Channel) -> str:
    """Say what the rules of a channel come to at most."""
    return f"at most {show(channel.points_max)} points from all its rules together"


def describe_inactivity(inactivity: Inactivity) -> str:
    """Say what silence costs."""
    after = show_days(inactivity.after_days)
    return f"{inactivity.points:+.12g} from {after} after the end of the last visit, until the next"


def describe_follow_up(times: FollowUpTimes) -> str:
    """Say how long sales has, and what keeps a lead quiet."""
    return (
        f"follow-up: contact within {show(times.contact_within_h)} working hours; no new alert for "
        f"{show_days(times.in_work_days)} after work on a lead, nor for {show_days(times.recycle_days)} after a loss"
    )


def describe_band(band: Band) -> str:
    """Say when a band is entered and left, and whether it alerts."""
    parts = [describe_levels(band)]
    if band.fit_min is not None:
        parts.append(f"account fit at least {show(band.fit_min)} or unknown")
    if band.cooldown_h is not None:
        parts.append(f"alerts, at most one per lead in {show(band.cooldown_h)} h")
    return "; ".join(parts)


def describe_levels(band: Band | AccountBand) -> str:
    """Say between which points a band lies."""
    return f"from {show(band.enter)}, left below {show(band.leave)}"


def describe_contact(contact: tuple[str, ...]) -> str:
    """Say what alerts carry along about the person."""
    return (
        f"alerts carry {' and '.join(contact) if len(contact) < 3 else ', '.join(contact)}"
        if contact
        else ("alerts carry nothing about the person")
    )


def describe_alerts(alerts: Alerts) -> Iterator[str]:
    """Say what is particular about all alerts."""
    default = Alerts()
    if alerts.max_age_h != default.max_age_h:
        yield f"a crossing more than {show(alerts.max_age_h)} h old alerts nobody"
    if alerts.visitors:
        yield "visitors alert too"


def describe_account_fit(
    profiles: Mapping[str, Profile], exclusions: Mapping[str, Exclusion], levels: FitLevels
) -> Iterator[str]:
    """Say how well accounts fit: a line per component and exclusion, and one for the levels where there is a fit."""
    for name, profile in profiles.items():
        weights = show(sum(component.weight for component in profile.values()))
        for part, component in profile.items():
            rated = describe_component(component)
            yield f"profile {name}, {part}: {rated}; weight {show(component.weight)} of {weights}"
    for name, exclusion in exclusions.items():
        yield f"exclusion {name}: {describe_exclusion(exclusion)}"
    if profiles or levels != FitLevels():
        yield f"account fit: {describe_fit_levels(levels)}"


def describe_component(component: Component) -> str:
    """Say how a component of a profile rates which answer, 0 to 10.

    >>> answers = (Answer(Condition("answer", "compare", op=">=", number=50.0), 8.0),)
    >>> describe_component(Component(weight=7, answers=answers, **{"from": ("employees",)}))
    '8 where employees >= 50, else 0'
    """
    return _describe_answers(component.sources, component.answers, show)


def describe_exclusion(exclusion: Exclusion) -> str:
    """Say which accounts are out of the question, and why."""
    return f"fit 0 where {describe_conditions(exclusion.where)}; {exclusion.reason}"


def describe_fit_levels(fit: FitLevels) -> str:
    """Say what a fit is called.

    >>> describe_fit_levels(FitLevels())
    "strong from 8.1, moderate from 5, else weak; unknown where less than 40% of a profile's weight is known"
    """
    levels = f"strong from {show(fit.strong)}, moderate from {show(fit.moderate)}, else weak"
    return f"{levels}; unknown where {describe_coverage_min(fit)}"


def describe_coverage_min(fit: FitLevels) -> str:
    """Say when too little is known for a fit."""
    if fit.coverage_min == 0:
        return "nothing of a profile is known"
    return f"less than {show(100 * fit.coverage_min)}% of a profile's weight is known"


def describe_accounts(accounts: Accounts) -> Iterator[str]:
    """Say what accounts have in common; nothing where all is left as it is."""
    if accounts == Accounts(fit=accounts.fit):
        return
    yield f"account engagement: {describe_engagement(accounts)}"
    for event, points in accounts.company_events.items():
        yield f"account {event}: {show_points(points)}"
    for name, band in accounts.bands.items():
        yield f"account {name}: {describe_levels(band)}"
    yield f"worth waking: {describe_waking(accounts.waking)}"


def describe_engagement(accounts: Accounts) -> str:
    """Say what people and news add up to.

    >>> describe_engagement(Accounts())
    'at most 100 of each person; halves every 30 days'
    """
    return f"at most {show(accounts.contact_max)} of each person; halves every {show_days(accounts.half_life_days)}"


def describe_waking(waking: Waking) -> str:
    """Say which leads are worth waking."""
    return f"account fit at least {show(waking.fit_min)}, and nothing for {show_days(waking.quiet_days)}"


def describe_signal(signal: Signal) -> str:
    """Say what a signal is, whether it is bad news, and how often it is said.

    >>> describe_signal(Count(kind="count", sessions=3, within_days=7, cooldown_h=24))
    '3 visits within 7 days; once in 24 h'
    """
    often = f"once in {show(signal.cooldown_h)} h" if signal.cooldown_h else "each time"
    parts = [_describe_what(signal), *(["negative"] if signal.polarity == "negative" else []), often]
    return "; ".join(parts)


def _describe_what(signal: Signal) -> str:
    match signal:
        case HandRaise():
            return f"a match of {join_words(signal.rules)}"
        case Count():
            return f"{signal.sessions} visits within {show_days(signal.within_days)}"
        case DistinctContacts():
            same = f", or as many with {join_words(signal.or_rules)} about the same" if signal.or_rules else ""
            return f"{signal.people} people within {show_days(signal.within_days)}{same}"
        case Surge():
            usual = f"{show(signal.factor)} times the mean of the 3 weeks before"
            return f"at least {show_events(signal.events_min)} in 7 days, and {usual}"
        case StepSequence():
            steps = ", then ".join(join_words(step) for step in signal.steps)
            return f"{steps}, within {show_days(signal.within_days)}"
        case Reactivation():
            return f"{show_events(signal.events)} after {show_days(signal.quiet_days)} without any"
        case CompanyEvent():
            return f"news: {join_words(signal.on)}"


def show_events(count: int) -> str:
    """Return a number of events in words."""
    return "1 event" if count == 1 else f"{count} events"


def show_points(points: float) -> str:
    """Return points with their sign; 0 has none.

    >>> show_points(10.0), show_points(-2.5), show_points(0.0)
    ('+10', '-2.5', '0')
    """
    return f"{points:+.12g}" if points else "0"


def show_days(days: float) -> str:
    """Return a number of days in words.

    >>> show_days(1.0), show_days(14.0)
    ('1 day', '14 days')
    """
    return "1 day" if days == 1 else f"{show(days)} days"


def show_minutes(minutes: float) -> str:
    """Return a number of minutes in words."""
    return "1 minute" if minutes == 1 else f"{show(minutes)} minutes"


def _ordinal(number: int) -> str:
    """Return the ordinal of a number of visits.

    >>> [_ordinal(number) for number in (2, 3, 4, 11, 12, 13, 21, 22, 23, 32)]
    ['2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '22nd', '23rd', '32nd']
    """
    ending = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
