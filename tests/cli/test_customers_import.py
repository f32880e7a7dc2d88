"""``leadheat customers import`` makes of a row of invoices, wins or churn an account update."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

INVOICES = """Invoice Number;Website;Date;Total;Margin;Days overdue;Notes
2026-001;acme.com;31-1-2026;1.200,50;300;3;first
2026-002;acme.com;5-2-2026;950;;;
2026-003;bolt;5-2-2026;950;;;
2026-004;acme.com;5-2-2026;lots;;;
2026-005;acme.com;5-2-2026;;;;
"""
ZONE = ("--timezone", "UTC", "--dates", "dmy")


@pytest.fixture
def imported(
    run: Callable[..., Any], tmp_path: Path
) -> Callable[..., tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Run the import of a file as a dry run; return the updates, and the refusals."""

    def imported(text: str, *options: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        path = tmp_path / "rows.csv"
        path.write_text(text)
        ran = run("customers", "import", path, "--dry-run", "--json", *options)
        assert ran.code == 0
        lines = [json.loads(line) for line in ran.lines]
        return [line["row"]["value"] for line in lines if "row" in line], [
            line["refused"] for line in lines if "refused" in line
        ]

    return imported


def test_invoices_become_updates_by_their_numbers(imported: Callable[..., Any]) -> None:
    updates, refused = imported(INVOICES, *ZONE, "--decimal", "comma")
    assert updates == [
        {
            "id": "invoice-2026-001",
            "type": "invoice",
            "time": 1769817600000,
            "domain": "acme.com",
            "source": "import",
            "properties": {"amount": 1200.5, "profit": 300, "days_late": 3},
        },
        {
            "id": "invoice-2026-002",
            "type": "invoice",
            "time": 1770249600000,
            "domain": "acme.com",
            "source": "import",
            "properties": {"amount": 950},
        },
    ]
    assert [(each["line"], each["field"]) for each in refused] == [
        (4, "domain"),
        (5, "Total"),
        (6, "properties.amount"),
    ]


def test_an_amount_that_may_be_read_in_two_ways_is_refused_until_it_is_said_which(imported: Callable[..., Any]) -> None:
    text = "domain,time,amount\nacme.com,2026-01-31,1.200\n"
    updates, refused = imported(text, *ZONE)
    assert (updates, [each["field"] for each in refused]) == ([], ["amount"])
    for decimal, amount in (("comma", 1200), ("point", 1.2)):
        ((update,), _) = imported(text, *ZONE, "--decimal", decimal)
        assert update["properties"] == {"amount": amount}


def test_a_list_of_wins_or_churn_says_what_it_is_by_option_or_column(imported: Callable[..., Any]) -> None:
    ((won,), _) = imported("account_id,time\n42,2026-01-31\n", *ZONE, "--type", "won")
    assert (won["type"], won["account_id"], won["id"].startswith("import-")) == ("won", "42", True)
    updates, refused = imported(
        "domain,time,type,reason\na.com,2026-01-31,Churn,price\nb.com,2026-01-31,left,\n", *ZONE
    )
    assert [(each["type"], each["properties"]) for each in updates] == [("churn", {"reason": "price"})]
    assert [(each["line"], each["reason"]) for each in refused] == [(3, "unknown_type")]
