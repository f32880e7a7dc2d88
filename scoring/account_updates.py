"""Account updates: what became known of a company, as facts or as an event of its own.

An update on the wire is one JSON object, the record of account-updates::

    {"id": "u-1", "type": "account_updated", "time": 1767225600000, "account_id": "42", "domain": "acme.com",
     "facts": {"industry": "Software", "employees": 120, "technologies": ["Kafka", "Redis"], "crm": null}}

``time`` is that of an event. At least one of ``account_id`` and ``domain`` is needed; both together tell that the id is
that domain's account. A fact that is null is not known any more. Unknown fields are ignored here, as in events.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

import msgspec

from scoring.account_identity import account_key, account_of_domain
from scoring.company_events import COMPANY_EVENTS
from scoring.customer_events import CUSTOMER_EVENTS, check_customer_event
from scoring.errors import EventError
from scoring.events import (
    EVENT_BYTES_MAX,
    ID_LENGTH_MAX,
    NESTING_MAX,
    check_depth,
    check_id,
    check_time,
    explain_undecodable,
    too_large,
)

ACCOUNT_UPDATED: Final = "account_updated"
ACCOUNT_TYPES: Final = COMPANY_EVENTS | CUSTOMER_EVENTS | {ACCOUNT_UPDATED}
"""The whole vocabulary, closed like that of events."""

FACTS_MAX: Final = 100
"""Facts of one update."""

FACT_NAME_MAX: Final = 64
FACT_TEXTS_MAX: Final = 50
"""Texts of a fact that is a list of them."""

Fact = str | int | float | bool | list[str] | None
"""What a fact may be; None tells that it is not known any more."""

_INTEGER_MAX: Final = 1 << 53  # what every reader of JSON holds exactly


class AccountUpdate(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """What became known of one account, as it lies in Kafka.

    ``time`` is in ms since 1970 (UTC) after :func:`decode_account_update`; ``facts`` describe the company,
    ``properties`` the event.
    """

    id: str
    type: str
    time: int | str
    account_id: str | None = None
    domain: str | None = None
    source: str | None = None
    facts: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """The account that it is about: ``account:…`` where an id is told, else ``domain:…``."""
        return account_key(self.account_id, self.domain)


_decode = msgspec.json.Decoder(AccountUpdate).decode
_encode = msgspec.json.Encoder().encode


def decode_account_update(raw: bytes, received_ms: int) -> AccountUpdate:
    """Decode and check one update as it lies in Kafka.

    ``received_ms`` is when it was taken in (ms): an update may not lie more than 5 minutes after it.

    >>> update = decode_account_update(
    ...     b'{"id":"u","type":"funding","time":"2026-01-01T00:00:00Z","domain":"www.acme.com"}', 1767225600000)
    >>> update.time, update.key
    (1767225600000, 'domain:acme.com')

    Raises :class:`EventError` with one of :data:`scoring.events.REASONS`, naming the field.
    """
    if len(raw) > EVENT_BYTES_MAX:
        raise too_large(len(raw))
    try:
        update = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise explain_undecodable(raw, error) from None
    if len(raw) > 2 * NESTING_MAX:
        check_depth(raw, update.facts, update.properties)
    check_account_update(update, received_ms)
    return update


def check_account_update(update: AccountUpdate, received_ms: int) -> None:
    """Hold an update against the vocabulary and the bounds, and bring its time to milliseconds.

    Raises :class:`EventError`.
    """
    if update.type not in ACCOUNT_TYPES:
        known = ", ".join(sorted(ACCOUNT_TYPES))
        raise EventError("unknown_type", "type", f"{update.type[:80]!r} is not in the vocabulary: {known}")
    check_id(update.id)
    update.time = check_time(update.time, received_ms)
    _check_identity(update.account_id, update.domain)
    _check_facts(update.facts or {})
    if update.type in CUSTOMER_EVENTS:
        check_customer_event(update.type, update.properties or {})


def encode_account_update(update: AccountUpdate) -> bytes:
    """Encode an update as it is written to Kafka; fields that hold their default are left out."""
    return _encode(update)


def _check_identity(account_id: str | None, domain: str | None) -> None:
    if account_id is None and domain is None:
        raise EventError("missing_field", "account_id", "one of account_id and domain is required")
    if account_id is not None and not 0 < len(account_id) <= ID_LENGTH_MAX:
        raise EventError(
            "bad_identity", "account_id", f"has {len(account_id)} characters; 1 to {ID_LENGTH_MAX} are taken"
        )
    if domain is not None and not account_of_domain(domain):
        raise EventError(
            "bad_identity",
            "domain",
            f"{domain[:80]!r} is no company's domain (nor is that of free mail), as acme.com is",
        )


def _check_facts(facts: dict[str, Any]) -> None:
    if len(facts) > FACTS_MAX:
        raise EventError("too_large", "facts", f"are {len(facts)}; at most {FACTS_MAX} are taken")
    for name, value in facts.items():
        if not (0 < len(name) <= FACT_NAME_MAX and name.isprintable()):
            raise EventError(
                "wrong_type", "facts", f"{name[:80]!r} is no name of 1 to {FACT_NAME_MAX} printable characters"
            )
        if fault := _fault_of(value):
            raise EventError("wrong_type", f"facts.{name}", fault)


def _fault_of(value: object) -> str:
    """Say what is wrong with the value of a fact; nothing, if nothing is.

    >>> _fault_of("Software"), _fault_of([1]), _fault_of({})
    ('', 'is a list of other things than texts', 'is an object; expected a text, a number, true or false, or texts')
    """
    match value:
        case None | str() | bool():
            return ""
        case int():
            return "" if -_INTEGER_MAX < value < _INTEGER_MAX else "is too large a number"
        case float():
            return "" if isfinite(value) else "is not a finite number"
        case list() if len(value) > FACT_TEXTS_MAX:
            return f"has {len(value)} texts; at most {FACT_TEXTS_MAX} are taken"
        case list():
            return "" if all(isinstance(text, str) for text in value) else "is a list of other things than texts"
        case _:
            return "is an object; expected a text, a number, true or false, or texts"
