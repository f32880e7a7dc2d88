"""Which sinks hear of what, who is asked, and whether now. Pure: the delivery file and an alert in, targets out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import xxhash

from scoring.alerts import Alert
from scoring.signal_records import BuyingSignal
from streams.delivery.config import DeliveryConfig, Route, When
from streams.delivery.config_sinks import DIGEST_KINDS
from streams.delivery.hours import next_time_of_day
from streams.delivery.retries import HOUR_MS


@dataclass(frozen=True)
class Facts:
    """What routes ask of an alert or signal; texts that are not known are empty."""

    is_signal: bool
    subject: str
    band: str
    signal: str = ""
    polarity: str = ""
    fit: float | None = None
    fit_level: str = ""
    country: str = ""
    owner: str = ""
    is_customer: bool = False


@dataclass(frozen=True)
class Target:
    """One sink that is told: ``owners`` are asked in this order; nothing is said before ``due_ms``.

    ``held`` says why it is not now; ``digest`` whether it waits for the owner's digest. ``cooldown_ms`` after a
    message about the same subject it says no more.
    """

    sink: str
    route: str
    owners: tuple[str, ...]
    due_ms: int
    held: str = ""
    digest: bool = False
    cooldown_ms: int = 0


@dataclass(frozen=True)
class Routing:
    """All that is to happen: the targets, and the clock of the follow-up (ms of working time; None: no clock)."""

    targets: tuple[Target, ...]
    owners: tuple[str, ...] = ()
    contact_within_ms: int | None = None


def facts_of(item: Alert | BuyingSignal) -> Facts:
    """Return what routes ask of an alert or signal."""
    if isinstance(item, BuyingSignal):
        return Facts(
            is_signal=True,
            subject=item.account,
            band=item.band,
            signal=item.signal,
            polarity=item.polarity,
            fit=item.fit,
            fit_level=item.fit_level,
            owner=item.owner,
        )
    return Facts(
        is_signal=False,
        subject=item.lead,
        band=item.band,
        fit=item.fit,
        fit_level=item.fit_level,
        country=str(item.contact.get("country", "")),
        owner=str(item.contact.get("owner", "")),
        is_customer=item.customer,
    )


def route(facts: Facts, config: DeliveryConfig, now_ms: int, contact_within_ms: int) -> Routing:
    """Return who is told: every route that matches adds its sinks, each once, up to one that is the ``last``.

    ``contact_within_ms`` is the model's time for a first contact; it runs where a route names owners.
    """
    targets: dict[str, Target] = {}
    owners: tuple[str, ...] = ()
    within_ms: int | None = None
    for each in config.routes:
        if not matches(each.when, facts, config):
            continue
        asked = ask_in_turn(each.owners, facts, config)
        # What is told in a digest is not urgent, unless the route says by when.
        is_timed = not each.digest or each.contact_within_h is not None
        if asked and not owners and not facts.is_signal and is_timed:
            owners = asked
            within_ms = contact_within_ms if each.contact_within_h is None else round(each.contact_within_h * HOUR_MS)
        for target in _targets(each, asked, config, now_ms):
            targets.setdefault(target.sink, target)
        if each.last:
            break
    return Routing(tuple(targets.values()), owners, within_ms)


def matches(when: When, facts: Facts, config: DeliveryConfig) -> bool:
    """Tell whether a route is for this; an unknown fit is below every least one."""
    return (
        (not when.kinds or ("signal" if facts.is_signal else "alert") in when.kinds)
        and (not when.bands or facts.band in when.bands)
        and (not when.signals or facts.signal in when.signals)
        and (when.polarity is None or facts.polarity == when.polarity)
        and (when.fit_min is None or (facts.fit is not None and facts.fit >= when.fit_min))
        and (not when.fit_levels or facts.fit_level in when.fit_levels)
        and (not when.countries or facts.country.casefold() in {each.casefold() for each in when.countries})
        and (not when.owners or bool({facts.owner, known_owner(facts.owner, config)} & set(when.owners)))
        and (when.customers is None or facts.is_customer == when.customers)
    )


def known_owner(name: str, config: DeliveryConfig) -> str:
    """Return which of the file's owners the CRM's ``name`` is; empty where it is none."""
    if not name:
        return ""
    wanted = name.casefold()
    for key, owner in config.owners.items():
        if wanted in {key, owner.name.casefold(), owner.email.casefold(), *(each.casefold() for each in owner.crm)}:
            return key
    return ""


def ask_in_turn(names: list[str], facts: Facts, config: DeliveryConfig) -> tuple[str, ...]:
    """Return who is asked first, second, …: the lead's own owner first; else leads are spread evenly, each the same."""
    own = known_owner(facts.owner, config)
    if own:
        return (own, *(name for name in names if name != own))
    if not names:
        return ()
    first = xxhash.xxh3_64_intdigest(facts.subject.encode()) % len(names)
    return (*names[first:], *names[:first])


def _targets(route: Route, owners: tuple[str, ...], config: DeliveryConfig, now_ms: int) -> Iterator[Target]:
    owner = owners[0] if owners else ""
    for sink in route.to:
        due_ms, held, digest = now_ms, "", False
        if config.sinks[sink].kind in DIGEST_KINDS:
            if route.digest:
                due_ms, held, digest = next_digest(owner, config, now_ms), "for the digest", True
            elif route.quiet == "hold":
                hours = config.hours_of(owner)
                due_ms = now_ms if hours is None else hours.next_open(now_ms)
                held = "for working hours" if due_ms > now_ms else ""
        yield Target(sink, route.name, owners, due_ms, held, digest, round(route.cooldown_h * HOUR_MS))


def next_digest(owner: str, config: DeliveryConfig, now_ms: int) -> int:
    """Return when an owner's next digest goes out: at their time, else at the beginning of the next working day."""
    hours = config.hours_of(owner)
    zone = hours.timezone if hours is not None else "UTC"
    minute = config.owners[owner].digest_at if owner in config.owners else None
    if minute is None:
        minute = hours.begins if hours is not None else 9 * 60
    at_ms = next_time_of_day(now_ms, minute, zone)
    if hours is None:
        return at_ms
    for _ in range(400):
        if hours.next_open(at_ms) - at_ms < 12 * HOUR_MS:
            return at_ms
        at_ms = next_time_of_day(at_ms, minute, zone)
    return at_ms
