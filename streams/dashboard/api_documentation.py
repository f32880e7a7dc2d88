"""What ``/docs`` shows of the query API: summaries, examples and answers, from the structs that are answered with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from fastapi import Depends

from scoring.account_updates import AccountUpdate
from scoring.follow_ups import REJECTIONS, FollowUp
from scoring.signal_records import BuyingSignal
from streams.dashboard.actions import OFFERED, FollowUpAsked, RatingAsked
from streams.dashboard.deck import Deck
from streams.dashboard.rows import AccountRow, AccountView, LeadRow, LeadView
from streams.dead_letters import DeadLetter

_STRUCTS: Final = (
    LeadRow,
    LeadView,
    AccountRow,
    AccountView,
    Deck,
    BuyingSignal,
    FollowUp,
    DeadLetter,
    FollowUpAsked,
    AccountUpdate,
    RatingAsked,
)
_REFS, SCHEMAS = msgspec.json.schema_components(_STRUCTS, ref_template="#/components/schemas/{name}")
"""``SCHEMAS`` are the components to which the routes refer."""

SECURITY_SCHEMES: Final = {
    "API key": {"type": "http", "scheme": "bearer", "description": "A key of LEADHEAT_API_KEYS with the role needed."}
}


def depends(ask: Callable[..., Any]) -> Any:
    """Return a parameter that gathers others into one question."""
    return Depends(ask)


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _array(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(name)}


_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A parameter is wrong; the error names it."},
    401: {"description": "A key is needed."},
    403: {"description": "The key's role is not enough."},
    503: {"description": "Redis or Kafka is away; try again after `Retry-After` seconds."},
}
_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "number"}


def _route(summary: str, description: str, answer: dict[str, Any], status: int = 200, **more: Any) -> dict[str, Any]:
    security: dict[str, Any] = {"security": [{name: []} for name in SECURITY_SCHEMES] + [{}]}
    responses: dict[int | str, dict[str, Any]] = {status: answer, **_ERRORS}
    return {
        "summary": summary,
        "description": description,
        "status_code": status,
        "responses": responses,
        "openapi_extra": security | more,
        "response_model": None,
    }


def _list(name: str, struct: str) -> dict[str, Any]:
    nullable = {"type": ["string", "null"]}
    return _object(**{name: _array(struct)}, total=_NUMBER, next=nullable, is_cut={"type": "boolean"}, now_ms=_NUMBER)


_LISTS: Final = (
    "Filters are by exact value, in any case of letters; `q` finds words that begin so. Give `next` as `cursor` for "
    "the next page; it is null on the last. `since` is when something was last heard of: `24h`, `7d` or a time.\n\n"
    "Scores are exact as of `now_ms`. The order follows them, but for rows whose scores differ by less than 0.1 %, "
    "since scores fade all the time. A filter's answer may be a second old, one that holds thousands of rows 15."
)

LEADS: Final = _route("Leads by filter and order", _LISTS, _answer("A page.", _list("leads", "LeadRow")))
ACCOUNTS: Final = _route("Accounts by filter and order", _LISTS, _answer("A page.", _list("accounts", "AccountRow")))
_CSV: Final = {"description": "All of them.", "content": {"text/csv": {"schema": _TEXT}}}
_CSV_TEXT: Final = (
    "The whole answer, not a page. What a spreadsheet would take for a formula begins with an apostrophe."
)
LEADS_CSV: Final = _route("Leads as CSV", _CSV_TEXT, _CSV)
ACCOUNTS_CSV: Final = _route("Accounts as CSV", _CSV_TEXT, _CSV)
LEAD: Final = _route(
    "One lead, explained",
    "By e-mail address, `user:…` or `anon:…`; also by an id that turned out to be somebody else's.",
    _answer("The lead as of now: every line of its score, how it goes on, and what happened.", _ref("LeadView")),
)
ACCOUNT: Final = _route("One account", "By domain or key.", _answer("The account.", _ref("AccountView")))
HISTORY: Final = _route(
    "A lead's score, before and ahead",
    "`past` and `ahead` are pairs of time (ms) and points; `history` holds the reasons that were kept.",
    _answer(
        "The score.", _object(lead=_TEXT, past={"type": "array"}, ahead={"type": "array"}, history={"type": "array"})
    ),
)
ALERTS: Final = _route(
    "A lead's alerts", "The latest first, each with its ledger.", _answer("Alerts.", _object(lead=_TEXT))
)
SIGNALS: Final = _route(
    "An account's buying signals",
    "The latest first, each with its evidence.",
    _answer("Signals.", _object(account=_TEXT, signals=_array("BuyingSignal"))),
)
FOLLOW_UP: Final = _route(
    "Say what was done about a lead",
    f"Actions: {', '.join(OFFERED)} and others of follow-ups. A rejection needs a reason: {', '.join(REJECTIONS)}. "
    "Needs the role admin; who did it is the key's name, or the person who has signed in.",
    _answer("Kafka has it.", _ref("FollowUp")),
    202,
    requestBody={"required": True, "content": {"application/json": {"schema": _ref("FollowUpAsked")}}},
)
RATING: Final = _route(
    "Say what a customer is worth",
    "By criterion of the model's section customers the answer, null to take one back. Workers combine it with what "
    "they know by themselves. Needs the role admin; who said so is the key's name, or the person who has signed in.",
    _answer("Kafka has it.", _ref("AccountUpdate")),
    202,
    requestBody={"required": True, "content": {"application/json": {"schema": _ref("RatingAsked")}}},
)
NOW: Final = _route(
    "Whom to call first",
    "The overdue, those who asked for a call, then by score × fit / 10, where an unknown fit counts as 5.",
    _answer("The deck.", _ref("Deck")),
)
LIVE: Final = _route(
    "What happens, as Server-Sent Events",
    "Events: `alert`, `cooled`, `band`, `signal`, `account`, `follow-up`, each with an id; `changed` says that "
    "more moved. Send the last id as `Last-Event-ID` to go on after it; `reset` says that too much was missed.",
    {"description": "The stream.", "content": {"text/event-stream": {"schema": _TEXT}}},
)
HEALTH: Final = _route(
    "How far everybody is", "Records that lie ahead of workers and projector.", _answer("Health.", {"type": "object"})
)
LETTERS: Final = _route(
    "Open dead letters",
    "The latest first. Needs the role admin: they hold originals.",
    _answer("Letters.", _object(dead_letters=_array("DeadLetter"), total=_NUMBER)),
)
SETTLE: Final = _route(
    "Replay or drop a dead letter",
    "Replaying writes the original to the topic that it came from. Needs the role admin.",
    _answer("Kafka has it.", _object(id=_TEXT, settled=_TEXT)),
    202,
)
