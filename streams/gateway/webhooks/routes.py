"""``POST /v1/webhooks/<provider>`` for the providers whose keys are set; the others are told what to set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import httpx
from fastapi import APIRouter, Request, Response

from streams.gateway import documentation
from streams.gateway.answers import Refusal
from streams.gateway.auth import Caller
from streams.gateway.intake import Intake, Submission
from streams.gateway.limits import WEBHOOK_BYTES_MAX
from streams.gateway.webhooks.delivery import Delivery, Webhook, receive
from streams.gateway.webhooks.mailgun import Mailgun
from streams.gateway.webhooks.postmark import Postmark
from streams.gateway.webhooks.sendgrid import SendGrid
from streams.gateway.webhooks.ses import AmazonSes, Fetch
from streams.gateway.webhooks.standard_webhooks import StandardWebhooks
from streams.gateway.webhooks.tokens import Tokens
from streams.settings import Settings, split_list

SETTING: Final = {
    "sendgrid": "LEADHEAT_SENDGRID_KEY",
    "mailgun": "LEADHEAT_MAILGUN_KEY",
    "postmark": "LEADHEAT_POSTMARK_LOGIN",
    "ses": "LEADHEAT_SES_TOPICS",
    "resend": "LEADHEAT_RESEND_SECRET",
}
"""The providers, each with the setting that its webhook needs."""

FETCH_TIMEOUT_S: Final = 5.0
FETCHED_BYTES_MAX: Final = 64 * 1024


def make_webhooks(settings: Settings, fetch: Fetch, tokens: Tokens) -> dict[str, Webhook]:
    """Return the webhooks of the providers that are set up; raises :class:`SettingsError` for a key that is none."""
    window_s = settings.webhook_window_s
    found: dict[str, Webhook] = {}
    if keys := split_list(settings.sendgrid_key):
        found["sendgrid"] = SendGrid(keys, window_s)
    if keys := split_list(settings.mailgun_key):
        found["mailgun"] = Mailgun(keys, window_s, tokens)
    if logins := split_list(settings.postmark_login):
        found["postmark"] = Postmark(logins)
    if topics := split_list(settings.ses_topics):
        found["ses"] = AmazonSes(topics, window_s, fetch)
    if secrets := split_list(settings.resend_secret):
        found["resend"] = StandardWebhooks(secrets, window_s)
    return found


def webhooks_router(intake: Intake, settings: Settings, fetch: Fetch, tokens: Tokens) -> APIRouter:
    """Make a route for each provider."""
    router = APIRouter(tags=["Mail providers"])
    webhooks = make_webhooks(settings, fetch, tokens)
    for name, setting in SETTING.items():
        route = f"/v1/webhooks/{name}"
        endpoint = _endpoint(intake, route, webhooks.get(name), setting)
        router.add_api_route(route, endpoint, methods=["POST"], **documentation.WEBHOOKS[name])
    return router


def _endpoint(
    intake: Intake, route: str, webhook: Webhook | None, setting: str
) -> Callable[[Request], Awaitable[Response]]:
    async def read(body: bytes, received_ms: int, caller: Caller) -> Submission:
        if webhook is None:
            raise Refusal.because(403, "forbidden", "", f"this webhook is not set up: set {setting}")
        submission = await receive(webhook, Delivery(caller.headers, body, received_ms))
        caller.source = webhook.name
        return submission

    async def take(request: Request) -> Response:
        return await intake.take(request, route, read, WEBHOOK_BYTES_MAX)

    return take


async def fetch_from_sns(address: str) -> bytes:
    """Get what lies at an address; redirects are not followed. Raises :class:`OSError`."""
    try:
        async with (
            httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, follow_redirects=False) as client,
            client.stream("GET", address) as answer,
        ):
            answer.raise_for_status()
            found = bytearray()
            async for part in answer.aiter_bytes():
                found += part
                if len(found) > FETCHED_BYTES_MAX:
                    raise OSError(f"the answer has more than {FETCHED_BYTES_MAX} bytes")
            return bytes(found)
    except httpx.HTTPError as error:
        raise OSError(f"{type(error).__name__}") from error
