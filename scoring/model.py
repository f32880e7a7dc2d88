"""The scoring model: what a YAML file says, checked and ready to be compiled.

The classes mirror the file section by section (:mod:`scoring.model_sections` and its neighbours), so the file's shape,
its JSON Schema and its checks have one source; see docs/model.md for the file as people write it. Whatever is wrong is
told at once, each fault with its line.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from scoring.conditions import Condition, holds
from scoring.conditions_file import (
    OWN_DOMAINS,
    OWN_DOMAINS_SCHEMA,
    About,
    Answer,
    Conditions,
    OwnDomains,
    WhereWithNames,
    fault,
    raise_faults,
)
from scoring.errors import ModelError
from scoring.model_accounts import (
    EXCLUSIONS_MAX,
    PROFILES_MAX,
    Component,
    Exclusion,
    FitLevels,
    Profile,
)
from scoring.model_bands import AccountBand, Band, BandName, BandOfFile, name_bands
from scoring.model_customer_words import customers_that_are_never_placed, describe_customers
from scoring.model_customers import Answers as CategoryAnswers
from scoring.model_customers import Customers, Exit, Manual, Segment, Split, customer_keys_at
from scoring.model_engagement import Accounts, Waking
from scoring.model_file import FILE_BYTES_MAX, Document, Fault, KeyPath, find_faults, read_document, show, tell
from scoring.model_sections import (
    VIRTUAL_PROPERTIES,
    Alerts,
    Channel,
    ChannelWithNames,
    ContactNames,
    FollowUpTimes,
    Hot,
    Inactivity,
    Name,
    Rule,
    Section,
    Trait,
    VisitCount,
    Visits,
    check_trait_property,
)
from scoring.model_signals import KINDS, SIGNALS_MAX, Count, Signal, SignalOfFile, with_rules
from scoring.model_warnings import (
    answers_that_never_count,
    bands_out_of_reach,
    channels_that_do_little,
    exclusions_that_never_hold,
    names_that_ledgers_confuse,
    profiles_that_never_fit_well,
    rules_that_never_count,
    signals_that_contradict_themselves,
    unused_names,
)
from scoring.model_words import (
    describe_account_fit,
    describe_accounts,
    describe_alerts,
    describe_band,
    describe_channel,
    describe_conditions,
    describe_contact,
    describe_follow_up,
    describe_inactivity,
    describe_rule,
    describe_signal,
    describe_trait,
    describe_visits,
)

__all__ = [
    "AccountBand",
    "Accounts",
    "Alerts",
    "Answer",
    "Band",
    "Channel",
    "Component",
    "Condition",
    "Customers",
    "Exclusion",
    "FitLevels",
    "FollowUpTimes",
    "Hot",
    "Inactivity",
    "Profile",
    "Rule",
    "ScoringModel",
    "Signal",
    "Trait",
    "VisitCount",
    "Visits",
    "Waking",
    "describe_model",
    "find_model_faults",
    "load_model",
    "load_model_text",
    "parse_model",
]

_RULES_PER_TYPE_MAX = 127
_ENTRIES_MAX = 1_000
"""Rules, and names, of one model: every event is held against all rules of its type."""

_TRAITS_MAX = 100
"""Traits, and properties that they and the contact need: each lead remembers these, and each alert lists what is not
known."""

_CHANNELS_MAX = 50


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


class ScoringModel(Section):
    """What we believe: a whole model file, checked. Bands are in ascending order; cold is implied."""

    version: str = Field(
        min_length=1, max_length=64, description="Changes with every change of the file; a date is usual."
    )
    names: dict[Name, Conditions] = Field(
        default_factory=dict,
        max_length=_ENTRIES_MAX,
        description="What your pages and forms are called; rules and traits refer to them by `is`.",
    )
    visits: Visits = Field(default_factory=Visits, description="What a visit is.")
    rules: dict[Name, Rule] = Field(
        min_length=1, max_length=_ENTRIES_MAX, description="What counts, how much and for how long."
    )
    traits: dict[Name, Trait] = Field(
        default_factory=dict, max_length=_TRAITS_MAX, description="Points for what is known of a lead."
    )
    channels: dict[Name, Channel] = Field(
        default_factory=dict, max_length=_CHANNELS_MAX, description="Ceilings over all rules of a channel."
    )
    inactivity: Inactivity | None = Field(
        default=None, description="Points against leads that have not come back for long; none if left out."
    )
    contact: ContactNames = Field(
        default=("name", "email", "phone", "title", "owner", "crm_url"),
        description="The traits that an alert carries along for whoever takes it up.",
    )
    bands: dict[BandName, BandOfFile] = Field(
        min_length=1, max_length=10, description="The bands above cold, from low to high."
    )
    alerts: Alerts = Field(default_factory=Alerts, description="What alerts have in common.")
    follow_up: FollowUpTimes = Field(
        default_factory=FollowUpTimes, description="How long sales has, and what keeps a lead quiet."
    )
    profiles: dict[Name, Profile] = Field(
        default_factory=dict,
        max_length=PROFILES_MAX,
        description="Ideal-customer profiles: each account is held against every one, and the best is named.",
    )
    exclusions: dict[Name, Exclusion] = Field(
        default_factory=dict, max_length=EXCLUSIONS_MAX, description="Accounts that are out of the question, and why."
    )
    accounts: Accounts = Field(default_factory=Accounts, description="What accounts have in common.")
    signals: dict[Name, SignalOfFile] = Field(
        default_factory=dict, max_length=SIGNALS_MAX, description="The buying signals of accounts."
    )
    customers: Customers = Field(
        default_factory=Customers, description="What customers are worth, and what is done with which of them."
    )

    @model_validator(mode="before")
    @classmethod
    def _give_names(cls, data: Any) -> Any:
        """Hand names and channels to what refers to them: a field cannot look at its siblings' siblings."""
        if not isinstance(data, dict):
            return data
        names = data.get("names")
        if isinstance(names, dict) and isinstance(names.get(OWN_DOMAINS), list):
            names = {**names, OWN_DOMAINS: OwnDomains(names[OWN_DOMAINS])}
            data = {**data, "names": names}
        channels = data.get("channels", {})
        for key, about in _ABOUT.items():
            if isinstance(data.get(key), dict):
                entries = data[key].items()
                data = {**data, key: {name: _with_names(entry, names, channels, about) for name, entry in entries}}
        if isinstance(data.get("signals"), dict):
            signals = {name: with_rules(signal, data.get("rules")) for name, signal in data["signals"].items()}
            data = {**data, "signals": signals}
        return data

    @field_validator("version")
    @classmethod
    def _check_version(cls, version: str) -> str:
        if not version.isprintable():
            raise fault(f"{show(version)} holds characters that cannot be printed")
        return version

    @field_validator("rules")
    @classmethod
    def _check_rules(cls, rules: dict[str, Rule]) -> dict[str, Rule]:
        # A lead remembers the rules that an event matched with a count of seven bits.
        crowds = Counter(event_type for rule in rules.values() for event_type in rule.on)
        for event_type, count in crowds.most_common(1):
            if count > _RULES_PER_TYPE_MAX:
                raise fault(f"{count} rules are on {event_type}; at most {_RULES_PER_TYPE_MAX} may be")
        return rules

    @field_validator("traits")
    @classmethod
    def _check_traits(cls, traits: dict[str, Trait], info: ValidationInfo) -> dict[str, Trait]:
        raise_faults(list(_check_trait_names(traits, info.data.get("rules", {}))))
        return {name: _with_source(name, trait) for name, trait in traits.items()}

    @field_validator("profiles")
    @classmethod
    def _name_facts(cls, profiles: dict[str, dict[str, Component]]) -> dict[str, dict[str, Component]]:
        return {
            name: {part: _with_fact(part, component) for part, component in profile.items()}
            for name, profile in profiles.items()
        }

    @field_validator("bands")
    @classmethod
    def _check_bands(cls, bands: dict[str, Band]) -> dict[str, Band]:
        return name_bands(bands)

    def is_own(self, email: str) -> bool:
        """Whether an address (normalised) is of our own people, by ``names: own_domains``: they never alert."""
        domain = email.rpartition("@")[2]
        return any(holds(condition, {condition.property: domain}) for condition in self.names.get(OWN_DOMAINS, ()))

    @property
    def follows_accounts(self) -> bool:
        """Whether the model says anything of accounts, so that leads have to tell them of themselves."""
        says_so = "accounts" in self.model_fields_set or self.follows_customers
        return bool(self.profiles or self.exclusions or self.signals) or says_so

    @property
    def follows_customers(self) -> bool:
        """Whether the model says what customers are worth, so that accounts that are customers are rated."""
        return "customers" in self.model_fields_set

    @property
    def trait_properties(self) -> tuple[str, ...]:
        """Every trait of events that a lead must remember: what traits ask about, and the contact. Sorted."""
        asked = {source for trait in self.traits.values() for source in trait.sources}
        flagged = {condition.property for trait in self.traits.values() for condition in trait.where}
        if flagged & set(VIRTUAL_PROPERTIES):
            flagged |= {"email"}  # what they are derived from, for leads that are not known by their address
        return tuple(sorted((asked | flagged | set(self.contact)) - set(VIRTUAL_PROPERTIES)))

    @property
    def asks_for_visits(self) -> bool:
        """Whether a rule, inactivity or a signal looks at visits: each takes 12 bytes of a lead's state."""
        return (
            self.inactivity is not None
            or any(rule.visits is not None for rule in self.rules.values())
            or any(isinstance(signal, Count) for signal in self.signals.values())
        )

    @property
    def signal_rules(self) -> tuple[str, ...]:
        """The rules whose matches a contact tells its account, because signals ask about them. Sorted."""
        return tuple(sorted({rule for signal in self.signals.values() for rule in signal.asked}))

    @model_validator(mode="after")
    def _check_memory(self) -> ScoringModel:
        count = len(self.trait_properties)
        if count > _TRAITS_MAX:
            raise_faults([(("traits",), f"ask about {count} properties in all; at most {_TRAITS_MAX} are remembered")])
        return self

    def warnings(self) -> list[str]:
        """Return what is allowed but hardly meant, each with its key: names that nothing uses, bands out of reach …"""
        return [
            *unused_names(self.names, self.rules, self.traits, self.exclusions),
            *rules_that_never_count(self.rules, self.visits),
            *answers_that_never_count(self._answers()),
            *channels_that_do_little(self.channels, self.rules),
            *names_that_ledgers_confuse(self.rules, self.traits, self.channels),
            *bands_out_of_reach(self.bands, self.rules, self.traits, self.channels),
            *profiles_that_never_fit_well(self.profiles, self.accounts.fit),
            *exclusions_that_never_hold(self.exclusions),
            *signals_that_contradict_themselves(self.signals, self.rules),
            *customers_that_are_never_placed(self.customers),
        ]

    def _answers(self) -> Iterator[tuple[str, tuple[Answer, ...]]]:
        """Yield all answers, each question with its key."""
        yield from ((f"traits.{name}", trait.answers) for name, trait in self.traits.items())
        for name, profile in self.profiles.items():
            yield from ((f"profiles.{name}.{part}", component.answers) for part, component in profile.items())
        for name, criterion in self.customers.criteria.items():
            if isinstance(criterion, CategoryAnswers):
                yield f"customers.criteria.{name}", criterion.answers

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the model *file*, for editors that check and complete while one types."""
        schema = cls.model_json_schema(schema_generator=_FileSchema)
        # 2026.1 and 2026 without quotes are fine as a version, though an editor takes them for numbers.
        schema["properties"]["version"]["type"] = ["string", "number"]
        for key in ("names", "rules", "traits", "channels", "bands", "profiles", "exclusions", "signals"):
            schema["properties"][key]["additionalProperties"] = False
        for profile in schema["properties"]["profiles"]["patternProperties"].values():
            profile["additionalProperties"] = False
        schema["$defs"]["Accounts"]["properties"]["bands"]["additionalProperties"] = False
        for key in ("criteria", "segments"):
            schema["$defs"]["Customers"]["properties"][key]["additionalProperties"] = False
        # The one name that is a list must not be held against the pattern of all others too.
        ((pattern, conditions),) = schema["properties"]["names"]["patternProperties"].items()
        others = pattern.replace("^", f"^(?!{OWN_DOMAINS}$)", 1)
        schema["properties"]["names"]["patternProperties"] = {others: conditions}
        schema["properties"]["names"]["properties"] = {OWN_DOMAINS: OWN_DOMAINS_SCHEMA}
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "leadheat scoring model"}

    @classmethod
    def keys_at(cls, path: KeyPath, data: Mapping[str, Any]) -> list[str]:
        """Return the keys that may stand in the mapping at ``path`` of a file that says ``data``.

        >>> ScoringModel.keys_at(("bands", "hot"), {})
        ['enter', 'leave', 'fit_min', 'cooldown_h']
        >>> ScoringModel.keys_at(("signals", "busy"), {"signals": {"busy": {"kind": "count"}}})
        ['kind', 'cooldown_h', 'sessions', 'within_days']
        """
        if not path:
            return cls.file_keys()
        if path[0] == "signals":
            return KINDS[data["signals"][path[1]]["kind"]].file_keys()
        if (criterion_keys := customer_keys_at(path, data)) is not None:
            return criterion_keys
        return next(section for at, section in _SECTIONS.items() if _leads_to(at, path)).file_keys()


_SECTIONS: Final[Mapping[KeyPath, type[Section]]] = {
    ("visits",): Visits,
    ("rules", "*"): Rule,
    ("rules", "*", "visits"): VisitCount,
    ("rules", "*", "hot"): Hot,
    ("traits", "*"): Trait,
    ("channels", "*"): Channel,
    ("inactivity",): Inactivity,
    ("bands", "*"): Band,
    ("alerts",): Alerts,
    ("follow_up",): FollowUpTimes,
    ("profiles", "*", "*"): Component,
    ("exclusions", "*"): Exclusion,
    ("accounts",): Accounts,
    ("accounts", "fit"): FitLevels,
    ("accounts", "bands", "*"): AccountBand,
    ("accounts", "waking"): Waking,
    ("customers",): Customers,
    ("customers", "segments", "*"): Segment,
    ("customers", "exit"): Exit,
    ("customers", "manual"): Manual,
    ("customers", "split"): Split,
}
"""The sections whose keys are fixed, by where they lie; * stands for a name."""

_ABOUT: Final[Mapping[str, About]] = {"rules": "event", "traits": "lead", "exclusions": "account"}
"""What the conditions of each section are about."""


def _leads_to(at: KeyPath, path: KeyPath) -> bool:
    return len(at) == len(path) and all(step in ("*", own) for step, own in zip(at, path, strict=True))


def _with_names(entry: object, names: object, channels: object, about: About) -> object:
    """Return a rule, trait or exclusion whose ``where`` and ``channel`` come with what they may refer to."""
    if not isinstance(entry, dict):
        return entry
    if isinstance(entry.get("where"), dict):
        known = names if isinstance(names, dict) else {}
        entry = {**entry, "where": WhereWithNames(entry["where"], known, about)}
    if "channel" in entry and about == "event" and isinstance(channels, dict):
        entry = {**entry, "channel": ChannelWithNames(entry["channel"], list(channels))}
    return entry


def _check_trait_names(traits: Mapping[str, Trait], rules: Mapping[str, Rule]) -> Iterable[tuple[KeyPath, str]]:
    """Yield what is wrong with the names of traits, and with those of the properties they ask about."""
    for name, trait in traits.items():
        if name in rules:
            yield (name,), "is the name of a rule too; a ledger could not tell them apart"
        asked = [((name, "answers"), name)] if trait.is_question and not trait.sources else []
        flagged = [((name, "where", condition.property), condition.property) for condition in trait.where]
        for at, property_ in [*asked, *(item for item in flagged if item[1] not in VIRTUAL_PROPERTIES)]:
            try:
                check_trait_property(property_)
            except PydanticCustomError as error:
                yield at, error.message()


def _with_source(name: str, trait: Trait) -> Trait:
    return trait.model_copy(update={"sources": (name,)}) if trait.is_question and not trait.sources else trait


def _with_fact(name: str, component: Component) -> Component:
    return component if component.sources else component.model_copy(update={"sources": (name,)})


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────


def load_model(path: Path) -> ScoringModel:
    """Read and check the model file at ``path``.

    Raises :class:`ModelError` with one line per fault.
    """
    return load_model_text(path)[0]


def load_model_text(path: Path) -> tuple[ScoringModel, str]:
    """Load the model file at ``path``, and return its text, too; raises as :func:`load_model`."""
    text = _read_text(path)
    return parse_model(text, str(path)), text


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)  # bounded, whatever the path turns out to be
    except OSError as error:
        raise ModelError([f"{path}: cannot be read: {error.strerror or error}"]) from None
    if len(raw) > FILE_BYTES_MAX:
        raise ModelError([f"{path}:1: is larger than {FILE_BYTES_MAX} bytes"])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ModelError([f"{path}:{line}: is not UTF-8 text: byte 0x{raw[error.start]:02x}"]) from None


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


def _validate(document: Document) -> tuple[ScoringModel | None, list[Fault]]:
    try:
        return ScoringModel.model_validate(document.data), []
    except ValidationError as error:
        return None, find_model_faults(error, document)


def find_model_faults(error: ValidationError, document: Document) -> list[Fault]:
    """Translate what is wrong with a model, which is all of ``document``, into faults with their places."""
    data = document.data or {}
    return find_faults(error, document, lambda path: ScoringModel.keys_at(path, data))


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────


def describe_model(model: ScoringModel) -> str:
    """Return the model in plain words, a line each: rules and traits, what they have in common, bands, account fit.

    What a model does not say and nobody would miss is left out, such as what a visit is where nothing asks for it.

    >>> print(describe_model(parse_model('''
    ... version: 2026-11-01
    ... rules:
    ...   pricing: {on: page_viewed, where: {path: /pricing*}, points: 10, half_life_days: 14, points_max: 20}
    ... traits:
    ...   seniority: {answers: {"*director*": 10}, from: [seniority, job_title]}
    ... bands: {warm: {enter: 30, leave: 20}}
    ... ''', "m.yaml")))
    pricing: +10 when page_viewed where path is like /pricing*; halves every 14 days; at most 20; awareness
    seniority: +10 where the first known of seniority / job_title is like *director*, else 0; unknown without an answer
    cold: below the first band
    warm: from 30, left below 20
    """
    lines = [f"{name}: {describe_rule(rule)}" for name, rule in model.rules.items()]
    lines += [f"{name}: {describe_trait(trait)}" for name, trait in model.traits.items()]
    lines += _describe_common(model)
    lines.append("cold: below the first band")
    lines += [f"{name}: {describe_band(band)}" for name, band in model.bands.items()]
    lines += describe_alerts(model.alerts)
    if model.follow_up != FollowUpTimes():
        lines.append(describe_follow_up(model.follow_up))
    lines += describe_account_fit(model.profiles, model.exclusions, model.accounts.fit)
    lines += describe_accounts(model.accounts)
    lines += [f"signal {name}: {describe_signal(signal)}" for name, signal in model.signals.items()]
    if model.follows_customers:
        lines += describe_customers(model.customers)
    return "\n".join(lines)


def _describe_common(model: ScoringModel) -> Iterator[str]:
    """Say what rules and traits have in common."""
    for name, channel in model.channels.items():
        yield f"channel {name}: {describe_channel(channel)}"
    if model.inactivity is not None:
        yield f"inactivity: {describe_inactivity(model.inactivity)}"
    if model.asks_for_visits or model.visits != Visits():
        yield describe_visits(model.visits)
    if OWN_DOMAINS in model.names:
        yield f"own domains, which never alert: {describe_conditions(model.names[OWN_DOMAINS])}"
    if model.contact != ScoringModel.model_fields["contact"].default:
        yield describe_contact(model.contact)
