"""A record as one line for a person, by what its topic holds; and any record as one JSON object."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from rich.text import Text

from scoring.alerts import Alert, LedgerLine
from scoring.errors import EventError
from scoring.events import Event
from scoring.leads import LeadScore, LeadState, ScoreLine, decode_state
from streams.cli.output import printable, show_band, show_lead, show_points, show_time
from streams.dead_letters import decode_dead_letter
from streams.runtime.journal import MEMO_KEY, META_KEY, decode_entry
from streams.topics import (
    DEAD_LETTERS,
    EMAIL_EVENTS,
    HOT_LEADS,
    JOURNAL,
    LEAD_SCORES,
    LEADS_CHANGELOG,
    WEB_EVENTS,
    Topic,
)

_RULES_SHOWN: Final = 3
_PROPERTIES_SHOWN: Final = ("name", "path", "form", "asset", "webinar", "link", "subject", "kind", "seconds")

_decode_event = msgspec.json.Decoder(Event).decode
_decode_score = msgspec.json.Decoder(LeadScore).decode
_decode_alert = msgspec.json.Decoder(Alert).decode

_UNREADABLE: Final = (msgspec.DecodeError, EventError, UnicodeDecodeError, RecursionError)


def describe_record(topic: Topic, record: Any, now_ms: int) -> Text:
    """Return a record of ``topic`` in words."""
    if record.value is None:
        return Text.assemble(_time(record.timestamp, now_ms), _text_of(record.key), " is gone")
    try:
        return _DESCRIBE[topic](record, now_ms)
    except _UNREADABLE as error:
        shown = printable(record.value[:200].decode(errors="replace"))
        return Text.assemble(
            _time(record.timestamp, now_ms), (f"no {topic.value} (", "red"), printable(str(error)), f"): {shown}"
        )


def describe_alert(alert: Alert, now_ms: int) -> Text:
    """Return an alert in words: who, how much, of what, why, and until when."""
    entered = alert.kind == "entered"
    line = Text(_time(alert.time_ms, now_ms))
    if entered:
        line.append(show_band(alert.band.upper()).plain, show_band(alert.band).style)
    else:
        line.append(f"cooled to {printable(alert.band)}", "cyan")
    line.append(f" {show_lead(alert.lead)}", "bold")
    line.append(f" {alert.score:.1f} points{_reasons(alert.ledger)}")
    if alert.cause is not None:
        line.append(f" because {printable(alert.cause.type)} {printable(alert.cause.id)}")
    elif not entered:
        line.append(f" because time passed; was {printable(alert.from_band)}")
    if entered:
        cools = "never cools" if alert.cools_at_ms is None else f"cools {show_time(alert.cools_at_ms, now_ms)}"
        line.append(f", {cools}", "dim")
    return line


def describe_score(score: LeadScore, now_ms: int) -> Text:
    """Return a published score in words."""
    line = Text.assemble(_time(score.at_ms, now_ms), (show_lead(score.lead), "bold"), f" {score.score:.1f} points, ")
    return line.append_text(show_band(score.band)).append(_reasons(score.rules))


def record_as_json(topic: Topic, record: Any) -> dict[str, object]:
    """Return a record with its place: what is no JSON is in base64, under ``key_base64`` or ``value_base64``."""
    shown: dict[str, object] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp,
    }
    try:
        shown["key"] = None if record.key is None else record.key.decode()
    except UnicodeDecodeError:
        shown["key_base64"] = base64.b64encode(record.key).decode("ascii")
    try:
        shown["value"] = None if record.value is None else _value_as_json(topic, record)
    except _UNREADABLE:
        shown["value_base64"] = base64.b64encode(record.value).decode("ascii")
    return shown


def _value_as_json(topic: Topic, record: Any) -> object:
    if topic is LEADS_CHANGELOG and record.key not in (META_KEY, MEMO_KEY):
        return msgspec.structs.asdict(decode_state(record.value))
    return msgspec.json.decode(record.value)


def _describe_event(record: Any, now_ms: int) -> Text:
    event = _decode_event(record.value)
    time = _time(event.time, now_ms) if isinstance(event.time, int) else f"{printable(event.time, 40)} "
    try:
        lead = event.lead_id
    except EventError:
        lead = "nobody"
    known = {name: event.properties[name] for name in _PROPERTIES_SHOWN if event.properties.get(name) is not None}
    properties = "".join(f" {name}={printable(str(value), 60)}" for name, value in known.items())
    return Text.assemble(
        time, (printable(event.type), "cyan"), (f" {show_lead(lead)}", "bold"), properties, _dim(printable(event.id))
    )


def _describe_letter(record: Any, now_ms: int) -> Text:
    letter = decode_dead_letter(record.value)
    where = letter.topic if letter.offset < 0 else f"{letter.topic}[{letter.partition}]@{letter.offset}"
    return Text.assemble(
        _time(letter.at, now_ms),
        (printable(letter.reason), "red"),
        f" {printable(letter.field)}: " if letter.field else " ",
        printable(letter.message, 400),
        _dim(f"from {printable(where, 300)}"),
    )


def _describe_entry(record: Any, now_ms: int) -> Text:
    entry = decode_entry(record.value)
    chunks = ", ".join(f"{printable(chunk.topic)} {chunk.start} to {chunk.end - 1}" for chunk in entry.chunks)
    return Text.assemble(
        _time(record.timestamp, now_ms),
        (f"shard {record.partition} transaction {entry.number}", "cyan"),
        f" took {chunks}",
        _dim(f"model {printable(entry.model)}"),
    )


def _describe_state(record: Any, now_ms: int) -> Text:
    time = _time(record.timestamp, now_ms)
    if record.key in (META_KEY, MEMO_KEY):
        what = "continues at" if record.key == META_KEY else "numbers its rules"
        shown = printable(record.value.decode(errors="replace"), 300)
        return Text.assemble(time, (f"shard {record.partition}", "cyan"), f" {what} {shown}")
    state: LeadState = decode_state(record.value)
    return Text.assemble(
        time,
        (show_lead(_text_of(record.key)), "bold"),
        f" band {state.band}, last event {show_time(state.last, now_ms)}",
    )


_DESCRIBE: Final[dict[Topic, Callable[[Any, int], Text]]] = {
    WEB_EVENTS: _describe_event,
    EMAIL_EVENTS: _describe_event,
    LEAD_SCORES: lambda record, now_ms: describe_score(_decode_score(record.value), now_ms),
    HOT_LEADS: lambda record, now_ms: describe_alert(_decode_alert(record.value), now_ms),
    DEAD_LETTERS: _describe_letter,
    JOURNAL: _describe_entry,
    LEADS_CHANGELOG: _describe_state,
}


def describe_score_reasons(score: LeadScore) -> str:
    """Return the largest contributions to a score, for example ``+50 demo request, +20 pricing page, …``."""
    return _reasons(score.rules).removeprefix(" (").removesuffix(")")


def _reasons(lines: Sequence[LedgerLine] | Sequence[ScoreLine]) -> str:
    """Return the largest contributions, for example ``(+50 demo request, +20 pricing page ×2.0, …)``."""
    counted: Iterable[LedgerLine | ScoreLine] = (line for line in lines if round(line.points, 1))
    largest = sorted(counted, key=lambda line: -abs(line.points))
    words = [_reason(line) for line in largest[:_RULES_SHOWN]] + ["…"] * (len(largest) > _RULES_SHOWN)
    return f" ({', '.join(words)})" if words else ""


def _reason(line: LedgerLine | ScoreLine) -> str:
    count = line.count if isinstance(line, LedgerLine) else 0.0
    times = f" ×{count:.1f}" if round(count, 1) > 1 else ""
    return f"{show_points(line.points)} {printable(line.rule.replace('_', ' '))}{times}"


def _time(time_ms: int, now_ms: int) -> str:
    return f"{show_time(time_ms, now_ms)} "


def _dim(text: str) -> tuple[str, str]:
    return f"  {text}", "dim"


def _text_of(key: bytes | None) -> str:
    return "a record without key" if key is None else printable(key.decode(errors="replace"), 255)
