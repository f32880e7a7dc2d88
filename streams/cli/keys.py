"""``leadheat keys``: who may send, as hashed keys in a file that the gateway watches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scoring.errors import SettingsError
from streams.cli.output import JsonOption, make_console, make_table, show_time, wants_json, write_json
from streams.cli.teaching import register
from streams.settings import load_settings

keys = typer.Typer(help="Write keys: who may send events, and the change of a key.", no_args_is_help=True)

Source = Annotated[str, typer.Argument(help="What the key names: site, app, crm …", show_default=False)]
KeyId = Annotated[str, typer.Argument(help="The key's id, as `leadheat keys list` shows it.", show_default=False)]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", help="The file of keys.", show_default="LEADHEAT_WRITE_KEYS_FILE"),
]


def create(source: Source, file: FileOption = None, as_json: JsonOption = None) -> None:
    """Make a write key for a source, and show it this once: only its hash is kept.

    A source may have two live keys. The gateway takes the new one at once.

    Examples:
      leadheat keys create site --file keys.json
      LEADHEAT_WRITE_KEYS_FILE=keys.json leadheat keys create app --json | jq -r .key
    """
    _make(source, file, as_json, rotate=False)


def rotate(source: Source, file: FileOption = None, as_json: JsonOption = None) -> None:
    """Make a source's next write key; of two live ones, the older is withdrawn for it.

    The key of now stays live until the next rotation, or until you revoke it: put the new one into your senders first.

    Examples:
      leadheat keys rotate site
      leadheat keys rotate site && leadheat keys list
    """
    _make(source, file, as_json, rotate=True)


def _make(source: str, file: Path | None, as_json: bool | None, *, rotate: bool) -> None:
    from streams.clock import now_ms
    from streams.gateway.write_keys import add_key, hash_key

    key, withdrawn = add_key(_file(file), source, now_ms(), rotate=rotate)
    if wants_json(as_json):
        write_json({"source": source, "id": hash_key(key)[:8], "key": key, "withdrawn": withdrawn and withdrawn.id})
        return
    console = make_console()
    if withdrawn is not None:
        console.print(f"withdrawn: {withdrawn.id}")
    console.print(f"The key of {source}, shown only now:\n")
    console.print(f"  {key}\n", style="bold")


def list_keys(file: FileOption = None, as_json: JsonOption = None) -> None:
    """List the live write keys of the file: their sources, ids and ages, and never the keys.

    Examples:
      leadheat keys list
      leadheat keys list --json | jq -r .source
    """
    from streams.clock import now_ms
    from streams.gateway.write_keys import read_keys

    table = make_table("source", "id", "created")
    for key in read_keys(_file(file)):
        if wants_json(as_json):
            write_json({"source": key.source, "id": key.id, "created_ms": key.created_ms})
        table.add_row(key.source, key.id, show_time(key.created_ms, now_ms()))
    if not wants_json(as_json):
        make_console().print(table)


def revoke(source: Source, key_id: KeyId, file: FileOption = None) -> None:
    """Withdraw a write key: from the next request on it is a 401.

    Examples:
      leadheat keys revoke site 6ca13d52
    """
    from streams.gateway.write_keys import revoke_key

    key = revoke_key(_file(file), source, key_id)
    make_console().print(f"withdrawn: {key.source} {key.id}")


def _file(file: Path | None) -> Path:
    path = load_settings(write_keys_file=file).write_keys_file
    if path is None:
        raise SettingsError("LEADHEAT_WRITE_KEYS_FILE: is not set; name the file of keys, or use --file")
    return path


register(keys, create, "create")
register(keys, rotate, "rotate")
register(keys, list_keys, "list")
register(keys, revoke, "revoke")
