"""A model file as plain data, with the line of every key, and its faults in plain words.

A small YAML on purpose, the common ground of YAML 1.1 and 1.2 without their traps: ``on`` and ``no`` are text,
``2026-11-01`` is text and not a date, ``007`` and ``1:30`` are text and not numbers. Anchors, aliases and tags
are refused (an alias of an alias of an alias is how nine lines fill a memory), so are duplicate keys and keys
without a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final, NamedTuple, cast

import yaml
from pydantic import ValidationError

FILE_BYTES_MAX: Final = 1_000_000
"""The largest model file. A generous one (a hundred rules, commented) has 50 kB."""

DEPTH_MAX: Final = 10
"""Mappings and lists within each other. The model needs 5; the bound keeps the reader's recursion small."""

SHOWN_MAX: Final = 60
"""Characters of a faulty value that a message repeats."""

_FAULTS_MAX = 200
"""Faults told of one file: more than anybody mends in one go."""

_COMPARED_MAX = 200
"""Known words that an unknown one is compared with: a comparison takes some 20 µs."""

_LISTED_MAX = 30
"""Known words that a message lists: more than there are event types, the longest closed list."""

KeyPath = tuple[str | int, ...]
"""Where a value lies: ``("rules", "pricing_page", "on", 0)``."""

NUMBER: Final = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
"""A number as JSON and YAML 1.2 write it; no leading zeros, underscores or other bases."""

_CONSTANTS: Final[dict[str, object]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INT_DIGITS_MAX = 15
"""Up to here an int survives as a float unchanged; longer ones become floats (and refused as infinite)."""


class Place(NamedTuple):
    """A position in the file, counted from 1."""

    line: int
    column: int


class Fault(NamedTuple):
    """One thing wrong with the file: where, at which key (empty: the file), and what."""

    place: Place
    path: KeyPath
    message: str


class Advice(NamedTuple):
    """What messages add about a file that is empty or no mapping (``keys``), or more than one (``one``)."""

    keys: str
    one: str


MODEL_ADVICE: Final = Advice("a model has at least version, rules and bands", "one file is one model")


@dataclass(slots=True)
class Document:
    """A YAML file as plain data; ``data`` is None when nothing could be read."""

    data: dict[str, Any] | None = None
    places: dict[KeyPath, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    holes: set[KeyPath] = field(default_factory=set)
    """Paths whose value was refused and left out: their absence is no second fault."""

    def place(self, path: KeyPath) -> Place:
        """Return where ``path`` lies, or else the nearest mapping or list around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(1, 1))

    def is_hole(self, path: KeyPath) -> bool:
        """Tell whether ``path`` or something around it was refused already."""
        return any(path[:length] in self.holes for length in range(1, len(path) + 1))

    def has_hole(self, path: KeyPath) -> bool:
        """Tell whether something inside the mapping at ``path`` was refused already."""
        return any(hole[: len(path)] == path for hole in self.holes)


def read_document(text: str, texts: Collection[KeyPath] = (), advice: Advice = MODEL_ADVICE) -> Document:
    """Read one YAML mapping as plain data: dict, list, str, int, float and bool.

    The scalars at the paths ``texts`` stay as they are written. Nothing is raised: faults are in the result, some
    with ``advice``.

    >>> document = read_document("bands:\\n  warm: {enter: 30}\\non: 2026-11-01")
    >>> document.data, document.place(("bands", "warm", "enter"))
    ({'bands': {'warm': {'enter': 30}}, 'on': '2026-11-01'}, Place(line=2, column=10))
    """
    # "surrogatepass", because the size of a text that is no valid Unicode must be known before it is refused.
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > FILE_BYTES_MAX:
        return Document(faults=[Fault(Place(1, 1), (), f"has {size} bytes; at most {FILE_BYTES_MAX} are read")])
    return _Reader(text, texts, advice).read()


class _NotYamlError(Exception):
    """The text cannot be read on; what was read so far is of no use."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(Place(line, 1), (), message)


class _Hole:
    """Stands for a value that was refused."""


_HOLE: Final = _Hole()


class _Reader:
    """Builds a :class:`Document` from the parser's events, which still know anchors, tags and every duplicate."""

    def __init__(self, text: str, texts: Collection[KeyPath], advice: Advice) -> None:
        self._text = text
        self._texts = texts
        self._advice = advice
        # The generator builds its loader, which may raise, only when it is first asked.
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._line = 1
        self._document = Document()

    def read(self) -> Document:
        try:
            data = self._read_top()
        except _NotYamlError as error:
            return Document(faults=[error.fault])
        self._document.data = data
        return self._document

    def _read_top(self) -> dict[str, Any]:
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            raise _NotYamlError(1, f"is empty; {self._advice.keys}")
        event = self._next()
        if isinstance(event, yaml.ScalarEvent) and event.style is None and plain_value(event.value) is None:
            raise _NotYamlError(1, f"is empty; {self._advice.keys}")
        if not isinstance(event, yaml.MappingStartEvent):
            raise _NotYamlError(self._line, f"is not a mapping; {self._advice.keys}")
        self._document.places[()] = _place(event)
        data = self._value(event, ())
        self._next()  # the document's end
        if not isinstance(self._next(), yaml.StreamEndEvent):
            raise _NotYamlError(self._line, f"holds a second document (---); {self._advice.one}")
        return cast(dict[str, Any], data)

    def _next(self) -> yaml.Event:
        try:
            event = next(self._events)
        except yaml.reader.ReaderError as error:
            line = self._text.count("\n", 0, error.position) + 1
            character = ord(self._text[error.position])
            raise _NotYamlError(line, f"holds U+{character:04X}, which YAML does not allow") from None
        except yaml.MarkedYAMLError as error:
            raise _explain_syntax(error, self._line) from None
        except (ValueError, OverflowError) as error:
            # PyYAML lets these out for "\UFFFFFFFF" and for a version of YAML with thousands of digits.
            raise _NotYamlError(self._line, f"is not YAML: {error}") from None
        self._line = _place(event).line
        return event

    def _value(self, event: yaml.Event, path: KeyPath) -> object:
        """Return the value that begins with ``event``, and read up to its end."""
        if isinstance(event, yaml.AliasEvent):
            return self._refuse(
                event, path, f"the alias *{_cut(str(event.anchor))} is not allowed; write the value out"
            )
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent), "only these begin a value"
        if event.anchor is not None:
            self._fault(event, path, f"the anchor &{_cut(event.anchor)} is not allowed; write each value out")
        if event.tag is not None:
            self._fault(event, path, f"the tag {_cut(event.tag)!r} is not allowed; put text in quotes instead")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if len(path) >= DEPTH_MAX:
            raise _NotYamlError(self._line, f"is nested more than {DEPTH_MAX} deep")
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._list(path)

    def _scalar(self, event: yaml.ScalarEvent, path: KeyPath) -> object:
        if not _is_unicode(event.value):
            return self._refuse(event, path, "is not valid Unicode: half of a surrogate pair")
        plain = event.value if event.style is not None else plain_value(event.value)
        if plain is None:
            return self._refuse(event, path, "has no value")
        return event.value if path in self._texts else plain

    def _list(self, path: KeyPath) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            at = (*path, len(items))
            self._document.places[at] = _place(event)
            item = self._value(event, at)
            if item is _HOLE:
                self._document.holes.add(path)  # what is left of the list is not worth judging
            items.append(item)
        return items

    def _mapping(self, path: KeyPath) -> dict[str, object]:
        found: dict[str, object] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, path)
            at = (*path, key) if key is not None else path
            known = key is None or at in self._document.places
            if key is not None and known:
                line = self._document.places[at].line
                self._fault(event, at, f"is given twice; the first is on line {line}")
            elif key is not None:
                self._document.places[at] = _place(event)
            # The value of a key that does not count is read all the same, at a path of its own.
            value = self._value(self._next(), self._aside(at) if known else at)
            if known or key is None:
                continue
            if value is _HOLE:
                self._document.holes.add(at)
            else:
                found[key] = value
        return found

    def _key(self, event: yaml.Event, path: KeyPath) -> str | None:
        if isinstance(event, yaml.ScalarEvent) and event.tag is None and event.anchor is None:
            if _is_unicode(event.value):
                return event.value
            self._fault(event, path, "a key is not valid Unicode: half of a surrogate pair")
            return None
        self._fault(event, path, "a key is plain text, without anchor, alias or tag")
        if not isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            self._value(event, self._aside(path))
        return None

    def _aside(self, path: KeyPath) -> KeyPath:
        """Return a path that no key has; it is new each time, because a fault was noted just before."""
        return (*path, -len(self._document.faults))

    def _refuse(self, event: yaml.Event, path: KeyPath, message: str) -> object:
        self._fault(event, path, message)
        return _HOLE

    def _fault(self, event: yaml.Event, path: KeyPath, message: str) -> None:
        self._document.faults.append(Fault(_place(event), path, message))


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def plain_value(text: str) -> object:
    """Return what a scalar without quotes means; None where it means nothing.

    >>> [plain_value(text) for text in ("30", "-2.5", "true", "yes", "2026-11-01", "")]
    [30, -2.5, True, 'yes', '2026-11-01', None]
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if NUMBER.fullmatch(text) is None:
        return text
    whole = text.lstrip("+-").isdecimal() and len(text) <= _INT_DIGITS_MAX
    return int(text) if whole else float(text)


def _explain_syntax(error: yaml.MarkedYAMLError, line: int) -> _NotYamlError:
    """Turn the parser's complaint into one line, at the line where it noticed."""
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "cannot be read"
    if "'\\t'" in problem:
        problem = "a tab where only spaces may be; indent with spaces"
    elif error.context and error.context_mark is not None and error.problem:
        problem = f"{problem} {error.context} that began on line {error.context_mark.line + 1}"
    return _NotYamlError(mark.line + 1 if mark is not None else line, f"is not YAML: {problem}")


# ── from pydantic's words to ours ────────────────────────────────────────────────────────────────────────────


def find_faults(error: ValidationError, document: Document, keys_at: Callable[[KeyPath], Sequence[str]]) -> list[Fault]:
    """Translate what pydantic found into faults with their places, without those the reader has reported.

    ``keys_at`` returns the keys that may stand in the mapping at a path.
    """
    found = []
    for details in error.errors(include_url=False):
        path = tuple(step for step in details["loc"] if step != "[key]")
        message = _explain(dict(details), path, keys_at)
        if not document.is_hole(path) and not (message.startswith("is empty") and document.has_hole(path)):
            found.append(Fault(document.place(path), path, message))
    return found


def tell(filename: str, faults: list[Fault]) -> list[str]:
    """Return one line per fault, in the order of the file.

    >>> tell("m.yaml", [Fault(Place(3, 1), ("bands", "hot", "enter"), "-1 is not above 0")])
    ['m.yaml:3: bands.hot.enter: -1 is not above 0']
    """
    lines = []
    ordered = sorted(faults, key=lambda fault: fault.place)
    if len(ordered) > _FAULTS_MAX:
        rest = Fault(ordered[_FAULTS_MAX].place, (), f"and {len(ordered) - _FAULTS_MAX} more faults from here on")
        ordered = [*ordered[:_FAULTS_MAX], rest]
    for place, path, message in ordered:
        # Positions in lists are left out: the message repeats the value, and the line is the item's own.
        name = ".".join(_show_key(step) for step in path if isinstance(step, str))
        lines.append(f"{filename}:{place.line}: {name}: {message}" if name else f"{filename}:{place.line}: {message}")
    return lines


def show(value: object) -> str:
    """Return a value of the file as a message repeats it, short and on one line.

    >>> [show(value) for value in (-3, 2.50, True, "n\\n", ["a"], {})]
    ['-3', '2.5', 'true', "'n\\\\n'", 'a list', 'a mapping']
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.12g}" if isfinite(value) else f"{value:.12g}".replace("inf", ".inf").replace("nan", ".nan")
    if isinstance(value, str):
        return repr(_cut(value))
    return "a list" if isinstance(value, list | tuple) else "a mapping" if isinstance(value, dict) else repr(value)


def suggest(word: str, known: Sequence[str], otherwise: str) -> str:
    """Return the ending of a message about an unknown word: a near match, or else what there is.

    >>> suggest("pricng", ["pricing", "careers"], "names are")
    "did you mean 'pricing'?"
    >>> suggest("xyz", ["pricing", "careers"], "names are")
    'names are pricing, careers'
    """
    near = get_close_matches(word[:SHOWN_MAX], known[:_COMPARED_MAX], n=1)
    more = ", …" if len(known) > _LISTED_MAX else ""
    return f"did you mean {near[0]!r}?" if near else f"{otherwise} {', '.join(known[:_LISTED_MAX])}{more}"


_SENTENCES: Final = {
    "missing": "is required",
    "float_type": "{value} is not a number",
    "finite_number": "{value} is not a finite number",
    "greater_than": "{value} is not above {gt:.12g}",
    "greater_than_equal": "{value} is below {ge:.12g}",
    "less_than_equal": "{value} is above {le:.12g}",
    "int_type": "{value} is not a whole number",
    "less_than": "{value} is not below {lt:.12g}",
    "bool_type": "{value} is neither true nor false",
    "string_type": "{value} is not text; put it in quotes if it is meant as text",
    "string_too_short": "is empty",
    "string_too_long": "has {length} characters; at most {max_length} are allowed",
    "dict_type": "{value} is not a mapping of keys to values",
    "model_type": "{value} is not a mapping of keys to values",
    "tuple_type": "{value} is not a list",
    "too_short": "is empty; at least {min_length} is needed",
    "too_long": "has {length} entries; at most {max_length} are allowed",
}
"""Our sentence for each of pydantic's error types that a model file can cause."""


def _explain(details: dict[str, Any], path: KeyPath, keys_at: Callable[[KeyPath], Sequence[str]]) -> str:
    kind, value = details["type"], details["input"]
    if kind == "extra_forbidden":
        key = str(path[-1])
        return f"unknown key {_cut(key)!r}; {suggest(key, keys_at(path[:-1]), 'allowed are')}"
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        return f"{show(value)} is unknown; {suggest(str(value), known, 'allowed are')}"
    if kind not in _SENTENCES:
        return str(details["msg"])
    length = len(value) if isinstance(value, str | dict | list | tuple) else 0  # pydantic's own is None for a mapping
    return _SENTENCES[kind].format(value=show(value), length=length, **details.get("ctx", {}))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"


def _show_key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]{1,64}", key) else repr(_cut(key))
