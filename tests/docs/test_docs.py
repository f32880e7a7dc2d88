"""The documents tell the truth about commands, settings, topics and metrics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from scoring.score_records import LeadScore, ScoreLine, score_later
from streams.cli import app
from streams.importing.fields import ACCOUNTS, EVENTS, LEADS
from streams.settings import Settings
from streams.topics import TOPICS
from tests.docs.reference import PAGE, reference

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_reference_is_what_the_code_says() -> None:
    assert PAGE.read_text() == reference(), "run: python -m tests.docs.reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    root = get_command(app)
    shown = re.findall(r"(?:^|[\s`(])leadheat ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", page.read_text(), re.MULTILINE)
    commands = root.commands  # type: ignore[attr-defined]
    for command, sub in shown:
        if command in commands and hasattr(commands[command], "commands") and sub:
            assert sub in commands[command].commands, f"leadheat {command} {sub}"
    from_code = re.findall(r"(?:`|^\$ )leadheat ([a-z]+(?:-[a-z]+)*)", page.read_text(), re.MULTILINE)
    assert set(from_code) <= set(commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_and_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    assert {name.lower() for name in re.findall(r"LEADHEAT_([A-Z_]+)", text)} <= set(Settings.model_fields)
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", text):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= targets


def test_the_page_on_importing_names_every_field_of_its_kind() -> None:
    text = (ROOT / "docs" / "importing.md").read_text()
    for title, fields in (("Leads", LEADS), ("Accounts", ACCOUNTS), ("Events", EVENTS)):
        paragraph = text.partition(f"- **{title}**")[2].partition("\n- **")[0]
        assert set(re.findall(r"`([a-z_]+)`", paragraph)) >= fields.kinds.keys(), title


def test_the_readme_names_every_topic_that_subscribers_read() -> None:
    readme = (ROOT / "README.md").read_text()
    assert {topic.name for topic in TOPICS if topic.name in readme} >= {"lead-scores", "hot-leads", "dead-letters"}


def test_the_score_that_the_readme_computes_later_is_right() -> None:
    """`8.0 + 4.0` points with half-lives of 14 and 7 days are `4.0 + 1.0` after 14 days."""
    lines = [ScoreLine("pricing_page", 8.0, 14.0), ScoreLine("page_view", 4.0, 7.0)]
    record = LeadScore("email:ann@example.com", 12.0, 0, "cold", lines, "2026-11-01")
    assert score_later(record, 14 * 86_400_000) == 5.0
    assert "4.0 + 1.0" in (ROOT / "README.md").read_text()
