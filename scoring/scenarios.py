"""Scenarios: what a model must say of a few events in virtual time, as a file that people write and machines hold.

A scenario lists events and passing time, and the alerts that must come of them, whole and in order. It runs through
:class:`scoring.replay.Replay`, as the worker would have taken it. docs/model.md shows the file; times in it are
offsets such as ``2d 30m`` from its ``start``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from scoring.alerts import Alert
from scoring.conditions_file import fault, raise_faults
from scoring.errors import EventError, ModelError
from scoring.events import EVENT_TYPES, parse_time
from scoring.model import ScoringModel, load_model
from scoring.model_file import (
    FILE_BYTES_MAX,
    Document,
    Fault,
    KeyPath,
    find_faults,
    read_document,
    show,
    suggest,
    tell,
)
from scoring.models import DEFAULT_MODEL
from scoring.replay import FileRecord, Replay
from scoring.score_records import LeadScore
from scoring.shard import Outcome

SCENARIOS_MAX: Final = 1_000
REPEATS_MAX: Final = 1_000
DEFAULT_START: Final = "2026-01-05T09:00:00Z"
PLACES: Final = 2
"""Decimals to which points are written and compared."""

Form = dict[str, Any]
"""An alert or a score as a scenario file writes it: plain data, times as offsets."""


# ── times, as the file writes them ───────────────────────────────────────────────────────────────────────────

_UNITS_MS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_OFFSET: Final = re.compile(r"([+-])?\s*((?:\d+(?:\.\d+)?(?:ms|[dhms])(?:\s+|(?=\d)|$))+)")
_OFFSET_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_NEVER: Final = "never"


def read_offset(raw: object) -> int:
    """Return an offset in ms.

    >>> [read_offset(text) for text in ("0m", "1d 2h", "+3.5d", "-2h", "250ms")]
    [0, 93600000, 302400000, -7200000, 250]

    Raises a fault for anything else.
    """
    found = _OFFSET.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if found is None:
        raise fault(f"{show(raw)} is not a time; expected for example 0m, '1d 2h 30m', 90s or 250ms")
    size = sum(Fraction(number) * _UNITS_MS[unit] for number, unit in _OFFSET_PART.findall(found[2]))
    if size.denominator != 1:
        raise fault(f"{show(raw)} is not a whole number of ms")
    return -int(size) if found[1] == "-" else int(size)


def show_offset(offset_ms: int) -> str:
    """Return an offset as the file writes it.

    >>> [show_offset(offset_ms) for offset_ms in (0, 93_600_000, -7_200_001)]
    ['0m', '1d 2h', '-2h 1ms']
    """
    rest, parts = abs(offset_ms), []
    for unit, size in _UNITS_MS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if offset_ms < 0 else "") + (" ".join(parts) or "0m")


def _read_moment(raw: object) -> int | None:
    """Read when something happens; None: never."""
    return None if raw == _NEVER else read_offset(raw)


def _read_start(raw: object) -> int:
    try:
        return parse_time(str(raw))
    except EventError as error:
        raise fault(error.message) from None


# ── the file, key by key ─────────────────────────────────────────────────────────────────────────────────────


def _as_tuple(raw: object) -> object:
    return tuple(raw) if isinstance(raw, list) else raw


def _check_scalar(raw: object) -> object:
    if isinstance(raw, dict | list):
        raise fault(f"{show(raw)} is not a text, a number, true or false")
    return raw


def _check_event_type(raw: object) -> object:
    if isinstance(raw, str) and raw not in EVENT_TYPES:
        raise fault(f"{show(raw)} is not an event type; {suggest(raw, sorted(EVENT_TYPES), 'there are')}")
    return raw


Offset = Annotated[int, PlainValidator(read_offset)]
Moment = Annotated[int | None, PlainValidator(_read_moment)]
Scalar = Annotated[Any, BeforeValidator(_check_scalar)]
Start = Annotated[int, PlainValidator(_read_start)]
EventType = Annotated[str, BeforeValidator(_check_event_type)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class _Step(_Section):
    """An event, or passing time."""

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
    source: str | None = None
    properties: dict[str, Any] = Field(default_factory=dict)
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _check(self) -> _Step:
        given = self.model_fields_set
        faults: list[tuple[KeyPath, str]] = []
        if "tick" in given:
            faults += [((key,), "stands beside `tick`, which stands alone") for key in sorted(given - {"tick"})]
        else:
            faults += [((key,), "is required") for key in ("at", "type") if key not in given]
            if not given & {"email", "user_id", "anonymous_id"}:
                faults.append((("email",), "is required, or user_id, or anonymous_id"))
            if ("times" in given) != ("every" in given):
                faults.append((("times",), "`times` and `every` go together"))
        raise_faults(faults)
        return self


class _AlertForm(_Section):
    """An alert that must come, with every field that the record has (defaults left out)."""

    kind: Literal["entered", "cooled"]
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


class _ScoreForm(_Section):
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
    contact: dict[str, Scalar] = Field(default_factory=dict)


class _ScenarioForm(_Section):
    name: str = Field(min_length=1)
    model: Any = None
    events: Annotated[tuple[_Step, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
    until: Offset | None = None
    alerts: Annotated[tuple[_AlertForm, ...] | None, BeforeValidator(_as_tuple)] = None
    scores: dict[str, _ScoreForm] = Field(default_factory=dict)


class _File(_Section):
    model: Any = None
    start: Start = Field(default=DEFAULT_START, validate_default=True)
    scenarios: Annotated[
        tuple[_ScenarioForm, ...], BeforeValidator(_as_tuple), Field(min_length=1, max_length=SCENARIOS_MAX)
    ]


_SECTIONS: Final[dict[KeyPath, type[_Section]]] = {
    (): _File,
    ("scenarios",): _ScenarioForm,
    ("scenarios", "events"): _Step,
    ("scenarios", "alerts"): _AlertForm,
}


def _keys_at(path: KeyPath) -> list[str]:
    steps = tuple(step for step in path if isinstance(step, str))
    return list(_SECTIONS.get(steps, _ScoreForm).model_fields)


# ── scenarios ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Tick:
    """The clock passes a time (ms since 1970)."""

    clock_ms: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, ready to run: ``alerts`` (None: not checked) and ``scores`` are what must come of ``steps``."""

    name: str
    line: int
    model: ScoringModel
    start_ms: int
    steps: Sequence[FileRecord | Tick]
    alerts: list[Form] | None
    scores: dict[str, Form]


@dataclass(slots=True)
class Result:
    """What came of a scenario: its alerts and last scores as the file writes them, and what is not as expected."""

    scenario: Scenario
    alerts: list[Form]
    scores: dict[str, Form]
    differences: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether everything is as the file expects it."""
        return not self.differences


def load_scenarios(path: Path) -> list[Scenario]:
    """Read and check the scenario file at ``path``, and the models that it names relative to itself.

    Raises :class:`ModelError` with one line per fault.
    """
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1).decode("utf-8-sig")
    except OSError as error:
        raise ModelError([f"{path}: cannot be read: {error.strerror or error}"]) from None
    except UnicodeDecodeError:
        raise ModelError([f"{path}: is not UTF-8 text"]) from None
    return parse_scenarios(
        text, str(path), lambda name: load_model(DEFAULT_MODEL if name == "default" else path.parent / name)
    )


def parse_scenarios(text: str, filename: str, model_named: Callable[[str], ScoringModel]) -> list[Scenario]:
    """Check the text of a scenario file; ``model_named`` returns the model that ``model: NAME`` means.

    >>> found = parse_scenarios('''
    ... model: default
    ... scenarios:
    ...   - name: a reader is nobody to call
    ...     events: [{at: 0m, type: page_viewed, email: ann@acme.com, properties: {path: /}}]
    ...     alerts: []
    ... ''', "readers.yaml", lambda name: load_model(DEFAULT_MODEL))
    >>> run_scenario(found[0]).holds
    True

    Raises :class:`ModelError` with one line per fault, in the order of the file.
    """
    versions = {("model", "version"), *(("scenarios", i, "model", "version") for i in range(SCENARIOS_MAX))}
    document = read_document(text, texts=versions)
    # The reader's own words are about models.
    faults = [fault._replace(message=_without_advice(fault.message)) for fault in document.faults]
    if document.data is None:
        raise ModelError(tell(filename, faults))
    file, found = _validate(document)
    models = _Models(document, model_named)
    if file is None:
        scenarios = []
        models.check(("model",), document.data.get("model"))
    else:
        scenarios = [models.make_scenario(file, i) for i in range(len(file.scenarios))]
    faults += found + models.faults
    if faults or models.others:
        raise ModelError([*tell(filename, faults), *models.others])
    return scenarios


def _without_advice(message: str) -> str:
    advised = message.startswith(("is empty;", "is not a mapping;", "holds a second document"))
    return f"{message.partition(';')[0]}; a scenario file has model and scenarios" if advised else message


def _validate(document: Document) -> tuple[_File | None, list[Fault]]:
    try:
        file = _File.model_validate(document.data)
    except ValidationError as error:
        return None, find_faults(error, document, _keys_at)
    seen: dict[str, int] = {}
    faults = []
    for index, scenario in enumerate(file.scenarios):
        at = ("scenarios", index, "name")
        first = seen.setdefault(scenario.name, document.place(at).line)
        if first != document.place(at).line:
            faults.append(Fault(document.place(at), at, f"{show(scenario.name)} is the name on line {first} too"))
    return file, faults


class _Models:
    """Finds the models that a file names or holds, each once, and makes its scenarios."""

    def __init__(self, document: Document, model_named: Callable[[str], ScoringModel]) -> None:
        self.faults: list[Fault] = []
        self.others: list[str] = []
        """What is wrong with other files."""
        self._document = document
        self._model_named = model_named
        self._known: dict[object, ScoringModel | None] = {}

    def make_scenario(self, file: _File, index: int) -> Scenario:
        form = file.scenarios[index]
        path: KeyPath = ("model",) if form.model is None else ("scenarios", index, "model")
        model = self._model_at(path, file.model if form.model is None else form.model)
        return Scenario(
            name=form.name,
            line=self._document.place(("scenarios", index)).line,
            model=cast(ScoringModel, model),  # None only beside a fault, which is raised
            start_ms=file.start,
            steps=tuple(_steps(form, file.start)),
            alerts=None if form.alerts is None else [_expected_alert(alert) for alert in form.alerts],
            scores={lead: _expected_score(score) for lead, score in form.scores.items()},
        )

    def check(self, path: KeyPath, raw: object) -> None:
        """Note what is wrong with a model, where nothing is made of it."""
        if raw is not None:
            self._model_at(path, raw)

    def _model_at(self, path: KeyPath, raw: object) -> ScoringModel | None:
        key = raw if isinstance(raw, str) else path
        if key not in self._known:
            self._known[key] = self._read(path, raw)
        return self._known[key]

    def _read(self, path: KeyPath, raw: object) -> ScoringModel | None:
        if isinstance(raw, dict):
            return self._read_inline(path, raw)
        if isinstance(raw, str):
            try:
                return self._model_named(raw)
            except ModelError as error:
                self.others += error.problems
                return None
        message = "is required" if raw is None else f"{show(raw)} is no model: expected default, a path or a mapping"
        if not self._document.is_hole(path):
            self.faults.append(Fault(self._document.place(path), path, message))
        return None

    def _read_inline(self, path: KeyPath, raw: Mapping[str, Any]) -> ScoringModel | None:
        depth = len(path)
        inner = Document(
            data=dict(raw),
            places={key[depth:]: place for key, place in self._document.places.items() if key[:depth] == path},
            holes={key[depth:] for key in self._document.holes if key[:depth] == path and len(key) > depth},
        )
        try:
            return ScoringModel.model_validate(inner.data)
        except ValidationError as error:
            found = find_faults(error, inner, ScoringModel._keys_at)
            self.faults += [fault._replace(path=(*path, *fault.path)) for fault in found]
            return None


def _steps(form: _ScenarioForm, start_ms: int) -> Iterator[FileRecord | Tick]:
    """Yield what happens, in order; an event is received when it happens, but not before what came earlier."""
    clock = number = line = 0
    for step in form.events:
        if step.tick is not None:
            clock = max(clock, start_ms + step.tick)
            yield Tick(start_ms + step.tick)
            continue
        number += 1
        name = step.id or f"e-{number}"
        for repeat in range(step.times):
            later = start_ms + (0 if step.every is None else repeat * step.every)
            time_ms = later + (step.at or 0)
            received = max(clock, time_ms) if step.received is None else later + step.received
            clock = max(clock, received)
            event_id = name if step.every is None else f"{name}-{repeat + 1}"
            yield FileRecord(line, received, _encode_event(step, event_id, time_ms))
            line += 1
    if form.until is not None:
        yield Tick(start_ms + form.until)


_OWN_KEYS: Final = {"tick", "at", "received", "times", "every", "id"}


def _encode_event(step: _Step, event_id: str, time_ms: int) -> bytes:
    given = {name: getattr(step, name) for name in _Step.model_fields if name in step.model_fields_set - _OWN_KEYS}
    return msgspec.json.encode({"id": event_id, "time": time_ms, **given})


# ── running and comparing ────────────────────────────────────────────────────────────────────────────────────


def run_scenario(scenario: Scenario) -> Result:
    """Run a scenario and say what is not as expected, in sentences and in the file's own form."""
    replay, outcome = Replay(scenario.model), Outcome()
    records = [step for step in scenario.steps if isinstance(step, FileRecord)]
    for step in scenario.steps:
        happened = replay.tick(step.clock_ms) if isinstance(step, Tick) else replay.take([step])
        for refusal in happened.refusals:
            refusal.index = records.index(step)  # type: ignore[arg-type]  # a tick refuses nothing
        outcome.extend(happened)
    alerts = [alert_form(alert, scenario.start_ms) for alert in outcome.alerts]
    scores = {score.lead: score_form(score, scenario.start_ms) for score in replay.scores()}
    differences = [
        f"{msgspec.json.decode(records[refusal.index].value or b'')['id']} is refused: {refusal.error}"
        for refusal in outcome.refusals
    ]
    if scenario.alerts is not None:
        differences += _compare_alerts(scenario.alerts, alerts)
    for lead, expected in scenario.scores.items():
        differences += _compare_score(lead, expected, scores.get(lead))
    return Result(scenario, alerts, scores, differences)


def alert_form(alert: Alert, start_ms: int) -> Form:
    """Return an alert as a scenario file writes it."""
    ledger: dict[str, float] = {}
    for line in alert.ledger:
        ledger[f"{line.rule} ({line.kind})" if line.rule in ledger else line.rule] = _points(line.points)
    return _without_defaults(
        {
            "kind": alert.kind,
            "lead": alert.lead,
            "band": alert.band,
            "from_band": alert.from_band,
            "at": show_offset(alert.time_ms - start_ms),
            "score": _points(alert.score),
            "ledger": ledger,
            "phase": alert.phase,
            "cause": "" if alert.cause is None else alert.cause.id,
            "cools": _moment(alert.cools_at_ms, start_ms),
            "held_until": _moment(alert.held_until_ms, start_ms),
            "stage": alert.stage,
            "account": alert.account,
            "contact": dict(alert.contact),
            "first_touch": _touch(alert.first_touch),
            "last_touch": _touch(alert.last_touch),
            "unknown": list(alert.unknown),
            "coverage": None if alert.coverage is None else _points(alert.coverage),
            "fit": None if alert.fit is None else _points(alert.fit),
        }
    )


def score_form(score: LeadScore, start_ms: int) -> Form:
    """Return a published score as a scenario file writes it, with every field."""
    return {
        "score": _points(score.score),
        "band": score.band,
        "at": show_offset(score.at_ms - start_ms),
        "rules": {line.rule: _points(line.points) for line in score.rules},
        "traits": {line.trait: _points(line.points) for line in score.traits},
        "channels": {name: _points(ceiling) for name, ceiling in score.channels.items()},
        "inactive_from": _moment(score.inactive_from_ms, start_ms) or _NEVER,
        "inactive_points": _points(score.inactive_points),
        "cools": _moment(score.cools_at_ms, start_ms) or _NEVER,
        "held_until": _moment(score.held_until_ms, start_ms) or _NEVER,
        "stage": score.stage,
        "phase": score.phase,
        "account": score.account,
        "contact": dict(score.contact),
    }


def _expected_alert(form: _AlertForm) -> Form:
    """Return what is expected in the very form in which :func:`alert_form` gives what is found."""
    given = form.model_dump()
    return _without_defaults(
        given
        | {
            "at": show_offset(form.at),
            "score": _points(form.score),
            "ledger": {name: _points(points) for name, points in form.ledger.items()},
            "cools": _moment(form.cools, 0),
            "held_until": _moment(form.held_until, 0),
            "first_touch": " ".join(form.first_touch.split()),
            "last_touch": " ".join(form.last_touch.split()),
            "unknown": list(form.unknown),
            "coverage": None if form.coverage is None else _points(form.coverage),
            "fit": None if form.fit is None else _points(form.fit),
        }
    )


def _expected_score(form: _ScoreForm) -> Form:
    moments = {"at", "inactive_from", "cools", "held_until"}
    expected: Form = {}
    for name, value in form.model_dump(include=set(form.model_fields_set)).items():
        if name in moments:
            expected[name] = _moment(value, 0) or _NEVER
        elif isinstance(value, float):
            expected[name] = _points(value)
        elif name in {"rules", "traits", "channels"}:
            expected[name] = {key: _points(points) for key, points in value.items()}
        else:
            expected[name] = value
    return expected


def _points(points: float) -> float:
    return round(points, PLACES) + 0.0  # never −0


def _moment(time_ms: int | None, start_ms: int) -> str:
    return "" if time_ms is None else show_offset(time_ms - start_ms)


def _touch(touch: Any) -> str:
    """Write a touch as ``google / cpc / spring / /pricing``, with _ for what is not known."""
    if touch is None:
        return ""
    return " / ".join(text or "_" for text in (touch.source, touch.medium, touch.campaign, touch.page))


def _without_defaults(form: Form) -> Form:
    always = {"kind", "lead", "band", "from_band", "at", "score", "ledger"}
    return {name: value for name, value in form.items() if name in always or value not in ("", None, [], {})}


_CROSSING: Final = ("kind", "lead", "band", "from_band")


def _compare_alerts(expected: list[Form], found: list[Form]) -> Iterator[str]:
    """Pair the alerts that are about the same crossing, and tell how each pair differs and what has no partner."""
    crossings = [[tuple(form[name] for name in _CROSSING) for form in forms] for forms in (expected, found)]
    matcher = SequenceMatcher(None, crossings[0], crossings[1], autojunk=False)
    for _, start, end, found_start, found_end in matcher.get_opcodes():
        left, right = expected[start:end], found[found_start:found_end]
        if len(left) == len(right) and all(_are_alike(*pair) for pair in zip(left, right, strict=True)):
            for number, pair in enumerate(zip(left, right, strict=True), start + 1):
                yield from _compare(f"alert {number}", *pair)
        else:
            yield from (f"missing alert: {write_flow(form)}" for form in left)
            yield from (f"alert that is not expected: {write_flow(form)}" for form in right)


def _are_alike(form: Form, other: Form) -> bool:
    return all(form[name] == other[name] for name in ("kind", "lead"))


def _compare_score(lead: str, expected: Form, found: Form | None) -> Iterator[str]:
    if found is None:
        yield f"{lead}: has no score"
    else:
        yield from _compare(lead, expected, {name: found[name] for name in expected})


def _compare(what: str, expected: Form, found: Form) -> Iterator[str]:
    for name in dict.fromkeys([*expected, *found]):
        if expected.get(name) == found.get(name):
            continue
        if name not in found:
            yield f"{what}: {name} is not there; expected {write_flow(expected[name])}"
        elif name not in expected:
            yield f"{what}: {name} is {write_flow(found[name])}, which is not expected"
        else:
            yield f"{what}: {name} is {write_flow(found[name])}; expected {write_flow(expected[name])}"


# ── the file's own form ──────────────────────────────────────────────────────────────────────────────────────

_PLAIN: Final = re.compile(r"[A-Za-z/_](?:[\w ./@+-]*[\w./@+-])?", re.ASCII)
_NOT_PLAIN: Final = re.compile(r"~|null|true|false", re.IGNORECASE)


def write_flow(value: object) -> str:
    """Write plain data on one line, as a scenario file may hold it.

    >>> write_flow({"lead": "email:ann@acme.com", "at": "1d 2h", "score": 50.0, "unknown": ["true"]})
    '{lead: "email:ann@acme.com", at: 1d 2h, score: 50, unknown: ["true"]}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_flow(str(key))}: {write_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(write_flow, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.15g}"
    text = str(value)
    plain = _PLAIN.fullmatch(text) and not _NOT_PLAIN.fullmatch(text)
    return text if plain or _OFFSET.fullmatch(text) else msgspec.json.encode(text).decode()


def write_alerts(alerts: list[Form], width: int = 116) -> str:
    """Write the alerts of a scenario as its ``alerts:``, indented as in the file; long lines are broken."""
    if not alerts:
        return "    alerts: []"
    lines = ["    alerts:"]
    for form in alerts:
        items = [f"{name}: {write_flow(value)}" for name, value in form.items()]
        line = "      - {" + items[0]
        for item in items[1:]:
            line += ","
            if len(line) + len(item) + 2 > width:
                lines.append(line)
                line = "        "
            line += " " + item
        lines.append(line + "}")
    return "\n".join(lines)
