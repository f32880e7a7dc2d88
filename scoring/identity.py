"""Who an event is about: identities, their order, and the key that they give to records.

Identities are ordered ``email:`` > ``user:`` > ``anon:``. A lead's id is its strongest known identity,
written as prefix and text, and the same bytes key its records in Kafka.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from scoring.errors import EventError

IDENTITY_LENGTH_MAX = 255
"""Characters per identity. 254 is the longest e-mail address (RFC 5321); longer ids are mistakes."""


EMAIL_PREFIX: Final = "email:"
USER_PREFIX: Final = "user:"
VISITOR_PREFIX: Final = "anon:"
"""How the id of somebody begins who is not identified."""

LEAD_PREFIXES: Final = (EMAIL_PREFIX, USER_PREFIX, VISITOR_PREFIX)
"""How identities begin, the strongest first."""

VISITOR_INITIAL: Final = VISITOR_PREFIX[0]
"""No other id of a lead begins with it: for the hot path, where to compare a letter is quicker."""

_EMAILS_KEPT = 65_536
"""Addresses whose normal form is remembered: a chunk's people come back in the next."""


@lru_cache(maxsize=_EMAILS_KEPT)
def normalise_email(text: str) -> str:
    """Lower the case of an address and strip it; plus-tags and dots stay, since they can be people.

    >>> normalise_email("  Ann.Lee+News@Example.COM ")
    'ann.lee+news@example.com'

    Raises :class:`EventError` where the text is no address.
    """
    email = text.strip().lower()
    local, at, domain = email.partition("@")
    if (
        not (at and local and "." in domain.strip("."))
        or "@" in domain
        or " " in email
        or len(email) > IDENTITY_LENGTH_MAX
    ):
        raise EventError("bad_identity", "email", f"{text[:80]!r} is not an e-mail address")
    return email


_RANKS = {"e": 0, "u": 1, "a": 2}  # by the first letter of email:, user: and anon:


def is_stronger(identity: str, other: str) -> bool:
    """Tell which of two identities a pair of them is kept under: by kind, then by text.

    >>> is_stronger("user:7", "anon:a"), is_stronger("user:7", "email:ann@example.com"), is_stronger("user:7", "user:8")
    (True, False, True)
    """
    return (_RANKS[identity[0]], identity) < (_RANKS[other[0]], other)


def strongest_identity(email: str | None, user_id: str | None, anonymous_id: str | None) -> str:
    """Return the id of the lead that an event with these identities is about.

    >>> strongest_identity("Ann@Example.com", "42", None)
    'email:ann@example.com'
    >>> strongest_identity(None, "42", "a-1")
    'user:42'

    Raises :class:`EventError` where there is no identity, or one is empty or over-long.
    """
    if email is not None:
        return EMAIL_PREFIX + normalise_email(email)
    if user_id is not None:
        identity, prefix, field = user_id, USER_PREFIX, "user_id"
    elif anonymous_id is not None:
        identity, prefix, field = anonymous_id, VISITOR_PREFIX, "anonymous_id"
    else:
        raise EventError("missing_field", "email", "one of email, user_id and anonymous_id is required")
    if 0 < len(identity) <= IDENTITY_LENGTH_MAX:
        return prefix + identity
    raise EventError("bad_identity", field, f"has {len(identity)} characters; 1 to {IDENTITY_LENGTH_MAX} are taken")


def weaker_identities(user_id: str | None, anonymous_id: str | None) -> list[str]:
    """Return what an event shows beside an address, as identities; what cannot be one is left out.

    >>> weaker_identities("42", "a-1"), weaker_identities("", None)
    (['user:42', 'anon:a-1'], [])
    """
    shown = (USER_PREFIX, user_id), (VISITOR_PREFIX, anonymous_id)
    return [kind + text for kind, text in shown if text is not None and 0 < len(text) <= IDENTITY_LENGTH_MAX]


def normal_lead(lead: str) -> str:
    """Return a lead's id in its normal form.

    >>> normal_lead("email:Ann@Example.com"), normal_lead("user:7")
    ('email:ann@example.com', 'user:7')

    Raises :class:`EventError` where it is none.
    """
    kind, _, text = lead.partition(":")
    try:
        if kind == "email":
            return strongest_identity(text, None, None)
        if kind == "user":
            return strongest_identity(None, text, None)
        if kind == "anon":
            return strongest_identity(None, None, text)
    except EventError as error:
        raise EventError(error.reason, "lead", error.message) from None
    expected = ", ".join(LEAD_PREFIXES)
    raise EventError("bad_identity", "lead", f"{lead[:80]!r} is no lead's id; those begin with one of {expected}")


def meant_lead(text: str) -> str:
    """Return the id of the lead that a person means, who may leave out that an address is one.

    >>> meant_lead(" Ann@Example.com"), meant_lead("user:42")
    ('email:ann@example.com', 'user:42')

    Raises :class:`EventError` where it is none.
    """
    text = text.strip()
    is_address = "@" in text and not text.startswith(LEAD_PREFIXES)
    return normal_lead(EMAIL_PREFIX + text if is_address else text)


def email_of(lead: str) -> str:
    """Return the address that a lead is known by, or nothing.

    >>> email_of("email:ann@example.com"), email_of("user:42")
    ('ann@example.com', '')
    """
    return lead.removeprefix(EMAIL_PREFIX) if lead.startswith(EMAIL_PREFIX) else ""


def without_kind(lead: str) -> str:
    """Return a lead's id as people know it: an address without its prefix, another id as it is.

    >>> without_kind("email:ann@example.com"), without_kind("user:42")
    ('ann@example.com', 'user:42')
    """
    return lead.removeprefix(EMAIL_PREFIX)
