"""Where we run: everything that differs between a laptop and a cluster, read from the environment.

Each setting is an environment variable with the prefix ``LEADHEAT_`` (``LEADHEAT_BROKERS``, …). What we
*believe* about leads is not here but in the model file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from scoring.errors import SettingsError
from scoring.models import DEFAULT_MODEL

FROM_FILE: Final = "file:"
"""A secret that begins so is the path of the file that holds it, as container platforms mount them."""

SECRET_LENGTH_MIN: Final = 16

LIVE_KEYS_MAX: Final = 2
"""Write keys that a source may have at a time: the one in use, and the next."""


def _read_secret(text: object) -> object:
    if not isinstance(text, str) or not text.startswith(FROM_FILE):
        return text
    try:
        return Path(text.removeprefix(FROM_FILE)).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the file that it names cannot be read: {error}") from None


Secret = Annotated[SecretStr, BeforeValidator(_read_secret)]
"""A text that is never shown or logged; ``file:/run/secrets/name`` is read from that file."""


class Settings(BaseSettings):
    """The settings of every process; a process reads those that concern it.

    >>> Settings(partitions=2, brokers="kafka:9092").brokers
    'kafka:9092'
    """

    model_config = SettingsConfigDict(env_prefix="LEADHEAT_", extra="forbid", frozen=True)

    brokers: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, host:port, comma separated")
    prefix: str = Field("leadheat", pattern=r"^[a-zA-Z0-9._-]{1,100}$", description="start of every topic's name")
    app_id: str = Field(
        "leadheat", pattern=r"^[a-zA-Z0-9._-]{1,100}$", description="consumer group and transactional ids"
    )
    partitions: int = Field(8, ge=1, le=1024, description="partitions of every topic of the worker")
    replication: int = Field(1, ge=1, le=9, description="copies of every partition")
    retention_days: float = Field(400, gt=0, description="how long events, alerts and the journal are kept")
    model: Path = Field(
        DEFAULT_MODEL, description="the scoring model, a YAML file; in use until `leadheat model publish`"
    )
    track: str = Field(
        "",
        pattern=r"^[a-z0-9-]{0,60}$",
        description="set by `leadheat model shadow`: the worker runs beside the running ones, on topics of its own",
    )

    delivery: str = Field("", description="the delivery file, YAML: who is told what; empty: nothing is delivered")

    instance: str = Field(
        "", max_length=100, description="static group membership: a name that survives restarts, unique per worker"
    )
    session_timeout_s: float = Field(7, ge=1, le=300, description="silence after which a worker counts as gone")
    stuck_after_s: float = Field(
        120, ge=0, le=86_400, description="a worker that does nothing for so long while records wait ends; 0 = never"
    )
    commit_interval_ms: int = Field(20, ge=0, le=10_000, description="shortest time between a shard's transactions")
    fetch_wait_ms: int = Field(
        20,
        ge=1,
        le=10_000,
        description="how long a fetch waits for records while some flow (adds to latency); longer while none do",
    )
    fetch_min_bytes: int = Field(
        1, ge=1, le=64 << 20, description="a fetch waits for so many bytes, but no longer than fetch_wait_ms"
    )
    chunk_records: int = Field(250_000, ge=1, le=1_000_000, description="records handled in one go, at most")
    pending_records: int = Field(
        50_000, ge=1, le=10_000_000, description="records that wait for a transaction before a shard stops reading"
    )
    visitor_days: float = Field(
        180, gt=0, description="silence after which visitors, and identities that lead to a lead, are forgotten"
    )
    contacts_max: int = Field(
        200, ge=1, le=10_000, description="people whom an account lists one by one; the others are kept as a sum"
    )
    adopt_leads_per_s: int = Field(
        5_000, ge=1, le=1_000_000, description="leads per shard and second that are brought under a new model"
    )
    transaction_timeout_s: float = Field(60, ge=5, le=900, description="the broker aborts a transaction after this")
    data_dir: Path = Field(Path("data"), description="scratch space; nothing in it is needed to restart")

    metrics_host: str = Field("127.0.0.1", description="address of the metrics port")
    metrics_port: int = Field(0, ge=0, le=65535, description="Prometheus metrics of the worker; 0 = none")

    gateway_host: str = Field("127.0.0.1", description="address of the gateway")
    gateway_port: int = Field(8080, ge=0, le=65535, description="port of the gateway")
    write_keys: str = Field(
        "",
        description="who may send: source=key pairs, comma separated, at most two keys a source; a key may be given as "
        "sha256:<hex> of it; with no keys here or in the file, only loopback may send",
    )
    write_keys_file: Path | None = Field(
        None, description="file of hashed write keys, kept by `leadheat keys`; the gateway sees changes at once"
    )
    events_per_s: float = Field(
        10_000,
        ge=0,
        description="events that each write key may send a second, ten seconds' worth at once; 0: any number",
    )
    sendgrid_key: Secret = Field(
        SecretStr(""), description="public key of SendGrid's signed event webhook; several, comma separated"
    )
    mailgun_key: Secret = Field(
        SecretStr(""), description="Mailgun's HTTP webhook signing key; several, comma separated"
    )
    postmark_login: Secret = Field(
        SecretStr(""), description="user:password in the address of Postmark's webhook; several, comma separated"
    )
    ses_topics: str = Field("", description="ARNs of the SNS topics that Amazon SES tells, comma separated")
    resend_secret: Secret = Field(
        SecretStr(""),
        description="signing secret (whsec_…) of Resend, or others by Standard Webhooks; several, comma separated",
    )
    webhook_window_s: float = Field(
        300,
        gt=0,
        le=86_400,
        description="how old a webhook's signature may be (Mailgun's 8 h, SNS's 1 h: they try again)",
    )
    redis_url: str = Field(
        "",
        description="the Redis of dashboard, query API and rate limits, redis://host:6379/0; empty: none "
        "(`up` starts one of its own), and each gateway counts for itself",
    )
    follow_up_keys: str = Field(
        "",
        description="who may say what became of leads: name=key pairs, kept secret (a write key is not enough); empty: "
        "only loopback may",
    )
    hubspot_secret: Secret = Field(
        SecretStr(""), description="client secret of the HubSpot app that tells of stages; several, comma separated"
    )
    hubspot_token: Secret = Field(
        SecretStr(""), description="HubSpot private app's token, crm.objects.contacts.read: to ask who a contact is"
    )
    salesforce_key: Secret = Field(
        SecretStr(""),
        description="last part of the address of Salesforce's outbound messages; several, comma separated",
    )
    salesforce_organisation: str = Field(
        "", description="ids of the Salesforce organisations whose messages are taken, comma separated"
    )
    crm_stages: str = Field(
        "",
        description="what CRMs' stages mean, beside the usual ones: stage=action or stage=rejected:reason pairs",
    )
    produce_timeout_s: float = Field(10, gt=0, le=120, description="the gateway answers 503 after this")
    in_flight_events: int = Field(
        20_000, ge=1, le=10_000_000, description="events that wait for the broker before the gateway answers 503"
    )

    api_keys: str = Field(
        "",
        description="who may ask the API: name=role:key pairs, comma separated; roles are read, ingest and admin; "
        "a key may be given as sha256:<hex> of it",
    )
    sign_in: str = Field("", description="who may sign in by a mailed link: addresses or @domains, comma separated")
    secret: Secret = Field(
        SecretStr(""),
        description="signs links in messages, sign-in links and sessions; 16 characters or more, the same for gateway "
        "and delivery; empty: messages have no links, and sessions end with the gateway",
    )
    trusted_user_header: str = Field(
        "", pattern=r"^[A-Za-z0-9-]{0,80}$", description="header in which a proxy tells who has signed in there"
    )
    trusted_proxies: str = Field("127.0.0.1/32,::1/128", description="networks of proxies whose header is believed")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/@?#]+(/[^\s?#]*)?)?$",
        description="where people reach the gateway, https://leads.example.com, for links in messages and mails; "
        "empty: as asked, and messages have no links",
    )
    smtp_url: Secret = Field(
        SecretStr(""),
        description="mail server of messages and sign-in links: smtp://user:password@host:587 (with STARTTLS, but for "
        "this machine) or smtps://…",
    )
    mail_from: str = Field("leadheat@localhost", description="sender of mails")
    contact_within_h: float = Field(
        1.0, gt=0, le=8_760, description="hours after which an alert that nobody acted on is overdue on the dashboard"
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")
    log_format: Literal["console", "json"] = Field("console", description="for a person, or one JSON object a line")

    @field_validator("brokers")
    @classmethod
    def _brokers_have_ports(cls, text: str) -> str:
        for server in text.split(","):
            host, _, port = server.strip().rpartition(":")
            if not (host and port.isdigit()):
                raise ValueError(f"{server!r} is not host:port")
        return text

    @field_validator("secret")
    @classmethod
    def _secret_is_long(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret) < SECRET_LENGTH_MIN:
            raise ValueError(f"has {len(secret)} characters; at least {SECRET_LENGTH_MIN} are needed")
        return secret

    @field_validator("write_keys", "follow_up_keys")
    @classmethod
    def _write_keys_are_pairs(cls, text: str) -> str:
        sources: list[str] = []
        for pair in split_list(text):
            source, equals, key = pair.partition("=")
            if not (source.strip() and equals and len(key.strip()) >= 6):
                raise ValueError(f"{source!r}: expected source=key, with a key of at least 6 characters")
            sources.append(source.strip())
            if sources.count(source.strip()) > LIVE_KEYS_MAX:
                raise ValueError(f"{source!r} has more than {LIVE_KEYS_MAX} keys: one in use, and the next")
        return text


def split_list(text: str | SecretStr) -> list[str]:
    """Split a setting that holds several values.

    >>> split_list("a, b,,c ")
    ['a', 'b', 'c']
    """
    plain = text if isinstance(text, str) else text.get_secret_value()
    return [part.strip() for part in plain.split(",") if part.strip()]


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment; ``overrides`` that are not None win.

    Raises :class:`scoring.errors.SettingsError`, which names each variable, its value and what was expected.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            name = "LEADHEAT_" + str(fault["loc"][0]).upper() if fault["loc"] else "settings"
            is_secret = any(word in name.lower() for word in ("key", "secret", "login", "_url"))
            shown = "" if is_secret else f" (is {fault['input']!r})"
            lines.append(f"{name}{shown}: {fault['msg'].removeprefix('Value error, ')}")
        raise SettingsError("\n".join(lines)) from None
