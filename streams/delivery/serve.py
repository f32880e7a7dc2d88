"""The composition root of delivery: the file, the sinks, the metrics and the process, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from scoring.errors import SettingsError
from scoring.model import ScoringModel
from streams.clock import now_ms
from streams.delivery.config import DeliveryConfig, load_delivery
from streams.delivery.guard import AddressPolicy, guarded_client, watch_sockets
from streams.delivery.messages import LinkOf
from streams.delivery.metrics import DeliveryMetrics
from streams.delivery.planning import Plan
from streams.delivery.process import DeliveryProcess
from streams.delivery.sinks.build import build_sinks
from streams.settings import Settings
from streams.signed_links import Invitation, LinkSigner

EXIT_FAILED: Final = 70
"""Exit code after a fenced or failed transaction (EX_SOFTWARE): start again, what is committed is whole."""

_DAY_MS: Final = 86_400_000

log = structlog.get_logger(__name__)


def run_delivery(settings: Settings, model: ScoringModel) -> None:
    """Deliver until SIGTERM or SIGINT; a failure ends the process at once."""
    config = load_delivery(_path_of(settings))
    watch_sockets()
    for chatty in ("httpx", "httpcore", "apprise", "urllib3"):
        # Whatever the level is: addresses of receivers hold secrets.
        logging.getLogger(chatty).setLevel(logging.ERROR)
    asyncio.run(_run(settings, config, model))


def _path_of(settings: Settings) -> Path:
    if not settings.delivery:
        raise SettingsError("LEADHEAT_DELIVERY: names no delivery file, so there is nobody to deliver to")
    return Path(settings.delivery)


def link_maker(settings: Settings, config: DeliveryConfig) -> LinkOf | None:
    """Return what makes the links of messages; None where the settings have no secret, or no address from outside.

    A link expires at the end of a day, so that the same message made twice on a day is the same.
    """
    secret = settings.secret.get_secret_value()
    if not (secret and settings.public_url):
        log.warning("messages have no links: LEADHEAT_SECRET and LEADHEAT_PUBLIC_URL are not both set")
        return None
    signer = LinkSigner(secret, settings.public_url)
    days = config.links.days

    def link(lead: str, alert_id: str, by: str) -> str:
        expires_ms = (now_ms() // _DAY_MS + 1) * _DAY_MS + round(days * _DAY_MS)
        return signer.url(Invitation(lead, alert_id, by, expires_ms))

    return link


async def _run(settings: Settings, config: DeliveryConfig, model: ScoringModel) -> None:
    registry = CollectorRegistry()
    metrics = DeliveryMetrics(registry)
    policy = AddressPolicy(config.allow)
    async with guarded_client(policy) as client:
        sinks = build_sinks(config, client, policy, settings)
        plan = Plan(
            config,
            lambda sink, message: sinks[sink].render(message),
            link_maker(settings, config),
            model.follow_up.contact_within_ms,
        )
        if settings.metrics_port:
            start_http_server(settings.metrics_port, addr=settings.metrics_host, registry=registry)
        log.info("delivery runs", sinks=sorted(sinks), routes=len(config.routes))
        process = DeliveryProcess(settings, plan, sinks, metrics, now_ms)
        running = asyncio.create_task(process.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        try:
            await running
        except asyncio.CancelledError:
            log.info("delivery has stopped")
        except BaseException as error:
            log.error("delivery ends", exc_info=error)
            sys.stderr.flush()
            os._exit(EXIT_FAILED)
