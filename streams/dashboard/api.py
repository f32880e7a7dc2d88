"""The query API: leads and accounts as they are now, what happens, and what is done about it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from scoring.errors import EventError
from scoring.events import parse_time
from streams.dashboard import api_documentation as documentation
from streams.dashboard.actions import (
    FollowUpAsked,
    RatingAsked,
    drop_letter,
    follow_up,
    rate_customer,
    replay_letter,
)
from streams.dashboard.context import Context
from streams.dashboard.deck import make_deck
from streams.dashboard.export import export
from streams.dashboard.lists import Listed, read_list
from streams.dashboard.live import Message, TooMany, is_number
from streams.dashboard.queries import BadQuery, make_query, write_cursor
from streams.dashboard.queries import Query as Question
from streams.dashboard.routes import ApiRoute, encode_json, found, json_answer, json_bytes
from streams.dashboard.rows import AccountView, LeadView, account_row, lead_view
from streams.read_model.entries import account_key_of

BODY_MAX: Final = 16_384
_AGO: Final = re.compile(r"(\d{1,5})([hd])")
_decode_asked = msgspec.json.Decoder(FollowUpAsked).decode
_decode_ratings = msgspec.json.Decoder(RatingAsked).decode
_Text = Annotated[str, Query(max_length=200)]
Asked = TypeVar("Asked")


def api_router(context: Context) -> APIRouter:
    """Return the routes below ``/api``."""
    router = APIRouter(prefix="/api", route_class=ApiRoute)
    for add in (_add_leads, _add_accounts, _add_operations, _add_live):
        add(router, context)
    return router


def _others(context: Context) -> Any:
    """Return the parameter that gathers what every list is asked with, whatever is in it."""

    def others(
        q: _Text = "",
        fit_min: Annotated[float | None, Query(ge=0, le=10)] = None,
        score_min: Annotated[float | None, Query(ge=0)] = None,
        since: _Text = "",
        sort: _Text = "score",
        limit: int = 50,
        cursor: Annotated[str, Query(max_length=1_000)] = "",
    ) -> dict[str, Any]:
        return {
            "text": q,
            "fit_min": fit_min,
            "score_min": score_min,
            "since_ms": read_since(since, context.clock()),
            "sort": sort,
            "limit": limit,
            "cursor": cursor,
        }

    return documentation.depends(others)


def _add_leads(router: APIRouter, context: Context) -> None:
    others = _others(context)

    async def ask(
        band: _Text = "",
        phase: _Text = "",
        stage: _Text = "",
        owner: _Text = "",
        industry: _Text = "",
        account: _Text = "",
        level: _Text = "",
        others: dict[str, Any] = others,
    ) -> Question:
        filters = {"band": band, "phase": phase, "stage": stage, "owner": owner, "industry": industry, "level": level}
        known = await context.store.account(account) if account else None
        account = account_key_of(account.strip()) if known is None else known.account
        return make_query("leads", filters | {"account": account}, **others)

    _add_list(router, context, "leads", ask, documentation.LEADS, documentation.LEADS_CSV)

    @router.get("/leads/{lead:path}/history", tags=["leads"], **documentation.HISTORY)
    async def show_history(request: Request, lead: str) -> Response:
        view = await _view(context, request, lead)
        return json_answer({"lead": view.row.lead, "past": view.past, "ahead": view.ahead, "history": view.history})

    @router.get("/leads/{lead:path}/alerts", tags=["leads"], **documentation.ALERTS)
    async def show_alerts(request: Request, lead: str) -> Response:
        view = await _view(context, request, lead)
        return json_answer({"lead": view.row.lead, "alerts": view.alerts})

    @router.post("/leads/{lead:path}/follow-ups", tags=["leads"], **documentation.FOLLOW_UP)
    async def add_follow_up(request: Request, lead: str) -> Response:
        who = context.require(request, "admin")
        record = found("lead", lead, await context.store.lead(lead))
        asked = await _read_asked(request, _decode_asked)
        done = await follow_up(context.broker, record.lead, asked, who, context.clock())
        return json_answer(done, 202)

    @router.get("/leads/{lead:path}", tags=["leads"], **documentation.LEAD)
    async def show_lead(request: Request, lead: str) -> Response:
        return json_answer(await _view(context, request, lead))


def _add_list(
    router: APIRouter, context: Context, of: str, ask: Callable[..., Any], of_json: Mapping[str, Any], of_csv: Any
) -> None:
    """Offer a list as JSON, page by page, and whole as CSV; ``ask`` gathers what is asked."""
    question = documentation.depends(ask)

    @router.get(f"/{of}", tags=[of], operation_id=f"list_{of}", **of_json)
    async def list_them(request: Request, asked: Question = question) -> Response:
        context.require(request, "read")

        async def answer() -> bytes:
            now_ms = context.clock()
            return _listed(of, await read_list(context.store, asked, now_ms), now_ms)

        return json_bytes(await context.recent.get(asked, answer))

    @router.get(f"/{of}.csv", tags=[of], operation_id=f"export_{of}", **of_csv)
    async def export_them(request: Request, asked: Question = question) -> Response:
        context.require(request, "read")
        return _csv(export(context.store, asked, context.clock()), of)


async def _view(context: Context, request: Request, lead: str) -> LeadView:
    context.require(request, "read")
    record = found("lead", lead, await context.store.lead(lead))
    past = await context.store.past(record.lead)
    own = record.contact.get("owner")
    owners = {} if own else await context.store.owners([record.account])
    return lead_view(record, past, context.clock(), owners.get(record.account, ""))


def _add_accounts(router: APIRouter, context: Context) -> None:
    others = _others(context)

    def ask(
        band: _Text = "",
        level: _Text = "",
        profile: _Text = "",
        industry: _Text = "",
        owner: _Text = "",
        country: _Text = "",
        others: dict[str, Any] = others,
    ) -> Question:
        filters = {"band": band, "level": level, "profile": profile, "industry": industry, "owner": owner}
        return make_query("accounts", filters | {"country": country}, **others)

    _add_list(router, context, "accounts", ask, documentation.ACCOUNTS, documentation.ACCOUNTS_CSV)

    @router.get("/accounts/{account:path}/signals", tags=["accounts"], **documentation.SIGNALS)
    async def show_signals(request: Request, account: str) -> Response:
        context.require(request, "read")
        record = found("account", account, await context.store.account(account))
        return json_answer({"account": record.account, "signals": await context.store.signals(record.account)})

    @router.post("/accounts/{account:path}/ratings", tags=["accounts"], **documentation.RATING)
    async def add_rating(request: Request, account: str) -> Response:
        who = context.require(request, "admin")
        record = found("account", account, await context.store.account(account))
        asked = await _read_asked(request, _decode_ratings)
        section = context.model.customers
        return json_answer(
            await rate_customer(context.broker, record.account, asked, section, who, context.clock()), 202
        )

    @router.get("/accounts/{account:path}", tags=["accounts"], **documentation.ACCOUNT)
    async def show_account(request: Request, account: str) -> Response:
        context.require(request, "read")
        record = found("account", account, await context.store.account(account))
        row = account_row(record, context.clock())
        return json_answer(AccountView(row=row, record=record, signals=await context.store.signals(record.account)))


def _add_operations(router: APIRouter, context: Context) -> None:
    @router.get("/now", tags=["now"], **documentation.NOW)
    async def show_now(request: Request, owner: _Text = "") -> Response:
        context.require(request, "read")
        return json_answer(await make_deck(context.store, context.clock(), context.contact_within_ms, owner))

    @router.get("/health", tags=["operations"], **documentation.HEALTH)
    async def show_health(request: Request) -> Response:
        context.require(request, "read")
        latencies = await context.store.latencies_ms()
        shares = {"p50": share(latencies, 50), "p99": share(latencies, 99)}
        return json_answer({"health": await context.store.health(), "alert_latency_ms": shares})

    @router.get("/dead-letters", tags=["operations"], **documentation.LETTERS)
    async def list_letters(request: Request, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Response:
        context.require(request, "admin")
        letters, total = await context.store.letters(limit)
        return json_answer({"dead_letters": letters, "total": total})

    @router.post("/dead-letters/{letter}/{what}", tags=["operations"], **documentation.SETTLE)
    async def settle(request: Request, letter: str, what: Literal["replay", "drop"]) -> Response:
        who = context.require(request, "admin")
        settled = found("dead letter", letter, await context.store.letter(letter))
        do = replay_letter if what == "replay" else drop_letter
        await do(context.broker, settled, who, context.prefix)
        return json_answer({"id": settled.id, "settled": f"{what}ed" if what == "replay" else "dropped"}, 202)


def _add_live(router: APIRouter, context: Context) -> None:
    @router.get("/live", tags=["now"], **documentation.LIVE)
    async def follow(request: Request) -> Response:
        context.require(request, "read")
        after = request.headers.get("last-event-id", "")
        if after and not is_number(after):
            raise BadQuery("Last-Event-ID", f"{after[:40]!r} is no number of this stream")
        return EventSourceResponse(_events(context, after), headers={"Cache-Control": "no-store"}, ping=3_600)


async def _events(context: Context, after: str) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(comment="the live feed of leadheat", retry=2_000)
    try:
        async for message in context.hub.listen(after):
            yield _as_event(message)
    except TooMany:
        yield ServerSentEvent(event="full", data="{}", retry=30_000)


def _as_event(message: Message) -> ServerSentEvent:
    if not message.kind:
        return ServerSentEvent(comment="")
    return ServerSentEvent(data=message.body, event=message.kind, id=message.number or None)


def read_since(text: str, now_ms: int) -> int | None:
    """Return a time (ms): RFC 3339, or so many hours or days ago.

    >>> read_since("2d", 200_000_000), read_since("1970-01-01T00:00:01Z", 0), read_since("", 0)
    (27200000, 1000, None)

    Raises :class:`BadQuery`.
    """
    if not text:
        return None
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now_ms - int(ago[1]) * (3_600_000 if ago[2] == "h" else 86_400_000)
    try:
        return parse_time(text)
    except EventError:
        raise BadQuery("since", f"{text[:40]!r}: expected such as 24h, 7d or 2026-01-01T00:00:00Z") from None


def share(values: list[int], percent: int) -> int | None:
    """Return the value below which so many percent of ``values``, in ascending order, lie.

    >>> share([1, 2, 3, 100], 50), share([], 50)
    (3, None)
    """
    return values[min(len(values) - 1, len(values) * percent // 100)] if values else None


async def read_body(request: Request) -> bytes:
    """Return a small body; raises 413 for a large one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            raise HTTPException(413, f"the body has more than {BODY_MAX} bytes")
    return body


async def _read_asked(request: Request, decode: Callable[[bytes], Asked]) -> Asked:
    """Return what a body asks for; raises 400 where it is something else."""
    try:
        return decode(await read_body(request))
    except msgspec.MsgspecError as error:
        raise HTTPException(400, f"body: {error}") from None


def _listed(name: str, listed: Listed, now_ms: int) -> bytes:
    page, rows = listed
    following = None if page.next is None else write_cursor(page.next)
    return encode_json({name: rows, "total": page.total, "next": following, "is_cut": page.is_cut, "now_ms": now_ms})


def _csv(lines: AsyncIterator[bytes], name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(lines, headers=headers, media_type="text/csv; charset=utf-8")
