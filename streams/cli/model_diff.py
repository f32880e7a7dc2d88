"""``leadheat model diff``: what a change to a model changes, in words and on your own history."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streams.cli.model_files import find_model
from streams.cli.output import JsonOption, make_console, make_table, show_band, show_lead, wants_json, write_json

if TYPE_CHECKING:
    from scoring.model import ScoringModel
    from scoring.score_records import LeadScore

LEADS_SHOWN: Final = 20


@dataclass(slots=True)
class Comparison:
    """What two models made of the same events: alerts by kind and band, and the leads whose band differs at the end."""

    events: int = 0
    leads: int = 0
    alerts: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    moved: list[Moved] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Moved:
    """A lead whose band differs at the end: band and score (points) under the one model and the other."""

    lead: str
    bands: tuple[str, str]
    scores: tuple[float, float]


def diff(
    old: Annotated[
        Path, typer.Argument(metavar="OLD", help="The model before the change (YAML); `default` is the one we ship.")
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The model after it; `default` too.")],
    events: Annotated[
        str | None,
        typer.Option(
            metavar="EVENTS", help="Score these events with both: a JSONL file, .gz too; - reads standard input."
        ),
    ] = None,
    as_json: JsonOption = None,
) -> None:
    """Say in words what changes between two models, and with your events, which leads end in another band.

    Before each change stands when it takes effect, once workers run with the new model: at once for all leads
    (points, ceilings, bands), or from now on, with the next events (a new rule, another half-life).

    With --events, both models score these events from the first to the last, as if each had come in when it happened.
    You see how many alerts each raises, and the leads whose band differs at the end.

    In a pipe, one JSON object a line: {"change": …} for each change, {"moved": …} for each such lead, and at the end
    {"events": …} with the alerts of both.

    Examples:
      leadheat model diff default my-model.yaml
      leadheat model diff my-model.yaml changed.yaml --events events.jsonl.gz
      leadheat model diff my-model.yaml changed.yaml --events - --json < events.jsonl | jq -r '.moved.lead // empty'
    """
    from scoring.model_diff import diff_models

    models = _load(old), _load(new)
    changes = diff_models(*models)
    compared = None if events is None else _compare(models, events)
    if wants_json(as_json):
        for change in changes:
            write_json({"change": {"what": change.what, "takes_effect": change.takes_effect}})
        if compared is not None:
            _write(compared)
        return
    console = make_console()
    for change in changes:
        console.print(f"{change.takes_effect:<13}{change.what}")
    if not changes:
        console.print("Nothing changes.")
    if compared is not None:
        _print(compared)


def _load(path: Path) -> ScoringModel:
    from scoring.model import load_model

    return load_model(find_model(path))


def _compare(models: tuple[ScoringModel, ScoringModel], events: str) -> Comparison:
    """Score events with both models up to the time of the last one, as two workers would have, side by side."""
    from scoring.replay import Replay
    from streams.cli.events_files import open_events

    compared, replays = Comparison(), [Replay(model) for model in models]
    with open_events(events) as chunks:
        for chunk in chunks:
            for replay, alerts in zip(replays, compared.alerts, strict=True):
                alerts.update(f"{alert.kind} {_crossed(alert)}" for alert in replay.take(chunk).alerts)
            compared.events += len(chunk)
    end_ms = max((score.at_ms for score in replays[0].scores()), default=0)
    for replay, alerts in zip(replays, compared.alerts, strict=True):
        alerts.update(f"{alert.kind} {_crossed(alert)}" for alert in replay.tick(end_ms).alerts)
    for before, after in zip(replays[0].scores(), replays[1].scores(), strict=True):
        compared.leads += 1
        if before.band != after.band:
            compared.moved.append(_moved(before, after, end_ms))
    compared.moved.sort(key=lambda moved: (-abs(moved.scores[1] - moved.scores[0]), moved.lead))
    return compared


def _crossed(alert: Any) -> str:
    return str(alert.band if alert.kind == "entered" else alert.from_band)


def _moved(before: LeadScore, after: LeadScore, end_ms: int) -> Moved:
    from scoring.score_records import score_later

    return Moved(before.lead, (before.band, after.band), (score_later(before, end_ms), score_later(after, end_ms)))


def _write(compared: Comparison) -> None:
    for moved in compared.moved:
        sides = zip(("before", "after"), moved.bands, moved.scores, strict=True)
        write_json(
            {"moved": {"lead": moved.lead, **{side: {"band": band, "score": score} for side, band, score in sides}}}
        )
    before, after = compared.alerts
    alerts = {"alerts_before": dict(sorted(before.items())), "alerts_after": dict(sorted(after.items()))}
    write_json({"events": {"count": compared.events, "leads": compared.leads, "moved": len(compared.moved), **alerts}})


def _print(compared: Comparison) -> None:
    from rich.text import Text

    console = make_console()
    console.print(
        f"\n{compared.events:,} events, {compared.leads:,} leads: "
        f"{len(compared.moved):,} are in another band at the time of the last event"
    )
    before, after = compared.alerts
    kinds = sorted(before.keys() | after.keys())
    if kinds:
        table = make_table("alerts", "before", "after", right=("before", "after"))
        for kind in kinds:
            table.add_row(kind, f"{before[kind]:,}", f"{after[kind]:,}")
        console.print(table)
    if not compared.moved:
        return
    table = make_table("lead", "points", "band", "", "points now", "band now", right=("points", "points now"))
    for moved in compared.moved[:LEADS_SHOWN]:
        (old_band, new_band), (old, new) = moved.bands, moved.scores
        table.add_row(
            Text(show_lead(moved.lead)), f"{old:.1f}", show_band(old_band), "→", f"{new:.1f}", show_band(new_band)
        )
    console.print()
    console.print(table)
    if len(compared.moved) > LEADS_SHOWN:
        console.print(f"… and {len(compared.moved) - LEADS_SHOWN:,} more; --json lists them all")
