"""Commands that are imported when they are run: ``leadheat COMMAND`` pays for no other command.

All commands together take a second to import (pydantic, aiokafka, the model), one of them a third of that. So a group
knows of each where it is and the first line of its help, and of the one that is called the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, Final, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup

from streams.cli.teaching import register

LOOK: Final[dict[str, Any]] = {
    "rich_markup_mode": "rich",
    "pretty_exceptions_enable": False,
    "add_completion": False,
}
"""What all of our Typer apps have in common."""


class Later(NamedTuple):
    """A command or a group that is yet to be imported.

    ``place`` is ``module:name`` of a function or of a Typer app; ``line`` is what its help begins with.
    """

    name: str
    place: str
    line: str
    panel: str | None = None


class _Loaded(Mapping[str, Any]):
    """Commands by name, each imported when it is asked for."""

    def __init__(self, entries: tuple[Later, ...]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> Any:
        return _load(self._entries[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries  # without an import


@cache
def _load(entry: Later) -> Any:
    module, _, name = entry.place.partition(":")
    found = getattr(import_module(module), name)
    around = typer.Typer(**LOOK)
    around.callback()(lambda: None)  # so that it is a group, of one
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=entry.name, rich_help_panel=entry.panel)
    else:
        register(around, found, entry.name, rich_help_panel=entry.panel)
    group: Any = typer.main.get_command(around)
    return group.commands[entry.name]


class LazyGroup(TyperGroup):
    """A group whose ``entries`` are imported one by one, and listed without that."""

    entries: ClassVar[tuple[Later, ...]] = ()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._loaded = cast(Any, _Loaded(self.entries))
        self.commands = self._loaded

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """List the commands by their first lines."""
        self.commands = {
            entry.name: TyperCommand(entry.name, help=entry.line, rich_help_panel=entry.panel) for entry in self.entries
        }
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = self._loaded


def lazily(*entries: Later) -> type[LazyGroup]:
    """Return the class of a group of ``entries``, in their order: ``typer.Typer(cls=lazily(…))``."""
    return type("LazyGroup", (LazyGroup,), {"entries": entries})
