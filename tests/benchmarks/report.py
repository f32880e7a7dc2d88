"""The report of a run: for a terminal, as JSON, and as docs/performance.md with its picture."""

from __future__ import annotations

import math
import os
import platform
import shutil
import subprocess
import timeit
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from streams.embedded.java import KAFKA_VERSION
from tests.benchmarks.figures import Measure, Report, Spread, show

BEGIN: Final = "<!-- performance: begin -->"
END: Final = "<!-- performance: end -->"
_CHARTED: Final = "µs of CPU an event"


def describe_machine() -> list[str]:
    """Return what the figures were taken on, a line each."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [
        f"{os.cpu_count()} cores of {_processor()}, {memory_gib:.0f} GiB",
        f"{platform.system()} {platform.release().partition('-')[0]}, Python {platform.python_version()}, "
        f"{_pace()}, Kafka {KAFKA_VERSION}",
    ]
    java = shutil.which("java")
    if java is not None:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr.splitlines()
        lines.append(
            f"Kafka Streams on {said[0]}" if said else "Kafka Streams on a Java that does not tell its version"
        )
    return lines


def _pace() -> str:
    """Say how quick the interpreter is here: one that was built without profiles is a third slower than others."""
    seconds = min(timeit.repeat("for number in range(1_000_000): total += number", "total = 0", number=1, repeat=7))
    return f"which adds a million numbers in {show(seconds * 1000)} ms"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def print_report(report: Report, recorded: Report | None, console: Console) -> None:
    """Print all measures; where an earlier run of the same is ``recorded``, with its ratios beside the new ones."""
    before = {(measure.title, measure.unit): measure for measure in recorded.measures} if recorded else {}
    for measure in report.measures:
        table = Table(title=f"{measure.title} ({measure.unit})", title_justify="left")
        earlier = before.get((measure.title, measure.unit))
        for heading in ("", "median", "from", "to", *_peer_headings(measure), *(["recorded ratio"] if earlier else [])):
            table.add_column(heading, justify="right" if heading else "left")
        for side in measure.figures:
            spread = measure.spread(side)
            cells = [side, *map(show, spread), *_ratio_cells(measure, side)]
            if earlier is not None and side in earlier.figures and earlier.peer in earlier.figures:
                cells.append(_tell(earlier.ratio(side, earlier.peer)))
            table.add_row(*cells)
        console.print(table)
        for note in measure.notes:
            console.print(f"  {note}", highlight=False)
        for target, value, is_met in measure.verdicts():
            style = "green" if is_met else "red"
            console.print(f"  [{style}]{'met' if is_met else 'missed'}[/]  {target}: {show(value)}", highlight=False)


def _peer_headings(measure: Measure) -> list[str]:
    return [f"× {measure.peer}"] if measure.peer else []


def _ratio_cells(measure: Measure, side: str) -> list[str]:
    return [_tell(measure.ratio(side, measure.peer))] if measure.peer else []


def _tell(spread: Spread) -> str:
    return f"{show(spread.median)} ({show(spread.least)} to {show(spread.most)})"


def write_json(report: Report, file: Path) -> None:
    """Write all figures to a file."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def write_report(report: Report, document: Path) -> None:
    """Write the report into a document between its marks, and its JSON and picture beside it."""
    write_json(report, document.with_suffix(".json"))
    document.with_suffix(".svg").write_text(draw(report))
    before, _, rest = document.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n{to_markdown(report, document.with_suffix('.svg').name)}\n{END}{after}")


def read_report(document: Path) -> Report | None:
    """Return the report whose JSON lies beside a document, if there is one."""
    file = document.with_suffix(".json")
    return msgspec.json.decode(file.read_bytes(), type=Report) if file.exists() else None


def to_markdown(report: Report, picture: str) -> str:
    """Return the report as docs/performance.md has it."""
    return "\n".join(_lines(report, picture))


def _lines(report: Report, picture: str) -> Iterator[str]:
    yield f"Measured in {report.rounds} rounds on " + "; ".join(report.machine) + "."
    yield ""
    yield f"![CPU time an event takes, beside the peers]({picture})"
    yield ""
    yield "| what is wanted | found | |"
    yield "|---|---:|---|"
    for measure in report.measures:
        for target, value, is_met in measure.verdicts():
            came = "met" if is_met else "**missed**"
            yield f"| {measure.title}: {target} ({measure.unit}) | {show(value)} | {came} |"
    for measure in report.measures:
        yield ""
        yield f"### {measure.title[0].upper()}{measure.title[1:]}"
        yield ""
        yield f"| {measure.unit} | median | from | to |{f' × {measure.peer} |' if measure.peer else ''}"
        yield f"|---|---:|---:|---:|{'---:|' if measure.peer else ''}"
        for side in measure.figures:
            yield f"| {' | '.join([side, *map(show, measure.spread(side)), *_ratio_cells(measure, side)])} |"
        if measure.notes:
            yield ""
            yield from measure.notes


# ── the picture ──────────────────────────────────────────────────────────────────────────────────────────────

_WIDTH, _LABELS, _BAR, _GAP = 760, 230, 18, 8


def draw(report: Report) -> str:
    """Return an SVG with a bar for what an event costs on each side, on a logarithmic scale."""
    charted = [measure for measure in report.measures if measure.unit == _CHARTED]
    values = [spread.median for measure in charted for spread in map(measure.spread, measure.figures)]
    if not values:
        return '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>\n'
    low = 10 ** math.floor(math.log10(min(values)))
    span = math.log10(max(values) * 1.6 / low)
    body, y = [], 8

    def text(x: float, at: int, said: str, weight: str = "normal") -> str:
        escaped = said.replace("&", "&amp;").replace("<", "&lt;")
        return f'<text x="{x:.0f}" y="{at}" font-weight="{weight}">{escaped}</text>'

    for measure in charted:
        y += 16
        body.append(text(8, y, f"{measure.title} ({measure.unit})", "bold"))
        y += _GAP
        for side in measure.figures:
            value = measure.spread(side).median
            width = (_WIDTH - _LABELS - 90) * math.log10(value / low) / span
            color = "#8a94a6" if side == measure.peer else "#d9480f"
            body.append(text(24, y + 13, side))
            body.append(f'<rect x="{_LABELS}" y="{y}" width="{max(width, 1):.0f}" height="{_BAR}" fill="{color}"/>')
            body.append(text(_LABELS + max(width, 1) + 6, y + 13, show(value)))
            y += _BAR + _GAP
        y += _GAP
    style = "font-family:system-ui,sans-serif;font-size:12px;fill:#1f2937"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" style="{style}" role="img">'
    title = "<title>CPU time an event takes, by measure and side, on a logarithmic scale</title>"
    ground = f'<rect width="{_WIDTH}" height="{y}" fill="#ffffff"/>'
    return "\n".join([head, title, ground, *body, "</svg>"]) + "\n"
