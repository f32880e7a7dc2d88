"""Alerts and scores in a scenario file's own form: as it expects them, as they are found, and as it is written.

What is expected and what is found become the same plain data, so that they can be compared with ``==``, and what is
found can be pasted into the file.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from scoring.account_records import AccountLine, AccountScore
from scoring.alerts import Alert, Origin
from scoring.customer_records import CustomerValue
from scoring.scenario_sections import AccountForm, AlertForm, ScoreForm, SignalForm
from scoring.scenario_times import NEVER, is_offset, show_moment, show_offset
from scoring.score_records import LeadScore
from scoring.signal_records import BuyingSignal

PLACES: Final = 2
"""Decimals to which points are written and compared."""

Form = dict[str, Any]
"""An alert or a score as a scenario file writes it: plain data, times as offsets."""

_DEFAULTS: Final[Form] = {
    **dict.fromkeys(("phase", "cause", "stage", "account", "first_touch", "last_touch"), ""),
    **dict.fromkeys(("cools", "held_until"), NEVER),
    **dict.fromkeys(("coverage", "fit")),
    **dict.fromkeys(("company", "name", "owner"), ""),
    "fit_level": "unknown",
    "contact": {},
    "unknown": [],
    "people": [],
    "evidence": [],
    "negative": False,
    "without_contact": False,
    "customer": False,
}
"""What an alert need not say."""


def alert_form(alert: Alert, start_ms: int) -> Form:
    """Return an alert as a scenario file writes it, without its ids, its model and what is as it is by default.

    >>> cooled = Alert(
    ...     id="", kind="cooled", lead="user:7", band="warm", from_band="hot", time_ms=3_600_000, score=47.266,
    ...     ledger=[], model="1", phase="decision",
    ... )
    >>> write_flow(alert_form(cooled, 0))
    '{kind: cooled, lead: "user:7", band: warm, from_band: hot, at: 1h, score: 47.27, ledger: {}, phase: decision}'
    """
    ledger: dict[str, float] = {}
    for line in alert.ledger:
        ledger[f"{line.rule} ({line.kind})" if line.rule in ledger else line.rule] = _points(line.points)
    return _without_defaults(
        {
            "kind": alert.kind,
            "lead": alert.lead,
            "band": alert.band,
            "from_band": alert.from_band,
            "at": show_offset(alert.time_ms - start_ms),
            "score": _points(alert.score),
            "ledger": ledger,
            "phase": alert.phase,
            "cause": "" if alert.cause is None else alert.cause.id,
            "cools": show_moment(alert.cools_at_ms, start_ms),
            "held_until": show_moment(alert.held_until_ms, start_ms),
            "stage": alert.stage,
            "account": alert.account,
            "contact": dict(alert.contact),
            "first_touch": _touch(alert.first_touch),
            "last_touch": _touch(alert.last_touch),
            "unknown": list(alert.unknown),
            "coverage": None if alert.coverage is None else _points(alert.coverage),
            "fit": None if alert.fit is None else _points(alert.fit),
            "fit_level": alert.fit_level or "unknown",
            "company": alert.company,
            "customer": alert.customer,
        }
    )


def signal_form(signal: BuyingSignal, start_ms: int) -> Form:
    """Return a buying signal as a scenario file writes it, without its id, its model and its sentence."""
    return _without_defaults(
        {
            "signal": signal.signal,
            "account": signal.account,
            "at": show_offset(signal.time_ms - start_ms),
            "people": [person.lead for person in signal.people],
            "evidence": [
                " ".join(filter(None, (show_offset(each.time_ms - start_ms), each.what, each.lead, each.subject)))
                for each in signal.evidence
            ],
            "negative": signal.polarity == "negative",
            "without_contact": signal.without_contact,
            "score": _points(signal.score),
            "band": signal.band,
            "fit": None if signal.fit is None else _points(signal.fit),
            "fit_level": signal.fit_level,
            "name": signal.name,
            "owner": signal.owner,
        }
    )


def account_form(account: AccountScore, start_ms: int) -> Form:
    """Return a published account as a scenario file writes it, with every field."""
    return {
        "score": _points(account.score),
        "band": account.band,
        "at": show_offset(account.at_ms - start_ms),
        "fit": None if account.fit is None else _points(account.fit),
        "level": account.level,
        "profile": account.profile,
        "coverage": _points(account.coverage),
        "reason": account.reason,
        "name": account.name,
        "owner": account.owner,
        "people": account.people,
        "contacts": [contact.lead for contact in account.contacts],
        "ledger": _sums(account.ledger),
        "cools": show_moment(account.cools_at_ms, start_ms),
        **_customer_form(account.customer, start_ms),
    }


def _customer_form(customer: CustomerValue | None, start_ms: int) -> Form:
    """Return what an account is worth as a customer; the segments are those that it has been in, the latest last."""
    if customer is None:
        return {"segment": "", "value": None, "why": "", "segments": []}
    return {
        "segment": customer.segment,
        "value": None if customer.value is None else _points(customer.value),
        "why": customer.why,
        "segments": [f"{show_offset(each.at_ms - start_ms)} {each.segment}" for each in customer.history],
    }


def _sums(ledger: list[AccountLine]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for line in ledger:
        sums[line.name] = _points(sums.get(line.name, 0.0) + line.points)
    return sums


def score_form(score: LeadScore, start_ms: int) -> Form:
    """Return a published score as a scenario file writes it, with every field."""
    return {
        "score": _points(score.score),
        "band": score.band,
        "at": show_offset(score.at_ms - start_ms),
        "rules": {line.rule: _points(line.points) for line in score.rules},
        "traits": {line.trait: _points(line.points) for line in score.traits},
        "channels": {name: _points(ceiling) for name, ceiling in score.channels.items()},
        "inactive_from": show_moment(score.inactive_from_ms, start_ms),
        "inactive_points": _points(score.inactive_points),
        "cools": show_moment(score.cools_at_ms, start_ms),
        "held_until": show_moment(score.held_until_ms, start_ms),
        "stage": score.stage,
        "phase": score.phase,
        "account": score.account,
        "company": score.company,
        "fit": None if score.fit is None else _points(score.fit),
        "fit_level": score.fit_level,
        "held_back": score.held_back,
        "contact": dict(score.contact),
    }


def expected_alert(form: AlertForm) -> Form:
    """Return what is expected in the very form in which :func:`alert_form` gives what is found."""
    given = form.model_dump()
    return _without_defaults(
        given
        | {
            "at": show_offset(form.at),
            "score": _points(form.score),
            "ledger": {name: _points(points) for name, points in form.ledger.items()},
            "cools": show_moment(form.cools, 0),
            "held_until": show_moment(form.held_until, 0),
            "first_touch": " ".join(form.first_touch.split()),
            "last_touch": " ".join(form.last_touch.split()),
            "unknown": list(form.unknown),
            "coverage": None if form.coverage is None else _points(form.coverage),
            "fit": None if form.fit is None else _points(form.fit),
        }
    )


def expected_signal(form: SignalForm) -> Form:
    """Return what is expected in the very form in which :func:`signal_form` gives what is found."""
    return _without_defaults(
        form.model_dump()
        | {
            "at": show_offset(form.at),
            "people": list(form.people),
            "evidence": list(form.evidence),
            "score": _points(form.score),
            "fit": None if form.fit is None else _points(form.fit),
        }
    )


def expected_record(form: ScoreForm | AccountForm) -> Form:
    """Return what is expected of a lead or an account, in the form of what is found; only what the file gives."""
    expected: Form = {}
    for name, value in form.model_dump(include=set(form.model_fields_set)).items():
        if name in {"at", "inactive_from", "cools", "held_until"}:
            expected[name] = show_moment(value, 0)
        elif isinstance(value, float):
            expected[name] = _points(value)
        elif name in {"contacts", "segments"}:
            expected[name] = list(value)
        elif name in {"rules", "traits", "channels", "ledger"}:
            expected[name] = {key: _points(points) for key, points in value.items()}
        else:
            expected[name] = value
    return expected


def _points(points: float) -> float:
    return round(points, PLACES) + 0.0  # never −0


def _touch(touch: Origin | None) -> str:
    """Write a touch as ``google / cpc / spring / /pricing``, with _ for what is not known; none as ""."""
    if touch is None:
        return ""
    return " / ".join(text or "_" for text in (touch.source, touch.medium, touch.campaign, touch.page))


def _without_defaults(form: Form) -> Form:
    return {name: value for name, value in form.items() if name not in _DEFAULTS or value != _DEFAULTS[name]}


# ── as text ──────────────────────────────────────────────────────────────────────────────────────────────────

_PLAIN: Final = re.compile(r"[A-Za-z/_](?:[\w ./@+-]*[\w./@+-])?", re.ASCII)
_NOT_PLAIN: Final = re.compile(r"~|null|true|false", re.IGNORECASE)


def write_flow(value: object) -> str:
    """Write plain data on one line, as a scenario file may hold it.

    >>> write_flow({"lead": "email:ann@acme.com", "at": "1d 2h", "score": 50.0, "unknown": ["true"]})
    '{lead: "email:ann@acme.com", at: 1d 2h, score: 50, unknown: ["true"]}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_flow(str(key))}: {write_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(write_flow, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.15g}"
    text = str(value)
    plain = _PLAIN.fullmatch(text) and not _NOT_PLAIN.fullmatch(text)
    return text if plain or is_offset(text) else msgspec.json.encode(text).decode()


def write_alerts(alerts: list[Form], width: int = 116) -> str:
    """Write the alerts of a scenario as its ``alerts:``, indented as in the file; long lines are broken.

    >>> print(write_alerts([{"kind": "cooled", "at": "14d", "ledger": {"demo": 44.89}}], width=40))
        alerts:
          - {kind: cooled, at: 14d,
             ledger: {demo: 44.89}}
    """
    if not alerts:
        return "    alerts: []"
    lines = ["    alerts:"]
    for form in alerts:
        items = [f"{name}: {write_flow(value)}" for name, value in form.items()]
        line = "      - {" + items[0]
        for item in items[1:]:
            line += ","
            if len(line) + len(item) + 2 > width:
                lines.append(line)
                line = "        "
            line += " " + item
        lines.append(line + "}")
    return "\n".join(lines)
