"""What became of the leads under each published model: all shards' reports, and their sum."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from scoring.adoption import EXAMPLES_MAX, Adoption, Move
from streams.published_models import read_small_topic
from streams.settings import Settings
from streams.topics import MODEL_REPORTS

_decode = msgspec.json.Decoder(Adoption).decode


async def read_reports(settings: Settings) -> dict[int, list[Adoption]]:
    """Return shards' reports by the number of the model, for models that were published."""
    found: dict[int, list[Adoption]] = {}
    for record in await read_small_topic(settings, MODEL_REPORTS):
        report = _decode(record.value)
        if report.number:
            found.setdefault(report.number, []).append(report)
    return found


def sum_up(number: int, version: str, reports: Iterable[Adoption]) -> Adoption:
    """Return all shards' reports as one.

    >>> parts = [Adoption(model="2", number=2, partition=n, leads=3) for n in (0, 1)]
    >>> sum_up(2, "2", parts).leads
    6
    """
    total = Adoption(model=version, number=number, is_finished=True)
    for report in reports:
        total.leads += report.leads
        total.from_now_on = total.from_now_on or report.from_now_on
        for move in report.moves:
            _add(total.moves, move)
    total.moves.sort(key=lambda move: -move.leads)
    return total


def _add(moves: list[Move], move: Move) -> None:
    for known in moves:
        if (known.from_band, known.to_band) == (move.from_band, move.to_band):
            known.leads += move.leads
            known.examples = [*known.examples, *move.examples][:EXAMPLES_MAX]
            return
    moves.append(Move(from_band=move.from_band, to_band=move.to_band, leads=move.leads, examples=[*move.examples]))
