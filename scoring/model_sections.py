"""The sections of a model file, key by key: one class per mapping, so that shape, schema and checks have one source.

Each check sits at its own key, because a fault is told with that key's line. What one key allows may depend on the
keys above it in the class: pydantic checks them in that order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticKnownError

from scoring.conditions_file import Answer, Answers, Where, fault, raise_faults
from scoring.events import EVENT_TYPES
from scoring.model_file import show, suggest

VISITS_KEPT: Final = 32
"""Visits that a lead remembers: a rule about visits cannot ask for more."""

CHANNELS_KNOWN: Final = ("web", "email")
"""Channels that a rule may name though the file gives them no ceiling."""

VIRTUAL_PROPERTIES: Final = ("email_domain", "email_kind")
"""What an address says of a lead without any event telling it."""

NAME_PATTERN: Final = r"^[a-z][a-z0-9_]{0,63}$"
_SOURCES_MAX = 10
_CONTACT_MAX = 20
_POINTS_MAX = 10_000


# ── names and lists ──────────────────────────────────────────────────────────────────────────────────────────


def check_name(name: str) -> str:
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise fault(f"{show(name)} is not a name: 1 to 64 of a-z, 0-9 and _, beginning with a letter")
    return name


def _check_event_type(name: str) -> str:
    if name not in EVENT_TYPES:
        raise fault(f"{show(name)} is not an event type; {suggest(name, sorted(EVENT_TYPES), 'there are')}")
    return name


def _as_event_types(raw: object) -> object:
    if raw == []:
        raise fault("the list is empty; name at least one event type")
    return as_tuple(raw, "an event type")


def _as_sources(raw: object) -> object:
    if raw == []:
        raise fault("the list is empty; name at least one trait, or leave `from` out")
    return as_tuple(raw, "a trait")


def _as_contact(raw: object) -> object:
    return as_tuple(raw, "a trait")


def read_by_kind(raw: object, base: type[Section], kinds: Mapping[str, type[Section]]) -> object:
    """Read a section by its ``kind``, one of ``kinds``; what is a ``base`` already has been read.

    Pydantic's own choice would put the kind into the path of every fault.
    """
    if isinstance(raw, base):
        return raw
    if not isinstance(raw, dict):
        raise fault(f"{show(raw)} is not a mapping of keys to values")
    if "kind" not in raw:
        raise_faults([(("kind",), f"is required; kinds are {', '.join(kinds)}")])
    kind = raw["kind"]
    if not isinstance(kind, str) or kind not in kinds:
        raise_faults([(("kind",), f"{show(kind)} is unknown; {suggest(str(kind), list(kinds), 'kinds are')}")])
    return kinds[kind].model_validate(raw)


def as_tuple(raw: object, what: str) -> object:
    """Return a list of the file, or a single text, as a tuple."""
    if isinstance(raw, list) and len({str(item) for item in raw}) < len(raw):
        raise fault(f"lists {what} twice")
    return (raw,) if isinstance(raw, str) else tuple(raw) if isinstance(raw, list) else raw


def check_trait_property(name: str) -> str:
    """Return the name of a trait as events have it; raise a fault if no event can have it."""
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise fault("the name of a trait has 1 to 64 characters that can be printed")
    if "" in name.split("."):
        raise fault(f"{show(name)} has a dot that leads nowhere; 'company.industry' is the industry in company")
    if name in VIRTUAL_PROPERTIES:
        raise fault(f"{name} follows from the address and is not told by events; a flag's `where` may use it")
    return name


@dataclass(frozen=True, slots=True)
class ChannelWithNames:
    """A rule's ``channel:`` together with the names that the file gives to channels."""

    channel: object
    names: Sequence[str]


def _check_channel_name(raw: object) -> object:
    if not isinstance(raw, ChannelWithNames):
        return raw
    known = [*raw.names, *(name for name in CHANNELS_KNOWN if name not in raw.names)]
    if isinstance(raw.channel, str) and raw.channel not in known:
        raise fault(f"{show(raw.channel)} is unknown; {suggest(raw.channel, known, 'allowed are')}")
    return raw.channel


_EVENT_TYPE_SCHEMA: Final = {"enum": sorted(EVENT_TYPES)}
_TRAIT_NAME_SCHEMA: Final = {"type": "string", "minLength": 1, "maxLength": 64}

Name = Annotated[str, AfterValidator(check_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
EventTypes = Annotated[
    tuple[Annotated[str, AfterValidator(_check_event_type)], ...],
    BeforeValidator(_as_event_types),
    WithJsonSchema(
        {"anyOf": [_EVENT_TYPE_SCHEMA, {"type": "array", "items": _EVENT_TYPE_SCHEMA, "minItems": 1}]},
    ),
]
PropertyName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
TraitName = Annotated[str, AfterValidator(check_trait_property)]
Sources = Annotated[
    tuple[TraitName, ...],
    Field(max_length=_SOURCES_MAX),
    BeforeValidator(_as_sources),
    WithJsonSchema(
        {
            "anyOf": [
                _TRAIT_NAME_SCHEMA,
                {"type": "array", "items": _TRAIT_NAME_SCHEMA, "minItems": 1, "maxItems": _SOURCES_MAX},
            ]
        }
    ),
]
ContactNames = Annotated[
    tuple[TraitName, ...],
    Field(max_length=_CONTACT_MAX),
    BeforeValidator(_as_contact),
    WithJsonSchema({"type": "array", "items": _TRAIT_NAME_SCHEMA, "maxItems": _CONTACT_MAX}),
]
ChannelName = Annotated[
    str, BeforeValidator(_check_channel_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})
]


# ── the sections ─────────────────────────────────────────────────────────────────────────────────────────────


class Section(BaseModel):
    """A mapping of the file: no unknown keys, no conversions, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @classmethod
    def file_keys(cls) -> list[str]:
        """Return the keys as the file writes them."""
        return [field.alias or name for name, field in cls.model_fields.items()]


class Visits(Section):
    """What a visit is: events of some types, until nothing happens for a while."""

    on: EventTypes = Field(
        default=(
            "page_viewed",
            "screen_viewed",
            "link_clicked",
            "file_downloaded",
            "form_submitted",
            "video_watched",
        ),
        description="The event types that make visits.",
    )
    gap_minutes: float = Field(
        default=30.0, gt=0, le=1_440, description="Minutes of silence that a visit survives; longer ones end it."
    )


class VisitCount(Section):
    """``visits:`` of a rule: a visit counts if it is at least the so-and-so-many-th within some days."""

    at_least: int = Field(ge=2, le=VISITS_KEPT, description="So many visits, this one included, must have begun …")
    within_days: float = Field(gt=0, le=400, description="… in so many days up to the beginning of this one.")


class Hot(Section):
    """``hot:`` of a rule: a match holds the lead in the highest band for a while, if its fit allows."""

    hold_days: float = Field(gt=0, le=365, description="Days from the event for which the lead is held hot.")


class Rule(Section):
    """One rule: which events or visits count, how much, and how fast that fades. ``points`` < 0 is a negative rule.

    Exactly one of ``on`` and ``visits`` is given; ``on`` is ``()`` where ``visits`` is.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["on"]},
                {
                    "required": ["visits"],
                    "properties": {
                        **dict.fromkeys(("where", "once_per", "hot", "channel", "converts"), False),
                        "points": {"exclusiveMinimum": 0},
                    },
                },
            ]
        }
    )

    visits: VisitCount | None = Field(default=None, description="Instead of `on`: count visits, not single events.")
    on: EventTypes = Field(default=(), validate_default=True, description="The event type, or a list of them (any).")
    where: Where = Field(default=(), description="Conditions on the event's properties; all must hold.")
    points: float = Field(
        ge=-_POINTS_MAX,
        le=_POINTS_MAX,
        description="Points of one match when it happens; not 0.",
        json_schema_extra={"not": {"const": 0}},
    )
    half_life_days: float = Field(gt=0, le=36_500, description="Days after which a match counts half.")
    points_max: float = Field(
        default=math.inf,
        gt=0,
        description="Ceiling of the rule's contribution in points (its size, where points are negative). "
        "None if left out.",
    )
    once_per: PropertyName | None = Field(
        default=None, description="A property; of the events with the same value of it only the first counts."
    )
    phase: Literal["awareness", "consideration", "decision"] = Field(
        default="awareness", description="How far along the purchase somebody is who does this."
    )
    channel: ChannelName | None = Field(
        default=None, description="The channel the points came through: web, email, or one of `channels`."
    )
    hot: Hot | None = Field(default=None, description="Hold the lead hot at once, whatever its points.")
    converts: bool = Field(default=False, description="Whether a match makes a lead a converted one.")

    @property
    def hold_days(self) -> float | None:
        """Days for which a match holds the lead hot; None: it does not."""
        return None if self.hot is None else self.hot.hold_days

    @field_validator("on")
    @classmethod
    def _check_on(cls, on: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        about_visits = info.data.get("visits", _FAULTY) is not None
        if on and about_visits:
            raise fault("a rule is about events (`on`) or about visits (`visits`), not both")
        if not on and not about_visits:
            raise fault("is required; or `visits`, for a rule about visits")
        return on

    @field_validator("where", "once_per", "hot", "channel", "converts")
    @classmethod
    def _check_key_of_events(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("visits") is not None:
            raise fault("is about single events; a rule about visits has none")
        return value

    @field_validator("points")
    @classmethod
    def _check_points(cls, points: float, info: ValidationInfo) -> float:
        if points == 0:
            raise fault("0 has no effect; leave the rule out")
        if points < 0 and info.data.get("visits") is not None:
            raise fault(f"{show(points)} is not above 0; visits do not count against anybody")
        return points

    @field_validator("points_max")
    @classmethod
    def _check_points_max(cls, points_max: float, info: ValidationInfo) -> float:
        points = abs(info.data.get("points", 0.0))
        if points_max < points:
            raise fault(f"{show(points_max)} is below the {show(points)} of one match, which could never count whole")
        return points_max

    @field_validator("channel")
    @classmethod
    def _check_channel(cls, channel: str | None, info: ValidationInfo) -> str | None:
        if channel is not None and info.data.get("points", 1.0) < 0:
            raise fault("a rule with negative points is in no channel: a ceiling is for what adds up")
        return channel

    @field_validator("hot")
    @classmethod
    def _check_hot(cls, hot: Hot | None, info: ValidationInfo) -> Hot | None:
        if hot is not None and info.data.get("points", 1.0) < 0:
            raise fault("a rule with negative points cannot hold a lead hot")
        return hot


_FAULTY: Final = object()
"""Stands for a key that was given and refused: pydantic leaves it out of what it has checked so far."""


class Trait(Section):
    """Points for what is known of a lead: a question with ``answers``, or a flag with ``where`` and ``points``."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["answers"], "properties": {"where": False, "points": False}},
                {"required": ["where", "points"], "properties": {"answers": False, "from": False}},
            ]
        }
    )

    where: Where = Field(default=(), description="Conditions on what is known of the lead; all must hold.")
    points: float = Field(
        default=None,
        ge=-_POINTS_MAX,
        le=_POINTS_MAX,
        validate_default=True,
        description="Points while the conditions hold; not 0.",
        json_schema_extra={"not": {"const": 0}},
    )
    answers: Answers = Field(
        default=(), validate_default=True, description="Answer by answer its points; the first that fits counts."
    )
    sources: Sources = Field(
        default=(),
        alias="from",
        description="The traits of events that hold the answer; the first that is known counts. "
        "The trait's own name if left out.",
    )

    @property
    def is_question(self) -> bool:
        """Whether the trait is a question, which can be unknown; else it is a flag."""
        return bool(self.answers)

    @field_validator("points", mode="before")
    @classmethod
    def _check_points(cls, points: object, info: ValidationInfo) -> object:
        is_flag = info.data.get("where", _FAULTY) != ()
        if points is None:
            if is_flag:
                raise PydanticKnownError("missing")
            return 0.0
        if not is_flag:
            raise fault("belongs to a flag, which has `where`; each answer has points of its own")
        if points == 0:
            raise fault("0 has no effect; leave the trait out")
        return points

    @field_validator("answers")
    @classmethod
    def _check_answers(cls, answers: tuple[Answer, ...], info: ValidationInfo) -> tuple[Answer, ...]:
        is_flag = info.data.get("where", _FAULTY) != ()
        if answers and is_flag:
            raise fault("a trait is a question (`answers`) or a flag (`where` and `points`), not both")
        if not answers and not is_flag:
            raise fault("is required; or `where` and `points`, for a flag")
        return answers

    @field_validator("sources")
    @classmethod
    def _check_sources(cls, sources: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("where", _FAULTY) != () and not info.data.get("answers"):
            raise fault("is for a question; the conditions of a flag name their traits themselves")
        return sources


class Channel(Section):
    """The ceiling of a channel, over all its rules together."""

    points_max: float = Field(gt=0, description="The most that the channel's rules contribute together, in points.")


class Inactivity(Section):
    """Points against leads that have not come back for long."""

    after_days: float = Field(gt=0, le=3_650, description="Days after the end of the last visit.")
    points: float = Field(ge=-_POINTS_MAX, lt=0, description="Points from then on until the next visit; below 0.")


class Alerts(Section):
    """What alerts of all bands have in common."""

    max_age_h: float = Field(
        default=24.0, gt=0, le=8_760, description="A crossing older than this (hours) changes bands silently."
    )
    visitors: bool = Field(default=False, description="Whether visitors, of whom nothing is known, alert too.")


class FollowUpTimes(Section):
    """How long sales has, and for how long what they answer keeps a lead quiet."""

    contact_within_h: float = Field(
        default=1.0, gt=0, le=720, description="Working hours within which a lead that was alerted is to be contacted."
    )
    in_work_days: float = Field(
        default=90.0, gt=0, le=3_650, description="Days after the latest sign of work on a lead without a new alert."
    )
    recycle_days: float = Field(
        default=90.0, gt=0, le=3_650, description="Days after which a lead that was lost may alert again."
    )

    @property
    def contact_within_ms(self) -> int:
        """The time for a first contact, in ms."""
        return round(self.contact_within_h * 3_600_000)

    @property
    def in_work_ms(self) -> int:
        """For how long work on a lead keeps it quiet, in ms."""
        return round(self.in_work_days * 86_400_000)

    @property
    def recycle_ms(self) -> int:
        """For how long a loss keeps a lead quiet, in ms."""
        return round(self.recycle_days * 86_400_000)
