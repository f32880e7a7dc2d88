"""What changes between two models, in sentences, and from when each change counts.

Leads remember counts, answers and visits, not their events. What is worked out from these memories takes effect at
once, for the past too. What decides what goes *into* them counts from now on, until the events are replayed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from scoring.conditions import join_words
from scoring.conditions_file import OWN_DOMAINS
from scoring.model import (
    AccountBand,
    Answer,
    Band,
    Channel,
    Component,
    Exclusion,
    Profile,
    Rule,
    ScoringModel,
    Signal,
    Trait,
)
from scoring.model_customer_words import (
    describe_care,
    describe_criterion,
    describe_exit,
    describe_manual,
    describe_split,
)
from scoring.model_customers import CriterionOfAKind, Segment
from scoring.model_file import show
from scoring.model_sections import VIRTUAL_PROPERTIES
from scoring.model_signals import Count
from scoring.model_words import (
    describe_answer,
    describe_band,
    describe_channel,
    describe_component,
    describe_conditions,
    describe_coverage_min,
    describe_exclusion,
    describe_follow_up,
    describe_inactivity,
    describe_levels,
    describe_rule,
    describe_signal,
    describe_trait,
    describe_visit_count,
    describe_waking,
    show_days,
    show_minutes,
    show_points,
)

Effect = Literal["at once", "from now on"]
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class Change:
    """One change in words, and whether it counts for what leads did before it.

    ``at once``: scores and bands follow as soon as the model is used. ``from now on``: only events from then on count
    the new way, until all are replayed.
    """

    what: str
    takes_effect: Effect


def diff_models(old: ScoringModel, new: ScoringModel) -> list[Change]:
    """Return what is different in ``new``, in the order of the file. Names and the version by themselves are nothing.

    >>> from scoring.model import parse_model
    >>> text = '''
    ... version: v1
    ... rules: {pricing_page: {on: page_viewed, points: 10, half_life_days: 14}}
    ... bands: {warm: {enter: 30, leave: 20}}
    ... '''
    >>> changed = text.replace("points: 10, half_life_days: 14", "points: 15, half_life_days: 7")
    >>> for change in diff_models(parse_model(text, "old.yaml"), parse_model(changed, "new.yaml")):
    ...     print(change.what, f"({change.takes_effect})")
    pricing_page: 10 → 15 points (at once)
    pricing_page: halves every 14 days → 7 days (from now on)
    """
    return [
        *_diff_own_domains(old, new),
        *_diff_visits(old, new),
        *_diff_entries(old.rules, new.rules, _tell_rule, _diff_rule),
        *_diff_traits(old, new),
        *_diff_entries(old.channels, new.channels, _tell_channel, _diff_channel, "channel "),
        *_diff_inactivity(old, new),
        *_diff_contact(old, new),
        *_diff_entries(old.bands, new.bands, _tell_band, _diff_band),
        *_diff_alerts(old, new),
        *_diff_follow_up(old, new),
        *_diff_entries(old.profiles, new.profiles, _tell_profile, _diff_profile, "profile "),
        *_diff_entries(old.exclusions, new.exclusions, _tell_exclusion, _diff_exclusion, "exclusion "),
        *_diff_fit_levels(old, new),
        *_diff_accounts(old, new),
        *_diff_signals(old, new),
        *_diff_customers(old, new),
    ]


def _diff_entries(
    old: Mapping[str, _Entry],
    new: Mapping[str, _Entry],
    tell_new: Callable[[_Entry], tuple[str, Effect]],
    diff: Callable[[str, _Entry, _Entry], Iterable[Change]],
    kind: str = "",
) -> Iterator[Change]:
    """Yield what is new, what has changed and what is gone in a section of named entries."""
    for name, entry in new.items():
        if name in old:
            yield from diff(f"{kind}{name}", old[name], entry)
        else:
            words, effect = tell_new(entry)
            yield Change(f"{kind}{name}: new; {words}", effect)
    for name in old:
        if name not in new:
            yield Change(f"{kind}{name}: removed", "at once")


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────


def _tell_rule(rule: Rule) -> tuple[str, Effect]:
    return describe_rule(rule), "at once" if rule.visits is not None else "from now on"


def _diff_rule(name: str, old: Rule, new: Rule) -> Iterator[Change]:
    if (old.visits is None) != (new.visits is None):
        words, effect = _tell_rule(new)
        about = "single events" if new.visits is None else "visits"
        yield Change(f"{name}: about {about} now; {words}", effect)
        return
    if old.visits is not None and new.visits is not None and old.visits != new.visits:
        counts = f"{describe_visit_count(old.visits)} → {describe_visit_count(new.visits)}"
        yield Change(f"{name}: counts {counts}", "at once")
    yield from _diff_what_counts(name, old, new)
    if old.points != new.points:
        yield Change(f"{name}: {show(old.points)} → {show(new.points)} points", "at once")
    if old.half_life_days != new.half_life_days:
        effect = "at once" if new.visits is not None else "from now on"
        halves = f"{show_days(old.half_life_days)} → {show_days(new.half_life_days)}"
        yield Change(f"{name}: halves every {halves}", effect)
    if old.points_max != new.points_max:
        yield Change(f"{name}: at most {_show_ceiling(old)} → {_show_ceiling(new)}", "at once")
    if old.phase != new.phase:
        yield Change(f"{name}: phase {old.phase} → {new.phase}", "at once")
    if old.channel != new.channel:
        yield Change(f"{name}: channel {old.channel or 'none'} → {new.channel or 'none'}", "at once")


def _diff_what_counts(name: str, old: Rule, new: Rule) -> Iterator[Change]:
    """Yield what decides which events a rule counts and what they do: leads do not remember events, so from now on."""
    if set(old.on) != set(new.on):
        yield Change(f"{name}: when {join_words(old.on)} → when {join_words(new.on)}", "from now on")
    if not _same(old.where, new.where):
        before, after = (describe_conditions(rule.where) or "always" for rule in (old, new))
        yield Change(f"{name}: where {before} → {after}".replace("where always", "always"), "from now on")
    if old.once_per != new.once_per:
        before, after = (f"once per {rule.once_per}" if rule.once_per else "each time" for rule in (old, new))
        yield Change(f"{name}: {before} → {after}", "from now on")
    if old.hold_days != new.hold_days:
        before, after = (_show_hold(rule.hold_days) for rule in (old, new))
        yield Change(f"{name}: hot at once {before} → {after}", "from now on")
    if old.converts != new.converts:
        what = "a match is a conversion now" if new.converts else "a match is no conversion any more"
        yield Change(f"{name}: {what}", "from now on")


def _show_ceiling(rule: Rule) -> str:
    return "no ceiling" if rule.points_max == math.inf else f"{show(rule.points_max)} points"


def _show_hold(days: float | None) -> str:
    return "never" if days is None else f"for {show_days(days)}"


# ── traits ───────────────────────────────────────────────────────────────────────────────────────────────────


def _diff_traits(old: ScoringModel, new: ScoringModel) -> Iterator[Change]:
    remembered = {*old.trait_properties, *VIRTUAL_PROPERTIES}

    def effect_of(trait: Trait) -> Effect:
        # Leads remember the answers to what was asked before; what nobody asked for is forgotten.
        asked = {*trait.sources, *(condition.property for condition in trait.where)}
        return "at once" if asked <= remembered else "from now on"

    def diff(name: str, before: Trait, after: Trait) -> Iterator[Change]:
        if before.is_question != after.is_question or not _same(before.where, after.where):
            yield Change(f"{name}: {describe_trait(before)} → {describe_trait(after)}", effect_of(after))
            return
        if before.sources != after.sources:
            what = f"{name}: asks {' / '.join(before.sources)} → {' / '.join(after.sources)}"
            yield Change(what, effect_of(after))
        if before.points != after.points:
            yield Change(f"{name}: {show(before.points)} → {show(after.points)} points", "at once")
        yield from _diff_answers(name, before.answers, after.answers, "points", show_points)

    yield from _diff_entries(old.traits, new.traits, lambda trait: (describe_trait(trait), effect_of(trait)), diff)


def _diff_answers(
    name: str, old: tuple[Answer, ...], new: tuple[Answer, ...], unit: str, tell: Callable[[float], str]
) -> Iterator[Change]:
    # Of two answers that say the same, the first counts, so it is put in last.
    before, after = (
        dict(reversed({describe_answer(answer): answer.points for answer in reversed(answers)}.items()))
        for answers in (old, new)
    )
    for words, points in after.items():
        if words not in before:
            yield Change(f"{name}: {tell(points)} {unit} where it {words}, a new answer", "at once")
        elif before[words] != points:
            yield Change(f"{name}: {show(before[words])} → {show(points)} {unit} where it {words}", "at once")
    for words in before:
        if words not in after:
            yield Change(f"{name}: the answer that {words} is removed", "at once")
    if [words for words in before if words in after] != [words for words in after if words in before]:
        yield Change(f"{name}: its answers are tried in another order", "at once")


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────


def _diff_own_domains(old: ScoringModel, new: ScoringModel) -> Iterator[Change]:
    before, after = (model.names.get(OWN_DOMAINS, ()) for model in (old, new))
    if not _same(before, after):
        words = (describe_conditions(own) or "nobody" for own in (before, after))
        yield Change(f"own domains, which never alert: {' → '.join(words)}", "at once")


def _diff_visits(old: ScoringModel, new: ScoringModel) -> Iterator[Change]:
    if set(old.visits.on) != set(new.visits.on):
        what = f"visits: made of {join_words(old.visits.on)} → {join_words(new.visits.on)}"
        yield Change(what, "from now on")
    if old.visits.gap_minutes != new.visits.gap_minutes:
        minutes = f"{show_minutes(old.visits.gap_minutes)} → {show_minutes(new.visits.gap_minutes)}"
        yield Change(f"visits: end after {minutes} of silence", "from now on")


def _tell_channel(channel: Channel) -> tuple[str, Effect]:
    return describe_channel(channel), "at once"


def _diff_channel(name: str, old: Channel, new: Channel) -> Iterator[Change]:
    if old != new:
        yield Change(f"{name}: at most {show(old.points_max)} → {show(new.points_max)} points together", "at once")


def _diff_inactivity(old: ScoringModel, new: ScoringModel) -> Iterator[Change]:
    if old.inactivity == new.inactivity:
        return
    words = ["none" if each is None else describe_inactivity(each) for each in (old.inactivity, new.inactivity)]
    yield Change(f"inactivity: {' → '.join(words)}", "at once")


def _diff_contact(old: ScoringModel, new: ScoringModel) -> Iterator[Change]:
    for name in new.contact:
        if name not in old.contact:
            effect: Effect = "at once" if name in old.trait_properties else "from now on"
            yield Change(f"contact: alerts carry {name} too", effect)
    for name in old.contact:
        if name not in new.contact:
            yield Change(f"contact: alerts carry {name} no more", "at once")


def _tell_band(band: Band) -> tuple[str, Effect]:
    return f"a band {describe_band(band)}", "at once"


def _diff_band(name: str, old: Band, new: Band) -> Iterator[Change]:
    yield from _diff_levels(name, old, new)
    if old.fit_min != new.fit_min:
        yield Change(f"{name}: account fit at least {_show_or(old.fit_min)} → {_show_or(new.fit_min)}", "at once")
    if old.cooldown_h != new.cooldown_h:
        before, after = (
            "no alerts" if band.cooldown_h is None else f"alerts, at most one per lead in {show(band.cooldown_h)} h"
            for band in (old, new)
        )
        yield Change(f"{name}: {before} → {after}", "at once")


def _diff_levels(name: str, old: Band | AccountBand, new: Band | AccountBand) -> Iterator[Change]:
    if old.enter != new.enter:
        yield Change(f"{name}: entered from {show(old.enter)} → {show(new.enter)} points", "at once")
    if old.leave != new.leave:
        yield Change(f"{name}: left below {show(old.leave)} → {show(new.leave)} points", "at once")


def _show_or(fit_min: float | None) -> str:
    return "any" if fit_min is None else show(fit_min)


def _diff_follow_up(old: ScoringModel, new: ScoringModel) -> Iterator[Change]:
    if old.follow_up != new.follow_up:
        words = (describe_follow_up(each.follow_up).removeprefix("follow-up: ") for each in (old, new))
        yield Change(f"follow-up: {' → '.join(words)}", "at once")


def _diff_alerts(old: ScoringModel, new: ScoringModel) -> Iterator[Change]:
    if old.alerts.max_age_h != new.alerts.max_age_h:
        hours = f"{show(old.alerts.max_age_h)} → {show(new.alerts.max_age_h)} h"
        yield Change(f"alerts: only crossings at most {hours} old", "at once")
    if old.alerts.visitors != new.alerts.visitors:
        yield Change(f"alerts: visitors {'alert too' if new.alerts.visitors else 'do not alert any more'}", "at once")


# ── account fit ──────────────────────────────────────────────────────────────────────────────────────────────
# Accounts keep all their facts, whatever the model asks about, so that everything here counts at once.


def _tell_profile(profile: Profile) -> tuple[str, Effect]:
    return f"looks at {', '.join(profile)}", "at once"


def _diff_profile(name: str, old: Profile, new: Profile) -> Iterator[Change]:
    yield from _diff_entries(old, new, _tell_component, _diff_component, f"{name}, ")


def _tell_component(component: Component) -> tuple[str, Effect]:
    return f"weight {show(component.weight)}; {describe_component(component)}", "at once"


def _diff_component(name: str, old: Component, new: Component) -> Iterator[Change]:
    if old.sources != new.sources:
        yield Change(f"{name}: asks {' / '.join(old.sources)} → {' / '.join(new.sources)}", "at once")
    if old.weight != new.weight:
        yield Change(f"{name}: weight {show(old.weight)} → {show(new.weight)}", "at once")
    yield from _diff_answers(name, old.answers, new.answers, "of 10", show)


def _tell_exclusion(exclusion: Exclusion) -> tuple[str, Effect]:
    return describe_exclusion(exclusion), "at once"


def _diff_exclusion(name: str, old: Exclusion, new: Exclusion) -> Iterator[Change]:
    if not _same(old.where, new.where):
        where = f"{describe_conditions(old.where)} → {describe_conditions(new.where)}"
        yield Change(f"{name}: fit 0 where {where}", "at once")
    if old.reason != new.reason:
        yield Change(f"{name}: the reason is {show(old.reason)} → {show(new.reason)}", "at once")


def _diff_fit_levels(old: ScoringModel, new: ScoringModel) -> Iterator[Change]:
    before, after = old.accounts.fit, new.accounts.fit
    for level in ("strong", "moderate"):
        was, is_ = getattr(before, level), getattr(after, level)
        if was != is_:
            yield Change(f"account fit: {level} from {show(was)} → {show(is_)}", "at once")
    if before.coverage_min != after.coverage_min:
        known = f"{describe_coverage_min(before)} → {describe_coverage_min(after)}"
        yield Change(f"account fit: unknown where {known}", "at once")


# ── accounts ─────────────────────────────────────────────────────────────────────────────────────────────────


def _diff_accounts(old: ScoringModel, new: ScoringModel) -> Iterator[Change]:
    # Accounts hold what each lead has told last, and the news, and work everything else out from these.
    before, after = old.accounts, new.accounts
    if before.contact_max != after.contact_max:
        most = f"{show(before.contact_max)} → {show(after.contact_max)}"
        yield Change(f"account engagement: at most {most} points of each person", "at once")
    if before.half_life_days != after.half_life_days:
        halves = f"{show_days(before.half_life_days)} → {show_days(after.half_life_days)}"
        yield Change(f"account engagement: halves every {halves}", "at once")
    yield from _diff_entries(before.bands, after.bands, _tell_account_band, _diff_levels, "account ")
    yield from _diff_entries(
        before.company_events, after.company_events, _tell_company_event, _diff_company_event, "account "
    )
    if before.waking != after.waking:
        yield Change(f"worth waking: {describe_waking(before.waking)} → {describe_waking(after.waking)}", "at once")


def _tell_account_band(band: AccountBand) -> tuple[str, Effect]:
    return f"a band {describe_levels(band)}", "at once"


def _tell_company_event(points: float) -> tuple[str, Effect]:
    return f"{show_points(points)} points", "at once"


def _diff_company_event(name: str, old: float, new: float) -> Iterator[Change]:
    if old != new:
        yield Change(f"{name}: {show(old)} → {show(new)} points", "at once")


def _diff_signals(old: ScoringModel, new: ScoringModel) -> Iterator[Change]:
    remembered = {*old.signal_rules}

    def effect_of(signal: Signal) -> Effect:
        # Leads tell their accounts of what some signal asks about, and of nothing else.
        knows_visits = old.asks_for_visits or not isinstance(signal, Count)
        return "at once" if signal.asked <= remembered and knows_visits else "from now on"

    def diff(name: str, before: Signal, after: Signal) -> Iterator[Change]:
        if before != after:
            yield Change(f"{name}: {describe_signal(before)} → {describe_signal(after)}", effect_of(after))

    yield from _diff_entries(
        old.signals, new.signals, lambda signal: (describe_signal(signal), effect_of(signal)), diff, "signal "
    )


# ── customers ────────────────────────────────────────────────────────────────────────────────────────────────
# Accounts keep what was told of them as customers, whatever the model asks about.


def _diff_customers(old: ScoringModel, new: ScoringModel) -> Iterator[Change]:
    before, after = old.customers, new.customers
    yield from _diff_entries(before.criteria, after.criteria, _tell_criterion, _diff_criterion, "customer ")
    if before.coverage_min != after.coverage_min:
        least = f"{show(100 * before.coverage_min)} → {show(100 * after.coverage_min)}"
        yield Change(f"customer value: unknown where less than {least}% of the weight is known", "at once")
    yield from _diff_entries(before.segments, after.segments, _tell_segment, _diff_segment, "customers ")
    if [*before.segments] != [*after.segments]:
        order = f"{' > '.join(before.segments)} → {' > '.join(after.segments)}"
        yield Change(f"customers: {order}, the best first", "at once")
    for what, was, is_ in (
        ("customers exit", describe_exit(before.exit), describe_exit(after.exit)),
        ("ratings by hand", describe_manual(before), describe_manual(after)),
        ("customers' split", describe_split(before), describe_split(after)),
    ):
        if was != is_:
            yield Change(f"{what}: {was} → {is_}", "at once")


def _tell_criterion(criterion: CriterionOfAKind) -> tuple[str, Effect]:
    return describe_criterion("", criterion), "at once"


def _diff_criterion(name: str, old: CriterionOfAKind, new: CriterionOfAKind) -> Iterator[Change]:
    if old != new:
        own = name.removeprefix("customer ")
        yield Change(f"{name}: {describe_criterion(own, old)} → {describe_criterion(own, new)}", "at once")


def _tell_segment(segment: Segment) -> tuple[str, Effect]:
    return describe_care(segment.action, segment.service), "at once"


def _diff_segment(name: str, old: Segment, new: Segment) -> Iterator[Change]:
    if old != new:
        was, is_ = (describe_care(each.action, each.service) for each in (old, new))
        yield Change(f"{name}: {was} → {is_}", "at once")


def _same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # (True,) == (1.0,), so equality would not tell
