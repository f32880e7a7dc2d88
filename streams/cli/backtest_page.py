"""A backtest as one HTML page, which needs nothing but itself: styles and pictures (SVG) are in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scoring.judged import Judged
from scoring.judgement import Evidence, part, scores_of
from scoring.ranking import roc_points
from streams.cli.backtest_reports import MEASURES, Report, describe_gain, show_ratio

TEMPLATES: Final = Path(__file__).parent / "templates"
COLOURS: Final = ("#b3261e", "#1f5fa8")
SIZE: Final = 320
CURVE_POINTS_MAX: Final = 400
DAYS_BARS: Final = 12
WEEKS_MAX: Final = 520


def write_page(report: Report) -> str:
    """Return the page; whatever comes from files is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    models = [
        {
            "name": name,
            "judgement": judged,
            "colour": colour,
            "curve": _curve(*map(scores_of, part(found.judged))),
            "weekly": bars(judged.load.weekly[:WEEKS_MAX]),
            "days": bars(_days(found.judged)),
            "owners": report.alerts_per_rep(judged),
            "evidence": [(each, show_ratio(each), *_widths(each)) for each in judged.evidence if each.won + each.lost],
        }
        for name, judged, found, colour in zip(report.names, report.judgements, report.found, COLOURS, strict=False)
    ]
    measures = [(name, [show(each) for each in report.judgements]) for name, show in MEASURES]
    gain = None if report.gain is None else describe_gain(report)
    template = environment.get_template("backtest.html")
    return template.render(models=models, measures=measures, gain=gain, notes=report.notes, size=SIZE)


def _curve(won: Sequence[float], lost: Sequence[float]) -> str:
    """Return the ROC curve as the points of a polyline, thinned to what can be seen."""
    points = roc_points(won, lost)
    step = max(1, len(points) // CURVE_POINTS_MAX)
    shown = [*points[:-1:step], points[-1]]
    return " ".join(f"{x * SIZE:.1f},{(1 - y) * SIZE:.1f}" for x, y in shown)


def _days(judged: Sequence[Judged]) -> list[int]:
    """Return how many won leads were hot so many days ahead, in bars of equal width."""
    days = [each.days_ahead for each in judged if each.is_won and each.days_ahead is not None]
    counts = [0] * (DAYS_BARS if days else 0)
    width = max(days, default=0.0) / DAYS_BARS or 1.0
    for each in days:
        counts[min(int(each / width), DAYS_BARS - 1)] += 1
    return counts


def bars(counts: Sequence[int]) -> list[tuple[float, float, float, int]]:
    """Return bars as left, top, height and count, in a picture 100 wide and 100 high.

    >>> bars([1, 2])
    [(0.0, 50.0, 50.0, 1), (50.0, 0.0, 100.0, 2)]
    """
    most = max(counts, default=0) or 1
    return [
        (100 * at / len(counts), 100 - 100 * count / most, 100 * count / most, count) for at, count in enumerate(counts)
    ]


def _widths(evidence: Evidence) -> tuple[float, float]:
    return 100 * evidence.won_share, 100 * evidence.lost_share
