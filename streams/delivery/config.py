"""The delivery file: who is told what, where and when. One YAML file, whose path is ``LEADHEAT_DELIVERY``.

Secrets never stand in it, only where they are found: ``{env: NAME}`` or ``{file: /run/secrets/name}``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, field_validator, model_validator

from scoring.errors import SettingsError
from scoring.model_file import Advice, Fault, KeyPath, find_faults, read_document, suggest, tell
from streams.delivery.hours import DAYS, WorkingHours
from streams.delivery.retries import HOUR_MS, Backoff

_ADVICE: Final = Advice("a delivery file has at least sinks and routes", "one file says all of it")
_FILE_BYTES_MAX: Final = 1_000_000
_SECRET_BYTES_MAX: Final = 10_000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _minute(text: object) -> int:
    found = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if found is None or (minute := int(found[1]) * 60 + int(found[2])) > 24 * 60:
        raise ValueError(f'{text!r} is not a time of day such as "09:00" (in quotes)')
    return minute


def _url(text: object) -> str:
    if not isinstance(text, str) or re.fullmatch(r"https?://[^\s/@]+(/\S*)?", text) is None:
        raise ValueError("is not an address such as https://example.com/path, without a user or password")
    return text


def _zone(text: object) -> str:
    if text not in available_timezones():
        raise ValueError(f"{text!r} is not a time zone such as Europe/Berlin")
    return str(text)


TimeOfDay = Annotated[int, PlainValidator(_minute)]
Url = Annotated[str, PlainValidator(_url)]
Zone = Annotated[str, PlainValidator(_zone)]


class Secret(_Part):
    """Where a secret is found: the environment variable ``env``, or the file ``file``."""

    env: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise ValueError("is found in exactly one place: {env: NAME} or {file: /path}")
        return self

    def read(self, where: str) -> str:
        """Return the secret; raises :class:`SettingsError`, which names ``where`` it is needed and never what it is."""
        if self.env is not None:
            found = os.environ.get(self.env, "")
            if not found:
                raise SettingsError(f"{where}: the environment variable {self.env} is not set")
            return found
        try:
            with Path(self.file or "").open(encoding="utf-8") as file:
                found = file.read(_SECRET_BYTES_MAX).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{where}: the file {self.file} cannot be read: {error}") from None
        if not found:
            raise SettingsError(f"{where}: the file {self.file} is empty")
        return found


class Hours(_Part):
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


class Owner(_Part):
    """Somebody who follows leads up: how the CRM calls them (``crm``), and where they are reached."""

    name: str = Field(default="", max_length=100)
    email: str = Field(default="", max_length=255)
    slack: str = Field(default="", pattern=r"^([UW][A-Z0-9]{2,20})?$")
    crm: list[str] = Field(default=[], max_length=20)
    hours: str = ""
    digest_at: TimeOfDay | None = None


class _Sink(_Part):
    kind: str
    timeout_s: float = Field(default=10.0, gt=0, le=120)
    concurrency: int = Field(default=4, ge=1, le=64)

    @property
    def target(self) -> str:
        """What a receiver that is gone is known by: when it changes, it is tried again."""
        return self.kind


class WebhookSink(_Sink):
    """Any receiver of signed webhooks (standardwebhooks.com)."""

    kind: Literal["webhook"]
    url: Url
    secret: Secret

    @property
    def target(self) -> str:
        """The receiver's address."""
        return self.url


class SlackSink(_Sink):
    """A Slack channel, through a bot's token with chat:write."""

    kind: Literal["slack"]
    token: Secret
    channel: str = Field(min_length=1, max_length=100)
    api_url: Url = "https://slack.com/api"

    @property
    def target(self) -> str:
        """The channel."""
        return self.channel


class TeamsSink(_Sink):
    """A Teams channel or chat, through the address of a workflow."""

    kind: Literal["teams"]
    url: Secret


class EmailSink(_Sink):
    """E-mail by SMTP; ``to`` are addresses, or ``owner`` for whoever is asked."""

    kind: Literal["email"]
    host: str = Field(min_length=1, max_length=255)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: Secret | None = None
    sender: str = Field(alias="from", pattern=r"^[^\s@<>,]+@[^\s@<>,]+$")
    to: list[Annotated[str, Field(pattern=r"^(owner|[^\s@<>,]+@[^\s@<>,]+)$")]] = Field(min_length=1, max_length=50)


class AppriseSink(_Sink):
    """Any of the many services that Apprise knows, by its address, which holds secrets."""

    kind: Literal["apprise"]
    url: Secret


class _CrmSink(_Sink):
    fields: dict[Literal["score", "band", "fit", "phase", "reason"], str] = {
        "score": "leadheat_score",
        "band": "leadheat_band",
        "fit": "leadheat_fit",
        "phase": "leadheat_phase",
        "reason": "leadheat_reason",
    }
    every_s: float = Field(default=30.0, ge=0.1, le=3_600, description="How long changes gather before they are sent.")
    points_min: float = Field(default=10.0, gt=0, le=1_000, description="A score that moves by less is not written.")


class HubSpotSink(_CrmSink):
    """HubSpot contacts, through a private app's token."""

    kind: Literal["hubspot"]
    token: Secret
    api_url: Url = "https://api.hubapi.com"

    @property
    def target(self) -> str:
        """The portal's address."""
        return self.api_url


class SalesforceSink(_CrmSink):
    """Salesforce leads, through a connected app with the client-credentials flow."""

    kind: Literal["salesforce"]
    url: Url
    client_id: Secret
    client_secret: Secret
    api_version: str = Field(default="v61.0", pattern=r"^v[0-9]{2}\.0$")
    fields: dict[Literal["score", "band", "fit", "phase", "reason"], str] = {
        "score": "Leadheat_Score__c",
        "band": "Leadheat_Band__c",
        "fit": "Leadheat_Fit__c",
        "phase": "Leadheat_Phase__c",
        "reason": "Leadheat_Reason__c",
    }

    @property
    def target(self) -> str:
        """The organisation's address."""
        return self.url


SINKS: Final[dict[str, type[_Sink]]] = {
    "webhook": WebhookSink,
    "slack": SlackSink,
    "teams": TeamsSink,
    "email": EmailSink,
    "apprise": AppriseSink,
    "hubspot": HubSpotSink,
    "salesforce": SalesforceSink,
}
CRM_KINDS: Final = frozenset({"hubspot", "salesforce"})
DIGEST_KINDS: Final = frozenset({"slack", "teams", "email", "apprise"})
"""Sinks that a person reads: only these have digests and quiet hours."""


def _read_sink(raw: object) -> _Sink:
    """Read one sink by its kind: a fault then stands at its own key, which a union of models would not give."""
    if not isinstance(raw, dict):
        raise ValueError("is not a mapping with at least `kind`")
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in SINKS:
        raise ValueError(f"its kind {kind!r} is unknown; {suggest(str(kind), list(SINKS), 'kinds are')}")
    return SINKS[kind].model_validate(raw)


AnySink = Annotated[_Sink, PlainValidator(_read_sink)]


class When(_Part):
    """What a route is for; what is left out does not matter."""

    kinds: list[Literal["alert", "signal"]] = []
    bands: list[str] = []
    signals: list[str] = []
    polarity: Literal["positive", "negative"] | None = None
    fit_min: float | None = Field(default=None, ge=0, le=10)
    fit_levels: list[str] = []
    countries: list[str] = []
    owners: list[str] = []
    customers: bool | None = None


class Route(_Part):
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


class Retry(_Part):
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


class Links(_Part):
    """The links in messages: where the gateway is seen from outside, and for how long a link works."""

    base_url: Url
    secret: Secret
    days: float = Field(default=30.0, gt=0, le=365)


class DeliveryConfig(_Part):
    """The whole delivery file, checked."""

    sinks: dict[str, AnySink] = Field(min_length=1, max_length=50)
    routes: list[Route] = Field(min_length=1, max_length=200)
    owners: dict[str, Owner] = Field(default={}, max_length=1_000)
    hours: dict[str, Hours] = Field(default={}, max_length=100)
    default_hours: str = ""
    links: Links | None = None
    allow: list[str] = Field(default=[], max_length=100)
    retry: Retry = Retry()
    kept_days: float = Field(default=30.0, gt=0, le=400)
    open_max: int = Field(default=20_000, ge=1, le=1_000_000)

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
        if route.cooldown_h > config.kept_days * 24:
            faults.append((("routes", number, "cooldown_h"), f"is longer than kept_days ({config.kept_days:g} days)"))
        if route.digest and not any(_can_digest(config, each) for each in route.to):
            faults.append((("routes", number, "digest"), "none of its sinks is read by people, who alone have digests"))
    return faults


def _can_digest(config: DeliveryConfig, sink: str) -> bool:
    return sink in config.sinks and config.sinks[sink].kind in DIGEST_KINDS


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
