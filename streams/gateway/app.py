"""Where the gateway is put together: routes, limits, metrics and the producer, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from scoring.model import load_model
from streams.clock import now_ms
from streams.gateway import documentation
from streams.gateway.answers import Refusal, json_answer, unavailable
from streams.gateway.browser import browser_router
from streams.gateway.crm.hubspot import Contacts
from streams.gateway.crm.routes import crm_router
from streams.gateway.customers import customers_router
from streams.gateway.follow_ups import follow_up_router
from streams.gateway.ingest.canonical import canonical_router
from streams.gateway.ingest.cloudevents import cloudevents_router
from streams.gateway.ingest.posthog import posthog_router
from streams.gateway.ingest.segment import segment_router
from streams.gateway.intake import Intake
from streams.gateway.metrics import GatewayMetrics
from streams.gateway.producer import BrokerUnavailable, EventProducer
from streams.gateway.rate_limits import make_limits
from streams.gateway.webhooks.delivery import CLOCKS_APART_S
from streams.gateway.webhooks.mailgun import TRIES_S
from streams.gateway.webhooks.routes import fetch_from_sns, webhooks_router
from streams.gateway.webhooks.ses import Fetch
from streams.gateway.webhooks.tokens import make_tokens
from streams.gateway.write_keys import NamedKeys, WriteKeys
from streams.settings import Settings
from streams.signed_links import LinkSigner


class Part(Protocol):
    """Something else that the gateway serves, of which it knows routes and their documentation only."""

    @property
    def routers(self) -> Sequence[APIRouter]:
        """Its routes."""

    @property
    def security_schemes(self) -> Mapping[str, Any]:
        """How its routes know who asks."""

    @property
    def schemas(self) -> Mapping[str, Any]:
        """What its routes answer with."""

    async def start(self) -> None:
        """Begin, with the gateway."""

    async def stop(self) -> None:
        """End, with the gateway."""


def create_gateway(
    settings: Settings,
    producer: EventProducer,
    clock: Callable[[], int] = now_ms,
    fetch: Fetch = fetch_from_sns,
    parts: Sequence[Part] = (),
    contacts: Contacts | None = None,
) -> FastAPI:
    """Put a gateway together; it starts and stops ``producer`` and ``parts`` along with itself.

    ``fetch`` gets certificates of SNS, ``contacts`` the contacts of HubSpot (None: from its API). Raises
    :class:`SettingsError` for keys and secrets that are none.
    """
    metrics, limits, keys = GatewayMetrics(), make_limits(settings), WriteKeys(settings)
    intake = Intake(keys, limits, producer, clock, metrics)
    ingest = (canonical_router(intake), segment_router(intake), posthog_router(intake), cloudevents_router(intake))
    tokens = make_tokens(settings, max(settings.webhook_window_s, TRIES_S) + CLOCKS_APART_S)
    webhooks = webhooks_router(intake, settings, fetch, tokens)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await producer.start()
        for part in parts:
            await part.start()
        yield
        for part in parts:
            await part.stop()
        await producer.stop()
        await limits.close()
        await tokens.close()

    app = _Documented(
        title=documentation.TITLE, description=documentation.DESCRIPTION, lifespan=lifespan, redoc_url=None
    )
    app.parts = parts
    customers = customers_router(keys, load_model(settings.model).customers, clock)
    secret = settings.secret.get_secret_value()
    signer = LinkSigner(secret) if secret else None
    follow_ups = follow_up_router(NamedKeys(settings.follow_up_keys), signer, producer, clock)
    crm = crm_router(settings, producer, clock, contacts)
    own = (*ingest, webhooks, customers, follow_ups, crm, browser_router(), _operations_router(producer, metrics))
    for router in (*own, *(router for part in parts for router in part.routers)):
        app.include_router(router)
    app.add_middleware(
        _OpenToBrowsers, paths={route.path for router in ingest for route in router.routes if isinstance(route, Route)}
    )
    app.add_exception_handler(Refusal, _answer_refusal)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(Exception, _answer_failure)
    return app


class _Documented(FastAPI):
    """Describes itself when it is first asked, and not at each start."""

    parts: Sequence[Part] = ()

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description, with the ways in which a key can be sent."""
        schema = super().openapi()
        components = schema.setdefault("components", {})
        components["securitySchemes"] = dict(documentation.SECURITY_SCHEMES)
        for part in self.parts:
            components["securitySchemes"] |= part.security_schemes
            components.setdefault("schemas", {}).update(part.schemas)
        return schema


def _operations_router(producer: EventProducer, metrics: GatewayMetrics) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="Can events be taken now?", responses={503: {"description": "Kafka is away."}})
    async def readyz() -> Response:
        try:
            await producer.check()
        except BrokerUnavailable as error:
            return unavailable(str(error)).answer()
        return json_answer({"status": "ready"})

    @router.get("/metrics", summary="Metrics, for Prometheus")
    async def read_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


class _OpenToBrowsers:
    """Let pages of any site send events, and read nothing else here: their SDKs run on the customer's domain.

    Any origin may, because the write key decides; cookies are never looked at.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        self._paths = paths
        self._closed = app
        self._open = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=["POST"],
            allow_headers=["*"],  # RudderStack's sends anonymousid, CloudEvents' ce-id, and others their own
            max_age=7200,  # as long as browsers remember
            expose_headers=["Retry-After"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_open = scope["type"] == "http" and scope["path"] in self._paths
        await (self._open if is_open else self._closed)(scope, receive, send)


async def _answer_refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.answer()


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    message = f"{request.method} {request.url.path[:80]}: {error.detail}; see /docs"
    return Refusal.because(error.status_code, reason, "", message, error.headers).answer()


async def _answer_failure(_: Request, __: Exception) -> Response:
    return Refusal.because(500, "failed", "", "the gateway failed; this is our fault, and it is logged").answer()
