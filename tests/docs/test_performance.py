"""docs/performance.md is what a run has measured, and names every measure that there is."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.__main__ import DOCUMENT, MEASURES
from tests.benchmarks.figures import ITSELF, Measure, Report, Target
from tests.benchmarks.report import BEGIN, END, draw, read_report, to_markdown, write_report


def make_report(peer_cost: float = 2.0) -> Report:
    """Return a report of one measure whose side costs twice its peer."""
    measure = Measure(
        title="a job",
        unit="µs of CPU an event",
        figures={"theirs": [peer_cost, 2.0, 4.0], "ours & yours": [4.0, 5.0, 8.0]},
        peer="theirs",
        targets=[
            Target("ours & yours", of="theirs", most=2.0),
            Target("ours & yours", of=ITSELF, least=6.0),
            Target("absent", of="theirs", most=1.0),
        ],
        notes=["On a quiet day."],
    )
    return Report(machine=["2 cores"], rounds=3, measures=[measure])


def test_the_page_shows_what_its_figures_say() -> None:
    report = read_report(DOCUMENT)
    between = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0].strip()
    if report is None:
        assert between == "No run of the whole suite is recorded yet."
        return
    assert between == to_markdown(report, "performance.svg").strip()
    assert DOCUMENT.with_suffix(".svg").read_text() == draw(report)


def test_the_page_names_every_measure() -> None:
    text = DOCUMENT.read_text()
    assert [name for name in MEASURES if f"| `{name}` |" not in text] == []


def test_ratios_are_taken_within_a_round_and_a_target_of_an_absent_side_is_left_out() -> None:
    (measure,) = make_report().measures
    assert measure.ratio("ours & yours", "theirs") == (2.0, 2.0, 2.5)
    assert measure.verdicts() == [
        ("ours & yours: ≤ 2 × theirs", 2.0, True),
        ("ours & yours: ≥ 6", 5.0, False),
    ]


def test_a_report_is_written_between_its_marks_with_figures_and_picture_beside_it(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_report(make_report(), document)
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "| ours & yours | 5 | 4 | 8 | 2 (2 to 2.5) |" in text
    assert "| a job: ours & yours: ≥ 6 (µs of CPU an event) | 5 | **missed** |" in text
    assert "On a quiet day." in text
    assert "old" not in text
    assert read_report(document) == make_report()
    picture = document.with_suffix(".svg").read_text()
    assert picture.count("<rect") == 3  # the ground, and a bar a side
    assert "ours &amp; yours" in picture
