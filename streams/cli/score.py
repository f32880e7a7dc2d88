"""``leadheat score``: score a file of events, without a broker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.errors import SettingsError
from scoring.models import DEFAULT_MODEL
from streams.cli.model_files import find_model
from streams.cli.output import JsonOption, wants_json
from streams.cli.output_files import open_output
from streams.cli.stages import StageOption

if TYPE_CHECKING:
    from scoring.replay import FileRecord, Replay
    from scoring.shard import Outcome
    from streams.cli.replay_reports import Report


class Clock(StrEnum):
    """When the lines of a file count as received."""

    HAPPENED = "happened"
    NOW = "now"


def score(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Events, one JSON object a line; .gz too; - reads standard input.")
    ],
    model: Annotated[
        Path,
        typer.Option(envvar="LEADHEAT_MODEL", help="The scoring model, a YAML file.", show_default="the one we ship"),
    ] = DEFAULT_MODEL,
    alerts: Annotated[Path | None, typer.Option(help="Write the alerts to this file, as JSON lines.")] = None,
    scores: Annotated[Path | None, typer.Option(help="Write every lead's score to this file, as JSON lines.")] = None,
    clock: Annotated[Clock, typer.Option(help="When the events count as received.")] = Clock.HAPPENED,
    stage: StageOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a line was refused.")] = False,
    as_json: JsonOption = None,
) -> None:
    """Score a file of events as a worker would have, without a broker: try a model on your own history.

    On a terminal: the hottest leads, the alerts, and the lines that were refused, as file:line. In a pipe, one JSON
    object a line: {"alert": …} and {"refused": …} as they fall, {"score": …} of every lead at the end. What
    --alerts or --scores writes to a file is left out of that.

    With --clock happened, events are taken as received when they happened, so you see the alerts that live scoring
    would have raised, up to the time of the last event. With --clock now, all are received at this moment, as if you
    loaded the file into Kafka: crossings older than the model's alerts.max_age_h change bands and alert nobody, and
    what has cooled by now is told. With --stage, all events are scored, and only the alerts and scores of those leads
    are told.

    Examples:
      leadheat score events.jsonl --model my-model.yaml
      zcat 2026-*.jsonl.gz | leadheat score - --alerts alerts.jsonl --scores scores.jsonl
      leadheat score events.jsonl.gz --json | jq -c 'select(.alert) | .alert.lead'
    """
    from scoring.model import load_model
    from scoring.replay import Replay
    from streams.cli.events_files import open_events

    replay, refused = Replay(load_model(find_model(model))), 0
    with ExitStack() as at_end:
        with open_events(file, live=clock is Clock.HAPPENED) as chunks:
            reports = _open_reports(at_end, file, alerts, scores, as_json)
            for chunk, outcome in _outcomes(replay, chunks, clock):
                refused += len(outcome.refusals)
                if stage is not None:
                    outcome.alerts = [alert for alert in outcome.alerts if alert.stage == stage]
                for report in reports:
                    report.take(chunk, outcome)
        for report in reports:
            report.finish(lambda: (score for score in replay.scores() if stage is None or score.stage == stage))
    if strict and refused:
        raise typer.Exit(1)


def _outcomes(
    replay: Replay, chunks: Iterable[list[FileRecord]], clock: Clock
) -> Iterator[tuple[list[FileRecord], Outcome]]:
    """Yield each chunk with what it caused, and what cooled meanwhile, as for a worker."""
    now_ms = 0
    for chunk in chunks:
        outcome, now_ms = replay.take(chunk), chunk[-1].timestamp
        if clock is Clock.HAPPENED:
            outcome.extend(replay.tick(now_ms))
        yield chunk, outcome
    yield [], replay.tick(now_ms)


def _open_reports(
    at_end: ExitStack, file: str, alerts: Path | None, scores: Path | None, as_json: bool | None
) -> list[Report]:
    from streams.cli.replay_reports import FileReport, JsonReport, Summary
    from streams.clock import now_ms

    if alerts is not None and scores is not None and alerts.absolute() == scores.absolute():
        raise SettingsError(f"--scores {scores}: is where --alerts writes too; name another")
    outputs = [
        open_output(at_end, option, path, [file]) for option, path in (("--alerts", alerts), ("--scores", scores))
    ]
    if wants_json(as_json):
        return [FileReport(*outputs), JsonReport(alerts=alerts is None, scores=scores is None)]
    return [FileReport(*outputs), Summary("standard input" if file == "-" else file, now_ms())]
