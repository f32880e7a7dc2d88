"""The keys of a scenario file: what may stand where, and what each value has to be.

docs/model.md shows a file. Faults are raised as pydantic's, for :func:`scoring.model_file.find_faults` to place.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from scoring.account_updates import ACCOUNT_TYPES
from scoring.conditions_file import fault, raise_faults
from scoring.errors import EventError
from scoring.events import EVENT_TYPES, parse_time
from scoring.follow_ups import ACTIONS, FollowUp, check_follow_up
from scoring.model_file import KeyPath, show, suggest
from scoring.model_sections import Section
from scoring.scenario_times import read_moment, read_offset

SCENARIOS_MAX: Final = 1_000
REPEATS_MAX: Final = 1_000
_ANY_TIME_MS: Final = 1_767_225_600_000
DEFAULT_START: Final = "2026-01-05T09:00:00Z"


def _read_start(raw: object) -> int:
    try:
        return parse_time(str(raw))
    except EventError as error:
        raise fault(error.message) from None


def _as_tuple(raw: object) -> object:
    return tuple(raw) if isinstance(raw, list) else raw


def _check_scalar(raw: object) -> object:
    if isinstance(raw, dict | list):
        raise fault(f"{show(raw)} is not a text, a number, true or false")
    return raw


_TYPES: Final = EVENT_TYPES | ACCOUNT_TYPES


def _check_event_type(raw: object) -> object:
    if isinstance(raw, str) and raw not in _TYPES:
        raise fault(f"{show(raw)} is not an event type; {suggest(raw, sorted(_TYPES), 'there are')}")
    return raw


Offset = Annotated[int, PlainValidator(read_offset)]
Moment = Annotated[int | None, PlainValidator(read_moment)]
Scalar = Annotated[Any, BeforeValidator(_check_scalar)]
Start = Annotated[int, PlainValidator(_read_start)]
EventType = Annotated[str, BeforeValidator(_check_event_type)]


_OF_FOLLOW_UPS: Final = {"action", "lead", "reason", "note", "points", "lasts", "by"}


def _check_action(raw: object) -> object:
    if isinstance(raw, str) and raw not in ACTIONS:
        raise fault(f"{show(raw)} is no action; {suggest(raw, list(ACTIONS), 'there are')}")
    return raw


class Step(Section):
    """An event of a lead or of a company, what sales did about a lead, or passing time."""

    tick: Offset | None = None
    at: Offset | None = None
    received: Offset | None = None
    times: int = Field(default=1, ge=1, le=REPEATS_MAX)
    every: Offset | None = None
    id: str | None = Field(default=None, min_length=1)
    type: EventType = ""
    email: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    account_id: str | None = None
    domain: str | None = None
    facts: dict[str, Any] | None = None
    source: str | None = None
    action: Annotated[str | None, BeforeValidator(_check_action)] = None
    lead: str | None = None
    reason: str | None = None
    note: str | None = None
    points: float | None = None
    lasts: Offset | None = None
    by: str | None = None
    properties: dict[str, Any] = Field(default_factory=dict)
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    verdict: Literal["human", "suspect", "machine"] | None = None
    reasons: list[str] | None = None
    seen_from: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Step:
        given = self.model_fields_set
        faults: list[tuple[KeyPath, str]] = []
        if "tick" in given:
            faults += [((key,), "stands beside `tick`, which stands alone") for key in sorted(given - {"tick"})]
        else:
            faults += self._check_subject(given) if self.action is None else self._check_follow_up(given)
            needed = ("at", "type") if self.action is None else ("at", "lead")
            faults += [((key,), "is required") for key in needed if key not in given]
            if ("times" in given) != ("every" in given):
                faults.append((("times",), "`times` and `every` go together"))
        raise_faults(faults)
        return self

    def _check_follow_up(self, given: set[str]) -> list[tuple[KeyPath, str]]:
        """Say what a follow-up cannot have, and what is wrong with it otherwise."""
        strangers = given - _OF_FOLLOW_UPS - {"at", "received", "times", "every", "id"}
        if strangers:
            return [((key,), "is of events, not of what sales did") for key in sorted(strangers)]
        until = None if self.lasts is None else _ANY_TIME_MS + self.lasts
        words = {name: getattr(self, name) or "" for name in ("reason", "note", "by")}
        follow_up = FollowUp(
            id="f",
            lead=self.lead or "user:?",
            action=self.action or "",
            time=_ANY_TIME_MS,
            points=self.points,
            until=until,
            **words,
        )
        try:
            check_follow_up(follow_up, _ANY_TIME_MS)
        except EventError as error:
            return [(("lasts" if error.field == "until" else error.field,), error.message)]
        return []

    def _check_subject(self, given: set[str]) -> list[tuple[KeyPath, str]]:
        """Say what is wrong with whom or what an event is about."""
        people, companies = {"email", "user_id", "anonymous_id"}, {"domain", "facts"}
        if self.type in ACCOUNT_TYPES:
            strangers = given & (people | {"traits", "context", "verdict", "reasons", "seen_from"})
            faults: list[tuple[KeyPath, str]] = [((key,), "is of people, not of companies") for key in strangers]
            if not given & {"domain", "account_id"}:
                faults.append((("domain",), "is required, or account_id"))
            return faults
        faults = [((key,), "is of companies, not of people") for key in sorted(given & companies)]
        faults += [((key,), "is of what sales did, which has an `action`") for key in sorted(given & _OF_FOLLOW_UPS)]
        if not given & people:
            faults.append((("email",), "is required, or user_id, or anonymous_id"))
        return faults


class AlertForm(Section):
    """An alert that must come, with every field that the record has (defaults left out)."""

    kind: Literal["entered", "cooled", "retracted"]
    lead: str
    band: str
    from_band: str
    at: Offset
    score: float
    ledger: dict[str, float]
    phase: str = ""
    cause: str = ""
    cools: Moment = None
    held_until: Moment = None
    stage: str = ""
    account: str = ""
    contact: dict[str, Scalar] = Field(default_factory=dict)
    first_touch: str = ""
    last_touch: str = ""
    unknown: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    coverage: float | None = None
    fit: float | None = None
    fit_level: str = "unknown"
    company: str = ""
    customer: bool = False


class ScoreForm(Section):
    """What must hold of a lead's last published score; what is not given is not checked."""

    score: float = 0.0
    band: str = ""
    at: Offset = 0
    rules: dict[str, float] = Field(default_factory=dict)
    traits: dict[str, float] = Field(default_factory=dict)
    channels: dict[str, float] = Field(default_factory=dict)
    inactive_from: Moment = None
    inactive_points: float = 0.0
    cools: Moment = None
    held_until: Moment = None
    stage: str = ""
    phase: str = ""
    account: str = ""
    company: str = ""
    fit: float | None = None
    fit_level: str = ""
    held_back: str = ""
    contact: dict[str, Scalar] = Field(default_factory=dict)


class SignalForm(Section):
    """A buying signal that must come, with every field that the record has but its sentence (defaults left out)."""

    signal: str
    account: str
    at: Offset
    people: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    evidence: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    negative: bool = False
    without_contact: bool = False
    score: float = 0.0
    band: str = "cold"
    fit: float | None = None
    fit_level: str = "unknown"
    name: str = ""
    owner: str = ""


class AccountForm(Section):
    """What must hold of an account's last published record; what is not given is not checked."""

    score: float = 0.0
    band: str = ""
    at: Offset = 0
    fit: float | None = None
    level: str = ""
    profile: str = ""
    coverage: float = 0.0
    reason: str = ""
    name: str = ""
    owner: str = ""
    people: int = 0
    contacts: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    ledger: dict[str, float] = Field(default_factory=dict)
    cools: Moment = None
    segment: str = ""
    value: float | None = None
    why: str = ""
    segments: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()


class ScenarioForm(Section):
    """A scenario: what happens, and what must come of it."""

    name: str = Field(min_length=1)
    model: Any = None
    events: Annotated[tuple[Step, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
    until: Offset | None = None
    alerts: Annotated[tuple[AlertForm, ...] | None, BeforeValidator(_as_tuple)] = None
    signals: Annotated[tuple[SignalForm, ...] | None, BeforeValidator(_as_tuple)] = None
    scores: dict[str, ScoreForm] = Field(default_factory=dict)
    accounts: dict[str, AccountForm] = Field(default_factory=dict)


class ScenarioFile(Section):
    """The file: scenarios, and the model and the start that they share."""

    model: Any = None
    start: Start = Field(default=DEFAULT_START, validate_default=True)
    scenarios: Annotated[
        tuple[ScenarioForm, ...], BeforeValidator(_as_tuple), Field(min_length=1, max_length=SCENARIOS_MAX)
    ]


_SECTIONS: Final[dict[KeyPath, type[Section]]] = {
    (): ScenarioFile,
    ("scenarios",): ScenarioForm,
    ("scenarios", "events"): Step,
    ("scenarios", "alerts"): AlertForm,
    ("scenarios", "signals"): SignalForm,
}


def keys_at(path: KeyPath) -> list[str]:
    """Return the keys that may stand in the mapping at ``path``.

    >>> keys_at(("scenarios", 0))
    ['name', 'model', 'events', 'until', 'alerts', 'signals', 'scores', 'accounts']
    """
    steps = tuple(step for step in path if isinstance(step, str))
    of_account = steps[:2] == ("scenarios", "accounts")
    return _SECTIONS.get(steps, AccountForm if of_account else ScoreForm).file_keys()
