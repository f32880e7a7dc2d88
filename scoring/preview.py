"""What another model would do to the leads of now, and what both would have said, tried on a history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from scoring.adoption import Adoption
from scoring.decay import WEEK_MS
from scoring.model import ScoringModel
from scoring.replay import FileRecord, Replay


class Preview(msgspec.Struct, kw_only=True):
    """A change of models on ``events`` of ``leads`` over some ``weeks``.

    ``before`` and ``after`` count the alerts that each model raises if it scores the whole history, by band.
    ``adoption`` is what happens to the leads that the model in use has come to, once the other takes over.
    """

    events: int
    leads: int
    weeks: float
    before: dict[str, int]
    after: dict[str, int]
    never_matched: list[str]
    adoption: Adoption

    def per_week(self, band: str) -> tuple[float, float]:
        """Return the alerts per week for a band: before and after."""
        return self.before.get(band, 0) / self.weeks, self.after.get(band, 0) / self.weeks


def preview_change(old: ScoringModel, new: ScoringModel, chunks: Iterable[list[FileRecord]], now_ms: int) -> Preview:
    """Try ``new`` in the place of ``old`` on the records of a history, in the order of their times.

    A history of less than a week counts as a whole one. Leads cool up to ``now_ms`` before ``new`` takes over.

    >>> from scoring.model import parse_model
    >>> text = '''
    ... version: v1
    ... rules: {view: {on: page_viewed, points: 10, half_life_days: 14}}
    ... bands: {warm: {enter: 30, leave: 20}}
    ... '''
    >>> event = b'{"id":"e-1","type":"page_viewed","time":1767225600000,"user_id":"7","properties":{"path":"/"}}'
    >>> old, new = parse_model(text, "old"), parse_model(text.replace("points: 10", "points: 40"), "new")
    >>> found = preview_change(old, new, [[FileRecord(0, 1767225600000, event)]], 1767225600000)
    >>> found.adoption.moves
    [Move(from_band='cold', to_band='warm', leads=1, examples=['user:7'])]
    """
    replays, said = (Replay(old), Replay(new)), (Counter[str](), Counter[str]())
    events, first_ms, last_ms = 0, now_ms, 0
    for chunk in chunks:
        events += len(chunk)
        first_ms, last_ms = min(first_ms, chunk[0].timestamp), max(last_ms, chunk[-1].timestamp)
        for replay, alerts in zip(replays, said, strict=True):
            outcome = replay.take(chunk)
            alerts.update(alert.band for alert in outcome.alerts if alert.kind == "entered")
    matched = {line.rule for score in replays[1].scores() for line in score.rules}
    replays[0].tick(now_ms)
    leads = sum(1 for _ in replays[0].scores())
    return Preview(
        events=events,
        leads=leads,
        weeks=max(1.0, (last_ms - first_ms) / WEEK_MS),
        before=dict(said[0]),
        after=dict(said[1]),
        never_matched=[name for name in new.rules if name not in matched],
        adoption=_adopt(replays[0], new),
    )


def _adopt(replay: Replay, new: ScoringModel) -> Adoption:
    """Let the leads that a model has come to go over to another; this is what shards do."""
    shard = replay.shard
    shard.use(new)
    done = shard.adopt(len(shard.leads)).adoption
    return Adoption(model=new.version, is_finished=True) if done is None else done
