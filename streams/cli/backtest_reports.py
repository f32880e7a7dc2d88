"""A backtest as a person reads it on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from rich.text import Text

from scoring.deals import gather_deals
from scoring.judged import Judgements
from scoring.judgement import Evidence, Group, Judgement, compare, sum_up
from scoring.model import ScoringModel
from scoring.ranking import Interval
from streams.cli.deals_files import ToldDeals, describe_refused
from streams.cli.output import make_console, make_table, printable, show_lead

OWNERS_SHOWN: Final = 10
UNKNOWN_SHOWN: Final = 3
FEW: Final = 30
"""With fewer won or lost than this, what is measured is mostly chance."""


class Report:
    """All that a backtest tells: of each model its judgement, and of two by how much the second is better."""

    def __init__(
        self,
        models: Sequence[tuple[str, ScoringModel]],
        found: Sequence[Judgements],
        told: ToldDeals,
        unreadable: int,
        reps: int | None,
    ) -> None:
        self.names = [name for name, _ in models]
        self.found = found
        self.judgements = [sum_up(model, each) for (_, model), each in zip(models, found, strict=True)]
        self.reps = reps
        judged = self.judgements[0]
        can_compare = len(found) > 1 and min(judged.won.leads, judged.lost.leads) > 1
        self.gain = compare(found[0], found[1]) if can_compare else None
        self.notes = list(_notes(found[0], judged, told, unreadable))

    @property
    def is_better(self) -> bool | None:
        """Whether the second model is better (True) or worse (False) by more than chance; None: nobody can tell."""
        if self.gain is None or self.gain.low <= 0 <= self.gain.high:
            return None
        return self.gain.low > 0

    def alerts_per_rep(self, judgement: Judgement) -> dict[str, float]:
        """Return alerts a week and rep: of as many as were said to be, or else by owner."""
        if self.reps is not None:
            return {f"each of {self.reps}": judgement.load.per_week / self.reps}
        return judgement.load.per_owner


def _notes(found: Judgements, judged: Judgement, told: ToldDeals, unreadable: int) -> Iterator[str]:
    """Say what could not be used, and what to do about it."""
    deals = gather_deals(told.deals)
    yield from describe_refused(told)
    if not told.tells_outcomes:
        yield "No column of the outcomes says won or lost: all rows count as won."
    if told.open:
        yield f"Rows of outcomes that decide nothing, and are passed over: {told.open:,}."
    if repeated := deals.repeated + len(found.same):
        yield f"Rows that repeat a lead's outcome: {repeated:,}. It counts once, when it was first won or lost."
    if deals.overruled:
        yield f"Rows that say lost of a lead that was won too, and counts as won: {deals.overruled:,}."
    if found.unknown:
        some = ", ".join(show_lead(deal.lead) for deal in found.unknown[:UNKNOWN_SHOWN])
        yield (
            f"Leads with an outcome and no events at all: {len(found.unknown):,}, such as {some}. Are they known by "
            "another identity?"
        )
    if found.too_early:
        some = ", ".join(show_lead(deal.lead) for deal in found.too_early[:UNKNOWN_SHOWN])
        yield (
            f"Leads that were decided before their first event: {len(found.too_early):,}, such as {some}. Take events "
            "from further back."
        )
    if found.refused + unreadable:
        yield f"{found.refused + unreadable:,} events were refused; `leadheat score` says why."
    if min(judged.won.leads, judged.lost.leads) < FEW:
        yield f"Fewer than {FEW} won or lost: take the numbers for a hint, and look at the intervals."


Measure = tuple[str, Callable[[Judgement], str]]

MEASURES: Final[Sequence[Measure]] = (
    ("won leads", lambda each: f"{each.won.leads:,}"),
    ("  hot before", lambda each: show_share(each.won)),
    ("  days ahead", lambda each: show_days(each.won)),
    ("lost leads", lambda each: f"{each.lost.leads:,}"),
    ("  hot before", lambda each: show_share(each.lost)),
    ("  days ahead", lambda each: show_days(each.lost)),
    ("alerts", lambda each: f"{each.load.alerts:,}"),
    ("  a week", lambda each: f"{each.load.per_week:.1f} (at most {max(each.load.weekly):,})"),
    ("precision", lambda each: "–" if each.precision is None else f"{each.precision:.1%}"),
    ("recall", lambda each: f"{each.recall:.1%}"),
    ("lift at 10 %", lambda each: f"{each.lift:.2f}"),
    ("area under the curve", lambda each: show_interval(each.auc)),
)


def print_report(report: Report) -> None:
    """Print all of it."""
    console = make_console()
    names = [f"{printable(name)} {printable(each.model)}" for name, each in _named(report)]
    table = make_table("", *names, right=tuple(names))
    for measure, show in MEASURES:
        table.add_row(measure, *(show(each) for each in report.judgements))
    console.print(table)
    if report.gain is not None:
        console.print(Text(f"\n{describe_gain(report)}", style="bold"))
    for name, each in _named(report):
        _print_owners(console, report, name, each)
    for name, each in _named(report):
        title = ("\nWhat the won and the lost had", "bold"), f", before their outcome, under {printable(name)}"
        console.print(Text.assemble(*title))
        console.print(_evidence_table(each.evidence))
    if report.notes:
        console.print()
    for note in report.notes:
        console.print(Text(printable(note, 300), style="yellow"))


def _named(report: Report) -> list[tuple[str, Judgement]]:
    return list(zip(report.names, report.judgements, strict=True))


def _print_owners(console: Any, report: Report, name: str, judgement: Judgement) -> None:
    owners = report.alerts_per_rep(judgement)
    if not owners:
        return
    shown = sorted(owners.items(), key=lambda each: (-each[1], each[0]))[:OWNERS_SHOWN]
    text = ", ".join(f"{printable(owner)} {count:.1f}" for owner, count in shown)
    more = f" and {len(owners) - OWNERS_SHOWN} more" if len(owners) > OWNERS_SHOWN else ""
    console.print(f"\nAlerts a week and rep, under {printable(name)}: {text}{more}")


def _evidence_table(evidence: Sequence[Evidence]) -> Any:
    table = make_table("rule or trait", "", "won", "lost", "ratio", right=("won", "lost", "ratio"))
    for each in evidence:
        if not each.won + each.lost:
            continue  # nobody had it: nothing is known of it
        won, lost = f"{each.won:,} ({each.won_share:.0%})", f"{each.lost:,} ({each.lost_share:.0%})"
        table.add_row(Text(printable(each.name)), each.kind, won, lost, show_ratio(each))
    return table


def describe_gain(report: Report) -> str:
    """Say whether the second model is better, and how sure that is."""
    gain = report.gain
    assert gain is not None
    verdict = {True: "better", False: "worse", None: "neither better nor worse, as far as these leads can tell"}
    return f"{report.names[1]} is {verdict[report.is_better]}: its area is larger by {show_interval(gain, signed=True)}"


def show_ratio(evidence: Evidence) -> str:
    """Return how much more often the won had something.

    >>> show_ratio(Evidence("demo", "rule", 5, 2, 0.5, 0.2, 2.5)), show_ratio(Evidence("x", "rule", 5, 0, 0.5, 0, None))
    ('2.50', 'only won')
    """
    if evidence.ratio is None:
        return "only won" if evidence.won else "–"
    return f"{evidence.ratio:.2f}"


def show_share(group: Group) -> str:
    """Return how many of a group were hot before."""
    return f"{group.hot:,} ({group.hot_share:.1%})"


def show_days(group: Group) -> str:
    """Return how many days ahead: the median, and between which the middle half lies."""
    if group.days_ahead is None:
        return "–"
    low, median, high = group.days_ahead
    return f"{median:.1f} ({low:.1f} to {high:.1f})"


def show_interval(interval: Interval, *, signed: bool = False) -> str:
    """Return a value with its 95 % interval.

    >>> show_interval(Interval(0.8, 0.75, 0.85)), show_interval(Interval(0.02, -0.01, 0.05), signed=True)
    ('0.800 (0.750 to 0.850)', '+0.020 (−0.010 to +0.050)')
    """
    sign = "+" if signed else ""
    shown = [f"{each:{sign}.3f}".replace("-", "−") for each in (interval.value, interval.low, interval.high)]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"
