"""What a run of the fault suite leaves in docs/operations.md."""

from __future__ import annotations

from pathlib import Path

from tests.faults.report import BEGIN, END, write_report
from tests.faults.rows import Row


def test_seeds_of_green_runs_add_up_and_a_broken_promise_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "operations.md"
    file.write_text(f"before\n{BEGIN}\nNo run is recorded yet.\n{END}\nafter\n")
    good, bad = Row("kill -9", 3, events=1200), Row("kill -9", 3, events=1200, lost=1, problems=["one is lost"])

    write_report(file, [good], 7)
    write_report(file, [good], 8)
    text = file.read_text()
    assert "with the seeds 8, 7. The table is of the first" in text
    assert text.count("| kill -9 | 3 | 1,200 | 0 |") == 1
    assert text.startswith("before\n")
    assert text.endswith("after\n")

    write_report(file, [bad], 9)
    assert "broken with seed 9" in file.read_text()
    write_report(file, [good], 10)
    assert "with the seeds 10. The table" in file.read_text()
