"""The delivery file: who is told what, where and when. One YAML file, whose path is ``LEADHEAT_DELIVERY``.

Secrets never stand in it, only where they are found: ``{env: NAME}`` or ``{file: /run/secrets/name}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from scoring.errors import SettingsError
from scoring.model_file import Advice, Fault, KeyPath, find_faults, read_document, suggest, tell
from streams.delivery.config_sinks import CRM_KINDS, DIGEST_KINDS, SINKS, AnySink
from streams.delivery.config_words import Part, Secret, TimeOfDay, Zone
from streams.delivery.hours import DAYS, WorkingHours
from streams.delivery.retries import HOUR_MS, Backoff

_ADVICE: Final = Advice("a delivery file has at least sinks and routes", "one file says all of it")
_FILE_BYTES_MAX: Final = 1_000_000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class Hours(Part):
    """Working hours, from … to … on some days, in a time zone."""

    timezone: Zone = "UTC"
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(
        default=["mon", "tue", "wed", "thu", "fri"], min_length=1
    )
    begin: TimeOfDay = Field(default=9 * 60, alias="from")
    end: TimeOfDay = Field(default=17 * 60, alias="to")
    holidays: list[str] = Field(default=[], max_length=1_000)

    @model_validator(mode="after")
    def _check_order(self) -> Hours:
        if self.end <= self.begin:
            raise ValueError("`to` does not lie after `from`; leave the night out by naming the day's hours")
        return self

    @field_validator("holidays")
    @classmethod
    def _check_dates(cls, dates: list[str]) -> list[str]:
        for each in dates:
            date.fromisoformat(each)
        return dates

    def compiled(self) -> WorkingHours:
        """Return them as what can be computed with."""
        days = frozenset(DAYS.index(day) for day in self.days)
        holidays = frozenset(date.fromisoformat(each) for each in self.holidays)
        return WorkingHours(self.timezone, days, self.begin, self.end, holidays)


class Owner(Part):
    """Somebody who follows leads up: how the CRM calls them (``crm``), and where they are reached."""

    name: str = Field(default="", max_length=100)
    email: str = Field(default="", max_length=255)
    slack: str = Field(default="", pattern=r"^([UW][A-Z0-9]{2,20})?$")
    crm: list[str] = Field(default=[], max_length=20)
    hours: str = ""
    digest_at: TimeOfDay | None = None


class When(Part):
    """What a route is for; what is left out does not matter."""

    kinds: list[Literal["alert", "signal"]] = Field(default=[])
    bands: list[str] = Field(default=[])
    signals: list[str] = Field(default=[])
    polarity: Literal["positive", "negative"] | None = None
    fit_min: float | None = Field(default=None, ge=0, le=10)
    fit_levels: list[str] = Field(default=[])
    countries: list[str] = Field(default=[])
    owners: list[str] = Field(default=[])
    customers: bool | None = None


class Route(Part):
    """What is told to whom: the sinks ``to``, the ``owners`` who are asked in turn, and when."""

    name: str = Field(min_length=1, max_length=60)
    when: When = When()
    to: list[str] = Field(min_length=1, max_length=20)
    owners: list[str] = Field(default=[], max_length=50)
    contact_within_h: float | None = Field(default=None, gt=0, le=720)
    quiet: Literal["hold", "send"] = "send"
    digest: bool = False
    cooldown_h: float = Field(default=0.0, ge=0, le=8_760)
    last: bool = False


class Retry(Part):
    """Backoff: waits grow from ``first_s`` by ``factor`` to ``longest_s``, for ``give_up_h`` in all.

    A sink that fails ``breaker_failures`` times in a row rests ``breaker_rest_s``, and longer each time.
    """

    first_s: float = Field(default=5.0, gt=0, le=3_600)
    factor: float = Field(default=3.0, ge=1, le=10)
    longest_s: float = Field(default=14_400.0, gt=0, le=86_400)
    give_up_h: float = Field(default=24.0, gt=0, le=168)
    breaker_failures: int = Field(default=5, ge=1, le=1_000)
    breaker_rest_s: float = Field(default=5.0, gt=0, le=300)

    def compiled(self) -> Backoff:
        """Return it as what can be computed with."""
        return Backoff(
            round(self.first_s * 1000), self.factor, round(self.longest_s * 1000), round(self.give_up_h * HOUR_MS)
        )


class Links(Part):
    """The links in messages: for how long each works."""

    days: float = Field(default=30.0, gt=0, le=365)


class DeliveryConfig(Part):
    """The whole delivery file, checked."""

    sinks: dict[str, AnySink] = Field(min_length=1, max_length=50)
    routes: list[Route] = Field(min_length=1, max_length=200)
    owners: dict[str, Owner] = Field(default={}, max_length=1_000)
    hours: dict[str, Hours] = Field(default={}, max_length=100)
    default_hours: str = ""
    links: Links = Links()
    allow: list[str] = Field(default=[], max_length=100)
    retry: Retry = Retry()
    kept_days: float = Field(default=30.0, gt=0, le=400)
    open_max: int = Field(default=20_000, ge=1, le=1_000_000)
    crm_leads_max: int = Field(default=50_000, ge=100, le=10_000_000)

    @field_validator("allow")
    @classmethod
    def _check_networks(cls, networks: list[str]) -> list[str]:
        for each in networks:
            try:
                ip_network(each)
            except ValueError:
                raise ValueError(f"{each!r} is not an address or network such as 127.0.0.1 or 10.0.0.0/8") from None
        return networks

    @property
    def backoff(self) -> Backoff:
        """When what failed is tried again."""
        return self.retry.compiled()

    def hours_of(self, owner: str) -> WorkingHours | None:
        """Return an owner's working hours, else the default ones; None where there are none: always."""
        found = self.owners[owner].hours if owner in self.owners else ""
        name = found or self.default_hours
        return self.hours[name].compiled() if name else None


def _check_references(config: DeliveryConfig) -> list[tuple[KeyPath, str]]:
    """Return what names something that there is not."""
    faults: list[tuple[KeyPath, str]] = []

    def known(path: KeyPath, name: str, names: Mapping[str, Any], what: str) -> None:
        if name and name not in names:
            faults.append((path, f"{name!r} is not among the {what}; {suggest(name, list(names), 'there are')}"))

    known(("default_hours",), config.default_hours, config.hours, "hours")
    for name, owner in config.owners.items():
        known(("owners", name, "hours"), owner.hours, config.hours, "hours")
    for group, names in (("sinks", config.sinks), ("owners", config.owners), ("hours", config.hours)):
        faults += [
            ((group, name), "a name has up to 40 small letters, digits, - and _")
            for name in names
            if _NAME.fullmatch(name) is None
        ]
    for number, route in enumerate(config.routes):
        for place, each in enumerate(route.to):
            known(("routes", number, "to", place), each, config.sinks, "sinks")
        for place, each in enumerate(route.owners):
            known(("routes", number, "owners", place), each, config.owners, "owners")
        faults += [(("routes", number, *path), message) for path, message in _check_route(route, config)]
    return faults


def _check_route(route: Route, config: DeliveryConfig) -> list[tuple[KeyPath, str]]:
    """Return what a route asks for that cannot be."""
    faults: list[tuple[KeyPath, str]] = []
    if route.cooldown_h > config.kept_days * 24:
        faults.append((("cooldown_h",), f"is longer than kept_days ({config.kept_days:g} days)"))
    if route.digest and not any(_is_of(config, each, DIGEST_KINDS) for each in route.to):
        faults.append((("digest",), "none of its sinks is read by people, who alone have digests"))
    if "alert" not in route.when.kinds or "signal" in route.when.kinds:
        faults += [
            (
                ("to", place),
                f"{each!r} is a CRM, which has no place for buying signals: "
                "give it a route of its own with when: {kinds: [alert]}",
            )
            for place, each in enumerate(route.to)
            if _is_of(config, each, CRM_KINDS)
        ]
    return faults


def _is_of(config: DeliveryConfig, sink: str, kinds: frozenset[str]) -> bool:
    return sink in config.sinks and config.sinks[sink].kind in kinds


def load_delivery(path: Path) -> DeliveryConfig:
    """Read and check the delivery file at ``path``.

    Raises :class:`SettingsError` with one line per fault: file, line, field, value, and what was expected.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_FILE_BYTES_MAX + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"LEADHEAT_DELIVERY: {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"LEADHEAT_DELIVERY: {path} is not UTF-8 text") from None
    return parse_delivery(text, str(path))


def parse_delivery(text: str, filename: str) -> DeliveryConfig:
    """Check the text of a delivery file; ``filename`` is for messages only.

    >>> parse_delivery("sinks: {hook: {kind: webhook, url: ftp://x}}\\nroutes: [{name: all, to: [hok]}]", "d.yaml")
    Traceback (most recent call last):
    ...
    scoring.errors.SettingsError: d.yaml:1: sinks.hook.secret: is required
    d.yaml:1: sinks.hook.url: is not an address such as https://example.com/path, without a user or password
    """
    document = read_document(text, advice=_ADVICE)
    faults = list(document.faults)
    if document.data is not None:
        try:
            config = DeliveryConfig.model_validate(document.data)
        except ValidationError as error:
            faults += [
                _plain(fault) for fault in find_faults(error, document, lambda path: _keys_at(path, document.data))
            ]
        else:
            faults += [Fault(document.place(path), path, message) for path, message in _check_references(config)]
            if not faults:
                return config
    raise SettingsError("\n".join(tell(filename, faults)))


def _plain(fault: Fault) -> Fault:
    return fault._replace(message=fault.message.removeprefix("Value error, "))


def _keys_at(path: KeyPath, data: Any) -> list[str]:
    """Return the keys that may stand in the mapping at ``path``."""
    match path:
        case ():
            part: type[BaseModel] = DeliveryConfig
        case ("sinks", name):
            kind = data["sinks"][name].get("kind")
            part = SINKS[kind]
        case ("owners", _):
            part = Owner
        case ("hours", _):
            part = Hours
        case ("routes", _):
            part = Route
        case ("routes", _, "when"):
            part = When
        case ("links",):
            part = Links
        case ("retry",):
            part = Retry
        case _:
            part = Secret
    return [field.alias or name for name, field in part.model_fields.items()]
