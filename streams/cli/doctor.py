"""``leadheat doctor``: what may be wrong where we run, and what to do about it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import typer

from streams.cli.output import JsonOption, make_console, make_table, printable, wants_json, write_json
from streams.settings import load_settings

_STYLES: Final = {"good": "green", "warning": "yellow", "bad": "bold red"}


def doctor(as_json: JsonOption = None) -> None:
    """Check the model, keys, brokers, topics, clocks and workers, and say what to do about what is wrong.

    Nothing is changed. Exit code 1 if something is bad; warnings do not count.

    Examples:
      leadheat doctor
      leadheat doctor --json | jq -r 'select(.level != "good") | .remedy'
    """
    is_bad = asyncio.run(_report(as_text=not wants_json(as_json)))
    if is_bad:
        raise typer.Exit(1)


async def _report(*, as_text: bool) -> bool:
    from rich.text import Text

    from streams.diagnosis import diagnose

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would say is in our findings
    is_bad, table = False, make_table("", "check", "found", "what to do")
    async for finding in diagnose(load_settings()):
        is_bad = is_bad or finding.level == "bad"
        if not as_text:
            write_json(finding)
            continue
        level = Text(finding.level, style=_STYLES[finding.level])
        remedy = printable(finding.remedy, 400)
        table.add_row(level, finding.check, printable(finding.says, 400), remedy)
    if as_text:
        make_console().print(table)
    return is_bad
