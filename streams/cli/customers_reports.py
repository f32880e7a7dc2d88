"""Segments as a person reads them, and as a spreadsheet does."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import IO, Final

from rich.text import Text

from scoring.customers import Segmentation, SegmentedCustomer
from scoring.model_customers import EXIT, UNKNOWN
from scoring.pareto import Pareto
from streams.cli.output import make_console, make_table, printable
from streams.formulas import safe_cell

_STYLES: Final = {EXIT: "red", UNKNOWN: "dim"}


def print_segmentation(found: Segmentation, limit: int, missing: Sequence[str] = ()) -> None:
    """Print the segments, what they bring, and the first ``limit`` customers."""
    console = make_console()
    console.print(_segments(found))
    for report in found.pareto:
        console.print(describe_pareto(report))
    for note in found.notes:
        console.print(Text(f"Note: {printable(note, 300)}", style="yellow"))
    if missing:
        console.print(Text(f"Note: no column tells {', '.join(missing)}, unknown of everybody", style="yellow"))
    if not limit:
        return
    console.print()
    console.print(_customers(found, limit))
    if len(found.customers) > limit:
        console.print(f"The first {limit:,} of {len(found.customers):,}; --limit shows more.")


def _segments(found: Segmentation) -> object:
    has_revenue, has_profit = (report.known > 0 for report in found.pareto)
    columns = ["segment", "customers", "share"]
    columns += ["revenue"] * has_revenue + ["profit"] * has_profit + ["action", "service"]
    table = make_table(*columns, right=("customers", "share", "revenue", "profit"))
    for each in found.segments:
        if each.segment == UNKNOWN and not each.customers:
            continue
        amounts = [each.revenue] * has_revenue + [each.profit] * has_profit
        table.add_row(
            show_segment(each.segment),
            f"{each.customers:,}",
            f"{each.customers / len(found.customers):.0%}",
            *map(show_amount, amounts),
            Text(each.action),
            Text(printable(each.service)),
        )
    return table


def _customers(found: Segmentation, limit: int) -> object:
    shown = found.customers[:limit]
    has_groups, has_whys = any(each.group for each in shown), any(each.why for each in shown)
    columns = ["rank", "customer", *["group"] * has_groups, "segment", "value", "known", *["why"] * has_whys]
    table = make_table(*columns, right=("rank", "value", "known"))
    for each in shown:
        table.add_row(
            "–" if each.rank is None else str(each.rank),
            Text(printable(each.name or each.customer)),
            *[Text(printable(each.group))] * has_groups,
            show_segment(each.segment),
            "–" if each.value is None else f"{each.value:.2f} of {found.value_max:g}",
            f"{each.coverage:.0%}",
            *[Text(printable(each.why, 200))] * has_whys,
        )
    return table


def show_segment(segment: str) -> Text:
    """Return a segment's name in its colour."""
    return Text(printable(segment), style=_STYLES.get(segment, "bold"))


def show_amount(amount: float | None) -> str:
    """Return an amount of money in whole units; a dash where nobody knows it.

    >>> show_amount(1234567.8), show_amount(None)
    ('1,234,568', '–')
    """
    return "–" if amount is None else f"{amount:,.0f}".replace("-", "−")


def describe_pareto(report: Pareto) -> str:
    """Say how few customers bring the most.

    >>> from scoring.pareto import find_pareto
    >>> describe_pareto(find_pareto("profit", [70, 20, 20, 10, 0, -20, None]))
    '80% of profit comes from 2 of 6 customers (33%); 1 of them loses 20; of 1 it is unknown'
    """
    if not report.known:
        return f"{report.what} is not told, so there is no Pareto report of it"
    if report.needed is None or report.needed_share is None:
        text = f"{report.what} comes to {show_amount(report.total)} in all, of which there is no share"
    else:
        of = f"{report.needed:,} of {report.known:,} customers ({report.needed_share:.0%})"
        text = f"{report.share:.0%} of {report.what} comes from {of}"
    if report.losing:
        text += f"; {report.losing:,} of them lose{'s' if report.losing == 1 else ''} {show_amount(-report.lost)}"
    if report.unknown:
        text += f"; of {report.unknown:,} it is unknown"
    return text


def write_csv(found: Segmentation, file: IO[str]) -> None:
    """Write all customers, with the rating of each criterion in a column of its own."""
    criteria = [f"{rating.criterion}_rating" for rating in found.customers[0].ratings]
    aspects = sorted({name for each in found.customers for name in each.aspects})
    writer = csv.writer(file, lineterminator="\n")
    head = ["rank", "customer", "name", "group", "segment", "action", "service", "value", "coverage"]
    shares = [f"{aspect}_share" for aspect in aspects]
    writer.writerow([*head, *criteria, *shares, "revenue", "profit", "segment_without_override", "why"])
    for each in found.customers:
        writer.writerow(map(safe_cell, _cells(each, aspects)))


def _cells(each: SegmentedCustomer, aspects: Sequence[str]) -> list[object]:
    return [
        each.rank,
        each.customer,
        each.name,
        each.group,
        each.segment,
        each.action,
        each.service,
        each.value,
        each.coverage,
        *(rating.rating for rating in each.ratings),
        *(each.aspects.get(name) for name in aspects),
        each.revenue,
        each.profit,
        each.automatic,
        each.why,
    ]
