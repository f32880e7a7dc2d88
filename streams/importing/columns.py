"""A file's heading held against our fields: which column tells what, and which tell nothing that we know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, partial
from typing import Final

from scoring.errors import EventError, SettingsError
from streams.importing.cells import is_blank, read_anything, read_number, read_texts
from streams.importing.fields import FieldSet, Kind, name_of, plain
from streams.importing.presets import Names
from streams.importing.times import TimeReader

REMARKS: Final = ("refused_line", "refused_reason", "refused_because")
"""Columns that we put before those of refused rows; a file of them, mended, can be imported as it is."""

Value = str | int | float | bool | list[str]


@dataclass(frozen=True)
class Columns:
    """What the columns of a file mean.

    ``of_field`` names for each field the columns that tell it, by index and in rank; ``others`` are those that nothing
    knows.
    """

    names: Sequence[str]
    fields: FieldSet
    of_field: Mapping[str, Sequence[int]]
    others: Sequence[int]
    times: TimeReader
    decimal_comma: bool = False

    def read(self, cells: Sequence[str]) -> dict[str, Value]:
        """Return what a row tells, by field; blank cells tell nothing. Times are in ms since 1970.

        Raises :class:`EventError`, naming the column, for a cell that is not what its field needs.
        """
        told: dict[str, Value] = {}
        given = len(cells)
        for field, readers in self._readers:
            for index, read in readers:
                if index < given and not is_blank(cell := cells[index]):
                    try:
                        told[field] = read(cell)
                    except ValueError as error:
                        shown = f"{cell.strip()[:80]!r}"
                        raise EventError("wrong_type", self.names[index], f"{shown} is {error} for {field}") from None
                    break
        return told

    @cached_property
    def _readers(self) -> list[tuple[str, list[tuple[int, Callable[[str], Value]]]]]:
        return [
            (field, [(index, self._reader(self.fields.kind(field), self.names[index])) for index in indexes])
            for field, indexes in self.of_field.items()
        ]

    def _reader(self, kind: Kind, column: str) -> Callable[[str], Value]:
        match kind:
            case "time":
                return partial(self.times.read, column=column)
            case "number" | "whole":
                return partial(read_number, whole=kind == "whole", decimal_comma=self.decimal_comma)
            case "texts":
                return read_texts
            case "anything":
                return read_anything
            case "text":
                return str.strip

    def read_others(self, cells: Sequence[str]) -> Iterator[tuple[str, Value]]:
        """Yield what the columns tell that nothing knows, with their own names."""
        return _read_named(cells, ((index, self.names[index]) for index in self.others))

    def read_unknown(self, cells: Sequence[str]) -> Iterator[tuple[str, Value]]:
        """Yield the same with names such as ours, so that a model can ask for them."""
        return _read_named(cells, self._names_of_others)

    @cached_property
    def _names_of_others(self) -> list[tuple[int, str]]:
        return [(index, name) for index in self.others if (name := name_of(self.names[index]))]

    @property
    def ignored(self) -> list[str]:
        """The names of the columns that nothing knows."""
        return [self.names[index] for index in self.others]


def _read_named(cells: Sequence[str], names: Iterable[tuple[int, str]]) -> Iterator[tuple[str, Value]]:
    for index, name in names:
        if index < len(cells) and not is_blank(cells[index]):
            yield name, read_anything(cells[index])


def map_columns(
    heading: Sequence[str],
    fields: FieldSet,
    *,
    preset: Names,
    chosen: Mapping[str, str],
    given: Set[str] = frozenset(),
    times: TimeReader,
) -> Columns:
    """Find out what the columns of a heading mean.

    What was ``chosen`` (column -> field, ``""`` to ignore it) goes before the ``preset``, and that before our own
    names. ``given`` are fields that are known without a column.

    Raises :class:`SettingsError` for a chosen column that is not there, and where a needed field has no column.
    """
    ranked = _rank_names(fields, preset)
    picked = {_find(column, heading): field for column, field in chosen.items()}
    of_field: dict[str, list[tuple[int, int]]] = {}
    others = []
    for index, column in enumerate(heading):
        if index in picked:
            field, rank = picked[index], -1
        elif found := ranked.get(plain(column)):
            field, rank = found
        else:
            if column and column not in REMARKS:
                others.append(index)
            continue
        if field:
            of_field.setdefault(field, []).append((rank, index))
    by_rank = {field: [index for _, index in sorted(found)] for field, found in of_field.items()}
    _require_needed(fields, by_rank.keys() | given, heading)
    return Columns(heading, fields, by_rank, others, times)


def parse_choices(texts: Sequence[str]) -> dict[str, str]:
    """Read ``Their column=our field`` of each text.

    >>> parse_choices(["Functie=job_title", "A=B=name"])
    {'Functie': 'job_title', 'A=B': 'name'}

    Raises :class:`SettingsError`.
    """
    choices = {}
    for text in texts:
        column, equals, field = text.rpartition("=")
        if not (column.strip() and equals):
            raise SettingsError(f'--map {text!r}: expected "Their column=our field"')
        choices[column.strip()] = field.strip()
    return choices


def _rank_names(fields: FieldSet, preset: Names) -> dict[str, tuple[str, int]]:
    """Return field and rank by the plain name of a column."""
    ranked: dict[str, tuple[str, int]] = {}
    own = {field: (field, *fields.aliases.get(field, ())) for field in fields.kinds}
    for names in (preset, own):
        for field, columns in names.items():
            for column in columns:
                ranked.setdefault(plain(column), (field, len(ranked)))
    return ranked


def _find(column: str, heading: Sequence[str]) -> int:
    for index, name in enumerate(heading):
        if name == column or plain(name) == plain(column) != "":
            return index
    near = get_close_matches(column, heading, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {_list(heading)}"
    raise SettingsError(f"--map: there is no column {column!r}; {hint}")


def _require_needed(fields: FieldSet, known: Set[str], heading: Sequence[str]) -> None:
    for need in fields.needed:
        if not known.isdisjoint(need.fields):
            continue
        near = nearest(need.fields, heading)
        hint = f'is it {near!r}? then say --map "{near}={need.fields[0]}"' if near else f"there are {_list(heading)}"
        otherwise = f" ({need.otherwise})" if need.otherwise else ""
        noun = f"{'an' if fields.noun[0] in 'aeiou' else 'a'} {fields.noun}"
        raise SettingsError(f"no column tells {' or '.join(need.fields)}, which {noun} needs{otherwise}; {hint}")


def nearest(wanted: Sequence[str], heading: Sequence[str]) -> str:
    """Return the column whose name is nearest to one of the wanted fields, or nothing."""
    of_plain = {plain(column): column for column in heading if column}
    near = (get_close_matches(plain(field), of_plain, n=1) for field in wanted)
    return next((of_plain[names[0]] for names in near if names), "")


def _list(heading: Sequence[str]) -> str:
    shown = [repr(column[:60]) for column in heading if column]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")
