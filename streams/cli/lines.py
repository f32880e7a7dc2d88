"""A record in words for a person, by what its topic holds; and any record as one JSON object."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

import msgspec
from rich.text import Text

from scoring.account_records import AccountScore
from scoring.account_state import AccountState, decode_account, is_account
from scoring.account_updates import AccountUpdate
from scoring.adoption import Adoption
from scoring.alerts import Alert
from scoring.customer_records import CustomerValue
from scoring.errors import EventError
from scoring.events import Event
from scoring.follow_ups import FollowUp
from scoring.lead_state import LeadState, decode_state
from scoring.pointers import decode_pointer, is_pointer
from scoring.routed import Absorb, Check, Conflict, FollowedUp, Forward, Link, Reply, Tell, Unlink, decode_message
from scoring.score_records import LeadScore, LeadSnapshot
from scoring.signal_records import BuyingSignal
from streams.cli.alert_lines import describe_call, show_score_reasons
from streams.cli.output import printable, show_account, show_band, show_lead, show_points, show_time
from streams.dead_letters import decode_dead_letter
from streams.model_comparison import Comparison
from streams.published_models import Publication
from streams.runtime.journal import MEMO_KEY, META_KEY, Adopt, ChunkRange, Forgotten, Step, Tick, decode_entry
from streams.topics import (
    ACCOUNT_SCORES,
    ACCOUNT_UPDATES,
    BUYING_SIGNALS,
    CHANGELOG,
    CUSTOMER_VALUES,
    DEAD_LETTERS,
    EMAIL_EVENTS,
    FOLLOW_UPS,
    HOT_LEADS,
    IDENTITY_CONFLICTS,
    JOURNAL,
    LEAD_HISTORY,
    LEAD_SCORES,
    MODEL_COMPARISONS,
    MODEL_REPORTS,
    MODELS,
    ROUTED,
    WEB_EVENTS,
    Topic,
)

_PROPERTIES_SHOWN: Final = ("name", "path", "form", "asset", "webinar", "link", "subject", "kind", "seconds")

_decode_event = msgspec.json.Decoder(Event).decode
_decode_score = msgspec.json.Decoder(LeadScore).decode
_decode_snapshot = msgspec.json.Decoder(LeadSnapshot).decode
_decode_report = msgspec.json.Decoder(Adoption).decode
_decode_publication = msgspec.json.Decoder(Publication).decode
_decode_comparison = msgspec.json.Decoder(Comparison).decode
_decode_alert = msgspec.json.Decoder(Alert).decode
_decode_update = msgspec.json.Decoder(AccountUpdate).decode
_decode_follow_up = msgspec.json.Decoder(FollowUp).decode
_decode_account_score = msgspec.json.Decoder(AccountScore).decode
_decode_customer = msgspec.json.Decoder(CustomerValue).decode
_decode_signal = msgspec.json.Decoder(BuyingSignal).decode
_decode_conflict = msgspec.json.Decoder(Conflict).decode

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


def describe_score(score: LeadScore, now_ms: int) -> Text:
    """Return a published score in words."""
    if score.merged_into:
        return Text.assemble((show_lead(score.lead), "bold"), f" has turned out to be {show_lead(score.merged_into)}")
    line = Text.assemble(_time(score.at_ms, now_ms), (show_lead(score.lead), "bold"), f" {score.score:.1f} points, ")
    line.append_text(show_band(score.band))
    if score.stage:
        line.append(f", {printable(score.stage)}")
    reasons = show_score_reasons(score)
    return line.append(f" ({reasons})" if reasons else "")


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
    if topic is CHANGELOG and record.key not in (META_KEY, MEMO_KEY):
        if is_pointer(record.value):
            return msgspec.structs.asdict(decode_pointer(record.value))
        decode = decode_account if is_account(record.key or b"") else decode_state
        return msgspec.structs.asdict(decode(record.value))
    if topic is ROUTED:
        message = decode_message(record.value)
        return {"message": type(message).__name__.lower(), **msgspec.structs.asdict(message)}
    return msgspec.json.decode(record.value)


def _describe_event(record: Any, now_ms: int) -> Text:
    event = _decode_event(record.value)
    try:
        lead = event.lead_id
    except EventError:
        lead = "nobody"
    known = {name: event.properties[name] for name in _PROPERTIES_SHOWN if event.properties.get(name) is not None}
    properties = "".join(f" {name}={printable(str(value), 60)}" for name, value in known.items())
    return Text.assemble(
        _event_time(event.time, now_ms),
        (printable(event.type), "cyan"),
        (f" {show_lead(lead)}", "bold"),
        properties,
        _dim(printable(event.id)),
    )


def _describe_update(record: Any, now_ms: int) -> Text:
    update = _decode_update(record.value)
    told = "".join(
        f" {printable(name)}={printable('unknown' if value is None else str(value), 60)}"
        for name, value in ((update.facts or {}) | (update.properties or {})).items()
    )
    return Text.assemble(
        _event_time(update.time, now_ms),
        (printable(update.type), "cyan"),
        (f" {printable(update.key or 'no account', 255)}", "bold"),
        told,
        _dim(printable(update.id)),
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
    steps = ", ".join(_describe_step(step, now_ms) for step in entry.steps)
    return Text.assemble(
        _time(record.timestamp, now_ms),
        (f"shard {record.partition} transaction {entry.number}", "cyan"),
        f" {steps}",
        _dim(f"model {printable(entry.model)}"),
    )


def _describe_step(step: Step, now_ms: int) -> str:
    if isinstance(step, ChunkRange):
        return f"took {printable(step.topic)} {step.start} to {step.end - 1}"
    if isinstance(step, Tick):
        return f"cooled what was due by {show_time(step.clock_ms, now_ms)}"
    if isinstance(step, Adopt):
        return f"went over to model {step.number}"
    if isinstance(step, Forgotten):
        return f"forgot {len(step.keys):,} silent ones"
    return f"brought leads up to {printable(step.to, 255)} under the model"


def _describe_account(record: Any, now_ms: int) -> Text:
    account = _decode_account_score(record.value)
    name = (show_account(account.account), "bold")
    if account.merged_into:
        return Text.assemble(name, f" has turned out to be {show_account(account.merged_into)}")
    fit = "fit unknown" if account.fit is None else f"fit {account.fit:.1f} ({printable(account.level)})"
    line = Text.assemble(_time(account.at_ms, now_ms), name, f" {account.score:.1f} points, ")
    line.append_text(show_band(account.band))
    return line.append(f", {fit}, {account.people} people")


def _describe_customer(record: Any, now_ms: int) -> Text:
    customer = _decode_customer(record.value)
    value = "value unknown" if customer.value is None else f"value {customer.value:.2f} of {customer.value_max:g}"
    return Text.assemble(
        _time(customer.at_ms, now_ms),
        (show_account(customer.account), "bold"),
        f" {printable(customer.segment)}, {value}",
        f" ({printable(customer.why, 200)})" if customer.why else "",
    )


def _describe_signal(record: Any, now_ms: int) -> Text:
    signal = _decode_signal(record.value)
    return Text.assemble(
        _time(signal.time_ms, now_ms),
        (printable(signal.signal), "cyan" if signal.polarity == "positive" else "red"),
        (f" {show_account(signal.account)}", "bold"),
        f" {printable(signal.summary, 300)}",
        " (nobody there is known)" if signal.without_contact else "",
    )


def _describe_snapshot(record: Any, now_ms: int) -> Text:
    snapshot = _decode_snapshot(record.value)
    was = f" after {printable(snapshot.from_band)}" if snapshot.from_band else ""
    largest_first = sorted(snapshot.rules.items(), key=lambda line: -abs(line[1]))
    reasons = ", ".join(f"{points:+g} {printable(name.replace('_', ' '))}" for name, points in largest_first)
    who = (show_lead(snapshot.lead), "bold")
    line = Text.assemble(_time(snapshot.at_ms, now_ms), who, f" {snapshot.score:.1f} points, ")
    return line.append_text(show_band(snapshot.band)).append(was).append(f" ({reasons})" if reasons else "")


def _describe_message(record: Any, now_ms: int) -> Text:
    message = decode_message(record.value)
    match message:
        case Forward():
            what = f"takes the event at {printable(message.topic)}[{message.partition}]@{message.offset}"
        case Link():
            what = f"is {show_lead(message.lead)}"
        case Absorb():
            what = f"is {show_lead(message.weak)} too" + (", with what that was worth" if message.state else "")
        case Check():
            what = f"should be {show_lead(message.lead)}"
        case Unlink():
            what = f"is no longer known as {show_lead(message.weak)}"
        case Tell():
            what = f"{'loses' if message.is_gone else 'has'} {show_lead(message.contact.lead)}"
        case FollowedUp():
            what = "is told what sales did"
        case Reply():
            what = f"is at {show_account(message.account)}"
    return Text.assemble(_time(record.timestamp, now_ms), (show_lead(message.to), "bold"), f" {what}")


def _describe_conflict(record: Any, now_ms: int) -> Text:
    conflict = _decode_conflict(record.value)
    return Text.assemble(
        _time(conflict.cause.time_ms, now_ms),
        (show_lead(conflict.identity), "bold"),
        f" is {show_lead(conflict.lead)}, and was seen with {show_lead(conflict.other)} too",
        _dim(f"event {printable(conflict.cause.id)}"),
    )


def _describe_follow_up(record: Any, now_ms: int) -> Text:
    follow_up = _decode_follow_up(record.value)
    points = "" if follow_up.points is None else f" by {show_points(follow_up.points)}"
    line = Text.assemble(
        _event_time(follow_up.time, now_ms),
        (show_lead(follow_up.lead), "bold"),
        f" {printable(follow_up.action)}{points}",
    )
    if follow_up.reason:
        line.append(f": {printable(follow_up.reason.replace('_', ' '))}")
    if follow_up.by:
        line.append(f", by {printable(follow_up.by)}")
    return line.append(*_dim(printable(follow_up.id)))


def _describe_publication(record: Any, now_ms: int) -> Text:
    made = _decode_publication(record.value)
    how = f"rolled back to {made.of}" if made.of else made.kind
    line = Text.assemble(
        _time(made.at_ms, now_ms), (f"model {made.number}", "cyan"), f" {printable(made.version)}, {how}"
    )
    line.append(f" by {printable(made.by)}{f': {printable(made.why)}' if made.why else ''}")
    return line


def _describe_comparison(record: Any, now_ms: int) -> Text:
    found = _decode_comparison(record.value)
    in_use, candidate = map(printable, found.models)
    moved = sum(move.leads for move in found.moves)
    text = f" beside {in_use}: {moved:,} of {found.leads:,} leads would be in another band"
    return Text.assemble(_time(found.at_ms, now_ms), (candidate, "cyan"), text)


def _describe_report(record: Any, now_ms: int) -> Text:
    report = _decode_report(record.value)
    moves = ", ".join(
        f"{move.leads:,} from {printable(move.from_band)} to {printable(move.to_band)}" for move in report.moves
    )
    line = Text.assemble(
        _time(record.timestamp, now_ms),
        (f"model {printable(report.model)}", "cyan"),
        f" on {report.leads:,} leads: {moves or 'all are in the bands where they were'}",
    )
    if report.from_now_on:
        line.append(f"; from now on: {', '.join(printable(what) for what in report.from_now_on)}")
    return line


def _describe_state(record: Any, now_ms: int) -> Text:
    time = _time(record.timestamp, now_ms)
    if record.key in (META_KEY, MEMO_KEY):
        what = "continues at" if record.key == META_KEY else "numbers its rules"
        shown = printable(record.value.decode(errors="replace"), 300)
        return Text.assemble(time, (f"shard {record.partition}", "cyan"), f" {what} {shown}")
    if is_pointer(record.value):
        into = show_lead(decode_pointer(record.value).target)
        return Text.assemble(time, (show_lead(_text_of(record.key)), "bold"), f" is {into}")
    if is_account(record.key or b""):
        account: AccountState = decode_account(record.value)
        who = (show_account(_text_of(record.key)), "bold")
        return Text.assemble(time, who, f" band {account.band}, {len(account.contacts)} people")
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
    LEAD_HISTORY: _describe_snapshot,
    ROUTED: _describe_message,
    IDENTITY_CONFLICTS: _describe_conflict,
    ACCOUNT_UPDATES: _describe_update,
    FOLLOW_UPS: _describe_follow_up,
    ACCOUNT_SCORES: _describe_account,
    CUSTOMER_VALUES: _describe_customer,
    BUYING_SIGNALS: _describe_signal,
    HOT_LEADS: lambda record, now_ms: describe_call(_decode_alert(record.value), now_ms),
    DEAD_LETTERS: _describe_letter,
    MODELS: _describe_publication,
    MODEL_COMPARISONS: _describe_comparison,
    MODEL_REPORTS: _describe_report,
    JOURNAL: _describe_entry,
    CHANGELOG: _describe_state,
}


def _time(time_ms: int, now_ms: int) -> str:
    return f"{show_time(time_ms, now_ms)} "


def _event_time(time: int | str, now_ms: int) -> str:
    return _time(time, now_ms) if isinstance(time, int) else f"{printable(time, 40)} "


def _dim(text: str) -> tuple[str, str]:
    return f"  {text}", "dim"


def _text_of(key: bytes | None) -> str:
    return "a record without key" if key is None else printable(key.decode(errors="replace"), 255)
