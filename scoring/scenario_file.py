"""A scenario file as scenarios that can be run, or everything that is wrong with it, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from pydantic import ValidationError

from scoring.errors import ModelError
from scoring.model import ScoringModel, find_model_faults, load_model
from scoring.model_file import FILE_BYTES_MAX, Advice, Document, Fault, KeyPath, find_faults, read_document, show, tell
from scoring.models import DEFAULT_MODEL
from scoring.replay import FileRecord
from scoring.scenario_forms import Form, expected_alert, expected_record, expected_signal
from scoring.scenario_sections import SCENARIOS_MAX, ScenarioFile, ScenarioForm, Step, keys_at

_KEYS: Final = "a scenario file has model and scenarios"
_ADVICE: Final = Advice(keys=_KEYS, one=_KEYS)


@dataclass(frozen=True, slots=True)
class Tick:
    """The clock passes a time (ms since 1970)."""

    clock_ms: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, ready to run: what must come of ``steps``; ``alerts`` and ``signals`` are not checked if None."""

    name: str
    line: int
    model: ScoringModel
    start_ms: int
    steps: Sequence[FileRecord | Tick]
    alerts: list[Form] | None
    scores: dict[str, Form]
    signals: list[Form] | None = None
    accounts: dict[str, Form] = field(default_factory=dict)


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
    >>> [(scenario.name, scenario.line, scenario.alerts) for scenario in found]
    [('a reader is nobody to call', 4, [])]

    Raises :class:`ModelError` with one line per fault, in the order of the file.
    """
    versions = {("model", "version"), *(("scenarios", i, "model", "version") for i in range(SCENARIOS_MAX))}
    document = read_document(text, versions, _ADVICE)
    if document.data is None:
        raise ModelError(tell(filename, document.faults))
    file, found = _validate(document)
    models = _Models(document, model_named)
    if file is None:
        scenarios = []
        models.check(("model",), document.data.get("model"))
    else:
        scenarios = [models.make_scenario(file, i) for i in range(len(file.scenarios))]
    faults = document.faults + found + models.faults
    if faults or models.others:
        raise ModelError([*tell(filename, faults), *models.others])
    return scenarios


def _validate(document: Document) -> tuple[ScenarioFile | None, list[Fault]]:
    try:
        file = ScenarioFile.model_validate(document.data)
    except ValidationError as error:
        return None, find_faults(error, document, keys_at)
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

    def make_scenario(self, file: ScenarioFile, index: int) -> Scenario:
        form = file.scenarios[index]
        path: KeyPath = ("model",) if form.model is None else ("scenarios", index, "model")
        model = self._model_at(path, file.model if form.model is None else form.model)
        return Scenario(
            name=form.name,
            line=self._document.place(("scenarios", index)).line,
            model=cast(ScoringModel, model),  # None only beside a fault, which is raised
            start_ms=file.start,
            steps=tuple(_steps(form, file.start)),
            alerts=None if form.alerts is None else [expected_alert(alert) for alert in form.alerts],
            scores={lead: expected_record(score) for lead, score in form.scores.items()},
            signals=None if form.signals is None else [expected_signal(signal) for signal in form.signals],
            accounts={account: expected_record(record) for account, record in form.accounts.items()},
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
            found = find_model_faults(error, inner)
            self.faults += [Fault(place, (*path, *inside), message) for place, inside, message in found]
            return None


def _steps(form: ScenarioForm, start_ms: int) -> Iterator[FileRecord | Tick]:
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


_OWN_KEYS: Final = {"tick", "at", "received", "times", "every", "id", "lasts"}


def _encode_event(step: Step, event_id: str, time_ms: int) -> bytes:
    given = {name: getattr(step, name) for name in Step.model_fields if name in step.model_fields_set - _OWN_KEYS}
    if step.lasts is not None:
        given["until"] = time_ms + step.lasts
    return msgspec.json.encode({"id": event_id, "time": time_ms, **given})
