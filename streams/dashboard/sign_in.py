"""Signing in by a mailed link: ask, be mailed, open, confirm. Opening it changes nothing, as mail scanners do that."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from typing import Final
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from streams.dashboard.access import COOKIE, is_from_our_page
from streams.dashboard.api import read_body
from streams.dashboard.context import Context
from streams.dashboard.templating import Templates
from streams.dashboard.tokens import LINK_S, SESSION_S
from streams.mail_server import MailServer
from streams.settings import Settings

MAIL_TIMEOUT_S: Final = 20
PAUSE_S: Final = 60
"""Between two links for one address."""

log = structlog.get_logger(__name__)


def sign_in_router(
    context: Context, templates: Templates, settings: Settings, route_class: type[APIRoute]
) -> APIRouter:
    """Return the routes by which people sign in."""
    router = APIRouter(route_class=route_class, include_in_schema=False)
    access, redis = context.access, context.store.redis

    def answer(step: str, status: int = 200, **values: object) -> Response:
        return templates.answer("sign_in.html", status, **({"who": None, "page": "", "step": step} | values))

    @router.get("/sign-in")
    async def ask() -> Response:
        _must_be_offered(context)
        return answer("ask")

    @router.post("/sign-in")
    async def mail(request: Request) -> Response:
        _must_be_offered(context)
        email = (await _fields(request)).get("email", "").strip().casefold()
        # The answer is the same for whoever asks: it says nothing about who may.
        if access.may_sign_in.includes(email) and await redis.set(
            _key(context, "pause", email), "1", nx=True, ex=PAUSE_S
        ):
            token = access.signer.sign("link", email, context.clock(), LINK_S)
            base = settings.public_url.rstrip("/") or f"{request.url.scheme}://{request.headers.get('host', '')}"
            task = asyncio.create_task(_send(settings, email, f"{base}/sign-in/link?{urlencode({'token': token})}"))
            task.add_done_callback(_note_failure)
        return answer("sent")

    @router.get("/sign-in/link")
    async def open_link(token: str = "") -> Response:
        claim = access.signer.read(token, "link", context.clock())
        if claim is None:
            return answer("ended", 400)
        return answer("confirm", email=claim.email, token=token)

    @router.post("/sign-in/confirm")
    async def confirm(request: Request) -> Response:
        if not is_from_our_page(request):
            raise HTTPException(403, "this must come from the page that the link opens")
        claim = access.signer.read((await _fields(request)).get("token", ""), "link", context.clock())
        if claim is None or not access.may_sign_in.includes(claim.email):
            return answer("ended", 400)
        if not await redis.set(_key(context, "used", claim.number), "1", nx=True, ex=LINK_S + 60):
            return answer("ended", 400)
        response = RedirectResponse("/", 303)
        is_secure = request.url.scheme == "https" or settings.public_url.startswith("https:")
        session = access.signer.sign("session", claim.email, context.clock(), SESSION_S)
        response.set_cookie(
            COOKIE, session, max_age=SESSION_S, httponly=True, samesite="lax", secure=is_secure, path="/"
        )
        return response

    return router


def _must_be_offered(context: Context) -> None:
    if not context.access.may_sign_in:
        raise HTTPException(404, "Nobody can sign in by mail here: LEADHEAT_SIGN_IN names nobody.")


def _key(context: Context, what: str, name: str) -> str:
    return context.store.layout.scratch(f"sign-in-{what}:{name}")


async def _fields(request: Request) -> dict[str, str]:
    from urllib.parse import parse_qsl

    try:
        return dict(parse_qsl((await read_body(request)).decode(), keep_blank_values=True, max_num_fields=20))
    except (UnicodeDecodeError, ValueError):
        raise HTTPException(400, "the form cannot be read") from None


async def _send(settings: Settings, email: str, url: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.mail_from, email, "Sign in to leadheat"
    message.set_content(
        f"Open this link to sign in to leadheat. It lasts 15 minutes and works once.\n\n{url}\n\n"
        "If you did not ask for it, nothing happens unless you open it and confirm.\n"
    )
    server = MailServer.at(settings.smtp_url.get_secret_value())
    await asyncio.to_thread(_deliver, server, message)


def _deliver(server: MailServer, message: EmailMessage) -> None:
    with server.connect(MAIL_TIMEOUT_S) as connection:
        connection.send_message(message)


def _note_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a sign-in link could not be mailed", error=str(error))
