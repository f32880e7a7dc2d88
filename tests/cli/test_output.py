"""What commands print is what they were told, whatever stands in it."""

from __future__ import annotations

import pytest

from streams.cli.output import make_console, make_table


def test_what_comes_from_outside_in_brackets_is_text_and_neither_colour_nor_a_crash(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console, table = make_console(), make_table("account")
    table.add_row("acme[/bold].com")
    console.print("No account [red]x[/] is known")
    console.print(table)
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown == ["No account [red]x[/] is known", "account", "acme[/bold].com"]
