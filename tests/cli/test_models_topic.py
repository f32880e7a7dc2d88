"""The topic models: files count until somebody publishes, and numbers are given once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from scoring.errors import ModelError, StartError
from streams.cli.model_beside import choose_track, find_tracks, remove_track
from streams.cli.worker import start_models
from streams.published_models import Publication, PublishedModels, open_publisher, read_publications
from streams.settings import Settings
from streams.topics import MODELS, create_topics
from streams.tracks import WRITTEN, Track

MODEL = """version: {}
rules: {{view: {{on: page_viewed, points: 1, half_life_days: 9}}}}
bands: {{warm: {{enter: 9, leave: 5}}}}
"""


def publication(number: int, text: str, **more: str) -> Publication:
    return Publication(number=number, kind="published", version=str(number), text=text, at_ms=0, by="olga", **more)  # type: ignore[arg-type]


@pytest.mark.kafka
def test_the_file_of_the_last_worker_counts_until_somebody_publishes(topics: Settings, tmp_path: Path) -> None:
    settings = topics.model_copy(update={"model": tmp_path / "model.yaml"})

    def start(version: int) -> list[tuple[int, str, str]]:
        settings.model.write_text(MODEL.format(version))
        return [(each.number, each.kind, each.version) for each in asyncio.run(start_models(settings))]

    async def publish() -> None:
        async with open_publisher(settings) as publisher:
            await publisher.publish("published", MODEL.format(7), "7", at_ms=1, by="olga")

    assert start(1) == start(1) == [(1, "file", "1")]
    assert start(2)[1:] == [(2, "file", "2")]
    assert start(1)[2:] == [(3, "file", "1")]
    asyncio.run(publish())
    assert start(5)[3:] == [(4, "published", "7")]


@pytest.mark.kafka
def test_workers_that_start_together_agree_on_their_file(topics: Settings, tmp_path: Path) -> None:
    settings = topics.model_copy(update={"model": tmp_path / "model.yaml"})
    settings.model.write_text(MODEL.format(1))

    async def start() -> list[list[Publication]]:
        return await asyncio.gather(*(start_models(settings) for _ in range(3)))

    found = asyncio.run(start())
    assert [[(each.number, each.kind) for each in known] for known in found] == [[(1, "file")]] * 3


@pytest.mark.kafka
def test_of_two_who_publish_at_the_same_time_one_is_told_so(topics: Settings, produce: Callable[..., None]) -> None:
    async def publish() -> None:
        async with open_publisher(topics) as first, open_publisher(topics) as second:
            await second.publish("published", MODEL.format(1), "1", at_ms=1, by="tom")
            with pytest.raises(StartError, match="somebody else was publishing"):
                await first.publish("published", MODEL.format(2), "2", at_ms=1, by="olga")

    produce(topics, MODELS, [(b"1", b"not a publication")], partition=0)
    asyncio.run(publish())
    assert [(each.number, each.by) for each in asyncio.run(read_publications(topics))] == [(1, "tom")]


def test_a_model_that_this_version_cannot_read_is_passed_over_and_told_of_once() -> None:
    told: list[tuple[int, list[str]]] = []

    def tell(publication: Publication, error: ModelError) -> None:
        told.append((publication.number, error.problems))

    models = PublishedModels([publication(1, MODEL.format(1)), publication(2, "new: words")], tell)
    models.add([publication(2, "new: words")])
    assert models.latest == 1
    assert [number for number, _ in told] == [2]
    with pytest.raises(StartError, match="model 2 is in use, and this worker cannot read it"):
        models.model(2)


def test_the_newest_rebuild_says_where_states_are_whatever_is_published_after() -> None:
    text = MODEL.format(1)
    models = PublishedModels([publication(1, text), publication(2, text, track="replay-a")])
    models.add([publication(3, text)])
    assert (models.states, models.latest) == ("replay-a", 3)
    assert msgspec.json.decode(msgspec.json.encode(publication(3, text)), type=Publication).track == ""


@pytest.mark.kafka
def test_a_track_goes_on_for_the_same_text_and_once_removed_is_begun_under_another_name(topics: Settings) -> None:
    async def choose() -> tuple[str, ...]:
        first = await choose_track(topics, "replay", "a model")
        await create_topics(topics, {Track(topics.prefix, beside=first).name(topic): topic for topic in WRITTEN})
        again = await choose_track(topics, "replay", "a model")
        other = await choose_track(topics, "replay", "another model")
        await remove_track(topics, first)
        while await find_tracks(topics, "replay"):
            await asyncio.sleep(0.05)
        return first, again, other, await choose_track(topics, "replay", "a model")

    first, again, other, anew = asyncio.run(choose())
    assert again == first
    assert len({first, other, anew}) == 3  # the group's offsets of the first one are kept for days
