"""The sinks of the delivery file: one class a kind, with what each has to be told."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, PlainValidator

from scoring.model_file import suggest
from streams.delivery.config_words import Part, Secret, Url


class SinkPart(Part):
    """What all sinks have: how long a try may take (s), and how many are made at once."""

    kind: str
    timeout_s: float = Field(default=10.0, gt=0, le=120)
    concurrency: int = Field(default=4, ge=1, le=64)

    @property
    def target(self) -> str:
        """What a receiver that is gone is known by: when it changes, it is tried again."""
        return self.kind


class WebhookSink(SinkPart):
    """Any receiver of signed webhooks (standardwebhooks.com)."""

    kind: Literal["webhook"]
    url: Url
    secret: Secret

    @property
    def target(self) -> str:
        """The receiver's address."""
        return self.url


class SlackSink(SinkPart):
    """A Slack channel, through a bot's token with chat:write."""

    kind: Literal["slack"]
    token: Secret
    channel: str = Field(min_length=1, max_length=100)
    api_url: Url = "https://slack.com/api"

    @property
    def target(self) -> str:
        """The channel."""
        return self.channel


class TeamsSink(SinkPart):
    """A Teams channel or chat, through the address of a workflow."""

    kind: Literal["teams"]
    url: Secret


class EmailSink(SinkPart):
    """E-mail through the mail server of the settings; ``to`` are addresses, or ``owner`` for whoever is asked.

    ``from`` is the sender, where it is not the settings' own.
    """

    kind: Literal["email"]
    sender: str = Field(default="", alias="from", pattern=r"^([^\s@<>,]+@[^\s@<>,]+)?$")
    to: list[Annotated[str, Field(pattern=r"^(owner|[^\s@<>,]+@[^\s@<>,]+)$")]] = Field(min_length=1, max_length=50)


class AppriseSink(SinkPart):
    """Any of the many services that Apprise knows, by its address, which holds secrets."""

    kind: Literal["apprise"]
    url: Secret


class CrmSinkPart(SinkPart):
    """What CRMs have: what they call our fields, and when these are written."""

    fields: dict[Literal["score", "band", "fit", "phase", "reason"], str] = Field(
        default={
            "score": "leadheat_score",
            "band": "leadheat_band",
            "fit": "leadheat_fit",
            "phase": "leadheat_phase",
            "reason": "leadheat_reason",
        }
    )
    every_s: float = Field(default=30.0, ge=0.1, le=3_600, description="How long changes gather before they are sent.")
    points_min: float = Field(default=10.0, gt=0, le=1_000, description="A score that moves by less is not written.")


class HubSpotSink(CrmSinkPart):
    """HubSpot contacts, through a private app's token."""

    kind: Literal["hubspot"]
    token: Secret
    api_url: Url = "https://api.hubapi.com"

    @property
    def target(self) -> str:
        """The portal's address."""
        return self.api_url


class SalesforceSink(CrmSinkPart):
    """Salesforce leads, through a connected app with the client-credentials flow."""

    kind: Literal["salesforce"]
    url: Url
    client_id: Secret
    client_secret: Secret
    api_version: str = Field(default="v61.0", pattern=r"^v[0-9]{2}\.0$")
    fields: dict[Literal["score", "band", "fit", "phase", "reason"], str] = Field(
        default={
            "score": "Leadheat_Score__c",
            "band": "Leadheat_Band__c",
            "fit": "Leadheat_Fit__c",
            "phase": "Leadheat_Phase__c",
            "reason": "Leadheat_Reason__c",
        }
    )

    @property
    def target(self) -> str:
        """The organisation's address."""
        return self.url


SINKS: Final[dict[str, type[SinkPart]]] = {
    "webhook": WebhookSink,
    "slack": SlackSink,
    "teams": TeamsSink,
    "email": EmailSink,
    "apprise": AppriseSink,
    "hubspot": HubSpotSink,
    "salesforce": SalesforceSink,
}
CRM_KINDS: Final = frozenset({"hubspot", "salesforce"})
DIGEST_KINDS: Final = frozenset({"slack", "teams", "email", "apprise"})
"""Sinks that a person reads: only these have digests and quiet hours."""


def _read_sink(raw: object) -> SinkPart:
    """Read one sink by its kind: a fault then stands at its own key, which a union of models would not give."""
    if not isinstance(raw, dict):
        raise ValueError("is not a mapping with at least `kind`")
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in SINKS:
        raise ValueError(f"its kind {kind!r} is unknown; {suggest(str(kind), list(SINKS), 'kinds are')}")
    return SINKS[kind].model_validate(raw)


AnySink = Annotated[SinkPart, PlainValidator(_read_sink)]
