"""From the delivery file to sinks that can be spoken to, with their secrets."""

from __future__ import annotations

import httpx

from scoring.errors import SettingsError
from streams.delivery.config import DeliveryConfig
from streams.delivery.config_sinks import (
    AppriseSink,
    EmailSink,
    HubSpotSink,
    SalesforceSink,
    SlackSink,
    TeamsSink,
    WebhookSink,
)
from streams.delivery.guard import AddressPolicy
from streams.delivery.sinks.base import Sink
from streams.mail_server import MailServer
from streams.settings import Settings


def build_sinks(
    config: DeliveryConfig, client: httpx.AsyncClient, policy: AddressPolicy, settings: Settings
) -> dict[str, Sink]:
    """Return the sinks by name, e-mail through the mail server of the settings.

    Raises :class:`SettingsError`, with a line for each secret that is not found.
    """
    sinks: dict[str, Sink] = {}
    faults: list[str] = []
    for name, each in config.sinks.items():
        try:
            sinks[name] = _build(name, each, client, policy, settings)
        except SettingsError as error:
            faults.append(str(error) if f"sinks.{name}" in str(error) else f"sinks.{name}: {error}")
    if faults:
        raise SettingsError("\n".join(faults))
    return sinks


def _build(name: str, config: object, client: httpx.AsyncClient, policy: AddressPolicy, settings: Settings) -> Sink:
    # Each is imported where it is used: a process that was killed is back a second sooner without Apprise and Slack.
    match config:
        case WebhookSink():
            from streams.delivery.sinks.webhook import Webhooks

            return Webhooks(name, config, client)
        case SlackSink():
            from streams.delivery.sinks.slack import Slack

            return Slack(name, config, client)
        case TeamsSink():
            from streams.delivery.sinks.teams import Teams

            return Teams(name, config, client)
        case EmailSink():
            from streams.delivery.sinks.email import Email

            server = MailServer.at(settings.smtp_url.get_secret_value())
            return Email(config, server, settings.mail_from, policy)
        case AppriseSink():
            from streams.delivery.sinks.apprise import AppriseService

            return AppriseService(name, config, policy)
        case HubSpotSink():
            from streams.delivery.sinks.crm import CrmSink
            from streams.delivery.sinks.hubspot import HubSpot

            return CrmSink(HubSpot(name, config, client))
        case SalesforceSink():
            from streams.delivery.sinks.crm import CrmSink
            from streams.delivery.sinks.salesforce import Salesforce

            return CrmSink(Salesforce(name, config, client))
        case _:
            raise SettingsError(f"sinks.{name}.kind: has no sink")
