"""The pages: Now, Leads, Lead, Accounts, Account, Model, Health. Each is whole without any script, and live with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import isfinite
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from scoring.decay import DAY_MS
from scoring.errors import LeadheatError
from scoring.model import ScoringModel
from scoring.model_words import describe_rule, describe_trait
from streams.dashboard.access import Who
from streams.dashboard.actions import (
    OFFERED,
    FollowUpAsked,
    RatingAsked,
    drop_letter,
    follow_up,
    rate_customer,
    replay_letter,
)
from streams.dashboard.api import read_body, read_since, share
from streams.dashboard.context import Context
from streams.dashboard.deck import make_deck
from streams.dashboard.lists import read_list
from streams.dashboard.picture import make_picture
from streams.dashboard.queries import Query as Question
from streams.dashboard.queries import make_query, write_cursor
from streams.dashboard.routes import Handler, as_http, found
from streams.dashboard.rows import account_row, lead_row, lead_view
from streams.dashboard.templating import Templates
from streams.dashboard.timeline import make_timeline
from streams.letter_replay import is_replayable
from streams.read_model.entries import term

LETTERS_SHOWN: Final = 50
PICTURED: Final = 600
ACCOUNT_LEADS: Final = 50
FEED_SHOWN: Final = 10
_Text = Annotated[str, Query(max_length=200)]


def page_route(templates: Templates, context: Context) -> type[APIRoute]:
    """Return the kind of route whose faults are pages too."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                try:
                    return await handle(request)
                except HTTPException as error:
                    return _fault_page(templates, context, request, error)
                except (RedisError, LeadheatError) as error:
                    return _fault_page(templates, context, request, as_http(error))

            return guarded

    return PageRoute


def _fault_page(templates: Templates, context: Context, request: Request, error: HTTPException) -> Response:
    if error.status_code == 401 and context.access.may_sign_in and "hx-request" not in request.headers:
        return RedirectResponse("/sign-in", 303)
    is_open = context.access.is_open_to_this_machine
    values: dict[str, Any] = {
        "code": error.status_code,
        "detail": error.detail,
        "is_open": is_open,
        "who": None,
        "page": "",
    }
    if "hx-request" in request.headers:
        return templates.answer("_fault.html", error.status_code, **values)
    return templates.answer("fault.html", error.status_code, **values)


def pages_router(context: Context, templates: Templates) -> APIRouter:
    """Return the routes of all pages."""
    router = APIRouter(route_class=page_route(templates, context), include_in_schema=False)
    for add in (_add_now, _add_leads, _add_accounts, _add_model, _add_health):
        add(router, context, templates)
    return router


def _answer(
    context: Context, templates: Templates, request: Request, name: str, who: Who, values: dict[str, Any]
) -> Response:
    """Answer with a whole page, or with its living part where the page asks for itself again."""
    common: dict[str, Any] = {"who": who, "page": name, "now_ms": context.clock(), "path": request.url.path}
    common["here"] = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if "hx-request" in request.headers:
        return templates.answer(f"_{name}.html", **(common | values))
    return templates.answer(f"{name}.html", **(common | values))


def _add_now(router: APIRouter, context: Context, templates: Templates) -> None:
    @router.get("/")
    async def now(request: Request, owner: _Text = "") -> Response:
        who = context.require(request, "read")
        deck = await make_deck(context.store, context.clock(), context.contact_within_ms, owner)
        owners = await context.store.values(context.store.layout.leads, "owner")
        feed = await context.store.feed(FEED_SHOWN)
        top = max((call.row.priority for call in (*deck.overdue, *deck.raised_hands, *deck.next)), default=0.0)
        within_h = context.contact_within_ms / 3_600_000
        values = {"deck": deck, "owner": owner, "owners": owners, "feed": feed, "top": top, "within_h": within_h}
        return _answer(context, templates, request, "now", who, values)


def _add_leads(router: APIRouter, context: Context, templates: Templates) -> None:
    @router.get("/leads")
    async def leads(
        request: Request,
        q: _Text = "",
        band: _Text = "",
        phase: _Text = "",
        stage: _Text = "",
        owner: _Text = "",
        industry: _Text = "",
        since: _Text = "",
        fit_min: _Text = "",
        sort: _Text = "score",
        cursor: Annotated[str, Query(max_length=1_000)] = "",
    ) -> Response:
        who = context.require(request, "read")
        chosen = {"band": band, "phase": phase, "stage": stage, "owner": owner, "industry": industry}
        asked = _question("leads", context, chosen, q, since, fit_min, sort, cursor)
        values = await _list_values(context, request, asked, chosen, {"q": q, "since": since, "fit_min": fit_min})
        values["top"] = _top_score(context.model)
        return _answer(context, templates, request, "leads", who, values)

    @router.get("/leads/{lead:path}")
    async def lead(request: Request, lead: str) -> Response:
        who, store = context.require(request, "read"), context.store
        record = found("lead", lead, await store.lead(lead))
        now_ms = context.clock()
        account = await store.account(record.account) if record.account else None
        owner = "" if account is None else account.owner
        signals = [] if account is None else await store.signals(account.account)
        view = lead_view(record, await store.past(record.lead), now_ms, owner)
        values = {
            "view": view,
            "record": record,
            "account": None if account is None else account_row(account, now_ms),
            "timeline": make_timeline(view, record, signals),
            "chart": _chart(view, context.model, now_ms),
            "rules": context.model.rules,
            "describe_rule": describe_rule,
            "top": max((abs(line.points_now) for line in view.explanation.rules), default=1.0),
        }
        return _answer(context, templates, request, "lead", who, values)

    @router.post("/leads/{lead:path}/follow-ups")
    async def act(request: Request, lead: str) -> Response:
        who = context.require(request, "admin")
        record = found("lead", lead, await context.store.lead(lead))
        form = await _form(request)
        if form.get("action") not in OFFERED:
            raise HTTPException(400, f"action: expected one of {', '.join(OFFERED)}")
        asked = FollowUpAsked(action=form["action"], reason=form.get("reason", ""), note=form.get("note", ""))
        done = await follow_up(context.broker, record.lead, asked, who, context.clock())
        if "hx-request" in request.headers:
            return templates.answer("_done.html", done=done, called=str(record.contact.get("name", "")))
        return RedirectResponse(request.headers.get("referer", "/"), 303)


def _add_accounts(router: APIRouter, context: Context, templates: Templates) -> None:
    @router.get("/accounts")
    async def accounts(
        request: Request,
        q: _Text = "",
        band: _Text = "",
        level: _Text = "",
        industry: _Text = "",
        owner: _Text = "",
        country: _Text = "",
        since: _Text = "",
        fit_min: _Text = "",
        sort: _Text = "priority",
        cursor: Annotated[str, Query(max_length=1_000)] = "",
    ) -> Response:
        who, store = context.require(request, "read"), context.store
        chosen = {"band": band, "level": level, "industry": industry, "owner": owner, "country": country}
        asked = _question("accounts", context, chosen, q, since, fit_min, sort, cursor)
        values = await _list_values(context, request, asked, chosen, {"q": q, "since": since, "fit_min": fit_min})
        pictured = await store.page(msgspec.structs.replace(asked, limit=PICTURED, after=None))
        values["picture"] = make_picture(await store.standing(pictured.members))
        values["top"] = max((row.score for row in values["rows"]), default=1.0)
        return _answer(context, templates, request, "accounts", who, values)

    @router.get("/accounts/{account:path}")
    async def account(request: Request, account: str) -> Response:
        who, store = context.require(request, "read"), context.store
        record = found("account", account, await store.account(account))
        now_ms = context.clock()
        asked = make_query("leads", {"account": record.account}, limit=ACCOUNT_LEADS)
        page = await store.page(asked)
        leads = [lead_row(each.record, now_ms, record.owner) for each in await store.leads(page.members)]
        values = {
            "row": account_row(record, now_ms),
            "record": record,
            "leads": leads,
            "leads_total": page.total,
            "signals": await store.signals(record.account),
            "criteria": context.model.customers.criteria if context.model.follows_customers else {},
            "top": max((abs(line.points) for line in record.ledger), default=1.0),
            "top_score": _top_score(context.model),
        }
        return _answer(context, templates, request, "account", who, values)

    @router.post("/accounts/{account:path}/ratings")
    async def rate(request: Request, account: str) -> Response:
        who = context.require(request, "admin")
        record = found("account", account, await context.store.account(account))
        form = await _form(request)
        asked = RatingAsked(ratings={form.get("criterion", ""): _read_answer(form.get("answer", ""))})
        section = context.model.customers
        await rate_customer(context.broker, record.account, asked, section, who, context.clock())
        if "hx-request" in request.headers:
            return templates.answer("_rated.html", criterion=form["criterion"], answer=form.get("answer"), by=who.name)
        return RedirectResponse(request.headers.get("referer", "/"), 303)


def _read_answer(text: str) -> str | float | None:
    """Return an answer as a form tells it: a number or a text; None, which takes one back, for a blank."""
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        return text or None
    return number if isfinite(number) else text


def _add_model(router: APIRouter, context: Context, templates: Templates) -> None:
    @router.get("/model")
    async def model(request: Request) -> Response:
        who, store = context.require(request, "read"), context.store
        today = context.clock() // DAY_MS
        week = await store.rule_points(range(today - 6, today + 1))
        news = await context.news()
        known = news.in_use or context.model
        values = {
            "news": news,
            "model": known,
            "statistics": await store.statistics(),
            "week": week,
            "week_top": max(map(abs, week.values()), default=0.0),
            "describe_rule": describe_rule,
            "describe_trait": describe_trait,
        }
        return _answer(context, templates, request, "model", who, values)


def _add_health(router: APIRouter, context: Context, templates: Templates) -> None:
    @router.get("/health")
    async def health(request: Request) -> Response:
        who, store = context.require(request, "read"), context.store
        letters, total = await store.letters(LETTERS_SHOWN)
        latencies = await store.latencies_ms()
        values = {
            "health": await store.health(),
            "p50": share(latencies, 50),
            "p99": share(latencies, 99),
            "measured": len(latencies),
            "letters": letters,
            "letters_total": total,
            "reasons": Counter(letter.reason for letter in letters).most_common(),
            "is_replayable": _replayable(context.prefix),
            "leads": await store.count(store.layout.leads),
            "accounts": await store.count(store.layout.accounts),
            "bands": await _band_counts(context),
        }
        return _answer(context, templates, request, "health", who, values)

    @router.post("/health/dead-letters/{letter}/{what}")
    async def settle(request: Request, letter: str, what: str) -> Response:
        who = context.require(request, "admin")
        if what not in ("replay", "drop"):
            raise HTTPException(404, "a dead letter can be replayed, or dropped")
        settled = found("dead letter", letter, await context.store.letter(letter))
        do = replay_letter if what == "replay" else drop_letter
        await do(context.broker, settled, who, context.prefix)
        if "hx-request" in request.headers:
            return templates.answer("_settled.html", what=what, by=who.name)
        return RedirectResponse("/health", 303)


def _replayable(prefix: str) -> Callable[[Any], bool]:
    return lambda letter: is_replayable(letter, prefix)


async def _band_counts(context: Context) -> dict[str, int]:
    leads = context.store.layout.leads
    names = ["cold", *context.model.bands]
    return {name: await context.store.count(leads, term("band", name)) for name in names}


def _question(
    of: Any, context: Context, chosen: dict[str, str], q: str, since: str, fit_min: str, sort: str, cursor: str
) -> Question:
    try:
        fit = float(fit_min) if fit_min else None
    except ValueError:
        raise HTTPException(400, f"fit: {fit_min[:40]!r} is no number") from None
    since_ms = read_since(since, context.clock())
    return make_query(of, chosen, text=q, fit_min=fit, since_ms=since_ms, sort=sort, cursor=cursor)


async def _list_values(
    context: Context, request: Request, asked: Question, chosen: dict[str, str], typed: dict[str, str]
) -> dict[str, Any]:
    """Return what a page of leads or of accounts shows alike: rows, what was asked, by which facets it could, links."""
    store = context.store
    page, rows = await read_list(store, asked, context.clock())
    collection = store.layout.leads if asked.of == "leads" else store.layout.accounts
    return {
        "rows": rows,
        "total": page.total,
        "is_cut": page.is_cut,
        "chosen": chosen | typed | {"sort": asked.sort},
        "options": {facet: await store.values(collection, facet) for facet in chosen},
        **_links(request, page.next),
    }


def _links(request: Request, after: Any) -> dict[str, str]:
    """Return the addresses of the next page, the first one, and the same as CSV."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if value and name != "cursor"]
    path = request.url.path
    following = "" if after is None else f"{path}?{urlencode([*asked, ('cursor', write_cursor(after))])}"
    first = f"{path}?{urlencode(asked)}" if "cursor" in request.query_params else ""
    return {"following": following, "first": first, "csv": f"/api{path}.csv?{urlencode(asked)}"}


def _top_score(model: ScoringModel) -> float:
    """Return the score at which a bar is full: half as much again as the hottest band asks."""
    return 1.5 * max((band.enter for band in model.bands.values()), default=100.0)


def _chart(view: Any, model: ScoringModel, now_ms: int) -> str:
    """Return what the chart of a score shows, as JSON."""
    bands = [{"name": name, "enter": band.enter, "leave": band.leave} for name, band in model.bands.items()]
    body = {"past": view.past, "ahead": view.ahead, "bands": bands, "now_ms": now_ms}
    return msgspec.json.encode(body).decode()


async def _form(request: Request) -> dict[str, str]:
    """Return a small form's fields; files are no business of ours."""
    from urllib.parse import parse_qsl

    try:
        return dict(parse_qsl((await read_body(request)).decode(), keep_blank_values=True, max_num_fields=20))
    except (UnicodeDecodeError, ValueError):
        raise HTTPException(400, "the form cannot be read") from None
