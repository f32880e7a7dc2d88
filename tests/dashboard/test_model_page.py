"""The page Model shows who changed it, what that did, and where a candidate parts from the one in use."""

from __future__ import annotations

import re

from scoring.adoption import Adoption, Move
from scoring.model import parse_model
from streams.model_comparison import Comparison, Parting, Reason
from streams.model_news import ModelNews
from streams.published_models import Publication
from tests.dashboard.conftest import NOW_MS, Site

HOSTILE = "<script>alert(1)</script>"
TEXT = """version: two
rules: {pricing_page: {on: page_viewed, points: 77, half_life_days: 9}}
bands: {warm: {enter: 9, leave: 5}, hot: {enter: 20, leave: 15, cooldown_h: 24}}
"""


def news() -> ModelNews:
    comparison = Comparison(
        at_ms=NOW_MS - 60_000,
        models=("two", "three"),
        leads=1_234,
        moves=[Move(from_band="warm", to_band="hot", leads=31)],
        reasons=[Reason(reason="pricing_page", leads=40, points=812.0)],
        partings=[
            Parting(
                lead="email:ann@acme.example",
                points=(12.0, 25.5),
                bands=("warm", "hot"),
                reasons={"pricing_page": 15.0, HOSTILE: -1.5},
            )
        ],
    )
    published = Publication(
        number=2, kind="published", version="two", text=TEXT, at_ms=NOW_MS, by=HOSTILE, why="prices tell more"
    )
    moves = [Move(from_band="cold", to_band="warm", leads=17), Move(from_band="warm", to_band="hot", leads=3)]
    return ModelNews([published], {2: Adoption(model="two", moves=moves)}, comparison, parse_model(TEXT, "2"))


def test_the_page_shows_the_model_that_was_published_and_where_the_candidate_parts(site: Site) -> None:
    site.news = news()
    answer = site.get("/model")
    assert answer.status_code == 200
    page = re.sub(r"<[^>]+>|\s+", " ", answer.text)
    page = re.sub(r" +", " ", page)
    assert "Version two." in page
    assert "three beside two" in page
    assert "Of 1,234 leads 31 would go from warm to hot" in page
    assert re.search(r"ann@acme.example 12.0 warm 25.5 hot [Pp]ricing.page \+15", page)
    assert "prices tell more 20" in page  # leads whose band it has changed
    assert HOSTILE not in answer.text


def test_without_any_publication_the_page_shows_the_file(site: Site) -> None:
    page = site.get("/model").text
    assert "Candidate" not in page
    assert "History" not in page
