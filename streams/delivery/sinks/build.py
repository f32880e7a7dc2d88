"""From the delivery file to sinks that can be spoken to, with their secrets."""

from __future__ import annotations

import httpx

from streams.delivery.config import DeliveryConfig, WebhookSink
from streams.delivery.guard import AddressPolicy
from streams.delivery.sinks.base import Sink
from streams.delivery.sinks.webhook import Webhooks


def build_sinks(config: DeliveryConfig, client: httpx.AsyncClient, policy: AddressPolicy) -> dict[str, Sink]:
    """Return the sinks by name; raises :class:`scoring.errors.SettingsError` where a secret is not found."""
    sinks: dict[str, Sink] = {}
    for name, each in config.sinks.items():
        match each:
            case WebhookSink():
                sinks[name] = Webhooks(name, each, client)
            case _:
                raise NotImplementedError(each.kind)
    return sinks
