"""The scoring model: what a YAML file says, checked and ready to be compiled.

The classes mirror the file key by key, so the file's shape, its JSON Schema and its checks have one source; see
docs/model.md for the file as people write it. Whatever is wrong is told at once, each fault with its line.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, SkipJsonSchema
from pydantic_core import InitErrorDetails, core_schema

from scoring.conditions import (
    OWN_DOMAINS,
    OWN_DOMAINS_SCHEMA,
    Conditions,
    OwnDomains,
    Where,
    WhereWithNames,
    describe_condition,
    fault,
    holds,
    join_words,
    raise_faults,
)
from scoring.errors import ModelError
from scoring.events import EVENT_TYPES
from scoring.model_file import (
    FILE_BYTES_MAX,
    Document,
    KeyPath,
    find_faults,
    read_document,
    show,
    suggest,
    tell,
)

_NAME_PATTERN: Final = r"^[a-z][a-z0-9_]{0,63}$"
_RULES_PER_TYPE_MAX = 255
_ENTRIES_MAX = 1_000
"""Rules, and names, of one model: every event is held against all rules of its type."""


# ── the file, key by key ─────────────────────────────────────────────────────────────────────────────────────


def _check_name(name: str) -> str:
    if re.fullmatch(_NAME_PATTERN, name) is None:
        raise fault(f"{show(name)} is not a name: 1 to 64 of a-z, 0-9 and _, beginning with a letter")
    return name


def _check_band_name(name: str) -> str:
    if name == "cold":
        raise fault("cold is what lies below the first band; it is not listed")
    return _check_name(name)


def _check_event_type(name: str) -> str:
    if name not in EVENT_TYPES:
        raise fault(f"{show(name)} is not an event type; {suggest(name, sorted(EVENT_TYPES), 'there are')}")
    return name


def _as_event_types(raw: object) -> object:
    if raw == []:
        raise fault("the list is empty; name at least one event type")
    if isinstance(raw, list) and len({str(item) for item in raw}) < len(raw):
        raise fault("lists an event type twice")
    return (raw,) if isinstance(raw, str) else tuple(raw) if isinstance(raw, list) else raw


def _refuse_band_name(raw: object) -> object:
    """Refuse ``name:`` inside a band of the file, where the key is the name."""
    if isinstance(raw, dict) and "name" in raw:
        details = InitErrorDetails(type="extra_forbidden", loc=("name",), input=raw["name"])
        raise ValidationError.from_exception_data("model", [details])
    return raw


_EVENT_TYPE_SCHEMA: Final = {"enum": sorted(EVENT_TYPES)}

Name = Annotated[str, AfterValidator(_check_name), WithJsonSchema({"type": "string", "pattern": _NAME_PATTERN})]
BandName = Annotated[
    str, AfterValidator(_check_band_name), WithJsonSchema({"type": "string", "pattern": _NAME_PATTERN})
]
EventTypes = Annotated[
    tuple[Annotated[str, AfterValidator(_check_event_type)], ...],
    BeforeValidator(_as_event_types),
    WithJsonSchema(
        {"anyOf": [_EVENT_TYPE_SCHEMA, {"type": "array", "items": _EVENT_TYPE_SCHEMA, "minItems": 1}]},
    ),
]
PropertyName = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class _FileSchema(GenerateJsonSchema):
    """The JSON Schema of what a file may say: no null, and no default that cannot be written down."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") in (None, (), math.inf):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # a title would only repeat the key


class _Section(BaseModel):
    """A mapping of the file: no unknown keys, no conversions, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Hot(_Section):
    """``hot:`` of a rule: a match holds the lead in the highest band for a while, if its fit allows."""

    hold_days: float = Field(gt=0, le=365, description="Days from the event for which the lead is held hot.")


class Rule(_Section):
    """One rule: which events count, how much, and how fast that fades. ``points`` < 0 is a negative rule."""

    on: EventTypes = Field(description="The event type, or a list of them (any).")
    where: Where = Field(default=(), description="Conditions on the event's properties; all must hold.")
    points: float = Field(
        ge=-10_000,
        le=10_000,
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
    channel: Literal["web", "email"] | None = Field(default=None, description="The channel the points came through.")
    hot: Hot | None = Field(default=None, description="Hold the lead hot at once, whatever its points.")

    @property
    def hold_days(self) -> float | None:
        """Days for which a match holds the lead hot; None: it does not."""
        return None if self.hot is None else self.hot.hold_days

    @field_validator("points")
    @classmethod
    def _check_points(cls, points: float) -> float:
        if points == 0:
            raise fault("0 has no effect; leave the rule out")
        return points

    @field_validator("points_max")
    @classmethod
    def _check_points_max(cls, points_max: float, info: ValidationInfo) -> float:
        points = abs(info.data.get("points", 0.0))
        if points_max < points:
            raise fault(f"{show(points_max)} is below the {show(points)} of one match, which could never count whole")
        return points_max

    @field_validator("hot")
    @classmethod
    def _check_hot(cls, hot: Hot | None, info: ValidationInfo) -> Hot | None:
        if hot is not None and info.data.get("points", 1.0) < 0:
            raise fault("a rule with negative points cannot hold a lead hot")
        return hot


class Band(_Section):
    """A band above cold: it is entered at ``enter`` points and left below ``leave``.

    A band with a cooldown (hours) raises alerts, at most one per lead within that time.
    """

    name: SkipJsonSchema[str] = ""
    """The key under ``bands:``, filled in by the model."""
    enter: float = Field(gt=0, description="Points from which a lead is in the band.")
    leave: float = Field(gt=0, description="Points below which a lead has left the band; below enter.")
    fit_min: float | None = Field(
        default=None, ge=0, le=10, description="Least account fit, 0 to 10; an unknown fit passes."
    )
    cooldown_h: float | None = Field(
        default=None, ge=0, le=8_760, description="Raise alerts for this band, one per lead in so many hours."
    )

    @field_validator("leave")
    @classmethod
    def _check_leave(cls, leave: float, info: ValidationInfo) -> float:
        enter = info.data.get("enter", math.inf)
        if leave >= enter:
            raise fault(f"{show(leave)} is not below enter ({show(enter)})")
        return leave


class Alerts(_Section):
    """When a crossing is too old to tell anybody about."""

    max_age_h: float = Field(
        default=24.0, gt=0, le=8_760, description="A crossing older than this (hours) changes bands silently."
    )


class ScoringModel(_Section):
    """What we believe: a whole model file, checked. Bands are in ascending order; cold is implied."""

    version: str = Field(
        min_length=1, max_length=64, description="Changes with every change of the file; a date is usual."
    )
    names: dict[Name, Conditions] = Field(
        default_factory=dict,
        max_length=_ENTRIES_MAX,
        description="What your pages and forms are called; rules refer to them by `is`.",
    )
    rules: dict[Name, Rule] = Field(
        min_length=1, max_length=_ENTRIES_MAX, description="What counts, how much and for how long."
    )
    bands: dict[BandName, Annotated[Band, BeforeValidator(_refuse_band_name)]] = Field(
        min_length=1, max_length=10, description="The bands above cold, from low to high."
    )
    alerts: Alerts = Field(default_factory=Alerts, description="What alerts have in common.")

    @model_validator(mode="before")
    @classmethod
    def _give_names_to_rules(cls, data: Any) -> Any:
        """Hand each rule the names, because a field cannot look at its siblings' siblings."""
        if not isinstance(data, dict):
            return data
        names = data.get("names")
        if isinstance(names, dict) and isinstance(names.get(OWN_DOMAINS), list):
            data = {**data, "names": {**names, OWN_DOMAINS: OwnDomains(names[OWN_DOMAINS])}}
        if not isinstance(data.get("rules"), dict):
            return data
        return {**data, "rules": {key: _give_names(rule, data.get("names")) for key, rule in data["rules"].items()}}

    @field_validator("version")
    @classmethod
    def _check_version(cls, version: str) -> str:
        if not version.isprintable():
            raise fault(f"{show(version)} holds characters that cannot be printed")
        return version

    @field_validator("rules")
    @classmethod
    def _check_rules(cls, rules: dict[str, Rule]) -> dict[str, Rule]:
        # A lead remembers the rules that an event matched with a count of one byte.
        crowds = Counter(event_type for rule in rules.values() for event_type in rule.on)
        for event_type, count in crowds.most_common(1):
            if count > _RULES_PER_TYPE_MAX:
                raise fault(f"{count} rules are on {event_type}; at most {_RULES_PER_TYPE_MAX} may be")
        return rules

    @field_validator("bands")
    @classmethod
    def _check_bands(cls, bands: dict[str, Band]) -> dict[str, Band]:
        raise_faults(list(_compare_bands(bands)))
        return {name: band.model_copy(update={"name": name}) for name, band in bands.items()}

    def is_own(self, email: str) -> bool:
        """Whether an address (normalised) is of our own people, by ``names: own_domains``: they never alert."""
        domain = email.rpartition("@")[2]
        return any(holds(condition, {condition.property: domain}) for condition in self.names.get(OWN_DOMAINS, ()))

    def warnings(self) -> list[str]:
        """Return what is allowed but hardly meant: names that no rule uses."""
        return [
            f"names.{name}: no rule uses it"
            for name, conditions in self.names.items()
            if name != OWN_DOMAINS
            and not any(set(map(repr, conditions)) <= set(map(repr, rule.where)) for rule in self.rules.values())
        ]

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the model *file*, for editors that check and complete while one types."""
        schema = cls.model_json_schema(schema_generator=_FileSchema)
        # 2026.1 and 2026 without quotes are fine as a version, though an editor takes them for numbers.
        schema["properties"]["version"]["type"] = ["string", "number"]
        for key in ("names", "rules", "bands"):
            schema["properties"][key]["additionalProperties"] = False
        schema["properties"]["names"]["properties"] = {OWN_DOMAINS: OWN_DOMAINS_SCHEMA}
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "leadheat scoring model"}

    @classmethod
    def _keys_at(cls, path: KeyPath) -> list[str]:
        """Return the keys that may stand in the mapping at ``path``."""
        sections: dict[int, dict[str, type[_Section]]] = {
            1: {"alerts": Alerts},
            2: {"rules": Rule, "bands": Band},
            3: {"rules": Hot},
        }
        section: type[BaseModel] = cls if not path else sections[len(path)][str(path[0])]
        return [key for key in section.model_fields if not (section is Band and key == "name")]


def _give_names(rule: object, names: object) -> object:
    if not isinstance(rule, dict) or not isinstance(rule.get("where"), dict):
        return rule
    return {**rule, "where": WhereWithNames(rule["where"], names if isinstance(names, dict) else {})}


def _compare_bands(bands: Mapping[str, Band]) -> Iterable[tuple[KeyPath, str]]:
    """Yield what is wrong with the bands taken together."""
    below: tuple[str, Band] | None = None
    for name, band in bands.items():
        if below is not None:
            lower, other = below
            if band.enter == other.enter:
                yield (name, "enter"), f"{show(band.enter)} is where {lower} is entered too"
            elif band.enter < other.enter:
                yield (
                    (name, "enter"),
                    f"{show(band.enter)} is below the {show(other.enter)} of {lower}; list low to high",
                )
            elif band.leave < other.leave:
                yield (name, "leave"), f"{show(band.leave)} is below the {show(other.leave)} at which {lower} is left"
        below = name, band


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────


def load_model(path: Path) -> ScoringModel:
    """Read and check the model file at ``path``.

    Raises :class:`ModelError` with one line per fault.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)  # bounded, whatever the path turns out to be
    except OSError as error:
        raise ModelError([f"{path}: cannot be read: {error.strerror or error}"]) from None
    if len(raw) > FILE_BYTES_MAX:
        raise ModelError([f"{path}:1: is larger than {FILE_BYTES_MAX} bytes"])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ModelError([f"{path}:{line}: is not UTF-8 text: byte 0x{raw[error.start]:02x}"]) from None
    return parse_model(text, str(path))


def parse_model(text: str, filename: str) -> ScoringModel:
    """Check the text of a model file; ``filename`` is for messages only.

    >>> parse_model("version: 1\\nrules: {view: {on: page_viewed, points: 1, half_life_days: -3}}", "m.yaml")
    Traceback (most recent call last):
    ...
    scoring.errors.ModelError: m.yaml:1: bands: is required
    m.yaml:2: rules.view.half_life_days: -3 is not above 0

    Raises :class:`ModelError` with one line per fault, in the order of the file.
    """
    document = read_document(text, texts=[("version",)])
    faults = document.faults
    if document.data is not None:
        model, found = _validate(document)
        faults = faults + found
        if model is not None and not faults:
            return model
    raise ModelError(tell(filename, faults))


def _validate(document: Document) -> tuple[ScoringModel | None, list[Any]]:
    try:
        return ScoringModel.model_validate(document.data), []
    except ValidationError as error:
        return None, find_faults(error, document, ScoringModel._keys_at)


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────


def describe_model(model: ScoringModel) -> str:
    """Return the model in plain words: one line per rule, then one per band, from cold up.

    >>> print(describe_model(parse_model('''
    ... version: 2026-11-01
    ... rules:
    ...   pricing: {on: page_viewed, where: {path: /pricing*}, points: 10, half_life_days: 14, points_max: 20}
    ... bands: {warm: {enter: 30, leave: 20}}
    ... ''', "m.yaml")))
    pricing: +10 when page_viewed where path is like /pricing*; halves every 14 days; at most 20; awareness
    cold: below the first band
    warm: from 30, left below 20
    """
    lines = [f"{name}: {_describe_rule(rule)}" for name, rule in model.rules.items()]
    lines.append("cold: below the first band")
    lines += [_describe_band(band) for band in model.bands.values()]
    return "\n".join(lines)


def _describe_rule(rule: Rule) -> str:
    parts = [f"{rule.points:+.12g} when {join_words(rule.on)}"]
    if rule.where:
        parts[0] += f" where {' and '.join(describe_condition(condition) for condition in rule.where)}"
    parts.append(f"halves every {_days(rule.half_life_days)}")
    if rule.points_max != math.inf:
        parts.append(f"at most {show(rule.points_max)}" if rule.points > 0 else f"never below {show(-rule.points_max)}")
    if rule.once_per is not None:
        parts.append(f"once per {rule.once_per}")
    if rule.hold_days is not None:
        parts.append(f"hot at once for {_days(rule.hold_days)}")
    if rule.points > 0:
        parts.append(rule.phase)
    if rule.channel is not None:
        parts.append(f"channel {rule.channel}")
    return "; ".join(parts)


def _describe_band(band: Band) -> str:
    parts = [f"{band.name}: from {show(band.enter)}, left below {show(band.leave)}"]
    if band.fit_min is not None:
        parts.append(f"account fit at least {show(band.fit_min)} or unknown")
    if band.cooldown_h is not None:
        parts.append(f"alerts, at most one per lead in {show(band.cooldown_h)} h")
    return "; ".join(parts)


def _days(days: float) -> str:
    return "1 day" if days == 1 else f"{show(days)} days"
